/* An index that follows the ledger: a card per document with the words it is found by, and counts
 * by hour and day. It stands in STATE/console/cards.db, is written by this process alone, and holds
 * nothing that the ledger does not; whoever deletes it finds it made anew.
 *
 * What a person must not read here is not in it: a held or refused event has no title, nor has what
 * is not for the public, or was erased. */
#ifndef DAEMONS_CONSOLED_CARDS_H
#define DAEMONS_CONSOLED_CARDS_H

#include <stdbool.h>
#include <stdint.h>

#include "core/ledger.h"

/* What is counted. TALLY_ROW + the state's place in cards_states: rows of a channel, in all (at 0);
 * without a channel: what came in. WAIT: published within wait_bounds[i] seconds and not the one
 * before; by day also. */
enum tally {
        TALLY_ROW = 0,
        TALLY_CARDS = 99,           /* documents */
        TALLY_HOUR_PUBLISHED = 100, /* by hour */
        TALLY_HOUR_FAILED,
        TALLY_LAST_PUBLISHED, /* its time, ms */
        TALLY_WAIT_SUM_MS,    /* in all */
        TALLY_WAIT = 200,     /* in all */
        TALLY_WAIT_DAY = 300, /* by day */
};

extern const char *const cards_states[];
extern const size_t n_cards_states;
enum { N_WAITS = 16 };
extern const double wait_bounds[N_WAITS - 1]; /* seconds; the last one of N_WAITS has none */

#define HOUR_MS INT64_C(3600000)
int64_t cards_hour(int64_t ms);
int64_t cards_day(int64_t ms); /* of Shanghai */
size_t cards_wait(int64_t ms); /* which of N_WAITS */
/* When the event came: a ULID begins with its time. -1: it is none. */
int64_t cards_event_ms(const char *ulid);

struct cards;

/* Opens it, or makes it. Negative errno, words in cards_words() of *ret, which may be NULL. */
int cards_open(const char *state_dir, struct cards **ret);
struct cards *cards_free(struct cards *cards);
const char *cards_path(const struct cards *cards);
const char *cards_words(const struct cards *cards);

/* Reads on in the ledger, at most `most_rows` or for `most_ms`. 1: there is more; 0: it has come to
 * the end. *ret_anew: the ledger is another one, all begins anew. */
int cards_follow(struct cards *cards, struct ledger_reader *reader, size_t most_rows,
                 int64_t most_ms, bool *ret_anew);
int64_t cards_seq(const struct cards *cards); /* the last row that was read */

/* -- reading -- */

struct card {
        int64_t id, first_at_ms, last_at_ms, revision;
        const char *region, *document, *state, *title, *number, *publisher, *item;
};
typedef int card_fn(const struct card *card, void *userdata);

/* The newest first, behind the card `before` (INT64_MAX: from the newest). Texts NULL or "": any;
 * times 0: none. `query` is of terms_query(). A callback that returns other than 0 ends it. */
struct card_wish {
        const char *query, *region, *state;
        int64_t from_ms, to_ms, before;
        size_t most;
};
int cards_find(struct cards *cards, const struct card_wish *wish, card_fn *on_card, void *userdata);
/* -ENOENT; *ret's texts live until the next call. */
int cards_one(struct cards *cards, const char *region, const char *document, card_fn *on_card,
              void *userdata);
int cards_count(struct cards *cards, int64_t *ret);

/* In the order of what, time, channel. */
typedef int tally_fn(const char *channel, int what, int64_t at, int64_t n, void *userdata);
/* Counts of a kind (what_from to what_to) and time (at_from to at_to, both with their end); channel
 * NULL: all. */
int cards_tallies(struct cards *cards, const char *channel, int what_from, int what_to,
                  int64_t at_from, int64_t at_to, tally_fn *on_tally, void *userdata);

#endif
