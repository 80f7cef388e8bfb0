/* The accepted events whose attachments are still to be fetched, and when each is looked at. The list
 * itself is the store's ({R}:fetch, fetch_store.c); what is here is a copy that a restart makes anew.
 * How one attachment fares is fetch_piece.c's. */
#include "daemons/publisherd/fetch_list.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/attachments.h"
#include "core/clock.h"
#include "core/memory.h"
#include "core/moment.h"

enum { IDLE_MS = 60000 };

/* -- one event that waits ------------------------------------------------------------------------------ */

static void pieces_free(struct want *want) {
        for (size_t i = 0; i < want->n_pieces; i++) {
                struct piece *piece = &want->pieces[i];

                (void) download_free(piece->download);
                free(piece->name);
                free(piece->told_name);
                free(piece->media_type);
                free(piece->url);
                free(piece->error);
        }
        free(give_away(want->pieces));
        want->n_pieces = 0;
}

static void want_free(struct want *want) {
        pieces_free(want);
        free(want->document);
        free(want->source);
        free(want->ev_key);
        free(want->list);
        free(want->item);
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
                       const char *document, const char *list) {
        struct want *want;

        if (fetch->n_wants >= MOST_WANTS || strlen(ulid) >= sizeof(want->ulid))
                return NULL;
        want = calloc(1, sizeof(*want));
        if (!want)
                return NULL;
        want->document = strdup(document);
        want->list = list ? strdup(list) : NULL;
        if (!want->document || (list && !want->list)) {
                want_free(want);
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

static struct host *host_of(struct fetch *fetch, const char *name) {
        struct host *host = fetch->hosts;

        while (host && strcmp(host->name, name) != 0)
                host = host->next;
        if (host)
                return host;
        host = calloc(1, sizeof(*host));
        if (!host)
                return NULL;
        host->name = strdup(name);
        if (!host->name) {
                free(host);
                return NULL;
        }
        host->next = fetch->hosts;
        fetch->hosts = host;
        return host;
}

static int piece_fill(struct fetch *fetch, struct piece *piece, const struct event *event, size_t i) {
        const struct event_attachment *from = &event->attachments[i];
        struct origin origin freed_by(origin_done) = { 0 };
        char *name freed_by(freep) = NULL;
        int r;

        piece->name = strdup(from->name);
        piece->told_name = screened_name(event, i);
        piece->media_type = strdup(from->media_type);
        piece->url = strdup(from->url ? from->url : "");
        if (!piece->name || !piece->told_name || !piece->media_type || !piece->url)
                return -ENOMEM;
        memcpy(piece->sha256, from->sha256, sizeof(piece->sha256));
        piece->size = from->size;
        r = origin_of_url(piece->url, &origin);
        if (r == -ENOMEM)
                return r;
        name = r == 0 ? origin_text(&origin) : strdup("-"); /* it came in a frame */
        piece->host = name ? host_of(fetch, name) : NULL;
        return piece->host ? 0 : -ENOMEM;
}

int want_fill(struct fetch *fetch, struct want *want, const struct event *event) {
        int r = 0;

        pieces_free(want);
        free(give_away(want->source));
        free(give_away(want->ev_key));
        want->pieces = calloc(event->n_attachments + 1, sizeof(*want->pieces));
        free(give_away(want->item));
        want->source = strdup(event->source);
        want->item = event->item ? strdup(event->item) : NULL;
        want->time_ms = event->time_ms;
        want->revision = event->revision;
        if (!want->pieces || !want->source || (event->item && !want->item) ||
            asprintf(&want->ev_key, "%s %s", event->source, event->id) < 0) {
                want->ev_key = NULL;
                return -ENOMEM;
        }
        for (size_t i = 0; i < event->n_attachments && r == 0; i++) {
                struct piece *piece = &want->pieces[want->n_pieces++];

                piece->is_new = want->list ? to_fetch_has(want->list, i)
                                           : event->attachments[i].url != NULL;
                r = piece_fill(fetch, piece, event, i);
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

                if (piece->download)
                        piece_stop(fetch, piece);
                if (piece->is_told)
                        fetch_tell_host(fetch, piece->host); /* of those that still wait */
        }
        want_free(want);
}

/* -- the pump ------------------------------------------------------------------------------------------- */

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
        int64_t next = INT64_MAX, at;

        for (size_t i = 0; i < want->n_pieces && !want->is_asking; i++) {
                struct piece *piece = &want->pieces[i];

                if (piece->is_done || piece->download)
                        continue;
                if (piece->next_boot_ms <= now && want->is_doubtful)
                        fetch_ask(fetch, want);
                else if (piece->next_boot_ms <= now)
                        piece_try(fetch, want, piece, now);
                if (piece->is_done || piece->download)
                        continue;
                at = piece->next_boot_ms > piece->host->next_boot_ms ? piece->next_boot_ms
                                                                    : piece->host->next_boot_ms;
                /* What could start now waits for a place or an answer, which wake us. */
                if (at > now && at < next)
                        next = at;
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
                fetch_forget_alarms(fetch);
        wake(fetch, fetch->is_soon ? 0 : next - now);
}

/* -- from the rest of the daemon ------------------------------------------------------------------------ */

void fetch_wanted(struct publisherd *daemon, struct region *region, const char *ulid,
                  const char *document, const char *list, const void *bytes, size_t n_bytes) {
        struct fetch *fetch = daemon->fetch;
        struct want *want = fetch_find(fetch, region, ulid);

        if (!want)
                want = fetch_add(fetch, region, ulid, document, list);
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
        struct fetch *fetch = daemon->fetch;

        for (struct want *want = fetch->first; want; want = want->next)
                for (size_t i = 0; i < want->n_pieces; i++) {
                        struct piece *piece = &want->pieces[i];

                        if (piece->is_done || strcmp(piece->sha256, sha256) != 0 ||
                            !attachment_is_here(daemon->attachments_dir, sha256, piece->size))
                                continue;
                        if (piece->download)
                                piece_stop(fetch, piece);
                        piece_done(fetch, piece);
                        fetch_pump_soon(fetch);
                }
}

void fetch_reloaded(struct publisherd *daemon) {
        /* What was wrong may have been mended. */
        for (struct want *want = daemon->fetch->first; want; want = want->next)
                for (size_t i = 0; i < want->n_pieces; i++)
                        want->pieces[i].next_boot_ms = 0;
        for (struct host *host = daemon->fetch->hosts; host; host = host->next)
                host->next_boot_ms = 0;
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
        while (fetch->hosts) {
                struct host *host = fetch->hosts;

                fetch->hosts = host->next;
                free(host->name);
                free(host);
        }
        (void) transfers_free(fetch->transfers);
        (void) sd_event_source_disable_unref(fetch->timer);
        free(fetch);
        daemon->fetch = NULL;
}
