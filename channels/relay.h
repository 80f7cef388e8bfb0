/* The turn of the drivers that show a list made from the index (STEP_TREE_*) somewhere else: a
 * board, a broker.
 *
 *         OPEN with the entry    the fence: what is newer stays
 *         COMMIT                 from here on the document is in the list, or out of it
 *         OPEN without           the list, as all workers have made it
 *         the driver's request   the whole list is sent
 *         OPEN without           the list again: another one than was sent is sent in its turn
 *
 * Why it is right with any number of workers: whoever sends last reads the list after its answer
 * came, and what was changed later is sent later by whoever changed it. One that ends in between is
 * not settled, so somebody repeats it, and a repetition sends the whole list. No lock is held while
 * a request is under way, and nothing on the wire can be shown twice, for each request replaces all. */
#ifndef CHANNELS_RELAY_H
#define CHANNELS_RELAY_H

#include "channels/driver.h"

#define RELAY_SUM 17 /* bytes of a sum's text */

enum relay_turn {
        RELAY_FILLED, /* *ret is the next step, or *ret_error is not 0 */
        RELAY_LOOK,   /* *ret is an OPEN: the driver adds its views */
        RELAY_SHOW,   /* the reply has the views: now the driver makes its request */
        RELAY_BUSY,
        RELAY_BROKEN, /* reply->tree.error says why */
};

/* *ret is the OPEN with the driver's entry in it already: the turn begins. -ENOMEM. */
int relay_begin(struct step *ret);
/* Reads the reply to a step of the tree. */
enum relay_turn relay_next(const struct delivery *delivery, const struct reply *reply,
                           struct step *ret, int *ret_error);
/* Leads back to the list after the driver's request went well. */
enum relay_turn relay_again(const struct delivery *delivery, struct step *ret, int *ret_error);
/* What a request says, in short; whether it is what was sent last in this attempt. */
void relay_sum(const void *bytes, size_t n_bytes, char ret[static RELAY_SUM]);
bool relay_is_sent(const struct delivery *delivery, const char *sum);
/* *ret is the request: remembers its sum. -ENOMEM. */
int relay_send(const struct delivery *delivery, const char *sum, struct step *ret);

#endif
