/* An endpoint that is faster than its clients: one thread, HTTP/1.1 with keep-alive, an answer of
 * nothing but a status. It counts what it sees, by Idempotency-Key, and tells it when asked:
 *
 *         sink [PORT]           prints the port that it listens on, at 127.0.0.1
 *         GET /figures          one JSON object, see write_figures()
 *         GET /reset?fail=5&stamps=1&after=US   forgets everything; from now on 5 of 100 answers are
 *                               500, the events' stamps are read, and the first event that was
 *                               stamped at US or later is noted
 *         GET /fail?fail=0      from now on so many of 100 are 500; forgets nothing
 *
 * Anything else is a delivery. A delivery without a key is answered and not counted by key. */
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "core/buf.h"
#include "core/memory.h"

enum { EVENTS = 512, READ_BYTES = 64 << 10, MOST_REQUEST = 4 << 20, KEPT_WAITS = 1 << 20 };

struct client {
        int fd;
        char *data;
        size_t n, allocated;
};

/* The keys that were seen, by their hash; the lowest bit: answered 200. Open addressing. */
struct keys {
        uint64_t *slots;
        size_t n, allocated;
};

struct sink {
        int epoll, listener;
        struct keys keys;
        unsigned fail;
        bool stamps;
        int64_t after_us;

        uint64_t requests, ok, failed, doubled, connections;
        int64_t first_us, last_us;                /* of what was answered 200 */
        int64_t last_new_us;                      /* when a key came for the first time last */
        uint64_t ok_at_last_new;                  /* how many had been answered 200 by then */
        int64_t first_after_us;                   /* see after_us */
        uint32_t *waits_us;                       /* stamp to arrival, of what was answered 200 */
        size_t n_waits;
        uint64_t random;
};

static const char answer_ok[] = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";
static const char answer_failed[] =
        "HTTP/1.1 500 Internal Server Error\r\nContent-Length: 0\r\n\r\n";

static void die(const char *what) {
        (void) fprintf(stderr, "sink: %s: %s\n", what, strerror(errno));
        exit(1);
}

static int64_t now_us(void) {
        struct timespec now;

        (void) clock_gettime(CLOCK_MONOTONIC, &now);
        return (int64_t) now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

/* -- what was seen ----------------------------------------------------------------------------------- */

static uint64_t hash_of(const char *text, size_t n) {
        uint64_t hash = n, part;

        for (; n > 0; text += part, n -= part) {
                uint64_t word = 0;

                part = n < 8 ? n : 8;
                memcpy(&word, text, part);
                hash = (hash ^ word) * UINT64_C(0x9e3779b97f4a7c15);
                hash ^= hash >> 29;
        }
        return (hash | 2) & ~UINT64_C(1); /* never 0, the lowest bit free */
}

static uint64_t *keys_find(struct keys *keys, uint64_t hash) {
        size_t at = hash >> 2 & (keys->allocated - 1);

        while (keys->slots[at] && (keys->slots[at] & ~UINT64_C(1)) != hash)
                at = (at + 1) & (keys->allocated - 1);
        return &keys->slots[at];
}

static void keys_grow(struct keys *keys) {
        struct keys more = { .n = keys->n, .allocated = keys->allocated ? keys->allocated * 2 : 1 << 16 };

        more.slots = calloc(more.allocated, sizeof(*more.slots));
        if (!more.slots)
                die("keys");
        for (size_t i = 0; i < keys->allocated; i++)
                if (keys->slots[i])
                        *keys_find(&more, keys->slots[i] & ~UINT64_C(1)) = keys->slots[i];
        free(keys->slots);
        *keys = more;
}

static void count_key(struct sink *sink, const char *key, size_t n, bool ok, int64_t now) {
        uint64_t hash = hash_of(key, n), *slot;

        if (sink->keys.n * 2 >= sink->keys.allocated)
                keys_grow(&sink->keys);
        slot = keys_find(&sink->keys, hash);
        if (!*slot) {
                *slot = hash;
                sink->keys.n++;
                sink->last_new_us = now;
                sink->ok_at_last_new = sink->ok + ok;
        }
        sink->doubled += ok && (*slot & 1);
        *slot |= ok;
}

/* The emitter wrote the moment into the text: "。@1234567。". */
static void count_stamp(struct sink *sink, const char *body, size_t n, int64_t now) {
        static const char mark[] = "。@";
        const char *at = memmem(body, n, mark, sizeof(mark) - 1);
        int64_t stamp = at ? strtoll(at + sizeof(mark) - 1, NULL, 10) : 0;

        if (stamp == 0)
                return;
        if (stamp >= sink->after_us && sink->first_after_us == 0)
                sink->first_after_us = now;
        if (sink->n_waits < KEPT_WAITS)
                sink->waits_us[sink->n_waits++] = (uint32_t) (now - stamp);
}

static bool shall_fail(struct sink *sink) {
        if (sink->fail == 0)
                return false;
        sink->random ^= sink->random << 13;
        sink->random ^= sink->random >> 7;
        sink->random ^= sink->random << 17;
        return sink->random % 10000 < (uint64_t) sink->fail * 100;
}

/* -- what is told ------------------------------------------------------------------------------------ */

static int by_size(const void *a, const void *b) {
        uint32_t x = *(const uint32_t *) a, y = *(const uint32_t *) b;

        return (x > y) - (x < y);
}

static double wait_ms(const struct sink *sink, double part) {
        return sink->n_waits ? sink->waits_us[(size_t) (part * (double) (sink->n_waits - 1))] / 1000.0 : 0;
}

static void write_figures(struct sink *sink, struct buf *out) {
        struct buf text freed_by(buf_done) = { 0 };

        qsort(sink->waits_us, sink->n_waits, sizeof(*sink->waits_us), by_size);
        buf_fmt(&text,
                "{\"requests\":%llu,\"ok\":%llu,\"failed\":%llu,\"keys\":%zu,\"doubled\":%llu,"
                "\"connections\":%llu,\"first_us\":%lld,\"last_us\":%lld,\"last_new_us\":%lld,"
                "\"ok_at_last_new\":%llu,\"first_after_us\":%lld,\"now_us\":%lld,\"waits\":%zu,"
                "\"p50_ms\":%.3f,\"p99_ms\":%.3f,\"max_ms\":%.3f}",
                (unsigned long long) sink->requests, (unsigned long long) sink->ok,
                (unsigned long long) sink->failed, sink->keys.n, (unsigned long long) sink->doubled,
                (unsigned long long) sink->connections, (long long) sink->first_us,
                (long long) sink->last_us, (long long) sink->last_new_us,
                (unsigned long long) sink->ok_at_last_new, (long long) sink->first_after_us,
                (long long) now_us(), sink->n_waits, wait_ms(sink, 0.5), wait_ms(sink, 0.99),
                wait_ms(sink, 1));
        buf_fmt(out, "HTTP/1.1 200 OK\r\nContent-Length: %zu\r\n\r\n%s", text.len, buf_text(&text));
}

static int64_t parameter(const char *path, size_t n, const char *name) {
        const char *at = memmem(path, n, name, strlen(name));

        return at ? strtoll(at + strlen(name), NULL, 10) : 0;
}

static void reset(struct sink *sink, const char *path, size_t n) {
        free(sink->keys.slots);
        sink->keys = (struct keys) { 0 };
        keys_grow(&sink->keys);
        sink->fail = (unsigned) parameter(path, n, "fail=");
        sink->stamps = parameter(path, n, "stamps=") > 0;
        sink->after_us = parameter(path, n, "after=");
        sink->requests = sink->ok = sink->failed = sink->doubled = sink->ok_at_last_new = 0;
        sink->first_us = sink->last_us = sink->last_new_us = sink->first_after_us = 0;
        sink->n_waits = 0;
        sink->random = UINT64_C(88172645463325252);
}

/* -- requests ---------------------------------------------------------------------------------------- */

struct request {
        const char *path, *key, *body;
        size_t n_path, n_key, n_body, n_all;
};

/* Whether a whole request stands at `data`. Reads only what it needs: the two headers, by their
 * first letters. */
static bool request_read(const char *data, size_t n, struct request *ret) {
        const char *end = memmem(data, n, "\r\n\r\n", 4), *at = end ? memchr(data, '\r', n) : NULL;
        const char *blank = at ? memchr(data, ' ', (size_t) (at - data)) : NULL;

        *ret = (struct request) { 0 };
        if (!blank)
                return false;
        ret->path = blank + 1;
        ret->n_path = (size_t) (at - ret->path);
        while (at < end) {
                const char *line = at + 2, *next = memchr(line, '\r', (size_t) (end - line) + 1);

                switch (*line | 0x20) {
                case 'c':
                        if (strncasecmp(line, "content-length:", 15) == 0)
                                ret->n_body = strtoul(line + 15, NULL, 10);
                        break;
                case 'i':
                        if (strncasecmp(line, "idempotency-key:", 16) == 0) {
                                ret->key = line + 16 + strspn(line + 16, " ");
                                ret->n_key = (size_t) (next - ret->key);
                        }
                        break;
                default:
                        break;
                }
                at = next;
        }
        ret->body = end + 4;
        ret->n_all = (size_t) (ret->body - data) + ret->n_body;
        return ret->n_all <= n;
}

static void answer(struct sink *sink, const struct request *request, struct buf *out) {
        bool ok;
        int64_t now;

        if (request->n_path > 8 && strncmp(request->path, "/figures", 8) == 0) {
                write_figures(sink, out);
                return;
        }
        if (request->n_path > 6 && strncmp(request->path, "/reset", 6) == 0) {
                reset(sink, request->path, request->n_path);
                buf_add(out, answer_ok, sizeof(answer_ok) - 1);
                return;
        }
        if (request->n_path > 5 && strncmp(request->path, "/fail?", 6) == 0) {
                sink->fail = (unsigned) parameter(request->path, request->n_path, "fail=");
                buf_add(out, answer_ok, sizeof(answer_ok) - 1);
                return;
        }
        now = now_us();
        ok = !shall_fail(sink);
        if (request->key)
                count_key(sink, request->key, request->n_key, ok, now);
        sink->requests++;
        if (!ok) {
                sink->failed++;
                buf_add(out, answer_failed, sizeof(answer_failed) - 1);
                return;
        }
        sink->ok++;
        sink->last_us = now;
        if (sink->first_us == 0)
                sink->first_us = now;
        if (sink->stamps)
                count_stamp(sink, request->body, request->n_body, now);
        buf_add(out, answer_ok, sizeof(answer_ok) - 1);
}

static void client_close(struct client *client) {
        (void) close(client->fd);
        free(client->data);
        free(client);
}

/* Everything that is there; false when the connection is over. */
static bool client_read(struct sink *sink, struct client *client) {
        static struct buf out;
        struct request request;
        size_t at = 0;
        ssize_t n;

        if (client->allocated - client->n < READ_BYTES) {
                size_t allocated = client->allocated ? client->allocated * 2 : 2 * READ_BYTES;
                char *data = allocated <= MOST_REQUEST ? realloc(client->data, allocated) : NULL;

                if (!data)
                        return false;
                client->data = data;
                client->allocated = allocated;
        }
        n = read(client->fd, client->data + client->n, READ_BYTES);
        if (n <= 0)
                return n < 0 && (errno == EAGAIN || errno == EINTR);
        client->n += (size_t) n;
        buf_reset(&out);
        while (at < client->n && request_read(client->data + at, client->n - at, &request)) {
                answer(sink, &request, &out);
                at += request.n_all;
        }
        memmove(client->data, client->data + at, client->n - at);
        client->n -= at;
        /* The answers of what was just read fit into any socket's buffer. */
        return out.len == 0 || (!out.error && write(client->fd, out.data, out.len) == (ssize_t) out.len);
}

static void accept_client(struct sink *sink) {
        struct epoll_event event = { .events = EPOLLIN };
        struct client *client;
        int fd = accept4(sink->listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC), on = 1;

        if (fd < 0)
                return;
        client = calloc(1, sizeof(*client));
        if (!client)
                die("client");
        client->fd = fd;
        event.data.ptr = client;
        (void) setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
        if (epoll_ctl(sink->epoll, EPOLL_CTL_ADD, fd, &event) < 0)
                die("epoll");
        sink->connections++;
}

static void sink_listen(struct sink *sink, uint16_t port) {
        struct sockaddr_in address = { .sin_family = AF_INET, .sin_port = htons(port),
                                       .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
        struct epoll_event event = { .events = EPOLLIN, .data.ptr = NULL };
        socklen_t n = sizeof(address);
        int on = 1;

        sink->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        if (sink->listener < 0 ||
            setsockopt(sink->listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) < 0 ||
            bind(sink->listener, (struct sockaddr *) &address, n) < 0 ||
            listen(sink->listener, 1024) < 0 ||
            getsockname(sink->listener, (struct sockaddr *) &address, &n) < 0)
                die("listen");
        sink->epoll = epoll_create1(EPOLL_CLOEXEC);
        if (sink->epoll < 0 || epoll_ctl(sink->epoll, EPOLL_CTL_ADD, sink->listener, &event) < 0)
                die("epoll");
        (void) printf("%u\n", ntohs(address.sin_port));
        (void) fflush(stdout);
}

int main(int argc, char **argv) {
        struct sink sink = { 0 };
        struct epoll_event events[EVENTS];

        sink.waits_us = calloc(KEPT_WAITS, sizeof(*sink.waits_us));
        if (!sink.waits_us)
                die("start");
        reset(&sink, "", 0);
        sink_listen(&sink, argc > 1 ? (uint16_t) strtoul(argv[1], NULL, 10) : 0);
        for (;;) {
                int n = epoll_wait(sink.epoll, events, EVENTS, -1);

                for (int i = 0; i < n; i++) {
                        if (!events[i].data.ptr)
                                accept_client(&sink);
                        else if (!client_read(&sink, events[i].data.ptr))
                                client_close(events[i].data.ptr);
                }
        }
}
