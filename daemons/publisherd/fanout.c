/* The nudge: what is committed goes out on a PUB socket, topic = channel. Losing it costs time,
 * never the event: the workers look into the store by themselves.
 *
 * A message is [channel, NUL] [region] [parcel]: all events of a batch that go to the same channels
 * are one parcel (core/parcel.h), whose memory these share. */
#include "daemons/publisherd/publisherd.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <zmq.h>

#include "core/memory.h"
#include "core/parcel.h"

/* Longer events are fetched from the store: a nudge should not fill the subscribers' buffers. */
#define EVENT_MAX_BYTES ((size_t) 64 << 10)
/* A full batch of events of 2 KB is one parcel. */
#define PARCEL_MAX_BYTES ((size_t) 320 << 10)

/* Messages that wait for one subscriber that does not read: 20 MiB of them at most. */
enum { WAITING_MESSAGES = 64, MOST_SETS = 16 };

struct news {
        const char *name;
        const void *bytes;
        size_t n_name, n_bytes;
        struct news *next; /* that goes to the same channels */
};

/* The channels of some events, names by comma; and these, in the order of their commit. */
struct set {
        const char *channels;
        size_t n_channels;
        struct news *first, *last;
};

struct fanout {
        void *socket;
        bool half; /* a message has begun and not ended */
        const struct region *region;
        struct news news[BATCH_MAX_EVENTS];
        struct set sets[MOST_SETS];
        size_t n_news, n_sets;
};

int fanout_open(struct publisherd *daemon) {
        int linger = 0, hwm = WAITING_MESSAGES;
        struct fanout *fanout = calloc(1, sizeof(*fanout));

        if (!fanout)
                return -ENOMEM;
        daemon->fanout = fanout;
        fanout->socket = zmq_socket(daemon->zmq, ZMQ_PUB);
        if (!fanout->socket)
                return -errno;
        (void) zmq_setsockopt(fanout->socket, ZMQ_LINGER, &linger, sizeof(linger));
        (void) zmq_setsockopt(fanout->socket, ZMQ_SNDHWM, &hwm, sizeof(hwm));
        return zmq_bind(fanout->socket, daemon->configuration->main.events) < 0 ? -errno : 0;
}

/* -- one message ------------------------------------------------------------------------------- */

static bool send_frame(struct fanout *fanout, const void *data, size_t n, int flags) {
        int r;

        do
                r = zmq_send(fanout->socket, data, n, flags | ZMQ_DONTWAIT);
        while (r < 0 && errno == EINTR);
        return r >= 0;
}

static bool send_shared(struct fanout *fanout, zmq_msg_t *parcel) {
        zmq_msg_t frame;
        int r;

        (void) zmq_msg_init(&frame);
        (void) zmq_msg_copy(&frame, parcel);
        do
                r = zmq_msg_send(&frame, fanout->socket, ZMQ_DONTWAIT);
        while (r < 0 && errno == EINTR);
        if (r < 0)
                (void) zmq_msg_close(&frame);
        return r >= 0;
}

/* A subscriber whose buffer is full loses the whole message, which ZeroMQ decides at its first
 * frame. What failed in between is ended before the next one: its readers see a shape that they do
 * not know. */
static void send_message(struct fanout *fanout, const char *topic, zmq_msg_t *parcel) {
        if (fanout->half && !send_frame(fanout, "", 0, 0))
                return;
        fanout->half = false;
        if (!send_frame(fanout, topic, strlen(topic) + 1, ZMQ_SNDMORE))
                return;
        fanout->half = true;
        if (send_frame(fanout, fanout->region->code, 6, ZMQ_SNDMORE) && send_shared(fanout, parcel))
                fanout->half = false;
}

/* -- parcels ----------------------------------------------------------------------------------- */

static void parcel_done(void *data, void *hint) { /* in a thread of ZeroMQ */
        (void) hint;
        free(data);
}

/* Packs from *news on as many as one parcel holds, and moves on behind them. */
static int pack(const struct news **news, zmq_msg_t *ret) {
        size_t n = PARCEL_HEAD;
        const struct news *end = *news;
        char *data, *at;

        do {
                n += parcel_room(end->n_name, end->n_bytes);
                end = end->next;
        } while (end && n + parcel_room(end->n_name, end->n_bytes) <= PARCEL_MAX_BYTES);
        data = malloc(n);
        if (!data)
                return -ENOMEM;
        for (at = parcel_head(data); *news != end; *news = (*news)->next)
                at = parcel_add(at, (*news)->name, (*news)->n_name, (*news)->bytes,
                                (*news)->n_bytes);
        if (zmq_msg_init_data(ret, data, n, parcel_done, NULL) == 0)
                return 0;
        free(data);
        return -ENOMEM;
}

static void send_set(struct fanout *fanout, const struct set *set) {
        const char *end = set->channels + set->n_channels;
        const struct news *news = set->first;
        zmq_msg_t parcel;

        while (news && pack(&news, &parcel) == 0) {
                for (const char *at = set->channels; at < end;) {
                        const char *comma = memchr(at, ',', (size_t) (end - at));
                        size_t n = (size_t) ((comma ? comma : end) - at);
                        char topic[40] = "";

                        if (n < sizeof(topic)) {
                                memcpy(topic, at, n);
                                send_message(fanout, topic, &parcel);
                        }
                        at += n + 1;
                }
                (void) zmq_msg_close(&parcel);
        }
}

void fanout_send(struct publisherd *daemon) {
        struct fanout *fanout = daemon->fanout;

        for (size_t i = 0; i < fanout->n_sets; i++)
                send_set(fanout, &fanout->sets[i]);
        fanout->n_sets = 0;
        fanout->n_news = 0;
}

/* The set of these channels, mostly the only one; NULL: there is none, and no room for it. */
static struct set *set_of(struct fanout *fanout, const char *channels, size_t n_channels) {
        struct set *set;

        for (size_t i = 0; i < fanout->n_sets; i++) {
                set = &fanout->sets[i];
                if (set->n_channels == n_channels &&
                    memcmp(set->channels, channels, n_channels) == 0)
                        return set;
        }
        if (fanout->n_sets == MOST_SETS)
                return NULL;
        set = &fanout->sets[fanout->n_sets++];
        *set = (struct set) { .channels = channels, .n_channels = n_channels };
        return set;
}

void fanout_add(struct publisherd *daemon, const struct region *region, const char *channels,
                size_t n_channels, const char *ev_key, const void *bytes, size_t n_bytes) {
        struct fanout *fanout = daemon->fanout;
        struct news *news;
        struct set *set;

        if (n_channels == 0)
                return;
        if (fanout->n_news == ELEMENTS(fanout->news) || fanout->region != region)
                fanout_send(daemon);
        fanout->region = region;
        set = set_of(fanout, channels, n_channels);
        if (!set) {
                fanout_send(daemon);
                set = set_of(fanout, channels, n_channels);
        }
        news = &fanout->news[fanout->n_news++];
        *news = (struct news) { .name = ev_key, .n_name = strlen(ev_key), .bytes = bytes,
                                .n_bytes = n_bytes <= EVENT_MAX_BYTES ? n_bytes : 0 };
        if (set->last)
                set->last->next = news;
        else
                set->first = news;
        set->last = news;
}

void fanout_nudge(struct publisherd *daemon, const struct region *region, const char *channels,
                  size_t n_channels, const char *ev_key) {
        fanout_add(daemon, region, channels, n_channels, ev_key, NULL, 0);
        fanout_send(daemon);
}

void fanout_close(struct publisherd *daemon) {
        struct fanout *fanout = daemon->fanout;

        if (!fanout)
                return;
        if (fanout->socket)
                (void) zmq_close(fanout->socket);
        free(fanout);
        daemon->fanout = NULL;
}
