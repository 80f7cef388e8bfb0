/* One exchange of bytes over a connection of its own: look the name up, connect, send, read until
 * the last byte that the driver named. */
#include "daemons/channeld/channeld.h"

#include <errno.h>
#include <netdb.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "core/clock.h"
#include "core/crash.h"
#include "core/memory.h"
#include "core/resolve.h"

enum { REPLY_USUAL = 4 << 10, REPLY_MOST = 1 << 20 };

struct talk {
        struct attempt *attempt;
        struct query *query;
        int fd;
        bool connected;
        sd_event_source *io, *timer;
        size_t n_sent;
        struct buf reply;
};

static struct talk *talk_free(struct talk *talk) {
        if (!talk)
                return NULL;
        resolver_cancel(talk->query);
        (void) sd_event_source_disable_unref(talk->io);
        (void) sd_event_source_disable_unref(talk->timer);
        if (talk->fd >= 0)
                (void) close(talk->fd);
        buf_done(&talk->reply);
        free(talk);
        return NULL;
}

static size_t most_of(const struct tcp_step *step) {
        return step->most == 0 ? REPLY_USUAL : step->most < REPLY_MOST ? step->most : REPLY_MOST;
}

static bool is_whole(const struct tcp_step *step, const struct buf *reply) {
        return reply->len > 0 && (unsigned char) reply->data[reply->len - 1] == step->until;
}

static struct reply reply_of(const struct talk *talk, const struct tcp_step *step,
                             const char *error) {
        return (struct reply) {
                .kind = STEP_TCP,
                .tcp = { .bytes = (const unsigned char *) buf_text(&talk->reply),
                         .n_bytes = talk->reply.len, .sent = talk->n_sent > 0,
                         .whole = is_whole(step, &talk->reply), .error = error },
        };
}

/* Tells the attempt, and is gone. */
static void end(struct talk *talk, const char *error) {
        struct attempt *attempt = talk->attempt;
        struct reply reply = reply_of(talk, &attempt->step.tcp, error);

        attempt->talk = NULL;
        (void) sd_event_source_set_enabled(talk->io, SD_EVENT_OFF);
        if (!error)
                crash_point("channeld/tcp-answered");
        attempt_replied(attempt, &reply);
        talk_free(talk);
}

/* Sends what is left. 1 when all has left, 0 when the socket takes no more now, a negative errno. */
static int send_rest(struct talk *talk, const struct tcp_step *step) {
        while (talk->n_sent < step->bytes.len) {
                ssize_t n = send(talk->fd, step->bytes.data + talk->n_sent,
                                 step->bytes.len - talk->n_sent, MSG_NOSIGNAL | MSG_DONTWAIT);

                if (n < 0 && errno == EINTR)
                        continue;
                if (n < 0)
                        return errno == EAGAIN ? 0 : -errno;
                talk->n_sent += (size_t) n;
        }
        return 1;
}

/* Reads what is there, byte for byte of `until`. 1 when it has come, 0 when there is no more now,
 * a negative errno: -EPIPE when the other side has closed. */
static int read_some(struct talk *talk, const struct tcp_step *step) {
        char bytes[1024];

        for (;;) {
                size_t room = most_of(step) - talk->reply.len;
                ssize_t n = recv(talk->fd, bytes, room < sizeof(bytes) ? room : sizeof(bytes), MSG_DONTWAIT);
                const char *last;

                if (room == 0)
                        return -EMSGSIZE;
                if (n < 0 && errno == EINTR)
                        continue;
                if (n <= 0)
                        return n == 0 ? -EPIPE : errno == EAGAIN ? 0 : -errno;
                last = memchr(bytes, step->until, (size_t) n);
                buf_add(&talk->reply, bytes, last ? (size_t) (last - bytes) + 1 : (size_t) n);
                if (talk->reply.error)
                        return talk->reply.error;
                if (last)
                        return 1;
        }
}

static int on_io(sd_event_source *source, int fd, uint32_t revents, void *userdata) {
        struct talk *talk = userdata;
        const struct tcp_step *step = &talk->attempt->step.tcp;
        int error = 0, r;
        socklen_t n = sizeof(error);

        if (!talk->connected) {
                (void) getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &n);
                if (error != 0) {
                        end(talk, strerror(error));
                        return 0;
                }
                if (!(revents & EPOLLOUT))
                        return 0;
                talk->connected = true;
                if (!lease_may_send(talk->attempt->lease)) {
                        struct attempt *attempt = talk->attempt;

                        attempt->talk = NULL;
                        talk_free(talk);
                        attempt_not_sent(attempt);
                        return 0;
                }
        }
        r = send_rest(talk, step);
        if (r > 0) {
                crash_point("channeld/tcp-sent");
                (void) sd_event_source_set_io_events(source, EPOLLIN);
                r = read_some(talk, step);
        }
        if (r != 0)
                end(talk, r > 0 ? NULL : r == -EPIPE ? "connection closed by the other side" : strerror(-r));
        return 0;
}

static int on_time(sd_event_source *source, uint64_t usec, void *userdata) {
        (void) source;
        (void) usec;
        end(userdata, strerror(ETIMEDOUT));
        return 0;
}

static void on_resolved(const struct sockaddr *address, socklen_t n_address, const char *error,
                        void *userdata) {
        struct talk *talk = userdata;

        talk->query = NULL;
        if (error) {
                end(talk, error);
                return;
        }
        talk->fd = socket(address->sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
        if (talk->fd < 0 || (connect(talk->fd, address, n_address) < 0 && errno != EINPROGRESS) ||
            sd_event_add_io(talk->attempt->daemon->event, &talk->io, talk->fd, EPOLLIN | EPOLLOUT,
                            on_io, talk) < 0)
                end(talk, strerror(errno));
}

int tcp_start(struct attempt *attempt, const struct tcp_step *step) {
        struct channeld *daemon = attempt->daemon;
        struct talk *talk = calloc(1, sizeof(*talk));
        int r = talk ? 0 : -ENOMEM;

        if (r < 0)
                return r;
        talk->fd = -1;
        talk->attempt = attempt;
        if (!daemon->resolver)
                r = resolver_new(daemon->event, &daemon->resolver);
        if (r >= 0)
                r = sd_event_add_time_relative(daemon->event, &talk->timer, CLOCK_BOOTTIME,
                                               (uint64_t) daemon->channel->timeout_ms * 1000, 0,
                                               on_time, talk);
        if (r >= 0)
                r = resolver_ask(daemon->resolver, step->host, (uint16_t) step->port,
                                 daemon->channel->timeout_ms, on_resolved, talk, &talk->query);
        if (r < 0) {
                talk_free(talk);
                return r;
        }
        attempt->talk = talk;
        return 0;
}

bool tcp_cut(struct attempt *attempt) {
        bool sent = attempt->talk->n_sent > 0;

        attempt->talk = talk_free(attempt->talk);
        return sent;
}

void tcp_close(struct channeld *daemon) {
        for (struct attempt *attempt = daemon->attempts; attempt; attempt = attempt->next)
                attempt->talk = talk_free(attempt->talk);
        daemon->resolver = resolver_free(daemon->resolver);
}

/* -- for `--test`, which has no loop ------------------------------------------------------------------ */

static int wait_for(int fd, short events, int64_t until_ms) {
        struct pollfd one = { .fd = fd, .events = events };
        int64_t left = until_ms - clock_boot_ms();
        int r = left > 0 ? poll(&one, 1, (int) left) : 0;

        return r > 0 ? 0 : r == 0 ? -ETIMEDOUT : -errno;
}

static int open_to(const struct addrinfo *found, int64_t until_ms) {
        int fd = socket(found->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), error = 0, r;
        socklen_t n = sizeof(error);

        if (fd < 0)
                return -errno;
        r = connect(fd, found->ai_addr, found->ai_addrlen) < 0 && errno != EINPROGRESS ? -errno : 0;
        if (r == 0)
                r = wait_for(fd, POLLOUT, until_ms);
        if (r == 0 && getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &n) == 0 && error != 0)
                r = -error;
        if (r == 0)
                return fd;
        (void) close(fd);
        return r;
}

static int exchange(struct talk *talk, const struct tcp_step *step, int64_t until_ms) {
        int r = 0;

        while (r == 0) {
                r = send_rest(talk, step);
                if (r == 0)
                        r = wait_for(talk->fd, POLLOUT, until_ms);
        }
        if (r > 0)
                r = 0;
        while (r == 0) {
                r = read_some(talk, step);
                if (r == 0)
                        r = wait_for(talk->fd, POLLIN, until_ms);
        }
        return r;
}

int tcp_run(struct channeld *daemon, const struct tcp_step *step, const struct delivery *delivery,
            step_next_fn *next, struct step *ret) {
        struct addrinfo hints = { .ai_socktype = SOCK_STREAM }, *found = NULL;
        struct talk talk = { .fd = -1 };
        int64_t until_ms = clock_boot_ms() + daemon->channel->timeout_ms;
        struct reply reply;
        char port[8];
        int r;

        (void) snprintf(port, sizeof(port), "%u", step->port);
        r = getaddrinfo(step->host, port, &hints, &found);
        if (r != 0)
                reply = reply_of(&talk, step, gai_strerror(r));
        else {
                talk.fd = open_to(found, until_ms);
                freeaddrinfo(found);
                r = talk.fd < 0 ? talk.fd : exchange(&talk, step, until_ms);
                reply = reply_of(&talk, step, r > 0 ? NULL : r == -EPIPE ? "connection closed by the other side" : strerror(-r));
        }
        r = next(delivery, &reply, ret);
        if (talk.fd >= 0)
                (void) close(talk.fd);
        buf_done(&talk.reply);
        return r;
}
