/* One table row per setting drives the check, the defaults, the help and the manual.
 *
 *         static const struct setting settings[] = {
 *                 { "redis", "socket", SETTING_STRING, offsetof(struct config, redis_socket),
 *                   .fallback = "/run/gongkai/redis.sock",
 *                   .chinese = "Redis 的套接字", .english = "the unix socket of Redis" },
 *                 { "redis", "timeout", SETTING_DURATION, offsetof(struct config, redis_timeout_ms),
 *                   .fallback = "5s", .least = 100, .most = 60000, ... },
 *         };
 */
#ifndef CORE_SETTINGS_H
#define CORE_SETTINGS_H

#include <stdbool.h>
#include <stdint.h>

#include "core/conf.h"

enum setting_kind {
        SETTING_STRING,   /* char *, owned; NULL when unset and without fallback; with `choices` it
                             must be one of them */
        SETTING_BOOL,     /* bool; yes or no */
        SETTING_NUMBER,   /* int64_t */
        SETTING_DURATION, /* int64_t milliseconds; a unit is demanded: ms s min h d */
        SETTING_SIZE,     /* int64_t bytes; a unit is demanded: B KiB MiB GiB (0 needs none) */
        SETTING_CHOICE,   /* int: index into `choices` */
        SETTING_LIST,     /* struct string_list: by comma, trimmed, empty ones dropped */
};

struct string_list {
        char **items; /* owned, as the strings are */
        size_t n;
};

struct setting {
        const char *section;
        const char *key;
        enum setting_kind kind;
        size_t offset; /* of the value in the target struct */
        const char *fallback; /* as one would write it in the file; NULL = none */
        int64_t least, most; /* of numbers, durations (ms) and sizes; both 0 = no bounds */
        const char *const *choices; /* NULL-terminated, for SETTING_CHOICE and SETTING_STRING */
        bool required;
        bool secret; /* never printed */
        const char *chinese, *english; /* one line of help each */
};

/* Fills `target` (zeroed by the caller) with fallbacks, then with what `conf` says (NULL: only
 * fallbacks). Wrong values, unknown keys and sections, doubled and missing ones go to `problems`.
 * Rows of several tables may share a file: pass the tables as parts; a key that two parts know
 * fills both.
 * Negative errno only when memory is short. */
struct settings_part {
        const struct setting *settings;
        size_t n;
        void *target;
};
int settings_apply(const struct settings_part *parts, size_t n_parts, const struct conf *conf,
                   struct problems *problems);
void settings_release(const struct setting *settings, size_t n, void *target);

/* The rows as help for people: key, meaning, default, bounds, in the process' language. */
void settings_help(const struct setting *settings, size_t n, FILE *to);
/* The same as the body of a manual page's OPTIONS section (man macros). */
void settings_manual(const struct setting *settings, size_t n, FILE *to);

/* Bytes that a value of this kind takes in the target. */
size_t setting_value_size(enum setting_kind kind);

/* Adds a copy. -ENOMEM. */
int string_list_add(struct string_list *list, const char *string, size_t n_bytes);
bool string_list_has(const struct string_list *list, const char *string);
void string_list_done(struct string_list *list);
/* "30s", "5 min" -> milliseconds; -EINVAL when it is no duration with a unit, -ERANGE when greater
 * than can be counted. */
int duration_parse(const char *text, int64_t *ret_ms);

#endif
