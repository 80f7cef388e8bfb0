/* What the store and publisherd said last: asked for every 5 s, the answers of one round together.
 */
#ifndef DAEMONS_CONSOLED_PULSE_H
#define DAEMONS_CONSOLED_PULSE_H

#include "daemons/consoled/consoled.h"

/* A channel, all its regions together. */
struct channel_pulse {
        char *name;
        int64_t waiting, ready; /* in its due sets; of them due now */
        int64_t in_hand, in_a_row,
                quota_used;  /* leased; failures one after the other; handed out today */
        int64_t oldest_ms;   /* since when the first one is due; 0: none */
        int64_t deadline_ms; /* end of the nearest legal day of what is due; 0: none */
        int64_t open_ms,
                hold_ms; /* the breaker is open, the carrier asked to rest, until then; 0 */
        char *paused;    /* when, who and why; NULL */
};

struct region_pulse {
        char code[7];
        bool asked; /* publisherd said whether it takes events */
        bool takes;
        char *reason;           /* why not; NULL */
        char *stop;             /* nothing new leaves: who and why; NULL */
        int64_t n, n_log, held; /* records so far; stream entries; events that wait for a person */
};

struct pulse_facts {
        int64_t at_ms;                             /* when the round began */
        bool store;                                /* the store answered all of it */
        bool door;                                 /* publisherd did */
        int64_t accepted, rejected, busy, pending; /* since its start */
        char door_version[32];
        /* Redis, of INFO and CONFIG GET; -1: not told */
        int64_t memory, memory_most, aof_size, aof_delayed;
        bool aof_on, aof_last_ok, aof_rewrite_ok, synced, no_sync_on_rewrite, noeviction;
        struct channel_pulse *channels;
        size_t n_channels;
        struct region_pulse *regions;
        size_t n_regions;
};

int pulse_new(struct consoled *daemon, struct pulse **ret);
struct pulse *pulse_free(struct pulse *pulse);
/* Begins a round, unless one is under way. */
void pulse_go(struct pulse *pulse);
/* The configuration is another: what is under way is of the old one. */
void pulse_forget(struct pulse *pulse);
/* Of the last round that ended; before the first, nothing is known. */
const struct pulse_facts *pulse_facts(const struct pulse *pulse);
const struct channel_pulse *pulse_channel(const struct pulse *pulse, const char *name);
/* What of Redis' settings does not keep what is accepted over a power cut, by blanks; NULL:
 * nothing. To be freed. */
char *pulse_unsafe(const struct pulse_facts *facts);

/* Since when a document has been ready, and the end of its legal day (0: none), from its score in a
 * due set; both 0 for a score that is a time (docs/queue.md). */
void pulse_score(double score, int64_t *ret_since_ms, int64_t *ret_deadline_ms);
/* The number behind NAME in "NAME:12\r\n" of what INFO says; -1. */
int64_t pulse_info(const char *info, const char *name);

#endif
