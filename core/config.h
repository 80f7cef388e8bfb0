/* The whole configuration of an installation: gongkai.conf, channels.d/, emitters.d/, read by every
 * daemon and by gongkaictl through one function, so that `--check` says what the daemon would. */
#ifndef CORE_CONFIG_H
#define CORE_CONFIG_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>

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
        /* [ledgerd] */
        struct string_list receipts;     /* ZeroMQ endpoints of the receipts' XPUB */
        int64_t rejected_size; /* bytes of the list of what was rejected */
        /* [fetch] */
        struct string_list fetch_networks; /* for network_parse(): private ones that may be fetched from */
        struct string_list fetch_retry;    /* for duration_parse(); the last one repeats */
        int64_t fetch_timeout_ms;          /* longest time of one attachment */
        /* [gate] */
        struct string_list gate_exempt; /* "ssgl.0401 resident_number": an item, kinds of personal numbers */
        /* [alarms] */
        char *alarm_command;       /* PROGRAM ARGS, by blanks; NULL = none */
        char *alarm_channel;       /* NULL = none */
        int64_t alarm_repeat_ms;
        int64_t alarm_log_records; /* a longer log of a region is an alarm */
        /* [console] */
        char *console_listen; /* "ADDRESS:PORT" of this machine, for listen_address() */
        struct string_list console_hosts; /* names by which a reverse proxy is reached */
        /* [curve] */
        char *curve_secret_file; /* the server's key pair, for secret_read(); NULL = no CURVE */
};

/* channels.d/NAME.conf, the options that all drivers share. */
struct channel_config {
        char *name, *path;
        char *driver, *title;
        struct string_list carriers, regions; /* regions empty = all */
        char *after;
        int64_t after_timeout_ms; /* 0: waits for `after` as long as it takes */
        int64_t timeout_ms, lease_ms;
        int64_t late_effect_ms; /* so long after a request was sent its effect can still come */
        struct string_list retry_text; /* "5s", "100ms*50" */
        int64_t *retry_ms;             /* parsed: the waits after the first, second ... attempt */
        size_t n_retry;
        int64_t concurrency;
        /* breaker: so many failures in a row, or that share (per cent) of the last outcomes */
        int64_t breaker, breaker_share, breaker_probe_ms, breaker_probe_most_ms;
        char *breaker_share_text;
        /* pace, over all workers; 0: none */
        struct string_list rate_text;
        char *quota_text;
        int64_t per_second, per_minute, per_day, quota_reserve;
        char *on_end; /* remove mark keep */
        bool to_persons; /* reaches those on a list and nobody else: may carry what is for groups */
        char *listen;      /* "ADDRESS:PORT" of numbers, for listen_address(); NULL = none */
        int64_t screen_silent_ms; /* a display without heartbeats for so long is an alarm; 0: never */
        char *secret_file; /* for secret_read(); NULL = none */
        bool enabled;
        char *language; /* zh | en: what the channel's readers read; as gongkai.conf unless set */
        uint64_t carrier_bits;
        struct conf *conf; /* the whole file: channel_options() reads the driver's own from it */
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
        struct string_list fetch_from; /* for origin_of_entry() */
};

struct configuration {
        struct config main;
        struct channel_config *channels;
        size_t n_channels;
        struct emitter_config *emitters;
        size_t n_emitters;
};

/* "127.0.0.1:5601" or "[::1]:5601"; -EINVAL. */
int listen_address(const char *text, struct sockaddr_storage *ret, socklen_t *ret_n);
/* An address of ZeroMQ that others reach over the network: TCP, and not on the loopback. */
bool endpoint_is_open(const char *endpoint);

/* Reads it all; the driver's own options are skipped unless `driver_settings` gives their rows
 * (core knows no driver): the function returns the rows of a driver's name (not NULL for one that
 * has none), or NULL when there is no such driver, which is a problem then. Everything wrong goes
 * to `problems`: unknown keys, channels whose carrier nobody knows, `after` of no channel or in a
 * circle, two emitters with one key. Where gongkai.conf says `language = en` the process' language becomes English, so that the
 * problems are English too. Negative errno: gongkai.conf unreadable, memory. */
typedef const struct setting *driver_settings_fn(const char *driver, size_t *ret_n);
int configuration_load(const char *path, driver_settings_fn *driver_settings,
                       struct problems *problems, struct configuration **ret);
/* Adds a channel to a loaded configuration as if `bytes` were channels.d/NAME.conf, which is not there;
 * it is the last of the channels then. Negative errno: memory. */
int configuration_add_draft(struct configuration *configuration,
                            driver_settings_fn *driver_settings, const char *name, const char *bytes,
                            size_t n_bytes, struct problems *problems);
struct configuration *configuration_free(struct configuration *configuration);
void configuration_freep(struct configuration **configuration);

const struct channel_config *configuration_channel(const struct configuration *configuration,
                                                   const char *name);
/* Whether [gate] exempt says that the law orders numbers of this kind (a code of core/personal.h) published
 * in the item. */
bool config_exempts(const struct config *config, const char *item, const char *kind);
/* The name of a region: what `regions` says, else ident_region_name(), else the code. */
const char *configuration_region_name(const struct configuration *configuration, const char *code);
bool configuration_has_region(const struct configuration *configuration, const char *code);
/* Whether a channel serves a region. */
bool channel_serves(const struct channel_config *channel, const char *region);

/* The driver's own options of a channel: fills `target` (zeroed by the caller) from the channel's
 * file; settings_release() gives it back. Problems are those of these rows only: the common ones
 * were said when the configuration was loaded. -ENOMEM. */
int channel_options(const struct channel_config *channel, const struct setting *settings, size_t n,
                    void *target, struct problems *problems);

/* The content of a secret's file, at most 64 KiB, without one line end at its end; to be freed.
 * `path` is as the loaded configuration has it: there a name without '/' already stands for
 * systemd's credential ($CREDENTIALS_DIRECTORY) of that name, where there is one. Besides what
 * open() and read() say: -EPERM when everybody may read or change the file, -ENODATA when it is
 * empty, -EBADMSG when it has a NUL, -E2BIG, -EISDIR, -EINVAL (no regular file). */
int secret_read(const char *path, char **ret);
/* The sentence for people of that errno, with the remedy; to be freed. */
char *secret_error(const char *path, int error);

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
