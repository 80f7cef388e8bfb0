/* gongkai-publisherd: takes disclosure events, commits them, hands them on. */
#include "daemons/publisherd/publisherd.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <systemd/sd-daemon.h>
#include <zmq.h>

#include "core/alarm.h"
#include "core/attachments.h"
#include "core/clock.h"
#include "core/crash.h"
#include "core/daemon.h"
#include "core/log.h"
#include "core/memory.h"

#define SECOND_USEC UINT64_C(1000000)

static int publisherd_init(struct publisherd *daemon, const char *path) {
        const struct config *config;
        int r = daemon_load(path, NULL, NULL, false, &daemon->configuration, &daemon->catalogue);

        if (r < 0)
                return r;
        config = &daemon->configuration->main;
        alarms_begin(daemon);
        daemon->n_regions = config->regions.n;
        daemon->regions = calloc(daemon->n_regions, sizeof(*daemon->regions));
        if (!daemon->regions ||
            asprintf(&daemon->attachments_dir, "%s/attachments", config->state_dir) < 0) {
                daemon->attachments_dir = NULL;
                return -ENOMEM;
        }
        for (size_t i = 0; i < daemon->n_regions; i++)
                (void) snprintf(daemon->regions[i].code, sizeof(daemon->regions[i].code), "%.6s",
                                config->regions.items[i]);
        r = attachments_open(daemon->attachments_dir);
        if (r < 0) {
                log_say(LOG_ERR, MESSAGE_CANNOT_WRITE, "path", daemon->attachments_dir, "reason",
                        strerror(-r), NULL);
                alarms_unwritable("attachments", daemon->attachments_dir, r);
                return r;
        }
        daemon->zmq = zmq_ctx_new();
        return daemon->zmq ? 0 : -errno;
}

static void publisherd_done(struct publisherd *daemon) {
        control_close(daemon);
        daemon->store = store_free(daemon->store);
        control_free(daemon);
        fetch_close(daemon);
        rejected_close(daemon);
        fanout_close(daemon);
        doors_close(daemon);
        daemon->zap = zap_close(daemon->zap);
        if (daemon->zmq)
                (void) zmq_ctx_term(daemon->zmq);
        for (size_t i = 0; i < daemon->n_regions; i++) {
                free(daemon->regions[i].refusal);
                free(daemon->regions[i].stop);
                string_list_done(&daemon->regions[i].extra_channels);
        }
        free(daemon->regions);
        free(daemon->attachments_dir);
        free(daemon->screened);
        free(daemon->unfit);
        free(daemon->remembered);
        free(daemon->away_reason);
        (void) catalogue_free(daemon->catalogue);
        (void) configuration_free(daemon->configuration);
        (void) sd_event_source_disable_unref(daemon->tick);
        (void) sd_event_unref(daemon->event);
        alarm_end();
}

static void tell_status(struct publisherd *daemon) {
        const char *reason = NULL;
        char accepted[24], rejected[24], waiting[24];
        char *text freed_by(freep) = NULL;
        size_t ready = 0;

        for (size_t i = 0; i < daemon->n_regions; i++)
                ready += region_is_ready(daemon, &daemon->regions[i], &reason);
        (void) snprintf(accepted, sizeof(accepted), "%llu", (unsigned long long) daemon->n_accepted);
        (void) snprintf(rejected, sizeof(rejected), "%llu", (unsigned long long) daemon->n_rejected);
        (void) snprintf(waiting, sizeof(waiting), "%zu", daemon->n_pending);
        text = ready == daemon->n_regions
                       ? say(MESSAGE_PUBLISHERD_STATUS, "accepted", accepted, "rejected", rejected,
                             "waiting", waiting, NULL)
                       : say(MESSAGE_PUBLISHERD_STATUS_BUSY, "reason", reason ? reason : "", NULL);
        if (text)
                (void) sd_notifyf(0, "STATUS=%s", text);
}

static int on_tick(sd_event_source *source, uint64_t usec, void *userdata) {
        struct publisherd *daemon = userdata;
        int r;

        (void) usec; /* when we should have come; a count from there would have us catch up on the past */
        durable_tick(daemon);
        alarms_tick(daemon);
        tell_status(daemon);
        r = sd_event_source_set_time_relative(source, SECOND_USEC);
        return r < 0 ? r : sd_event_source_set_enabled(source, SD_EVENT_ONESHOT);
}

static int on_drained(sd_event_source *source, uint64_t usec, void *userdata) {
        (void) source;
        (void) usec;
        return sd_event_exit(((struct publisherd *) userdata)->event, 0);
}

/* Nothing new is read; what was read gets its answer, as long as drain allows. */
static int on_drain_check(sd_event_source *source, uint64_t usec, void *userdata) {
        struct publisherd *daemon = userdata;
        int r;

        (void) usec;
        if (daemon->n_pending == 0) {
                crash_point("publisherd/drained");
                return sd_event_exit(daemon->event, 0);
        }
        crash_point("publisherd/draining");
        r = sd_event_source_set_time_relative(source, SECOND_USEC / 50);
        return r < 0 ? r : sd_event_source_set_enabled(source, SD_EVENT_ONESHOT);
}

static int on_stop(sd_event_source *source, const struct signalfd_siginfo *info, void *userdata) {
        struct publisherd *daemon = userdata;
        uint64_t drain_usec = (uint64_t) daemon->configuration->main.drain_ms * 1000;
        int r;

        (void) source;
        (void) info;
        if (daemon->stopping)
                return sd_event_exit(daemon->event, 0);
        daemon->stopping = true;
        doors_stop_reading(daemon);
        crash_point("publisherd/stopping");
        (void) sd_notify(0, "STOPPING=1");
        log_say(LOG_INFO, MESSAGE_STOPPING, NULL);
        r = sd_event_add_time_relative(daemon->event, NULL, CLOCK_BOOTTIME, drain_usec, 0, on_drained,
                                       daemon);
        if (r >= 0)
                r = sd_event_add_time_relative(daemon->event, NULL, CLOCK_BOOTTIME, 0, 0,
                                               on_drain_check, daemon);
        return r;
}

static bool has_the_same_regions(const struct publisherd *daemon,
                                 const struct configuration *configuration) {
        for (size_t i = 0; i < daemon->n_regions; i++)
                if (!configuration_has_region(configuration, daemon->regions[i].code))
                        return false;
        return configuration->main.regions.n == daemon->n_regions;
}

/* A new configuration takes effect whole, or not at all. What cannot change while running (paths,
 * sockets, Redis) waits for a restart. */
static int on_reload(sd_event_source *source, const struct signalfd_siginfo *info, void *userdata) {
        struct publisherd *daemon = userdata;
        struct configuration *configuration;
        struct catalogue *catalogue;

        (void) source;
        (void) info;
        (void) sd_notify(0, "RELOADING=1");
        if (daemon_load(daemon->configuration->main.path, NULL, NULL, false, &configuration, &catalogue) < 0)
                log_say(LOG_ERR, MESSAGE_RELOAD_FAILED, NULL);
        else if (!has_the_same_regions(daemon, configuration)) {
                log_say(LOG_WARNING, MESSAGE_RELOAD_NEEDS_RESTART, NULL);
                (void) configuration_free(configuration);
                (void) catalogue_free(catalogue);
        } else {
                crash_point("publisherd/reload-read");
                (void) configuration_free(daemon->configuration);
                (void) catalogue_free(daemon->catalogue);
                daemon->configuration = configuration;
                daemon->catalogue = catalogue;
                fetch_reloaded(daemon);
                log_say(LOG_INFO, MESSAGE_RELOADED, NULL);
        }
        (void) sd_notify(0, "READY=1");
        return 0;
}

static int publisherd_run(struct publisherd *daemon) {
        int r = daemon_event(on_stop, on_reload, daemon, &daemon->event);

#ifndef GONGKAI_CRASHPOINTS /* a sanitizer sees more of each value in memory of its own */
        event_memory_use();
#endif
        if (r >= 0)
                r = store_new(daemon->event, daemon->configuration->main.redis_socket,
                              daemon->configuration->main.redis_timeout_ms, durable_on_state, daemon,
                              &daemon->store);
        if (r >= 0)
                r = fanout_open(daemon);
        if (r >= 0)
                r = rejected_open(daemon);
        if (r >= 0)
                r = fetch_open(daemon);
        if (r >= 0)
                r = control_open(daemon);
        if (r >= 0)
                r = doors_open(daemon);
        if (r >= 0)
                r = sd_event_add_time(daemon->event, &daemon->tick, CLOCK_BOOTTIME, 0, 0, on_tick,
                                      daemon);
        if (r >= 0)
                r = sd_event_source_set_exit_on_failure(daemon->tick, true);
        if (r < 0)
                return r;
        alarm_clear(ALARM_SECRET, "publisherd"); /* the doors are open */
        (void) sd_notify(0, "READY=1");
        log_say(LOG_INFO, MESSAGE_PUBLISHERD_STARTED, "version", GONGKAI_VERSION, NULL);
        r = sd_event_loop(daemon->event);
        durable_remember(daemon);
        return r;
}

static void help(void) {
        char *text freed_by(freep) = say(MESSAGE_PUBLISHERD_HELP, "config", GONGKAI_CONFIG, NULL);

        (void) puts(text ? text : "");
        settings_help(config_settings, n_config_settings, stdout);
}

int main(int argc, char **argv) {
        struct daemon_arguments arguments;
        struct publisherd daemon = { 0 };
        int r = daemon_start(argc, argv, "gongkai-publisherd", false, help, &arguments);

        if (r >= 0)
                return r;
        if (arguments.check) {
                r = daemon_load(arguments.config, NULL, NULL, true, &daemon.configuration, &daemon.catalogue);
                if (r >= 0)
                        daemon_say_config_ok(arguments.config);
        } else {
                r = publisherd_init(&daemon, arguments.config);
                if (r >= 0)
                        r = publisherd_run(&daemon);
                if (r < 0 && daemon.configuration)
                        log_say(LOG_ERR, MESSAGE_DAEMON_FAILED, "reason", strerror(-r), NULL);
        }
        publisherd_done(&daemon);
        return r < 0 ? 1 : 0;
}
