/* What the fetcher has to do with the store: which events wait ({R}:fetch), what they name (their
 * bytes), and gk1_fetched: is it still wanted, and it is whole. */
#include "daemons/publisherd/fetch_list.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core/attachments.h"
#include "core/clock.h"
#include "core/crash.h"
#include "core/log.h"
#include "core/memory.h"
#include "daemons/publisherd/control.h"

enum {
        LATER_MS = 60000,
        AGAIN_MS = 5000, /* after an answer that was none */
        PAGE = 256,
        LOADING = 4,     /* events of up to 1 MiB at a time */
        MOST_TRIES = 8,
};

/* A question to the store about one event, which may be gone when the answer comes. */
struct asked {
        struct fetch *fetch;
        struct region *region;
        char ulid[ULID_TEXT];
        bool is_whole; /* and it was told so */
        struct screened screened; /* a person has to look at it, where there are reasons */
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

static void asked_free(struct asked *asked) {
        if (asked)
                screened_done(&asked->screened);
        free(asked);
}

static void asked_freep(struct asked **asked) {
        asked_free(*asked);
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

        if (!event || want_fill(fetch, want, event) < 0) /* short of memory: it was whole when it was taken */
                ask_later(fetch, want, LATER_MS);
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
        fetch_pump_soon(fetch);
        if (!want)
                return;
        if (error || !reply || reply->type != REDIS_REPLY_STRING)
                ask_later(fetch, want, error ? AGAIN_MS : LATER_MS);
        else
                fetch_read_event(fetch, want, reply->str, (size_t) reply->len);
}

void fetch_load(struct fetch *fetch, struct want *want) {
        struct words words = { 0 };
        struct asked *asked;

        if (fetch->n_loading >= LOADING)
                return; /* the end of one of these comes back here */
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
};

static void look_page(struct look *look, const char *cursor);

static void look_end(struct look *look, bool well) {
        struct region *region = look->region;
        struct fetch *fetch = look->fetch;

        free(look);
        region->fetch_looking = false;
        if (!well)
                region->fetch_look_boot_ms = clock_boot_ms() + AGAIN_MS;
        fetch_pump_soon(fetch);
}

static void on_page(struct store *store, const redisReply *reply, int error, const char *reason,
                    void *userdata) {
        struct look *look = userdata;
        const redisReply *rows = reply_at(reply, 1);
        const char *cursor = reply_text(reply, 0);

        (void) store;
        (void) reason;
        /* ULID -> document, identity, which attachments are new: by tab */
        for (size_t i = 0; !error && rows && i + 1 < rows->elements; i += 2) {
                const char *ulid = reply_text(rows, i), *value = reply_text(rows, i + 1);
                char *document freed_by(freep) = strndup(value, strcspn(value, "\t"));
                const char *list = strchr(value + strcspn(value, "\t") + (strchr(value, '\t') != NULL), '\t');
                struct want *want = fetch_find(look->fetch, look->region, ulid);

                if (!want && document) {
                        want = fetch_add(look->fetch, look->region, ulid, document,
                                         list ? list + 1 : NULL);
                        if (want)
                                want->is_doubtful = true;
                }
                if (!want) /* no room: those that are left are found when there is */
                        look->region->fetch_look_boot_ms = clock_boot_ms() + LATER_MS;
        }
        if (error || !rows || strcmp(cursor, "0") == 0)
                look_end(look, !error && rows);
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
                look_end(look, false);
        words_done(&words);
}

void fetch_look(struct fetch *fetch, struct region *region) {
        struct look *look = region->fetch_looking ? NULL : calloc(1, sizeof(*look));

        region->fetch_look_boot_ms = INT64_MAX;
        if (!look)
                return;
        *look = (struct look) { fetch, region };
        region->fetch_looking = true;
        look_page(look, "0");
}

/* -- still wanted? whole! ---------------------------------------------------------------------------------- */

static void say_exempt(const struct asked *asked, const struct want *want) {
        struct buf note freed_by(buf_done) = { 0 };

        screened_note(&asked->screened, &note);
        if (note.len > 0)
                log_say(LOG_NOTICE, MESSAGE_GATE_EXEMPT_LOG, "region", want->region->code, "document",
                        want->document, "event", want->ulid, "reasons", buf_text(&note), NULL);
}

/* Its emitter was answered long ago: the log says what the answer would have said. */
static void say_held(const struct asked *asked, const struct want *want) {
        struct buf sentences freed_by(buf_done) = { 0 };
        const json_t *reason;
        size_t i;

        json_array_foreach(asked->screened.reasons, i, reason)
                buf_fmt(&sentences, "%s%s", i ? "；" : "",
                        json_string_value(json_object_get(reason, "message")));
        log_say(LOG_WARNING, MESSAGE_GATE_FETCHED, "region", want->region->code, "document",
                want->document, "event", want->ulid, "reasons", buf_text(&sentences), NULL);
}

static void on_told(struct store *store, const redisReply *reply, int error, const char *reason,
                    void *userdata) {
        struct asked *asked freed_by(asked_freep) = userdata;
        struct fetch *fetch = asked->fetch;
        struct publisherd *daemon = fetch->daemon;
        struct region *region = asked->region;
        struct want *want = asked_of(asked);

        (void) store;
        fetch_pump_soon(fetch);
        if (!want)
                return;
        if (!error && reply_is(reply, 0, "again") && want->tries++ < MOST_TRIES) {
                region_learn_channel(region, reply_text(reply, 1)); /* one that the configuration lost */
                return;
        }
        if (!error && reply_is(reply, 0, "unknown")) {
                fetch_remove(fetch, want); /* overtaken, withdrawn, or told before */
                return;
        }
        if (error || !reply_is(reply, 0, "ok")) {
                const char *why = error ? reason : reply_text(reply, 0);

                if (trouble_is_news(daemon, why))
                        log_say(LOG_WARNING, MESSAGE_COMMIT_FAILED, "region", region->code, "reason",
                                why, NULL);
                ask_later(fetch, want, AGAIN_MS);
                return;
        }
        want->tries = 0;
        if (asked->is_whole)
                crash_point("publisherd/fetched-answered");
        if (!asked->is_whole) {
                want->is_doubtful = false;
                return;
        }
        if (asked->screened.reasons) {
                say_held(asked, want);
                alarms_look_at_held(daemon, region);
                fetch_remove(fetch, want);
                return;
        }
        log_say(LOG_INFO, MESSAGE_FETCH_DONE, "region", region->code, "document", want->document,
                "event", want->ulid, NULL);
        say_exempt(asked, want);
        for (size_t i = 0; i < daemon->configuration->n_channels; i++) {
                const char *name = daemon->configuration->channels[i].name;

                fanout_nudge(daemon, region, name, strlen(name), want->ev_key);
        }
        fetch_remove(fetch, want);
}

/* "done" and "hold" need the due sets of the document's channels, "look" none. `screened` is taken. */
static int tell(struct fetch *fetch, struct want *want, bool is_whole, struct screened *screened) {
        struct publisherd *daemon = fetch->daemon;
        struct region *region = want->region;
        struct words words = { 0 }, keys = { 0 };
        struct buf names = { 0 }, codes = { 0 };
        struct asked *asked = asked_new(fetch, want);
        size_t n_due = is_whole ? control_due_keys(daemon, region, &keys) : 0;
        bool hold = screened && screened->reasons;
        int r = -ENOMEM;

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
        words_str(&words, hold ? "hold" : is_whole ? "done" : "look");
        words_str(&words, buf_text(&names));
        if (hold) {
                screened_codes(screened, &codes);
                words_str(&words, buf_text(&codes));
                words_str(&words, want->source);
                words_number(&words, want->time_ms);
                words_number(&words, want->revision);
        }
        if (asked) {
                asked->is_whole = is_whole;
                if (screened) {
                        asked->screened = *screened;
                        *screened = (struct screened) { 0 };
                }
                r = names.error   ? names.error
                    : codes.error ? codes.error
                                  : store_command(daemon->store, &words, on_told, asked);
        }
        if (r < 0)
                asked_free(asked);
        words_done(&words);
        words_done(&keys);
        buf_done(&names);
        buf_done(&codes);
        return r;
}

void fetch_ask(struct fetch *fetch, struct want *want) {
        if (tell(fetch, want, false, NULL) < 0)
                ask_later(fetch, want, AGAIN_MS);
}

/* What the gate has not seen: those that were not here when the event came. */
static int screen_new(struct fetch *fetch, const struct want *want, struct screened *ret) {
        struct event_attachment *attachments freed_by(freep) =
                calloc(want->n_pieces + 1, sizeof(*attachments));
        struct event event = { .item = want->item, .attachments = attachments,
                               .n_attachments = want->n_pieces };

        if (!attachments)
                return -ENOMEM;
        for (size_t i = 0; i < want->n_pieces; i++) {
                const struct piece *piece = &want->pieces[i];

                attachments[i] = (struct event_attachment) { .name = piece->name,
                                                             .media_type = piece->media_type,
                                                             .size = piece->size };
                memcpy(attachments[i].sha256, piece->sha256, sizeof(piece->sha256));
        }
        for (size_t i = 0; i < want->n_pieces; i++) {
                int r = want->pieces[i].is_new ? screen_attachment(fetch->daemon, &event, i, NULL, ret) : 0;

                if (r == 0)
                        continue;
                log_say(LOG_ERR, MESSAGE_GATE_UNREADABLE, "name", want->pieces[i].told_name, "reason",
                        strerror(-r), NULL);
                return r;
        }
        return 0;
}

void fetch_tell(struct fetch *fetch, struct want *want) {
        struct screened screened freed_by(screened_done) = { 0 };

        for (size_t i = 0; i < want->n_pieces; i++) {
                struct piece *piece = &want->pieces[i];

                if (attachment_sync(fetch->daemon->attachments_dir, piece->sha256) == 0)
                        continue;
                piece->is_done = false; /* somebody has cleared the folder */
                ask_later(fetch, want, AGAIN_MS);
                return;
        }
        if (screen_new(fetch, want, &screened) < 0) {
                ask_later(fetch, want, LATER_MS);
                return;
        }
        if (tell(fetch, want, true, &screened) < 0)
                ask_later(fetch, want, AGAIN_MS);
        crash_point_written(fetch->daemon->store, "publisherd/fetched-written");
}
