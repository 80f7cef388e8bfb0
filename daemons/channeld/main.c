/* gongkai-channeld NAME: shows on one channel what is to be shown there. */
#include "daemons/channeld/channeld.h"

#include <errno.h>
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
#include "core/moment.h"
#include "daemons/channeld/options.h"
#include "daemons/channeld/reload.h"

#define SECOND_USEC UINT64_C(1000000)

/* The driver's own options stand in the channel's file beside the common ones; configuration_load()
 * has checked them, so only the driver's second look can find more. */
static int read_options(struct channeld *daemon) {
        struct problems problems = { 0 };
        int r = options_read(daemon->driver, daemon->channel, &daemon->options, &problems);

        if (r >= 0 && problems.n > 0) {
                problems_print(&problems, stderr);
                r = -EINVAL;
        }
        problems_done(&problems);
        return r;
}

static int read_secret(struct channeld *daemon, bool runs) {
        int r;

        if (!daemon->channel->secret_file)
                return 0;
        r = secret_read(daemon->channel->secret_file, &daemon->secret);
        if (r < 0) {
                char *reason freed_by(freep) = secret_error(daemon->channel->secret_file, r);

                log_say(LOG_ERR, MESSAGE_SECRET_UNREADABLE, "path", daemon->channel->secret_file,
                        "reason", reason ? reason : strerror(-r), NULL);
                if (runs)
                        trouble_secret(daemon, reason ? reason : strerror(-r));
        }
        return r;
}

static int channeld_init(struct channeld *daemon, const struct daemon_arguments *arguments) {
        const char *name = arguments->name;
        const struct config *config;
        int r = daemon_load(arguments->config, options_of_driver, name, arguments->check,
                            &daemon->configuration, &daemon->catalogue);

        if (r < 0)
                return r;
        config = &daemon->configuration->main;
        daemon->channel = configuration_channel(daemon->configuration, name);
        if (!daemon->channel) {
                log_say(LOG_ERR, MESSAGE_CHANNEL_UNKNOWN, "channel", name, NULL);
                return -ENOENT;
        }
        daemon->driver = driver_find(daemon->channel->driver);
        r = read_options(daemon);
        if (r >= 0 && !arguments->test) /* which says of it what there is to say */
                r = read_secret(daemon, !arguments->check && !arguments->preview &&
                                                !arguments->login);
        if (r < 0)
                return r;
        if (asprintf(&daemon->attachments_dir, "%s/attachments", config->state_dir) < 0) {
                daemon->attachments_dir = NULL;
                return -ENOMEM;
        }
        daemon->regions = calloc(config->regions.n, sizeof(*daemon->regions));
        if (!daemon->regions)
                return -ENOMEM;
        for (size_t i = 0; i < config->regions.n; i++) {
                struct region *region = &daemon->regions[daemon->n_regions];

                (void) snprintf(region->code, sizeof(region->code), "%.6s", config->regions.items[i]);
                region->daemon = daemon;
                daemon->n_regions += channel_serves(daemon->channel, region->code);
        }
        return 0;
}

static void channeld_done(struct channeld *daemon) {
        refresh_close(daemon);
        http_close(daemon);
        tcp_close(daemon);
        mqtt_close(daemon);
        daemon->store = store_free(daemon->store);
        listener_close(daemon); /* nobody waits for the store any more */
        while (daemon->attempts) {
                struct attempt *attempt = daemon->attempts;

                daemon->attempts = attempt->next;
                attempt_free(attempt);
        }
        lease_give_slot(daemon);
        nudge_close(daemon);
        tree_close_index(daemon);
        for (size_t i = 0; i < daemon->n_regions; i++)
                settle_drop(&daemon->regions[i]);
        free(daemon->regions);
        free(daemon->attachments_dir);
        free(daemon->paused);
        free(daemon->last_trouble);
        json_decref(daemon->raised);
        json_decref(daemon->silent);
        json_decref(daemon->stills);
        json_decref(daemon->account);
        alarm_end();
        reload_drop(daemon);
        free(daemon->tried.error);
        options_forget_secret(daemon->secret);
        if (daemon->driver)
                options_free(daemon->driver, daemon->options);
        (void) catalogue_free(daemon->catalogue);
        (void) configuration_free(daemon->configuration);
        (void) sd_event_source_disable_unref(daemon->timer);
        (void) sd_event_source_disable_unref(daemon->pump);
        (void) sd_event_source_disable_unref(daemon->tick);
        (void) sd_event_source_disable_unref(daemon->renewal);
        (void) sd_event_unref(daemon->event);
}

/* The breaker stands before the rest: nothing else explains why nothing leaves. */
static char *status_text(const struct channeld *daemon) {
        char done[24], failed[24], active[24], until[MOMENT_TEXT];

        for (size_t i = 0; i < daemon->n_regions && !daemon->paused; i++)
                if (daemon->regions[i].breaker_open && store_is_up(daemon->store))
                        return say(MESSAGE_CHANNELD_STATUS_OPEN, "until",
                                   moment_write(daemon->regions[i].open_until_ms, until), "reason",
                                   daemon->last_trouble ? daemon->last_trouble : "-", NULL);
        (void) snprintf(done, sizeof(done), "%llu", (unsigned long long) daemon->n_done);
        (void) snprintf(failed, sizeof(failed), "%llu", (unsigned long long) daemon->n_failed);
        (void) snprintf(active, sizeof(active), "%zu", daemon->n_attempts);
        if (daemon->paused)
                return say(MESSAGE_CHANNELD_STATUS_PAUSED, "reason", daemon->paused, NULL);
        return say(store_is_up(daemon->store) ? MESSAGE_CHANNELD_STATUS : MESSAGE_CHANNELD_STATUS_AWAY,
                   "done", done, "failed", failed, "active", active, NULL);
}

/* A configuration that was not taken is told until one is. */
static char *whole_status(const struct channeld *daemon) {
        char *status = status_text(daemon), *whole;

        if (!daemon->refused || !status)
                return status;
        whole = say(MESSAGE_CHANNELD_STATUS_REFUSED, "status", status, "reason", daemon->refused, NULL);
        free(status);
        return whole;
}

static int on_tick(sd_event_source *source, uint64_t usec, void *userdata) {
        struct channeld *daemon = userdata;
        char *text freed_by(freep) = whole_status(daemon);
        int r;

        if (text)
                (void) sd_notifyf(0, "STATUS=%s", text);
        engine_count(daemon);
        trouble_expiry(daemon);
        sight_tend(daemon);
        verdict_tell_rest(daemon);
        refresh_tend(daemon);
        if (daemon->stopping && engine_is_idle(daemon)) {
                crash_point("channeld/drained");
                return sd_event_exit(daemon->event, 0);
        }
        r = sd_event_source_set_time_relative(source, daemon->stopping ? SECOND_USEC / 20
                                                                       : SECOND_USEC);
        return r < 0 ? r : sd_event_source_set_enabled(source, SD_EVENT_ONESHOT);
}

static int on_patience_ends(sd_event_source *source, uint64_t usec, void *userdata) {
        (void) source;
        (void) usec;
        return sd_event_exit(((struct channeld *) userdata)->event, 0);
}

/* Nothing new is taken; what is under way is finished and settled. */
static int on_stop(sd_event_source *source, const struct signalfd_siginfo *info, void *userdata) {
        struct channeld *daemon = userdata;
        int r;

        (void) source;
        (void) info;
        if (daemon->stopping)
                return sd_event_exit(daemon->event, 0);
        daemon->stopping = true;
        crash_point("channeld/stopping");
        for (size_t i = 0; i < daemon->n_regions; i++)
                engine_release_ready(&daemon->regions[i], false);
        (void) sd_notify(0, "STOPPING=1");
        log_say(LOG_INFO, MESSAGE_STOPPING, NULL);
        r = sd_event_add_time_relative(daemon->event, NULL, CLOCK_BOOTTIME,
                                       (uint64_t) daemon->channel->timeout_ms * 1000 + SECOND_USEC,
                                       0, on_patience_ends, daemon);
        if (r >= 0)
                r = sd_event_source_set_time(daemon->tick, 0);
        return r < 0 ? r : sd_event_source_set_enabled(daemon->tick, SD_EVENT_ONESHOT);
}

static int add_sources(struct channeld *daemon) {
        int r = daemon_event(on_stop, reload_on_signal, daemon, &daemon->event);

        if (r >= 0)
                r = sd_event_add_time(daemon->event, &daemon->timer, CLOCK_BOOTTIME, 0, 1000,
                                      engine_on_timer, daemon);
        if (r >= 0)
                r = sd_event_source_set_exit_on_failure(daemon->timer, true);
        if (r >= 0)
                r = sd_event_add_defer(daemon->event, &daemon->pump, engine_on_pump, daemon);
        /* Behind all that ends attempts: what ends in one turn is settled, and taken anew, together. */
        if (r >= 0)
                r = sd_event_source_set_priority(daemon->pump, SD_EVENT_PRIORITY_NORMAL + 2);
        if (r >= 0)
                r = sd_event_source_set_exit_on_failure(daemon->pump, true);
        if (r >= 0)
                r = sd_event_add_time(daemon->event, &daemon->renewal, CLOCK_BOOTTIME, 0, 1000,
                                      lease_on_timer, daemon);
        if (r >= 0) /* an answer that is here already is read before its request is cut */
                r = sd_event_source_set_priority(daemon->renewal, SD_EVENT_PRIORITY_NORMAL + 1);
        if (r >= 0)
                r = sd_event_source_set_exit_on_failure(daemon->renewal, true);
        if (r >= 0)
                r = sd_event_add_time(daemon->event, &daemon->tick, CLOCK_BOOTTIME, 0, 0, on_tick,
                                      daemon);
        if (r >= 0)
                r = sd_event_source_set_exit_on_failure(daemon->tick, true);
        return r;
}

static int channeld_run(struct channeld *daemon) {
        int r = add_sources(daemon);

        trouble_start(daemon);
        if (r >= 0)
                r = lease_take_slot(daemon);
        if (r >= 0)
                r = tree_open_index(daemon);
        if (r >= 0)
                r = http_open(daemon);
        if (r >= 0)
                r = mqtt_open(daemon);
        if (r >= 0)
                r = nudge_open(daemon);
        if (r >= 0)
                r = listener_open(daemon);
        if (r >= 0)
                r = store_new(daemon->event, daemon->configuration->main.redis_socket,
                              daemon->configuration->main.redis_timeout_ms, engine_on_state, daemon,
                              &daemon->store);
        if (r < 0)
                return r;
        (void) sd_notify(0, "READY=1");
        log_say(LOG_INFO, MESSAGE_CHANNELD_STARTED, "channel", daemon->channel->name, "driver",
                daemon->driver->name, "version", GONGKAI_VERSION, NULL);
        return sd_event_loop(daemon->event);
}

static void help(void) {
        char *text freed_by(freep) = say(MESSAGE_CHANNELD_HELP, "config", GONGKAI_CONFIG, NULL);

        (void) puts(text ? text : "");
        settings_help(channel_settings, n_channel_settings, stdout);
        for (size_t i = 0; drivers[i]; i++) {
                (void) printf("\ndriver = %s  (%s)\n", drivers[i]->name,
                              messages_language() == ENGLISH ? drivers[i]->title_english
                                                             : drivers[i]->title_chinese);
                settings_help(drivers[i]->settings, drivers[i]->n_settings, stdout);
        }
}

int main(int argc, char **argv) {
        struct daemon_arguments arguments;
        struct channeld daemon = { 0 };
        int r = daemon_start(argc, argv, "gongkai-channeld", true, help, &arguments);

        if (r >= 0)
                return r;
        if (arguments.describe)
                return describe_run(arguments.config, arguments.name);
        if (arguments.ask)
                return interview_run(arguments.config, arguments.name);
        if (arguments.secret)
                return ask_secret_run(arguments.config, arguments.name);
        r = channeld_init(&daemon, &arguments);
        if (r < 0 && arguments.test)
                diagnose_bad_configuration(arguments.name, arguments.json);
        if (r >= 0 && arguments.check)
                daemon_say_config_ok(daemon.channel->path);
        else if (r >= 0 && arguments.test)
                r = diagnose_run(&daemon, arguments.json);
        else if (r >= 0 && arguments.preview)
                r = preview_run(&daemon, arguments.out);
        else if (r >= 0 && arguments.login)
                r = login_run(&daemon);
        else if (r >= 0) {
                r = channeld_run(&daemon);
                if (r < 0)
                        log_say(LOG_ERR, MESSAGE_DAEMON_FAILED, "reason", strerror(-r), NULL);
        }
        channeld_done(&daemon);
        return r < 0 ? 1 : 0;
}
