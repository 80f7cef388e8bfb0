/* What this daemon raises alarms for, and how it notices that the cause is gone: some of it is told
 * where it happens, the rest is asked of Redis each few seconds, so that a store which refuses is
 * known on a quiet night too, and a trouble that is over is closed without waiting for an event. */
#include "daemons/publisherd/publisherd.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/alarm.h"
#include "core/clock.h"
#include "core/memory.h"
#include "core/moment.h"

enum {
        AWAY_MS = 10000, /* a Redis that is restarted needs nobody */
        LOOK_MS = 5000,
        HELD_MS = 10000,
        CLOCK_SLACK_MS = 60000, /* as core/store.lua grants */
};

/* -- the store refuses ------------------------------------------------------------------------------ */

static const enum alarm refusals[] = { ALARM_STORE_FULL, ALARM_STORE_DISK, ALARM_STORE_READONLY,
                                       ALARM_STORE_REFUSING };

/* The alarm of Redis' own words; N_ALARMS for what passes by itself. */
static enum alarm alarm_of(const char *reason) {
        static const struct {
                const char *word;
                enum alarm alarm;
        } words[] = {
                { "OOM ", ALARM_STORE_FULL },       { "MISCONF ", ALARM_STORE_DISK },
                { "READONLY ", ALARM_STORE_READONLY }, { "LOADING ", N_ALARMS },
                { "BUSY ", N_ALARMS },              { "TRYAGAIN ", N_ALARMS },
                { "UNBLOCKED ", N_ALARMS },         { "EXECABORT ", N_ALARMS },
        };

        for (size_t i = 0; i < ELEMENTS(words); i++)
                if (strncmp(reason, words[i].word, strlen(words[i].word)) == 0)
                        return words[i].alarm;
        return ALARM_STORE_REFUSING;
}

void alarms_refused(int error, const char *reason) {
        enum alarm alarm = error == -EBUSY || error == -EBADMSG ? alarm_of(reason) : N_ALARMS;

        if (alarm < N_ALARMS)
                alarm_raise(alarm, "redis", "reason", reason, NULL);
}

static void on_written(struct store *store, const redisReply *reply, int error, const char *reason,
                       void *userdata) {
        (void) store;
        (void) reply;
        (void) userdata;
        alarms_refused(error, reason);
        for (size_t i = 0; error == 0 && i < ELEMENTS(refusals); i++)
                alarm_clear(refusals[i], "redis");
}

/* A write that changes nothing and is refused like any other: nothing is put into a key that is not
 * there (redis.io, SETRANGE). */
static void try_to_write(struct publisherd *daemon) {
        struct words words = { 0 };

        words_str(&words, "SETRANGE");
        words_key(&words, daemon->regions[0].code, "nothing");
        words_number(&words, 0);
        words_str(&words, "");
        (void) store_command(daemon->store, &words, on_written, NULL);
        words_done(&words);
}

/* -- the clock and the log of a region ------------------------------------------------------------------ */

struct look {
        struct publisherd *daemon;
        struct region *region;
};

static int ask(struct publisherd *daemon, struct region *region, struct words *words,
               store_reply_fn *on_reply) {
        struct look *look = malloc(sizeof(*look));
        int r = look ? 0 : -ENOMEM;

        if (look) {
                *look = (struct look) { daemon, region };
                r = store_command(daemon->store, words, on_reply, look);
        }
        if (r < 0)
                free(look);
        words_done(words);
        return r;
}

static void on_seen(struct store *store, const redisReply *reply, int error, const char *reason,
                    void *userdata) {
        struct look *look freed_by(freep) = userdata;
        int64_t seen = error ? 0 : reply_number(reply, 0), now = clock_now_ms();
        char text[MOMENT_TEXT];

        (void) store;
        (void) reason;
        if (error)
                return;
        if (seen > now + CLOCK_SLACK_MS)
                alarm_raise(ALARM_CLOCK, look->region->code, "region", look->region->code, "until",
                            moment_write_minute(seen, text), NULL);
        else
                alarm_clear(ALARM_CLOCK, look->region->code);
}

static void on_length(struct store *store, const redisReply *reply, int error, const char *reason,
                      void *userdata) {
        struct look *look freed_by(freep) = userdata;
        char count[24];

        (void) store;
        (void) reason;
        if (error || reply->type != REDIS_REPLY_INTEGER)
                return;
        (void) snprintf(count, sizeof(count), "%lld", reply->integer);
        if (reply->integer > look->daemon->configuration->main.alarm_log_records)
                alarm_raise(ALARM_LOG_LONG, look->region->code, "region", look->region->code, "count",
                            count, NULL);
        else
                alarm_clear(ALARM_LOG_LONG, look->region->code);
}

static void look_at(struct publisherd *daemon, struct region *region) {
        struct words words = { 0 };

        words_str(&words, "HMGET");
        words_key(&words, region->code, "meta");
        words_str(&words, "seen");
        (void) ask(daemon, region, &words, on_seen);
        words_str(&words, "XLEN");
        words_key(&words, region->code, "log");
        (void) ask(daemon, region, &words, on_length);
}

/* -- urgent events that wait for a person ---------------------------------------------------------------- */

static void on_held(struct store *store, const redisReply *reply, int error, const char *reason,
                    void *userdata) {
        struct look *look freed_by(freep) = userdata;
        const redisReply *first = NULL;
        char count[24];

        (void) store;
        (void) reason;
        if (error)
                return;
        look->region->n_held_urgent = 0;
        for (size_t i = 0; reply_at(reply, i); i++) {
                const redisReply *held = reply_at(reply, i);

                if (!reply_is(held, 7, "1"))
                        continue;
                look->region->n_held_urgent++;
                if (!first || reply_number(held, 3) < reply_number(first, 3))
                        first = held;
        }
        (void) snprintf(count, sizeof(count), "%zu", look->region->n_held_urgent);
        if (first)
                alarm_raise(ALARM_HELD_URGENT, look->region->code, "region", look->region->code,
                            "count", count, "document", reply_text(first, 2), "event",
                            reply_text(first, 0), NULL);
        else
                alarm_clear(ALARM_HELD_URGENT, look->region->code);
}

void alarms_look_at_held(struct publisherd *daemon, struct region *region) {
        struct words words = { 0 };

        region->held_ms = clock_boot_ms();
        words_str(&words, "FCALL_RO");
        words_str(&words, "gk1_held_list");
        words_number(&words, 1);
        words_key(&words, region->code, "held");
        if (ask(daemon, region, &words, on_held) < 0)
                region->held_ms = 0; /* at the next tick */
}

/* -- documents whose record or bytes are damaged ----------------------------------------------------------- */

static char *damage_of(const struct region *region, const char *document) {
        char *subject;

        return asprintf(&subject, "%s/%s", region->code, document) < 0 ? NULL : subject;
}

void alarms_damaged(struct publisherd *daemon, const struct region *region, const char *document,
                    const char *reason) {
        char *subject freed_by(freep) = damage_of(region, document);

        daemon->knows_damage = true;
        alarm_raise(ALARM_DAMAGED, subject, "region", region->code, "document", document, "reason",
                    reason, NULL);
}

void alarms_mended(struct publisherd *daemon, const struct region *region, const char *document) {
        char *subject freed_by(freep) = NULL;

        if (!daemon->knows_damage) /* a name per event would be dear */
                return;
        subject = damage_of(region, document);
        alarm_clear(ALARM_DAMAGED, subject);
}

/* -- begin and tick ------------------------------------------------------------------------------------------ */

void alarms_begin(struct publisherd *daemon) {
        const char *state_dir = daemon->configuration->main.state_dir;
        int r = alarm_start(state_dir);
        json_t *open = alarm_list(state_dir, NULL), *alarm;
        size_t i;

        if (r < 0)
                alarm_raise(ALARM_STATE_UNWRITABLE, "alarms", "path", state_dir, "reason",
                            strerror(-r), NULL);
        else
                alarm_clear(ALARM_STATE_UNWRITABLE, "alarms");
        if (configuration_has_region(daemon->configuration, "000000"))
                alarm_raise(ALARM_REGION_UNSET, "regions", NULL);
        else
                alarm_clear(ALARM_REGION_UNSET, "regions");
        /* Another program's, or of a run before: the document's next revision closes it. */
        json_array_foreach(open, i, alarm) {
                const char *code = json_string_value(json_object_get(alarm, "code"));

                if (code && strcmp(code, alarm_code(ALARM_DAMAGED)) == 0)
                        daemon->knows_damage = true;
        }
        json_decref(open);
}

void alarms_unwritable(const char *what, const char *path, int error) {
        if (error < 0)
                alarm_raise(ALARM_STATE_UNWRITABLE, what, "path", path, "reason", strerror(-error),
                            NULL);
        else
                alarm_clear(ALARM_STATE_UNWRITABLE, what);
}

void alarms_tick(struct publisherd *daemon) {
        int64_t now = clock_boot_ms();

        if (!store_is_up(daemon->store)) {
                if (daemon->away_ms == 0)
                        daemon->away_ms = now;
                if (now - daemon->away_ms >= AWAY_MS)
                        alarm_raise(ALARM_STORE_AWAY, "redis", "reason",
                                    daemon->away_reason ? daemon->away_reason : strerror(ENOENT), NULL);
                return;
        }
        if (!daemon->library_loaded)
                return;
        if (now - daemon->look_ms >= LOOK_MS) {
                daemon->look_ms = now;
                try_to_write(daemon);
                for (size_t i = 0; i < daemon->n_regions; i++)
                        look_at(daemon, &daemon->regions[i]);
        }
        for (size_t i = 0; i < daemon->n_regions; i++) {
                struct region *region = &daemon->regions[i];

                if (region->held_ms == 0 ||
                    (region->n_held_urgent > 0 && now - region->held_ms >= HELD_MS))
                        alarms_look_at_held(daemon, region);
        }
}

void alarms_store_up(struct publisherd *daemon) {
        daemon->away_ms = 0;
        daemon->look_ms = 0;
        for (size_t i = 0; i < daemon->n_regions; i++)
                daemon->regions[i].held_ms = 0;
        alarm_clear(ALARM_STORE_AWAY, "redis");
}

void alarms_store_down(struct publisherd *daemon, const char *reason) {
        free(daemon->away_reason);
        daemon->away_reason = strdup(reason);
}
