/* What makes an ack worth its word: the library is ours, Redis syncs before it answers, and the
 * store is the one that we have known, with nothing missing. */
#include "daemons/publisherd/publisherd.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/alarm.h"
#include "core/clock.h"
#include "core/crash.h"
#include "core/files.h"
#include "core/ledger.h"
#include "core/log.h"
#include "core/memory.h"

/* -- the file that remembers: one line "REGION EPOCH N [ADOPTION]" per region -----------------------
 *
 * ADOPTION is there once an operator has said that a store is right (gongkaictl store adopt), another
 * each time: ledgerd begins to number anew then, and at no other time. */

static char *memory_path(const struct publisherd *daemon) {
        char *path;

        return asprintf(&path, "%s/store.known", daemon->configuration->main.state_dir) < 0 ? NULL
                                                                                            : path;
}

/* The file is a few seconds old; the ledger knows how far the log had come. */
static void ask_ledger(struct publisherd *daemon) {
        char *path freed_by(freep) = ledger_path(daemon->configuration->main.state_dir);
        struct ledger_reader *reader freed_by(ledger_reader_freep) = NULL;

        if (!path || ledger_reader_open(path, &reader) < 0)
                return;
        for (size_t i = 0; i < daemon->n_regions; i++) {
                struct region *region = &daemon->regions[i];
                struct ledger_position position;

                if (ledger_read_position(reader, region->code, &position) == 0 && position.n > 0 &&
                    strcmp(position.epoch, region->epoch) == 0 &&
                    strcmp(position.adoption, region->adoption) == 0 && (uint64_t) position.n > region->n)
                        region->n = (uint64_t) position.n;
        }
}

static void recall(struct publisherd *daemon) {
        char *path freed_by(freep) = memory_path(daemon);
        char *text freed_by(freep) = NULL, *rest, *line;

        if (!path || file_read(path, 1 << 20, &text, NULL) < 0)
                return;
        rest = text;
        while ((line = strsep(&rest, "\n")) != NULL) {
                char code[7], epoch[ULID_TEXT], adoption[ULID_TEXT] = "";
                unsigned long long n;
                struct region *region;

                if (sscanf(line, "%6s %26s %llu %26s", code, epoch, &n, adoption) < 3)
                        continue;
                region = region_find(daemon, code);
                if (!region)
                        continue;
                memcpy(region->epoch, epoch, sizeof(epoch));
                memcpy(region->adoption, adoption, sizeof(adoption));
                region->n = n;
        }
        ask_ledger(daemon);
}

void durable_remember(struct publisherd *daemon) {
        char *path freed_by(freep) = memory_path(daemon);
        struct buf buf = { 0 };
        int r;

        for (size_t i = 0; i < daemon->n_regions; i++)
                if (daemon->regions[i].epoch[0])
                        buf_fmt(&buf, "%s %s %llu%s%s\n", daemon->regions[i].code,
                                daemon->regions[i].epoch, (unsigned long long) daemon->regions[i].n,
                                daemon->regions[i].adoption[0] ? " " : "", daemon->regions[i].adoption);
        if (path && buf.len > 0 &&
            (!daemon->remembered || strcmp(daemon->remembered, buf_text(&buf)) != 0)) {
                r = file_write(path, buf.data, buf.len, 0640);
                crash_point("publisherd/memory-written");
                alarms_unwritable("store.known", path, r);
                if (r < 0)
                        log_say(LOG_WARNING, MESSAGE_CANNOT_WRITE, "path", path, "reason",
                                strerror(-r), NULL);
                else {
                        free(daemon->remembered);
                        daemon->remembered = strdup(buf_text(&buf));
                }
        }
        buf_done(&buf);
}

bool trouble_is_news(struct publisherd *daemon, const char *reason) {
        int64_t now = clock_boot_ms();

        if (strncmp(daemon->trouble, reason, sizeof(daemon->trouble) - 1) == 0 &&
            now - daemon->trouble_ms < 60000)
                return false;
        (void) snprintf(daemon->trouble, sizeof(daemon->trouble), "%s", reason);
        daemon->trouble_ms = now;
        return true;
}

/* -- hello ------------------------------------------------------------------------------------------ */

struct hello {
        struct publisherd *daemon;
        struct region *region;
        bool adopt;
};

static const enum alarm refusals[] = { ALARM_STORE_OTHER, ALARM_STORE_LOST, ALARM_STORE_FORMAT };

/* Only one of them is open. */
static void refuse(struct region *region, enum message message, const char *now, const char *known) {
        char *sentence = say(message, "region", region->code, "now", now, "known", known, NULL);
        enum alarm code = message == MESSAGE_STORE_LOST           ? ALARM_STORE_LOST
                          : message == MESSAGE_STORE_OTHER_FORMAT ? ALARM_STORE_FORMAT
                                                                  : ALARM_STORE_OTHER;

        alarm_raise(code, region->code, "region", region->code, "now", now, "known", known, NULL);
        for (size_t i = 0; i < ELEMENTS(refusals); i++)
                if (refusals[i] != code)
                        alarm_clear(refusals[i], region->code);
        region->ready = false;
        if (sentence && (!region->refusal || strcmp(region->refusal, sentence) != 0))
                log_say(LOG_ERR, message, "region", region->code, "now", now, "known", known, NULL);
        free(region->refusal);
        region->refusal = sentence;
}

static void on_hello(struct store *store, const redisReply *reply, int error, const char *reason,
                     void *userdata) {
        struct hello *hello freed_by(freep) = userdata;
        struct publisherd *daemon = hello->daemon;
        struct region *region = hello->region;
        const char *epoch = reply_text(reply, 0);
        uint64_t n = (uint64_t) reply_number(reply, 1);
        char now_text[24], known_text[24];

        (void) store;
        if (error) {
                if (trouble_is_news(daemon, reason))
                        log_say(LOG_WARNING, MESSAGE_COMMIT_FAILED, "region", region->code, "reason",
                                reason, NULL);
                region->ready = false;
                return;
        }
        crash_point("publisherd/hello-answered");
        (void) snprintf(now_text, sizeof(now_text), "%llu", (unsigned long long) n);
        (void) snprintf(known_text, sizeof(known_text), "%llu", (unsigned long long) region->n);
        free(region->stop);
        region->stop = *reply_text(reply, 3) ? strdup(reply_text(reply, 3)) : NULL;
        if (!reply_is(reply, 2, STORE_FORMAT)) {
                refuse(region, MESSAGE_STORE_OTHER_FORMAT, reply_text(reply, 2), STORE_FORMAT);
                return;
        }
        if (hello->adopt || !region->epoch[0]) {
                if (strlen(epoch) >= sizeof(region->epoch))
                        return;
                memcpy(region->epoch, epoch, strlen(epoch) + 1);
                region->n = n;
                if (hello->adopt) {
                        ulid_new(clock_now_ms(), region->adoption);
                        durable_remember(daemon);
                }
        } else if (strcmp(region->epoch, epoch) != 0) {
                refuse(region, MESSAGE_STORE_OTHER_EPOCH, *epoch ? epoch : "-", region->epoch);
                return;
        } else if (n < region->n) {
                refuse(region, MESSAGE_STORE_LOST, now_text, known_text);
                return;
        }
        region->n = n > region->n ? n : region->n;
        free(give_away(region->refusal));
        if (!region->ready) {
                region->ready = true;
                for (size_t i = 0; i < ELEMENTS(refusals); i++)
                        alarm_clear(refusals[i], region->code);
                daemon->trouble[0] = '\0';
                durable_remember(daemon);
                log_say(LOG_INFO, MESSAGE_STORE_READY, "region", region->code, "n", now_text, NULL);
                fetch_ready(daemon, region);
        }
        commit_go(daemon, region);
}

static void say_hello(struct publisherd *daemon, struct region *region, bool adopt) {
        struct hello *hello = calloc(1, sizeof(*hello));
        char epoch[ULID_TEXT];

        if (!hello)
                return;
        *hello = (struct hello) { daemon, region, adopt };
        ulid_new(clock_now_ms(), epoch);
        /* A store that we have known is not founded again when it comes back empty. */
        if (store_hello(daemon->store, region->code, epoch, adopt || !region->epoch[0], on_hello,
                        hello) < 0)
                free(hello);
        crash_point_written(daemon->store, "publisherd/hello-written");
}

int durable_adopt(struct publisherd *daemon) {
        if (!store_is_up(daemon->store) || !daemon->library_loaded)
                return -ENOTCONN;
        for (size_t i = 0; i < daemon->n_regions; i++)
                say_hello(daemon, &daemon->regions[i], true);
        return 0;
}

/* -- Redis' settings --------------------------------------------------------------------------------- */

static const struct {
        const char *name, *value;
} wanted_settings[] = {
        { "appendonly", "yes" },
        { "appendfsync", "always" },
        { "no-appendfsync-on-rewrite", "no" },
        { "maxmemory-policy", "noeviction" },
};

static void on_settings(struct store *store, const redisReply *reply, int error, const char *reason,
                        void *userdata) {
        struct publisherd *daemon = userdata;
        struct buf wrong = { 0 };
        char *before freed_by(freep) = NULL;

        (void) store;
        if (error) {
                if (trouble_is_news(daemon, reason))
                        log_say(LOG_WARNING, MESSAGE_REDIS_SETTINGS_UNKNOWN, "reason", reason, NULL);
                return;
        }
        for (size_t i = 0; i < ELEMENTS(wanted_settings); i++) {
                const char *value = NULL;

                for (size_t k = 0; reply && k + 1 < reply->elements; k += 2)
                        if (reply_is(reply, k, wanted_settings[i].name))
                                value = reply_text(reply, k + 1);
                if (!value || strcmp(value, wanted_settings[i].value) != 0)
                        buf_fmt(&wrong, "%s%s = %s (%s)", wrong.len ? "; " : "", wanted_settings[i].name,
                                value ? value : "?", wanted_settings[i].value);
        }
        before = give_away(daemon->unfit);
        if (wrong.len > 0 && daemon->configuration->main.redis_durability) {
                daemon->unfit = say(MESSAGE_REDIS_UNFIT, "settings", buf_text(&wrong), NULL);
                if (!before || !daemon->unfit || strcmp(before, daemon->unfit) != 0)
                        log_say(LOG_ERR, MESSAGE_REDIS_UNFIT, "settings", buf_text(&wrong), NULL);
                daemon->fit = false;
                alarm_raise(ALARM_STORE_SETTINGS, "redis", "settings", buf_text(&wrong), NULL);
        } else {
                alarm_clear(ALARM_STORE_SETTINGS, "redis");
                if (wrong.len > 0 && !daemon->fit)
                        log_say(LOG_WARNING, MESSAGE_REDIS_NOT_DURABLE, "settings", buf_text(&wrong),
                                NULL);
                daemon->fit = true;
        }
        buf_done(&wrong);
        for (size_t i = 0; i < daemon->n_regions; i++) {
                if (!daemon->regions[i].ready && daemon->library_loaded)
                        say_hello(daemon, &daemon->regions[i], false);
                else if (!daemon->fit)
                        commit_busy(daemon, &daemon->regions[i]);
        }
}

static void read_settings(struct publisherd *daemon) {
        struct words words = { 0 };

        words_str(&words, "CONFIG");
        words_str(&words, "GET");
        for (size_t i = 0; i < ELEMENTS(wanted_settings); i++)
                words_str(&words, wanted_settings[i].name);
        (void) store_command(daemon->store, &words, on_settings, daemon);
        words_done(&words);
}

static void on_loaded(struct store *store, const redisReply *reply, int error, const char *reason,
                      void *userdata) {
        struct publisherd *daemon = userdata;

        (void) store;
        (void) reply;
        if (error) {
                /* Only what is no "not now" (loading, read-only, full) is about the library itself. */
                if (trouble_is_news(daemon, reason))
                        log_say(LOG_ERR,
                                error == -EBADMSG ? MESSAGE_STORE_LIBRARY_REFUSED
                                                  : MESSAGE_STORE_LIBRARY_WAITS,
                                "reason", reason, NULL);
                if (error == -EBADMSG)
                        alarm_raise(ALARM_STORE_LIBRARY, "redis", "reason", reason, NULL);
                else
                        alarms_refused(error, reason);
                return;
        }
        crash_point("publisherd/library-loaded");
        alarm_clear(ALARM_STORE_LIBRARY, "redis");
        daemon->library_loaded = true;
        read_settings(daemon);
}

static void load_library(struct publisherd *daemon) {
        struct words words = { 0 };

        words_str(&words, "FUNCTION");
        words_str(&words, "LOAD");
        words_str(&words, "REPLACE");
        words_add(&words, store_lua, (size_t) (store_lua_end - store_lua) - 1);
        (void) store_command(daemon->store, &words, on_loaded, daemon);
        crash_point_written(daemon->store, "publisherd/library-written");
        words_done(&words);
}

/* Somebody may have flushed the functions. A commit would notice, but on a quiet night only the
 * channels ask for them. */
static void on_listed(struct store *store, const redisReply *reply, int error, const char *reason,
                      void *userdata) {
        struct publisherd *daemon = userdata;

        (void) store;
        (void) reason;
        if (error == 0 && reply && reply->elements == 0)
                load_library(daemon);
}

static void look_for_library(struct publisherd *daemon) {
        struct words words = { 0 };

        words_str(&words, "FUNCTION");
        words_str(&words, "LIST");
        words_str(&words, "LIBRARYNAME");
        words_str(&words, "gongkai1");
        (void) store_command(daemon->store, &words, on_listed, daemon);
        words_done(&words);
}

/* -- coming and going -------------------------------------------------------------------------------- */

void durable_on_state(struct store *store, bool up, const char *reason, void *userdata) {
        struct publisherd *daemon = userdata;
        static bool told;

        (void) store;
        if (!up) {
                alarms_store_down(daemon, reason);
                if (!told)
                        log_say(LOG_WARNING, MESSAGE_REDIS_AWAY, "address",
                                daemon->configuration->main.redis_socket, "reason", reason, NULL);
                told = true;
                daemon->library_loaded = false;
                daemon->fit = false;
                for (size_t i = 0; i < daemon->n_regions; i++) {
                        daemon->regions[i].ready = false;
                        commit_busy(daemon, &daemon->regions[i]);
                }
                return;
        }
        told = false;
        alarms_store_up(daemon);
        log_say(LOG_INFO, MESSAGE_REDIS_BACK, "address", daemon->configuration->main.redis_socket,
                NULL);
        if (!daemon->regions[0].epoch[0])
                recall(daemon);
        load_library(daemon);
}

/* Each five seconds, and each second while something is not right. */
void durable_tick(struct publisherd *daemon) {
        static int64_t last_ms, remembered_ms;
        int64_t now = clock_boot_ms();
        bool well = daemon->library_loaded && daemon->fit;

        for (size_t i = 0; i < daemon->n_regions; i++)
                well = well && daemon->regions[i].ready;
        if (now - remembered_ms >= 5000) {
                remembered_ms = now;
                durable_remember(daemon);
        }
        if (!store_is_up(daemon->store) || (well && now - last_ms < 5000))
                return;
        last_ms = now;
        if (!daemon->library_loaded)
                load_library(daemon);
        else {
                look_for_library(daemon);
                read_settings(daemon);
        }
}
