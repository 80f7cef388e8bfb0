/* Held events: list, show, release, refuse. */
#include "daemons/publisherd/control.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/memory.h"

static void on_held_list(struct store *store, const redisReply *reply, int error, const char *reason,
                         void *userdata) {
        struct tour *tour = userdata;
        const char *region = tour->daemon->regions[tour->region].code;

        (void) store;
        if (error) {
                tour_fail(tour, reason);
                return;
        }
        for (size_t i = 0; reply_at(reply, i); i++) {
                const redisReply *held = reply_at(reply, i);
                json_t *row = json_pack("{s:s, s:s, s:s, s:s, s:s, s:s}", "event",
                                        reply_text(held, 0), "identity", reply_text(held, 1),
                                        "document", reply_text(held, 2), "reasons",
                                        reply_text(held, 4), "source", reply_text(held, 6),
                                        "region", region);

                (void) json_object_set_new(row, "at", control_moment(reply_number(held, 3)));
                (void) json_array_append_new(tour->rows, row);
        }
        tour->region++;
        tour_next(tour);
}

static int ask_held(struct tour *tour) {
        struct words words = { 0 };
        int r;

        words_str(&words, "FCALL_RO");
        words_str(&words, "gk1_held_list");
        words_number(&words, 1);
        words_key(&words, tour->daemon->regions[tour->region].code, "held");
        r = store_command(tour->daemon->store, &words, on_held_list, tour);
        words_done(&words);
        return r;
}

void control_held_list(struct publisherd *daemon, struct client *client, json_t *question) {
        struct tour *tour = tour_new(daemon, client, question, ask_held);

        if (tour)
                tour_next(tour);
        else
                control_fail(client, MESSAGE_CONTROL_STORE_FAILED, "reason", strerror(ENOMEM), NULL);
}

/* Release, refuse or show one held event: its identity and document are found in the list first. */
struct held {
        struct publisherd *daemon;
        struct client *client;
        struct region *region;
        char ulid[ULID_TEXT];
        char *identity, *document, *reasons, *why;
        size_t next_region;
        enum { HELD_SHOW, HELD_RELEASE, HELD_REFUSE } what;
        unsigned tries;
};

static void held_free(struct held *held) {
        free(held->identity);
        free(held->document);
        free(held->reasons);
        free(held->why);
        free(held);
}

static void held_fail(struct held *held, enum message message, const char *reason) {
        control_fail(held->client, message, "reason", reason, NULL); /* `reason` may be held's */
        held_free(held);
}

static void held_decide(struct held *held);

static void on_held_decided(struct store *store, const redisReply *reply, int error,
                            const char *reason, void *userdata) {
        struct held *held = userdata;
        struct client *client = held->client;

        (void) store;
        if (error) {
                held_fail(held, MESSAGE_CONTROL_STORE_FAILED, reason);
                return;
        }
        if (reply_is(reply, 0, "again") && held->tries++ < 8) {
                /* The document has a channel that the configuration lost. */
                region_learn_channel(held->region, reply_text(reply, 1));
                held_decide(held);
                return;
        }
        crash_point("publisherd/held-decided");
        if (!reply_is(reply, 0, "ok")) {
                held_fail(held, MESSAGE_CONTROL_HELD_NOT, reply_text(reply, 0));
                return;
        }
        fanout_nudge(held->daemon, held->region, reply_text(reply, 2), reply_length(reply, 2),
                     held->identity);
        held->region->held_ms = 0;
        control_reply(client, json_pack("{s:b, s:s, s:s, s:I, s:s}", "ok", 1, "event", held->ulid,
                                        "document", held->document, "revision",
                                        (json_int_t) reply_number(reply, 1), "channels",
                                        reply_text(reply, 2)));
        held_free(held);
}

static void held_decide(struct held *held) {
        struct publisherd *daemon = held->daemon;
        struct words words = { 0 }, keys = { 0 };
        struct buf names = { 0 };
        size_t n_due = control_due_keys(daemon, held->region, &keys);
        const char *region = held->region->code;

        words_str(&words, "FCALL");
        words_str(&words, "gk1_held");
        words_number(&words, (int64_t) n_due + 5);
        words_key(&words, region, "meta");
        words_key(&words, region, "log");
        words_key(&words, region, "held");
        words_key(&words, region, "ev:%s", held->identity);
        words_key(&words, region, "doc:%s", held->document);
        words_join(&words, &keys);
        for (size_t i = 0; i < n_due; i++)
                buf_fmt(&names, "%s%s", i ? "," : "", control_due_name(daemon, held->region, i));
        words_str(&words, held->region->epoch);
        words_str(&words, held->ulid);
        words_str(&words, held->what == HELD_RELEASE ? "release" : "refuse");
        words_str(&words, control_who(held->client));
        words_str(&words, held->why);
        words_str(&words, buf_text(&names));
        if (store_command(daemon->store, &words, on_held_decided, held) < 0)
                held_fail(held, MESSAGE_CONTROL_STORE_FAILED,
                          message_template(MESSAGE_STORE_AWAY, messages_language()));
        crash_point_written(daemon->store, "publisherd/held-written");
        words_done(&words);
        words_done(&keys);
        buf_done(&names);
}

/* Why, in sentences: it is looked through once more. Attachments that have not come are left out. */
static json_t *sentences(struct publisherd *daemon, const json_t *content) {
        struct findings findings = { 0 };
        struct screened screened freed_by(screened_done) = { 0 };
        json_t *json = json_deep_copy(content);
        struct event *event freed_by(event_freep) = json ? event_parse(json, &findings, &findings) : NULL;
        json_t *list;

        if (event) {
                screen_event(daemon, event, &screened);
                for (size_t i = 0; i < event->n_attachments; i++)
                        (void) screen_attachment(daemon, event, i, NULL, &screened);
        }
        json_decref(json);
        findings_done(&findings);
        list = json_incref(screened.reasons);
        return list ? list : json_array();
}

static void on_held_bytes(struct store *store, const redisReply *reply, int error,
                          const char *reason, void *userdata) {
        struct held *held = userdata;
        struct client *client = held->client;
        json_t *event, *answer;

        (void) store;
        if (error) {
                held_fail(held, MESSAGE_CONTROL_STORE_FAILED, reason);
                return;
        }
        event = reply->type == REDIS_REPLY_STRING ? json_loadb(reply->str, (size_t) reply->len, 0, NULL)
                                                : NULL;
        answer = json_pack("{s:b, s:s, s:s, s:s, s:s, s:o, s:o}", "ok", 1, "event", held->ulid,
                           "document", held->document, "region", held->region->code, "reasons",
                           held->reasons, "why", sentences(held->daemon, event), "content",
                           event ? event : json_null());
        held_free(held);
        control_reply(client, answer);
}

static void held_find(struct held *held);

static void on_held_found(struct store *store, const redisReply *reply, int error,
                          const char *reason, void *userdata) {
        struct held *held = userdata;
        struct words words = { 0 };

        (void) store;
        if (error) {
                held_fail(held, MESSAGE_CONTROL_STORE_FAILED, reason);
                return;
        }
        for (size_t i = 0; reply_at(reply, i); i++) {
                const redisReply *one = reply_at(reply, i);

                if (!reply_is(one, 0, held->ulid))
                        continue;
                held->identity = strdup(reply_text(one, 1));
                held->document = strdup(reply_text(one, 2));
                held->reasons = strdup(reply_text(one, 4));
        }
        if (!held->identity || !held->document || !held->reasons) {
                held->next_region++;
                held_find(held);
                return;
        }
        if (held->what != HELD_SHOW) {
                held_decide(held);
                return;
        }
        words_str(&words, "GET");
        words_key(&words, held->region->code, "body:%s", held->ulid);
        if (store_command(held->daemon->store, &words, on_held_bytes, held) < 0)
                held_fail(held, MESSAGE_CONTROL_STORE_FAILED,
                          message_template(MESSAGE_STORE_AWAY, messages_language()));
        words_done(&words);
}

static void held_find(struct held *held) {
        struct words words = { 0 };

        if (held->next_region >= held->daemon->n_regions) {
                held_fail(held, MESSAGE_CONTROL_NO_HELD, held->ulid);
                return;
        }
        held->region = &held->daemon->regions[held->next_region];
        words_str(&words, "FCALL_RO");
        words_str(&words, "gk1_held_list");
        words_number(&words, 1);
        words_key(&words, held->region->code, "held");
        if (store_command(held->daemon->store, &words, on_held_found, held) < 0)
                held_fail(held, MESSAGE_CONTROL_STORE_FAILED,
                          message_template(MESSAGE_STORE_AWAY, messages_language()));
        words_done(&words);
}

void control_held_one(struct publisherd *daemon, struct client *client, json_t *question) {
        const char *what = control_text(question, "do");
        struct held *held = calloc(1, sizeof(*held));

        if (!held) {
                control_fail(client, MESSAGE_CONTROL_STORE_FAILED, "reason", strerror(ENOMEM), NULL);
                return;
        }
        held->daemon = daemon;
        held->client = client;
        held->what = strcmp(what, "held.release") == 0  ? HELD_RELEASE
                     : strcmp(what, "held.reject") == 0 ? HELD_REFUSE
                                                        : HELD_SHOW;
        (void) snprintf(held->ulid, sizeof(held->ulid), "%.26s", control_text(question, "event"));
        held->why = strdup(control_text(question, "reason"));
        if (!held->why || (held->what != HELD_SHOW && !*held->why)) {
                held_fail(held, MESSAGE_CONTROL_NAME_REASON, "");
                return;
        }
        held_find(held);
}
