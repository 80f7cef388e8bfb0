/* Who may speak through a CURVE door.
 *
 * libzmq lets everybody in when no ZAP handler answers, unless ZMQ_ZAP_ENFORCE_DOMAIN is set (93;
 * Debian's header hides it behind DRAFT, the library honours it). So it is set, and before the door
 * opens a random key is tried at a door of the same make, which must refuse it. */
#include "core/zap.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <zmq.h>

#include "core/alarm.h"
#include "core/config.h"
#include "core/keys.h"
#include "core/log.h"
#include "core/memory.h"

#ifndef ZMQ_ZAP_ENFORCE_DOMAIN
#define ZMQ_ZAP_ENFORCE_DOMAIN 93
#endif

#define DOMAIN "gongkai"
enum { N_FRAMES = 7, TEST_MS = 3000 };

struct zap {
        zap_key_fn *is_known;
        void *userdata;
        void *zmq, *socket;
        sd_event_source *io, *again;
        char public_key[KEY_TEXT], secret_key[KEY_TEXT];
        char test_key[KEY_TEXT]; /* let in during the self-test only */
};

static bool key_is_known(const struct zap *zap, const char *key) {
        if (zap->test_key[0] && strcmp(zap->test_key, key) == 0)
                return true;
        return zap->is_known(key, zap->userdata);
}

/* One question of RFC 27/ZAP: version, request id, domain, address, identity, mechanism, key. */
static void zap_answer(struct zap *zap, zmq_msg_t *frames, size_t n) {
        char key[KEY_TEXT] = "";
        const char *status = "400", *text = "No access";

        if (n == N_FRAMES && zmq_msg_size(&frames[2]) == strlen(DOMAIN) &&
            memcmp(zmq_msg_data(&frames[2]), DOMAIN, strlen(DOMAIN)) == 0 &&
            zmq_msg_size(&frames[5]) == 5 && memcmp(zmq_msg_data(&frames[5]), "CURVE", 5) == 0 &&
            zmq_msg_size(&frames[6]) == 32 && zmq_z85_encode(key, zmq_msg_data(&frames[6]), 32) &&
            key_is_known(zap, key)) {
                status = "200";
                text = "OK";
        } else {
                char address[64] = "?";

                if (n > 3 && zmq_msg_size(&frames[3]) < sizeof(address)) {
                        memcpy(address, zmq_msg_data(&frames[3]), zmq_msg_size(&frames[3]));
                        address[zmq_msg_size(&frames[3])] = '\0';
                }
                if (!zap->test_key[0])
                        log_say(LOG_WARNING, MESSAGE_KEY_REFUSED, "address", address, "key", key,
                                NULL);
                key[0] = '\0';
        }
        (void) zmq_send(zap->socket, "1.0", 3, ZMQ_SNDMORE);
        if (n > 1)
                (void) zmq_send(zap->socket, zmq_msg_data(&frames[1]), zmq_msg_size(&frames[1]),
                                ZMQ_SNDMORE);
        else
                (void) zmq_send(zap->socket, "", 0, ZMQ_SNDMORE);
        (void) zmq_send(zap->socket, status, 3, ZMQ_SNDMORE);
        (void) zmq_send(zap->socket, text, strlen(text), ZMQ_SNDMORE);
        (void) zmq_send(zap->socket, key, strlen(key), ZMQ_SNDMORE);
        (void) zmq_send(zap->socket, "", 0, 0);
}

/* Answers one question; false when there is none. */
static bool zap_read(struct zap *zap) {
        zmq_msg_t frames[N_FRAMES + 1];
        size_t n = 0;
        int more = 1;

        while (more) {
                zmq_msg_t *frame = &frames[n < N_FRAMES ? n : N_FRAMES];

                (void) zmq_msg_init(frame);
                if (zmq_msg_recv(frame, zap->socket, ZMQ_DONTWAIT) < 0) {
                        (void) zmq_msg_close(frame);
                        break;
                }
                more = zmq_msg_more(frame);
                if (n >= N_FRAMES)
                        (void) zmq_msg_close(frame);
                n++;
        }
        if (n > 0)
                zap_answer(zap, frames, n);
        for (size_t i = 0; i < n && i < N_FRAMES; i++)
                (void) zmq_msg_close(&frames[i]);
        return n > 0;
}

static int zap_drain(struct zap *zap) {
        for (unsigned i = 0; i < 16; i++)
                if (!zap_read(zap))
                        return 0;
        return sd_event_source_set_enabled(zap->again, SD_EVENT_ONESHOT);
}

static int zap_on_io(sd_event_source *source, int fd, uint32_t revents, void *userdata) {
        (void) source;
        (void) fd;
        (void) revents;
        return zap_drain(userdata);
}

static int zap_on_again(sd_event_source *source, void *userdata) {
        (void) source;
        return zap_drain(userdata);
}

static int zap_begin(struct zap *zap, sd_event *event, const char *program, const char *path) {
        char *text freed_by(freep) = NULL, *sentence freed_by(freep) = NULL;
        int fd, r;
        size_t n_fd = sizeof(fd);

        r = secret_read(path, &text); /* it looks at who else may read the file */
        if (r < 0) {
                sentence = secret_error(path, r);
                alarm_raise(ALARM_SECRET, program, "reason",
                            sentence ? sentence : strerror(-r), NULL);
                log_say(LOG_ERR, MESSAGE_KEY_FILE_UNREADABLE, "path", path, "reason",
                        sentence ? sentence : strerror(-r), NULL);
                return r;
        }
        explicit_bzero(text, strlen(text));
        r = keys_read(path, zap->public_key, zap->secret_key);
        if (r < 0) {
                alarm_raise(ALARM_SECRET, program, "reason", strerror(-r), NULL);
                log_say(LOG_ERR, MESSAGE_KEY_FILE_UNREADABLE, "path", path, "reason", strerror(-r),
                        NULL);
                return r;
        }
        zap->socket = zmq_socket(zap->zmq, ZMQ_REP);
        if (!zap->socket || zmq_bind(zap->socket, "inproc://zeromq.zap.01") < 0 ||
            zmq_getsockopt(zap->socket, ZMQ_FD, &fd, &n_fd) < 0)
                return -errno;
        r = sd_event_add_io(event, &zap->io, fd, EPOLLIN, zap_on_io, zap);
        if (r >= 0)
                r = sd_event_source_set_exit_on_failure(zap->io, true);
        if (r >= 0)
                r = sd_event_add_defer(event, &zap->again, zap_on_again, zap);
        if (r >= 0)
                r = sd_event_source_set_priority(zap->again, SD_EVENT_PRIORITY_NORMAL + 1);
        if (r >= 0)
                r = sd_event_source_set_enabled(zap->again, SD_EVENT_OFF);
        return r < 0 ? r : 0;
}

int zap_open(sd_event *event, void *zmq, const char *program, const char *secret_file,
             zap_key_fn *is_known, void *userdata, struct zap **ret) {
        struct zap *zap = calloc(1, sizeof(*zap));
        int r;

        if (!zap)
                return -ENOMEM;
        zap->zmq = zmq;
        zap->is_known = is_known;
        zap->userdata = userdata;
        r = zap_begin(zap, event, program, secret_file);
        if (r < 0)
                zap = zap_close(zap);
        else
                *ret = zap;
        return r;
}

int zap_secure(struct zap *zap, void *socket) {
        int on = 1;

        if (zmq_setsockopt(socket, ZMQ_CURVE_SERVER, &on, sizeof(on)) < 0 ||
            zmq_setsockopt(socket, ZMQ_CURVE_SECRETKEY, zap->secret_key, KEY_TEXT) < 0 ||
            zmq_setsockopt(socket, ZMQ_ZAP_DOMAIN, DOMAIN, strlen(DOMAIN)) < 0 ||
            zmq_setsockopt(socket, ZMQ_ZAP_ENFORCE_DOMAIN, &on, sizeof(on)) < 0)
                return -errno;
        return 0;
}

/* Whether a message sent with this key arrives at a door of our make. `events` is an inproc endpoint
 * of this try alone: libzmq gives a name back some time after its socket was closed. */
static int try_key(struct zap *zap, void *server, const char *endpoint, const char *events,
                   const char *public_key, const char *secret_key, bool *ret_arrived) {
        void *client = zmq_socket(zap->zmq, ZMQ_DEALER);
        void *monitor = zmq_socket(zap->zmq, ZMQ_PAIR);
        int linger = 0, r = 0;
        bool decided = false;

        *ret_arrived = false;
        if (!client || !monitor ||
            zmq_setsockopt(client, ZMQ_LINGER, &linger, sizeof(linger)) < 0 ||
            zmq_setsockopt(client, ZMQ_CURVE_SERVERKEY, zap->public_key, KEY_TEXT) < 0 ||
            zmq_setsockopt(client, ZMQ_CURVE_PUBLICKEY, public_key, KEY_TEXT) < 0 ||
            zmq_setsockopt(client, ZMQ_CURVE_SECRETKEY, secret_key, KEY_TEXT) < 0 ||
            zmq_socket_monitor(client, events,
                               ZMQ_EVENT_HANDSHAKE_FAILED_AUTH | ZMQ_EVENT_HANDSHAKE_FAILED_PROTOCOL |
                                       ZMQ_EVENT_HANDSHAKE_FAILED_NO_DETAIL) < 0 ||
            zmq_connect(monitor, events) < 0 ||
            zmq_connect(client, endpoint) < 0 || zmq_send(client, "?", 1, ZMQ_DONTWAIT) < 0)
                r = -errno;
        for (int waited = 0; r == 0 && !decided && waited < TEST_MS; waited += 50) {
                zmq_pollitem_t items[] = {
                        { zap->socket, 0, ZMQ_POLLIN, 0 },
                        { server, 0, ZMQ_POLLIN, 0 },
                        { monitor, 0, ZMQ_POLLIN, 0 },
                };

                if (zmq_poll(items, 3, 50) < 0 && errno != EINTR)
                        r = -errno;
                if (items[0].revents)
                        (void) zap_read(zap);
                if (items[1].revents)
                        *ret_arrived = decided = true;
                if (items[2].revents)
                        decided = true;
        }
        if (client) {
                (void) zmq_socket_monitor(client, NULL, 0);
                (void) zmq_close(client);
        }
        if (monitor) {
                (void) zmq_setsockopt(monitor, ZMQ_LINGER, &linger, sizeof(linger));
                (void) zmq_close(monitor);
        }
        if (r == 0 && !decided)
                r = -ETIMEDOUT;
        return r;
}

int zap_self_test(struct zap *zap) {
        void *server = zmq_socket(zap->zmq, ZMQ_ROUTER);
        char endpoint[64], known_secret[KEY_TEXT], random_key[KEY_TEXT], random_secret[KEY_TEXT];
        size_t n = sizeof(endpoint);
        int linger = 0, r = 0;
        bool arrived = true, known_arrived = false;

        if (!server || zmq_setsockopt(server, ZMQ_LINGER, &linger, sizeof(linger)) < 0 ||
            zmq_curve_keypair(zap->test_key, known_secret) < 0 ||
            zmq_curve_keypair(random_key, random_secret) < 0)
                r = -errno;
        if (r == 0)
                r = zap_secure(zap, server);
        if (r == 0 && (zmq_bind(server, "tcp://127.0.0.1:*") < 0 ||
                       zmq_getsockopt(server, ZMQ_LAST_ENDPOINT, endpoint, &n) < 0))
                r = -errno;
        if (r == 0)
                r = try_key(zap, server, endpoint, "inproc://self-test-random", random_key,
                            random_secret, &arrived);
        if (r == 0 && !arrived)
                r = try_key(zap, server, endpoint, "inproc://self-test-known", zap->test_key,
                            known_secret, &known_arrived);
        zap->test_key[0] = '\0';
        if (server)
                (void) zmq_close(server);
        if (r == 0 && (arrived || !known_arrived))
                r = -EACCES;
        if (r < 0)
                log_say(LOG_ERR, MESSAGE_DOOR_SELF_TEST, "reason",
                        arrived && r == -EACCES ? "a random key was let in" : strerror(-r), NULL);
        return r;
}

struct zap *zap_close(struct zap *zap) {
        if (!zap)
                return NULL;
        (void) sd_event_source_disable_unref(zap->io);
        (void) sd_event_source_disable_unref(zap->again);
        if (zap->socket)
                (void) zmq_close(zap->socket);
        explicit_bzero(zap->secret_key, sizeof(zap->secret_key));
        free(zap);
        return NULL;
}
