/* Inside the fetcher: between the list (fetch.c) and the store (fetch_store.c). */
#ifndef DAEMONS_PUBLISHERD_FETCH_LIST_H
#define DAEMONS_PUBLISHERD_FETCH_LIST_H

#include "core/origin.h"
#include "daemons/publisherd/fetch.h"

/* Events in memory at a time; more stay in the store until there is room. */
enum { MOST_WANTS = 4096, FETCH_AT_ONCE = 4 };

struct host {
        struct host *next;
        char *name; /* with its port; "-": there is no address to fetch from */
        unsigned n_running;
        unsigned n_away; /* times that it did not answer, one after the other */
        int64_t next_boot_ms; /* it rests until then: one that hangs must not take all the places */
};

struct piece {
        char *name, *media_type, *url;
        char *told_name; /* as a log may say it */
        struct host *host;
        char sha256[DIGEST_TEXT];
        uint64_t size;
        bool is_done;
        bool is_new;  /* it was not here when the event came: the gate has not seen it */
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
        char *list; /* which attachments are new, as job->to_fetch; NULL: it is not known */
        char *item; /* NULL: none */
        int64_t time_ms, revision; /* as the emitter gave them */
        uint32_t hash; /* of the document */
        bool is_loaded;   /* what it names is known */
        bool is_asking;   /* the store owes an answer */
        bool is_doubtful; /* somebody may have overtaken it: the store is asked before the next try */
        bool is_overtaken; /* the same, at once */
        unsigned tries;
        int64_t next_boot_ms; /* to ask the store again */
        struct piece *pieces;
        size_t n_pieces;
};

struct fetch {
        struct publisherd *daemon;
        struct transfers *transfers;
        sd_event_source *timer;
        struct want *first, **last;
        struct host *hosts; /* as many as the emitters' files name */
        struct place {
                struct want *want;
                struct piece *piece; /* NULL: free */
        } places[FETCH_AT_ONCE];
        size_t n_wants, n_loading;
        bool is_soon; /* the pump runs again at once */
        bool has_forgotten; /* the alarms of a run before that are no more */
};

/* fetch.c */
struct want *fetch_find(const struct fetch *fetch, const struct region *region, const char *ulid);
/* NULL when there is no room. */
struct want *fetch_add(struct fetch *fetch, struct region *region, const char *ulid,
                       const char *document, const char *list);
void fetch_remove(struct fetch *fetch, struct want *want);
int want_fill(struct fetch *fetch, struct want *want, const struct event *event); /* -ENOMEM */
void fetch_pump_soon(struct fetch *fetch);

/* fetch_piece.c */
void piece_try(struct fetch *fetch, struct want *want, struct piece *piece, int64_t now);
void piece_done(struct fetch *fetch, struct piece *piece); /* its bytes are here */
void piece_stop(struct fetch *fetch, struct piece *piece); /* it is under way no more */
/* One alarm per host, as it is now. */
void fetch_tell_host(struct fetch *fetch, const struct host *host);
/* Closes, once, when the list is whole, the alarms of a run before that are no more. */
void fetch_forget_alarms(struct fetch *fetch);

/* fetch_store.c: each asks the store, and the answer wakes the pump */
void fetch_look(struct fetch *fetch, struct region *region); /* {R}:fetch, page by page */
void fetch_load(struct fetch *fetch, struct want *want);     /* the event's bytes */
void fetch_ask(struct fetch *fetch, struct want *want);      /* is it still wanted? */
void fetch_tell(struct fetch *fetch, struct want *want);     /* it is whole: through the gate */
void fetch_read_event(struct fetch *fetch, struct want *want, const void *bytes, size_t n_bytes);

#endif
