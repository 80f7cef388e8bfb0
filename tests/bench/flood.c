/* Many events through the door, as fast as the windows of a few emitters let them. Prints counts,
 * the rate and how long an event waited for its last word, as one JSON object.
 *
 * Every emitter is a DEALER of its own with up to `window` events open. With --resend it keeps the
 * rules for emitters: what was busy, or got no answer in --patience ms, is sent again as the same
 * bytes until it is taken. With --rate so many new events go out each second, and no more. Each event
 * carries the moment of its first sending ("。@MICROSECONDS。", CLOCK_MONOTONIC) for tests/bench/sink.
 * Exit 1 when an event was refused or stayed without an answer. */
#include <errno.h>
#include <getopt.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <zmq.h>

#include "core/buf.h"
#include "core/clock.h"
#include "core/memory.h"
#include "core/moment.h"

enum { MOST_EMITTERS = 64, MOST_WINDOW = 4096, LEAST_BYTES = 700 };

struct letter {
        unsigned number;
        int64_t first_us, sent_ms, due_ms; /* due_ms: when to send again */
};

struct emitter {
        void *socket;
        struct letter *sent;  /* a ring: sent, in the order of sending */
        unsigned at, n_sent;
        struct letter *again; /* busy, not sent again yet */
        unsigned n_again;
};

struct flood {
        const char *door, *prefix, *source, *item;
        unsigned n_events, n_emitters, window, n_bytes, rate, patience_ms;
        bool resend;

        void *zmq;
        struct emitter emitters[MOST_EMITTERS];
        char time[MOMENT_TEXT];
        int64_t began_us;
        unsigned next, n_closed; /* closed: the last word on it was heard */
        unsigned accepted, duplicate, busy, other, reopened, unanswered;
        uint32_t *waits_us; /* of what was accepted */
};

static void die(const char *what) {
        (void) fprintf(stderr, "flood: %s: %s\n", what, zmq_strerror(errno));
        exit(1);
}

static int64_t now_us(void) {
        struct timespec now;

        (void) clock_gettime(CLOCK_MONOTONIC, &now);
        return (int64_t) now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

static void emitter_open(struct flood *flood, struct emitter *emitter) {
        int linger = 0, hwm = 0;

        if (emitter->socket)
                (void) zmq_close(emitter->socket);
        emitter->socket = zmq_socket(flood->zmq, ZMQ_DEALER);
        if (!emitter->socket ||
            zmq_setsockopt(emitter->socket, ZMQ_LINGER, &linger, sizeof(linger)) < 0 ||
            zmq_setsockopt(emitter->socket, ZMQ_SNDHWM, &hwm, sizeof(hwm)) < 0 ||
            zmq_setsockopt(emitter->socket, ZMQ_RCVHWM, &hwm, sizeof(hwm)) < 0 ||
            zmq_connect(emitter->socket, flood->door) < 0)
                die(flood->door);
}

/* No two events are alike in content: the door would say so of each. */
static void write_event(const struct flood *flood, const struct letter *letter, struct buf *buf) {
        static const char filler[] = "各乡镇人民政府，市直各部门：现将有关事项通知如下，请认真贯彻执行。";
        static const char ending[] = "\"}}}";
        unsigned number = letter->number;
        size_t room;

        buf_reset(buf);
        buf_fmt(buf,
                "{\"specversion\":\"1.0\",\"type\":\"cn.gongkai.disclosure.publish.v1\","
                "\"source\":\"%s\",\"id\":\"%s-%u\",\"time\":\"%s\","
                "\"datacontenttype\":\"application/json\",\"data\":{\"document\":\"%s-%u\","
                "\"item\":\"%s\",\"title\":\"关于第%u号事项的通告\","
                "\"publisher\":{\"name\":\"腾冲市人民政府办公室\"},\"dates\":{\"formed\":\"2026-11-20\"},"
                "\"body\":{\"format\":\"text\",\"content\":\"第%u号。@%lld。",
                flood->source, flood->prefix, number, flood->time, flood->prefix, number, flood->item,
                number, number, (long long) letter->first_us);
        while (buf->len + sizeof(ending) - 1 < flood->n_bytes) {
                room = flood->n_bytes - buf->len - (sizeof(ending) - 1);
                /* Whole characters of three bytes, then ASCII, to the very byte. */
                if (room < 3)
                        buf_char(buf, '.');
                else
                        buf_add(buf, filler, room < sizeof(filler) - 1 ? room / 3 * 3
                                                                       : sizeof(filler) - 1);
        }
        buf_str(buf, ending);
}

static void emitter_send(struct flood *flood, struct emitter *emitter, struct letter letter) {
        static struct buf buf;

        write_event(flood, &letter, &buf);
        if (buf.error || zmq_send(emitter->socket, "", 0, ZMQ_SNDMORE) < 0 ||
            zmq_send(emitter->socket, buf.data, buf.len, 0) < 0)
                die("send");
        letter.sent_ms = clock_boot_ms();
        emitter->sent[(emitter->at + emitter->n_sent++) % flood->window] = letter;
}

static bool may_begin(const struct flood *flood) {
        if (flood->next == flood->n_events)
                return false;
        return flood->rate == 0 ||
               (now_us() - flood->began_us) * flood->rate >= (int64_t) flood->next * 1000000;
}

/* What is due again goes first; then new events, until the window is full. */
static void emitter_fill(struct flood *flood, struct emitter *emitter) {
        int64_t now = clock_boot_ms();

        for (unsigned i = 0; i < emitter->n_again;) {
                struct letter letter = emitter->again[i];

                if (letter.due_ms > now) {
                        i++;
                        continue;
                }
                emitter->again[i] = emitter->again[--emitter->n_again];
                emitter_send(flood, emitter, letter);
        }
        while (emitter->n_sent + emitter->n_again < flood->window && may_begin(flood))
                emitter_send(flood, emitter,
                             (struct letter) { .number = flood->next++, .first_us = now_us() });
}

static struct letter emitter_take(const struct flood *flood, struct emitter *emitter) {
        struct letter letter = emitter->sent[emitter->at];

        emitter->at = (emitter->at + 1) % flood->window;
        emitter->n_sent--;
        return letter;
}

static void emitter_lost(struct flood *flood, struct emitter *emitter, struct letter letter) {
        if (flood->resend) {
                letter.due_ms = 0;
                emitter->again[emitter->n_again++] = letter;
        } else {
                flood->unanswered++;
                flood->n_closed++;
        }
}

static bool is_answer_to(const struct flood *flood, const char *reply, struct letter letter) {
        char id[128];

        (void) snprintf(id, sizeof(id), "\"id\":\"%s-%u\"", flood->prefix, letter.number);
        return strstr(reply, id) != NULL;
}

static void emitter_answered(struct flood *flood, struct emitter *emitter, const char *reply) {
        const char *status = strstr(reply, "\"status\":\""), *after;
        struct letter letter = { 0 };

        /* Answers are in order: what was sent before this one got lost with a connection. */
        while (emitter->n_sent > 0) {
                letter = emitter_take(flood, emitter);
                if (is_answer_to(flood, reply, letter))
                        break;
                emitter_lost(flood, emitter, letter);
                letter.sent_ms = 0;
        }
        if (letter.sent_ms == 0 || !status) {
                (void) fprintf(stderr, "flood: not an answer to anything asked: %.300s\n", reply);
                exit(1);
        }
        status += strlen("\"status\":\"");
        if (strncmp(status, "busy\"", 5) == 0) {
                flood->busy++;
                if (flood->resend) {
                        after = strstr(reply, "\"retry_after_ms\":");
                        letter.due_ms = clock_boot_ms() +
                                        (after ? strtol(after + 17, NULL, 10) : 500);
                        emitter->again[emitter->n_again++] = letter;
                        return;
                }
        } else if (strncmp(status, "accepted\"", 9) == 0)
                flood->waits_us[flood->accepted++] = (uint32_t) (now_us() - letter.first_us);
        else if (strncmp(status, "duplicate\"", 10) == 0)
                flood->duplicate++;
        else if (flood->other++ == 0)
                (void) fprintf(stderr, "flood: %.300s\n", reply);
        flood->n_closed++;
}

static void emitter_read(struct flood *flood, struct emitter *emitter) {
        char reply[4096];

        for (;;) {
                int n = zmq_recv(emitter->socket, reply, sizeof(reply), ZMQ_DONTWAIT);

                if (n < 0 && errno == EAGAIN)
                        return;
                if (n < 0)
                        die("receive");
                if (n == 0) /* the delimiter */
                        continue;
                reply[n < (int) sizeof(reply) ? n : (int) sizeof(reply) - 1] = '\0';
                emitter_answered(flood, emitter, reply);
        }
}

/* No answer: a new socket, and the same bytes again. */
static void emitter_patience(struct flood *flood, struct emitter *emitter) {
        if (emitter->n_sent == 0 || clock_boot_ms() - emitter->sent[emitter->at].sent_ms < flood->patience_ms)
                return;
        emitter_open(flood, emitter);
        flood->reopened++;
        while (emitter->n_sent > 0)
                emitter_lost(flood, emitter, emitter_take(flood, emitter));
}

static void flood_run(struct flood *flood) {
        zmq_pollitem_t items[MOST_EMITTERS] = { 0 };

        while (flood->n_closed < flood->n_events) {
                for (unsigned i = 0; i < flood->n_emitters; i++) {
                        emitter_patience(flood, &flood->emitters[i]);
                        emitter_fill(flood, &flood->emitters[i]);
                        items[i].socket = flood->emitters[i].socket;
                        items[i].events = ZMQ_POLLIN;
                }
                if (zmq_poll(items, (int) flood->n_emitters, flood->rate ? 1 : 20) < 0 && errno != EINTR)
                        die("poll");
                for (unsigned i = 0; i < flood->n_emitters; i++)
                        if (items[i].revents)
                                emitter_read(flood, &flood->emitters[i]);
        }
}

static int by_size(const void *a, const void *b) {
        uint32_t x = *(const uint32_t *) a, y = *(const uint32_t *) b;

        return (x > y) - (x < y);
}

static double wait_ms(const struct flood *flood, double part) {
        if (flood->accepted == 0)
                return 0;
        return flood->waits_us[(size_t) (part * (flood->accepted - 1))] / 1000.0;
}

static void flood_print(struct flood *flood, double seconds) {
        qsort(flood->waits_us, flood->accepted, sizeof(*flood->waits_us), by_size);
        (void) printf("{\"began_us\":%lld,\"events\":%u,\"accepted\":%u,\"duplicate\":%u,\"busy\":%u,\"other\":%u,"
                      "\"unanswered\":%u,\"reopened\":%u,\"seconds\":%.3f,\"rate\":%.0f,"
                      "\"p50_ms\":%.2f,\"p99_ms\":%.2f,\"max_ms\":%.2f}\n",
                      (long long) flood->began_us, flood->n_events, flood->accepted, flood->duplicate, flood->busy, flood->other,
                      flood->unanswered, flood->reopened, seconds,
                      seconds > 0 ? flood->accepted / seconds : 0, wait_ms(flood, 0.5),
                      wait_ms(flood, 0.99), wait_ms(flood, 1));
}

static unsigned number_of(const char *text, unsigned least, unsigned most) {
        char *end;
        unsigned long number = strtoul(text, &end, 10);

        if (*end || end == text || number < least || number > most) {
                (void) fprintf(stderr, "flood: %s is not a number from %u to %u\n", text, least, most);
                exit(2);
        }
        return (unsigned) number;
}

static void read_arguments(struct flood *flood, int argc, char **argv) {
        static const struct option options[] = {
                { "door", required_argument, NULL, 'd' },
                { "events", required_argument, NULL, 'e' },
                { "emitters", required_argument, NULL, 'm' },
                { "window", required_argument, NULL, 'w' },
                { "bytes", required_argument, NULL, 'b' },
                { "prefix", required_argument, NULL, 'p' },
                { "source", required_argument, NULL, 's' },
                { "item", required_argument, NULL, 'i' },
                { "rate", required_argument, NULL, 'a' },
                { "patience", required_argument, NULL, 't' },
                { "resend", no_argument, NULL, 'r' },
                { 0 },
        };
        int option;

        while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
                switch (option) {
                case 'd': flood->door = optarg; break;
                case 'e': flood->n_events = number_of(optarg, 1, 100000000); break;
                case 'm': flood->n_emitters = number_of(optarg, 1, MOST_EMITTERS); break;
                case 'w': flood->window = number_of(optarg, 1, MOST_WINDOW); break;
                case 'b': flood->n_bytes = number_of(optarg, LEAST_BYTES, 1 << 20); break;
                case 'p': flood->prefix = optarg; break;
                case 's': flood->source = optarg; break;
                case 'i': flood->item = optarg; break;
                case 'a': flood->rate = number_of(optarg, 1, 1000000); break;
                case 't': flood->patience_ms = number_of(optarg, 10, 600000); break;
                case 'r': flood->resend = true; break;
                default: exit(2);
                }
        }
        if (optind < argc || strlen(flood->prefix) > 64) {
                (void) fprintf(stderr, "flood: see the options in tests/bench/flood.c\n");
                exit(2);
        }
}

int main(int argc, char **argv) {
        struct flood flood = {
                .door = "ipc:///run/gongkai/publish", .prefix = "flood",
                .source = "urn:gongkai:530581:flood", .item = "aqsc.0402",
                .n_events = 10000, .n_emitters = 4, .window = 256, .n_bytes = 2048,
                .patience_ms = 10000,
        };

        read_arguments(&flood, argc, argv);
        (void) moment_write(clock_now_ms(), flood.time);
        flood.zmq = zmq_ctx_new();
        flood.waits_us = calloc(flood.n_events, sizeof(*flood.waits_us));
        if (!flood.zmq || !flood.waits_us)
                die("start");
        for (unsigned i = 0; i < flood.n_emitters; i++) {
                struct emitter *emitter = &flood.emitters[i];

                emitter->sent = calloc(flood.window, sizeof(*emitter->sent));
                emitter->again = calloc(flood.window, sizeof(*emitter->again));
                if (!emitter->sent || !emitter->again)
                        die("start");
                emitter_open(&flood, emitter);
        }
        flood.began_us = now_us();
        flood_run(&flood);
        flood_print(&flood, (double) (now_us() - flood.began_us) / 1e6);
        for (unsigned i = 0; i < flood.n_emitters; i++) {
                (void) zmq_close(flood.emitters[i].socket);
                free(flood.emitters[i].sent);
                free(flood.emitters[i].again);
        }
        (void) zmq_ctx_term(flood.zmq);
        free(flood.waits_us);
        return flood.other || flood.unanswered ? 1 : 0;
}
