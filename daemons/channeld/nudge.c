/* The nudge brings the bytes of a commit's events right behind it. They wait in a small cache until
 * the store says that they are due here; what finds no room in it is fetched from the store. */
#include "daemons/channeld/channeld.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <zmq.h>

#include "core/clock.h"
#include "core/memory.h"
#include "daemons/channeld/cache.h"

/* Messages that wait to be read, of 1 MiB at most (publisherd's are of a third of that); and how
 * many are read before others have their turn. */
enum { WAITING_MESSAGES = 8, MESSAGE_MAX_BYTES = 1 << 20, FAIR_SHARE = 16 };

struct nudge {
        void *zmq, *socket;
        void *monitor; /* says when the connection came about anew */
        sd_event_source *io, *again, *watch;
        struct cache *cache;
};

char *nudge_take(struct channeld *daemon, const char *region, const char *evid, size_t *ret_n,
                 struct held **ret_held) {
        struct cache *cache = daemon->nudge ? daemon->nudge->cache : NULL;

        return cache ? cache_take(cache, region, evid, ret_n, ret_held) : NULL;
}

/* Frames: topic (the channel's name and a NUL), region, parcel. `region` is empty when that is not
 * what came: then nobody knows what it spoke of. */
static bool nudge_read(struct nudge *nudge, char region[static 7]) {
        zmq_msg_t frames[3];
        size_t n = 0;
        int more = 1;

        for (size_t i = 0; i < ELEMENTS(frames); i++)
                (void) zmq_msg_init(&frames[i]);
        while (more) {
                /* What is too many goes over the last, and shows in the number. */
                zmq_msg_t *frame = &frames[n < ELEMENTS(frames) ? n : ELEMENTS(frames) - 1];

                if (zmq_msg_recv(frame, nudge->socket, ZMQ_DONTWAIT) < 0)
                        break;
                more = zmq_msg_more(frame);
                n++;
        }
        memset(region, 0, 7);
        if (n == ELEMENTS(frames) && zmq_msg_size(&frames[1]) == 6) {
                memcpy(region, zmq_msg_data(&frames[1]), 6);
                if (!cache_put(nudge->cache, region, &frames[2], clock_boot_ms()))
                        region[0] = '\0';
        }
        for (size_t i = 0; i < ELEMENTS(frames); i++)
                (void) zmq_msg_close(&frames[i]);
        return n > 0;
}

static int nudge_drain(struct channeld *daemon) {
        char region[7];

        for (unsigned i = 0; i < FAIR_SHARE; i++) {
                if (!nudge_read(daemon->nudge, region))
                        return 0;
                for (size_t k = 0; !region[0] && k < daemon->n_regions; k++)
                        engine_nudged(daemon, daemon->regions[k].code);
                if (region[0])
                        engine_nudged(daemon, region);
        }
        return sd_event_source_set_enabled(daemon->nudge->again, SD_EVENT_ONESHOT);
}

static int nudge_on_io(sd_event_source *source, int fd, uint32_t revents, void *userdata) {
        (void) source;
        (void) fd;
        (void) revents;
        return nudge_drain(userdata);
}

static int nudge_on_again(sd_event_source *source, void *userdata) {
        (void) source;
        return nudge_drain(userdata);
}

/* Each event is two frames: its number (and a value), and the endpoint. */
static bool monitor_read(void *monitor) {
        bool connected = false;
        zmq_msg_t frame;
        int more = 1;

        (void) zmq_msg_init(&frame);
        for (bool first = true; more; first = false) {
                uint16_t number;

                if (zmq_msg_recv(&frame, monitor, ZMQ_DONTWAIT) < 0)
                        break;
                more = zmq_msg_more(&frame);
                if (!first || zmq_msg_size(&frame) < sizeof(number))
                        continue;
                memcpy(&number, zmq_msg_data(&frame), sizeof(number));
                connected = number == ZMQ_EVENT_HANDSHAKE_SUCCEEDED;
        }
        (void) zmq_msg_close(&frame);
        return connected;
}

static int nudge_on_watch(sd_event_source *source, int fd, uint32_t revents, void *userdata) {
        struct channeld *daemon = userdata;
        void *monitor = daemon->nudge->monitor;
        int events;
        size_t n = sizeof(events);

        (void) source;
        (void) fd;
        (void) revents;
        while (zmq_getsockopt(monitor, ZMQ_EVENTS, &events, &n) == 0 && (events & ZMQ_POLLIN))
                if (monitor_read(monitor))
                        engine_subscribed(daemon);
        return 0;
}

static int watch(struct channeld *daemon) {
        struct nudge *nudge = daemon->nudge;
        static const char place[] = "inproc://nudge-monitor";
        size_t n_fd = sizeof(int);
        int fd, r, events;

        if (zmq_socket_monitor(nudge->socket, place, ZMQ_EVENT_HANDSHAKE_SUCCEEDED) < 0)
                return -errno;
        nudge->monitor = zmq_socket(nudge->zmq, ZMQ_PAIR);
        if (!nudge->monitor || zmq_connect(nudge->monitor, place) < 0 ||
            zmq_getsockopt(nudge->monitor, ZMQ_FD, &fd, &n_fd) < 0)
                return -errno;
        /* Only who has looked once and found nothing is told of what comes. */
        (void) zmq_getsockopt(nudge->monitor, ZMQ_EVENTS, &events, &n_fd);
        r = sd_event_add_io(daemon->event, &nudge->watch, fd, EPOLLIN, nudge_on_watch, daemon);
        if (r >= 0)
                r = sd_event_source_set_exit_on_failure(nudge->watch, true);
        /* An inproc pipe rings only for a reader that has found it empty before. */
        return r < 0 ? r : nudge_on_watch(nudge->watch, fd, 0, daemon);
}

int nudge_open(struct channeld *daemon) {
        const char *name = daemon->channel->name;
        struct nudge *nudge = calloc(1, sizeof(*nudge));
        int fd, linger = 0, hwm = WAITING_MESSAGES, r;
        int64_t most = MESSAGE_MAX_BYTES;
        size_t n_fd = sizeof(fd);

        if (!nudge)
                return -ENOMEM;
        daemon->nudge = nudge;
        nudge->cache = cache_new();
        if (!nudge->cache)
                return -ENOMEM;
        nudge->zmq = zmq_ctx_new();
        nudge->socket = nudge->zmq ? zmq_socket(nudge->zmq, ZMQ_SUB) : NULL;
        if (!nudge->socket ||
            zmq_setsockopt(nudge->socket, ZMQ_LINGER, &linger, sizeof(linger)) < 0 ||
            zmq_setsockopt(nudge->socket, ZMQ_RCVHWM, &hwm, sizeof(hwm)) < 0 ||
            zmq_setsockopt(nudge->socket, ZMQ_MAXMSGSIZE, &most, sizeof(most)) < 0 ||
            zmq_setsockopt(nudge->socket, ZMQ_SUBSCRIBE, name, strlen(name) + 1) < 0)
                return -errno;
        r = watch(daemon);
        if (r < 0)
                return r;
        if (zmq_connect(nudge->socket, daemon->configuration->main.events) < 0 ||
            zmq_getsockopt(nudge->socket, ZMQ_FD, &fd, &n_fd) < 0)
                return -errno;
        r = sd_event_add_io(daemon->event, &nudge->io, fd, EPOLLIN, nudge_on_io, daemon);
        if (r >= 0)
                r = sd_event_source_set_exit_on_failure(nudge->io, true);
        if (r >= 0)
                r = sd_event_add_defer(daemon->event, &nudge->again, nudge_on_again, daemon);
        if (r >= 0)
                r = sd_event_source_set_priority(nudge->again, SD_EVENT_PRIORITY_NORMAL + 1);
        return r < 0 ? r : 0;
}

void nudge_close(struct channeld *daemon) {
        struct nudge *nudge = daemon->nudge;

        if (!nudge)
                return;
        (void) sd_event_source_disable_unref(nudge->io);
        (void) sd_event_source_disable_unref(nudge->again);
        (void) sd_event_source_disable_unref(nudge->watch);
        if (nudge->monitor)
                (void) zmq_close(nudge->monitor);
        if (nudge->socket)
                (void) zmq_close(nudge->socket);
        if (nudge->zmq)
                (void) zmq_ctx_term(nudge->zmq);
        cache_free(nudge->cache);
        free(nudge);
        daemon->nudge = NULL;
}
