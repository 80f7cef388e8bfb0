/* Documents that something has happened to, by when that was: the store is asked about one that has
 * been quiet for a while (tidy.c). */
#ifndef DAEMONS_LEDGERD_TOUCHED_H
#define DAEMONS_LEDGERD_TOUCHED_H

#include <stdint.h>

enum { TOUCHED_BUCKETS = 4096 };

struct touched {
        struct touched *next_in_bucket, *next, *before;
        int64_t at_ms; /* clock_boot_ms() */
        char region[7];
        char document[];
};

struct touched_list {
        struct touched *first, *last; /* the one that is quiet for longest first */
        struct touched *buckets[TOUCHED_BUCKETS];
};

/* Now; a document is in it once. Without memory it is not added: a sweep asks about it. */
void touched_add(struct touched_list *list, const char *region, const char *document);
void touched_drop(struct touched_list *list, struct touched *touched);

#endif
