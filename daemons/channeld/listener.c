/* Calls of the carrier: libmicrohttpd on the loop (its epoll is one source), one call at a time from
 * the first byte to the notes on disk. It stands behind a reverse proxy; what a stranger can do is
 * bounded here: connections, their time, sizes. Whether a call is genuine the driver says. */
#include "daemons/channeld/channeld.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core/clock.h"
#include "core/httpd.h"
#include "core/log.h"
#include "core/memory.h"

enum { BODY_MOST = 1 << 20, CONNECTIONS = 32, TIMEOUT_S = 10, TOLD_EVERY_MS = 60000 };

struct listener {
        struct channeld *channeld;
        struct httpd http;
};

/* A request that comes in, until its answer has gone. */
struct incoming {
        struct listener *listener;
        struct MHD_Connection *connection;
        struct buf body;
        bool too_large, asked, suspended;
        struct call_answer answer;
        unsigned n_waits; /* for so many answers of the store */
        bool failed;
};

/* -- what it leads to ------------------------------------------------------------------------------------ */

/* One of those that it waits for has come. A connection that is suspended does not end, so the request
 * is still there. */
static void incoming_goes_on(struct incoming *incoming) {
        if (--incoming->n_waits > 0 || !incoming->suspended)
                return;
        incoming->suspended = false;
        MHD_resume_connection(incoming->connection);
        httpd_run(&incoming->listener->http);
}

static void on_noted(struct store *store, const redisReply *reply, int error, const char *reason,
                     void *userdata) {
        struct incoming *incoming = userdata;
        struct channeld *daemon = incoming->listener->channeld;
        const redisReply *document;

        (void) store;
        (void) reason;
        if (error || !reply_is(reply, 0, "ok"))
                incoming->failed = true;
        else if (incoming->answer.wake_key && reply_is(reply, 1, "1")) {
                document = reply_at(reply, 4);
                /* Which region's it is the note does not say; one too many looks once more. */
                for (size_t i = 0; i < daemon->n_regions; i++)
                        if (document && document->type == REDIS_REPLY_STRING && document->len > 0 &&
                            daemon->regions[i].ready)
                                book_wake(&daemon->regions[i], document->str);
        }
        incoming_goes_on(incoming);
}

static void note(struct incoming *incoming) {
        struct channeld *daemon = incoming->listener->channeld;
        struct book book = { .put = incoming->answer.put };
        bool asked;

        if (incoming->answer.wake_key)
                book.get = json_pack("[s]", incoming->answer.wake_key);
        asked = book_is_sound(&book) && book_ask(daemon, &book, on_noted, incoming) >= 0;
        incoming->n_waits += asked;
        incoming->failed = incoming->failed || !asked;
        json_decref(book.get);
}

static void on_sight(bool well, void *userdata) {
        struct incoming *incoming = userdata;

        incoming->failed = incoming->failed || !well;
        incoming_goes_on(incoming);
}

/* -- a request ---------------------------------------------------------------------------------------------- */

static enum MHD_Result add_argument(void *userdata, enum MHD_ValueKind kind, const char *name,
                                    const char *value) {
        json_t *query = userdata;

        (void) kind;
        if (!json_object_get(query, name))
                (void) json_object_set_new(query, name, json_string(value ? value : ""));
        return json_object_size(query) < 64 ? MHD_YES : MHD_NO;
}

void call_trouble(struct channeld *daemon, const char *reason) {
        int64_t now = clock_boot_ms();
        char count[24];

        if (daemon->call_told_boot_ms > 0 && now - daemon->call_told_boot_ms < TOLD_EVERY_MS) {
                daemon->n_calls_untold++;
                return;
        }
        (void) snprintf(count, sizeof(count), "%u", daemon->n_calls_untold);
        log_say(LOG_WARNING, MESSAGE_CHANNEL_CALL_TROUBLE, "channel", daemon->channel->name, "reason",
                reason, "count", count, NULL);
        daemon->call_told_boot_ms = now;
        daemon->n_calls_untold = 0;
}

static void ask_driver(struct incoming *incoming, const char *method, const char *path) {
        struct channeld *daemon = incoming->listener->channeld;
        json_t *query freed_by(json_decrefp) = json_object();
        struct call call = {
                .method = method, .path = path, .query = query, .body = buf_text(&incoming->body),
                .n_body = incoming->body.len,
                .content_type = MHD_lookup_connection_value(incoming->connection, MHD_HEADER_KIND,
                                                            "Content-Type"),
        };

        incoming->asked = true;
        (void) MHD_get_connection_values(incoming->connection, MHD_GET_ARGUMENT_KIND, add_argument, query);
        if (!query || daemon->driver->call(&call, daemon->options, daemon->secret, clock_now_ms(),
                                           &incoming->answer) < 0)
                incoming->failed = true;
        if (incoming->answer.trouble)
                call_trouble(daemon, incoming->answer.trouble);
        if (!incoming->failed && (incoming->answer.put || incoming->answer.wake_key))
                note(incoming);
        if (!incoming->failed && incoming->answer.sight) {
                bool asked = sight_take(daemon, incoming->answer.sight, on_sight, incoming) >= 0;

                incoming->n_waits += asked;
                incoming->failed = !asked;
        }
}

static enum MHD_Result respond(struct incoming *incoming) {
        const struct call_answer *answer = &incoming->answer;
        unsigned status = incoming->too_large ? 413 : incoming->failed ? 503 : answer->status;
        bool says = !incoming->too_large && !incoming->failed;
        struct MHD_Response *response = MHD_create_response_from_buffer(
                says ? answer->body.len : 0, (void *) (uintptr_t) buf_text(&answer->body), MHD_RESPMEM_MUST_COPY);
        enum MHD_Result r;

        if (!response)
                return MHD_NO;
        (void) MHD_add_response_header(response, "Content-Type",
                                       answer->content_type ? answer->content_type
                                                            : "text/plain; charset=utf-8");
        r = MHD_queue_response(incoming->connection, status ? status : 400, response);
        MHD_destroy_response(response);
        return r;
}

static struct incoming *incoming_new(struct listener *listener, struct MHD_Connection *connection) {
        struct incoming *incoming = calloc(1, sizeof(*incoming));

        if (!incoming)
                return NULL;
        incoming->listener = listener;
        incoming->connection = connection;
        return incoming;
}

static enum MHD_Result on_request(void *userdata, struct MHD_Connection *connection, const char *path,
                                  const char *method, const char *version, const char *bytes,
                                  size_t *n_bytes, void **own) {
        struct incoming *incoming = *own;

        (void) version;
        if (!incoming) {
                *own = incoming_new(userdata, connection);
                return *own ? MHD_YES : MHD_NO;
        }
        if (*n_bytes > 0) {
                incoming->too_large = incoming->too_large || incoming->body.len + *n_bytes > BODY_MOST;
                if (!incoming->too_large)
                        buf_add(&incoming->body, bytes, *n_bytes);
                *n_bytes = 0;
                return MHD_YES;
        }
        if (!incoming->asked && !incoming->too_large)
                ask_driver(incoming, method, path);
        if (incoming->n_waits > 0) {
                incoming->suspended = true;
                MHD_suspend_connection(connection);
                return MHD_YES;
        }
        return respond(incoming);
}

static void on_completed(void *userdata, struct MHD_Connection *connection, void **own,
                         enum MHD_RequestTerminationCode code) {
        struct incoming *incoming = *own;

        (void) userdata;
        (void) connection;
        (void) code;
        if (!incoming)
                return;
        *own = NULL;
        buf_done(&incoming->body);
        call_answer_done(&incoming->answer);
        free(incoming);
}

/* -- from outside ---------------------------------------------------------------------------------------------- */

int listener_open(struct channeld *daemon) {
        const char *address = daemon->channel->listen;
        int r;

        if (!address)
                return 0;
        daemon->listener = calloc(1, sizeof(*daemon->listener));
        if (!daemon->listener)
                return -ENOMEM;
        daemon->listener->channeld = daemon;
        r = httpd_open(&daemon->listener->http, daemon->event, address,
                       &(struct httpd_rules) { .on_request = on_request, .on_completed = on_completed,
                                               .userdata = daemon->listener, .connections = CONNECTIONS,
                                               .timeout_s = TIMEOUT_S,
                                               .shared = true }); /* by all workers of the channel */
        if (r < 0)
                log_say(LOG_ERR, MESSAGE_CHANNEL_CANNOT_LISTEN, "channel", daemon->channel->name,
                        "address", address, "reason", strerror(-r), NULL);
        else
                log_say(LOG_INFO, MESSAGE_CHANNEL_LISTENS, "channel", daemon->channel->name,
                        "address", address, NULL);
        return r;
}

void listener_close(struct channeld *daemon) {
        struct listener *listener = daemon->listener;

        if (!listener)
                return;
        httpd_close(&listener->http);
        free(listener);
        daemon->listener = NULL;
}
