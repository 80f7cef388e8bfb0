/* Receipts: what was committed goes out on XPUB sockets, topic = the sender's source. One for local
 * endpoints, one with CURVE for all others.
 *
 * On the CURVE socket a subscription is never taken as it comes (ZMQ_XPUB_MANUAL): it is cut down to
 * the sources that the key may speak for. Nobody who reads too slowly holds us up; what he misses he
 * sees by the gap in `sequence`, and asks for at publisherd's door. */
#include "daemons/ledgerd/ledgerd.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <zmq.h>

#include "core/log.h"
#include "core/memory.h"
#include "core/zap.h"

enum { FAIR_SHARE = 64, HWM = 8000, TOPIC_MOST = 512 };

struct outlet {
        struct ledgerd *daemon;
        void *socket;
        bool curve;
        size_t n_subscriptions; /* with CURVE it only grows: it is for "somebody may listen" */
        sd_event_source *io, *again;
};

struct receipts {
        void *zmq;
        struct zap *zap;
        struct outlet outlets[2];
        struct buf buf;
};

/* -- subscriptions -------------------------------------------------------------------------------- */

static const struct emitter_config *emitter_by_key(const struct ledgerd *daemon, const char *key) {
        const struct configuration *configuration = daemon->configuration;

        for (size_t i = 0; key && i < configuration->n_emitters; i++) {
                const struct emitter_config *emitter = &configuration->emitters[i];

                if (emitter->enabled && emitter->key && strcmp(emitter->key, key) == 0)
                        return emitter;
        }
        return NULL;
}

static bool key_is_known(const char *key, void *userdata) {
        return emitter_by_key(userdata, key) != NULL;
}

/* A subscription is a prefix of topics, and so is what a pattern allows: "SOURCE\n" of one source,
 * "PREFIX" of a pattern with *. The longer of the two, where one begins with the other, is what both
 * want. */
static void subscribe(struct outlet *outlet, const struct emitter_config *emitter, bool on,
                      const char *wish, size_t n_wish) {
        for (size_t i = 0; i < emitter->sources.n; i++) {
                const char *pattern = emitter->sources.items[i];
                char topic[TOPIC_MOST];
                size_t n = strlen(pattern);

                if (n == 0 || n >= sizeof(topic))
                        continue;
                memcpy(topic, pattern, n);
                if (topic[n - 1] == '*')
                        n--;
                else
                        topic[n++] = '\n';
                if (memcmp(topic, wish, n < n_wish ? n : n_wish) != 0)
                        continue;
                (void) zmq_setsockopt(outlet->socket, on ? ZMQ_SUBSCRIBE : ZMQ_UNSUBSCRIBE,
                                      n > n_wish ? topic : wish, n > n_wish ? n : n_wish);
        }
}

static void on_subscription(struct outlet *outlet, zmq_msg_t *message) {
        const char *bytes = zmq_msg_data(message);
        size_t n = zmq_msg_size(message);
        const struct emitter_config *emitter;
        bool on;

        if (n < 1 || n > TOPIC_MOST || (bytes[0] != 0 && bytes[0] != 1))
                return;
        on = bytes[0] == 1;
        if (!outlet->curve) {
                if (on)
                        outlet->n_subscriptions++;
                else if (outlet->n_subscriptions > 0)
                        outlet->n_subscriptions--;
                return;
        }
        emitter = emitter_by_key(outlet->daemon, zmq_msg_gets(message, "User-Id"));
        if (!emitter)
                return;
        outlet->n_subscriptions++;
        subscribe(outlet, emitter, on, bytes + 1, n - 1);
}

static int outlet_read(struct outlet *outlet) {
        for (unsigned i = 0; i < FAIR_SHARE; i++) {
                zmq_msg_t message;
                int n;

                (void) zmq_msg_init(&message);
                n = zmq_msg_recv(&message, outlet->socket, ZMQ_DONTWAIT);
                if (n >= 0)
                        on_subscription(outlet, &message);
                (void) zmq_msg_close(&message);
                if (n < 0)
                        return errno == EAGAIN || errno == EINTR ? 0 : -errno;
        }
        return sd_event_source_set_enabled(outlet->again, SD_EVENT_ONESHOT);
}

static int outlet_on_io(sd_event_source *source, int fd, uint32_t revents, void *userdata) {
        (void) source;
        (void) fd;
        (void) revents;
        return outlet_read(userdata);
}

static int outlet_on_again(sd_event_source *source, void *userdata) {
        (void) source;
        return outlet_read(userdata);
}

/* -- sending -------------------------------------------------------------------------------------- */

void receipts_send(struct ledgerd *daemon, const struct ledger_row *row) {
        struct receipts *receipts = daemon->receipts;
        struct buf *buf = &receipts->buf;
        bool written = false;
        char topic[TOPIC_MOST];
        size_t n = strlen(row->source);

        if (n + 1 >= sizeof(topic))
                return;
        memcpy(topic, row->source, n);
        topic[n] = '\n';
        for (size_t i = 0; i < ELEMENTS(receipts->outlets); i++) {
                struct outlet *outlet = &receipts->outlets[i];

                if (!outlet->socket || outlet->n_subscriptions == 0)
                        continue;
                if (!written) {
                        buf_reset(buf);
                        ledger_receipt_write(row, buf);
                        written = true;
                }
                if (!buf->error && zmq_send(outlet->socket, topic, n + 1, ZMQ_SNDMORE | ZMQ_DONTWAIT) >= 0)
                        (void) zmq_send(outlet->socket, buf->data, buf->len, ZMQ_DONTWAIT);
        }
}

/* A send can eat the edge of ZMQ_FD: look again. */
void receipts_flush(struct ledgerd *daemon) {
        for (size_t i = 0; i < ELEMENTS(daemon->receipts->outlets); i++)
                if (daemon->receipts->outlets[i].again)
                        (void) sd_event_source_set_enabled(daemon->receipts->outlets[i].again, SD_EVENT_ONESHOT);
}

/* -- opening -------------------------------------------------------------------------------------- */

static int set_int(void *socket, int option, int value) {
        return zmq_setsockopt(socket, option, &value, sizeof(value)) < 0 ? -errno : 0;
}

static int outlet_open(struct ledgerd *daemon, struct outlet *outlet, bool curve) {
        struct receipts *receipts = daemon->receipts;
        int fd, r = 0;
        size_t n_fd = sizeof(fd);

        outlet->daemon = daemon;
        outlet->curve = curve;
        outlet->socket = zmq_socket(receipts->zmq, ZMQ_XPUB);
        if (!outlet->socket)
                return -errno;
        r = r ? r : set_int(outlet->socket, ZMQ_LINGER, 500);
        r = r ? r : set_int(outlet->socket, ZMQ_SNDHWM, HWM);
        r = r ? r : set_int(outlet->socket, ZMQ_HANDSHAKE_IVL, 2000);
        r = r ? r : set_int(outlet->socket, ZMQ_HEARTBEAT_IVL, 5000);
        r = r ? r : set_int(outlet->socket, ZMQ_HEARTBEAT_TIMEOUT, 15000);
        r = r ? r : set_int(outlet->socket, ZMQ_HEARTBEAT_TTL, 15000);
        r = r ? r : set_int(outlet->socket, ZMQ_IPV6, 1);
        if (r == 0 && curve) {
                r = set_int(outlet->socket, ZMQ_XPUB_MANUAL, 1);
                r = r ? r : zap_secure(receipts->zap, outlet->socket);
        }
        if (r < 0)
                return r;
        if (zmq_getsockopt(outlet->socket, ZMQ_FD, &fd, &n_fd) < 0)
                return -errno;
        r = sd_event_add_io(daemon->event, &outlet->io, fd, EPOLLIN, outlet_on_io, outlet);
        if (r >= 0)
                r = sd_event_source_set_exit_on_failure(outlet->io, true);
        if (r >= 0)
                r = sd_event_add_defer(daemon->event, &outlet->again, outlet_on_again, outlet);
        if (r >= 0)
                r = sd_event_source_set_priority(outlet->again, SD_EVENT_PRIORITY_NORMAL + 1);
        if (r >= 0)
                r = sd_event_source_set_exit_on_failure(outlet->again, true);
        return r < 0 ? r : 0;
}

static int outlet_bind(struct outlet *outlet, const char *endpoint) {
        if (zmq_bind(outlet->socket, endpoint) < 0) {
                int r = -errno;

                log_say(LOG_ERR, MESSAGE_DOOR_CANNOT_BIND, "endpoint", endpoint, "reason", zmq_strerror(-r), NULL);
                return r;
        }
        if (strncmp(endpoint, "ipc:///", 7) == 0)
                (void) chmod(endpoint + 6, 0660);
        log_say(LOG_INFO, MESSAGE_RECEIPTS_OPEN, "endpoint", endpoint, NULL);
        return 0;
}

static int open_curve(struct ledgerd *daemon) {
        struct receipts *receipts = daemon->receipts;
        const char *secret = daemon->configuration->main.curve_secret_file;
        int r;

        if (!secret) {
                log_say(LOG_ERR, MESSAGE_RECEIPTS_NEED_CURVE, NULL);
                return -EPERM;
        }
        r = zap_open(daemon->event, receipts->zmq, "ledgerd", secret, key_is_known, daemon, &receipts->zap);
        return r < 0 ? r : zap_self_test(receipts->zap);
}

int receipts_open(struct ledgerd *daemon) {
        const struct string_list *endpoints = &daemon->configuration->main.receipts;
        struct receipts *receipts = calloc(1, sizeof(*receipts));
        int r = 0;

        if (!receipts)
                return -ENOMEM;
        daemon->receipts = receipts;
        receipts->zmq = zmq_ctx_new();
        if (!receipts->zmq)
                return -errno;
        for (size_t i = 0; r == 0 && i < endpoints->n; i++) {
                bool curve = endpoint_is_open(endpoints->items[i]);
                struct outlet *outlet = &receipts->outlets[curve];

                if (!outlet->socket) {
                        if (curve)
                                r = open_curve(daemon);
                        if (r == 0)
                                r = outlet_open(daemon, outlet, curve);
                }
                if (r == 0)
                        r = outlet_bind(outlet, endpoints->items[i]);
        }
        return r;
}

void receipts_close(struct ledgerd *daemon) {
        struct receipts *receipts = daemon->receipts;

        if (!receipts)
                return;
        for (size_t i = 0; i < ELEMENTS(receipts->outlets); i++) {
                (void) sd_event_source_disable_unref(receipts->outlets[i].io);
                (void) sd_event_source_disable_unref(receipts->outlets[i].again);
                if (receipts->outlets[i].socket)
                        (void) zmq_close(receipts->outlets[i].socket);
        }
        receipts->zap = zap_close(receipts->zap);
        if (receipts->zmq)
                (void) zmq_ctx_term(receipts->zmq);
        buf_done(&receipts->buf);
        free(receipts);
        daemon->receipts = NULL;
}
