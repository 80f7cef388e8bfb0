/* gongkai-ledgerd: keeps for good what was accepted and what became of it. */
#include "daemons/ledgerd/ledgerd.h"

#include <errno.h>
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <systemd/sd-daemon.h>

#include "core/alarm.h"
#include "core/clock.h"
#include "core/crash.h"
#include "core/daemon.h"
#include "core/log.h"
#include "core/memory.h"
#include "daemons/ledgerd/alarms.h"

#define SECOND_USEC UINT64_C(1000000)

enum { HEAD_MS = 1000, HEAD_TOLD_MS = 3600000, MEASURE_MS = 5000 };

static int ledgerd_init(struct ledgerd *daemon, const char *path) {
        struct catalogue *catalogue = NULL;
        const struct config *config;
        int r = daemon_load(path, NULL, NULL, false, &daemon->configuration, &catalogue);

        (void) catalogue_free(catalogue);
        if (r < 0)
                return r;
        config = &daemon->configuration->main;
        (void) alarm_start(config->state_dir); /* without its folder alarms are in the log only */
        daemon->path = ledger_path(config->state_dir);
        if (asprintf(&daemon->head_path, "%s/ledger.head", config->state_dir) < 0)
                daemon->head_path = NULL;
        daemon->regions = calloc(config->regions.n, sizeof(*daemon->regions));
        if (!daemon->path || !daemon->head_path || !daemon->regions)
                return -ENOMEM;
        daemon->n_regions = config->regions.n;
        for (size_t i = 0; i < daemon->n_regions; i++) {
                daemon->regions[i].daemon = daemon;
                daemon->regions[i].behind_since_ms = clock_boot_ms();
                (void) snprintf(daemon->regions[i].code, sizeof(daemon->regions[i].code), "%.6s",
                                config->regions.items[i]);
        }
        return 0;
}

static void ledgerd_done(struct ledgerd *daemon) {
        daemon->stopping = true;
        daemon->tail = store_free(daemon->tail);
        daemon->store = store_free(daemon->store);
        batch_drop(daemon);
        tail_drop(daemon);
        tidy_close(daemon);
        receipts_close(daemon);
        dead_close(daemon);
        daemon->alarms = alarms_close(daemon->alarms);
        daemon->ledger = ledger_free(daemon->ledger);
        for (size_t i = 0; i < daemon->n_regions; i++) {
                free(daemon->regions[i].refusal);
                string_list_done(&daemon->regions[i].extra_channels);
        }
        free(daemon->regions);
        free(daemon->path);
        free(daemon->head_path);
        (void) configuration_free(daemon->configuration);
        (void) sd_event_source_disable_unref(daemon->pace);
        (void) sd_event_source_disable_unref(daemon->tick);
        (void) sd_event_source_disable_unref(daemon->retry);
        (void) sd_event_unref(daemon->event);
        alarm_end();
}

/* -- head ----------------------------------------------------------------------------------------- */

static void tell_head(const struct ledger_head *head) {
        char seq[24], hash[LEDGER_HASH_TEXT];

        (void) snprintf(seq, sizeof(seq), "%lld", (long long) head->seq);
        ledger_hash_text(head->hash, hash);
        log_say(LOG_INFO, MESSAGE_LEDGER_HEAD, "seq", seq, "hash", hash, NULL);
}

/* The journal and a file know the end of the chain, so that a shorter one is noticed. */
static void keep_head(struct ledgerd *daemon, bool now) {
        struct ledger_head head;
        int64_t at = clock_boot_ms();

        if (!daemon->ledger)
                return;
        head = ledger_head(daemon->ledger);
        if (head.seq == daemon->head_written.seq)
                return;
        if (now || at - daemon->head_ms >= HEAD_MS) {
                daemon->head_ms = at;
                if (ledger_head_write(daemon->head_path, &head) == 0)
                        daemon->head_written = head;
                crash_point("ledgerd/head-written");
        }
        if (now || at - daemon->head_told_ms >= HEAD_TOLD_MS) {
                daemon->head_told_ms = at;
                tell_head(&head);
        }
}

/* -- once a second -------------------------------------------------------------------------------- */

static void tell_status(struct ledgerd *daemon) {
        const char *refusal = NULL;
        char rows[24], behind[24], seq[24];
        char *text freed_by(freep) = NULL;
        int64_t n_behind = 0;

        for (size_t i = 0; i < daemon->n_regions; i++) {
                const struct region *region = &daemon->regions[i];

                if (region->refusal && !refusal)
                        refusal = region->refusal;
                if (region->n_store > region->position.n)
                        n_behind += region->n_store - region->position.n;
        }
        (void) snprintf(rows, sizeof(rows), "%llu", (unsigned long long) daemon->n_rows);
        (void) snprintf(behind, sizeof(behind), "%lld", (long long) n_behind);
        (void) snprintf(seq, sizeof(seq), "%lld",
                        daemon->ledger ? (long long) ledger_head(daemon->ledger).seq : 0);
        if (!daemon->ledger)
                text = say(MESSAGE_LEDGERD_STATUS_TROUBLE, "behind", behind, NULL);
        else if (refusal)
                text = say(MESSAGE_LEDGERD_STATUS_STOPPED, "reason", refusal, NULL);
        else
                text = say(store_is_up(daemon->store) ? MESSAGE_LEDGERD_STATUS
                                                      : MESSAGE_LEDGERD_STATUS_AWAY,
                           "seq", seq, "behind", behind, "rows", rows, NULL);
        if (text)
                (void) sd_notifyf(0, "STATUS=%s", text);
}

static int on_tick(sd_event_source *source, uint64_t usec, void *userdata) {
        struct ledgerd *daemon = userdata;
        int64_t now = clock_boot_ms();
        int r;

        (void) usec;
        keep_head(daemon, false);
        if (daemon->ledger)
                dead_tick(daemon);
        if (daemon->ledger && store_is_up(daemon->store)) {
                regions_look(daemon);
                if (now - daemon->look_ms >= MEASURE_MS) {
                        daemon->look_ms = now;
                        regions_measure(daemon);
                }
                tail_go(daemon);
                tidy_go(daemon);
        }
        tell_status(daemon);
        if (daemon->n_rows == daemon->n_rows_seen && daemon->n_rows != daemon->n_rows_trimmed) {
                /* What a burst needed goes back to the machine, once it is over: the next second of it
                 * would get each page anew. */
                (void) malloc_trim(0);
                daemon->n_rows_trimmed = daemon->n_rows;
        }
        daemon->n_rows_seen = daemon->n_rows;
        r = sd_event_source_set_time_relative(source, SECOND_USEC);
        return r < 0 ? r : sd_event_source_set_enabled(source, SD_EVENT_ONESHOT);
}

/* -- the store ------------------------------------------------------------------------------------ */

static void on_state(struct store *store, bool up, const char *reason, void *userdata) {
        struct ledgerd *daemon = userdata;

        (void) store;
        if (daemon->stopping)
                return;
        if (!up) {
                if (!daemon->store_told)
                        log_say(LOG_WARNING, MESSAGE_REDIS_AWAY, "address",
                                daemon->configuration->main.redis_socket, "reason", reason, NULL);
                daemon->store_told = true;
                regions_forget(daemon);
                return;
        }
        daemon->store_told = false;
        log_say(LOG_INFO, MESSAGE_REDIS_BACK, "address", daemon->configuration->main.redis_socket, NULL);
        regions_look(daemon);
}

/* -- starting and stopping ------------------------------------------------------------------------ */

/* A transaction is written in one go, so that none can be under way here. */
static int on_stop(sd_event_source *source, const struct signalfd_siginfo *info, void *userdata) {
        struct ledgerd *daemon = userdata;

        (void) source;
        (void) info;
        daemon->stopping = true;
        crash_point("ledgerd/stopping");
        (void) sd_notify(0, "STOPPING=1");
        log_say(LOG_INFO, MESSAGE_STOPPING, NULL);
        return sd_event_exit(daemon->event, 0);
}

static bool has_the_same_regions(const struct ledgerd *daemon, const struct configuration *configuration) {
        for (size_t i = 0; i < daemon->n_regions; i++)
                if (!configuration_has_region(configuration, daemon->regions[i].code))
                        return false;
        return configuration->main.regions.n == daemon->n_regions;
}

/* Whose key may hear what, and which channels there are. Paths and sockets wait for a restart. */
static int on_reload(sd_event_source *source, const struct signalfd_siginfo *info, void *userdata) {
        struct ledgerd *daemon = userdata;
        struct configuration *configuration = NULL;
        struct catalogue *catalogue = NULL;

        (void) source;
        (void) info;
        (void) sd_notify(0, "RELOADING=1");
        if (daemon_load(daemon->configuration->main.path, NULL, NULL, false, &configuration, &catalogue) < 0)
                log_say(LOG_ERR, MESSAGE_RELOAD_FAILED, NULL);
        else if (!has_the_same_regions(daemon, configuration)) {
                log_say(LOG_WARNING, MESSAGE_RELOAD_NEEDS_RESTART, NULL);
                (void) configuration_free(configuration);
        } else {
                (void) configuration_free(daemon->configuration);
                daemon->configuration = configuration;
                if (alarms_reload(daemon->alarms, configuration) < 0)
                        log_say(LOG_ERR, MESSAGE_RELOAD_FAILED, NULL);
                else
                        log_say(LOG_INFO, MESSAGE_RELOADED, NULL);
        }
        (void) catalogue_free(catalogue);
        (void) sd_notify(0, "READY=1");
        return 0;
}

static int add_sources(struct ledgerd *daemon) {
        int r = daemon_event(on_stop, on_reload, daemon, &daemon->event);

        if (r >= 0)
                r = sd_event_add_time(daemon->event, &daemon->tick, CLOCK_BOOTTIME, 0, 0, on_tick, daemon);
        if (r >= 0)
                r = sd_event_source_set_exit_on_failure(daemon->tick, true);
        return r;
}

/* What the head file says of the end of the chain has to be in the chain. */
static int on_head_row(const struct ledger_row *row, void *userdata) {
        const struct ledger_head *head = userdata;

        return row->seq == head->seq && memcmp(row->hash, head->hash, LEDGER_HASH) == 0 ? 1 : 2;
}

static void look_at_head(struct ledgerd *daemon) {
        struct ledger_reader *reader freed_by(ledger_reader_freep) = NULL;
        struct ledger_head known;
        char *aside freed_by(freep) = NULL;

        if (!daemon->ledger || ledger_head_read(daemon->head_path, &known) < 0 || known.seq == 0 ||
            ledger_reader_open(daemon->path, &reader) < 0)
                return;
        if (ledger_read_since(reader, known.seq, NULL, on_head_row, &known) == 1) {
                daemon->head_written = known;
                alarm_clear(ALARM_LEDGER_BROKEN, "ledger");
                return;
        }
        trouble_chain(daemon, known.seq);
        tell_head(&known);
        /* It stays beside the new one: it tells how long the ledger once was. */
        if (asprintf(&aside, "%s.lost", daemon->head_path) < 0)
                aside = NULL;
        if (aside)
                (void) rename(daemon->head_path, aside);
}

static int ledgerd_run(struct ledgerd *daemon) {
        const struct config *config = &daemon->configuration->main;
        int r = add_sources(daemon);

        if (r >= 0)
                r = alarms_open(daemon->event, daemon->configuration, &daemon->alarms);
        if (r >= 0)
                r = receipts_open(daemon);
        if (r >= 0)
                r = tidy_open(daemon);
        if (r < 0)
                return r;
        alarm_clear(ALARM_SECRET, "ledgerd"); /* the receipts' doors are open */
        r = ledger_open(daemon->path, &daemon->ledger);
        if (r < 0)
                trouble_ledger(daemon, r);
        look_at_head(daemon);
        r = store_new(daemon->event, config->redis_socket, config->redis_timeout_ms, on_state, daemon,
                      &daemon->store);
        if (r >= 0)
                r = store_new(daemon->event, config->redis_socket, config->redis_timeout_ms, tail_on_state,
                              daemon, &daemon->tail);
        if (r < 0)
                return r;
        (void) sd_notify(0, "READY=1");
        log_say(LOG_INFO, MESSAGE_LEDGERD_STARTED, "version", GONGKAI_VERSION, NULL);
        r = sd_event_loop(daemon->event);
        keep_head(daemon, true);
        return r;
}

static void help(void) {
        char *text freed_by(freep) = say(MESSAGE_LEDGERD_HELP, "config", GONGKAI_CONFIG, NULL);

        (void) puts(text ? text : "");
        settings_help(config_settings, n_config_settings, stdout);
}

int main(int argc, char **argv) {
        struct daemon_arguments arguments;
        struct ledgerd daemon = { 0 };
        struct catalogue *catalogue = NULL;
        int r = daemon_start(argc, argv, "gongkai-ledgerd", false, help, &arguments);

        if (r >= 0)
                return r;
        if (arguments.check) {
                r = daemon_load(arguments.config, NULL, NULL, true, &daemon.configuration, &catalogue);
                (void) catalogue_free(catalogue);
                if (r >= 0)
                        daemon_say_config_ok(arguments.config);
        } else {
                r = ledgerd_init(&daemon, arguments.config);
                if (r >= 0)
                        r = ledgerd_run(&daemon);
                if (r < 0 && daemon.configuration)
                        log_say(LOG_ERR, MESSAGE_DAEMON_FAILED, "reason", strerror(-r), NULL);
        }
        ledgerd_done(&daemon);
        return r < 0 ? 1 : 0;
}
