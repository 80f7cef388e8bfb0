/* The nudge: a committed event goes out on a PUB socket, topic = channel. Losing it costs time,
 * never the event: the workers look into the store by themselves. */
#include "daemons/publisherd/publisherd.h"

#include <errno.h>
#include <string.h>
#include <zmq.h>

/* Longer events are fetched from the store: a nudge should not fill the subscribers' buffers. */
#define NUDGE_MAX_BYTES (64 << 10)

int fanout_open(struct publisherd *daemon) {
        int linger = 0, hwm = 4096;

        daemon->fanout = zmq_socket(daemon->zmq, ZMQ_PUB);
        if (!daemon->fanout)
                return -errno;
        (void) zmq_setsockopt(daemon->fanout, ZMQ_LINGER, &linger, sizeof(linger));
        (void) zmq_setsockopt(daemon->fanout, ZMQ_SNDHWM, &hwm, sizeof(hwm));
        return zmq_bind(daemon->fanout, daemon->configuration->main.events) < 0 ? -errno : 0;
}

void fanout_nudge(struct publisherd *daemon, const struct region *region, const char *channels,
                  size_t n_channels, const char *ev_key, const void *bytes, size_t n_bytes) {
        if (n_bytes > NUDGE_MAX_BYTES)
                n_bytes = 0;
        for (const char *at = channels, *end = channels + n_channels; at < end;) {
                const char *comma = memchr(at, ',', (size_t) (end - at));
                size_t n = (size_t) ((comma ? comma : end) - at);
                char topic[40] = "";

                if (n < sizeof(topic))
                        memcpy(topic, at, n);
                at += n + 1;
                /* A full buffer drops the rest of this message: it is only a nudge. */
                if (zmq_send(daemon->fanout, topic, strlen(topic) + 1, ZMQ_SNDMORE | ZMQ_DONTWAIT) < 0)
                        continue;
                (void) zmq_send(daemon->fanout, region->code, 6, ZMQ_SNDMORE | ZMQ_DONTWAIT);
                (void) zmq_send(daemon->fanout, ev_key, strlen(ev_key), ZMQ_SNDMORE | ZMQ_DONTWAIT);
                (void) zmq_send(daemon->fanout, bytes, n_bytes, ZMQ_DONTWAIT);
        }
}

void fanout_close(struct publisherd *daemon) {
        if (daemon->fanout)
                (void) zmq_close(daemon->fanout);
        daemon->fanout = NULL;
}
