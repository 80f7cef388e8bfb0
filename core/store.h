/* The store: one asynchronous connection to Redis on the process' sd-event loop.
 *
 * The functions of core/store.lua do all the work; this side only carries words to them. A command
 * that is not answered within the deadline breaks the connection, since hiredis 0.14 has no
 * timeouts: everything unanswered then fails with -ETIMEDOUT, and whether it took effect is
 * unknown. The store connects again by itself: after 50 ms, then twice as long each time, up to each
 * second. */
#ifndef CORE_STORE_H
#define CORE_STORE_H

#include <hiredis/hiredis.h>
#include <stdbool.h>
#include <stdint.h>
#include <systemd/sd-event.h>

#include "core/buf.h"
#include "core/crash.h"

struct store;

/* Called when the connection came up (up, reason NULL) and when it went. */
typedef void store_state_fn(struct store *store, bool up, const char *reason, void *userdata);

int store_new(sd_event *event, const char *socket_path, int64_t timeout_ms, store_state_fn *on_state,
              void *userdata, struct store **ret);
struct store *store_free(struct store *store);
void store_freep(struct store **store);
bool store_is_up(const struct store *store);
unsigned store_in_flight(const struct store *store);
/* Drops the connection (say, because what it leads to is not what it should be) and connects anew
 * after a second. */
void store_reconnect(struct store *store, const char *reason);

/* The words of one command, built before it is sent. Strings are copied. */
struct words {
        struct buf bytes;
        size_t *ends; /* offset behind each word */
        size_t n, allocated;
        int error;
};
void words_add(struct words *words, const void *bytes, size_t n_bytes);
void words_str(struct words *words, const char *string);
void words_number(struct words *words, int64_t number);
__attribute__((format(printf, 2, 3))) void words_fmt(struct words *words, const char *format, ...);
/* Opens a word that is put together in words->bytes; closed by words_end(). */
void words_end(struct words *words);
/* Adds the words of another, which stay. */
void words_join(struct words *words, const struct words *more);
/* Adds the command as Redis reads it; look at ret->error, and at the words' own before. */
void words_command(const struct words *words, struct buf *ret);
void words_done(struct words *words);

/* The answer: a reply (borrowed; never of type error) and error 0, or NULL with
 *   -ENOTCONN, -ETIMEDOUT  the link; the effect is unknown when the command had been sent
 *   -EBUSY                 Redis refused for now: OOM READONLY LOADING MISCONF BUSY ...; no effect
 *   -ENOSYS                the function library is not there
 *   -EBADMSG               any other error answer
 * and `reason` with Redis' own words. */
typedef void store_reply_fn(struct store *store, const redisReply *reply, int error,
                            const char *reason, void *userdata);

/* The error of Redis' own words, as above: for an error inside an EXEC's answer. */
int store_error_of(const char *words);

/* Sends; on_reply is called exactly once, from the loop. Takes the content of `words` (emptied).
 * -ENOTCONN when there is no connection, -ENOMEM; on_reply is then not called. */
int store_command(struct store *store, struct words *words, store_reply_fn *on_reply,
                  void *userdata);

/* A crash point (core/crash.h) for when the command sent last has left and nothing came back. */
#ifdef GONGKAI_CRASHPOINTS
void store_crash_when_written(struct store *store, const char *name);
#define crash_point_written(store, name)                                                           \
        do {                                                                                       \
                crash_name(here, name);                                                            \
                store_crash_when_written(store, here);                                             \
        } while (0)
#else
#define crash_point_written(store, name) ((void) 0)
#endif

/* Of the documents, as gk1_hello tells it. Who knows another leaves the store alone. */
#define STORE_FORMAT "2"

/* The text of core/store.lua. */
extern const char store_lua[], store_lua_end[];

/* Parts of replies, with care for wrong shapes. */
const char *reply_text(const redisReply *reply, size_t i); /* "" when element i is no string */
size_t reply_length(const redisReply *reply, size_t i);
int64_t reply_number(const redisReply *reply, size_t i); /* of an integer or a decimal string */
const redisReply *reply_at(const redisReply *reply, size_t i); /* NULL when there is none */
bool reply_is(const redisReply *reply, size_t i, const char *text);

/* Two calls that more than one daemon makes; both return as store_command() does.
 * gk1_hello: what the region's store is; with `found`, an empty one gets this epoch. */
int store_hello(struct store *store, const char *region, const char *epoch, bool found,
                store_reply_fn *on_reply, void *userdata);
/* gk1_control: sets `what` ("stop", "pause:NAME") to value, "" takes it away; who goes to the log. */
int store_control(struct store *store, const char *region, const char *epoch, const char *what,
                  const char *value, const char *who, store_reply_fn *on_reply, void *userdata);

/* Key names: "{530581}:due:portal". */
__attribute__((format(printf, 3, 4))) void words_key(struct words *words, const char *region,
                                                     const char *format, ...);

#endif
