#include <errno.h>
#include <netdb.h>
#include <stdio.h>
#include <string.h>

#include "core/config_parts.h"
#include "core/memory.h"

static bool has_row(const struct setting *settings, size_t n, const struct conf_entry *entry) {
        for (size_t i = 0; i < n; i++)
                if (strcmp(settings[i].key, entry->key) == 0 &&
                    strcmp(settings[i].section, entry->section) == 0)
                        return true;
        return false;
}

/* A view on some of a file's entries, which stay the file's. */
static int filter(const struct conf *conf, bool (*wanted)(const struct conf_entry *entry,
                                                          const struct settings_part *own),
                  const struct settings_part *own, struct conf *ret) {
        struct conf_entry *entries = calloc(conf->n + 1, sizeof(*entries));

        if (!entries)
                return -ENOMEM;
        *ret = (struct conf) { .path = conf->path, .entries = entries };
        for (size_t i = 0; i < conf->n; i++)
                if (wanted(conf->entries + i, own))
                        entries[ret->n++] = conf->entries[i];
        return 0;
}

static bool is_common(const struct conf_entry *entry, const struct settings_part *own) {
        return has_row(channel_settings, n_channel_settings, entry);
}

/* The driver's own, a common one that the driver has a row for too (title), and unknown ones. */
static bool is_drivers(const struct conf_entry *entry, const struct settings_part *own) {
        return !is_common(entry, own) || has_row(own->settings, own->n, entry);
}

int channel_options(const struct channel_config *channel, const struct setting *settings, size_t n,
                    void *target, struct problems *problems) {
        struct settings_part part = { settings, n, target };
        struct conf own = { 0 };
        int r = filter(channel->conf, is_drivers, &part, &own);

        if (r < 0)
                return r;
        r = settings_apply(&part, 1, &own, problems);
        free(own.entries);
        return r;
}

/* Both tables at once, so that a slip in either finds the right key; what the driver's rows would
 * fill is thrown away. */
static int apply_with_driver(struct channel_config *channel, const struct setting *settings,
                             size_t n, struct problems *problems) {
        struct settings_part parts[] = { { channel_settings, n_channel_settings, channel },
                                         { settings, n, NULL } };
        size_t size = 1;
        int r;

        for (size_t i = 0; i < n; i++) {
                size_t end = settings[i].offset + setting_value_size(settings[i].kind);

                size = end > size ? end : size;
        }
        parts[1].target = calloc(1, size);
        if (!parts[1].target)
                return -ENOMEM;
        r = settings_apply(parts, ELEMENTS(parts), channel->conf, problems);
        settings_release(settings, n, parts[1].target);
        free(parts[1].target);
        return r;
}

static int apply(struct channel_config *channel, driver_settings_fn *driver_settings,
                 struct problems *problems) {
        const struct conf_entry *driver = conf_find(channel->conf, "", "driver");
        struct settings_part part = { channel_settings, n_channel_settings, channel };
        const struct setting *settings = NULL;
        struct conf common = { 0 };
        size_t n = 0;
        int r;

        if (driver && driver->value[0] && driver_settings) {
                settings = driver_settings(driver->value, &n);
                if (!settings)
                        problems_add(problems, channel->path, driver->line,
                                     MESSAGE_CONFIG_UNKNOWN_DRIVER, "driver", driver->value, NULL);
        }
        if (settings)
                return apply_with_driver(channel, settings, n, problems);
        r = filter(channel->conf, is_common, NULL, &common);
        if (r < 0)
                return r;
        r = settings_apply(&part, 1, &common, problems);
        free(common.entries);
        return r;
}

static void check_carriers(struct channel_config *channel, struct problems *problems) {
        for (size_t i = 0; i < channel->carriers.n; i++) {
                int carrier = carrier_find(channel->carriers.items[i]);

                if (carrier >= 0)
                        channel->carrier_bits |= UINT64_C(1) << carrier;
                else
                        problems_add(problems, channel->path,
                                     conf_line(channel->conf, "", "carrier"),
                                     MESSAGE_CONFIG_UNKNOWN_CARRIER, "carrier",
                                     channel->carriers.items[i], NULL);
        }
}

int listen_address(const char *text, struct sockaddr_storage *ret, socklen_t *ret_n) {
        struct addrinfo hints = { .ai_flags = AI_NUMERICHOST | AI_NUMERICSERV | AI_PASSIVE,
                                  .ai_socktype = SOCK_STREAM };
        struct addrinfo *found = NULL;
        const char *colon = strrchr(text, ':');
        char host[64];
        size_t n = colon ? (size_t) (colon - text) : 0;
        bool brackets = n > 2 && text[0] == '[' && text[n - 1] == ']';
        int r;

        if (n == 0 || n >= sizeof(host) || (!brackets && memchr(text, ':', n)))
                return -EINVAL;
        (void) snprintf(host, sizeof(host), "%.*s", (int) (n - 2 * brackets), text + brackets);
        r = getaddrinfo(host, colon + 1, &hints, &found);
        if (r == 0 && found->ai_addrlen <= sizeof(*ret)) {
                memcpy(ret, found->ai_addr, found->ai_addrlen);
                *ret_n = found->ai_addrlen;
        }
        if (found)
                freeaddrinfo(found);
        return r == 0 ? 0 : -EINVAL;
}

static void check_listen(const struct channel_config *channel, struct problems *problems) {
        struct sockaddr_storage address;
        socklen_t n;

        if (channel->listen && listen_address(channel->listen, &address, &n) < 0)
                problems_add(problems, channel->path, conf_line(channel->conf, "", "listen"),
                             MESSAGE_CONFIG_BAD_LISTEN, "value", channel->listen, NULL);
}

/* What the file left open comes from elsewhere. */
static int complete(const struct configuration *configuration, struct channel_config *channel) {
        if (!channel->title && !(channel->title = strdup(channel->name)))
                return -ENOMEM;
        if (!channel->language && !(channel->language = strdup(configuration->main.language)))
                return -ENOMEM;
        return config_secret_path(configuration->main.folder, &channel->secret_file);
}

static int add_channel(struct configuration *configuration, const char *name, const char *path,
                       struct conf *conf, void *userdata, struct problems *problems) {
        driver_settings_fn *const *driver_settings = userdata;
        struct channel_config *channels =
                reallocarray(configuration->channels, configuration->n_channels + 1,
                             sizeof(*channels));
        struct channel_config *channel;
        int r;

        if (!channels) {
                conf_free(conf);
                return -ENOMEM;
        }
        configuration->channels = channels;
        channel = channels + configuration->n_channels++;
        *channel = (struct channel_config) { .name = strdup(name), .path = strdup(path),
                                             .conf = conf };
        if (!channel->name || !channel->path)
                return -ENOMEM;
        r = apply(channel, *driver_settings, problems);
        if (r < 0)
                return r;
        check_carriers(channel, problems);
        check_listen(channel, problems);
        config_check_regions(configuration, conf, &channel->regions, problems);
        r = config_read_delivery(channel, problems);
        return r < 0 ? r : complete(configuration, channel);
}

static const struct channel_config *next_of(const struct configuration *configuration,
                                            const struct channel_config *channel) {
        return channel->after ? configuration_channel(configuration, channel->after) : NULL;
}

/* A circle is said once, at its first channel. */
static void check_after(const struct configuration *configuration,
                        const struct channel_config *channel, struct problems *problems) {
        unsigned line = conf_line(channel->conf, "", "after");
        const struct channel_config *at = channel;

        if (!channel->after)
                return;
        if (!next_of(configuration, channel)) {
                problems_add(problems, channel->path, line, MESSAGE_CONFIG_AFTER_UNKNOWN, "channel",
                             channel->after, NULL);
                return;
        }
        for (size_t i = 0; i < configuration->n_channels; i++) {
                at = next_of(configuration, at);
                if (!at || at < channel)
                        return;
                if (at == channel) {
                        problems_add(problems, channel->path, line, MESSAGE_CONFIG_AFTER_CIRCLE,
                                     "channel", channel->name, "after", channel->after, NULL);
                        return;
                }
        }
}

int config_read_channels(struct configuration *configuration, driver_settings_fn *driver_settings,
                         struct problems *problems) {
        int r = config_read_folder(configuration, "channels.d", add_channel, &driver_settings,
                                   problems);

        if (r < 0)
                return r;
        for (size_t i = 0; i < configuration->n_channels; i++)
                check_after(configuration, configuration->channels + i, problems);
        return 0;
}

int configuration_add_draft(struct configuration *configuration,
                            driver_settings_fn *driver_settings, const char *name, const char *bytes,
                            size_t n_bytes, struct problems *problems) {
        char *path freed_by(freep) = NULL;
        struct conf *conf = NULL;
        int r;

        if (asprintf(&path, "%s/channels.d/%s.conf", configuration->main.folder, name) < 0) {
                path = NULL;
                return -ENOMEM;
        }
        r = conf_parse(path, bytes, n_bytes, problems, &conf);
        if (r == 0)
                r = add_channel(configuration, name, path, conf, &driver_settings, problems);
        if (r == 0)
                check_after(configuration, configuration->channels + configuration->n_channels - 1,
                            problems);
        return r;
}

void channel_config_done(struct channel_config *channel) {
        settings_release(channel_settings, n_channel_settings, channel);
        free(channel->name);
        free(channel->path);
        free(channel->retry_ms);
        conf_free(channel->conf);
}
