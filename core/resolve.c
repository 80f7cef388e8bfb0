/* A transfer that would only connect: when libcurl has the address and asks for a socket, it gets
 * none. */
#include "core/resolve.h"

#include <curl/curl.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core/buf.h"
#include "core/memory.h"
#include "core/transfer.h"

struct resolver {
        struct transfers *transfers;
        struct query *first;
};

struct query {
        struct resolver *resolver;
        struct query *next, *previous;
        CURL *easy;
        struct sockaddr_storage address;
        socklen_t n_address; /* 0: none yet */
        resolved_fn *on_resolved;
        void *userdata;
        char error[CURL_ERROR_SIZE];
};

static curl_socket_t on_socket(void *userdata, curlsocktype purpose, struct curl_sockaddr *found) {
        struct query *query = userdata;

        (void) purpose;
        if (query->n_address == 0 && found->addrlen <= sizeof(query->address)) {
                memcpy(&query->address, &found->addr, found->addrlen);
                query->n_address = found->addrlen;
        }
        return CURL_SOCKET_BAD;
}

static void query_free(struct query *query) {
        if (query->previous)
                query->previous->next = query->next;
        else
                query->resolver->first = query->next;
        if (query->next)
                query->next->previous = query->previous;
        curl_easy_cleanup(query->easy);
        free(query);
}

static void on_ended(CURL *easy, CURLcode result, void *userdata) {
        struct query *query = userdata;
        struct sockaddr_storage address = query->address;
        socklen_t n = query->n_address;
        resolved_fn *on_resolved = query->on_resolved;
        void *of = query->userdata;
        char error[CURL_ERROR_SIZE];

        (void) easy;
        (void) snprintf(error, sizeof(error), "%s",
                        query->error[0] ? query->error : curl_easy_strerror(result));
        query_free(query);
        on_resolved(n > 0 ? (const struct sockaddr *) &address : NULL, n, n > 0 ? NULL : error, of);
}

int resolver_new(sd_event *event, struct resolver **ret) {
        struct resolver *resolver = calloc(1, sizeof(*resolver));
        int r;

        if (!resolver)
                return -ENOMEM;
        r = transfers_new(event, on_ended, &resolver->transfers);
        if (r < 0) {
                free(resolver);
                return r;
        }
        *ret = resolver;
        return 0;
}

struct resolver *resolver_free(struct resolver *resolver) {
        if (!resolver)
                return NULL;
        while (resolver->first)
                resolver_cancel(resolver->first);
        (void) transfers_free(resolver->transfers);
        free(resolver);
        return NULL;
}

static CURLcode set_up(struct query *query, const char *url, int64_t timeout_ms) {
        CURLcode r = curl_easy_setopt(query->easy, CURLOPT_URL, url);

#define SET(option, value) (r = r == CURLE_OK ? curl_easy_setopt(query->easy, option, value) : r)
        SET(CURLOPT_PRIVATE, query);
        SET(CURLOPT_ERRORBUFFER, query->error);
        SET(CURLOPT_NOSIGNAL, 1L);
        SET(CURLOPT_PROXY, "");
        SET(CURLOPT_CONNECT_ONLY, 1L);
        SET(CURLOPT_FRESH_CONNECT, 1L);
        SET(CURLOPT_QUICK_EXIT, 1L);
        SET(CURLOPT_TIMEOUT_MS, (long) timeout_ms);
        SET(CURLOPT_OPENSOCKETFUNCTION, on_socket);
        SET(CURLOPT_OPENSOCKETDATA, query);
#undef SET
        return r;
}

int resolver_ask(struct resolver *resolver, const char *host, uint16_t port, int64_t timeout_ms,
                 resolved_fn *on_resolved, void *userdata, struct query **ret) {
        struct query *query = calloc(1, sizeof(*query));
        struct buf url freed_by(buf_done) = { 0 };

        if (!query)
                return -ENOMEM;
        query->resolver = resolver;
        query->on_resolved = on_resolved;
        query->userdata = userdata;
        query->easy = curl_easy_init();
        query->next = resolver->first;
        if (query->next)
                query->next->previous = query;
        resolver->first = query;
        buf_fmt(&url, strchr(host, ':') ? "http://[%s]:%u/" : "http://%s:%u/", host, (unsigned) port);
        if (!query->easy || url.error || set_up(query, buf_text(&url), timeout_ms) != CURLE_OK ||
            transfers_add(resolver->transfers, query->easy) < 0) {
                query_free(query);
                return -ENOMEM;
        }
        *ret = query;
        return 0;
}

void resolver_cancel(struct query *query) {
        if (!query)
                return;
        transfers_remove(query->resolver->transfers, query->easy);
        query_free(query);
}
