/* Inside round.c, claim.c, plan.c, doubt.c and reports.c: one delivery between two steps.
 *
 * The memo (kept only until the verdict but for its first three):
 *
 *         rank    "7.0"                        sent    the batch whose request was last about to leave
 *         told    the batch in doubt that a verdict has named
 *         stage   what the next reply is to    since   when this attempt began
 *         head    the document's head          notes   its batches, until the plan is made
 *         round   enum sms_round               low     hashes still to go, before those behind
 *         cursor  the last hash that is done; all behind it on the lists are still to go
 *         capped  `low` took not all           more    corrections come after this round
 *         k, members, next_low, next_cursor    the batch in hand, and what they are when it is done
 *         then    the verdict behind the record      resigned  this batch was signed anew
 *         of      what the batch's reports are named by      counted   they were, in this attempt
 *         postponed   when those that have had too many can be sent to; n_postponed, postponed_words
 *         paid    how many of the batch in hand the day's count knows from before
 *
 * The head, a JSON object in the book: n batches; complete: everybody got the first message; done: the
 * last rank done; sent, failed, doubt: numbers; limit: the size of the next batch; title, ms: of the
 * first message; credit, day: numbers that this day's count knows and that were not taken; repeats: a batch
 * in doubt was sent again; tell: the batch in doubt that is to be named; reports_ms: when reports
 * are counted; delivered, undelivered, and of these the kinds that reports.c knows. */
#ifndef CHANNELS_SMS_ROUND_H
#define CHANNELS_SMS_ROUND_H

#include "channels/sms/sms.h"

struct round {
        const struct delivery *delivery;
        const struct sms_options *options;
        const struct sms_provider *provider;
        struct sms_rank rank;
        json_t *memo, *head; /* head is the memo's */
        struct step *ret;
};

int64_t round_number(const json_t *object, const char *key);
const char *round_text(const json_t *object, const char *key); /* never NULL */
/* All return 0 or -ENOMEM. */
int round_set(json_t *object, const char *key, json_t *value); /* steals `value`; NULL is -ENOMEM */
int round_add(json_t *object, const char *key, int64_t more);

/* Ends with a step of the book: `put` may be NULL, and the head goes with it. */
int round_book(struct round *round, const char *stage, json_t *put, json_t *spend, json_t *get);
/* Adds a note to what is put; `fresh`: only where there is none. Steals `text`. */
int round_put_note(struct round *round, json_t *put, int64_t k, char *text, bool fresh);
/* The memo goes with the step that ret has. */
int round_keep(struct round *round);
/* "138****8000、139****9000 等" */
void round_sample(const struct round *round, const char *members, struct buf *ret);

/* -- plan.c -- */

/* Who is still to be sent to: fills round, low, cursor, capped, more; drops notes. */
int plan_make(struct round *round);
/* The next batch of at most n: fills members, next_low, next_cursor; members is empty when none is left. */
int plan_pick(struct round *round, size_t n);
/* What was in hand is done. */
int plan_advance(struct round *round);

/* -- doubt.c -- */

/* 1 with a step or a verdict where something is in doubt; 0 to go on. */
int doubt_begin(struct round *round);
int doubt_next_ask(struct round *round, const struct http_reply *reply);
int doubt_next_fix(struct round *round);

/* -- reports.c -- */
/* The verdict DONE, with a later look where reports are to be counted; or what counts them now. */
int reports_or_done(struct round *round);
int reports_next(struct round *round, const struct book_reply *reply);
/* ",delivered=90,undelivered=10", once they were counted. */
void reports_reference(const struct round *round, struct buf *ret);
char *reports_sentence(const struct round *round);

/* -- claim.c -- */

/* The next batch, of at most `most` numbers when that is not 0; or the end. */
int round_claim(struct round *round, int64_t most);
int round_next_claim(struct round *round, const struct book_reply *reply);
int round_next_send(struct round *round, const struct http_reply *reply);
int round_next_record(struct round *round, const struct book_reply *reply);

/* -- round.c -- */
int round_load(struct round *round);
int round_store_failed(struct round *round, const char *error, enum verdict_kind kind);
int round_finish(struct round *round);
int round_done(struct round *round);

#endif
