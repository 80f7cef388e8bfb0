#include "daemons/channeld/cache.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "core/memory.h"
#include "core/parcel.h"

/* libzmq reads 8 KiB at a time, and a message that fits in there keeps all of that, and as much
 * again for its counters. */
enum { BUCKETS = 1024, SHORT_BYTES = 8 << 10, SWEEP_MS = 1000 };

struct entry {
        struct entry *next; /* in its bucket */
        struct held *held;
        struct parcel_event event;
        uint32_t hash;
        bool waits; /* nobody has taken it */
};

struct held {
        struct cache *cache;
        struct held *before, *next; /* in the cache, the oldest first */
        zmq_msg_t message;
        char region[7];
        size_t n_bytes; /* of memory */
        size_t n_taken, n_waiting, n_entries;
        int64_t until_boot_ms;
        struct entry entries[];
};

struct cache {
        struct entry *buckets[BUCKETS];
        struct held *first, *last; /* those in which an event waits */
        size_t n_events, n_bytes;
        int64_t swept_boot_ms;
};

struct cache *cache_new(void) {
        return calloc(1, sizeof(struct cache));
}

size_t cache_bytes(const struct cache *cache) {
        return cache->n_bytes;
}

static uint32_t hash_of(uint32_t hash, const char *text, size_t n) {
        for (size_t i = 0; i < n; i++)
                hash = (hash ^ (unsigned char) text[i]) * 16777619u;
        return hash;
}

static uint32_t hash_of_name(const char *region, const char *evid, size_t n_evid) {
        return hash_of(hash_of(2166136261u, region, strlen(region)), evid, n_evid);
}

static void held_free(struct held *held) {
        held->cache->n_bytes -= held->n_bytes;
        (void) zmq_msg_close(&held->message);
        free(held);
}

/* The entry waits no more. Its parcel leaves the list with the last one. */
static void entry_out(struct entry *entry) {
        struct held *held = entry->held;
        struct cache *cache = held->cache;
        struct entry **at = &cache->buckets[entry->hash % BUCKETS];

        while (*at != entry)
                at = &(*at)->next;
        *at = entry->next;
        entry->waits = false;
        cache->n_events--;
        if (--held->n_waiting > 0)
                return;
        *(held->before ? &held->before->next : &cache->first) = held->next;
        *(held->next ? &held->next->before : &cache->last) = held->before;
}

/* Nothing of it waits any more; it stays for those who have taken something. */
static void held_out(struct held *held) {
        size_t n_taken = held->n_taken;

        for (size_t i = 0; i < held->n_entries; i++)
                if (held->entries[i].waits)
                        entry_out(&held->entries[i]);
        if (n_taken == 0)
                held_free(held);
}

static void cache_sweep(struct cache *cache, int64_t now) {
        if (now < cache->swept_boot_ms + SWEEP_MS)
                return;
        cache->swept_boot_ms = now;
        while (cache->first && cache->first->until_boot_ms <= now)
                held_out(cache->first);
}

static bool has_room(const struct cache *cache, size_t n_events, size_t n_bytes) {
        return cache->n_events + n_events <= CACHE_EVENTS &&
               cache->n_bytes + n_bytes <= CACHE_BYTES;
}

/* Takes over a long message, and copies a short one. Its text has its last place now: a very short
 * one stands in the zmq_msg_t itself. */
static int held_keep(struct held *held, zmq_msg_t *message) {
        size_t n = zmq_msg_size(message);

        (void) zmq_msg_init(&held->message);
        if (n > SHORT_BYTES)
                return zmq_msg_move(&held->message, message);
        if (zmq_msg_init_size(&held->message, n) < 0)
                return -1;
        memcpy(zmq_msg_data(&held->message), zmq_msg_data(message), n);
        return 0;
}

static void held_fill(struct held *held) {
        struct cache *cache = held->cache;
        struct parcel parcel;
        struct parcel_event event;

        if (!parcel_open(&parcel, zmq_msg_data(&held->message), zmq_msg_size(&held->message)))
                return;
        while (parcel_next(&parcel, &event)) {
                struct entry *entry = &held->entries[held->n_entries];
                struct entry **bucket;

                if (event.n_bytes == 0)
                        continue;
                entry->held = held;
                entry->event = event;
                entry->hash = hash_of_name(held->region, event.name, event.n_name);
                entry->waits = true;
                bucket = &cache->buckets[entry->hash % BUCKETS];
                entry->next = *bucket;
                *bucket = entry;
                held->n_entries++;
        }
        held->n_waiting = held->n_entries;
        cache->n_events += held->n_entries;
}

bool cache_put(struct cache *cache, const char region[static 7], zmq_msg_t *message, int64_t now) {
        size_t n_events = 0, n_bytes = zmq_msg_size(message);
        struct parcel parcel;
        struct parcel_event event;
        struct held *held;

        if (!parcel_open(&parcel, zmq_msg_data(message), n_bytes))
                return false;
        while (parcel_next(&parcel, &event))
                n_events += event.n_bytes > 0;
        n_bytes += sizeof(*held) + n_events * sizeof(*held->entries);
        if (n_events == 0 || n_bytes > CACHE_BYTES / 8)
                return true;
        if (!has_room(cache, n_events, n_bytes))
                cache_sweep(cache, now);
        if (!has_room(cache, n_events, n_bytes))
                return true;
        held = calloc(1, sizeof(*held) + n_events * sizeof(*held->entries));
        if (!held || held_keep(held, message) < 0) {
                free(held);
                return true;
        }
        held->cache = cache;
        held->n_bytes = n_bytes;
        held->until_boot_ms = now + CACHE_KEPT_MS;
        memcpy(held->region, region, sizeof(held->region));
        held_fill(held);
        assert(held->n_waiting > 0); /* the same was read above */
        held->before = cache->last;
        *(cache->last ? &cache->last->next : &cache->first) = held;
        cache->last = held;
        cache->n_bytes += n_bytes;
        return true;
}

char *cache_take(struct cache *cache, const char *region, const char *evid, size_t *ret_n,
                 struct held **ret_held) {
        size_t n_evid = strlen(evid);
        uint32_t hash = hash_of_name(region, evid, n_evid);
        struct entry *entry = cache->buckets[hash % BUCKETS];

        while (entry && (entry->hash != hash || entry->event.n_name != n_evid ||
                         memcmp(entry->event.name, evid, n_evid) != 0 ||
                         strcmp(entry->held->region, region) != 0))
                entry = entry->next;
        if (!entry)
                return NULL;
        entry->held->n_taken++;
        entry_out(entry);
        *ret_n = entry->event.n_bytes;
        *ret_held = entry->held;
        return (char *) entry->event.bytes;
}

void cache_give_back(struct held *held) {
        held->n_taken--;
        if (held->n_taken == 0 && held->n_waiting == 0)
                held_free(held);
}

void cache_free(struct cache *cache) {
        if (!cache)
                return;
        while (cache->first)
                held_out(cache->first);
        free(cache);
}
