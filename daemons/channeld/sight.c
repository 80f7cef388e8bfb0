/* Heartbeats of players: what a driver made of a call goes to the store (core/store_screens.lua), region
 * by region, and whoever waits for it looks at once; a player that has gone silent is somebody's affair. */
#include "daemons/channeld/channeld.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/alarm.h"
#include "core/clock.h"
#include "core/crash.h"
#include "core/log.h"
#include "core/memory.h"
#include "core/moment.h"

enum { MOST_DRAWS = 1000, MOST_PLAYER = 100, MOST_DOCUMENT = 1024, DIGEST = 64, MINUTE_MS = 60000 };

/* -- what may go to the store ------------------------------------------------------------------------- */

/* It becomes part of a line with tabs, and of a command. */
static bool is_word(const char *text, size_t most, bool blanks) {
        size_t n = text ? strlen(text) : 0;

        for (size_t i = 0; i < n; i++)
                if (iscntrl((unsigned char) text[i]) || (text[i] == ' ' && !blanks))
                        return false;
        return n > 0 && n <= most;
}

static bool draw_is_sound(const json_t *draw) {
        const char *digest = json_string_value(json_object_get(draw, "digest"));
        const json_t *revision = json_object_get(draw, "revision");

        return json_is_string(json_object_get(draw, "region")) && json_is_integer(revision) &&
               json_integer_value(revision) >= 0 && json_integer_value(revision) <= UINT32_MAX &&
               is_word(json_string_value(json_object_get(draw, "document")), MOST_DOCUMENT, true) &&
               digest && strlen(digest) == DIGEST && strspn(digest, "0123456789abcdef") == DIGEST;
}

bool sight_is_sound(const json_t *sight) {
        const json_t *draws = json_object_get(sight, "draws"), *draw;
        size_t i;

        if (!is_word(json_string_value(json_object_get(sight, "player")), MOST_PLAYER, false) ||
            !json_is_array(draws) || json_array_size(draws) > MOST_DRAWS)
                return false;
        json_array_foreach(draws, i, draw)
                if (!draw_is_sound(draw))
                        return false;
        return true;
}

/* -- to the store ------------------------------------------------------------------------------------- */

struct sight {
        struct channeld *daemon;
        char *player;
        size_t n_left;
        bool failed;
        sight_done_fn *on_done;
        void *userdata;
};

struct part { /* of one region */
        struct sight *sight;
        struct region *region;
};

static void tell(struct channeld *daemon, enum message message, const char *player,
                 const char *reason) {
        char *sentence freed_by(freep) = say(message, "player", player, "reason", reason, "count", "1000",
                                             NULL);

        call_trouble(daemon, sentence ? sentence : reason);
}

/* "CHANNEL/PLAYER"; to be freed. */
static char *subject_of(const struct channeld *daemon, const char *player) {
        char *subject;

        return asprintf(&subject, "%s/%s", daemon->channel->name, player) < 0 ? NULL : subject;
}

static void is_heard(struct channeld *daemon, const char *player) {
        char *subject freed_by(freep) = json_object_size(daemon->silent) > 0 ? subject_of(daemon, player)
                                                                             : NULL;

        if (!subject || !json_object_get(daemon->silent, subject))
                return;
        alarm_clear(ALARM_SCREEN_SILENT, subject);
        (void) json_object_del(daemon->silent, subject);
}

static void on_part(struct store *store, const redisReply *reply, int error, const char *reason,
                    void *userdata) {
        struct part *part freed_by(freep) = userdata;
        struct sight *sight = part->sight;

        (void) store;
        crash_point("channeld/sight-noted");
        if (error || !reply_is(reply, 0, "ok")) {
                if (!sight->failed)
                        tell(sight->daemon, !error && reply_is(reply, 0, "full") ? MESSAGE_SIGHT_FULL
                                                                                 : MESSAGE_SIGHT_FAILED,
                             sight->player, error ? reason : reply_text(reply, 0));
                sight->failed = true;
        } else
                for (size_t i = 1; reply_at(reply, i); i++)
                        book_wake(part->region, reply_text(reply, i));
        if (--sight->n_left > 0)
                return;
        if (!sight->failed)
                is_heard(sight->daemon, sight->player);
        if (sight->on_done)
                sight->on_done(!sight->failed, sight->userdata);
        free(sight->player);
        free(sight);
}

static int ask_region(struct sight *sight, struct region *region, const json_t *draws) {
        const char *channel = sight->daemon->channel->name;
        struct part *part = malloc(sizeof(*part));
        struct words words = { 0 };
        const json_t *draw;
        size_t i;
        int r;

        if (!part)
                return -ENOMEM;
        *part = (struct part) { sight, region };
        words_str(&words, "FCALL");
        words_str(&words, "gk1_sight");
        words_number(&words, 5);
        words_key(&words, region->code, "meta");
        words_key(&words, region->code, "log");
        words_key(&words, region->code, "screens:%s", channel);
        words_key(&words, region->code, "draws:%s", channel);
        words_key(&words, region->code, "seen:%s", channel);
        words_str(&words, region->epoch);
        words_str(&words, channel);
        words_str(&words, sight->player);
        json_array_foreach(draws, i, draw) {
                if (strcmp(json_string_value(json_object_get(draw, "region")), region->code) != 0)
                        continue;
                words_str(&words, json_string_value(json_object_get(draw, "document")));
                words_number(&words, json_integer_value(json_object_get(draw, "revision")));
                words_str(&words, json_string_value(json_object_get(draw, "digest")));
        }
        r = store_command(sight->daemon->store, &words, on_part, part);
        words_done(&words);
        if (r >= 0)
                crash_point_written(sight->daemon->store, "channeld/sight-written");
        if (r < 0)
                free(part);
        return r;
}

/* Regions of which it draws nothing hear of it too: so what ended there is seen. */
static int ask_regions(struct sight *sight, const json_t *draws) {
        struct channeld *daemon = sight->daemon;
        int r = 0;

        for (size_t i = 0; i < daemon->n_regions; i++)
                if (!daemon->regions[i].ready)
                        return -EAGAIN;
        for (size_t i = 0; r >= 0 && i < daemon->n_regions; i++) {
                r = ask_region(sight, &daemon->regions[i], draws);
                sight->n_left += r >= 0;
        }
        return r;
}

int sight_take(struct channeld *daemon, const json_t *seen, sight_done_fn *on_done, void *userdata) {
        struct sight *sight;
        int r;

        if (!sight_is_sound(seen))
                return -EINVAL;
        sight = calloc(1, sizeof(*sight));
        if (!sight)
                return -ENOMEM;
        *sight = (struct sight) { .daemon = daemon, .on_done = on_done, .userdata = userdata,
                                  .player = strdup(json_string_value(json_object_get(seen, "player"))) };
        r = sight->player ? ask_regions(sight, json_object_get(seen, "draws")) : -ENOMEM;
        if (r >= 0 && sight->n_left > 0)
                return 0;
        if (r >= 0)
                r = -ENOENT; /* it serves no region */
        tell(daemon, MESSAGE_SIGHT_FAILED, sight->player ? sight->player : "",
             r == -EAGAIN || r == -ENOTCONN ? message_template(MESSAGE_STORE_AWAY, messages_language())
                                            : strerror(-r));
        sight->failed = true;
        if (sight->n_left > 0)
                return 0; /* those that were asked will say so */
        free(sight->player);
        free(sight);
        return r;
}

/* -- from the watch ----------------------------------------------------------------------------------- */

void sight_heard(struct channeld *daemon, const char *path, const char *payload, size_t n) {
        char *body freed_by(freep) = malloc(n + 1);
        json_t *nothing freed_by(json_decrefp) = json_object();
        struct call call = { .method = "MQTT", .path = path, .query = nothing, .body = body, .n_body = n };
        struct call_answer answer = { 0 };

        if (!body || !nothing)
                return;
        if (n > 0)
                memcpy(body, payload, n);
        body[n] = '\0';
        if (daemon->driver->call(&call, daemon->options, daemon->secret, clock_now_ms(), &answer) >= 0) {
                if (answer.trouble)
                        call_trouble(daemon, answer.trouble);
                if (answer.sight)
                        (void) sight_take(daemon, answer.sight, NULL, NULL);
        }
        call_answer_done(&answer);
}

/* -- players that have gone silent -------------------------------------------------------------------- */

/* Those of a run before. */
static json_t *open_alarms(const struct channeld *daemon) {
        json_t *alarms = alarm_list(daemon->configuration->main.state_dir, NULL), *alarm;
        json_t *silent = json_object();
        char *prefix freed_by(freep) = subject_of(daemon, "");
        size_t i;

        json_array_foreach(alarms, i, alarm) {
                const char *code = json_string_value(json_object_get(alarm, "code"));
                const char *subject = json_string_value(json_object_get(alarm, "subject"));

                if (prefix && subject && alarm_by_code(code) == ALARM_SCREEN_SILENT &&
                    strncmp(subject, prefix, strlen(prefix)) == 0)
                        (void) json_object_set_new(silent, subject, json_true());
        }
        json_decref(alarms);
        return silent;
}

static void raise_silent(struct channeld *daemon, json_t *silent, const char *player, int64_t last_ms) {
        char *subject freed_by(freep) = subject_of(daemon, player);
        char since[MOMENT_TEXT];

        if (!subject)
                return;
        alarm_raise(ALARM_SCREEN_SILENT, subject, "channel", daemon->channel->name, "player", player,
                    "since", moment_write_minute(last_ms, since), NULL);
        (void) json_object_set_new(silent, subject, json_true());
}

/* What is an alarm and not silent now has sent one, or was taken off. */
static void on_sightings(struct store *store, const redisReply *reply, int error, const char *reason,
                         void *userdata) {
        struct channeld *daemon = userdata;
        int64_t most = daemon->channel->screen_silent_ms, now;
        const char *subject;
        json_t *silent, *was;

        (void) store;
        (void) reason;
        if (error || !reply_is(reply, 0, "ok"))
                return;
        now = reply_number(reply, 1);
        silent = json_object();
        for (size_t i = 2; silent && most > 0 && reply_at(reply, i + 5); i += 6)
                if (now - reply_number(reply, i + 1) > most)
                        raise_silent(daemon, silent, reply_text(reply, i), reply_number(reply, i + 1));
        json_object_foreach(daemon->silent, subject, was)
                if (silent && !json_object_get(silent, subject))
                        alarm_clear(ALARM_SCREEN_SILENT, subject);
        json_decref(daemon->silent);
        daemon->silent = silent;
}

int sight_ask(const struct region *region, const char *document, store_reply_fn *on_reply,
              void *userdata) {
        const struct channeld *daemon = region->daemon;
        struct words words = { 0 };
        int r;

        words_str(&words, "FCALL_RO");
        words_str(&words, "gk1_sightings");
        words_number(&words, 2);
        words_key(&words, region->code, "screens:%s", daemon->channel->name);
        words_key(&words, region->code, "seen:%s", daemon->channel->name);
        words_str(&words, document);
        r = store_command(daemon->store, &words, on_reply, userdata);
        words_done(&words);
        return r;
}

json_t *sight_read(const redisReply *reply) {
        json_t *screens = json_object();

        for (size_t i = 2; screens && reply_at(reply, i + 5); i += 6) {
                json_t *screen = json_pack("{s:I}", "seen_ms", (json_int_t) reply_number(reply, i + 1));

                if (*reply_text(reply, i + 3))
                        (void) json_object_update_new(
                                screen, json_pack("{s:I, s:s, s:I}", "revision",
                                                  (json_int_t) reply_number(reply, i + 3), "digest",
                                                  reply_text(reply, i + 4), "since_ms",
                                                  (json_int_t) reply_number(reply, i + 5)));
                (void) json_object_set_new(screens, reply_text(reply, i), screen);
        }
        return screens;
}

/* All regions hear of each heartbeat, so one of them is enough. */
void sight_tend(struct channeld *daemon) {
        int64_t now = clock_boot_ms();

        if ((!daemon->driver->call && !daemon->driver->refresh_ms) || daemon->n_regions == 0 || !daemon->regions[0].ready ||
            now < daemon->silent_boot_ms || !store_is_up(daemon->store))
                return;
        if (!daemon->silent)
                daemon->silent = open_alarms(daemon);
        daemon->silent_boot_ms = now + MINUTE_MS;
        (void) sight_ask(&daemon->regions[0], "", on_sightings, daemon);
}
