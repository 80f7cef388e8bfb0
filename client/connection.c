#include "client/connection.h"

#include <errno.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "core/memory.h"

enum {
        HEARTBEAT_MS = 5000,
        HEARTBEAT_TIMEOUT_MS = 15000,
        REPLY_MOST = 32 << 20, /* bytes */
};

int connection_init(struct connection *connection) {
        *connection = (struct connection) { .socket_fd = -1 };
        connection->bell = epoll_create1(EPOLL_CLOEXEC);
        return connection->bell < 0 ? -errno : 0;
}

void connection_done(struct connection *connection) {
        connection_close(connection);
        if (connection->context)
                (void) zmq_ctx_term(connection->context);
        if (connection->bell >= 0)
                (void) close(connection->bell);
}

void connection_close(struct connection *connection) {
        if (!connection->socket)
                return;
        (void) epoll_ctl(connection->bell, EPOLL_CTL_DEL, connection->socket_fd, NULL);
        (void) zmq_close(connection->socket);
        connection->socket = NULL;
        connection->socket_fd = -1;
        connection->connected = false;
}

static int set_int(void *socket, int option, int value) {
        return zmq_setsockopt(socket, option, &value, sizeof(value)) < 0 ? -errno : 0;
}

static int set_options(void *socket, const struct door *door, unsigned window) {
        int64_t reply_most = REPLY_MOST;
        const struct {
                int option, value;
        } options[] = {
                { ZMQ_LINGER, 0 },    /* the spool and the sender remember, not libzmq */
                { ZMQ_IMMEDIATE, 1 }, /* nothing is sent into a connection that is not there */
                /* Never the limit: libzmq counts what the peer has read in steps of half the mark,
                 * and "cannot send" must mean "not connected" to us. */
                { ZMQ_SNDHWM, (int) window * 4 + 64 },
                { ZMQ_RCVHWM, (int) window * 4 + 64 },
                { ZMQ_RECONNECT_IVL, BACKOFF_LEAST_MS },
                { ZMQ_RECONNECT_IVL_MAX, BACKOFF_MOST_MS },
                { ZMQ_HEARTBEAT_IVL, HEARTBEAT_MS },
                { ZMQ_HEARTBEAT_TIMEOUT, HEARTBEAT_TIMEOUT_MS },
                { ZMQ_HEARTBEAT_TTL, HEARTBEAT_TIMEOUT_MS },
                { ZMQ_IPV6, 1 },
        };
        int r = 0;

        for (size_t i = 0; r == 0 && i < ELEMENTS(options); i++)
                r = set_int(socket, options[i].option, options[i].value);
        if (r == 0 && zmq_setsockopt(socket, ZMQ_MAXMSGSIZE, &reply_most, sizeof(reply_most)) < 0)
                r = -errno;
        if (r < 0 || !door->server_key[0])
                return r;
        if (zmq_setsockopt(socket, ZMQ_CURVE_SERVERKEY, door->server_key, KEY_TEXT) < 0 ||
            zmq_setsockopt(socket, ZMQ_CURVE_PUBLICKEY, door->public_key, KEY_TEXT) < 0 ||
            zmq_setsockopt(socket, ZMQ_CURVE_SECRETKEY, door->secret_key, KEY_TEXT) < 0)
                return -errno;
        return 0;
}

int connection_open(struct connection *connection, const struct door *door, unsigned window) {
        struct epoll_event ring = { .events = EPOLLIN };
        size_t n = sizeof(connection->socket_fd);
        int fd, r;

        if (!connection->context)
                connection->context = zmq_ctx_new();
        if (!connection->context)
                return -errno;
        connection->socket = zmq_socket(connection->context, ZMQ_DEALER);
        if (!connection->socket)
                return -errno;
        r = set_options(connection->socket, door, window);
        if (r == 0 && zmq_connect(connection->socket, door->endpoint) < 0)
                r = -errno;
        if (r == 0 && zmq_getsockopt(connection->socket, ZMQ_FD, &fd, &n) < 0)
                r = -errno;
        if (r == 0 && epoll_ctl(connection->bell, EPOLL_CTL_ADD, fd, &ring) < 0)
                r = -errno;
        if (r < 0) {
                (void) zmq_close(connection->socket);
                connection->socket = NULL;
                return r;
        }
        connection->socket_fd = fd;
        return 0;
}

int connection_look(struct connection *connection) {
        int events = 0;
        size_t n = sizeof(events);

        if (zmq_getsockopt(connection->socket, ZMQ_EVENTS, &events, &n) < 0)
                return errno == EINTR ? 0 : -errno;
        connection->connected = events & ZMQ_POLLOUT;
        return events;
}

bool connection_send(struct connection *connection, zmq_msg_t *frames, size_t n_frames) {
        if (zmq_send(connection->socket, "", 0, ZMQ_SNDMORE | ZMQ_DONTWAIT) < 0)
                return false;
        for (size_t i = 0; i < n_frames; i++) {
                int flags = ZMQ_DONTWAIT | (i + 1 < n_frames ? ZMQ_SNDMORE : 0);
                zmq_msg_t copy; /* shares the bytes */

                (void) zmq_msg_init(&copy);
                if (zmq_msg_copy(&copy, &frames[i]) < 0 ||
                    zmq_msg_send(&copy, connection->socket, flags) < 0) {
                        (void) zmq_msg_close(&copy);
                        return false;
                }
        }
        return true;
}

int connection_receive(struct connection *connection, json_t **ret) {
        json_t *json = NULL;

        for (unsigned i = 0, more = 1; more; i++) {
                zmq_msg_t frame;

                (void) zmq_msg_init(&frame);
                if (zmq_msg_recv(&frame, connection->socket, ZMQ_DONTWAIT) < 0) {
                        int r = -errno;

                        (void) zmq_msg_close(&frame);
                        json_decref(json);
                        return r;
                }
                more = zmq_msg_more(&frame) ? 1 : 0;
                if (i == 1 && !more)
                        json = json_loadb(zmq_msg_data(&frame), zmq_msg_size(&frame), 0, NULL);
                (void) zmq_msg_close(&frame);
        }
        *ret = json;
        return 0;
}
