/* The nudge brings an event's bytes right behind its commit. They wait in a small cache until the
 * store says that they are due here; what finds no room in it is fetched from the store. */
#include "daemons/channeld/channeld.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <zmq.h>

#include "core/clock.h"
#include "core/memory.h"

enum { CACHE_SLOTS = 512, CACHE_BYTES = 4 << 20, FAIR_SHARE = 128, KEPT_MS = 10000 };

/* One event's bytes: region, blank, EVID, NUL, and the bytes, in one piece of memory. */
struct cached {
        char *data; /* NULL: the slot is free */
        size_t n_name, n;
        uint32_t hash;
        int64_t until_boot_ms;
};

struct nudge {
        void *zmq, *socket;
        void *monitor; /* says when the connection came about anew */
        sd_event_source *io, *again, *watch;
        struct cached slots[CACHE_SLOTS];
        size_t at, n_used, n_bytes; /* at: where a free slot is looked for first */
        int64_t swept_boot_ms;
};

static void slot_clear(struct nudge *nudge, struct cached *slot) {
        if (!slot->data)
                return;
        nudge->n_bytes -= slot->n;
        nudge->n_used--;
        free(slot->data);
        *slot = (struct cached) { 0 };
}

static uint32_t hash_of(uint32_t hash, const char *text, size_t n) {
        for (size_t i = 0; i < n; i++)
                hash = (hash ^ (unsigned char) text[i]) * 16777619u;
        return hash;
}

static uint32_t hash_of_name(const char *region, size_t n_region, const char *evid, size_t n_evid) {
        return hash_of(hash_of(2166136261u, region, n_region), evid, n_evid);
}

/* What nobody asked for in ten seconds goes; looked for once a second at most. */
static void cache_sweep(struct nudge *nudge, int64_t now) {
        if (now < nudge->swept_boot_ms + 1000)
                return;
        nudge->swept_boot_ms = now;
        for (size_t i = 0; i < CACHE_SLOTS; i++)
                if (nudge->slots[i].until_boot_ms <= now)
                        slot_clear(nudge, &nudge->slots[i]);
}

/* When it is full the new ones go by: they are behind in the queue too, and to copy what is thrown
 * away again costs more than to fetch it. */
static void cache_put(struct nudge *nudge, const char *region, size_t n_region, const char *evid,
                      size_t n_evid, const void *bytes, size_t n) {
        size_t n_name = n_region + n_evid + 1;
        int64_t now = clock_boot_ms();
        struct cached *slot;

        if (n == 0 || n > CACHE_BYTES / 8)
                return;
        if (nudge->n_used == CACHE_SLOTS || nudge->n_bytes + n > CACHE_BYTES)
                cache_sweep(nudge, now);
        if (nudge->n_used == CACHE_SLOTS || nudge->n_bytes + n > CACHE_BYTES)
                return;
        while (nudge->slots[nudge->at].data)
                nudge->at = (nudge->at + 1) % CACHE_SLOTS;
        slot = &nudge->slots[nudge->at];
        slot->data = malloc(n_name + n + 2);
        if (!slot->data)
                return;
        memcpy(slot->data, region, n_region);
        slot->data[n_region] = ' ';
        memcpy(slot->data + n_region + 1, evid, n_evid);
        slot->data[n_name] = '\0';
        memcpy(slot->data + n_name + 1, bytes, n);
        slot->data[n_name + 1 + n] = '\0';
        slot->n_name = n_name;
        slot->n = n;
        slot->hash = hash_of_name(region, n_region, evid, n_evid);
        slot->until_boot_ms = now + KEPT_MS;
        nudge->n_bytes += n;
        nudge->n_used++;
        nudge->at = (nudge->at + 1) % CACHE_SLOTS;
}

static bool slot_is(const struct cached *slot, uint32_t hash, const char *region, size_t n_region,
                    const char *evid, size_t n_evid) {
        return slot->data && slot->hash == hash && slot->n_name == n_region + 1 + n_evid &&
               memcmp(slot->data, region, n_region) == 0 &&
               memcmp(slot->data + n_region + 1, evid, n_evid) == 0;
}

char *nudge_take(struct channeld *daemon, const char *region, const char *evid, size_t *ret_n) {
        struct nudge *nudge = daemon->nudge;
        size_t n_region = strlen(region), n_evid = strlen(evid);
        uint32_t hash = hash_of_name(region, n_region, evid, n_evid);

        for (size_t i = 0; nudge && i < CACHE_SLOTS; i++) {
                struct cached *slot = &nudge->slots[i];
                char *bytes;

                if (!slot_is(slot, hash, region, n_region, evid, n_evid))
                        continue;
                bytes = give_away(slot->data);
                memmove(bytes, bytes + slot->n_name + 1, slot->n + 1);
                *ret_n = slot->n;
                nudge->n_bytes -= slot->n;
                nudge->n_used--;
                *slot = (struct cached) { 0 };
                return bytes;
        }
        return NULL;
}

/* Frames: topic (the channel's name and a NUL), region, evid, bytes. */
static bool nudge_read(struct channeld *daemon, char region[static 7]) {
        struct nudge *nudge = daemon->nudge;
        zmq_msg_t frames[4];
        size_t n = 0;
        int more = 1;

        while (more) {
                zmq_msg_t frame;

                (void) zmq_msg_init(&frame);
                if (zmq_msg_recv(&frame, nudge->socket, ZMQ_DONTWAIT) < 0) {
                        (void) zmq_msg_close(&frame);
                        break;
                }
                more = zmq_msg_more(&frame);
                if (n < ELEMENTS(frames)) {
                        (void) zmq_msg_init(&frames[n]);
                        (void) zmq_msg_move(&frames[n], &frame);
                }
                n++;
                (void) zmq_msg_close(&frame);
        }
        region[0] = '\0';
        if (n == ELEMENTS(frames) && zmq_msg_size(&frames[1]) == 6) {
                memcpy(region, zmq_msg_data(&frames[1]), 6);
                region[6] = '\0';
                cache_put(nudge, region, 6, zmq_msg_data(&frames[2]), zmq_msg_size(&frames[2]),
                          zmq_msg_data(&frames[3]), zmq_msg_size(&frames[3]));
        }
        for (size_t i = 0; i < n && i < ELEMENTS(frames); i++)
                (void) zmq_msg_close(&frames[i]);
        return n > 0;
}

static int nudge_drain(struct channeld *daemon) {
        char region[7];

        for (unsigned i = 0; i < FAIR_SHARE; i++) {
                if (!nudge_read(daemon, region))
                        return 0;
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
        int fd, linger = 0, hwm = 1000, r;
        size_t n_fd = sizeof(fd);

        if (!nudge)
                return -ENOMEM;
        daemon->nudge = nudge;
        nudge->zmq = zmq_ctx_new();
        nudge->socket = nudge->zmq ? zmq_socket(nudge->zmq, ZMQ_SUB) : NULL;
        if (!nudge->socket ||
            zmq_setsockopt(nudge->socket, ZMQ_LINGER, &linger, sizeof(linger)) < 0 ||
            zmq_setsockopt(nudge->socket, ZMQ_RCVHWM, &hwm, sizeof(hwm)) < 0 ||
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
        for (size_t i = 0; i < CACHE_SLOTS; i++)
                slot_clear(nudge, &nudge->slots[i]);
        free(nudge);
        daemon->nudge = NULL;
}
