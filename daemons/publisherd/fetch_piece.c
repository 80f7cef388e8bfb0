/* One attachment that is to be fetched: whether it may be tried now, what came of it, and what a
 * person hears of that. */
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

enum {
        AT_ONCE_PER_HOST = 2,
        LONGEST_REST_MS = 60000,
        PATIENT_ATTEMPTS = 3, /* fails so often before a person hears of it */
};

/* -- telling a person --------------------------------------------------------------------------------- */

/* One alarm per host: a host that is down is one thing to do, however many documents wait. */
void fetch_tell_host(struct fetch *fetch, const struct host *host) {
        const struct piece *example = NULL;
        const char *document = "";
        size_t n = 0;
        char count[24];

        for (const struct want *want = fetch->first; want; want = want->next) {
                bool counted = false;

                for (size_t i = 0; i < want->n_pieces; i++) {
                        const struct piece *piece = &want->pieces[i];

                        if (!piece->is_told || piece->host != host)
                                continue;
                        n += !counted;
                        counted = true;
                        example = piece;
                        document = want->document;
                }
        }
        (void) snprintf(count, sizeof(count), "%zu", n);
        if (example)
                alarm_raise(ALARM_FETCH, host->name, "count", count, "document", document, "reason",
                            example->error ? example->error : "", NULL);
        else
                alarm_clear(ALARM_FETCH, host->name);
}

static bool waits_for(const struct fetch *fetch, const char *host) {
        for (const struct want *want = fetch->first; want; want = want->next)
                for (size_t i = 0; i < want->n_pieces; i++)
                        if (strcmp(want->pieces[i].host->name, host) == 0)
                                return true;
        return false;
}

/* Of the alarms that a run before left open, those stay whose host is still waited for: it comes, or
 * fails again. Looked at once, when the list is whole. */
void fetch_forget_alarms(struct fetch *fetch) {
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
                want->document, "event", want->ulid, "name", piece->told_name, "host", piece->host->name,
                "attempt", attempts, "reason", sentence, "seconds", seconds, NULL);
        if (wrong || piece->attempts >= PATIENT_ATTEMPTS)
                piece->is_told = true;
        if (piece->is_told)
                fetch_tell_host(fetch, piece->host);
}

void piece_done(struct fetch *fetch, struct piece *piece) {
        piece->is_done = true;
        piece->is_told = false;
        free(give_away(piece->error));
        fetch_tell_host(fetch, piece->host);
}

/* -- trying ------------------------------------------------------------------------------------------- */

/* The place of a piece that is under way; with NULL a free one, NULL when there is none. */
static struct place *place_of(struct fetch *fetch, const struct piece *piece) {
        for (size_t i = 0; i < FETCH_AT_ONCE; i++)
                if (fetch->places[i].piece == piece)
                        return &fetch->places[i];
        return NULL;
}

/* It is under way no more, whatever came of it. */
void piece_stop(struct fetch *fetch, struct piece *piece) {
        struct place *place = place_of(fetch, piece);

        piece->download = download_free(piece->download);
        piece->host->n_running--;
        if (place)
                *place = (struct place) { 0 };
}

/* Others' turn. */
static void want_to_end(struct fetch *fetch, struct want *want) {
        struct want **at = &fetch->first;

        if (!want->next)
                return;
        while (*at != want)
                at = &(*at)->next;
        *at = want->next;
        want->next = NULL;
        *fetch->last = want;
        fetch->last = &want->next;
}

static void on_download(struct download *download, enum download_end end, const char *sentence,
                        void *userdata) {
        struct fetch *fetch = userdata;

        for (size_t i = 0; i < FETCH_AT_ONCE; i++) {
                struct want *want = fetch->places[i].want;
                struct piece *piece = fetch->places[i].piece;
                struct host *host = piece ? piece->host : NULL;

                if (!piece || piece->download != download)
                        continue;
                if (end == DOWNLOAD_DONE)
                        piece_done(fetch, piece);
                else
                        piece_failed(fetch, want, piece, end == DOWNLOAD_WRONG, sentence);
                piece_stop(fetch, piece); /* the sentence was the download's */
                host->n_away = end == DOWNLOAD_AWAY ? host->n_away + 1 : 0;
                if (end == DOWNLOAD_AWAY) {
                        int64_t ms = wait_ms(fetch->daemon, host->n_away, false);

                        host->next_boot_ms = clock_boot_ms() +
                                             (ms < LONGEST_REST_MS ? ms : LONGEST_REST_MS);
                }
                want_to_end(fetch, want);
                break;
        }
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
        for (size_t i = 0; i < FETCH_AT_ONCE; i++)
                if (fetch->places[i].piece && strcmp(fetch->places[i].piece->sha256, sha256) == 0)
                        return true;
        return false;
}

/* When it has to wait for a place, the end of another one comes back here; a host's rest ends by
 * the clock. */
void piece_try(struct fetch *fetch, struct want *want, struct piece *piece, int64_t now) {
        struct publisherd *daemon = fetch->daemon;
        struct host *host = piece->host;
        struct place *place = place_of(fetch, NULL);
        struct origin origin freed_by(origin_done) = { 0 };
        struct download_request request = {
                .url = piece->url, .media_type = piece->media_type, .sha256 = piece->sha256,
                .host = host->name, .size = piece->size,
        };
        int r;

        if (!place || daemon->stopping || host->next_boot_ms > now ||
            host->n_running >= (host->n_away > 0 ? 1 : AT_ONCE_PER_HOST) ||
            is_under_way(fetch, piece->sha256))
                return;
        if (attachment_is_here(daemon->attachments_dir, piece->sha256, piece->size)) {
                piece_done(fetch, piece); /* with another event */
                fetch_pump_soon(fetch);
                return;
        }
        if (origin_of_url(piece->url, &origin) < 0 ||
            !source_may_fetch(daemon->configuration, want->source, &origin)) {
                char *sentence freed_by(freep) = say(MESSAGE_FETCH_NOT_ALLOWED, "host", host->name,
                                                     "source", want->source, NULL);

                piece_failed(fetch, want, piece, true, sentence ? sentence : "");
                return;
        }
        request.host_is_named_address = origin_is_address(&origin);
        r = download_start(daemon, fetch->transfers, &request, on_download, fetch, &piece->download);
        if (r < 0) {
                char *sentence freed_by(freep) =
                        say(MESSAGE_FETCH_DISK, "reason", strerror(-r), NULL);

                piece_failed(fetch, want, piece, false, sentence ? sentence : "");
                return;
        }
        *place = (struct place) { want, piece };
        host->n_running++;
}
