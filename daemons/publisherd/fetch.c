/* The list of accepted events whose attachments are still to be fetched: when each is tried, and what
 * is told when it fails. The list itself is the store's ({R}:fetch, fetch_store.c); what is here is a
 * copy that a restart makes anew. */
#include "daemons/publisherd/fetch_list.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/alarm.h"
#include "core/attachments.h"
#include "core/clock.h"
#include "core/log.h"
#include "core/memory.h"
#include "core/moment.h"

enum {
        AT_ONCE = 4,
        AT_ONCE_PER_HOST = 2,
        PATIENT_ATTEMPTS = 3, /* fails so often before a person hears of it */
        IDLE_MS = 60000,
};

/* -- one event that waits ------------------------------------------------------------------------------ */

static void want_free(struct want *want) {
        for (size_t i = 0; i < want->n_pieces; i++) {
                struct piece *piece = &want->pieces[i];

                (void) download_free(piece->download);
                free(piece->name);
                free(piece->media_type);
                free(piece->url);
                free(piece->host);
                free(piece->error);
        }
        free(want->pieces);
        free(want->document);
        free(want->source);
        free(want->ev_key);
        free(want);
}

struct want *fetch_find(const struct fetch *fetch, const struct region *region, const char *ulid) {
        for (struct want *want = fetch->first; want; want = want->next)
                if (want->region == region && strcmp(want->ulid, ulid) == 0)
                        return want;
        return NULL;
}

static uint32_t hash_of(const char *text) {
        uint32_t hash = 2166136261u;

        for (; *text; text++)
                hash = (hash ^ (unsigned char) *text) * 16777619u;
        return hash;
}

struct want *fetch_add(struct fetch *fetch, struct region *region, const char *ulid,
                       const char *document) {
        struct want *want;

        if (fetch->n_wants >= MOST_WANTS || strlen(ulid) >= sizeof(want->ulid))
                return NULL;
        want = calloc(1, sizeof(*want));
        if (!want)
                return NULL;
        want->document = strdup(document);
        if (!want->document) {
                free(want);
                return NULL;
        }
        want->region = region;
        want->hash = hash_of(document);
        memcpy(want->ulid, ulid, strlen(ulid) + 1);
        *fetch->last = want;
        fetch->last = &want->next;
        fetch->n_wants++;
        return want;
}

int want_fill(struct want *want, const struct event *event) {
        struct piece *pieces = calloc(event->n_attachments + 1, sizeof(*pieces));
        int r = 0;

        if (!pieces)
                return -ENOMEM;
        want->pieces = pieces;
        want->source = strdup(event->source);
        if (!want->source || asprintf(&want->ev_key, "%s %s", event->source, event->id) < 0) {
                want->ev_key = NULL;
                return -ENOMEM;
        }
        for (size_t i = 0; i < event->n_attachments && r == 0; i++) {
                const struct event_attachment *from = &event->attachments[i];
                struct piece *piece = &pieces[want->n_pieces++];
                struct origin origin freed_by(origin_done) = { 0 };

                piece->name = strdup(from->name);
                piece->media_type = strdup(from->media_type);
                piece->url = strdup(from->url ? from->url : "");
                memcpy(piece->sha256, from->sha256, sizeof(piece->sha256));
                piece->size = from->size;
                r = origin_of_url(piece->url, &origin);
                if (r == 0)
                        piece->host = origin_text(&origin);
                else if (r == -EINVAL) /* it came in a frame: nothing is to be fetched */
                        piece->host = strdup("-");
                r = piece->name && piece->media_type && piece->url && piece->host ? 0 : -ENOMEM;
        }
        want->is_loaded = r == 0;
        return r;
}

void fetch_remove(struct fetch *fetch, struct want *want) {
        struct want **at = &fetch->first;

        while (*at != want)
                at = &(*at)->next;
        *at = want->next;
        if (fetch->last == &want->next)
                fetch->last = at;
        fetch->n_wants--;
        for (size_t i = 0; i < want->n_pieces; i++) {
                struct piece *piece = &want->pieces[i];

                if (piece->download) {
                        fetch->n_running--;
                        piece->download = download_free(piece->download);
                }
                if (piece->is_told) {
                        piece->is_told = false;
                        fetch_tell_host(fetch, piece->host);
                }
        }
        want_free(want);
}

/* -- telling a person --------------------------------------------------------------------------------- */

/* One alarm per host: a host that is down is one thing to do, however many documents wait. */
void fetch_tell_host(struct fetch *fetch, const char *host) {
        const struct piece *example = NULL;
        const char *document = "";
        size_t n = 0;
        char count[24];

        for (const struct want *want = fetch->first; want; want = want->next) {
                bool counted = false;

                for (size_t i = 0; i < want->n_pieces; i++) {
                        const struct piece *piece = &want->pieces[i];

                        if (!piece->is_told || strcmp(piece->host, host) != 0)
                                continue;
                        n += !counted;
                        counted = true;
                        example = piece;
                        document = want->document;
                }
        }
        (void) snprintf(count, sizeof(count), "%zu", n);
        if (example)
                alarm_raise(ALARM_FETCH, host, "count", count, "document", document, "reason",
                            example->error ? example->error : "", NULL);
        else
                alarm_clear(ALARM_FETCH, host);
}

static bool waits_for(const struct fetch *fetch, const char *host) {
        for (const struct want *want = fetch->first; want; want = want->next)
                for (size_t i = 0; i < want->n_pieces; i++)
                        if (strcmp(want->pieces[i].host, host) == 0)
                                return true;
        return false;
}

/* Of the alarms that a run before left open, those stay whose host is still waited for: it comes, or
 * fails again. Looked at once, when the list is whole. */
static void forget_alarms(struct fetch *fetch) {
        json_t *open;
        const json_t *alarm;
        size_t i;

        for (i = 0; i < fetch->daemon->n_regions; i++)
                if (fetch->daemon->regions[i].fetch_looking ||
                    fetch->daemon->regions[i].fetch_look_boot_ms < INT64_MAX)
                        return;
        for (const struct want *want = fetch->first; want; want = want->next)
                if (!want->is_loaded || want->is_doubtful)
                        return;
        fetch->has_forgotten = true;
        open = alarm_list(fetch->daemon->configuration->main.state_dir, NULL);
        json_array_foreach(open, i, alarm) {
                const char *code = json_string_value(json_object_get(alarm, "code"));
                const char *host = json_string_value(json_object_get(alarm, "subject"));

                if (code && host && strcmp(code, alarm_code(ALARM_FETCH)) == 0 &&
                    !waits_for(fetch, host))
                        alarm_clear(ALARM_FETCH, host);
        }
        json_decref(open);
}

static int64_t wait_ms(const struct publisherd *daemon, unsigned attempts, bool wrong) {
        const struct string_list *retry = &daemon->configuration->main.fetch_retry;
        size_t i = wrong || attempts > retry->n ? retry->n : attempts;
        int64_t ms = 3600 * 1000;

        if (i > 0)
                (void) duration_parse(retry->items[i - 1], &ms);
        return ms + ms * (rand() % 100) / 1000; /* up to a tenth more, so that a host is not hit at once */
}

static void piece_failed(struct fetch *fetch, struct want *want, struct piece *piece, bool wrong,
                         const char *sentence) {
        int64_t ms;
        char attempts[24], seconds[24];

        piece->attempts++;
        want->is_doubtful = true;
        free(piece->error);
        piece->error = strdup(sentence);
        ms = wait_ms(fetch->daemon, piece->attempts, wrong);
        piece->next_boot_ms = clock_boot_ms() + ms;
        (void) snprintf(attempts, sizeof(attempts), "%u", piece->attempts);
        (void) snprintf(seconds, sizeof(seconds), "%lld", (long long) (ms + 999) / 1000);
        log_say(LOG_WARNING, MESSAGE_FETCH_FAILED, "region", want->region->code, "document",
                want->document, "event", want->ulid, "name", piece->name, "host", piece->host,
                "attempt", attempts, "reason", sentence, "seconds", seconds, NULL);
        if (wrong || piece->attempts >= PATIENT_ATTEMPTS)
                piece->is_told = true;
        if (piece->is_told)
                fetch_tell_host(fetch, piece->host);
}

static void piece_done(struct fetch *fetch, struct piece *piece) {
        piece->is_done = true;
        piece->is_told = false;
        free(give_away(piece->error));
        fetch_tell_host(fetch, piece->host);
}

/* -- trying ------------------------------------------------------------------------------------------- */

static void on_download(struct download *download, enum download_end end, const char *sentence,
                        void *userdata) {
        struct fetch *fetch = userdata;

        fetch->n_running--;
        for (struct want *want = fetch->first; want; want = want->next) {
                for (size_t i = 0; i < want->n_pieces; i++) {
                        struct piece *piece = &want->pieces[i];

                        if (piece->download != download)
                                continue;
                        piece->download = NULL;
                        if (end == DOWNLOAD_DONE)
                                piece_done(fetch, piece);
                        else
                                piece_failed(fetch, want, piece, end == DOWNLOAD_WRONG, sentence);
                }
        }
        (void) download_free(download);
        fetch_pump_soon(fetch);
}

/* Whether an emitter that may speak for the source may have fetched from there. The event was let in
 * so; the files may have been changed since. */
static bool source_may_fetch(const struct configuration *configuration, const char *source,
                             const struct origin *origin) {
        for (size_t i = 0; i < configuration->n_emitters; i++) {
                const struct emitter_config *emitter = &configuration->emitters[i];

                if (emitter->enabled && source_is_listed(&emitter->sources, source) &&
                    origin_is_listed(&emitter->fetch_from, origin))
                        return true;
        }
        return false;
}

static bool is_under_way(const struct fetch *fetch, const char *sha256) {
        for (const struct want *want = fetch->first; want; want = want->next)
                for (size_t i = 0; i < want->n_pieces; i++)
                        if (want->pieces[i].download &&
                            strcmp(download_sha256(want->pieces[i].download), sha256) == 0)
                                return true;
        return false;
}

static size_t under_way_at(const struct fetch *fetch, const char *host) {
        size_t n = 0;

        for (const struct want *want = fetch->first; want; want = want->next)
                for (size_t i = 0; i < want->n_pieces; i++)
                        n += want->pieces[i].download &&
                             strcmp(download_host(want->pieces[i].download), host) == 0;
        return n;
}

static void piece_try(struct fetch *fetch, struct want *want, struct piece *piece) {
        struct publisherd *daemon = fetch->daemon;
        struct origin origin freed_by(origin_done) = { 0 };
        struct download_request request = {
                .url = piece->url, .media_type = piece->media_type, .sha256 = piece->sha256,
                .host = piece->host, .size = piece->size,
        };
        int r;

        if (attachment_is_here(daemon->attachments_dir, piece->sha256, piece->size)) {
                piece_done(fetch, piece); /* with another event, or in a frame */
                fetch_pump_soon(fetch);
                return;
        }
        if (fetch->n_running >= AT_ONCE || daemon->stopping)
                return;
        if (origin_of_url(piece->url, &origin) < 0 ||
            !source_may_fetch(daemon->configuration, want->source, &origin)) {
                char *sentence freed_by(freep) = say(MESSAGE_FETCH_NOT_ALLOWED, "host", piece->host,
                                                     "source", want->source, NULL);

                piece_failed(fetch, want, piece, true, sentence ? sentence : "");
                return;
        }
        if (under_way_at(fetch, piece->host) >= AT_ONCE_PER_HOST || is_under_way(fetch, piece->sha256))
                return; /* the end of another one comes back here */
        request.host_is_named_address = origin_is_address(&origin);
        r = download_start(daemon, fetch->transfers, &request, on_download, fetch, &piece->download);
        if (r < 0) {
                char *sentence freed_by(freep) =
                        say(MESSAGE_FETCH_DISK, "reason", strerror(-r), NULL);

                piece_failed(fetch, want, piece, false, sentence ? sentence : "");
                return;
        }
        fetch->n_running++;
}

static bool want_is_whole(const struct want *want) {
        for (size_t i = 0; i < want->n_pieces; i++)
                if (!want->pieces[i].is_done)
                        return false;
        return want->is_loaded;
}

static void wake(struct fetch *fetch, int64_t ms) {
        (void) sd_event_source_set_time_relative(fetch->timer, (uint64_t) ms * 1000);
        (void) sd_event_source_set_enabled(fetch->timer, SD_EVENT_ONESHOT);
}

/* The pieces that are due are tried; returns when the next one is. */
static int64_t want_try(struct fetch *fetch, struct want *want, int64_t now) {
        int64_t next = INT64_MAX;

        for (size_t i = 0; i < want->n_pieces && !want->is_asking; i++) {
                struct piece *piece = &want->pieces[i];

                if (piece->is_done || piece->download)
                        continue;
                if (piece->next_boot_ms <= now && want->is_doubtful)
                        fetch_ask(fetch, want);
                else if (piece->next_boot_ms <= now)
                        piece_try(fetch, want, piece);
                /* What is due still waits for a download to end, or for an answer: these wake us. */
                if (!piece->is_done && !piece->download && piece->next_boot_ms > now &&
                    piece->next_boot_ms < next)
                        next = piece->next_boot_ms;
        }
        return next;
}

/* Everything that is due. Nothing here waits, and nothing is taken off the list. */
static void pump(struct fetch *fetch) {
        struct publisherd *daemon = fetch->daemon;
        int64_t now = clock_boot_ms(), next = now + IDLE_MS, at;

        fetch->is_soon = false;
        for (struct want *want = fetch->first; want; want = want->next) {
                bool is_ready = region_is_ready(daemon, want->region, NULL);

                at = INT64_MAX;
                if (want->is_asking)
                        continue;
                if (want->next_boot_ms > now)
                        at = want->next_boot_ms;
                else if (is_ready && want->is_overtaken) {
                        want->is_overtaken = false;
                        fetch_ask(fetch, want);
                } else if (is_ready && !want->is_loaded)
                        fetch_load(fetch, want);
                else if (is_ready && want_is_whole(want))
                        fetch_tell(fetch, want);
                else if (is_ready)
                        at = want_try(fetch, want, now);
                next = at < next ? at : next;
        }
        for (size_t i = 0; i < daemon->n_regions; i++) {
                struct region *region = &daemon->regions[i];

                if (region->fetch_look_boot_ms <= now && region_is_ready(daemon, region, NULL))
                        fetch_look(fetch, region);
                if (region->fetch_look_boot_ms > now && region->fetch_look_boot_ms < next)
                        next = region->fetch_look_boot_ms;
        }
        if (!fetch->has_forgotten)
                forget_alarms(fetch);
        wake(fetch, fetch->is_soon ? 0 : next - now);
}

/* -- from the rest of the daemon ------------------------------------------------------------------------ */

void fetch_wanted(struct publisherd *daemon, struct region *region, const char *ulid,
                  const char *document, const void *bytes, size_t n_bytes) {
        struct fetch *fetch = daemon->fetch;
        struct want *want = fetch_find(fetch, region, ulid);

        if (!want)
                want = fetch_add(fetch, region, ulid, document);
        if (!want)
                region->fetch_look_boot_ms = clock_boot_ms() + IDLE_MS;
        else if (!want->is_loaded && !want->is_asking)
                fetch_read_event(fetch, want, bytes, n_bytes);
        fetch_pump_soon(fetch);
}

void fetch_overtaken(struct publisherd *daemon, struct region *region, const char *document,
                     const char *ulid) {
        struct want *want = daemon->fetch->first;
        uint32_t hash = want ? hash_of(document) : 0;

        for (; want; want = want->next)
                if (want->hash == hash && want->region == region &&
                    strcmp(want->document, document) == 0 && strcmp(want->ulid, ulid) != 0) {
                        want->is_overtaken = true;
                        fetch_pump_soon(daemon->fetch);
                }
}

void fetch_arrived(struct publisherd *daemon, const char *sha256) {
        for (struct want *want = daemon->fetch->first; want; want = want->next)
                for (size_t i = 0; i < want->n_pieces; i++)
                        if (strcmp(want->pieces[i].sha256, sha256) == 0) {
                                want->pieces[i].next_boot_ms = 0;
                                fetch_pump_soon(daemon->fetch);
                        }
}

void fetch_reloaded(struct publisherd *daemon) {
        for (struct want *want = daemon->fetch->first; want; want = want->next)
                for (size_t i = 0; i < want->n_pieces; i++)
                        want->pieces[i].next_boot_ms = 0; /* what was wrong may have been mended */
        fetch_pump_soon(daemon->fetch);
}

void fetch_ready(struct publisherd *daemon, struct region *region) {
        region->fetch_look_boot_ms = 0;
        fetch_pump_soon(daemon->fetch);
}

static json_t *piece_json(const struct want *want, const struct piece *piece) {
        int64_t left_ms = piece->next_boot_ms - clock_boot_ms();
        char text[MOMENT_TEXT];

        return json_pack("{s:s, s:s, s:s, s:s, s:I, s:o, s:s?}", "event", want->ulid, "name",
                         piece->name, "url", piece->url, "state",
                         piece->is_done    ? "here"
                         : piece->download ? "fetching"
                                           : "waiting",
                         "attempts", (json_int_t) piece->attempts, "next",
                         !piece->is_done && !piece->download && left_ms > 0
                                 ? json_string(moment_write(clock_now_ms() + left_ms, text))
                                 : json_null(),
                         "error", piece->error);
}

json_t *fetch_json(struct publisherd *daemon, const struct region *region, const char *document) {
        json_t *list = NULL;

        for (struct want *want = daemon->fetch->first; want; want = want->next) {
                if (want->region != region || strcmp(want->document, document) != 0)
                        continue;
                if (!list)
                        list = json_array();
                for (size_t i = 0; i < want->n_pieces; i++)
                        (void) json_array_append_new(list, piece_json(want, &want->pieces[i]));
        }
        return list;
}

static int on_wake(sd_event_source *source, uint64_t usec, void *userdata) {
        (void) source;
        (void) usec;
        pump(userdata);
        return 0;
}

/* Not at once: who calls may be in the middle of the list, or of libcurl. */
void fetch_pump_soon(struct fetch *fetch) {
        fetch->is_soon = true;
        wake(fetch, 0);
}

int fetch_open(struct publisherd *daemon) {
        struct fetch *fetch = calloc(1, sizeof(*fetch));
        int r;

        if (!fetch)
                return -ENOMEM;
        daemon->fetch = fetch;
        fetch->daemon = daemon;
        fetch->last = &fetch->first;
        r = transfers_new(daemon->event, download_on_ended, &fetch->transfers);
        if (r >= 0)
                r = sd_event_add_time(daemon->event, &fetch->timer, CLOCK_BOOTTIME, UINT64_MAX, 1000,
                                      on_wake, fetch);
        return r < 0 ? r : sd_event_source_set_enabled(fetch->timer, SD_EVENT_OFF);
}

void fetch_close(struct publisherd *daemon) {
        struct fetch *fetch = daemon->fetch;

        if (!fetch)
                return;
        while (fetch->first) {
                struct want *want = fetch->first;

                fetch->first = want->next;
                want_free(want); /* the alarms stay: nothing has become better */
        }
        (void) transfers_free(fetch->transfers);
        (void) sd_event_source_disable_unref(fetch->timer);
        free(fetch);
        daemon->fetch = NULL;
}
