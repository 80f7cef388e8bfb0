/* Inside the fetcher: between the list (fetch.c) and the store (fetch_store.c). */
#ifndef DAEMONS_PUBLISHERD_FETCH_LIST_H
#define DAEMONS_PUBLISHERD_FETCH_LIST_H

#include "core/origin.h"
#include "daemons/publisherd/fetch.h"

/* Events in memory at a time; more stay in the store until there is room. */
enum { MOST_WANTS = 4096 };

struct piece {
        char *name, *media_type, *url, *host; /* host "" where there is no address to fetch from */
        char sha256[DIGEST_TEXT];
        uint64_t size;
        bool is_done;
        bool is_told; /* a person is to hear of it */
        unsigned attempts;
        int64_t next_boot_ms;
        char *error; /* of the last attempt */
        struct download *download;
};

struct want {
        struct want *next;
        struct region *region;
        char ulid[ULID_TEXT];
        char *document, *source, *ev_key;
        uint32_t hash; /* of the document */
        bool is_loaded, is_asking; /* asking: the store owes an answer */
        unsigned tries;
        int64_t next_boot_ms; /* to ask the store again */
        uint64_t seen;        /* the look that found it last */
        struct piece *pieces;
        size_t n_pieces;
};

struct fetch {
        struct publisherd *daemon;
        struct transfers *transfers;
        sd_event_source *timer;
        struct want *first, **last;
        size_t n_wants, n_running, n_loading;
        uint64_t look; /* number of the look into the store that is on, or was last */
};

/* fetch.c */
struct want *fetch_find(const struct fetch *fetch, const struct region *region, const char *ulid);
/* The one that is there, or a new one; NULL when there is no room. */
struct want *fetch_add(struct fetch *fetch, struct region *region, const char *ulid,
                       const char *document);
void fetch_remove(struct fetch *fetch, struct want *want);
int want_fill(struct want *want, const struct event *event); /* -ENOMEM */
void fetch_pump(struct fetch *fetch);
void fetch_pump_soon(struct fetch *fetch);
void fetch_wake(struct fetch *fetch, int64_t ms);
void fetch_tell_host(struct fetch *fetch, const char *host);

/* fetch_store.c */
void fetch_look(struct fetch *fetch, struct region *region); /* {R}:fetch, page by page */
void fetch_load(struct fetch *fetch, struct want *want);     /* the event's bytes */
void fetch_read_event(struct fetch *fetch, struct want *want, const void *bytes, size_t n_bytes);
void fetch_tell_store(struct fetch *fetch, struct want *want); /* gk1_fetched */
/* count NULL: well again */
void fetch_alarm(const char *host, const char *count, const char *document, const char *reason);

#endif
