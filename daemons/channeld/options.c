#include "daemons/channeld/options.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core/memory.h"

const struct setting *options_of_driver(const char *name, size_t *ret_n) {
        static const struct setting none[1];
        const struct driver *driver = driver_find(name);

        *ret_n = driver ? driver->n_settings : 0;
        if (!driver)
                return NULL;
        return driver->n_settings > 0 ? driver->settings : none;
}

/* A driver knows no lines: its sentences name the wrong value in quotes, and so tell which it was. */
static void find_lines(const struct conf *conf, struct problems *problems, size_t from) {
        for (size_t i = from; i < problems->n; i++) {
                struct problem *problem = &problems->list[i];

                for (size_t k = 0; k < conf->n && problem->line == 0; k++) {
                        const struct conf_entry *entry = &conf->entries[k];
                        char *chinese freed_by(freep) = NULL;
                        char *english freed_by(freep) = NULL;

                        if (asprintf(&chinese, "“%s”", entry->value) < 0)
                                chinese = NULL;
                        if (asprintf(&english, "'%s'", entry->value) < 0)
                                english = NULL;
                        if ((chinese && strstr(problem->text, chinese)) ||
                            (english && strstr(problem->text, english)))
                                problem->line = entry->line;
                }
        }
}

int options_read(const struct driver *driver, const struct channel_config *channel, void **ret,
                 struct problems *problems) {
        void *options = calloc(1, driver->options_size + 1);
        size_t n_before;
        int r;

        if (!options)
                return -ENOMEM;
        r = channel_options(channel, driver->settings, driver->n_settings, options, problems);
        n_before = problems->n;
        if (r >= 0 && driver->check) {
                driver->check(options, channel->path, problems);
                find_lines(channel->conf, problems, n_before);
        }
        if (r >= 0 && channel->listen && !driver->call)
                problems_add(problems, channel->path, conf_line(channel->conf, "", "listen"),
                             MESSAGE_CHANNEL_NO_CALLS, "driver", driver->name, NULL);
        if (r < 0) {
                options_free(driver, options);
                return r;
        }
        *ret = options;
        return 0;
}

void options_free(const struct driver *driver, void *options) {
        if (options)
                settings_release(driver->settings, driver->n_settings, options);
        free(options);
}

void options_forget_secret(char *secret) {
        if (secret)
                explicit_bzero(secret, strlen(secret));
        free(secret);
}
