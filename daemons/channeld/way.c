/* The way to one address, each step by itself, so that the one that fails is named: libcurl would
 * only say that it could not connect. */
#include <curl/curl.h>
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "core/clock.h"
#include "core/memory.h"
#include "core/network.h"
#include "daemons/channeld/report.h"

enum { MOST_ADDRESSES = 16 };

struct place {
        char *host, *port; /* the host without brackets */
        bool tls;
};

static void place_done(struct place *place) {
        free(place->host);
        free(place->port);
}

static void curl_url_cleanupp(CURLU **url) {
        curl_url_cleanup(*url);
}

static char *part_of(CURLU *url, CURLUPart part, unsigned flags) {
        char *curls = NULL, *text = NULL;

        if (curl_url_get(url, part, &curls, flags) == CURLUE_OK)
                text = strdup(curls);
        curl_free(curls);
        return text;
}

static bool is_one_of(const char *word, const char *const *words) {
        for (; *words; words++)
                if (strcmp(word, *words) == 0)
                        return true;
        return false;
}

/* A port that is not written is the scheme's; mqtts is none that libcurl knows. */
static bool place_read(const char *address, struct place *ret) {
        static const char *const encrypted[] = { "https", "mqtts", "ssl", "tls", "wss", NULL };
        CURLU *url freed_by(curl_url_cleanupp) = curl_url();
        struct buf text freed_by(buf_done) = { 0 };
        char *scheme freed_by(freep) = NULL;
        size_t n;

        buf_fmt(&text, "%s%s", strstr(address, "://") ? "" : "tcp://", address);
        if (!url || curl_url_set(url, CURLUPART_URL, buf_text(&text), CURLU_NON_SUPPORT_SCHEME) != CURLUE_OK)
                return false;
        scheme = part_of(url, CURLUPART_SCHEME, 0);
        ret->host = part_of(url, CURLUPART_HOST, 0);
        ret->port = part_of(url, CURLUPART_PORT, CURLU_DEFAULT_PORT);
        if (!scheme || !ret->host)
                return false;
        ret->tls = is_one_of(scheme, encrypted);
        if (!ret->port && strncmp(scheme, "mqtt", 4) == 0)
                ret->port = strdup(ret->tls ? "8883" : "1883");
        n = strlen(ret->host);
        if (n > 2 && ret->host[0] == '[' && ret->host[n - 1] == ']') {
                memmove(ret->host, ret->host + 1, n - 2);
                ret->host[n - 2] = '\0';
        }
        return ret->port != NULL;
}

/* -- DNS -- */

static void freeaddrinfop(struct addrinfo **list) {
        if (*list)
                freeaddrinfo(*list);
}

static const char *milliseconds(int64_t ms, char ret[static 24]) {
        (void) snprintf(ret, 24, "%lld", (long long) ms);
        return ret;
}

static bool look_up(struct report *report, const struct place *place, struct addrinfo **ret) {
        struct addrinfo hints = { .ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM,
                                  .ai_flags = AI_NUMERICHOST | AI_NUMERICSERV };
        struct buf addresses freed_by(buf_done) = { 0 };
        json_t *list = json_array();
        int64_t begun_ms = clock_boot_ms();
        char text[ADDRESS_TEXT], took[24];
        int r = getaddrinfo(place->host, place->port, &hints, ret);

        if (r == 0) {
                json_decref(list);
                report_step(report, "dns", MESSAGE_DIAGNOSE_DNS, DIAGNOSIS_WELL, NULL,
                            MESSAGE_DIAGNOSE_DNS_NUMERIC, "host", place->host, NULL);
                return true;
        }
        hints.ai_flags = AI_NUMERICSERV;
        r = getaddrinfo(place->host, place->port, &hints, ret);
        if (r != 0) {
                bool unknown = r == EAI_NONAME || r == EAI_NODATA;

                *ret = NULL;
                json_decref(list);
                report_step(report, "dns", MESSAGE_DIAGNOSE_DNS, DIAGNOSIS_FAILED, NULL,
                            unknown ? MESSAGE_DIAGNOSE_DNS_UNKNOWN : MESSAGE_DIAGNOSE_DNS_AWAY,
                            "host", place->host, "reason", gai_strerror(r), NULL);
                return false;
        }
        for (const struct addrinfo *at = *ret; at; at = at->ai_next) {
                (void) json_array_append_new(list, json_string(address_text(at->ai_addr, text)));
                buf_fmt(&addresses, "%s%s", addresses.len ? ", " : "", text);
        }
        report_step(report, "dns", MESSAGE_DIAGNOSE_DNS, DIAGNOSIS_WELL,
                    json_pack("{s:o}", "addresses", list), MESSAGE_DIAGNOSE_DNS_WELL, "host",
                    place->host, "addresses", buf_text(&addresses), "ms",
                    milliseconds(clock_boot_ms() - begun_ms, took), NULL);
        return true;
}

/* -- TCP -- */

/* A connected, non-blocking socket, or a negative errno. */
static int connect_to(const struct addrinfo *at, int64_t wait_ms) {
        int fd = socket(at->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
        int64_t until = clock_boot_ms() + wait_ms;
        int error = 0, r;
        socklen_t n = sizeof(error);

        if (fd < 0)
                return -errno;
        if (connect(fd, at->ai_addr, at->ai_addrlen) == 0)
                return fd;
        error = errno;
        if (error == EINPROGRESS) {
                struct pollfd one = { .fd = fd, .events = POLLOUT };

                do {
                        int64_t left = until - clock_boot_ms();

                        r = poll(&one, 1, left > 0 ? (int) left : 0);
                } while (r < 0 && errno == EINTR);
                error = ETIMEDOUT;
                if (r > 0 && getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &n) < 0)
                        error = errno;
        }
        if (error == 0)
                return fd;
        (void) close(fd);
        return -error;
}

static void tell_failure(struct report *report, const struct place *place, const char *address,
                         int error, int64_t wait_ms) {
        enum message message = error == -ECONNREFUSED ? MESSAGE_DIAGNOSE_TCP_REFUSED
                               : error == -ETIMEDOUT  ? MESSAGE_DIAGNOSE_TCP_SILENT
                                                      : MESSAGE_DIAGNOSE_TCP_FAILED;
        char waited[24];

        report_step(report, "tcp", MESSAGE_DIAGNOSE_TCP, DIAGNOSIS_FAILED,
                    json_pack("{s:s, s:s, s:i}", "address", address, "port", place->port, "errno",
                              -error),
                    message, "address", address, "port", place->port, "reason", strerror(-error), "ms",
                    milliseconds(wait_ms, waited), NULL);
}

/* What an allow-list needs. Behind NAT the world sees another address than we do. */
static void tell_outgoing(struct report *report, int fd, const struct sockaddr *peer) {
        struct sockaddr_storage own = { 0 };
        const struct sockaddr *ours = (const struct sockaddr *) &own;
        socklen_t n = sizeof(own);
        char text[ADDRESS_TEXT];
        bool private;

        if (getsockname(fd, (struct sockaddr *) &own, &n) < 0)
                return;
        private = !address_is_public(ours);
        report_step(report, "outgoing", MESSAGE_DIAGNOSE_OUTGOING, DIAGNOSIS_WELL,
                    json_pack("{s:s, s:b}", "address", address_text(ours, text), "private", private),
                    !private                  ? MESSAGE_DIAGNOSE_OUTGOING_PUBLIC
                    : address_is_public(peer) ? MESSAGE_DIAGNOSE_OUTGOING_NAT
                                              : MESSAGE_DIAGNOSE_OUTGOING_INSIDE,
                    "address", text, NULL);
}

/* The first address that answers, as libcurl takes it; one before it that does not costs time. */
static int reach(struct report *report, const struct place *place, const struct addrinfo *list,
                 int64_t wait_ms) {
        struct buf others freed_by(buf_done) = { 0 };
        char text[ADDRESS_TEXT] = "", took[24];
        int64_t begun_ms = 0;
        int fd = -EADDRNOTAVAIL, n = 0;
        const struct addrinfo *at;

        for (at = list; at && n < MOST_ADDRESSES; at = at->ai_next, n++) {
                begun_ms = clock_boot_ms();
                fd = connect_to(at, wait_ms);
                (void) address_text(at->ai_addr, text);
                if (fd >= 0)
                        break;
                if (at->ai_next)
                        buf_fmt(&others, "%s%s", others.len ? ", " : "", text);
        }
        if (fd < 0) {
                tell_failure(report, place, text, fd, wait_ms);
                return fd;
        }
        report_step(report, "tcp", MESSAGE_DIAGNOSE_TCP,
                    others.len ? DIAGNOSIS_WARNING : DIAGNOSIS_WELL,
                    json_pack("{s:s, s:s}", "address", text, "port", place->port),
                    others.len ? MESSAGE_DIAGNOSE_TCP_PARTLY : MESSAGE_DIAGNOSE_TCP_WELL, "address",
                    text, "port", place->port, "other", buf_text(&others), "ms",
                    milliseconds(clock_boot_ms() - begun_ms, took), NULL);
        tell_outgoing(report, fd, at->ai_addr);
        return fd;
}

bool way_walk(struct report *report, const char *address, int64_t wait_ms) {
        struct place place freed_by(place_done) = { 0 };
        struct addrinfo *list freed_by(freeaddrinfop) = NULL;
        bool well;
        int fd;

        if (!place_read(address, &place)) {
                report_step(report, "dns", MESSAGE_DIAGNOSE_DNS, DIAGNOSIS_FAILED, NULL,
                            MESSAGE_DIAGNOSE_BAD_ADDRESS, "address", address, NULL);
                return false;
        }
        if (!look_up(report, &place, &list))
                return false;
        fd = reach(report, &place, list, wait_ms);
        if (fd < 0)
                return false;
        well = !place.tls || certificate_look(report, fd, place.host, wait_ms);
        (void) close(fd);
        return well;
}
