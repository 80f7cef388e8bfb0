/* One message of an emitter: its frames, whom its events are from, and what the door has said of
 * them so far. Knows no socket and no clock. */
#ifndef CLIENT_LETTER_H
#define CLIENT_LETTER_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>
#include <zmq.h>

#include "client/gongkai.h"
#include "client/order.h"

enum {
        LETTER_MAX_EVENTS = 256,
        LETTER_MAX_PARTS = 1024, /* the door takes 64 and says so in a sentence; this guards us */
};
#define LETTER_MAX_PART ((size_t) 64 << 20)
#define LETTER_MAX_BYTES ((size_t) 128 << 20)

struct identity {
        char *source, *id; /* NULL where the event has none that can be read */
};

struct letter {
        TAILQ_ENTRY(letter) link;
        uint64_t number; /* order of emission */

        zmq_msg_t *frames; /* the event first; shared with libzmq while it sends, never copied */
        size_t n_frames;
        size_t n_bytes;

        bool is_array;
        struct identity *identities;
        size_t n_events;
        struct turn *turns; /* one per document */
        size_t n_turns;

        json_t *final; /* array, per event: the first last word, or null */
        char *reply;   /* what the door has said so far, as one text */
        unsigned tries;
        int64_t deadline_ms;   /* of this sending */
        int64_t not_before_ms; /* the door was busy */

        gongkai_answer_fn *answered;
        void *userdata;
};

TAILQ_HEAD(letters, letter);

/* Whether the bytes are within what a door ever takes: 0, -EMSGSIZE or -EINVAL (no event). */
int letter_check_size(size_t n_event, const struct gongkai_part *parts, size_t n_parts);
/* Copies the bytes, reads identities and documents. An event that is no JSON is a letter too: the
 * door says what is wrong with it. */
int letter_new(const void *event, size_t n_event, const struct gongkai_part *parts, size_t n_parts,
               struct order *order, struct letter **ret);
/* Gives its turns back to the order. */
struct letter *letter_free(struct letter *letter, struct order *order);
bool letter_may_leave(const struct letter *letter);

enum letter_match {
        MATCH_NONE,
        MATCH_ORDER, /* names no identity that could say otherwise: the order of replies decides */
        MATCH_IDENTITY,
};

enum letter_match letter_matches(const struct letter *letter, const json_t *reply);

enum { LETTER_FINAL = 0, LETTER_BUSY = 1 };

/* Takes in a reply that matches. LETTER_FINAL: nothing is left open. LETTER_BUSY: the same bytes
 * must be sent again after *ret_after_ms. -EBADMSG: no reply of this protocol; nothing taken in. */
int letter_hear(struct letter *letter, json_t *reply, int64_t *ret_after_ms);
/* The answer as the caller of gongkai_emit() hears it; then the callback. */
void letter_tell(const struct letter *letter, enum gongkai_result result);

#endif
