/* The ledger daemon: copies each region's log into the ledger, tells the emitters by receipts, and
 * then lets the store forget what it needs no more.
 *
 * The way of a record: tail.c waits for entries of the logs (XREAD BLOCK on a connection of its own)
 * and queues them; batch.c takes some, fetches the events' bytes, writes all of it in one transaction
 * with the new positions, and hands the rows to receipts.c; tidy.c tells the store what is safe now.
 * region.c decides whether a log is the one that the ledger has known so far.
 *
 * When the ledger cannot be written, nothing is read: the log keeps what is not copied. */
#ifndef DAEMONS_LEDGERD_H
#define DAEMONS_LEDGERD_H

#include <stdbool.h>
#include <stdint.h>
#include <systemd/sd-event.h>

#include "core/config.h"
#include "core/ledger.h"
#include "core/store.h"

struct ledgerd;

enum region_state {
        REGION_NEW,       /* nothing is known yet, or it is to be looked at anew */
        REGION_LOOKING,   /* a question to the store is under way */
        REGION_FOLLOWING, /* its log is read */
        REGION_STOPPED,   /* refused; `refusal` says why, an operator has to act */
};

struct region {
        struct ledgerd *daemon;
        char code[7];
        enum region_state state;
        char *refusal;
        struct ledger_position position;
        bool has_position;
        bool any;      /* an adopted store: its log may begin anywhere */
        bool checking; /* what is in the ledger already is compared, not only skipped */
        char from[LEDGER_STREAM_ID]; /* read up to here; may be before the position */
        char trimmed[LEDGER_STREAM_ID]; /* the store was told that it may trim up to here */
        int64_t trim_ms; /* when it is told without a question that takes it along; 0: nothing to tell yet */
        int64_t n_read;  /* within a batch: the last record taken */
        int64_t n_store; /* number of the last record that the store has, as last told */
        int64_t n_measured, behind_since_ms;
        struct string_list extra_channels; /* of documents, no longer in the configuration */
};

/* One entry of a log: records by line, as they came. */
struct entry {
        struct entry *next;
        struct region *region;
        char id[LEDGER_STREAM_ID], epoch[ULID_TEXT];
        int64_t n, at_ms;
        size_t n_records, n_bodies;
        char records[]; /* split in place when they are taken */
};

struct ledgerd {
        sd_event *event;
        struct configuration *configuration;
        struct ledger *ledger; /* NULL while there is trouble with it */
        char *path, *head_path;
        struct store *store, *tail;
        struct region *regions;
        size_t n_regions;
        unsigned generation; /* answers to what was asked in an earlier one are not heeded */

        /* tail.c */
        struct entry *first, *last;
        bool reading;  /* an XREAD is under way */
        bool was_full; /* the last one brought as much as it may: there is more */
        sd_event_source *pace;
        uint64_t rest_until_usec;

        struct batch *batch; /* under way, or NULL */
        struct receipts *receipts;
        struct alarms *alarms; /* who sends them on */
        struct string_list dead_channels; /* that had dead letters when dead.c last looked */
        int64_t dead_seq, dead_ms, documents_ms;
        bool dead_known;
        struct tidy *tidy;
        sd_event_source *tick, *retry;
        bool stopping, store_told, trouble_told;
        struct ledger_head head_written;
        int64_t head_ms, head_told_ms, look_ms;
        uint64_t n_rows, n_rows_seen, n_rows_trimmed; /* since the start; at the last tick; when memory was
                                                       * last given back */
};

/* region.c */
struct region *region_find(struct ledgerd *daemon, const char *code);
void regions_look(struct ledgerd *daemon); /* asks the store about those that are not followed */
void regions_forget(struct ledgerd *daemon); /* the connection or the ledger went: look anew */
void regions_measure(struct ledgerd *daemon); /* how far are we behind; is it still the same store? */
/* Stops to follow; the pairs say why. Said once. */
__attribute__((sentinel)) void region_stop(struct region *region, enum message message, ...);

/* tail.c */
void tail_on_state(struct store *store, bool up, const char *reason, void *userdata);
void tail_go(struct ledgerd *daemon); /* takes a batch, or waits for entries, if it is time */
void tail_drop(struct ledgerd *daemon); /* forgets what is queued */
/* A commit of so many rows took that long: how long to rest, so that the next one has more to take. */
void tail_rest(struct ledgerd *daemon, uint64_t commit_usec, size_t n_rows);

/* batch.c */
void batch_begin(struct ledgerd *daemon); /* from the queue's front */
void batch_drop(struct ledgerd *daemon);

/* receipts.c */
int receipts_open(struct ledgerd *daemon);
void receipts_send(struct ledgerd *daemon, const struct ledger_row *row);
void receipts_flush(struct ledgerd *daemon); /* behind the last of a batch */
void receipts_close(struct ledgerd *daemon);

/* tidy.c */
int tidy_open(struct ledgerd *daemon);
/* Channels that documents have and the configuration has not (any more). */
void tidy_learn(struct ledgerd *daemon, struct region *region, const char *channel);
void tidy_touch(struct ledgerd *daemon, const struct region *region, const char *document);
void tidy_want_bytes(struct ledgerd *daemon, const struct region *region, const struct ledger_row *row);
/* Within the transaction of a batch: notes what the store has let go, or is to get back. */
int tidy_write(struct ledgerd *daemon);
void tidy_committed(struct ledgerd *daemon); /* behind that transaction */
void tidy_go(struct ledgerd *daemon);
void tidy_forget(struct ledgerd *daemon); /* the connection went: everything is to be asked anew */
void tidy_close(struct ledgerd *daemon);

/* dead.c: alarms out of the ledger itself; each second, while there is one. */
void dead_tick(struct ledgerd *daemon);
void dead_close(struct ledgerd *daemon);

/* trouble.c: the ledger cannot be read or written. Closes it; it is tried anew each second. */
void trouble_ledger(struct ledgerd *daemon, int error);
void trouble_over(struct ledgerd *daemon);
void trouble_gap(const struct region *region, int64_t from, int64_t to);
void trouble_followed(const struct region *region);
void trouble_behind(struct region *region); /* looked at each few seconds */
void trouble_chain(struct ledgerd *daemon, int64_t seq);
void trouble_bytes(const struct region *region, const char *document, const char *reason);

#endif
