#include "core/store.h"

#include <errno.h>
#include <hiredis/async.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/memory.h"
#include "core/messages.h"
#include "core/store_reply.h"

#define USEC_PER_MSEC 1000
#define RETRY_LEAST_MS 50
#define RETRY_MOST_MS 1000
#define SLACK_USEC 10000

struct pending {
        struct store *store;
        store_reply_fn *on_reply;
        void *userdata;
        uint64_t deadline_usec; /* CLOCK_BOOTTIME */
        struct pending *next;
#ifdef GONGKAI_CRASHPOINTS
        const char *crash_when_written;
#endif
};

struct store {
        sd_event *event;
        char *path;
        int64_t timeout_ms;
        store_state_fn *on_state;
        void *userdata;

        redisAsyncContext *redis;
        sd_event_source *io;
        uint32_t wanted;
        bool up, closing;
        unsigned retry_ms; /* the last wait; 0 = the connection stood */
        char *reason; /* why the connection went, when we took it down */
        bool timed_out;

        struct pending *first, *last; /* in the order of sending, which is that of the answers */
        unsigned in_flight;
        sd_event_source *deadline, *retry;
};

/* -- crash points ------------------------------------------------------------------------------- */

#ifdef GONGKAI_CRASHPOINTS
void store_crash_when_written(struct store *store, const char *name) {
        if (store->last)
                store->last->crash_when_written = name;
}

static void store_has_written(struct store *store) {
        for (struct pending *pending = store->first; pending; pending = pending->next)
                if (pending->crash_when_written) {
                        crash_passed(pending->crash_when_written);
                        pending->crash_when_written = NULL;
                }
}
#else
static void store_has_written(struct store *store) {
        (void) store;
}
#endif

/* -- the adapter: hiredis' five hooks on one io source ------------------------------------------ */

static int store_on_io(sd_event_source *source, int fd, uint32_t revents, void *userdata) {
        struct store *store = userdata;

        (void) source;
        (void) fd;
        /* Either call may free the context. */
        if (store->redis && (revents & (EPOLLIN | EPOLLHUP | EPOLLERR)))
                redisAsyncHandleRead(store->redis);
        if (store->redis && store->io && (store->wanted & EPOLLOUT) && (revents & EPOLLOUT))
                redisAsyncHandleWrite(store->redis);
        if (store->redis && !(store->wanted & EPOLLOUT))
                store_has_written(store);
        return 0;
}

static void store_watch(struct store *store, uint32_t set, uint32_t clear) {
        store->wanted = (store->wanted | set) & ~clear;
        if (!store->io && store->redis) {
                if (sd_event_add_io(store->event, &store->io, store->redis->c.fd, store->wanted,
                                    store_on_io, store) < 0)
                        return;
                (void) sd_event_source_set_exit_on_failure(store->io, true);
                return;
        }
        if (store->io)
                (void) sd_event_source_set_io_events(store->io, store->wanted);
}

static void add_read(void *data) {
        store_watch(data, EPOLLIN, 0);
}

static void del_read(void *data) {
        store_watch(data, 0, EPOLLIN);
}

static void add_write(void *data) {
        store_watch(data, EPOLLOUT, 0);
}

static void del_write(void *data) {
        store_watch(data, 0, EPOLLOUT);
}

static void unwatch(void *data) {
        struct store *store = data;

        store->io = sd_event_source_disable_unref(store->io);
        store->wanted = 0;
}

/* -- connection ----------------------------------------------------------------------------------- */

static void store_connect(struct store *store);

static int store_on_retry(sd_event_source *source, uint64_t usec, void *userdata) {
        (void) source;
        (void) usec;
        store_connect(userdata);
        return 0;
}

static void arm(struct store *store, sd_event_source **timer, uint64_t usec,
                sd_event_time_handler_t handler) {
        if (*timer) {
                (void) sd_event_source_set_time(*timer, usec);
                (void) sd_event_source_set_enabled(*timer, SD_EVENT_ONESHOT);
                return;
        }
        (void) sd_event_add_time(store->event, timer, CLOCK_BOOTTIME, usec, SLACK_USEC, handler,
                                 store);
        if (*timer)
                (void) sd_event_source_set_exit_on_failure(*timer, true);
}

static uint64_t boot_usec(struct store *store) {
        uint64_t now = 0;

        (void) sd_event_now(store->event, CLOCK_BOOTTIME, &now);
        return now;
}

static void store_retry_later(struct store *store) {
        store->retry_ms = store->retry_ms == 0 ? RETRY_LEAST_MS : store->retry_ms * 2;
        if (store->retry_ms > RETRY_MOST_MS)
                store->retry_ms = RETRY_MOST_MS;
        if (!store->closing)
                arm(store, &store->retry, boot_usec(store) + store->retry_ms * USEC_PER_MSEC,
                    store_on_retry);
}

static void store_went(struct store *store, const char *reason) {
        store->redis = NULL; /* hiredis frees it after its callback */
        store->up = false;
        store_retry_later(store);
        if (store->closing)
                return;
        store->on_state(store, false, store->reason ? store->reason : reason, store->userdata);
        free(give_away(store->reason));
        store->timed_out = false;
}

static void store_on_connect(const redisAsyncContext *redis, int status) {
        struct store *store = redis->data;

        if (status != REDIS_OK) {
                store_went(store, redis->errstr);
                return;
        }
        store->up = true;
        store->retry_ms = 0;
        store->on_state(store, true, NULL, store->userdata);
}

static void store_on_disconnect(const redisAsyncContext *redis, int status) {
        struct store *store = redis->data;

        store_went(store, status == REDIS_OK ? "closed" : redis->errstr);
}

static void store_connect(struct store *store) {
        redisAsyncContext *redis = redisAsyncConnectUnix(store->path);

        if (!redis || redis->err) {
                const char *reason = redis ? redis->errstr : strerror(ENOMEM);

                store_retry_later(store);
                store->on_state(store, false, reason, store->userdata);
                if (redis)
                        redisAsyncFree(redis);
                return;
        }
        store->redis = redis;
        store_reply_use(redis->c.reader);
        redis->data = store;
        redis->ev.data = store;
        redis->ev.addRead = add_read;
        redis->ev.delRead = del_read;
        redis->ev.addWrite = add_write;
        redis->ev.delWrite = del_write;
        redis->ev.cleanup = unwatch;
        (void) redisAsyncSetDisconnectCallback(redis, store_on_disconnect);
        (void) redisAsyncSetConnectCallback(redis, store_on_connect);
}

void store_reconnect(struct store *store, const char *reason) {
        redisAsyncContext *redis = store->redis;
        bool connected = store->up;

        if (!redis)
                return;
        free(store->reason);
        store->reason = strdup(reason);
        /* Calls every waiting callback with no reply, then the disconnect callback if connected. */
        redisAsyncFree(redis);
        if (!connected)
                store_went(store, reason);
}

static int store_on_deadline(sd_event_source *source, uint64_t usec, void *userdata);

/* The timer is not moved with each answer: where it goes off for one that has come, it is set to the
 * first that has not. A timer set for each command would be a system call for each. */
static void store_watch_deadline(struct store *store) {
        int enabled = SD_EVENT_OFF;

        if (store->deadline)
                (void) sd_event_source_get_enabled(store->deadline, &enabled);
        if (enabled == SD_EVENT_OFF)
                arm(store, &store->deadline, store->first->deadline_usec, store_on_deadline);
}

static int store_on_deadline(sd_event_source *source, uint64_t usec, void *userdata) {
        struct store *store = userdata;
        char seconds[24];
        char *reason freed_by(freep) = NULL;

        (void) source;
        if (!store->first)
                return 0;
        if (store->first->deadline_usec > usec) {
                store_watch_deadline(store);
                return 0;
        }
        (void) snprintf(seconds, sizeof(seconds), "%g", (double) store->timeout_ms / 1000);
        reason = say(MESSAGE_REDIS_SLOW, "seconds", seconds, NULL);
        store->timed_out = true;
        store_reconnect(store, reason ? reason : "timeout");
        return 0;
}

int store_new(sd_event *event, const char *socket_path, int64_t timeout_ms, store_state_fn *on_state,
              void *userdata, struct store **ret) {
        struct store *store freed_by(store_freep) = calloc(1, sizeof(*store));

        if (!store)
                return -ENOMEM;
        store->event = sd_event_ref(event);
        store->path = strdup(socket_path);
        store->timeout_ms = timeout_ms;
        store->on_state = on_state;
        store->userdata = userdata;
        if (!store->path)
                return -ENOMEM;
        arm(store, &store->retry, 0, store_on_retry);
        if (!store->retry)
                return -ENOMEM;
        *ret = give_away(store);
        return 0;
}

struct store *store_free(struct store *store) {
        if (!store)
                return NULL;
        store->closing = true;
        if (store->redis)
                redisAsyncFree(store->redis);
        (void) sd_event_source_disable_unref(store->io);
        (void) sd_event_source_disable_unref(store->deadline);
        (void) sd_event_source_disable_unref(store->retry);
        (void) sd_event_unref(store->event);
        free(store->path);
        free(store->reason);
        free(store);
        return NULL;
}

void store_freep(struct store **store) {
        (void) store_free(*store);
}

bool store_is_up(const struct store *store) {
        return store->up;
}

unsigned store_in_flight(const struct store *store) {
        return store->in_flight;
}

/* -- commands ------------------------------------------------------------------------------------- */

int store_error_of(const char *words) {
        /* Refusals that leave nothing behind (Redis 7.0, server.c and script.c: shared.*err). */
        static const char *const for_now[] = {
                "OOM ",      "READONLY ",    "LOADING ",    "MISCONF ",     "BUSY ",
                "TRYAGAIN ", "MASTERDOWN ",  "NOREPLICAS ", "CLUSTERDOWN ", "MOVED ",
                "ASK ",      "UNBLOCKED ",   "NOAUTH ",     "NOPERM ",     "EXECABORT ",
        };

        if (strstr(words, "Function not found"))
                return -ENOSYS;
        for (size_t i = 0; i < ELEMENTS(for_now); i++)
                if (strncmp(words, for_now[i], strlen(for_now[i])) == 0)
                        return -EBUSY;
        return -EBADMSG;
}

static void store_on_reply(redisAsyncContext *redis, void *answer, void *userdata) {
        struct pending *pending = userdata;
        struct store *store = pending->store;
        const redisReply *reply = answer;

        (void) redis;
        /* Answers come in the order of the commands; a break answers all of them in that order. */
        if (store->first == pending) {
                store->first = pending->next;
                if (!store->first)
                        store->last = NULL;
        }
        store->in_flight--;
        if (!reply)
                pending->on_reply(store, NULL, store->timed_out ? -ETIMEDOUT : -ENOTCONN,
                                  store->reason ? store->reason : "connection lost",
                                  pending->userdata);
        else if (reply->type == REDIS_REPLY_ERROR)
                pending->on_reply(store, NULL, store_error_of(reply->str), reply->str, pending->userdata);
        else
                pending->on_reply(store, reply, 0, NULL, pending->userdata);
        free(pending);
}

int store_command(struct store *store, struct words *words, store_reply_fn *on_reply,
                  void *userdata) {
        struct words sent freed_by(words_done) = *words;
        struct buf command freed_by(buf_done) = { 0 };
        struct pending *pending freed_by(freep) = NULL;

        *words = (struct words) { 0 };
        if (sent.error || sent.bytes.error)
                return -ENOMEM;
        if (!store->up)
                return -ENOTCONN;
        words_command(&sent, &command);
        pending = calloc(1, sizeof(*pending));
        if (command.error || !pending)
                return -ENOMEM;
        pending->store = store;
        pending->on_reply = on_reply;
        pending->userdata = userdata;
        pending->deadline_usec =
                boot_usec(store) + (uint64_t) store->timeout_ms * USEC_PER_MSEC;
        if (redisAsyncFormattedCommand(store->redis, store_on_reply, pending, command.data,
                                       command.len) != REDIS_OK)
                return -ENOTCONN;
        if (store->last)
                store->last->next = pending;
        else {
                store->first = pending;
                store_watch_deadline(store);
        }
        store->last = give_away(pending);
        store->in_flight++;
        return 0;
}

/* -- two calls ---------------------------------------------------------------------------------- */

static void begin_call(struct words *words, const char *function, const char *region) {
        words_str(words, "FCALL");
        words_str(words, function);
        words_number(words, 3);
        words_key(words, region, "meta");
        words_key(words, region, "log");
        words_key(words, region, "ctl");
}

int store_hello(struct store *store, const char *region, const char *epoch, bool found,
                store_reply_fn *on_reply, void *userdata) {
        struct words words = { 0 };

        begin_call(&words, "gk1_hello", region);
        words_str(&words, epoch);
        words_str(&words, found ? "found" : "look");
        return store_command(store, &words, on_reply, userdata);
}

int store_control(struct store *store, const char *region, const char *epoch, const char *what,
                  const char *value, const char *who, store_reply_fn *on_reply, void *userdata) {
        struct words words = { 0 };

        begin_call(&words, "gk1_control", region);
        words_str(&words, epoch);
        words_str(&words, what);
        words_str(&words, value);
        words_str(&words, who);
        words_str(&words, *value ? "stopped" : "started");
        return store_command(store, &words, on_reply, userdata);
}

/* -- replies -------------------------------------------------------------------------------------- */

const redisReply *reply_at(const redisReply *reply, size_t i) {
        if (!reply || reply->type != REDIS_REPLY_ARRAY || i >= reply->elements)
                return NULL;
        return reply->element[i];
}

const char *reply_text(const redisReply *reply, size_t i) {
        const redisReply *element = reply_at(reply, i);

        if (!element ||
            (element->type != REDIS_REPLY_STRING && element->type != REDIS_REPLY_STATUS))
                return "";
        return element->str;
}

size_t reply_length(const redisReply *reply, size_t i) {
        const redisReply *element = reply_at(reply, i);

        if (!element || element->type != REDIS_REPLY_STRING)
                return 0;
        return (size_t) element->len;
}

int64_t reply_number(const redisReply *reply, size_t i) {
        const redisReply *element = reply_at(reply, i);

        if (element && element->type == REDIS_REPLY_INTEGER)
                return element->integer;
        return strtoll(reply_text(reply, i), NULL, 10);
}

bool reply_is(const redisReply *reply, size_t i, const char *text) {
        return strcmp(reply_text(reply, i), text) == 0;
}
