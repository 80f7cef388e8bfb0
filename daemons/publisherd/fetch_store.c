/* What the fetcher has to do with the store: which events wait ({R}:fetch), what they name (their
 * bytes), and that they are whole (gk1_fetched). */
#include "daemons/publisherd/fetch_list.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core/attachments.h"
#include "core/clock.h"
#include "core/log.h"
#include "core/memory.h"
#include "daemons/publisherd/control.h"

enum {
        LOOK_MS = 60000,  /* a revision that was overtaken meanwhile is noticed so late at most */
        AGAIN_MS = 5000,  /* after an answer that was none */
        PAGE = 256,
        LOADING = 4,      /* events of up to 1 MiB at a time */
        MOST_TRIES = 8,
};

/* A question to the store about one event, which may be gone when the answer comes. */
struct asked {
        struct fetch *fetch;
        struct region *region;
        char ulid[ULID_TEXT];
};

static struct asked *asked_new(struct fetch *fetch, struct want *want) {
        struct asked *asked = calloc(1, sizeof(*asked));

        if (!asked)
                return NULL;
        *asked = (struct asked) { .fetch = fetch, .region = want->region };
        memcpy(asked->ulid, want->ulid, sizeof(asked->ulid));
        want->is_asking = true;
        return asked;
}

static struct want *asked_of(const struct asked *asked) {
        struct want *want = fetch_find(asked->fetch, asked->region, asked->ulid);

        if (want)
                want->is_asking = false;
        return want;
}

static void ask_later(struct fetch *fetch, struct want *want, int64_t ms) {
        want->is_asking = false;
        want->next_boot_ms = clock_boot_ms() + ms;
        fetch_pump_soon(fetch);
}

/* -- the event's bytes --------------------------------------------------------------------------------- */

void fetch_read_event(struct fetch *fetch, struct want *want, const void *bytes, size_t n_bytes) {
        struct findings findings = { 0 };
        json_t *json = event_read(bytes, n_bytes, &findings);
        struct event *event freed_by(event_freep) =
                json ? event_parse(json, &findings, &findings) : NULL;

        if (event && want_fill(want, event) == 0)
                want->next_boot_ms = 0;
        else /* short of memory: an event was whole when it was taken */
                ask_later(fetch, want, LOOK_MS);
        json_decref(json);
        findings_done(&findings);
}

static void on_bytes(struct store *store, const redisReply *reply, int error, const char *reason,
                     void *userdata) {
        struct asked *asked freed_by(freep) = userdata;
        struct fetch *fetch = asked->fetch;
        struct want *want = asked_of(asked);

        (void) store;
        (void) reason;
        fetch->n_loading--;
        if (!want)
                return;
        if (error || !reply || reply->type != REDIS_REPLY_STRING)
                ask_later(fetch, want, error ? AGAIN_MS : LOOK_MS);
        else
                fetch_read_event(fetch, want, reply->str, (size_t) reply->len);
        fetch_pump_soon(fetch);
}

void fetch_load(struct fetch *fetch, struct want *want) {
        struct words words = { 0 };
        struct asked *asked;

        if (fetch->n_loading >= LOADING || !store_is_up(fetch->daemon->store))
                return;
        asked = asked_new(fetch, want);
        words_str(&words, "GET");
        words_key(&words, want->region->code, "body:%s", want->ulid);
        if (!asked || store_command(fetch->daemon->store, &words, on_bytes, asked) < 0) {
                free(asked);
                ask_later(fetch, want, AGAIN_MS);
        } else
                fetch->n_loading++;
        words_done(&words);
}

/* -- which events wait ----------------------------------------------------------------------------------- */

struct look {
        struct fetch *fetch;
        struct region *region;
        uint64_t number;
        bool is_short; /* there was no room for all */
};

static void look_page(struct look *look, const char *cursor);

/* What was not found is overtaken, withdrawn, or was told by another. */
static void look_end(struct look *look) {
        struct fetch *fetch = look->fetch;

        for (struct want *want = fetch->first, *next; want; want = next) {
                next = want->next;
                if (want->region == look->region && want->seen < look->number && !want->is_new)
                        fetch_remove(fetch, want);
                else if (want->region == look->region)
                        want->is_new = false;
        }
        look->region->fetch_looking = false;
        if (!look->is_short && !fetch->has_looked)
                fetch_alarms_clear(fetch);
        free(look);
        fetch_pump_soon(fetch);
}

static void look_fail(struct look *look) {
        look->region->fetch_looking = false;
        look->region->fetch_look_boot_ms = clock_boot_ms() + AGAIN_MS;
        free(look);
}

static void on_page(struct store *store, const redisReply *reply, int error, const char *reason,
                    void *userdata) {
        struct look *look = userdata;
        const redisReply *rows = reply_at(reply, 1);
        const char *cursor = reply_text(reply, 0);

        (void) store;
        (void) reason;
        if (error || !rows) {
                look_fail(look);
                return;
        }
        for (size_t i = 0; i + 1 < rows->elements; i += 2) {
                struct want *want =
                        fetch_add(look->fetch, look->region, reply_text(rows, i), reply_text(rows, i + 1));

                if (want)
                        want->seen = look->number;
                else
                        look->is_short = true;
        }
        if (strcmp(cursor, "0") == 0)
                look_end(look);
        else
                look_page(look, cursor);
}

static void look_page(struct look *look, const char *cursor) {
        struct words words = { 0 };

        words_str(&words, "HSCAN");
        words_key(&words, look->region->code, "fetch");
        words_str(&words, cursor);
        words_str(&words, "COUNT");
        words_number(&words, PAGE);
        if (store_command(look->fetch->daemon->store, &words, on_page, look) < 0)
                look_fail(look);
        words_done(&words);
}

void fetch_look(struct fetch *fetch, struct region *region) {
        struct look *look;

        region->fetch_look_boot_ms = clock_boot_ms() + LOOK_MS;
        if (region->fetch_looking || !region_is_ready(fetch->daemon, region, NULL))
                return;
        look = calloc(1, sizeof(*look));
        if (!look)
                return;
        *look = (struct look) { .fetch = fetch, .region = region, .number = ++fetch->look };
        /* What is accepted from now on may be missed, and is not gone for that. */
        for (struct want *want = fetch->first; want; want = want->next)
                want->is_new = false;
        region->fetch_looking = true;
        look_page(look, "0");
}

/* -- whole --------------------------------------------------------------------------------------------- */

static void on_told(struct store *store, const redisReply *reply, int error, const char *reason,
                    void *userdata) {
        struct asked *asked freed_by(freep) = userdata;
        struct fetch *fetch = asked->fetch;
        struct publisherd *daemon = fetch->daemon;
        struct region *region = asked->region;
        struct want *want = asked_of(asked);
        struct buf names = { 0 };

        (void) store;
        if (!want)
                return;
        if (!error && reply_is(reply, 0, "again") && want->tries++ < MOST_TRIES) {
                region_learn_channel(region, reply_text(reply, 1));
                fetch_pump_soon(fetch);
                return;
        }
        if (error || !(reply_is(reply, 0, "ok") || reply_is(reply, 0, "unknown"))) {
                if (trouble_is_news(daemon, error ? reason : reply_text(reply, 0)))
                        log_say(LOG_WARNING, MESSAGE_COMMIT_FAILED, "region", region->code, "reason",
                                error ? reason : reply_text(reply, 0), NULL);
                ask_later(fetch, want, AGAIN_MS);
                return;
        }
        if (reply_is(reply, 0, "ok")) {
                for (size_t i = 0; i < daemon->configuration->n_channels; i++)
                        buf_fmt(&names, "%s%s", i ? "," : "", daemon->configuration->channels[i].name);
                log_say(LOG_INFO, MESSAGE_FETCH_DONE, "region", region->code, "document",
                        want->document, "event", want->ulid, NULL);
                fanout_nudge(daemon, region, buf_text(&names), names.len, want->ev_key, "", 0);
                buf_done(&names);
        }
        fetch_remove(fetch, want);
        fetch_pump_soon(fetch);
}

void fetch_tell_store(struct fetch *fetch, struct want *want) {
        struct publisherd *daemon = fetch->daemon;
        struct region *region = want->region;
        struct words words = { 0 }, keys = { 0 };
        struct buf names = { 0 };
        struct asked *asked;
        size_t n_due;

        if (!region_is_ready(daemon, region, NULL)) {
                ask_later(fetch, want, AGAIN_MS);
                return;
        }
        for (size_t i = 0; i < want->n_pieces; i++) {
                int r = attachment_sync(daemon->attachments_dir, want->pieces[i].sha256);

                if (r < 0) { /* it was here a moment ago: somebody cleared the folder */
                        want->pieces[i].is_done = false;
                        want->pieces[i].next_boot_ms = clock_boot_ms() + AGAIN_MS;
                        ask_later(fetch, want, AGAIN_MS);
                        return;
                }
        }
        n_due = control_due_keys(daemon, region, &keys);
        words_str(&words, "FCALL");
        words_str(&words, "gk1_fetched");
        words_number(&words, (int64_t) n_due + 4);
        words_key(&words, region->code, "meta");
        words_key(&words, region->code, "log");
        words_key(&words, region->code, "fetch");
        words_key(&words, region->code, "doc:%s", want->document);
        words_join(&words, &keys);
        for (size_t i = 0; i < n_due; i++)
                buf_fmt(&names, "%s%s", i ? "," : "", control_due_name(daemon, region, i));
        words_str(&words, region->epoch);
        words_str(&words, want->ulid);
        words_str(&words, buf_text(&names));
        asked = asked_new(fetch, want);
        if (!asked || store_command(daemon->store, &words, on_told, asked) < 0) {
                free(asked);
                ask_later(fetch, want, AGAIN_MS);
        }
        words_done(&words);
        words_done(&keys);
        buf_done(&names);
}
