/* What gongkaictl can ask: each command is a row of the table at the end. */
#include "daemons/publisherd/control.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/clock.h"
#include "core/memory.h"
#include "core/moment.h"

static const char *text_of(const json_t *question, const char *name) {
        const char *text = json_string_value(json_object_get(question, name));

        return text ? text : "";
}

static json_t *moment_json(int64_t ms) {
        char text[MOMENT_TEXT];

        return ms > 0 ? json_string(moment_write(ms, text)) : json_null();
}

/* A command that asks each region in turn and joins what comes. */
struct tour {
        struct publisherd *daemon;
        struct client *client;
        size_t region; /* index of the one being asked */
        size_t most;   /* rows wanted in all, 0 = all */
        json_t *reply, *rows;
        char *document, *from, *states, *value, *what, *who;
        int (*ask)(struct tour *tour);
};

static void tour_free(struct tour *tour) {
        json_decref(tour->reply);
        free(tour->document);
        free(tour->from);
        free(tour->states);
        free(tour->value);
        free(tour->what);
        free(tour->who);
        free(tour);
}

static void tour_end(struct tour *tour) {
        struct client *client = tour->client;
        json_t *reply = give_away(tour->reply);

        tour_free(tour);
        control_reply(client, reply);
}

static void tour_fail(struct tour *tour, const char *reason) {
        struct client *client = tour->client;

        tour_free(tour);
        control_fail(client, MESSAGE_CONTROL_STORE_FAILED, "reason", reason, NULL);
}

static void tour_next(struct tour *tour) {
        int r;

        if (tour->region >= tour->daemon->n_regions ||
            (tour->most > 0 && json_array_size(tour->rows) >= tour->most)) {
                tour_end(tour);
                return;
        }
        r = tour->ask(tour);
        if (r < 0)
                tour_fail(tour, message_template(MESSAGE_STORE_AWAY, messages_language()));
}

/* Starts at `region` when one is named, and stays there. */
static struct tour *tour_new(struct publisherd *daemon, struct client *client,
                             const json_t *question, int (*ask)(struct tour *tour)) {
        struct tour *tour = calloc(1, sizeof(*tour));

        if (!tour)
                return NULL;
        tour->daemon = daemon;
        tour->client = client;
        tour->ask = ask;
        tour->most = (size_t) json_integer_value(json_object_get(question, "limit"));
        tour->document = strdup(text_of(question, "document"));
        tour->from = strdup("+");
        tour->states = strdup("");
        tour->value = strdup("");
        tour->what = strdup("");
        tour->who = strdup(control_who(client));
        tour->reply = json_object();
        tour->rows = json_array();
        (void) json_object_set_new(tour->reply, "ok", json_true());
        (void) json_object_set_new(tour->reply, "rows", tour->rows);
        if (!tour->document || !tour->from || !tour->states || !tour->value || !tour->what ||
            !tour->who) {
                tour_free(tour);
                return NULL;
        }
        return tour;
}

static bool one_region(struct publisherd *daemon, struct client *client, const json_t *question,
                       const char **ret) {
        const char *region = text_of(question, "region");

        if (!*region && daemon->n_regions == 1)
                region = daemon->regions[0].code;
        if (!region_find(daemon, region)) {
                control_fail(client, MESSAGE_CONTROL_NAME_REGION, "region", region, NULL);
                return false;
        }
        *ret = region;
        return true;
}

/* -- status ---------------------------------------------------------------------------------------- */

static size_t add_due_keys(const struct publisherd *daemon, const struct region *region,
                           struct words *words) {
        const struct configuration *configuration = daemon->configuration;

        for (size_t i = 0; i < configuration->n_channels; i++)
                words_key(words, region->code, "due:%s", configuration->channels[i].name);
        for (size_t i = 0; i < region->extra_channels.n; i++)
                words_key(words, region->code, "due:%s", region->extra_channels.items[i]);
        return configuration->n_channels + region->extra_channels.n;
}

static const char *due_name(const struct publisherd *daemon, const struct region *region, size_t i) {
        size_t n = daemon->configuration->n_channels;

        return i < n ? daemon->configuration->channels[i].name : region->extra_channels.items[i - n];
}

static void on_status(struct store *store, const redisReply *reply, int error, const char *reason,
                      void *userdata) {
        struct tour *tour = userdata;
        struct publisherd *daemon = tour->daemon;
        const struct region *region = &daemon->regions[tour->region];
        json_t *row = json_object(), *channels = json_array();
        const char *refusal = NULL;

        (void) store;
        (void) json_object_set_new(row, "region", json_string(region->code));
        (void) json_object_set_new(row, "name", json_string(configuration_region_name(
                                                         daemon->configuration, region->code)));
        (void) json_object_set_new(row, "ready",
                                   json_boolean(region_is_ready(daemon, region, &refusal)));
        (void) json_object_set_new(row, "reason", refusal ? json_string(refusal) : json_null());
        (void) json_object_set_new(row, "number", json_integer((json_int_t) region->n));
        if (error)
                (void) json_object_set_new(row, "error", json_string(reason));
        else {
                (void) json_object_set_new(row, "stop", *reply_text(reply, 0)
                                                                ? json_string(reply_text(reply, 0))
                                                                : json_null());
                (void) json_object_set_new(row, "held", json_integer(reply_number(reply, 1)));
        }
        for (size_t i = 0; !error && reply_at(reply, 2 + i); i++) {
                const redisReply *due = reply_at(reply, 2 + i);
                const char *name = due_name(daemon, region, i);
                const struct channel_config *channel =
                        configuration_channel(daemon->configuration, name);

                (void) json_array_append_new(
                        channels,
                        json_pack("{s:s, s:s?, s:s?, s:b, s:b, s:I, s:I, s:s?}", "channel", name,
                                  "driver", channel ? channel->driver : NULL, "title",
                                  channel ? channel->title : NULL, "configured", channel != NULL,
                                  "enabled", channel && channel->enabled, "waiting",
                                  (json_int_t) reply_number(due, 0), "now",
                                  (json_int_t) reply_number(due, 1), "paused",
                                  *reply_text(due, 2) ? reply_text(due, 2) : NULL));
        }
        (void) json_object_set_new(row, "channels", channels);
        (void) json_array_append_new(tour->rows, row);
        tour->region++;
        tour_next(tour);
}

static int ask_status(struct tour *tour) {
        struct publisherd *daemon = tour->daemon;
        const struct region *region = &daemon->regions[tour->region];
        struct words words = { 0 }, keys = { 0 };
        size_t n_due = add_due_keys(daemon, region, &keys);
        int r;

        if (!store_is_up(daemon->store)) {
                on_status(daemon->store, NULL, -ENOTCONN,
                          message_template(MESSAGE_STORE_AWAY, messages_language()), tour);
                return 0;
        }
        words_str(&words, "FCALL_RO");
        words_str(&words, "gk1_status");
        words_number(&words, (int64_t) n_due + 2);
        words_key(&words, region->code, "ctl");
        words_key(&words, region->code, "held");
        for (size_t i = 0, at = 0; i < keys.n; i++) {
                words_add(&words, keys.bytes.data + at, keys.ends[i] - at);
                at = keys.ends[i];
        }
        for (size_t i = 0; i < n_due; i++)
                words_str(&words, due_name(daemon, region, i));
        r = store_command(daemon->store, &words, on_status, tour);
        words_done(&keys);
        words_done(&words);
        return r;
}

static void command_status(struct publisherd *daemon, struct client *client, json_t *question) {
        struct tour *tour = tour_new(daemon, client, question, ask_status);

        if (!tour) {
                control_fail(client, MESSAGE_CONTROL_STORE_FAILED, "reason", strerror(ENOMEM), NULL);
                return;
        }
        (void) json_object_set_new(tour->reply, "pid", json_integer(getpid()));
        (void) json_object_set_new(tour->reply, "version", json_string(GONGKAI_VERSION));
        (void) json_object_set_new(tour->reply, "redis", json_boolean(store_is_up(daemon->store)));
        (void) json_object_set_new(tour->reply, "accepted",
                                   json_integer((json_int_t) daemon->n_accepted));
        (void) json_object_set_new(tour->reply, "rejected",
                                   json_integer((json_int_t) daemon->n_rejected));
        (void) json_object_set_new(tour->reply, "busy", json_integer((json_int_t) daemon->n_busy));
        (void) json_object_set_new(tour->reply, "pending",
                                   json_integer((json_int_t) daemon->n_pending));
        tour_next(tour);
}

/* -- documents --------------------------------------------------------------------------------------- */

static void on_document_shown(json_t *document, const char *error, void *userdata) {
        struct client *client = userdata;

        if (error)
                control_fail(client, MESSAGE_CONTROL_STORE_FAILED, "reason", error, NULL);
        else if (json_object_size(document) == 0) {
                json_decref(document);
                control_fail(client, MESSAGE_CONTROL_NO_DOCUMENT, NULL);
        } else {
                (void) json_object_set_new(document, "ok", json_true());
                control_reply(client, document);
        }
}

static void command_document_show(struct publisherd *daemon, struct client *client,
                                  json_t *question) {
        const char *region;

        if (!one_region(daemon, client, question, &region))
                return;
        if (query_document(daemon, region, text_of(question, "document"), on_document_shown,
                           client) < 0)
                control_fail(client, MESSAGE_CONTROL_STORE_FAILED, "reason",
                             message_template(MESSAGE_STORE_AWAY, messages_language()), NULL);
}

/* One record of the log: state document revision level event channel attempt code reference url
 * sentence extra, by tab. */
static json_t *record_json(const char *region, int64_t ms, const char *record) {
        static const char *const names[] = { "state",   "document", "revision",  "level",
                                             "event",   "channel",  "attempt",   "code",
                                             "reference", "url",    "sentence", "extra" };
        char *copy freed_by(freep) = strdup(record), *rest = copy, *part;
        json_t *json = json_object();

        (void) json_object_set_new(json, "at", moment_json(ms));
        (void) json_object_set_new(json, "region", json_string(region));
        for (size_t i = 0; rest && i < ELEMENTS(names) && (part = strsep(&rest, "\t")) != NULL; i++)
                if (*part)
                        (void) json_object_set_new(json, names[i], json_string(part));
        return json;
}

static void on_log(struct store *store, const redisReply *reply, int error, const char *reason,
                   void *userdata) {
        struct tour *tour = userdata;
        const char *region = tour->daemon->regions[tour->region].code;

        (void) store;
        if (error) {
                tour_fail(tour, reason);
                return;
        }
        for (size_t i = 1; reply_at(reply, i + 1); i += 2) {
                if (tour->most > 0 && json_array_size(tour->rows) >= tour->most)
                        break;
                (void) json_array_append_new(tour->rows, record_json(region, reply_number(reply, i),
                                                                     reply_text(reply, i + 1)));
        }
        free(tour->from);
        tour->from = strdup(*reply_text(reply, 0) ? reply_text(reply, 0) : "+");
        if (!tour->from) {
                tour_fail(tour, strerror(ENOMEM));
                return;
        }
        if (strcmp(tour->from, "+") == 0)
                tour->region = *tour->value ? tour->daemon->n_regions : tour->region + 1;
        tour_next(tour);
}

static int ask_log(struct tour *tour) {
        struct words words = { 0 };
        int r;

        words_str(&words, "FCALL_RO");
        words_str(&words, "gk1_log");
        words_number(&words, 1);
        words_key(&words, tour->daemon->regions[tour->region].code, "log");
        words_str(&words, tour->from);
        words_number(&words, 500);
        words_str(&words, tour->document);
        words_str(&words, tour->states);
        r = store_command(tour->daemon->store, &words, on_log, tour);
        words_done(&words);
        return r;
}

/* The log of one region (value says so) or of all, newest first. */
static void log_tour(struct publisherd *daemon, struct client *client, json_t *question,
                     const char *states) {
        const char *named = text_of(question, "region"), *region = named;
        struct tour *tour;

        if (*named && !one_region(daemon, client, question, &region))
                return;
        tour = tour_new(daemon, client, question, ask_log);
        if (!tour) {
                control_fail(client, MESSAGE_CONTROL_STORE_FAILED, "reason", strerror(ENOMEM), NULL);
                return;
        }
        free(tour->states);
        free(tour->value);
        tour->states = strdup(states);
        tour->value = strdup(named);
        if (!tour->states || !tour->value) {
                tour_fail(tour, strerror(ENOMEM));
                return;
        }
        if (*named)
                tour->region = (size_t) (region_find(daemon, region) - daemon->regions);
        tour_next(tour);
}

static void command_document_list(struct publisherd *daemon, struct client *client,
                                  json_t *question) {
        log_tour(daemon, client, question, "accepted held");
}

static void command_document_history(struct publisherd *daemon, struct client *client,
                                     json_t *question) {
        if (!*text_of(question, "document")) {
                control_fail(client, MESSAGE_CONTROL_NO_DOCUMENT, NULL);
                return;
        }
        log_tour(daemon, client, question, "");
}

/* -- held ---------------------------------------------------------------------------------------------- */

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

                (void) json_object_set_new(row, "at", moment_json(reply_number(held, 3)));
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

static void command_held_list(struct publisherd *daemon, struct client *client, json_t *question) {
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
        struct client *client = held->client;

        held_free(held);
        control_fail(client, message, "reason", reason, NULL);
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
        if (!reply_is(reply, 0, "ok")) {
                held_fail(held, MESSAGE_CONTROL_HELD_NOT, reply_text(reply, 0));
                return;
        }
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
        size_t n_due = add_due_keys(daemon, held->region, &keys);
        const char *region = held->region->code;

        words_str(&words, "FCALL");
        words_str(&words, "gk1_held");
        words_number(&words, (int64_t) n_due + 5);
        words_key(&words, region, "meta");
        words_key(&words, region, "log");
        words_key(&words, region, "held");
        words_key(&words, region, "ev:%s", held->identity);
        words_key(&words, region, "doc:%s", held->document);
        for (size_t i = 0, at = 0; i < keys.n; i++) {
                words_add(&words, keys.bytes.data + at, keys.ends[i] - at);
                at = keys.ends[i];
        }
        for (size_t i = 0; i < n_due; i++)
                buf_fmt(&names, "%s%s", i ? "," : "", due_name(daemon, held->region, i));
        words_str(&words, held->region->epoch);
        words_str(&words, held->ulid);
        words_str(&words, held->what == HELD_RELEASE ? "release" : "refuse");
        words_str(&words, control_who(held->client));
        words_str(&words, held->why);
        words_str(&words, buf_text(&names));
        if (store_command(daemon->store, &words, on_held_decided, held) < 0)
                held_fail(held, MESSAGE_CONTROL_STORE_FAILED,
                          message_template(MESSAGE_STORE_AWAY, messages_language()));
        words_done(&words);
        words_done(&keys);
        buf_done(&names);
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
        event = json_loadb(reply_text(reply, 1), reply_length(reply, 1), 0, NULL);
        answer = json_pack("{s:b, s:s, s:s, s:s, s:s, s:o}", "ok", 1, "event", held->ulid,
                           "document", held->document, "region", held->region->code, "reasons",
                           held->reasons, "content", event ? event : json_null());
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
        words_str(&words, "FCALL_RO");
        words_str(&words, "gk1_bytes");
        words_number(&words, 1);
        words_key(&words, held->region->code, "ev:%s", held->identity);
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

static void command_held_one(struct publisherd *daemon, struct client *client, json_t *question) {
        const char *what = text_of(question, "do");
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
        (void) snprintf(held->ulid, sizeof(held->ulid), "%.26s", text_of(question, "event"));
        held->why = strdup(text_of(question, "reason"));
        if (!held->why || (held->what != HELD_SHOW && !*held->why)) {
                held_fail(held, MESSAGE_CONTROL_NAME_REASON, "");
                return;
        }
        held_find(held);
}

/* -- stop, pause ---------------------------------------------------------------------------------------- */

static void on_switched(struct store *store, const redisReply *reply, int error, const char *reason,
                        void *userdata) {
        struct tour *tour = userdata;
        struct region *region = &tour->daemon->regions[tour->region];

        (void) store;
        if (error || !reply_is(reply, 0, "ok")) {
                tour_fail(tour, error ? reason : reply_text(reply, 0));
                return;
        }
        if (strcmp(tour->what, "stop") == 0) {
                free(region->stop);
                region->stop = *tour->value ? strdup(tour->value) : NULL;
        }
        (void) json_array_append_new(tour->rows, json_string(region->code));
        tour->region++;
        tour_next(tour);
}

static int ask_switch(struct tour *tour) {
        const struct region *region = &tour->daemon->regions[tour->region];
        struct words words = { 0 };
        int r;

        words_str(&words, "FCALL");
        words_str(&words, "gk1_control");
        words_number(&words, 3);
        words_key(&words, region->code, "meta");
        words_key(&words, region->code, "log");
        words_key(&words, region->code, "ctl");
        words_str(&words, region->epoch);
        words_str(&words, tour->what);
        words_str(&words, tour->value);
        words_str(&words, tour->who);
        words_str(&words, *tour->value ? "stopped" : "started");
        r = store_command(tour->daemon->store, &words, on_switched, tour);
        words_done(&words);
        return r;
}

static void command_switch(struct publisherd *daemon, struct client *client, json_t *question) {
        const char *command = text_of(question, "do"), *channel = text_of(question, "channel");
        bool on = strcmp(command, "stop") == 0 || strcmp(command, "channel.pause") == 0;
        bool whole = strcmp(command, "stop") == 0 || strcmp(command, "start") == 0;
        char moment[MOMENT_TEXT];
        struct tour *tour;
        int n = 0;

        if (!whole && !configuration_channel(daemon->configuration, channel)) {
                control_fail(client, MESSAGE_CONTROL_NO_CHANNEL, "channel", channel, NULL);
                return;
        }
        tour = tour_new(daemon, client, question, ask_switch);
        if (!tour) {
                control_fail(client, MESSAGE_CONTROL_STORE_FAILED, "reason", strerror(ENOMEM), NULL);
                return;
        }
        tour->most = 0;
        free(give_away(tour->what));
        n = whole ? asprintf(&tour->what, "stop") : asprintf(&tour->what, "pause:%s", channel);
        if (n >= 0 && on) {
                free(give_away(tour->value));
                n = asprintf(&tour->value, "%s %s %s", moment_write_minute(clock_now_ms(), moment),
                             tour->who, text_of(question, "reason"));
        }
        if (n < 0) {
                tour_fail(tour, strerror(ENOMEM));
                return;
        }
        control_audit(client, tour->what);
        tour_next(tour);
}

static void command_adopt(struct publisherd *daemon, struct client *client, json_t *question) {
        (void) question;
        control_audit(client, "store adopt");
        if (durable_adopt(daemon) < 0)
                control_fail(client, MESSAGE_CONTROL_STORE_FAILED, "reason",
                             message_template(MESSAGE_STORE_AWAY, messages_language()), NULL);
        else
                control_reply(client, json_pack("{s:b}", "ok", 1));
}

void control_command(struct publisherd *daemon, struct client *client, json_t *question) {
        static const struct {
                const char *name;
                void (*run)(struct publisherd *daemon, struct client *client, json_t *question);
        } commands[] = {
                { "status", command_status },
                { "document.list", command_document_list },
                { "document.show", command_document_show },
                { "document.history", command_document_history },
                { "document.withdraw", control_withdraw },
                { "held.list", command_held_list },
                { "held.show", command_held_one },
                { "held.release", command_held_one },
                { "held.reject", command_held_one },
                { "channel.pause", command_switch },
                { "channel.resume", command_switch },
                { "stop", command_switch },
                { "start", command_switch },
                { "store.adopt", command_adopt },
        };
        const char *name = text_of(question, "do");

        for (size_t i = 0; i < ELEMENTS(commands); i++) {
                if (strcmp(commands[i].name, name) == 0) {
                        commands[i].run(daemon, client, question);
                        return;
                }
        }
        control_fail(client, MESSAGE_CONTROL_NOT_UNDERSTOOD, NULL);
}
