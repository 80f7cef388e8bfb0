#include <assert.h>
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "client/connection.h"
#include "client/gongkai.h"
#include "client/letter.h"
#include "core/clock.h"
#include "core/crash.h"

enum {
        WINDOW_DEFAULT = 64,
        WINDOW_MOST = 1024,
        PATIENCE_DEFAULT_MS = 10000, /* docs/protocol.md, rules for emitters */
        QUEUE_MOST = 65536,
        FAIR_SHARE = 256, /* replies read before the caller's loop gets its turn */
        /* ZMQ_FD rings once for many events, and a lost ring would be a hang: look this often. */
        SAFETY_TICK_MS = 100,
};
#define QUEUE_MOST_BYTES ((size_t) 256 << 20)
#define BYTES_PER_EXTRA_SECOND ((size_t) 1 << 20)

struct gongkai_emitter {
        /* settings */
        struct door door;
        unsigned window;
        int64_t patience_ms, try_for_ms;

        /* connection */
        struct connection connection;
        unsigned failures;    /* since the last reply */
        int64_t reopen_at_ms; /* after a failure */

        /* letters, both in the order of emission */
        struct letters waiting;
        struct letters in_flight;
        size_t n_waiting, n_in_flight;
        size_t n_bytes, n_bytes_in_flight;
        struct order order;
        uint64_t emitted;
        int64_t silent_since_ms; /* last word heard, or first letter of a new queue */
        bool reached;            /* a connection stood since then */
        bool again;              /* there may be work at once */
        bool dispatching, closing;
};

int gongkai_emitter_new(struct gongkai_emitter **ret) {
        const char *door = getenv("GONGKAI_DOOR");
        struct gongkai_emitter *emitter = calloc(1, sizeof(*emitter));
        int r;

        if (!emitter)
                return -ENOMEM;
        TAILQ_INIT(&emitter->waiting);
        TAILQ_INIT(&emitter->in_flight);
        emitter->window = WINDOW_DEFAULT;
        emitter->patience_ms = PATIENCE_DEFAULT_MS;
        emitter->try_for_ms = -1;
        r = connection_init(&emitter->connection);
        emitter->door.endpoint = strdup(door && *door ? door : GONGKAI_DEFAULT_DOOR);
        if (r == 0 && !emitter->door.endpoint)
                r = -ENOMEM;
        if (r < 0) {
                gongkai_emitter_free(emitter);
                return r;
        }
        *ret = emitter;
        return 0;
}

/* Puts what was under way back into its place among the waiting. */
static void take_back(struct gongkai_emitter *emitter) {
        struct letter *letter, *before = TAILQ_FIRST(&emitter->waiting);

        while ((letter = TAILQ_FIRST(&emitter->in_flight)) != NULL) {
                TAILQ_REMOVE(&emitter->in_flight, letter, link);
                while (before && before->number < letter->number)
                        before = TAILQ_NEXT(before, link);
                if (before)
                        TAILQ_INSERT_BEFORE(before, letter, link);
                else
                        TAILQ_INSERT_TAIL(&emitter->waiting, letter, link);
        }
        emitter->n_waiting += emitter->n_in_flight;
        emitter->n_in_flight = 0;
        emitter->n_bytes_in_flight = 0;
}

/* Nobody hears an answer any more: the letters stay in doubt, whoever sent them asks again. */
static void give_up(struct gongkai_emitter *emitter) {
        struct letters leaving = TAILQ_HEAD_INITIALIZER(leaving);
        struct letter *letter;

        if (emitter->n_in_flight > 0) /* a late answer must not meet the next letters */
                connection_close(&emitter->connection);
        take_back(emitter);
        TAILQ_CONCAT(&leaving, &emitter->waiting, link);
        emitter->n_waiting = 0;
        emitter->n_bytes = 0;
        while ((letter = TAILQ_FIRST(&leaving)) != NULL) {
                TAILQ_REMOVE(&leaving, letter, link);
                letter_tell(letter, letter->reply ? GONGKAI_STILL_BUSY : GONGKAI_NO_ANSWER);
                letter_free(letter, &emitter->order);
        }
}

struct gongkai_emitter *gongkai_emitter_free(struct gongkai_emitter *emitter) {
        if (!emitter)
                return NULL;
        assert(!emitter->dispatching);
        emitter->closing = true;
        connection_close(&emitter->connection);
        give_up(emitter);
        connection_done(&emitter->connection);
        order_done(&emitter->order);
        free(emitter->door.endpoint);
        explicit_bzero(emitter, sizeof(*emitter)); /* the secret key */
        free(emitter);
        return NULL;
}

int gongkai_emitter_set_door(struct gongkai_emitter *emitter, const char *endpoint) {
        char *door;

        if (!endpoint || !*endpoint)
                return -EINVAL;
        door = strdup(endpoint);
        if (!door)
                return -ENOMEM;
        free(emitter->door.endpoint);
        emitter->door.endpoint = door;
        return 0;
}

int gongkai_emitter_set_keys(struct gongkai_emitter *emitter, const char *server_key,
                             const char *public_key, const char *secret_key) {
        if (!key_is_valid(server_key) || !key_is_valid(public_key) || !key_is_valid(secret_key))
                return -EINVAL;
        memcpy(emitter->door.server_key, server_key, KEY_TEXT);
        memcpy(emitter->door.public_key, public_key, KEY_TEXT);
        memcpy(emitter->door.secret_key, secret_key, KEY_TEXT);
        return 0;
}

int gongkai_emitter_read_keys(struct gongkai_emitter *emitter, const char *server_key,
                              const char *key_file) {
        char server[KEY_TEXT], public_key[KEY_TEXT], secret[KEY_TEXT];
        int r = keys_read_public(server_key, server);

        if (r == 0)
                r = keys_read(key_file, public_key, secret);
        if (r == 0)
                r = gongkai_emitter_set_keys(emitter, server, public_key, secret);
        explicit_bzero(secret, sizeof(secret));
        return r;
}

int gongkai_emitter_set_window(struct gongkai_emitter *emitter, unsigned n_messages) {
        if (n_messages < 1 || n_messages > WINDOW_MOST)
                return -EINVAL;
        emitter->window = n_messages;
        return 0;
}

int gongkai_emitter_set_patience(struct gongkai_emitter *emitter, int64_t patience_ms) {
        if (patience_ms < 1)
                return -EINVAL;
        emitter->patience_ms = patience_ms;
        return 0;
}

int gongkai_emitter_set_try_for(struct gongkai_emitter *emitter, int64_t try_for_ms) {
        emitter->try_for_ms = try_for_ms;
        return 0;
}

size_t gongkai_emitter_pending(const struct gongkai_emitter *emitter) {
        return emitter->n_waiting + emitter->n_in_flight;
}

int gongkai_emitter_was_connected(const struct gongkai_emitter *emitter) {
        return emitter->reached;
}

int gongkai_emit(struct gongkai_emitter *emitter, const void *event, size_t n_event,
                 const struct gongkai_part *parts, size_t n_parts, gongkai_answer_fn *answered,
                 void *userdata) {
        size_t n_pending = gongkai_emitter_pending(emitter), n_bytes = n_event;
        struct letter *letter;
        int r = letter_check_size(n_event, parts, n_parts);

        if (r == 0 && emitter->closing)
                r = -ESHUTDOWN;
        if (r < 0)
                return r;
        for (size_t i = 0; i < n_parts; i++)
                n_bytes += parts[i].n_bytes;
        if (n_pending >= QUEUE_MOST ||
            (n_pending > 0 && emitter->n_bytes + n_bytes > QUEUE_MOST_BYTES))
                return -ENOBUFS;
        r = letter_new(event, n_event, parts, n_parts, &emitter->order, &letter);
        if (r < 0)
                return r;
        letter->number = ++emitter->emitted;
        letter->answered = answered;
        letter->userdata = userdata;
        if (n_pending == 0) {
                emitter->silent_since_ms = clock_boot_ms();
                emitter->reached = false;
        }
        TAILQ_INSERT_TAIL(&emitter->waiting, letter, link);
        emitter->n_waiting++;
        emitter->n_bytes += n_bytes;
        emitter->again = true;
        return 0;
}

/* Waits of a crowd that lost its door together must not end together. */
static int64_t jittered(int64_t most_ms) {
        uint32_t drawn = 0;

        (void) !getrandom(&drawn, sizeof(drawn), GRND_NONBLOCK);
        return most_ms / 2 + drawn % (most_ms / 2 + 1);
}

/* The connection is gone, or an answer is overdue: perhaps the request was lost, perhaps the
 * answer, perhaps the door is slow. A new socket and the same bytes are right for all of them. */
static void lose_socket(struct gongkai_emitter *emitter, int64_t now_ms) {
        unsigned doublings = emitter->failures < 6 ? emitter->failures : 6;
        int64_t wait_ms = (int64_t) BACKOFF_LEAST_MS << doublings;

        connection_close(&emitter->connection);
        take_back(emitter);
        emitter->failures++;
        if (wait_ms > BACKOFF_MOST_MS)
                wait_ms = BACKOFF_MOST_MS;
        emitter->reopen_at_ms = now_ms + jittered(wait_ms);
}

static bool send_letter(struct gongkai_emitter *emitter, struct letter *letter, int64_t now_ms) {
        size_t extra_s;

        if (!connection_send(&emitter->connection, letter->frames, letter->n_frames))
                return false;
        TAILQ_REMOVE(&emitter->waiting, letter, link);
        TAILQ_INSERT_TAIL(&emitter->in_flight, letter, link);
        emitter->n_waiting--;
        emitter->n_in_flight++;
        emitter->n_bytes_in_flight += letter->n_bytes;
        extra_s = emitter->n_bytes_in_flight / BYTES_PER_EXTRA_SECOND;
        letter->deadline_ms = now_ms + emitter->patience_ms + (int64_t) extra_s * 1000;
        letter->tries++;
        crash_point("emitter/sent");
        return true;
}

/* Sends what the window, the order of documents and the door's `busy` allow. Looks only so far
 * past those that may not leave yet: thousands of them must not be walked at every reply. */
static void send_some(struct gongkai_emitter *emitter, int64_t now_ms) {
        unsigned passed_most = emitter->window * 4;
        struct letter *letter, *next;

        for (letter = TAILQ_FIRST(&emitter->waiting); letter; letter = next) {
                next = TAILQ_NEXT(letter, link);
                if (emitter->n_in_flight >= emitter->window)
                        return;
                if (letter->not_before_ms > now_ms || !letter_may_leave(letter)) {
                        if (passed_most-- == 0)
                                return;
                        continue;
                }
                if (!send_letter(emitter, letter, now_ms)) {
                        lose_socket(emitter, now_ms); /* half a message may be in it */
                        return;
                }
        }
}

/* By identity first: a reply that the door had to drop must not shift all that follow. */
static struct letter *letter_of(struct gongkai_emitter *emitter, const json_t *reply) {
        struct letter *by_order = NULL, *letter;

        TAILQ_FOREACH(letter, &emitter->in_flight, link) {
                enum letter_match match = letter_matches(letter, reply);

                if (match == MATCH_IDENTITY)
                        return letter;
                /* A reply without identity belongs to bytes without one, where there are such. */
                if (match == MATCH_ORDER &&
                    (!by_order || (by_order->identities[0].id && !letter->identities[0].id)))
                        by_order = letter;
        }
        return by_order;
}

static int hear(struct gongkai_emitter *emitter, json_t *reply, int64_t now_ms) {
        struct letter *letter = letter_of(emitter, reply);
        int64_t after_ms = 0;
        int r;

        if (!letter)
                return 0; /* an answer to nobody: whoever waits for his asks again in time */
        r = letter_hear(letter, reply, &after_ms);
        if (r < 0)
                return r == -EBADMSG ? 0 : r;
        crash_point("emitter/answered");
        emitter->failures = 0;
        TAILQ_REMOVE(&emitter->in_flight, letter, link);
        emitter->n_in_flight--;
        emitter->n_bytes_in_flight -= letter->n_bytes;
        if (r == LETTER_BUSY) {
                struct letter *before = TAILQ_FIRST(&emitter->waiting);

                letter->not_before_ms = now_ms + after_ms;
                while (before && before->number < letter->number)
                        before = TAILQ_NEXT(before, link);
                if (before)
                        TAILQ_INSERT_BEFORE(before, letter, link);
                else
                        TAILQ_INSERT_TAIL(&emitter->waiting, letter, link);
                emitter->n_waiting++;
                return 0;
        }
        emitter->n_bytes -= letter->n_bytes;
        emitter->silent_since_ms = now_ms;
        letter_tell(letter, GONGKAI_ANSWERED);
        letter_free(letter, &emitter->order);
        return 0;
}

static int receive_some(struct gongkai_emitter *emitter, int64_t now_ms, unsigned *taken) {
        for (; *taken < FAIR_SHARE; ++*taken) {
                json_t *reply = NULL;
                int r = connection_receive(&emitter->connection, &reply);

                if (r == -EAGAIN)
                        return 0;
                if (reply)
                        r = hear(emitter, reply, now_ms);
                json_decref(reply);
                if (r < 0 && r != -EINTR)
                        return r;
        }
        return 0;
}

static bool is_overdue(const struct gongkai_emitter *emitter, int64_t now_ms) {
        const struct letter *letter;

        TAILQ_FOREACH(letter, &emitter->in_flight, link)
        if (letter->deadline_ms <= now_ms)
                return true;
        return false;
}

static int work(struct gongkai_emitter *emitter, int64_t now_ms) {
        unsigned taken = 0;
        int events, r;

        if (!emitter->connection.socket) {
                if (now_ms < emitter->reopen_at_ms)
                        return 0;
                r = connection_open(&emitter->connection, &emitter->door, emitter->window);
                if (r < 0)
                        return r;
        }

        /* Each send and each receive can swallow the bell, so look until all is quiet. */
        for (events = connection_look(&emitter->connection); events > 0;
             events = connection_look(&emitter->connection)) {
                size_t n_sent = emitter->n_in_flight;

                emitter->reached |= emitter->connection.connected;
                if (events & ZMQ_POLLIN) {
                        r = receive_some(emitter, now_ms, &taken);
                        if (r < 0)
                                return r;
                        n_sent = emitter->n_in_flight;
                }
                if (events & ZMQ_POLLOUT)
                        send_some(emitter, now_ms);
                if (!emitter->connection.socket)
                        return 0;
                if (taken == FAIR_SHARE) {
                        emitter->again = true;
                        return 0;
                }
                if (!(events & ZMQ_POLLIN) && emitter->n_in_flight == n_sent)
                        break;
        }
        if (events < 0)
                return events;

        if ((emitter->n_in_flight > 0 && !emitter->connection.connected) ||
            is_overdue(emitter, now_ms))
                lose_socket(emitter, now_ms);
        return 0;
}

int gongkai_emitter_dispatch(struct gongkai_emitter *emitter) {
        int64_t now_ms = clock_boot_ms();
        int r;

        assert(!emitter->dispatching);
        emitter->again = false;
        if (gongkai_emitter_pending(emitter) == 0 && !emitter->connection.socket)
                return 0;
        emitter->dispatching = true;
        r = work(emitter, now_ms);
        if (r == 0 && emitter->try_for_ms >= 0 && gongkai_emitter_pending(emitter) > 0 &&
            now_ms - emitter->silent_since_ms >= emitter->try_for_ms)
                give_up(emitter);
        emitter->dispatching = false;
        return r;
}

int gongkai_emitter_fd(const struct gongkai_emitter *emitter) {
        return emitter->connection.bell;
}

short gongkai_emitter_events(const struct gongkai_emitter *emitter) {
        (void) emitter;
        return POLLIN;
}

int gongkai_emitter_timeout_ms(const struct gongkai_emitter *emitter) {
        int64_t now_ms, at_ms;
        const struct letter *letter;

        if (emitter->again)
                return 0;
        if (gongkai_emitter_pending(emitter) == 0)
                return -1;
        now_ms = clock_boot_ms();
        at_ms = now_ms + SAFETY_TICK_MS;
        if (!emitter->connection.socket && emitter->reopen_at_ms < at_ms)
                at_ms = emitter->reopen_at_ms;
        if (emitter->try_for_ms >= 0 && emitter->silent_since_ms + emitter->try_for_ms < at_ms)
                at_ms = emitter->silent_since_ms + emitter->try_for_ms;
        TAILQ_FOREACH(letter, &emitter->in_flight, link)
        if (letter->deadline_ms < at_ms)
                at_ms = letter->deadline_ms;
        /* Those that rest because of `busy` stand in front; the tick finds the others. */
        letter = TAILQ_FIRST(&emitter->waiting);
        if (letter && letter->not_before_ms > now_ms && letter->not_before_ms < at_ms)
                at_ms = letter->not_before_ms;
        return at_ms > now_ms ? (int) (at_ms - now_ms) : 0;
}

int gongkai_emitter_run(struct gongkai_emitter *emitter, int64_t timeout_ms) {
        int64_t until_ms = clock_boot_ms() + timeout_ms;

        for (;;) {
                struct pollfd bell = { .fd = emitter->connection.bell, .events = POLLIN };
                int wait_ms, r = gongkai_emitter_dispatch(emitter);

                if (r < 0)
                        return r;
                if (gongkai_emitter_pending(emitter) == 0)
                        return 0;
                wait_ms = gongkai_emitter_timeout_ms(emitter);
                if (timeout_ms >= 0) {
                        int64_t left_ms = until_ms - clock_boot_ms();

                        if (left_ms <= 0)
                                return (int) gongkai_emitter_pending(emitter);
                        if (left_ms < wait_ms)
                                wait_ms = (int) left_ms;
                }
                if (poll(&bell, 1, wait_ms) < 0)
                        return -errno;
        }
}
