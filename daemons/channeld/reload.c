#include "daemons/channeld/reload.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <systemd/sd-daemon.h>

#include "core/alarm.h"
#include "core/daemon.h"
#include "core/log.h"
#include "core/memory.h"
#include "daemons/channeld/options.h"

struct reload {
        struct configuration *configuration;
        struct catalogue *catalogue;
        const struct channel_config *channel;
        const struct driver *driver;
        void *options;
        char *secret;
};

static struct reload *reload_free(struct reload *reload) {
        if (!reload)
                return NULL;
        if (reload->driver)
                options_free(reload->driver, reload->options);
        options_forget_secret(reload->secret);
        (void) catalogue_free(reload->catalogue);
        (void) configuration_free(reload->configuration);
        free(reload);
        return NULL;
}

static void reload_freep(struct reload **reload) {
        *reload = reload_free(*reload);
}

void reload_drop(struct channeld *daemon) {
        daemon->reload = reload_free(daemon->reload);
        free(give_away(daemon->refused));
}

/* Takes `reason`, which may be NULL. */
static void refuse(struct channeld *daemon, char *reason) {
        free(daemon->refused);
        daemon->refused = reason ? reason : strdup("-");
        log_say(LOG_ERR, MESSAGE_CHANNELD_RELOAD_REFUSED, "channel", daemon->channel->name, "reason",
                daemon->refused ? daemon->refused : "-", NULL);
        (void) sd_notify(0, "READY=1");
}

/* "FILE:LINE" of a setting of the channel. */
static char *place_of(const struct channel_config *channel, const char *key) {
        unsigned line = conf_line(channel->conf, "", key);
        char *place;

        if (line == 0)
                return strdup(channel->path);
        return asprintf(&place, "%s:%u", channel->path, line) < 0 ? NULL : place;
}

static bool has_the_same_regions(const struct channeld *daemon, const struct reload *reload) {
        const struct string_list *regions = &reload->configuration->main.regions;
        size_t n = 0;

        for (size_t i = 0; i < regions->n; i++) {
                char code[7];

                (void) snprintf(code, sizeof(code), "%.6s", regions->items[i]);
                if (!channel_serves(reload->channel, code))
                        continue;
                if (n >= daemon->n_regions || strcmp(daemon->regions[n].code, code) != 0)
                        return false;
                n++;
        }
        return n == daemon->n_regions;
}

/* What this process cannot change into while it runs: the sentence, or NULL. */
static char *needs_restart(const struct channeld *daemon, const struct reload *reload) {
        const struct channel_config *channel = reload->channel;
        const struct {
                const char *key, *old, *new;
        } fixed[] = { { "driver", daemon->channel->driver, channel->driver },
                      { "listen", daemon->channel->listen, channel->listen } };
        char *place freed_by(freep) = NULL;

        for (size_t i = 0; i < ELEMENTS(fixed); i++) {
                const char *old = fixed[i].old ? fixed[i].old : "-";
                const char *new = fixed[i].new ? fixed[i].new : "-";

                if (strcmp(old, new) == 0)
                        continue;
                place = place_of(channel, fixed[i].key);
                return say(MESSAGE_CHANNELD_RELOAD_RESTART, "place", place, "key", fixed[i].key, "old",
                           old, "new", new, "channel", channel->name, NULL);
        }
        if (has_the_same_regions(daemon, reload))
                return NULL;
        place = place_of(channel, "regions");
        return say(MESSAGE_CHANNELD_RELOAD_REGIONS, "place", place, "channel", channel->name, NULL);
}

/* The channel's part; true, or the reason why not. */
static bool read_channel(const struct channeld *daemon, struct reload *reload, char **ret_reason) {
        struct problems problems = { 0 };
        const char *file;
        int r;

        reload->channel = configuration_channel(reload->configuration, daemon->channel->name);
        if (!reload->channel) {
                *ret_reason = say(MESSAGE_CHANNEL_UNKNOWN, "channel", daemon->channel->name, NULL);
                return false;
        }
        reload->driver = driver_find(reload->channel->driver);
        r = options_read(reload->driver, reload->channel, &reload->options, &problems);
        if (problems.n > 0) {
                problems_print(&problems, stderr);
                *ret_reason = problem_text(&problems.list[0]);
        }
        problems_done(&problems);
        if (r >= 0 && !*ret_reason)
                *ret_reason = needs_restart(daemon, reload);
        file = reload->channel->secret_file;
        if (r < 0 || *ret_reason || !file)
                return r >= 0 && !*ret_reason;
        r = secret_read(file, &reload->secret);
        if (r < 0)
                *ret_reason = secret_error(file, r);
        return r >= 0;
}

static void exchange(struct channeld *daemon, struct reload *reload) {
        struct reload old = { daemon->configuration, daemon->catalogue, daemon->channel,
                              daemon->driver, daemon->options, daemon->secret };

        daemon->configuration = reload->configuration;
        daemon->catalogue = reload->catalogue;
        daemon->channel = reload->channel;
        daemon->options = reload->options;
        daemon->secret = reload->secret;
        *reload = old;
}

/* The local tree may have another root: a folder that cannot be made refuses the whole. */
static int exchange_all(struct channeld *daemon, struct reload *reload) {
        struct tree *old = give_away(daemon->tree);
        struct tree *new;
        int r;

        exchange(daemon, reload);
        r = tree_open_index(daemon);
        new = give_away(daemon->tree);
        daemon->tree = r < 0 ? new : old;
        tree_close_index(daemon);
        daemon->tree = r < 0 ? old : new;
        if (r < 0)
                exchange(daemon, reload);
        return r;
}

/* What the process has learned from the old configuration, it learns anew. */
static int forget_the_old(struct channeld *daemon) {
        http_drop_idle(daemon);
        mqtt_close(daemon);
        refresh_soon(daemon);
        json_decref(give_away(daemon->account)); /* it may be another's */
        daemon->account_version++;
        daemon->set_up = false;
        daemon->setup_boot_ms = 0;
        for (size_t i = 0; i < daemon->n_regions; i++) {
                struct region *region = &daemon->regions[i];

                string_list_done(&region->dependants);
                region->dependants_known = false;
                region->pause_seen = false; /* one that we made ourselves may end now */
                region->next_boot_ms = 0;
        }
        return mqtt_open(daemon);
}

void reload_go(struct channeld *daemon) {
        struct reload *reload freed_by(reload_freep) = NULL;
        int r;

        if (!daemon->reload || daemon->n_begun > 0 || daemon->refresh)
                return;
        reload = give_away(daemon->reload);
        r = exchange_all(daemon, reload);
        if (r < 0) {
                refuse(daemon, strdup(strerror(-r)));
                return;
        }
        r = forget_the_old(daemon);
        if (r < 0) { /* no memory for a connection: systemd starts another */
                (void) sd_event_exit(daemon->event, r);
                return;
        }
        alarm_clear(ALARM_SECRET, daemon->channel->name);
        free(give_away(daemon->refused));
        log_say(LOG_NOTICE, MESSAGE_CHANNELD_RELOADED, "channel", daemon->channel->name, NULL);
        (void) sd_notify(0, "READY=1");
}

int reload_on_signal(sd_event_source *source, const struct signalfd_siginfo *info, void *userdata) {
        struct channeld *daemon = userdata;
        struct reload *reload freed_by(reload_freep) = calloc(1, sizeof(*reload));
        char *reason = NULL, count[24];

        (void) source;
        (void) info;
        if (daemon->stopping)
                return 0;
        (void) sd_notify(0, "RELOADING=1");
        daemon->reload = reload_free(daemon->reload); /* a later one takes its place */
        if (!reload ||
            daemon_load_anew(daemon->configuration->main.path, options_of_driver,
                             daemon->channel->name, &reason, &reload->configuration,
                             &reload->catalogue) < 0 ||
            !read_channel(daemon, reload, &reason)) {
                refuse(daemon, reason);
                engine_pump(daemon);
                return 0;
        }
        if (daemon->n_begun > 0) {
                (void) snprintf(count, sizeof(count), "%zu", daemon->n_begun);
                log_say(LOG_INFO, MESSAGE_CHANNELD_RELOAD_WAITS, "channel", daemon->channel->name,
                        "count", count, NULL);
        }
        daemon->reload = give_away(reload);
        engine_pump(daemon);
        return 0;
}
