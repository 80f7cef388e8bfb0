/* HTTP by libcurl's multi interface on the process' sd-event loop. */
#include "daemons/channeld/channeld.h"

#include <curl/curl.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core/crash.h"
#include "core/memory.h"
#include "core/messages.h"

/* So much of a reply is kept for the driver; a reply beyond the second figure is cut off, which
 * CURLOPT_MAXFILESIZE would not do for a chunked one. */
enum { KEEP_BYTES = 64 << 10, MOST_BYTES = 1 << 20 };

struct http {
        struct channeld *daemon;
        CURLM *multi;
        sd_event_source *timer;
        bool closing;
};

struct transfer {
        struct attempt *attempt;
        CURL *easy;
        struct curl_slist *headers;
        struct buf reply;
        size_t n_received;
        char *retry_after;
        bool sent; /* for a crash point */
        char error[CURL_ERROR_SIZE];
};

static void transfer_free(struct transfer *transfer) {
        curl_easy_cleanup(transfer->easy);
        curl_slist_free_all(transfer->headers);
        buf_done(&transfer->reply);
        free(transfer->retry_after);
        free(transfer);
}

/* -- the loop ------------------------------------------------------------------------------------- */

static void http_collect(struct http *http);

#ifdef GONGKAI_CRASHPOINTS
static void requests_sent(const struct http *http) {
        for (struct attempt *attempt = http->daemon->attempts; attempt; attempt = attempt->next) {
                long n_bytes = 0;

                if (!attempt->transfer || attempt->transfer->sent)
                        continue;
                (void) curl_easy_getinfo(attempt->transfer->easy, CURLINFO_REQUEST_SIZE, &n_bytes);
                attempt->transfer->sent = n_bytes > 0;
                if (n_bytes > 0)
                        crash_point("channeld/request-sent");
        }
}
#else
static void requests_sent(const struct http *http) {
        (void) http;
}
#endif

static int http_on_timer(sd_event_source *source, uint64_t usec, void *userdata) {
        struct http *http = userdata;
        int running;

        (void) source;
        (void) usec;
        (void) curl_multi_socket_action(http->multi, CURL_SOCKET_TIMEOUT, 0, &running);
        requests_sent(http);
        http_collect(http);
        return 0;
}

static int http_on_io(sd_event_source *source, int fd, uint32_t revents, void *userdata) {
        struct http *http = userdata;
        int what = 0, running;

        (void) source;
        if (revents & (EPOLLIN | EPOLLHUP | EPOLLERR))
                what |= CURL_CSELECT_IN;
        if (revents & EPOLLOUT)
                what |= CURL_CSELECT_OUT;
        if (revents & EPOLLERR)
                what |= CURL_CSELECT_ERR;
        (void) curl_multi_socket_action(http->multi, fd, what, &running);
        requests_sent(http);
        http_collect(http);
        return 0;
}

static int http_want_socket(CURL *easy, curl_socket_t fd, int what, void *userdata, void *socketp) {
        struct http *http = userdata;
        sd_event_source *io = socketp;
        uint32_t events = 0;

        (void) easy;
        if (what == CURL_POLL_REMOVE || http->closing) {
                (void) sd_event_source_disable_unref(io);
                (void) curl_multi_assign(http->multi, fd, NULL);
                return 0;
        }
        if (what & CURL_POLL_IN)
                events |= EPOLLIN;
        if (what & CURL_POLL_OUT)
                events |= EPOLLOUT;
        if (io)
                return sd_event_source_set_io_events(io, events) < 0 ? -1 : 0;
        if (sd_event_add_io(http->daemon->event, &io, fd, events, http_on_io, http) < 0)
                return -1;
        (void) curl_multi_assign(http->multi, fd, io);
        return 0;
}

static int http_want_timer(CURLM *multi, long wait_ms, void *userdata) {
        struct http *http = userdata;
        uint64_t now;

        (void) multi;
        if (http->closing)
                return 0;
        if (wait_ms < 0)
                return sd_event_source_set_enabled(http->timer, SD_EVENT_OFF) < 0 ? -1 : 0;
        (void) sd_event_now(http->daemon->event, CLOCK_BOOTTIME, &now);
        if (sd_event_source_set_time(http->timer, now + (uint64_t) wait_ms * 1000) < 0 ||
            sd_event_source_set_enabled(http->timer, SD_EVENT_ONESHOT) < 0)
                return -1;
        return 0;
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

static void transfer_ended(struct transfer *transfer, CURLcode result) {
        struct attempt *attempt = transfer->attempt;
        struct reply reply = transfer_reply(transfer, result);

        attempt->transfer = NULL;
        crash_point("channeld/reply-read");
        attempt_replied(attempt, &reply);
        transfer_free(transfer);
}

static void http_collect(struct http *http) {
        CURLMsg *message;
        int n;

        while ((message = curl_multi_info_read(http->multi, &n)) != NULL) {
                struct transfer *transfer;
                CURL *easy = message->easy_handle;
                CURLcode result = message->data.result;

                if (message->msg != CURLMSG_DONE)
                        continue;
                (void) curl_easy_getinfo(easy, CURLINFO_PRIVATE, (char **) &transfer);
                (void) curl_multi_remove_handle(http->multi, easy);
                transfer_ended(transfer, result);
        }
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
        if (curl_multi_add_handle(attempt->daemon->http->multi, transfer->easy) != CURLM_OK) {
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
        struct http *http = calloc(1, sizeof(*http));
        int r;

        if (!http)
                return -ENOMEM;
        daemon->http = http;
        http->daemon = daemon;
        if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK)
                return -ENOMEM;
        http->multi = curl_multi_init();
        if (!http->multi)
                return -ENOMEM;
        r = sd_event_add_time(daemon->event, &http->timer, CLOCK_BOOTTIME, UINT64_MAX, 1000,
                              http_on_timer, http);
        if (r >= 0)
                r = sd_event_source_set_enabled(http->timer, SD_EVENT_OFF);
        (void) curl_multi_setopt(http->multi, CURLMOPT_SOCKETFUNCTION, http_want_socket);
        (void) curl_multi_setopt(http->multi, CURLMOPT_SOCKETDATA, http);
        (void) curl_multi_setopt(http->multi, CURLMOPT_TIMERFUNCTION, http_want_timer);
        (void) curl_multi_setopt(http->multi, CURLMOPT_TIMERDATA, http);
        (void) curl_multi_setopt(http->multi, CURLMOPT_MAXCONNECTS, 64L);
        return r < 0 ? r : 0;
}

void http_close(struct channeld *daemon) {
        struct http *http = daemon->http;

        if (!http)
                return;
        http->closing = true;
        for (struct attempt *attempt = daemon->attempts; attempt; attempt = attempt->next) {
                if (!attempt->transfer)
                        continue;
                (void) curl_multi_remove_handle(http->multi, attempt->transfer->easy);
                transfer_free(attempt->transfer);
                attempt->transfer = NULL;
        }
        (void) sd_event_source_disable_unref(http->timer);
        if (http->multi)
                (void) curl_multi_cleanup(http->multi);
        curl_global_cleanup();
        free(http);
        daemon->http = NULL;
}
