/* One connection to an MQTT broker: libmosquitto on the sd-event loop, without its threads.
 *
 * A client of libmosquitto keeps what was not confirmed and sends it again when it connects again,
 * after any time. Meanwhile another worker may have shown something newer, which that would
 * overwrite. So there is a new client for each connection, and what was not confirmed is for the
 * engine to repeat.
 *
 * mosquitto_connect_async() connects without waiting, but looks names up with getaddrinfo(), which
 * waits (lib/net_mosq.c, 2.0.11). So the name is looked up before (core/resolve.h) and it gets an
 * address. It would hold the broker's certificate against that address: the TLS context is ours and
 * holds it against the name. */
#include "daemons/channeld/mqtt.h"

#include <errno.h>
#include <netdb.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "core/clock.h"
#include "core/memory.h"

enum { KEEPALIVE_S = 30, SEEN_BYTES = 65536, SEEN_MOST = 1000 };

void mqtt_break(struct mqtt *mqtt, const char *reason) {
        if (!mqtt->broken) {
                free(mqtt->error);
                mqtt->error = strdup(reason);
        }
        mqtt->broken = true;
        mqtt_soon(mqtt);
}

/* -- what libmosquitto tells; nothing here may end the client ------------------------------------- */

/* MQTT 5 has its own numbers; the first five are those of 3.1.1. */
static bool is_refusal(int reason) {
        return reason == 1 || reason == 2 || reason == 4 || reason == 5 || reason == 0x84 ||
               reason == 0x85 || reason == 0x86 || reason == 0x87 || reason == 0x8a || reason == 0x8c;
}

static void on_connect(struct mosquitto *client, void *userdata, int reason, int flags,
                       const mosquitto_property *properties) {
        struct mqtt *mqtt = userdata;

        (void) client;
        (void) flags;
        (void) properties;
        if (reason == 0) {
                mqtt->state = MQTT_UP;
                mqtt_soon(mqtt);
                return;
        }
        mqtt->refused = is_refusal(reason);
        mqtt_break(mqtt, mqtt->link.old ? mosquitto_connack_string(reason)
                                        : mosquitto_reason_string(reason));
}

static void on_publish(struct mosquitto *client, void *userdata, int mid, int reason,
                       const mosquitto_property *properties) {
        (void) client;
        (void) properties;
        mqtt_confirmed(userdata, mid, reason);
}

static void on_unsubscribe(struct mosquitto *client, void *userdata, int mid,
                           const mosquitto_property *properties) {
        struct mqtt *mqtt = userdata;

        (void) client;
        (void) mid;
        (void) properties;
        mqtt->seen_whole = true;
        mqtt_soon(mqtt);
}

static void on_message(struct mosquitto *client, void *userdata,
                       const struct mosquitto_message *message, const mosquitto_property *properties) {
        struct mqtt *mqtt = userdata;
        struct channeld *daemon = mqtt->daemon;
        size_t n_prefix = strlen(mqtt->link.prefix);

        (void) client;
        (void) properties;
        if (message->payloadlen <= 0)
                (void) json_object_del(mqtt->seen, message->topic);
        else if (message->payloadlen <= SEEN_BYTES &&
                 (json_object_size(mqtt->seen) < SEEN_MOST ||
                  json_object_get(mqtt->seen, message->topic)))
                (void) json_object_set_new(mqtt->seen, message->topic,
                                           json_stringn(message->payload,
                                                        (size_t) message->payloadlen));
        if (!message->retain && daemon->driver->call && !mqtt->on_test &&
            message->payloadlen <= SEEN_BYTES && strlen(message->topic) > n_prefix)
                sight_heard(daemon, message->topic + n_prefix + 1, message->payload,
                            message->payloadlen > 0 ? (size_t) message->payloadlen : 0);
}

/* What OpenSSL had to say stands nowhere else. */
static void on_log(struct mosquitto *client, void *userdata, int level, const char *text) {
        struct mqtt *mqtt = userdata;

        (void) client;
        if (level != MOSQ_LOG_ERR || mqtt->broken)
                return;
        free(mqtt->error);
        mqtt->error = strdup(text);
}

/* -- the socket ------------------------------------------------------------------------------------- */

static void went_wrong(struct mqtt *mqtt, int code) {
        char *said freed_by(freep) = code == MOSQ_ERR_TLS ? give_away(mqtt->error) : NULL;
        int error = errno;

        mqtt_break(mqtt, said                           ? said
                         : code == MOSQ_ERR_ERRNO && error ? strerror(error)
                                                        : mosquitto_strerror(code));
}

static int on_io(sd_event_source *source, int fd, uint32_t revents, void *userdata) {
        struct mqtt *mqtt = userdata;
        int error = 0, r = MOSQ_ERR_SUCCESS;
        socklen_t n = sizeof(error);

        (void) source;
        if ((revents & (EPOLLERR | EPOLLHUP)) &&
            getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &n) == 0 && error != 0) {
                mqtt_break(mqtt, strerror(error));
                return 0;
        }
        if (revents & EPOLLOUT)
                r = mosquitto_loop_write(mqtt->client, 16);
        if (r == MOSQ_ERR_SUCCESS && (revents & ~(uint32_t) EPOLLOUT))
                r = mosquitto_loop_read(mqtt->client, 16);
        if (r != MOSQ_ERR_SUCCESS)
                went_wrong(mqtt, r);
        mqtt_watch_socket(mqtt);
        mqtt_soon(mqtt);
        return 0;
}

void mqtt_watch_socket(struct mqtt *mqtt) {
        int fd = mqtt->client && !mqtt->broken ? mosquitto_socket(mqtt->client) : -1;
        uint32_t events;

        if (fd < 0) { /* closed by libmosquitto */
                mqtt->io = sd_event_source_disable_unref(mqtt->io);
                if (mqtt->state >= MQTT_CONNECTING)
                        mqtt_break(mqtt, mosquitto_strerror(MOSQ_ERR_CONN_LOST));
                return;
        }
        events = EPOLLIN | (mosquitto_want_write(mqtt->client) ? EPOLLOUT : 0);
        if (mqtt->io)
                (void) sd_event_source_set_io_events(mqtt->io, events);
        else if (sd_event_add_io(mqtt->event, &mqtt->io, fd, events, on_io, mqtt) < 0)
                mqtt_break(mqtt, strerror(ENOMEM));
}

/* -- TLS -------------------------------------------------------------------------------------------- */

static int name_index = -1;

/* The name that is asked for; libmosquitto has set the address. */
static void on_handshake(const SSL *ssl, int where, int value) {
        const char *name = SSL_CTX_get_ex_data(SSL_get_SSL_CTX(ssl), name_index);

        (void) value;
        if (where & SSL_CB_HANDSHAKE_START)
                (void) SSL_set_tlsext_host_name((SSL *) ssl, name);
}

static bool is_address(const char *host) {
        struct addrinfo hints = { .ai_flags = AI_NUMERICHOST }, *found = NULL;
        int r = getaddrinfo(host, NULL, &hints, &found);

        if (r == 0)
                freeaddrinfo(found);
        return r == 0;
}

static char *path_of(const struct mqtt *mqtt, const char *path) {
        char *whole;

        if (*path == '/')
                return strdup(path);
        return asprintf(&whole, "%s/%s", mqtt->daemon->configuration->main.folder, path) < 0 ? NULL
                                                                                            : whole;
}

/* One of the three PEM files; its path is told when it cannot be used. */
static bool tls_file(struct mqtt *mqtt, SSL_CTX *tls, const char *file,
                     int use(SSL_CTX *tls, const char *path)) {
        char *path freed_by(freep) = file ? path_of(mqtt, file) : NULL;
        char *sentence freed_by(freep) = NULL;
        char reason[256];

        if (!file)
                return true;
        ERR_clear_error();
        if (path && use(tls, path) == 1)
                return true;
        ERR_error_string_n(ERR_peek_last_error(), reason, sizeof(reason));
        sentence = say(MESSAGE_MQTT_TLS_FAILED, "path", path ? path : file, "reason", reason, NULL);
        mqtt->refused = true;
        mqtt_break(mqtt, sentence ? sentence : reason);
        return false;
}

static int use_ca(SSL_CTX *tls, const char *path) {
        return SSL_CTX_load_verify_locations(tls, path, NULL);
}

static int use_key(SSL_CTX *tls, const char *path) {
        return SSL_CTX_use_PrivateKey_file(tls, path, SSL_FILETYPE_PEM);
}

static bool tls_name(SSL_CTX *tls, const char *host) {
        X509_VERIFY_PARAM *rules = SSL_CTX_get0_param(tls);
        bool address = is_address(host);

        if (name_index < 0)
                name_index = SSL_CTX_get_ex_new_index(0, NULL, NULL, NULL, NULL);
        SSL_CTX_set_info_callback(tls, on_handshake);
        return SSL_CTX_set_ex_data(tls, name_index, address ? NULL : (char *) host) == 1 &&
               (address ? X509_VERIFY_PARAM_set1_ip_asc(rules, host)
                        : X509_VERIFY_PARAM_set1_host(rules, host, 0)) == 1;
}

static bool start_tls(struct mqtt *mqtt) {
        const struct mqtt_link *link = &mqtt->link;
        SSL_CTX *tls = SSL_CTX_new(TLS_client_method());
        bool well = tls != NULL;

        if (well && (SSL_CTX_set_min_proto_version(tls, TLS1_2_VERSION) != 1 ||
                     (!link->ca && SSL_CTX_set_default_verify_paths(tls) != 1) ||
                     !tls_name(tls, link->host)))
                well = false;
        if (well)
                SSL_CTX_set_verify(tls, SSL_VERIFY_PEER, NULL);
        well = well && tls_file(mqtt, tls, link->ca, use_ca) &&
               tls_file(mqtt, tls, link->cert, SSL_CTX_use_certificate_chain_file) &&
               tls_file(mqtt, tls, link->key, use_key) &&
               mosquitto_int_option(mqtt->client, MOSQ_OPT_SSL_CTX_WITH_DEFAULTS, 0) ==
                       MOSQ_ERR_SUCCESS &&
               mosquitto_void_option(mqtt->client, MOSQ_OPT_SSL_CTX, tls) == MOSQ_ERR_SUCCESS;
        SSL_CTX_free(tls); /* the client holds it */
        if (!well)
                mqtt_break(mqtt, "TLS");
        return well;
}

/* -- from the name to the connection ------------------------------------------------------------------ */

static bool make_client(struct mqtt *mqtt) {
        const struct mqtt_link *link = &mqtt->link;
        uint32_t number = 0;
        char id[64];

        (void) !getrandom(&number, sizeof(number), 0);
        (void) snprintf(id, sizeof(id), "gongkai-%s-%08x", mqtt->daemon->channel->name, number);
        mqtt->client = mosquitto_new(id, true, mqtt);
        if (!mqtt->client ||
            mosquitto_int_option(mqtt->client, MOSQ_OPT_PROTOCOL_VERSION,
                                 link->old ? MQTT_PROTOCOL_V311 : MQTT_PROTOCOL_V5) !=
                    MOSQ_ERR_SUCCESS ||
            mosquitto_int_option(mqtt->client, MOSQ_OPT_TCP_NODELAY, 1) != MOSQ_ERR_SUCCESS ||
            mosquitto_username_pw_set(mqtt->client, link->user, link->password) !=
                    MOSQ_ERR_SUCCESS) {
                mqtt_break(mqtt, strerror(ENOMEM));
                return false;
        }
        mosquitto_connect_v5_callback_set(mqtt->client, on_connect);
        mosquitto_publish_v5_callback_set(mqtt->client, on_publish);
        mosquitto_message_v5_callback_set(mqtt->client, on_message);
        mosquitto_unsubscribe_v5_callback_set(mqtt->client, on_unsubscribe);
        mosquitto_log_callback_set(mqtt->client, on_log);
        return !link->tls || start_tls(mqtt);
}

static void on_resolved(const struct sockaddr *address, socklen_t n_address, const char *error,
                        void *userdata) {
        struct mqtt *mqtt = userdata;
        char host[NI_MAXHOST];
        int r;

        mqtt->query = NULL;
        if (error || getnameinfo(address, n_address, host, sizeof(host), NULL, 0, NI_NUMERICHOST)) {
                mqtt_break(mqtt, error ? error : mqtt->link.host);
                return;
        }
        mqtt->state = MQTT_CONNECTING;
        if (!make_client(mqtt))
                return;
        r = mosquitto_connect_async(mqtt->client, host, (int) mqtt->link.port, KEEPALIVE_S);
        if (r != MOSQ_ERR_SUCCESS)
                went_wrong(mqtt, r);
        else
                mqtt_watch_socket(mqtt);
}

void mqtt_connect(struct mqtt *mqtt) {
        const struct channeld *daemon = mqtt->daemon;
        int r = 0;

        mqtt->broken = mqtt->refused = mqtt->seen_whole = mqtt->greeted = false;
        mqtt->link = (struct mqtt_link) { 0 };
        daemon->driver->mqtt(daemon->options, daemon->secret, &mqtt->link);
        mqtt->state = MQTT_LOOKING_UP;
        mqtt->since_boot_ms = clock_boot_ms();
        if (!mqtt->resolver)
                r = resolver_new(mqtt->event, &mqtt->resolver);
        if (r >= 0)
                r = resolver_ask(mqtt->resolver, mqtt->link.host, (uint16_t) mqtt->link.port,
                                 daemon->channel->timeout_ms, on_resolved, mqtt, &mqtt->query);
        if (r < 0)
                mqtt_break(mqtt, strerror(-r));
}

void mqtt_hang_up(struct mqtt *mqtt) {
        resolver_cancel(mqtt->query);
        mqtt->query = NULL;
        mqtt->io = sd_event_source_disable_unref(mqtt->io);
        if (mqtt->client && mqtt->state == MQTT_UP && !mqtt->broken)
                (void) mosquitto_disconnect(mqtt->client);
        if (mqtt->client)
                mosquitto_destroy(mqtt->client);
        mqtt->client = NULL;
        mqtt->state = MQTT_AWAY;
        json_object_clear(mqtt->seen);
}
