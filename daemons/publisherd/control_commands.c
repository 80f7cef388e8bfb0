/* What gongkaictl can ask: each command is a row of the table at the end. */
#include "daemons/publisherd/control.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/clock.h"
#include "core/crash.h"
#include "core/memory.h"
#include "core/moment.h"

const char *control_text(const json_t *question, const char *name) {
        const char *text = json_string_value(json_object_get(question, name));

        return text ? text : "";
}

json_t *control_moment(int64_t ms) {
        char text[MOMENT_TEXT];

        return ms > 0 ? json_string(moment_write(ms, text)) : json_null();
}

bool control_region(struct publisherd *daemon, struct client *client, const json_t *question,
                       const char **ret) {
        const char *region = control_text(question, "region");

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

size_t control_due_keys(const struct publisherd *daemon, const struct region *region,
                           struct words *words) {
        const struct configuration *configuration = daemon->configuration;

        for (size_t i = 0; i < configuration->n_channels; i++)
                words_key(words, region->code, "due:%s", configuration->channels[i].name);
        for (size_t i = 0; i < region->extra_channels.n; i++)
                words_key(words, region->code, "due:%s", region->extra_channels.items[i]);
        return configuration->n_channels + region->extra_channels.n;
}

const char *control_due_name(const struct publisherd *daemon, const struct region *region, size_t i) {
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
                const char *name = control_due_name(daemon, region, i);
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
        size_t n_due;
        int r;

        if (!store_is_up(daemon->store)) {
                on_status(daemon->store, NULL, -ENOTCONN,
                          message_template(MESSAGE_STORE_AWAY, messages_language()), tour);
                return 0;
        }
        n_due = control_due_keys(daemon, region, &keys);
        words_str(&words, "FCALL_RO");
        words_str(&words, "gk1_status");
        words_number(&words, (int64_t) n_due + 2);
        words_key(&words, region->code, "ctl");
        words_key(&words, region->code, "held");
        words_join(&words, &keys);
        for (size_t i = 0; i < n_due; i++)
                words_str(&words, control_due_name(daemon, region, i));
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

        if (!control_region(daemon, client, question, &region))
                return;
        if (query_document(daemon, region, control_text(question, "document"), on_document_shown,
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

        (void) json_object_set_new(json, "at", control_moment(ms));
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
        bool enough = false;

        (void) store;
        if (error) {
                tour_fail(tour, reason);
                return;
        }
        for (size_t i = 1; reply_at(reply, i + 1); i += 2) {
                if (tour->most > 0 && json_array_size(tour->rows) - tour->n_before >= tour->most) {
                        enough = true;
                        break;
                }
                (void) json_array_append_new(tour->rows, record_json(region, reply_number(reply, i),
                                                                     reply_text(reply, i + 1)));
        }
        free(tour->from);
        tour->from = strdup(*reply_text(reply, 0) && !enough ? reply_text(reply, 0) : "+");
        if (!tour->from) {
                tour_fail(tour, strerror(ENOMEM));
                return;
        }
        if (strcmp(tour->from, "+") == 0) {
                tour->region = *tour->value ? tour->daemon->n_regions : tour->region + 1;
                tour->n_before = json_array_size(tour->rows);
        }
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
        const char *named = control_text(question, "region"), *region = named;
        struct tour *tour;

        if (*named && !control_region(daemon, client, question, &region))
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
        if (!*control_text(question, "document")) {
                control_fail(client, MESSAGE_CONTROL_NO_DOCUMENT, NULL);
                return;
        }
        log_tour(daemon, client, question, "");
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
        crash_point("publisherd/switched");
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
        int r = store_control(tour->daemon->store, region->code, region->epoch, tour->what, tour->value,
                              tour->who, on_switched, tour);

        crash_point_written(tour->daemon->store, "publisherd/switch-written");
        return r;
}

/* "channel pause portal", as it was typed. */
static const char *command_text(const char *command, const char *channel, struct buf *words) {
        const char *dot = strchr(command, '.');

        if (dot)
                buf_fmt(words, "%.*s %s %s", (int) (dot - command), command, dot + 1, channel);
        else
                buf_str(words, command);
        return buf_text(words);
}

static void command_switch(struct publisherd *daemon, struct client *client, json_t *question) {
        const char *command = control_text(question, "do"), *channel = control_text(question, "channel");
        bool on = strcmp(command, "stop") == 0 || strcmp(command, "channel.pause") == 0;
        bool whole = strcmp(command, "stop") == 0 || strcmp(command, "start") == 0;
        char moment[MOMENT_TEXT];
        struct buf words = { 0 };
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
                             tour->who, control_text(question, "reason"));
        }
        if (n < 0) {
                tour_fail(tour, strerror(ENOMEM));
                return;
        }
        control_audit(client, command_text(command, channel, &words));
        buf_done(&words);
        tour_next(tour);
}

static void command_reload(struct publisherd *daemon, struct client *client, json_t *question) {
        (void) daemon;
        (void) question;
        control_audit(client, "reload");
        /* The signal's own source does it, when nothing of a command is on the stack. */
        (void) kill(getpid(), SIGHUP);
        control_reply(client, json_pack("{s:b}", "ok", 1));
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
                { "held.list", control_held_list },
                { "held.show", control_held_one },
                { "held.release", control_held_one },
                { "held.reject", control_held_one },
                { "rejected.list", control_rejected_list },
                { "rejected.show", control_rejected_show },
                { "rejected.retry", control_rejected_retry },
                { "channel.pause", command_switch },
                { "channel.resume", command_switch },
                { "stop", command_switch },
                { "start", command_switch },
                { "dead.replay", control_dead },
                { "dead.drop", control_dead },
                { "screen.list", control_screen_list },
                { "screen.forget", control_screen_forget },
                { "alarm.ack", control_alarm_ack },
                { "alarm.publish", control_alarm_publish },
                { "store.adopt", command_adopt },
                { "reload", command_reload },
        };
        const char *name = control_text(question, "do");

        for (size_t i = 0; i < ELEMENTS(commands); i++) {
                if (strcmp(commands[i].name, name) == 0) {
                        commands[i].run(daemon, client, question);
                        return;
                }
        }
        control_fail(client, MESSAGE_CONTROL_NOT_UNDERSTOOD, NULL);
}
