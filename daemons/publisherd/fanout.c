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

void fanout_publish(struct publisherd *daemon, const struct job *job) {
        const struct configuration *configuration = daemon->configuration;
        size_t last = job->words.n - 1;
        const char *bytes = job->words.bytes.data + job->words.ends[last - 1];
        size_t n_bytes = job->n_bytes <= NUDGE_MAX_BYTES ? job->n_bytes : 0;

        for (size_t i = 0; i < configuration->n_channels && i < 64; i++) {
                const char *name = configuration->channels[i].name;

                if (!(job->channels & UINT64_C(1) << i))
                        continue;
                /* A full buffer drops the rest of this message: it is only a nudge. */
                if (zmq_send(daemon->fanout, name, strlen(name) + 1, ZMQ_SNDMORE | ZMQ_DONTWAIT) < 0)
                        continue;
                (void) zmq_send(daemon->fanout, job->region->code, 6, ZMQ_SNDMORE | ZMQ_DONTWAIT);
                (void) zmq_send(daemon->fanout, job->ev_key, strlen(job->ev_key),
                                ZMQ_SNDMORE | ZMQ_DONTWAIT);
                (void) zmq_send(daemon->fanout, bytes, n_bytes, ZMQ_DONTWAIT);
        }
}

void fanout_close(struct publisherd *daemon) {
        if (daemon->fanout)
                (void) zmq_close(daemon->fanout);
        daemon->fanout = NULL;
}
