/* How fast is libcurl by itself, one thread, handles and connections used again? It posts the same
 * bytes with the same headers as a webhook channel, and does nothing else.
 *
 *         bare URL REQUESTS IN_FLIGHT
 *
 * Prints one JSON object. The poll interface: at these numbers the socket interface is no faster. */
#include <curl/curl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

#include "core/buf.h"
#include "core/memory.h"

enum { BYTES = 2048, MOST_IN_FLIGHT = 1024 };

struct bare {
        CURLM *multi;
        CURL *handles[MOST_IN_FLIGHT];
        struct curl_slist *headers;
        char body[BYTES + 1];
        unsigned n_requests, in_flight, n_begun, n_ended, n_failed;
};

static void die(const char *what) {
        (void) fprintf(stderr, "bare: %s\n", what);
        exit(1);
}

static double now(clockid_t clock) {
        struct timespec time;

        (void) clock_gettime(clock, &time);
        return (double) time.tv_sec + (double) time.tv_nsec / 1e9;
}

static size_t on_body(char *bytes, size_t size, size_t n, void *userdata) {
        (void) bytes;
        (void) userdata;
        return size * n;
}

static void begin(struct bare *bare, CURL *easy) {
        if (bare->n_begun == bare->n_requests)
                return;
        bare->n_begun++;
        if (curl_multi_add_handle(bare->multi, easy) != CURLM_OK)
                die("a handle is not taken");
}

static void collect(struct bare *bare) {
        CURLMsg *message;
        long status;
        int n;

        while ((message = curl_multi_info_read(bare->multi, &n)) != NULL) {
                CURL *easy = message->easy_handle;

                status = 0;
                (void) curl_easy_getinfo(easy, CURLINFO_RESPONSE_CODE, &status);
                bare->n_failed += message->data.result != CURLE_OK || status != 200;
                bare->n_ended++;
                (void) curl_multi_remove_handle(bare->multi, easy);
                begin(bare, easy);
        }
}

static void run(struct bare *bare, unsigned n_requests) {
        int running;

        bare->n_requests = n_requests;
        bare->n_begun = bare->n_ended = 0;
        for (unsigned i = 0; i < bare->in_flight; i++)
                begin(bare, bare->handles[i]);
        while (bare->n_ended < bare->n_requests) {
                if (curl_multi_perform(bare->multi, &running) != CURLM_OK)
                        die("perform");
                collect(bare);
                if (running > 0 && curl_multi_poll(bare->multi, NULL, 0, 1000, NULL) != CURLM_OK)
                        die("poll");
        }
}

static void set_up(struct bare *bare, const char *url) {
        static const char *const headers[] = {
                "Content-Type: application/cloudevents+json; charset=utf-8",
                "Idempotency-Key: 530581/bare-00000001/1/hook1",
                "Gongkai-Rank: 1 0 publish",
                "webhook-id: 01JDB3K6V0T5YQ2N8M4W7XHRCE-1-hook1",
                "webhook-timestamp: 1795320000",
        };

        memset(bare->body, 'x', BYTES);
        for (size_t i = 0; i < ELEMENTS(headers); i++)
                bare->headers = curl_slist_append(bare->headers, headers[i]);
        bare->multi = curl_multi_init();
        if (!bare->multi)
                die("no memory");
        (void) curl_multi_setopt(bare->multi, CURLMOPT_MAXCONNECTS, (long) bare->in_flight);
        for (unsigned i = 0; i < bare->in_flight; i++) {
                CURL *easy = bare->handles[i] = curl_easy_init();

                if (!easy)
                        die("no memory");
                (void) curl_easy_setopt(easy, CURLOPT_URL, url);
                (void) curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
                (void) curl_easy_setopt(easy, CURLOPT_PROXY, "");
                (void) curl_easy_setopt(easy, CURLOPT_POSTFIELDS, bare->body);
                (void) curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE, (long) BYTES);
                (void) curl_easy_setopt(easy, CURLOPT_HTTPHEADER, bare->headers);
                (void) curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, on_body);
        }
}

int main(int argc, char **argv) {
        struct bare bare = { 0 };
        double began, used;
        unsigned n_requests;

        if (argc != 4)
                die("usage: bare URL REQUESTS IN_FLIGHT");
        n_requests = (unsigned) strtoul(argv[2], NULL, 10);
        bare.in_flight = (unsigned) strtoul(argv[3], NULL, 10);
        if (n_requests == 0 || bare.in_flight == 0 || bare.in_flight > MOST_IN_FLIGHT)
                die("usage: bare URL REQUESTS IN_FLIGHT");
        if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK)
                die("libcurl");
        set_up(&bare, argv[1]);
        run(&bare, 2 * bare.in_flight); /* the connections stand */
        began = now(CLOCK_MONOTONIC);
        used = now(CLOCK_PROCESS_CPUTIME_ID);
        run(&bare, n_requests);
        began = now(CLOCK_MONOTONIC) - began;
        used = now(CLOCK_PROCESS_CPUTIME_ID) - used;
        (void) printf("{\"requests\":%u,\"in_flight\":%u,\"failed\":%u,\"rate\":%.0f,\"cpu_us\":%.2f}\n",
                      n_requests, bare.in_flight, bare.n_failed, n_requests / began,
                      used * 1e6 / n_requests);
        for (unsigned i = 0; i < bare.in_flight; i++) {
                (void) curl_multi_remove_handle(bare.multi, bare.handles[i]);
                curl_easy_cleanup(bare.handles[i]);
        }
        (void) curl_multi_cleanup(bare.multi);
        curl_slist_free_all(bare.headers);
        curl_global_cleanup();
        return bare.n_failed ? 1 : 0;
}
