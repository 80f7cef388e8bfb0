/* What nudges brought: parcels (core/parcel.h), each kept whole as it was received; and a table of
 * the events in them. Who takes an event gets a place in its parcel, which stays until the last one
 * has given it back. */
#ifndef DAEMONS_CHANNELD_CACHE_H
#define DAEMONS_CHANNELD_CACHE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <zmq.h>

/* Of events that wait; and of memory, all of a parcel for as long as any of its events is held.
 * What nobody has taken after so long goes. */
enum { CACHE_EVENTS = 2048, CACHE_BYTES = 4 << 20, CACHE_KEPT_MS = 10000 };

struct cache;
struct held; /* a parcel */

struct cache *cache_new(void); /* NULL when memory is short */
/* Takes NULL. What is still taken must have been given back. */
void cache_free(struct cache *cache);

/* False: the message is no parcel. What is kept of one is moved out of it, or copied where that is
 * cheaper; the caller closes it in any case. When the cache is full the new parcel goes by: its
 * events are behind in the queue too. */
bool cache_put(struct cache *cache, const char region[static 7], zmq_msg_t *message,
               int64_t now_boot_ms);
/* The bytes of an event, with a NUL behind, or NULL; it is in the cache no more. They are good
 * until *ret_held is given back, which may be done only once. */
char *cache_take(struct cache *cache, const char *region, const char *evid, size_t *ret_n,
                 struct held **ret_held);
void cache_give_back(struct held *held);

size_t cache_bytes(const struct cache *cache); /* held now */

#endif
