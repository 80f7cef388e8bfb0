/* Questions to publisherd over its control socket, one connection each, without waiting. */
#include "daemons/consoled/consoled.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "core/memory.h"

enum { PATIENCE_USEC = 3000000, MOST_BYTES = 16 << 20, PIECE = 65536 };

struct asked {
        struct consoled *daemon;
        struct asked *next;
        int fd;
        sd_event_source *io, *timer;
        struct buf out, in;
        size_t n_sent;
        ask_fn *on_answer;
        void *userdata;
};

static struct asked *asked_free(struct asked *asked) {
        struct asked **at = asked ? &asked->daemon->asks : NULL;

        if (!asked)
                return NULL;
        while (*at && *at != asked)
                at = &(*at)->next;
        if (*at)
                *at = asked->next;
        (void) sd_event_source_disable_unref(asked->io);
        (void) sd_event_source_disable_unref(asked->timer);
        if (asked->fd >= 0)
                (void) close(asked->fd);
        asked->fd = -1;
        buf_done(&asked->out);
        buf_done(&asked->in);
        free(asked);
        return NULL;
}

static void asked_freep(struct asked **asked) {
        *asked = asked_free(*asked);
}

static void answered(struct asked *asked) {
        json_t *answer =
                asked->in.len > 0 ? json_loadb(asked->in.data, asked->in.len, 0, NULL) : NULL;

        asked->on_answer(answer, asked->userdata);
        json_decref(answer);
        (void) asked_free(asked);
}

static void failed(struct asked *asked) {
        buf_reset(&asked->in);
        answered(asked);
}

static int on_timer(sd_event_source *source, uint64_t usec, void *userdata) {
        (void) source;
        (void) usec;
        failed(userdata);
        return 0;
}

/* 1: there is more to be sent. */
static int send_some(struct asked *asked) {
        while (asked->n_sent < asked->out.len) {
                ssize_t n = send(asked->fd, asked->out.data + asked->n_sent,
                                 asked->out.len - asked->n_sent, MSG_NOSIGNAL);

                if (n < 0 && errno == EINTR)
                        continue;
                if (n < 0)
                        return errno == EAGAIN ? 1 : -errno;
                asked->n_sent += (size_t) n;
        }
        return 0;
}

static int on_io(sd_event_source *source, int fd, uint32_t revents, void *userdata) {
        struct asked *asked = userdata;
        char *room;
        ssize_t n;
        int r = send_some(asked);

        if (r < 0) {
                failed(asked);
                return 0;
        }
        (void) sd_event_source_set_io_events(source, EPOLLIN | (r > 0 ? EPOLLOUT : 0));
        if (!(revents & (EPOLLIN | EPOLLHUP | EPOLLERR)))
                return 0;
        room = asked->in.len < MOST_BYTES ? buf_room(&asked->in, PIECE) : NULL;
        n = room ? recv(fd, room, PIECE, 0) : 0;
        if (n < 0 && (errno == EAGAIN || errno == EINTR))
                return 0;
        if (n <= 0) {
                failed(asked);
                return 0;
        }
        buf_grown(&asked->in, (size_t) n);
        if (memchr(asked->in.data + asked->in.len - n, '\n', (size_t) n))
                answered(asked);
        return 0;
}

static int reach(const char *path) {
        struct sockaddr_un address = { .sun_family = AF_UNIX };
        int fd;

        if (strlen(path) >= sizeof(address.sun_path))
                return -ENAMETOOLONG;
        (void) strncpy(address.sun_path, path, sizeof(address.sun_path) - 1);
        fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        if (fd < 0)
                return -errno;
        /* On a unix socket this succeeds or fails at once; a full queue is EAGAIN, and a failure
         * here. */
        if (connect(fd, (struct sockaddr *) &address, sizeof(address)) < 0) {
                int r = -errno;

                (void) close(fd);
                return r;
        }
        return fd;
}

int ask_publisherd(struct consoled *daemon, json_t *question, ask_fn *on_answer, void *userdata) {
        char *text freed_by(freep) = question ? json_dumps(question, JSON_COMPACT) : NULL;
        struct asked *asked freed_by(asked_freep) = calloc(1, sizeof(*asked));
        int r;

        json_decref(question);
        if (!asked)
                return -ENOMEM;
        asked->daemon = daemon;
        asked->fd = -1;
        if (!text)
                return -ENOMEM;
        asked->on_answer = on_answer;
        asked->userdata = userdata;
        buf_fmt(&asked->out, "%s\n", text);
        asked->fd = reach(daemon->configuration->main.control);
        if (asked->fd < 0)
                return asked->fd;
        r = sd_event_add_io(daemon->event, &asked->io, asked->fd, EPOLLIN | EPOLLOUT, on_io, asked);
        if (r >= 0)
                r = sd_event_add_time_relative(daemon->event, &asked->timer, CLOCK_BOOTTIME,
                                               PATIENCE_USEC, 10000, on_timer, asked);
        if (r < 0)
                return r;
        asked->next = daemon->asks;
        daemon->asks = give_away(asked);
        return 0;
}

void ask_close(struct consoled *daemon) {
        while (daemon->asks)
                failed(daemon->asks);
}
