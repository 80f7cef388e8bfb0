/* What the ledger and the alarms' files say of the whole, kept for a second: pages and metrics ask
 * for the same. */
#ifndef DAEMONS_CONSOLED_STANDING_H
#define DAEMONS_CONSOLED_STANDING_H

#include <jansson.h>
#include <stddef.h>
#include <stdint.h>

#include "core/messages.h"

struct consoled;

struct standing_sum {
        char channel[40], state[16];
        int64_t count, since_ms;
};

struct standing {
        int64_t boot_ms;  /* when it was looked at */
        int error;        /* of the ledger */
        char words[200];  /* SQLite's, or the errno's */
        int64_t n_rows;   /* of the ledger */
        int64_t n_behind; /* records, all regions; -1: not known */
        int64_t *behind;  /* per region of the configuration */
        size_t n_regions;
        struct standing_sum *sums;
        size_t n_sums;
        json_t *alarms;         /* alarm_list() */
        enum language language; /* that the alarms speak */
};

const struct standing *standing_now(struct consoled *daemon);
int64_t standing_count(const struct standing *standing, const char *channel, const char *state);
/* Since when the channel has owed the first of what it tries, or has put off; 0: nothing. What the
 * carrier has (deferred) and what is dead is not owed. */
int64_t standing_owed(const struct standing *standing, const char *channel);
void standing_done(struct standing *standing);

#endif
