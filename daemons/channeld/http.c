/* HTTP: what a request asks for, and what of the answer the driver gets to see. */
#include "daemons/channeld/channeld.h"

#include <curl/curl.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/crash.h"
#include "core/memory.h"
#include "core/messages.h"
#include "core/transfer.h"

/* So much of a reply is kept for the driver unless it asks for more; a reply beyond the second
 * figure is cut off, which CURLOPT_MAXFILESIZE would not do for a chunked one. */
enum { KEEP_BYTES = 64 << 10, MOST_BYTES = 1 << 20, KEEP_MOST = 16 << 20 };

enum { MOST_HEADERS = 32, MOST_METHOD = 16 };

struct http {
        struct transfers *transfers;
        struct transfer *idle; /* ended, to be used again */
};

/* libcurl's handle with what belongs to it. It is used again and again: to make one and to set all
 * its options costs more than to post a small event by it. */
struct transfer {
        struct transfer *next; /* in the list of the idle ones */
        struct attempt *attempt;
        CURL *easy;
        struct curl_slist headers[MOST_HEADERS]; /* of the attempt's request, which they borrow */
        char *url, method[MOST_METHOD];          /* what the handle is set to; "" = to nothing yet */
        bool posts, repeatable;
        struct buf reply;
        size_t n_received, keep;
        char *retry_after;
        char error[CURL_ERROR_SIZE];
};

static void transfer_free(struct transfer *transfer) {
        curl_easy_cleanup(transfer->easy);
        buf_done(&transfer->reply);
        free(transfer->url);
        free(transfer->retry_after);
        free(transfer);
}

/* Forgets the request and the reply; what the handle is set to stays. */
static void transfer_clear(struct transfer *transfer) {
        transfer->attempt = NULL;
        transfer->n_received = 0;
        transfer->error[0] = '\0';
        free(give_away(transfer->retry_after));
        if (transfer->reply.allocated > KEEP_BYTES / 8)
                buf_done(&transfer->reply);
        buf_reset(&transfer->reply);
}

/* -- one transfer ----------------------------------------------------------------------------------- */

static bool is_too_much(const struct transfer *transfer) {
        return transfer->n_received > (transfer->keep > MOST_BYTES ? transfer->keep : MOST_BYTES);
}

static size_t on_body(char *bytes, size_t size, size_t n, void *userdata) {
        struct transfer *transfer = userdata;
        size_t n_bytes = size * n;

        transfer->n_received += n_bytes;
        if (is_too_much(transfer))
                return 0; /* ends the transfer */
        if (transfer->reply.len < transfer->keep) {
                size_t room = transfer->keep - transfer->reply.len;

                buf_add(&transfer->reply, bytes, n_bytes < room ? n_bytes : room);
        }
        return n_bytes;
}

static size_t on_header(char *bytes, size_t size, size_t n, void *userdata) {
        static const char name[] = "retry-after:";
        struct transfer *transfer = userdata;
        size_t n_bytes = size * n, at = sizeof(name) - 1;

        crash_point("channeld/reply-begun");
        if (n_bytes > at && strncasecmp(bytes, name, at) == 0 && !transfer->retry_after) {
                while (at < n_bytes && (bytes[at] == ' ' || bytes[at] == '\t'))
                        at++;
                while (n_bytes > at && (bytes[n_bytes - 1] == '\n' || bytes[n_bytes - 1] == '\r'))
                        n_bytes--;
                transfer->retry_after = strndup(bytes + at, n_bytes - at < 64 ? n_bytes - at : 64);
        }
        return size * n;
}

#ifdef GONGKAI_CRASHPOINTS
/* libcurl tells of a body when it has left. */
static int on_debug(CURL *easy, curl_infotype what, char *bytes, size_t n_bytes, void *userdata) {
        (void) easy;
        (void) bytes;
        (void) userdata;
        if (what == CURLINFO_DATA_OUT && n_bytes > 0)
                crash_point("channeld/request-sent");
        return 0;
}
#endif

static struct reply transfer_reply(struct transfer *transfer, CURLcode result) {
        struct reply reply = { .kind = STEP_HTTP };
        long request_bytes = 0;
        curl_off_t body_bytes = 0;

        (void) curl_easy_getinfo(transfer->easy, CURLINFO_REQUEST_SIZE, &request_bytes);
        (void) curl_easy_getinfo(transfer->easy, CURLINFO_SIZE_UPLOAD_T, &body_bytes);
        reply.http.sent = request_bytes > 0 || body_bytes > 0;
        if (result == CURLE_OK || (result == CURLE_WRITE_ERROR && is_too_much(transfer)))
                (void) curl_easy_getinfo(transfer->easy, CURLINFO_RESPONSE_CODE, &reply.http.status);
        reply.http.body = buf_text(&transfer->reply);
        reply.http.n_body = transfer->reply.len;
        reply.http.retry_after = transfer->retry_after;
        if (reply.http.status == 0)
                reply.http.error =
                        transfer->error[0] ? transfer->error : curl_easy_strerror(result);
        return reply;
}

static void transfer_rest(struct http *http, struct transfer *transfer) {
        transfer_clear(transfer);
        transfer->next = http->idle;
        http->idle = transfer;
}

static void on_ended(CURL *easy, CURLcode result, void *userdata) {
        struct transfer *transfer = userdata;
        struct attempt *attempt = transfer->attempt;
        struct http *http = attempt->daemon->http;
        struct reply reply = transfer_reply(transfer, result);

        (void) easy;
        attempt->transfer = NULL;
        crash_point("channeld/reply-read");
        if (result == CURLE_ABORTED_BY_CALLBACK && !reply.http.sent) /* on_request() said no */
                attempt_not_sent(attempt);
        else
                attempt_replied(attempt, &reply);
        transfer_rest(http, transfer);
}

#define SET(option, value) (r = r == CURLE_OK ? curl_easy_setopt(easy, option, value) : r)

/* What is the same for all requests of this form. */
/* The connection stands, and the request leaves now: a process that stood still since it began must
 * not send what another has taken over. */
static int on_request(void *userdata, char *peer, char *own, int peer_port, int own_port) {
        const struct transfer *transfer = userdata;

        (void) peer;
        (void) own;
        (void) peer_port;
        (void) own_port;
        if (transfer->attempt && !lease_may_send(transfer->attempt->lease))
                return CURL_PREREQFUNC_ABORT;
        return CURL_PREREQFUNC_OK;
}

static CURLcode set_form(struct transfer *transfer, const struct channeld *daemon,
                         const struct http_request *request) {
        long timeout_ms = (long) daemon->channel->timeout_ms;
        CURL *easy = transfer->easy;
        CURLcode r = CURLE_OK;

        curl_easy_reset(easy);
        free(give_away(transfer->url));
        transfer->method[0] = '\0';
        SET(CURLOPT_PRIVATE, transfer);
        SET(CURLOPT_ERRORBUFFER, transfer->error);
        SET(CURLOPT_NOSIGNAL, 1L);
        SET(CURLOPT_PROTOCOLS_STR, "http,https");
        SET(CURLOPT_FOLLOWLOCATION, 0L);
        SET(CURLOPT_PROXY, "");
        SET(CURLOPT_SSL_VERIFYPEER, 1L);
        SET(CURLOPT_SSL_VERIFYHOST, 2L);
        SET(CURLOPT_SSLVERSION, (long) CURL_SSLVERSION_TLSv1_2);
        if (getenv("SSL_CERT_FILE")) /* as OpenSSL's own programs take it; diagnose does the same */
                SET(CURLOPT_CAINFO, getenv("SSL_CERT_FILE"));
        SET(CURLOPT_CONNECTTIMEOUT_MS, timeout_ms < 5000 ? timeout_ms : 5000L);
        SET(CURLOPT_TIMEOUT_MS, timeout_ms);
        SET(CURLOPT_QUICK_EXIT, 1L); /* a stalled resolver must not stall the loop */
        SET(CURLOPT_USERAGENT, "gongkai/" GONGKAI_VERSION);
        SET(CURLOPT_CUSTOMREQUEST, request->method);
        SET(CURLOPT_WRITEFUNCTION, on_body);
        SET(CURLOPT_WRITEDATA, transfer);
        SET(CURLOPT_HEADERFUNCTION, on_header);
        SET(CURLOPT_HEADERDATA, transfer);
        SET(CURLOPT_PREREQFUNCTION, on_request);
        SET(CURLOPT_PREREQDATA, transfer);
#ifdef GONGKAI_CRASHPOINTS
        SET(CURLOPT_VERBOSE, 1L);
        SET(CURLOPT_DEBUGFUNCTION, on_debug);
#endif
        if (transfer->posts)
                SET(CURLOPT_POST, 1L);
        if (!request->repeatable) {
                /* libcurl sends a POST again by itself when a reused connection dies early. */
                SET(CURLOPT_FRESH_CONNECT, 1L);
                SET(CURLOPT_FORBID_REUSE, 1L);
        }
        if (r == CURLE_OK)
                (void) snprintf(transfer->method, sizeof(transfer->method), "%s", request->method);
        return r;
}

static CURLcode set_url(struct transfer *transfer, const char *url) {
        CURL *easy = transfer->easy;
        CURLcode r = CURLE_OK;

        if (transfer->url && strcmp(transfer->url, url) == 0)
                return CURLE_OK;
        free(transfer->url);
        transfer->url = strdup(url);
        if (!transfer->url)
                return CURLE_OUT_OF_MEMORY;
        SET(CURLOPT_URL, url);
        return r;
}

static bool set_options(struct transfer *transfer, const struct channeld *daemon,
                        const struct http_request *request) {
        size_t n_body;
        const char *body = http_request_body(request, &n_body);
        bool posts = n_body > 0 || strcmp(request->method, "POST") == 0;
        CURL *easy = transfer->easy;
        CURLcode r = CURLE_OK;
        size_t n = 0;

        for (; request->headers && request->headers[n]; n++) {
                if (n == MOST_HEADERS)
                        return false;
                transfer->headers[n].data = request->headers[n];
                transfer->headers[n].next = request->headers[n + 1] ? &transfer->headers[n + 1] : NULL;
        }
        if (strcmp(transfer->method, request->method) != 0 || transfer->posts != posts ||
            transfer->repeatable != request->repeatable) {
                transfer->posts = posts;
                transfer->repeatable = request->repeatable;
                r = set_form(transfer, daemon, request);
        }
        if (r == CURLE_OK)
                r = set_url(transfer, request->url);
        SET(CURLOPT_HTTPHEADER, n > 0 ? transfer->headers : NULL);
        if (posts) {
                SET(CURLOPT_POSTFIELDS, body);
                SET(CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t) n_body);
        }
        return r == CURLE_OK;
}
#undef SET

/* One that rests, or a new one. */
static struct transfer *transfer_new(struct channeld *daemon, const struct http_request *request) {
        struct http *http = daemon->http;
        struct transfer *transfer = http ? http->idle : NULL;

        if (transfer)
                http->idle = transfer->next;
        else
                transfer = calloc(1, sizeof(*transfer));
        if (!transfer)
                return NULL;
        transfer->keep = request->keep == 0          ? KEEP_BYTES
                         : request->keep < KEEP_MOST ? request->keep
                                                     : KEEP_MOST;
        if ((transfer->easy || (transfer->easy = curl_easy_init()) != NULL) &&
            set_options(transfer, daemon, request))
                return transfer;
        transfer_free(transfer);
        return NULL;
}

int http_start(struct attempt *attempt, const struct http_request *request) {
        struct transfer *transfer = transfer_new(attempt->daemon, request);

        if (!transfer)
                return -ENOMEM;
        transfer->attempt = attempt;
        if (transfers_add(attempt->daemon->http->transfers, transfer->easy) < 0) {
                transfer_free(transfer);
                return -ENOMEM;
        }
        attempt->transfer = transfer;
        return 0;
}

bool http_cut(struct attempt *attempt) {
        struct transfer *transfer = attempt->transfer;
        bool sent = transfer_reply(transfer, CURLE_ABORTED_BY_CALLBACK).http.sent;

        transfers_remove(attempt->daemon->http->transfers, transfer->easy);
        transfer_free(transfer);
        attempt->transfer = NULL;
        return sent;
}

/* What `--test` tells of the exchange, whatever the driver makes of it. */
static void note_tried(struct channeld *daemon, CURL *easy, const struct http_reply *reply) {
        curl_off_t took_us = 0;

        (void) curl_easy_getinfo(easy, CURLINFO_TOTAL_TIME_T, &took_us);
        free(daemon->tried.error);
        daemon->tried.any = true;
        daemon->tried.status = reply->status;
        daemon->tried.took_ms = took_us / 1000;
        daemon->tried.error = reply->error ? strdup(reply->error) : NULL;
}

struct transfer *http_hear(struct channeld *daemon, const struct http_request *request,
                           struct reply *ret) {
        struct transfer *transfer = transfer_new(daemon, request);

        if (transfer) {
                *ret = transfer_reply(transfer, curl_easy_perform(transfer->easy));
                note_tried(daemon, transfer->easy, &ret->http);
        }
        return transfer;
}

void http_forget(struct transfer *transfer) {
        transfer_free(transfer);
}

int http_run(struct channeld *daemon, const struct http_request *request,
             const struct delivery *delivery, step_next_fn *next, struct step *ret) {
        struct reply reply;
        struct transfer *transfer = http_hear(daemon, request, &reply);
        int r = transfer ? next(delivery, &reply, ret) : -ENOMEM;

        if (transfer)
                http_forget(transfer);
        return r;
}

int http_open(struct channeld *daemon) {
        daemon->http = calloc(1, sizeof(*daemon->http));
        if (!daemon->http)
                return -ENOMEM;
        return transfers_new(daemon->event, on_ended, &daemon->http->transfers);
}

void http_drop_idle(struct channeld *daemon) {
        while (daemon->http && daemon->http->idle) {
                struct transfer *transfer = daemon->http->idle;

                daemon->http->idle = transfer->next;
                transfer_free(transfer);
        }
}

void http_close(struct channeld *daemon) {
        if (!daemon->http)
                return;
        for (struct attempt *attempt = daemon->attempts; attempt; attempt = attempt->next) {
                if (!attempt->transfer)
                        continue;
                transfers_remove(daemon->http->transfers, attempt->transfer->easy);
                transfer_free(attempt->transfer);
                attempt->transfer = NULL;
        }
        http_drop_idle(daemon);
        (void) transfers_free(daemon->http->transfers);
        free(daemon->http);
        daemon->http = NULL;
}
