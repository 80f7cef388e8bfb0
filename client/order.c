#include "client/order.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>

#define N_BUCKETS 4096

struct counter {
        struct counter *next;
        uint64_t hash;
        uint64_t drawn;  /* numbers handed out */
        uint64_t served; /* numbers given back */
};

/* FNV-1a, 64 bits (draft-eastlake-fnv). */
static uint64_t hash_of(const char *text) {
        uint64_t hash = UINT64_C(0xcbf29ce484222325);

        for (const unsigned char *c = (const unsigned char *) text; *c; c++)
                hash = (hash ^ *c) * UINT64_C(0x100000001b3);
        return hash;
}

int order_take(struct order *order, const char *document, struct turn *ret) {
        uint64_t hash = hash_of(document);
        struct counter **at, *counter;

        if (!order->buckets) {
                order->buckets = calloc(N_BUCKETS, sizeof(*order->buckets));
                if (!order->buckets)
                        return -ENOMEM;
        }
        at = &order->buckets[hash % N_BUCKETS];
        for (counter = *at; counter && counter->hash != hash;)
                counter = counter->next;
        if (!counter) {
                counter = calloc(1, sizeof(*counter));
                if (!counter)
                        return -ENOMEM;
                counter->hash = hash;
                counter->next = *at;
                *at = counter;
        }
        *ret = (struct turn) { counter, counter->drawn++ };
        return 0;
}

bool turn_has_come(const struct turn *turn) {
        return turn->number == turn->counter->served;
}

void order_give_back(struct order *order, struct turn *turn) {
        struct counter *counter = turn->counter, **at;

        if (!counter)
                return;
        turn->counter = NULL;
        if (turn->number == counter->served) {
                counter->served++;
        } else { /* a message that was not queued after all: it drew last */
                assert(turn->number + 1 == counter->drawn);
                counter->drawn--;
        }
        if (counter->served < counter->drawn)
                return;
        at = &order->buckets[counter->hash % N_BUCKETS];
        while (*at != counter)
                at = &(*at)->next;
        *at = counter->next;
        free(counter);
}

void order_done(struct order *order) {
        for (size_t i = 0; order->buckets && i < N_BUCKETS; i++)
                assert(!order->buckets[i]);
        free(order->buckets);
        order->buckets = NULL;
}
