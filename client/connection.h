/* The emitter's socket: a DEALER to the door, opened and closed as often as need be, behind one
 * descriptor that stays the same. */
#ifndef CLIENT_CONNECTION_H
#define CLIENT_CONNECTION_H

#include <jansson.h>
#include <stdbool.h>
#include <zmq.h>

#include "core/keys.h"

struct connection {
        void *context, *socket; /* NULL until opened */
        int bell;               /* epoll; the socket's own descriptor changes with the socket */
        int socket_fd;          /* libzmq's */
        bool connected;         /* at the last look */
};

struct door {
        char *endpoint;
        char server_key[KEY_TEXT], public_key[KEY_TEXT], secret_key[KEY_TEXT]; /* "" = no CURVE */
};

enum { BACKOFF_LEAST_MS = 100, BACKOFF_MOST_MS = 5000 };

int connection_init(struct connection *connection);
void connection_done(struct connection *connection);
/* -EINVAL, -EPROTONOSUPPORT, ...: the endpoint is none. */
int connection_open(struct connection *connection, const struct door *door, unsigned window);
void connection_close(struct connection *connection);
/* What can be done now, ZMQ_POLLIN and ZMQ_POLLOUT; the latter means connected. Negative errno. */
int connection_look(struct connection *connection);
/* Sends [empty][frames]. False: the connection broke, perhaps within the message. */
bool connection_send(struct connection *connection, zmq_msg_t *frames, size_t n_frames);
/* Takes one message; *ret is its JSON, or NULL when it is not [empty][JSON]. -EAGAIN: no message.
 */
int connection_receive(struct connection *connection, json_t **ret);

#endif
