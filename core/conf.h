/* Reads one *.conf file: UTF-8 (BOM and CRLF allowed), `[section]`, `key = value`, `#` comments on
 * lines of their own. What the lines mean is core/settings.h's part. */
#ifndef CORE_CONF_H
#define CORE_CONF_H

#include "core/problems.h"

struct conf_entry {
        char *section; /* "" before the first [section] */
        char *key;
        char *value; /* white space trimmed */
        unsigned line; /* from 1 */
};

struct conf {
        char *path;
        struct conf_entry *entries;
        size_t n;
};

/* Reads and splits the file. Everything wrong goes to `problems` with its line; a conf is given
 * back all the same (with what could be read) so that the meaning can be checked too. Negative
 * errno only when the file cannot be read at all (a problem is added) or memory is short. */
int conf_read(const char *path, struct problems *problems, struct conf **ret);
/* The same from memory; `path` is only the name in the problems. */
int conf_parse(const char *path, const char *bytes, size_t n_bytes, struct problems *problems,
               struct conf **ret);
struct conf *conf_free(struct conf *conf);
void conf_freep(struct conf **conf);

/* The entry that counts for a key (the first), or NULL; and its line, 0 when it is not set. */
const struct conf_entry *conf_find(const struct conf *conf, const char *section, const char *key);
unsigned conf_line(const struct conf *conf, const char *section, const char *key);

/* True when name is [a-z0-9-]{1,32}: what a channel, an emitter, a system may be called. */
int conf_name_is_valid(const char *name);

#endif
