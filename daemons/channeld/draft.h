/* A channel's file that comes to be answer by answer. Each is tried at once as a line of it, by the
 * same tables, and the same second look of the driver, as the daemon's start. */
#ifndef DAEMONS_CHANNELD_DRAFT_H
#define DAEMONS_CHANNELD_DRAFT_H

#include "channels/driver.h"

struct draft {
        const char *config_path, *name;
        const struct driver *driver; /* NULL until it is known */
        struct buf text;             /* "key = value" lines that are accepted */
        struct string_list known;    /* what is wrong with them so far: what is required and missing */
        struct string_list keys, values; /* the same, in order */
};

/* 0: taken; 1: wrong, the sentences were told on stderr, and *ret_here says whether one is about this
 * very line; negative errno. What is wrong elsewhere because of this answer may be mended by a later
 * one: `again` takes it all the same. */
int draft_try(struct draft *draft, const char *key, const char *value, bool again, bool *ret_here);
bool draft_has(const struct draft *draft, const char *key);
/* The driver's row of a key, and the common one; NULL. */
const struct setting *draft_own_row(const struct draft *draft, const char *key);
const struct setting *draft_common_row(const char *key);
/* The file, with the help as comments, and the driver's defaults behind a '#'. */
void draft_write(const struct draft *draft, struct buf *ret);
void draft_done(struct draft *draft);

#endif
