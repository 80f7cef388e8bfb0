/* libgongkai: hands disclosure events to gongkai-publisherd, from a county's own program.
 *
 * An emitter sends messages over one ZeroMQ DEALER socket, several at a time, and calls back with
 * the reply to each. While the door is away, slow or busy it goes on trying: after ten seconds
 * without an answer it closes the socket, opens a new one and sends the same bytes again. The door
 * tells repetitions by `source` and `id`, so an event is published once however often it is sent;
 * make `id` from your own key, never from a random number drawn at sending.
 *
 * Messages that speak of the same document leave in the order of gongkai_emit(): the second one
 * waits until the first is answered. Others overtake freely.
 *
 *         struct gongkai_emitter *emitter = NULL;
 *
 *         r = gongkai_emitter_new(&emitter);
 *         r = gongkai_emit(emitter, event, strlen(event), NULL, 0, on_answer, NULL);
 *         r = gongkai_emitter_run(emitter, -1);
 *         gongkai_emitter_free(emitter);
 *
 * Calls return 0 or a negative errno, unless said otherwise. Times are in milliseconds. Nothing
 * here is safe to call from two threads at once; an emitter made before fork() belongs to the
 * parent once it has been run. The library prints nothing and installs no signal handler. */
#ifndef GONGKAI_H
#define GONGKAI_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define GONGKAI_DEFAULT_DOOR "ipc:///run/gongkai/publish"

struct gongkai_emitter;
struct gongkai_spool;

/* The bytes of one attachment. The event names it in data.attachments by its SHA-256. */
struct gongkai_part {
        const void *bytes;
        size_t n_bytes;
};

enum gongkai_result {
        GONGKAI_ANSWERED,   /* `reply` is the door's last word on every event of the message */
        GONGKAI_STILL_BUSY, /* gave up; the door said `busy` each time, last with `reply` */
        GONGKAI_NO_ANSWER,  /* gave up, or the emitter was freed: it may or may not have arrived,
                             * so send the same bytes again later */
};

/* Valid during the callback only. */
struct gongkai_answer {
        enum gongkai_result result;
        uint64_t number;   /* of the message: counts from 1; in a spool, its number there */
        const char *reply; /* JSON text, an object for an object, an array for an array; or NULL */
        size_t n_reply;
        size_t n_taken;   /* events answered accepted, duplicate, stale, held or ok */
        size_t n_refused; /* rejected, conflict, and whatever else a newer door may say */
        unsigned tries;   /* how often the message was sent */
};

/* May call gongkai_emit(), and nothing else of the same emitter. */
typedef void gongkai_answer_fn(void *userdata, const struct gongkai_answer *answer);

/* The door is $GONGKAI_DOOR, or else GONGKAI_DEFAULT_DOOR. Nothing is opened before the first
 * message is due. */
int gongkai_emitter_new(struct gongkai_emitter **ret);
/* Calls back GONGKAI_NO_ANSWER for every message still open, so that nobody's userdata is lost.
 * Does not wait for the door. Takes NULL; returns NULL. */
struct gongkai_emitter *gongkai_emitter_free(struct gongkai_emitter *emitter);

/* Settings; before the first message is sent. */
int gongkai_emitter_set_door(struct gongkai_emitter *emitter, const char *endpoint);
/* CURVE keys as Z85 text of 40 characters: the door's public key, and one's own pair. -EINVAL when
 * one is no key. A door that does not know the key looks like a door that is away. */
int gongkai_emitter_set_keys(struct gongkai_emitter *emitter, const char *server_key,
                             const char *public_key, const char *secret_key);
/* The same from files with lines `public = ...` and `secret = ...`. `server_key` is the key itself
 * or a file that has its `public`. */
int gongkai_emitter_read_keys(struct gongkai_emitter *emitter, const char *server_key,
                              const char *key_file);
/* Messages sent and not yet answered, at most: 1 to 1024, default 64. */
int gongkai_emitter_set_window(struct gongkai_emitter *emitter, unsigned n_messages);
/* How long one answer may take, default (and longest sensible) 10 s. Where what is under way is
 * larger than 1 MiB, each whole MiB adds a second: a slow line needs it. */
int gongkai_emitter_set_patience(struct gongkai_emitter *emitter, int64_t patience_ms);
/* How long to go on without any last word from the door before everything open is given up;
 * negative (the default): for ever. */
int gongkai_emitter_set_try_for(struct gongkai_emitter *emitter, int64_t try_for_ms);

/* Queues one message: one event (a JSON object) or up to 256 of them (an array), with its
 * attachments. All bytes are copied, and sent unchanged each time. -EMSGSIZE: more than the door
 * ever takes (128 MiB in all, 64 MiB for one part). -ENOBUFS: 256 MiB wait already, or 65536
 * messages; run the emitter first. `answered` (may be NULL) is called once, from run, dispatch or
 * free. */
int gongkai_emit(struct gongkai_emitter *emitter, const void *event, size_t n_event,
                 const struct gongkai_part *parts, size_t n_parts, gongkai_answer_fn *answered,
                 void *userdata);
/* Messages without an answer so far. */
size_t gongkai_emitter_pending(const struct gongkai_emitter *emitter);

/* Way one, a loop of its own: sends and receives until all is answered or given up (returns 0), or
 * until timeout_ms have passed (returns how many messages are open; negative timeout: no limit).
 * -EINTR when a signal came; -EINVAL, -EPROTONOSUPPORT and the like when the endpoint is none. */
int gongkai_emitter_run(struct gongkai_emitter *emitter, int64_t timeout_ms);

/* Way two, in a loop of yours: wait until `fd` (the same for the emitter's life; not yours to read
 * or close) is ready for `events` (of poll(2)), or until timeout_ms have passed (-1: no limit),
 * then dispatch. Ask for the timeout anew after each dispatch and each gongkai_emit(). */
int gongkai_emitter_fd(const struct gongkai_emitter *emitter);
short gongkai_emitter_events(const struct gongkai_emitter *emitter);
int gongkai_emitter_timeout_ms(const struct gongkai_emitter *emitter);
int gongkai_emitter_dispatch(struct gongkai_emitter *emitter);

/* Why there is no answer: 1 when a connection to the door stood at any time since the queue was last
 * empty, so the door was silent or busy; 0 when it could not be reached. */
int gongkai_emitter_was_connected(const struct gongkai_emitter *emitter);

/* A folder for messages that must survive this program and this machine's power. What
 * gongkai_spool_put() has taken is on disk; it leaves only with the door's last word. Refused
 * messages move to `refused/` with the reply beside them, unreadable files to `damaged/`.
 * Any number of processes may put; one at a time may drain. */
int gongkai_spool_open(struct gongkai_spool **ret, const char *folder);
/* What is still in an emitter then stays on disk. Takes NULL; returns NULL. */
struct gongkai_spool *gongkai_spool_close(struct gongkai_spool *spool);
/* Returns 0 once the message is on disk and synced. Limits as for gongkai_emit(). */
int gongkai_spool_put(struct gongkai_spool *spool, const void *event, size_t n_event,
                      const struct gongkai_part *parts, size_t n_parts);
/* How many messages wait; negative errno when the folder cannot be read. */
int64_t gongkai_spool_count(struct gongkai_spool *spool);

enum { GONGKAI_SPOOL_EMPTY = 0, GONGKAI_SPOOL_LEFT = 1 };

/* Sends what waits, in order. GONGKAI_SPOOL_EMPTY: all of it has the door's last word.
 * GONGKAI_SPOOL_LEFT: the emitter gave up (gongkai_emitter_set_try_for()) and the rest stays.
 * -ETIMEDOUT: timeout_ms have passed (negative: no limit); call it again. With timeout 0 it never
 * waits, so a loop of yours calls it in the place of gongkai_emitter_dispatch(). -EBUSY: another
 * process drains this folder. `answered` (may be NULL) hears each answer after it is settled. */
int gongkai_spool_drain(struct gongkai_spool *spool, struct gongkai_emitter *emitter,
                        int64_t timeout_ms, gongkai_answer_fn *answered, void *userdata);
/* Files moved to `damaged/` since the spool was opened. */
unsigned gongkai_spool_damaged(const struct gongkai_spool *spool);

#ifdef __cplusplus
}
#endif

#endif
