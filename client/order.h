/* Whose turn it is, document by document.
 *
 * A message takes a number for each document it speaks of, as in a waiting room with one counter
 * per document; it may leave when it is first at all of its counters. */
#ifndef CLIENT_ORDER_H
#define CLIENT_ORDER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct counter; /* one document */

struct order {
        struct counter **buckets; /* by hash; NULL until used */
};

struct turn {
        struct counter *counter;
        uint64_t number;
};

/* Draws a number for the document (any text). Two documents may share a counter by chance of their
 * hashes: then one waits without need, and nothing else happens. -ENOMEM. */
int order_take(struct order *order, const char *document, struct turn *ret);
bool turn_has_come(const struct turn *turn);
/* Gives the turn back when it has come, or when it was the last one drawn; takes an empty one. */
void order_give_back(struct order *order, struct turn *turn);
void order_done(struct order *order); /* when all turns have been given back */

#endif
