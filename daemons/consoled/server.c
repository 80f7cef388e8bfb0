#include "daemons/consoled/server.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "core/embed.h"
#include "core/httpd.h"
#include "core/log.h"
#include "core/memory.h"
#include "core/unicode.h"

EMBED(console_style, "daemons/consoled/assets/console.css");
EMBED(console_script, "daemons/consoled/assets/console.js");
EMBED(console_icon, "daemons/consoled/assets/icon.svg");

enum { CONNECTIONS = 64, TIMEOUT_S = 15, ARGUMENTS_MOST = 16 };

struct server {
        struct consoled *daemon;
        struct httpd http;
        struct request *suspended;
};

/* -- who may ask ------------------------------------------------------------------------------- */

static bool is_host(const char *host, size_t n, const char *known) {
        return strlen(known) == n && strncasecmp(host, known, n) == 0;
}

bool server_knows_host(const struct config *config, const char *host) {
        static const char *const own[] = { "localhost", "127.0.0.1", "[::1]" };
        const char *end, *listen_end = strrchr(config->console_listen, ':');
        size_t n;

        if (!host)
                return false;
        end = *host == '[' ? strchr(host, ']') : host + strcspn(host, ":");
        if (!end)
                return false;
        n = (size_t) (end - host) + (*host == '[');
        if (host[n] &&
            (host[n] != ':' || strspn(host + n + 1, "0123456789") != strlen(host + n + 1)))
                return false;
        for (size_t i = 0; i < ELEMENTS(own); i++)
                if (is_host(host, n, own[i]))
                        return true;
        for (size_t i = 0; i < config->console_hosts.n; i++)
                if (is_host(host, n, config->console_hosts.items[i]))
                        return true;
        return listen_end && n == (size_t) (listen_end - config->console_listen) &&
               strncasecmp(host, config->console_listen, n) == 0;
}

/* -- a request --------------------------------------------------------------------------------- */

static const struct {
        const char *path, *type, *text, *end;
} assets[] = {
        { "/assets/console.css", "text/css; charset=utf-8", console_style, console_style_end },
        { "/assets/console.js", "text/javascript; charset=utf-8", console_script,
          console_script_end },
        { "/assets/icon.svg", "image/svg+xml", console_icon, console_icon_end },
};

static bool asset(struct request *request) {
        for (size_t i = 0; i < ELEMENTS(assets); i++)
                if (strcmp(assets[i].path, request->path) == 0) {
                        buf_add(&request->body, assets[i].text,
                                (size_t) (assets[i].end - assets[i].text) - 1);
                        request->type = assets[i].type;
                        return true;
                }
        return false;
}

static void refuse(struct request *request, unsigned status, const char *words) {
        request->status = status;
        request->type = "text/plain; charset=utf-8";
        buf_str(&request->body, words);
}

static enum MHD_Result add_argument(void *userdata, enum MHD_ValueKind kind, const char *name,
                                    const char *value) {
        json_t *query = userdata;

        (void) kind;
        if (value && unicode_valid(name, strlen(name)) == strlen(name) &&
            unicode_valid(value, strlen(value)) == strlen(value) && !json_object_get(query, name))
                (void) json_object_set_new(query, name, json_string(value));
        return json_object_size(query) < ARGUMENTS_MOST ? MHD_YES : MHD_NO;
}

static void answer(struct request *request, const char *method) {
        struct MHD_Connection *connection = request->connection;
        const char *host = MHD_lookup_connection_value(connection, MHD_HEADER_KIND, "Host");

        if (!server_knows_host(&request->daemon->configuration->main, host))
                refuse(request, 421,
                       "421 this is not the host that was asked for: [console] hosts\n");
        else if (strcmp(method, "GET") != 0 && strcmp(method, "HEAD") != 0)
                refuse(request, 405, "405 read only\n");
        else if (unicode_valid(request->path, strlen(request->path)) != strlen(request->path))
                refuse(request, 400, "400 the path is not UTF-8\n");
        else if (!asset(request)) {
                (void) MHD_get_connection_values(connection, MHD_GET_ARGUMENT_KIND, add_argument,
                                                 request->query);
                page_make(request);
        }
}

static enum MHD_Result respond(struct request *request) {
        static const char *const headers[][2] = {
                { "Content-Security-Policy",
                  "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self';"
                  " connect-src 'self'; form-action 'self'; base-uri 'none';"
                  " frame-ancestors 'none'" },
                { "X-Content-Type-Options", "nosniff" },
                { "X-Frame-Options", "DENY" },
                { "Referrer-Policy", "no-referrer" },
                { "Cross-Origin-Resource-Policy", "same-origin" },
                { "Cross-Origin-Opener-Policy", "same-origin" },
                { "Cache-Control", "no-store" },
        };
        bool failed = request->body.error != 0;
        struct MHD_Response *response = MHD_create_response_from_buffer(
                failed ? 0 : request->body.len, (void *) (uintptr_t) buf_text(&request->body),
                MHD_RESPMEM_MUST_COPY);
        enum MHD_Result r;

        if (!response)
                return MHD_NO;
        (void) MHD_add_response_header(response, "Content-Type",
                                       request->type ? request->type : "text/html; charset=utf-8");
        for (size_t i = 0; i < ELEMENTS(headers); i++)
                (void) MHD_add_response_header(response, headers[i][0], headers[i][1]);
        if (request->status == 405)
                (void) MHD_add_response_header(response, "Allow", "GET, HEAD");
        r = MHD_queue_response(request->connection,
                               failed            ? 500
                               : request->status ? request->status
                                                 : 200,
                               response);
        MHD_destroy_response(response);
        request->daemon->n_answers++;
        return r;
}

static struct request *request_new(struct server *server, struct MHD_Connection *connection) {
        struct request *request = calloc(1, sizeof(*request));

        if (!request)
                return NULL;
        request->daemon = server->daemon;
        request->connection = connection;
        request->query = json_object();
        return request;
}

static enum MHD_Result on_request(void *userdata, struct MHD_Connection *connection,
                                  const char *path, const char *method, const char *version,
                                  const char *bytes, size_t *n_bytes, void **own) {
        struct server *server = userdata;
        struct request *request = *own;

        (void) version;
        (void) bytes;
        if (!request) {
                *own = request_new(server, connection);
                return *own ? MHD_YES : MHD_NO;
        }
        if (*n_bytes > 0) { /* nobody wants it */
                *n_bytes = 0;
                return MHD_YES;
        }
        if (!request->asked) {
                request->asked = true;
                request->path = path;
                answer(request, method);
        }
        if (request->waits) {
                request->suspended = true;
                request->next = server->suspended;
                server->suspended = request;
                MHD_suspend_connection(connection);
                return MHD_YES;
        }
        return respond(request);
}

static void take_off(struct server *server, struct request *request) {
        struct request **at = &server->suspended;

        while (*at && *at != request)
                at = &(*at)->next;
        if (*at)
                *at = request->next;
        request->suspended = false;
}

void server_resume(struct request *request) {
        struct server *server = request->daemon->server;

        if (!request->suspended)
                return;
        take_off(server, request);
        MHD_resume_connection(request->connection);
        httpd_run(&server->http);
}

static void on_completed(void *userdata, struct MHD_Connection *connection, void **own,
                         enum MHD_RequestTerminationCode code) {
        struct server *server = userdata;
        struct request *request = *own;

        (void) connection;
        (void) code;
        if (!request)
                return;
        *own = NULL;
        take_off(server, request);
        page_done(request);
        json_decref(request->query);
        buf_done(&request->body);
        free(request);
}

/* -- opening ----------------------------------------------------------------------------------- */

int server_open(struct consoled *daemon) {
        const char *address = daemon->configuration->main.console_listen;
        int r;

        daemon->server = calloc(1, sizeof(*daemon->server));
        if (!daemon->server)
                return -ENOMEM;
        daemon->server->daemon = daemon;
        r = httpd_open(&daemon->server->http, daemon->event, address,
                       &(struct httpd_rules) { .on_request = on_request, .on_completed = on_completed,
                                               .userdata = daemon->server, .connections = CONNECTIONS,
                                               .timeout_s = TIMEOUT_S });
        if (r < 0)
                log_say(LOG_ERR, MESSAGE_CONSOLED_CANNOT_LISTEN, "address", address, "reason",
                        strerror(-r), NULL);
        return r;
}

void server_close(struct consoled *daemon) {
        struct server *server = daemon->server;

        if (!server)
                return;
        /* A suspended connection cannot be ended: it gets what its page has so far. */
        while (server->suspended) {
                struct request *request = server->suspended;

                refuse(request, 503, "503\n");
                request->waits = false;
                take_off(server, request);
                MHD_resume_connection(request->connection);
        }
        if (server->http.mhd)
                (void) MHD_run(server->http.mhd);
        httpd_close(&server->http);
        free(server);
        daemon->server = NULL;
}
