/* gongkai-consoled: shows how publishing stands, to people and to Prometheus. */
#include "daemons/consoled/consoled.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <systemd/sd-daemon.h>

#include "core/clock.h"
#include "core/daemon.h"
#include "core/log.h"
#include "core/memory.h"
#include "daemons/consoled/cards.h"
#include "daemons/consoled/pulse.h"
#include "daemons/consoled/server.h"

enum {
        TICK_MS = 500,
        PULSE_MS = 2000,
        SLICE_ROWS = 20000,
        SLICE_MS = 25, /* a page waits no longer than that for the index */
        REST_MS = 25,  /* the other half of the time is for pages, and for everybody else */
        CARDS_AGAIN_MS = 60000,
};

/* -- the index follows the ledger -------------------------------------------------------------- */

static void cards_failed(struct consoled *daemon) {
        log_say(LOG_WARNING, MESSAGE_CONSOLED_CARDS_FAILED, "path",
                daemon->cards && cards_path(daemon->cards) ? cards_path(daemon->cards) : "cards.db",
                "reason",
                daemon->cards && *cards_words(daemon->cards) ? cards_words(daemon->cards)
                                                             : strerror(ENOMEM),
                NULL);
        daemon->cards = cards_free(daemon->cards);
        daemon->cards_again_ms = clock_boot_ms() + CARDS_AGAIN_MS;
}

static bool has_cards(struct consoled *daemon) {
        if (daemon->cards)
                return true;
        if (clock_boot_ms() < daemon->cards_again_ms)
                return false;
        if (cards_open(daemon->configuration->main.state_dir, &daemon->cards) < 0)
                cards_failed(daemon);
        return daemon->cards != NULL;
}

/* True when there is more. */
static bool follow(struct consoled *daemon) {
        struct ledger_reader *reader freed_by(ledger_reader_freep) = NULL;
        bool anew;
        int r;

        if (!has_cards(daemon) || consoled_ledger(daemon, &reader) < 0)
                return false;
        r = cards_follow(daemon->cards, reader, SLICE_ROWS, SLICE_MS, &anew);
        if (anew)
                log_say(LOG_NOTICE, MESSAGE_CONSOLED_CARDS_ANEW, "path", cards_path(daemon->cards),
                        NULL);
        /* A ledger that is busy or cannot be read is ledgerd's to tell. */
        if (r < 0 && *cards_words(daemon->cards))
                cards_failed(daemon);
        return r > 0;
}

/* -- every so often ---------------------------------------------------------------------------- */

static void tell_status(struct consoled *daemon) {
        const struct standing *standing = &daemon->standing;
        int64_t at = daemon->cards ? cards_seq(daemon->cards) : 0;
        char seq[24], last[24], count[24];
        char *text freed_by(freep) = NULL;

        (void) snprintf(seq, sizeof(seq), "%lld", (long long) at);
        (void) snprintf(last, sizeof(last), "%lld", (long long) standing->n_rows);
        (void) snprintf(count, sizeof(count), "%llu", (unsigned long long) daemon->n_answers);
        text = daemon->reading
                       ? say(MESSAGE_CONSOLED_STATUS_READING, "seq", seq, "last", last, NULL)
                       : say(MESSAGE_CONSOLED_STATUS, "seq", seq, "count", count, NULL);
        if (text)
                (void) sd_notifyf(0, "STATUS=%s", text);
}

static int on_tick(sd_event_source *source, uint64_t usec, void *userdata) {
        struct consoled *daemon = userdata;
        int64_t now = clock_boot_ms();
        int r;

        (void) usec;
        if (now >= daemon->pulse_at_ms) {
                daemon->pulse_at_ms = now + PULSE_MS;
                pulse_go(daemon->pulse);
                (void) standing_now(daemon);
                tell_status(daemon);
        }
        daemon->reading = follow(daemon);
        r = sd_event_source_set_time_relative(
                source, UINT64_C(1000) * (daemon->reading ? REST_MS : TICK_MS));
        return r < 0 ? r : sd_event_source_set_enabled(source, SD_EVENT_ONESHOT);
}

static void on_state(struct store *store, bool up, const char *reason, void *userdata) {
        struct consoled *daemon = userdata;

        (void) store;
        if (daemon->stopping)
                return;
        if (up)
                log_say(LOG_INFO, MESSAGE_REDIS_BACK, "address",
                        daemon->configuration->main.redis_socket, NULL);
        else if (!daemon->store_told)
                log_say(LOG_WARNING, MESSAGE_REDIS_AWAY, "address",
                        daemon->configuration->main.redis_socket, "reason", reason, NULL);
        daemon->store_told = !up;
        daemon->pulse_at_ms = 0;
}

/* -- starting and stopping --------------------------------------------------------------------- */

static int on_stop(sd_event_source *source, const struct signalfd_siginfo *info, void *userdata) {
        struct consoled *daemon = userdata;

        (void) source;
        (void) info;
        daemon->stopping = true;
        (void) sd_notify(0, "STOPPING=1");
        log_say(LOG_INFO, MESSAGE_STOPPING, NULL);
        return sd_event_exit(daemon->event, 0);
}

/* Which channels there are, and under which names it is asked. Sockets, paths and the address wait
 * for a restart. */
static int on_reload(sd_event_source *source, const struct signalfd_siginfo *info, void *userdata) {
        struct consoled *daemon = userdata;
        struct configuration *configuration = NULL;
        struct catalogue *catalogue = NULL;

        (void) source;
        (void) info;
        (void) sd_notify(0, "RELOADING=1");
        if (daemon_load(daemon->configuration->main.path, NULL, NULL, false, &configuration,
                        &catalogue) < 0)
                log_say(LOG_ERR, MESSAGE_RELOAD_FAILED, NULL);
        else {
                pulse_forget(daemon->pulse);
                (void) configuration_free(daemon->configuration);
                daemon->configuration = configuration;
                daemon->pulse_at_ms = 0;
                log_say(LOG_INFO, MESSAGE_RELOADED, NULL);
        }
        (void) catalogue_free(catalogue);
        (void) sd_notify(0, "READY=1");
        return 0;
}

static int consoled_run(struct consoled *daemon) {
        const struct config *config = &daemon->configuration->main;
        int r = daemon_event(on_stop, on_reload, daemon, &daemon->event);

        daemon->ledger_path = ledger_path(config->state_dir);
        if (!daemon->ledger_path)
                return -ENOMEM;
        if (r >= 0)
                r = sd_event_add_time(daemon->event, &daemon->tick, CLOCK_BOOTTIME, 0, 0, on_tick,
                                      daemon);
        if (r >= 0)
                r = sd_event_source_set_exit_on_failure(daemon->tick, true);
        if (r >= 0)
                r = pulse_new(daemon, &daemon->pulse);
        if (r >= 0)
                r = store_new(daemon->event, config->redis_socket, config->redis_timeout_ms,
                              on_state, daemon, &daemon->store);
        if (r >= 0)
                r = server_open(daemon);
        if (r < 0)
                return r;
        (void) sd_notify(0, "READY=1");
        log_say(LOG_INFO, MESSAGE_CONSOLED_STARTED, "version", GONGKAI_VERSION, "address",
                config->console_listen, NULL);
        return sd_event_loop(daemon->event);
}

/* Requests first, then what they waited for, then what that is noted in. */
static void consoled_done(struct consoled *daemon) {
        daemon->stopping = true;
        server_close(daemon);
        daemon->store = store_free(daemon->store);
        ask_close(daemon);
        daemon->pulse = pulse_free(daemon->pulse);
        daemon->cards = cards_free(daemon->cards);
        standing_done(&daemon->standing);
        (void) sd_event_source_disable_unref(daemon->tick);
        (void) sd_event_unref(daemon->event);
        free(daemon->ledger_path);
        (void) configuration_free(daemon->configuration);
}

static void help(void) {
        char *text freed_by(freep) = say(MESSAGE_CONSOLED_HELP, "config", GONGKAI_CONFIG, NULL);

        (void) puts(text ? text : "");
        settings_help(config_settings, n_config_settings, stdout);
}

int main(int argc, char **argv) {
        struct daemon_arguments arguments;
        struct consoled daemon = { 0 };
        struct catalogue *catalogue = NULL;
        int r = daemon_start(argc, argv, "gongkai-consoled", false, help, &arguments);

        if (r >= 0)
                return r;
        r = daemon_load(arguments.config, NULL, NULL, arguments.check, &daemon.configuration,
                        &catalogue);
        (void) catalogue_free(catalogue);
        if (r >= 0 && arguments.check)
                daemon_say_config_ok(arguments.config);
        else if (r >= 0)
                r = consoled_run(&daemon);
        if (r < 0 && daemon.configuration && !arguments.check)
                log_say(LOG_ERR, MESSAGE_DAEMON_FAILED, "reason", strerror(-r), NULL);
        consoled_done(&daemon);
        return r < 0 ? 1 : 0;
}
