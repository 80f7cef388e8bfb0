/* The whole configuration of an installation: gongkai.conf, channels.d/, emitters.d/, read by every
 * daemon and by gongkaictl through one function, so that `--check` says what the daemon would. */
#ifndef CORE_CONFIG_H
#define CORE_CONFIG_H

#include <stdbool.h>
#include <stdint.h>

#include "core/catalogue.h"
#include "core/settings.h"

/* gongkai.conf. Relative paths are relative to the folder of gongkai.conf. */
struct config {
        char *path, *folder;
        /* [county] */
        struct string_list regions;      /* "530581" or "530581 腾冲市", at least one */
        char *language;                  /* zh | en */
        /* [paths] */
        char *catalogue_dir, *templates_dir, *state_dir, *run_dir;
        /* [redis] */
        char *redis_socket;
        int64_t redis_timeout_ms;
        bool redis_durability; /* yes: demand appendfsync always (the default) */
        /* [publisherd] */
        struct string_list listen;       /* ZeroMQ endpoints of the door */
        char *events;                    /* ZeroMQ endpoint of the fan-out PUB */
        char *control;                   /* unix socket of gongkaictl */
        char *control_group;             /* who may speak to it */
        int64_t max_message;             /* bytes, all frames */
        int64_t dedup_window_ms;
        int64_t drain_ms;                /* longest wait of a clean stop */
        bool hold_same_content;
        /* [curve] */
        char *curve_secret_file; /* the server's key pair; NULL = no CURVE */
};

/* channels.d/NAME.conf, the options that all drivers share. */
struct channel_config {
        char *name, *path;
        char *driver, *title;
        struct string_list carriers, regions; /* regions empty = all */
        char *after;
        int64_t timeout_ms, lease_ms;
        struct string_list retry_text; /* "5s" ...; the last one repeats */
        int64_t *retry_ms;             /* parsed; n_retry of them */
        size_t n_retry;
        int64_t concurrency;
        char *secret_file;
        bool enabled;
        uint64_t carrier_bits;
        struct conf *conf; /* the whole file: the driver's own options are read from it */
};

/* emitters.d/NAME.conf */
struct emitter_config {
        char *name, *path;
        char *key;                  /* Z85 public key, 40 characters; NULL for a local emitter */
        struct string_list sources; /* "urn:gongkai:530581:oa"; a trailing * is a wildcard */
        struct string_list regions;
        struct string_list items;   /* item codes or prefixes with *; empty = all */
        struct string_list may_revise;
        bool may_urgent, may_backfill, enabled;
        struct string_list fetch_from;
};

struct configuration {
        struct config main;
        struct channel_config *channels;
        size_t n_channels;
        struct emitter_config *emitters;
        size_t n_emitters;
};

/* Reads it all; the driver's own options are skipped unless `driver_settings` gives their rows
 * (core knows no driver): the function returns the rows of a driver's name, or NULL when there is
 * no such driver, which is a problem then. Everything wrong goes to `problems`: unknown keys,
 * channels whose carrier nobody knows, `after` of no channel or in a circle, two emitters with one
 * key. Negative errno: gongkai.conf unreadable, memory. */
typedef const struct setting *driver_settings_fn(const char *driver, size_t *ret_n);
int configuration_load(const char *path, driver_settings_fn *driver_settings,
                       struct problems *problems, struct configuration **ret);
struct configuration *configuration_free(struct configuration *configuration);
void configuration_freep(struct configuration **configuration);

const struct channel_config *configuration_channel(const struct configuration *configuration,
                                                   const char *name);
/* The name of a region: what `regions` says, else ident_region_name(), else the code. */
const char *configuration_region_name(const struct configuration *configuration, const char *code);
bool configuration_has_region(const struct configuration *configuration, const char *code);
/* Whether a channel serves a region. */
bool channel_serves(const struct channel_config *channel, const char *region);

/* The rows, for help and the manual. */
extern const struct setting config_settings[], channel_settings[], emitter_settings[];
extern const size_t n_config_settings, n_channel_settings, n_emitter_settings;

/* The region's channels for a set of carriers, and those named by channel name or carrier in
 * `wished` (JSON arrays, may be NULL). Unknown wishes are handed to `unknown`. Fills `ret` (room
 * for n_channels) with indices into configuration->channels, ascending; returns how many. */
size_t route(const struct configuration *configuration, const char *region, uint64_t carriers,
             const json_t *wished_channels, const json_t *wished_carriers,
             void (*unknown)(const char *name, void *userdata), void *userdata, size_t *ret);

#endif
