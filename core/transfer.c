/* All sockets hang on an epoll of our own, which is one source of the loop: sd-event gives one
 * source its turn per round, and a round costs more than what libcurl does for a small request.
 *
 * libcurl takes a connection off the loop at the end of each transfer and puts it back at the
 * beginning of the next. We leave it in the epoll meanwhile, and take it out only when something is
 * heard from it that nobody asked for, so that a connection that is used again costs no call. */
#include "core/transfer.h"

#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "core/memory.h"

enum { KEPT_CONNECTIONS = 64, EVENTS_AT_ONCE = 64 };

/* A socket by its descriptor. */
struct watched {
        uint32_t armed;  /* what the epoll has for it; 0 = it is not in the epoll */
        uint32_t wanted; /* what libcurl asks for now */
        bool ours;       /* of a connection, so that we hear of its end by on_close() */
};

struct transfers {
        sd_event *event;
        CURLM *multi;
        int epoll;
        sd_event_source *io, *timer, *kick;
        uint64_t timer_usec; /* when the timer goes off; UINT64_MAX = it is off */
        struct watched *watched;
        size_t n_watched;
        transfer_ended_fn *on_ended;
        bool closing, global;
};

/* -- sockets --------------------------------------------------------------------------------------- */

static struct watched *watched_at(struct transfers *transfers, int fd) {
        size_t n = transfers->n_watched ? transfers->n_watched : 64;
        struct watched *more;

        if (fd < 0)
                return NULL;
        if ((size_t) fd < transfers->n_watched)
                return &transfers->watched[fd];
        while (n <= (size_t) fd)
                n *= 2;
        more = realloc(transfers->watched, n * sizeof(*more));
        if (!more)
                return NULL;
        for (size_t i = transfers->n_watched; i < n; i++)
                more[i] = (struct watched) { 0 };
        transfers->watched = more;
        transfers->n_watched = n;
        return &more[fd];
}

static int arm(struct transfers *transfers, struct watched *watched, int fd, uint32_t events) {
        struct epoll_event event = { .events = events, .data.fd = fd };
        int how = events == 0           ? EPOLL_CTL_DEL
                  : watched->armed == 0 ? EPOLL_CTL_ADD
                                        : EPOLL_CTL_MOD;

        if (watched->armed == events)
                return 0;
        if (epoll_ctl(transfers->epoll, how, fd, &event) < 0)
                return -errno;
        watched->armed = events;
        return 0;
}

static int want_socket(CURL *easy, curl_socket_t fd, int what, void *userdata, void *socketp) {
        struct transfers *transfers = userdata;
        struct watched *watched = watched_at(transfers, fd);

        (void) easy;
        (void) socketp;
        if (transfers->closing)
                return 0;
        if (!watched)
                return -1;
        watched->wanted = what == CURL_POLL_REMOVE
                                  ? 0
                                  : (what & CURL_POLL_IN ? (uint32_t) EPOLLIN : 0) |
                                            (what & CURL_POLL_OUT ? (uint32_t) EPOLLOUT : 0);
        if (watched->wanted == 0 && watched->ours && watched->armed == EPOLLIN)
                return 0;
        return arm(transfers, watched, fd, watched->wanted) < 0 ? -1 : 0;
}

static int on_open(void *userdata, curl_socket_t fd, curlsocktype purpose) {
        struct watched *watched = watched_at(userdata, fd);

        (void) purpose;
        if (watched) /* whoever had this number before closed it without a word */
                *watched = (struct watched) { .ours = true };
        return CURL_SOCKOPT_OK;
}

static int on_close(void *userdata, curl_socket_t fd) {
        struct transfers *transfers = userdata;

        if (fd >= 0 && (size_t) fd < transfers->n_watched)
                transfers->watched[fd] = (struct watched) { 0 };
        return close(fd);
}

/* -- the loop -------------------------------------------------------------------------------------- */

static void collect(struct transfers *transfers) {
        CURLMsg *message;
        int n;

        while ((message = curl_multi_info_read(transfers->multi, &n)) != NULL) {
                CURL *easy = message->easy_handle;
                CURLcode result = message->data.result;
                void *userdata = NULL;

                if (message->msg != CURLMSG_DONE)
                        continue;
                (void) curl_easy_getinfo(easy, CURLINFO_PRIVATE, (char **) &userdata);
                (void) curl_multi_remove_handle(transfers->multi, easy);
                transfers->on_ended(easy, result, userdata);
        }
}

static void go_on(struct transfers *transfers) {
        int running;

        (void) curl_multi_socket_action(transfers->multi, CURL_SOCKET_TIMEOUT, 0, &running);
        collect(transfers);
}

static int on_timer(sd_event_source *source, uint64_t usec, void *userdata) {
        struct transfers *transfers = userdata;
        long wait_ms = -1;
        uint64_t now = usec;

        (void) source;
        transfers->timer_usec = UINT64_MAX;
        go_on(transfers);
        /* It may have gone off for what is long over: libcurl then says nothing anew. */
        if (transfers->timer_usec == UINT64_MAX &&
            curl_multi_timeout(transfers->multi, &wait_ms) == CURLM_OK && wait_ms >= 0) {
                (void) sd_event_now(transfers->event, CLOCK_BOOTTIME, &now);
                transfers->timer_usec = now + (uint64_t) (wait_ms > 0 ? wait_ms : 1) * 1000;
                (void) sd_event_source_set_time(transfers->timer, transfers->timer_usec);
                return sd_event_source_set_enabled(transfers->timer, SD_EVENT_ONESHOT);
        }
        return 0;
}

static int on_kick(sd_event_source *source, void *userdata) {
        (void) source;
        go_on(userdata);
        return 0;
}

static int on_io(sd_event_source *source, int fd, uint32_t revents, void *userdata) {
        struct transfers *transfers = userdata;
        struct epoll_event events[EVENTS_AT_ONCE];
        int n = epoll_wait(transfers->epoll, events, EVENTS_AT_ONCE, 0), running;

        (void) source;
        (void) fd;
        (void) revents;
        for (int i = 0; i < n; i++) {
                uint32_t seen = events[i].events;
                int socket = events[i].data.fd, what = 0;
                struct watched *watched = watched_at(transfers, socket);

                if (!watched || watched->wanted == 0) {
                        /* A connection at rest has something to say, likely that it ends. */
                        if (watched)
                                (void) arm(transfers, watched, socket, 0);
                        continue;
                }
                if (seen & (EPOLLIN | EPOLLHUP | EPOLLERR))
                        what |= CURL_CSELECT_IN;
                if (seen & EPOLLOUT)
                        what |= CURL_CSELECT_OUT;
                if (seen & EPOLLERR)
                        what |= CURL_CSELECT_ERR;
                (void) curl_multi_socket_action(transfers->multi, socket, what, &running);
        }
        collect(transfers);
        return 0;
}

/* A timer that goes off too early does no harm, so it is set anew only when it would be too late:
 * each transfer has two or three timeouts, and nearly all of them are over before they come. */
static int want_timer(CURLM *multi, long wait_ms, void *userdata) {
        struct transfers *transfers = userdata;
        uint64_t now, at;

        (void) multi;
        if (transfers->closing || wait_ms < 0)
                return 0;
        if (wait_ms == 0)
                return sd_event_source_set_enabled(transfers->kick, SD_EVENT_ONESHOT) < 0 ? -1 : 0;
        (void) sd_event_now(transfers->event, CLOCK_BOOTTIME, &now);
        at = now + (uint64_t) wait_ms * 1000;
        if (at >= transfers->timer_usec)
                return 0;
        transfers->timer_usec = at;
        if (sd_event_source_set_time(transfers->timer, at) < 0 ||
            sd_event_source_set_enabled(transfers->timer, SD_EVENT_ONESHOT) < 0)
                return -1;
        return 0;
}

/* -- from outside ---------------------------------------------------------------------------------- */

struct transfers *transfers_free(struct transfers *transfers) {
        if (!transfers)
                return NULL;
        transfers->closing = true;
        (void) sd_event_source_disable_unref(transfers->timer);
        (void) sd_event_source_disable_unref(transfers->kick);
        (void) sd_event_source_disable_unref(transfers->io);
        if (transfers->multi)
                (void) curl_multi_cleanup(transfers->multi);
        if (transfers->epoll >= 0)
                (void) close(transfers->epoll);
        (void) sd_event_unref(transfers->event);
        if (transfers->global)
                curl_global_cleanup();
        free(transfers->watched);
        free(transfers);
        return NULL;
}

static void transfers_freep(struct transfers **transfers) {
        *transfers = transfers_free(*transfers);
}

static int add_sources(struct transfers *transfers) {
        sd_event *event = transfers->event;
        int r = sd_event_add_io(event, &transfers->io, transfers->epoll, EPOLLIN, on_io, transfers);

        if (r >= 0)
                r = sd_event_add_time(event, &transfers->timer, CLOCK_BOOTTIME, UINT64_MAX, 1000,
                                      on_timer, transfers);
        if (r >= 0)
                r = sd_event_source_set_enabled(transfers->timer, SD_EVENT_OFF);
        if (r >= 0)
                r = sd_event_add_defer(event, &transfers->kick, on_kick, transfers);
        if (r >= 0) /* what is added in one turn begins together */
                r = sd_event_source_set_priority(transfers->kick, SD_EVENT_PRIORITY_NORMAL + 1);
        if (r >= 0)
                r = sd_event_source_set_enabled(transfers->kick, SD_EVENT_OFF);
        return r;
}

int transfers_new(sd_event *event, transfer_ended_fn *on_ended, struct transfers **ret) {
        struct transfers *transfers freed_by(transfers_freep) = calloc(1, sizeof(*transfers));
        int r;

        if (!transfers)
                return -ENOMEM;
        transfers->event = sd_event_ref(event);
        transfers->on_ended = on_ended;
        transfers->timer_usec = UINT64_MAX;
        transfers->epoll = epoll_create1(EPOLL_CLOEXEC);
        if (transfers->epoll < 0)
                return -errno;
        if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK)
                return -ENOMEM;
        transfers->global = true;
        transfers->multi = curl_multi_init();
        if (!transfers->multi)
                return -ENOMEM;
        r = add_sources(transfers);
        if (r < 0)
                return r;
        (void) curl_multi_setopt(transfers->multi, CURLMOPT_SOCKETFUNCTION, want_socket);
        (void) curl_multi_setopt(transfers->multi, CURLMOPT_SOCKETDATA, transfers);
        (void) curl_multi_setopt(transfers->multi, CURLMOPT_TIMERFUNCTION, want_timer);
        (void) curl_multi_setopt(transfers->multi, CURLMOPT_TIMERDATA, transfers);
        (void) curl_multi_setopt(transfers->multi, CURLMOPT_MAXCONNECTS, (long) KEPT_CONNECTIONS);
        *ret = give_away(transfers);
        return 0;
}

int transfers_add(struct transfers *transfers, CURL *easy) {
        if (curl_easy_setopt(easy, CURLOPT_SOCKOPTFUNCTION, on_open) != CURLE_OK ||
            curl_easy_setopt(easy, CURLOPT_SOCKOPTDATA, transfers) != CURLE_OK ||
            curl_easy_setopt(easy, CURLOPT_CLOSESOCKETFUNCTION, on_close) != CURLE_OK ||
            curl_easy_setopt(easy, CURLOPT_CLOSESOCKETDATA, transfers) != CURLE_OK)
                return -ENOMEM;
        return curl_multi_add_handle(transfers->multi, easy) == CURLM_OK ? 0 : -ENOMEM;
}

void transfers_remove(struct transfers *transfers, CURL *easy) {
        (void) curl_multi_remove_handle(transfers->multi, easy);
}
