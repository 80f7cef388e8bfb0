/* HTTP: what a request asks for, and what of the answer the driver gets to see. */
#include "daemons/channeld/channeld.h"

#include <curl/curl.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core/memory.h"
#include "core/messages.h"
#include "core/transfer.h"

/* So much of a reply is kept for the driver; a reply beyond the second figure is cut off, which
 * CURLOPT_MAXFILESIZE would not do for a chunked one. */
enum { KEEP_BYTES = 64 << 10, MOST_BYTES = 1 << 20 };

struct http {
        struct transfers *transfers;
};

struct transfer {
        struct attempt *attempt;
        CURL *easy;
        struct curl_slist *headers;
        struct buf reply;
        size_t n_received;
        char *retry_after;
        char error[CURL_ERROR_SIZE];
};

static void transfer_free(struct transfer *transfer) {
        curl_easy_cleanup(transfer->easy);
        curl_slist_free_all(transfer->headers);
        buf_done(&transfer->reply);
        free(transfer->retry_after);
        free(transfer);
}

/* -- one transfer ----------------------------------------------------------------------------------- */

static size_t on_body(char *bytes, size_t size, size_t n, void *userdata) {
        struct transfer *transfer = userdata;
        size_t n_bytes = size * n;

        transfer->n_received += n_bytes;
        if (transfer->n_received > MOST_BYTES)
                return 0; /* ends the transfer */
        if (transfer->reply.len < KEEP_BYTES) {
                size_t room = KEEP_BYTES - transfer->reply.len;

                buf_add(&transfer->reply, bytes, n_bytes < room ? n_bytes : room);
        }
        return n_bytes;
}

static size_t on_header(char *bytes, size_t size, size_t n, void *userdata) {
        static const char name[] = "retry-after:";
        struct transfer *transfer = userdata;
        size_t n_bytes = size * n, at = sizeof(name) - 1;

        if (n_bytes > at && strncasecmp(bytes, name, at) == 0 && !transfer->retry_after) {
                while (at < n_bytes && (bytes[at] == ' ' || bytes[at] == '\t'))
                        at++;
                while (n_bytes > at && (bytes[n_bytes - 1] == '\n' || bytes[n_bytes - 1] == '\r'))
                        n_bytes--;
                transfer->retry_after = strndup(bytes + at, n_bytes - at < 64 ? n_bytes - at : 64);
        }
        return size * n;
}

static struct reply transfer_reply(struct transfer *transfer, CURLcode result) {
        struct reply reply = { .kind = STEP_HTTP };
        long request_bytes = 0;
        curl_off_t body_bytes = 0;

        (void) curl_easy_getinfo(transfer->easy, CURLINFO_REQUEST_SIZE, &request_bytes);
        (void) curl_easy_getinfo(transfer->easy, CURLINFO_SIZE_UPLOAD_T, &body_bytes);
        reply.http.sent = request_bytes > 0 || body_bytes > 0;
        if (result == CURLE_OK || (result == CURLE_WRITE_ERROR && transfer->n_received > MOST_BYTES))
                (void) curl_easy_getinfo(transfer->easy, CURLINFO_RESPONSE_CODE, &reply.http.status);
        reply.http.body = buf_text(&transfer->reply);
        reply.http.n_body = transfer->reply.len;
        reply.http.retry_after = transfer->retry_after;
        if (reply.http.status == 0)
                reply.http.error =
                        transfer->error[0] ? transfer->error : curl_easy_strerror(result);
        return reply;
}

static void on_ended(CURL *easy, CURLcode result, void *userdata) {
        struct transfer *transfer = userdata;
        struct attempt *attempt = transfer->attempt;
        struct reply reply = transfer_reply(transfer, result);

        (void) easy;
        attempt->transfer = NULL;
        attempt_replied(attempt, &reply);
        transfer_free(transfer);
}

static bool set_options(struct transfer *transfer, const struct channeld *daemon,
                        const struct http_request *request) {
        long timeout_ms = (long) daemon->channel->timeout_ms;
        CURL *easy = transfer->easy;
        CURLcode r = CURLE_OK;

#define SET(option, value) (r = r == CURLE_OK ? curl_easy_setopt(easy, option, value) : r)
        SET(CURLOPT_URL, request->url);
        SET(CURLOPT_PRIVATE, transfer);
        SET(CURLOPT_ERRORBUFFER, transfer->error);
        SET(CURLOPT_NOSIGNAL, 1L);
        SET(CURLOPT_PROTOCOLS_STR, "http,https");
        SET(CURLOPT_FOLLOWLOCATION, 0L);
        SET(CURLOPT_PROXY, "");
        SET(CURLOPT_SSL_VERIFYPEER, 1L);
        SET(CURLOPT_SSL_VERIFYHOST, 2L);
        SET(CURLOPT_SSLVERSION, (long) CURL_SSLVERSION_TLSv1_2);
        SET(CURLOPT_CONNECTTIMEOUT_MS, timeout_ms < 5000 ? timeout_ms : 5000L);
        SET(CURLOPT_TIMEOUT_MS, timeout_ms);
        SET(CURLOPT_QUICK_EXIT, 1L); /* a stalled resolver must not stall the loop */
        SET(CURLOPT_USERAGENT, "gongkai/" GONGKAI_VERSION);
        SET(CURLOPT_HTTPHEADER, transfer->headers);
        SET(CURLOPT_CUSTOMREQUEST, request->method);
        if (request->body.len > 0 || strcmp(request->method, "POST") == 0) {
                SET(CURLOPT_POST, 1L);
                SET(CURLOPT_POSTFIELDS, buf_text(&request->body));
                SET(CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t) request->body.len);
        }
        SET(CURLOPT_WRITEFUNCTION, on_body);
        SET(CURLOPT_WRITEDATA, transfer);
        SET(CURLOPT_HEADERFUNCTION, on_header);
        SET(CURLOPT_HEADERDATA, transfer);
        if (!request->repeatable) {
                /* libcurl sends a POST again by itself when a reused connection dies early. */
                SET(CURLOPT_FRESH_CONNECT, 1L);
                SET(CURLOPT_FORBID_REUSE, 1L);
        }
#undef SET
        return r == CURLE_OK;
}

static struct transfer *transfer_new(const struct channeld *daemon,
                                     const struct http_request *request) {
        struct transfer *transfer = calloc(1, sizeof(*transfer));
        bool well = transfer && (transfer->easy = curl_easy_init()) != NULL;

        for (size_t i = 0; well && request->headers && request->headers[i]; i++) {
                struct curl_slist *more = curl_slist_append(transfer->headers, request->headers[i]);

                well = more != NULL;
                transfer->headers = more ? more : transfer->headers;
        }
        if (well && set_options(transfer, daemon, request))
                return transfer;
        if (transfer)
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

        (void) curl_multi_remove_handle(attempt->daemon->http->multi, transfer->easy);
        transfer_free(transfer);
        attempt->transfer = NULL;
        return sent;
}

int http_run(struct channeld *daemon, const struct http_request *request,
             const struct delivery *delivery, struct step *ret) {
        struct transfer *transfer = transfer_new(daemon, request);
        struct reply reply;
        int r;

        if (!transfer)
                return -ENOMEM;
        reply = transfer_reply(transfer, curl_easy_perform(transfer->easy));
        r = daemon->driver->next(delivery, &reply, ret);
        transfer_free(transfer);
        return r;
}

int http_open(struct channeld *daemon) {
        daemon->http = calloc(1, sizeof(*daemon->http));
        if (!daemon->http)
                return -ENOMEM;
        return transfers_new(daemon->event, on_ended, &daemon->http->transfers);
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
        (void) transfers_free(daemon->http->transfers);
        free(daemon->http);
        daemon->http = NULL;
}
