/* The channel daemon: one process per channel (any number of them may share one channel).
 *
 * engine.c takes due documents (a nudge or a timer says when), loads what is to be shown, and makes
 * an attempt of each: the driver writes a request, a transport runs it (http.c, tree.c), the driver
 * reads the reply, until there is a verdict; settle.c records it. The lease of the store allows one
 * attempt per document and channel at a time, over all processes. */
#ifndef DAEMONS_CHANNELD_H
#define DAEMONS_CHANNELD_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>
#include <systemd/sd-event.h>

#include "channels/driver.h"
#include "core/config.h"
#include "core/event.h"
#include "core/store.h"

struct channeld;
struct attempt;

struct region {
        struct channeld *daemon;
        char code[7];
        char epoch[ULID_TEXT];
        bool ready, greeting;
        bool taking;          /* a take is on its way */
        int64_t next_boot_ms; /* when to take again */
        int64_t lively_until_boot_ms; /* until then a channel with `after` looks often */
        struct outcome *first, *last; /* to be settled */
        size_t n_outcomes;
        bool settling;
        struct string_list dependants; /* channels that wait for this one, directly or not */
        bool dependants_known;
};

/* What became of one attempt, on its way to the store. */
struct outcome {
        struct outcome *next;
        char *document, *lease, *sentence, *reference, *url, *memo; /* NULL = empty; memo NULL = keep */
        const char *verdict; /* as gk1_settle reads it */
        const char *code;
        int64_t revision, at_ms, bound_ms;
        unsigned level;
        bool sent, forget_memo;
};

struct attempt {
        struct channeld *daemon;
        struct region *region;
        struct attempt *next;
        char *document, *lease;
        bool passed; /* the lease was found passed: somebody else may have sent something */
        int64_t deadline_boot_ms; /* nothing is sent that may not be answered by then */

        /* from gk1_load */
        int64_t revision;
        unsigned level;
        char kind; /* P W X */
        char *event_id, *evid, *reference, *url, *after_url;
        char *surplus; /* references of stale attempts, by blank; NULL = none */
        char digest[32]; /* of the event's content, raw */
        json_t *memo;
        bool doubt;

        struct event *event;
        json_t *withdrawal; /* made by us for an expiry */
        struct attachment *attachments;
        char *key, *revision_part;
        struct delivery delivery;
        struct step step;
        bool sent;
        int64_t started_ms;
        struct transfer *transfer;
};

struct channeld {
        sd_event *event;
        struct configuration *configuration;
        struct catalogue *catalogue;
        const struct channel_config *channel;
        const struct driver *driver;
        void *options;
        char *secret;
        char *attachments_dir;
        struct store *store;
        struct region *regions;
        size_t n_regions;

        struct attempt *attempts;
        size_t n_attempts;
        bool set_up, stopping;
        int64_t setup_boot_ms; /* when to try the setup again */
        char *paused; /* what the store says, for STATUS */
        uint64_t n_done, n_failed;
        sd_event_source *timer, *flush, *tick;

        struct http *http;
        struct tree *tree;
        struct nudge *nudge;
};

/* engine.c */
void engine_pump(struct channeld *daemon); /* looks whether there is something to take */
void engine_on_state(struct store *store, bool up, const char *reason, void *userdata);
void engine_nudged(struct channeld *daemon, const char *region);
int engine_on_timer(sd_event_source *source, uint64_t usec, void *userdata);
int engine_on_flush(sd_event_source *source, void *userdata);
bool engine_is_idle(const struct channeld *daemon);
store_reply_fn engine_ignore_reply;

/* attempt.c: from a loaded document to a verdict. */
void attempt_begin(struct attempt *attempt, const char *bytes, size_t n_bytes);
void attempt_replied(struct attempt *attempt, const struct reply *reply);
/* Ends without having sent anything: somebody may have it at once. */
void attempt_release(struct attempt *attempt);
/* Ends without a word to the store. */
void attempt_drop(struct attempt *attempt);
void attempt_free(struct attempt *attempt);
/* Runs DELIVER_SETUP or DELIVER_TEST to its end (blocking on the loop); 0, or the verdict's sentence
 * in *ret_sentence and -EIO. */
int attempt_run_special(struct channeld *daemon, enum delivery_kind kind, char **ret_sentence);

/* settle.c */
void settle_add(struct region *region, struct outcome *outcome);
void settle_go(struct region *region);
void settle_drop(struct region *region); /* at the end: the leases pass by themselves */

/* retry.c: milliseconds to wait after attempt number n (from 1) has failed; -1 when that was the
 * last one. Jitter of up to a tenth comes on top. */
int64_t retry_wait_ms(const struct channel_config *channel, unsigned attempt, uint32_t random);

/* http.c */
int http_open(struct channeld *daemon);
void http_close(struct channeld *daemon);
/* Starts; attempt_replied() is called later, once. Negative errno: not started. */
int http_start(struct attempt *attempt, const struct http_request *request);
/* Runs one request to its end and lets the driver read the reply: for `--test`, which has no loop. */
int http_run(struct channeld *daemon, const struct http_request *request,
             const struct delivery *delivery, struct step *ret);

/* tree.c */
int tree_open_index(struct channeld *daemon);
void tree_close_index(struct channeld *daemon);
/* Both answer at once; *ret borrows from the tree until the next call. */
void tree_open_entry(struct channeld *daemon, const char *region, const char *document,
                     const struct tree_open *open, struct tree_reply *ret);
void tree_commit_files(struct channeld *daemon, const struct tree_commit *commit,
                       struct tree_reply *ret);
void tree_rollback(struct channeld *daemon);

/* nudge.c */
int nudge_open(struct channeld *daemon);
void nudge_close(struct channeld *daemon);
/* The bytes of an event that a nudge brought; taken out of the cache, to be freed; NULL if none. */
char *nudge_take(struct channeld *daemon, const char *region, const char *evid, size_t *ret_n);

#endif
