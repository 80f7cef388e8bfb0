/* The door: ZeroMQ ROUTER sockets. One for local endpoints (ipc, loopback), one with CURVE for all
 * others. Any message gets an answer; answers to one peer go out in the order of its messages. */
#include "daemons/publisherd/publisherd.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <zmq.h>

#include "core/clock.h"
#include "core/crash.h"
#include "core/log.h"
#include "core/memory.h"

/* Messages read before the rest of the loop gets its turn. */
enum { FAIR_SHARE = 64, PEER_BUCKETS = 1024, MAX_FRAMES = 1 + EVENT_MAX_ATTACHMENTS };

struct peer {
        struct door *door;
        struct peer *next; /* in its bucket */
        uint32_t bucket;
        struct request *first, *last;
        size_t n_id;
        unsigned char id[];
};

struct door {
        struct publisherd *daemon;
        void *socket;
        bool curve;
        sd_event_source *io, *again;
        struct peer *peers[PEER_BUCKETS];
};

/* -- peers and their requests --------------------------------------------------------------------- */

static uint32_t hash_of(const unsigned char *bytes, size_t n) {
        uint32_t hash = 2166136261u;

        for (size_t i = 0; i < n; i++)
                hash = (hash ^ bytes[i]) * 16777619u;
        return hash;
}

static struct peer *peer_get(struct door *door, const unsigned char *id, size_t n_id) {
        uint32_t bucket = hash_of(id, n_id) % PEER_BUCKETS;
        struct peer *peer;

        for (peer = door->peers[bucket]; peer; peer = peer->next)
                if (peer->n_id == n_id && memcmp(peer->id, id, n_id) == 0)
                        return peer;
        peer = calloc(1, sizeof(*peer) + n_id);
        if (!peer)
                return NULL;
        peer->door = door;
        peer->bucket = bucket;
        peer->n_id = n_id;
        memcpy(peer->id, id, n_id);
        peer->next = door->peers[bucket];
        door->peers[bucket] = peer;
        return peer;
}

static void peer_free(struct peer *peer) {
        struct peer **at = &peer->door->peers[peer->bucket];

        while (*at != peer)
                at = &(*at)->next;
        *at = peer->next;
        free(peer);
}

static void request_free(struct request *request) {
        for (size_t i = 0; i < request->n_jobs; i++) {
                struct job *job = &request->jobs[i];

                free(job->answer);
                free(job->source);
                free(job->id);
                free(job->document);
                free(job->ev_key);
                free(job->to_fetch);
                free(job->exempt);
                free(job->bytes);
                json_decref(job->warnings);
                json_decref(job->reasons);
                words_done(&job->words);
        }
        free(request->jobs);
        free(request);
}

static struct request *request_new(struct publisherd *daemon, struct peer *peer, size_t n_jobs) {
        struct request *request = calloc(1, sizeof(*request));

        if (!request)
                return NULL;
        request->jobs = calloc(n_jobs, sizeof(*request->jobs));
        if (!request->jobs) {
                free(request);
                return NULL;
        }
        request->daemon = daemon;
        request->peer = peer;
        request->n_jobs = request->n_waiting = n_jobs;
        for (size_t i = 0; i < n_jobs; i++)
                request->jobs[i].request = request;
        daemon->n_pending += n_jobs;
        if (!peer)
                return request;
        if (peer->last)
                peer->last->next = request;
        else
                peer->first = request;
        peer->last = request;
        return request;
}

struct request *request_own(struct publisherd *daemon,
                            void (*on_done)(struct request *request, void *userdata),
                            void *userdata) {
        struct request *request = request_new(daemon, NULL, 1);

        if (request) {
                request->on_done = on_done;
                request->userdata = userdata;
        }
        return request;
}

static int send_frame(void *socket, const void *bytes, size_t n_bytes, int flags) {
        while (zmq_send(socket, bytes, n_bytes, flags | ZMQ_DONTWAIT) < 0)
                if (errno != EINTR)
                        return -errno;
        return 0;
}

static void answers_join(const struct request *request, struct buf *ret) {
        buf_char(ret, '[');
        for (size_t i = 0; i < request->n_jobs; i++) {
                if (i > 0)
                        buf_char(ret, ',');
                buf_str(ret, request->jobs[i].answer ? request->jobs[i].answer : "null");
        }
        buf_char(ret, ']');
}

static void request_send(struct peer *peer, const struct request *request) {
        void *socket = peer->door->socket;
        const char *answer = request->jobs[0].answer ? request->jobs[0].answer : "null";
        struct buf buf = { 0 };

        if (request->is_array) {
                answers_join(request, &buf);
                answer = buf_text(&buf);
        }
        /* A peer that has gone, or does not read, loses its answer: it will ask again, and the
         * store knows the event. */
        if (!buf.error && send_frame(socket, peer->id, peer->n_id, ZMQ_SNDMORE) == 0 &&
            send_frame(socket, "", 0, ZMQ_SNDMORE) == 0)
                (void) send_frame(socket, answer, request->is_array ? buf.len : strlen(answer), 0);
        buf_done(&buf);
}

static void peer_flush(struct peer *peer) {
        struct door *door = peer->door;
        bool sent = false;

        while (peer->first && peer->first->n_waiting == 0) {
                struct request *request = peer->first;

                peer->first = request->next;
                if (!peer->first)
                        peer->last = NULL;
                crash_point("publisherd/ack-ready");
                request_send(peer, request);
                crash_point("publisherd/ack-sent");
                request_free(request);
                sent = true;
        }
        if (!peer->first)
                peer_free(peer);
        /* A send can eat the edge of ZMQ_FD: look again. */
        if (sent && door->again)
                (void) sd_event_source_set_enabled(door->again, SD_EVENT_ONESHOT);
}

void job_answered(struct job *job) {
        struct request *request = job->request;
        struct peer *peer = request->peer;

        request->daemon->n_pending--;
        words_done(&job->words);
        free(give_away(job->bytes));
        if (--request->n_waiting > 0)
                return;
        if (!peer) {
                request->on_done(request, request->userdata);
                request_free(request);
        } else if (peer->first == request)
                peer_flush(peer);
}

void job_name_emitter(struct job *job, const char *name) {
        size_t n = strnlen(name, sizeof(job->emitter) - 1);

        memcpy(job->emitter, name, n);
        job->emitter[n] = '\0';
}

/* -- messages ------------------------------------------------------------------------------------- */

static const struct emitter_config *emitter_by_key(const struct publisherd *daemon,
                                                   const char *key) {
        const struct configuration *configuration = daemon->configuration;

        for (size_t i = 0; i < configuration->n_emitters; i++) {
                const struct emitter_config *emitter = &configuration->emitters[i];

                if (emitter->enabled && emitter->key && strcmp(emitter->key, key) == 0)
                        return emitter;
        }
        return NULL;
}

static bool key_is_known(const char *key, void *userdata) {
        return emitter_by_key(userdata, key) != NULL;
}

/* A local peer has no key: the file that names its source without a key says what it may. */
const struct emitter_config *door_emitter_by_source(const struct publisherd *daemon,
                                                    const json_t *json) {
        const struct configuration *configuration = daemon->configuration;
        const char *source = json_string_value(json_object_get(json, "source"));

        for (size_t i = 0; source && i < configuration->n_emitters; i++) {
                const struct emitter_config *emitter = &configuration->emitters[i];

                if (emitter->key)
                        continue;
                for (size_t k = 0; k < emitter->sources.n; k++) {
                        const char *pattern = emitter->sources.items[k];
                        size_t n = strlen(pattern);

                        if (strcmp(pattern, source) == 0 ||
                            (n > 0 && pattern[n - 1] == '*' && strncmp(pattern, source, n - 1) == 0))
                                return emitter;
                }
        }
        return NULL;
}

/* A whole message; `bytes` are those of its events, as they came. */
static void reject_message(struct door *door, struct peer *peer, const struct findings *errors,
                           const struct emitter_config *emitter, zmq_msg_t *bytes) {
        struct request *request = request_new(door->daemon, peer, 1);
        struct job *job;

        if (!request)
                return;
        job = &request->jobs[0];
        if (bytes) {
                job->raw = zmq_msg_data(bytes);
                job->n_raw = zmq_msg_size(bytes);
        }
        job_name_emitter(job, emitter ? emitter->name : door->curve ? "" : "local");
        door->daemon->n_rejected++;
        answer_rejected(job, errors);
}

/* Whose message it is, by the key that its connection has proved; NULL for a local one too. */
static const struct emitter_config *emitter_of(const struct door *door, zmq_msg_t *part) {
        const char *user = door->curve ? zmq_msg_gets(part, "User-Id") : NULL;

        return user ? emitter_by_key(door->daemon, user) : NULL;
}

static void door_on_message(struct door *door, zmq_msg_t *parts, size_t n_parts) {
        struct publisherd *daemon = door->daemon;
        struct findings errors = { 0 };
        struct frame frames[MAX_FRAMES];
        const struct emitter_config *by_key = NULL;
        struct request *request;
        struct peer *peer;
        const char *bytes;
        size_t n_bytes, n_frames = 0;
        json_t *json;

        if (n_parts < 2 || zmq_msg_size(&parts[1]) != 0)
                return; /* no envelope: there is nobody to answer in a form that is understood */
        if (door->curve) {
                const char *user;

                /* libzmq 4.3.4 loses the name on the identity frame; no name, no entry. */
                user = zmq_msg_gets(&parts[n_parts - 1], "User-Id");
                if (!user)
                        return;
                by_key = emitter_by_key(daemon, user);
        }
        peer = peer_get(door, zmq_msg_data(&parts[0]), zmq_msg_size(&parts[0]));
        if (!peer)
                return;
        if (door->curve && !by_key) {
                /* The key was good when the connection was made, and has been revoked since. */
                findings_add(&errors, "/source", "not_entitled", MESSAGE_EVENT_KEY_REVOKED, NULL);
                reject_message(door, peer, &errors, NULL, n_parts > 2 ? &parts[2] : NULL);
                findings_done(&errors);
                return;
        }
        bytes = n_parts > 2 ? zmq_msg_data(&parts[2]) : "";
        n_bytes = n_parts > 2 ? zmq_msg_size(&parts[2]) : 0;
        for (size_t i = 3; i < n_parts; i++) {
                frames[n_frames] = (struct frame) {
                        .bytes = zmq_msg_data(&parts[i]), .n_bytes = zmq_msg_size(&parts[i]),
                };
                if (frames[n_frames].n_bytes > ATTACHMENT_MAX_BYTES)
                        findings_add(&errors, "/data/attachments", "too_large",
                                     MESSAGE_EVENT_FRAME_TOO_LARGE, NULL);
                n_frames++;
        }
        json = errors.n == 0 ? event_read(bytes, n_bytes, &errors) : NULL;
        if (!json && errors.n == 0) {
                /* Short of memory. */
                request = request_new(daemon, peer, 1);
                if (request)
                        answer_busy(daemon, &request->jobs[0], 5000);
                return;
        }
        if (!json) {
                reject_message(door, peer, &errors, by_key, n_parts > 2 ? &parts[2] : NULL);
                findings_done(&errors);
                return;
        }
        request = request_new(daemon, peer, json_is_array(json) ? json_array_size(json) : 1);
        if (!request) {
                json_decref(json);
                return;
        }
        request->is_array = json_is_array(json);
        /* The answers may come, and the request go, while we are still in this loop only when the
         * last one has its answer: nothing is touched after that. */
        for (size_t i = 0, n = request->n_jobs; i < n; i++) {
                json_t *one = json_is_array(json) ? json_array_get(json, i) : json;
                const struct emitter_config *emitter =
                        door->curve ? by_key : door_emitter_by_source(daemon, one);

                admit(daemon, &request->jobs[i], one, json_is_array(json) ? NULL : bytes,
                      n_bytes, emitter, !door->curve, frames, n_frames);
        }
        json_decref(json);
}

/* Reads one whole message; parts beyond the limit, or bytes beyond it, are dropped and counted. */
static int door_receive(struct door *door, bool *ret_any) {
        zmq_msg_t parts[3 + EVENT_MAX_ATTACHMENTS];
        size_t n = 0, total = 0, most = ELEMENTS(parts), dropped = 0;
        int more = 1, r = 0;

        *ret_any = false;
        while (more) {
                zmq_msg_t part;

                (void) zmq_msg_init(&part);
                if (zmq_msg_recv(&part, door->socket, ZMQ_DONTWAIT) < 0) {
                        r = errno == EAGAIN || errno == EINTR ? 0 : -errno;
                        (void) zmq_msg_close(&part);
                        break;
                }
                *ret_any = true;
                more = zmq_msg_more(&part);
                total += zmq_msg_size(&part);
                if (n < most && total <= (size_t) door->daemon->configuration->main.max_message) {
                        (void) zmq_msg_init(&parts[n]);
                        (void) zmq_msg_move(&parts[n++], &part);
                } else
                        dropped++;
                (void) zmq_msg_close(&part);
        }
        if (*ret_any)
                crash_point("publisherd/message-received");
        if (*ret_any && r == 0 && dropped == 0)
                door_on_message(door, parts, n);
        else if (dropped > 0 && n >= 2 && zmq_msg_size(&parts[1]) == 0) {
                struct findings errors = { 0 };
                struct peer *peer =
                        peer_get(door, zmq_msg_data(&parts[0]), zmq_msg_size(&parts[0]));

                findings_add(&errors, "", "too_large", MESSAGE_EVENT_MESSAGE_TOO_LARGE, NULL);
                if (peer)
                        reject_message(door, peer, &errors, emitter_of(door, &parts[n - 1]),
                                       n > 2 ? &parts[2] : NULL);
                findings_done(&errors);
        }
        for (size_t i = 0; i < n; i++)
                (void) zmq_msg_close(&parts[i]);
        return r;
}

/* ZMQ_FD tells of a change once, so we read until empty or until our fair share is used; then
 * `again` comes back one priority later (at the same priority a defer source starves the timers). */
static int door_read(struct door *door) {
        struct publisherd *daemon = door->daemon;
        bool any = true;
        int r = 0;

        if (daemon->stopping)
                return 0;
        for (unsigned i = 0; i < FAIR_SHARE && any && r == 0; i++)
                r = door_receive(door, &any);
        for (size_t i = 0; i < daemon->n_regions; i++)
                commit_go(daemon, &daemon->regions[i]);
        if (r < 0)
                return r;
        if (any)
                return sd_event_source_set_enabled(door->again, SD_EVENT_ONESHOT);
        return 0;
}

static int door_on_io(sd_event_source *source, int fd, uint32_t revents, void *userdata) {
        (void) source;
        (void) fd;
        (void) revents;
        return door_read(userdata);
}

static int door_on_again(sd_event_source *source, void *userdata) {
        (void) source;
        return door_read(userdata);
}

/* -- opening -------------------------------------------------------------------------------------- */

static int set_int(void *socket, int option, int value) {
        return zmq_setsockopt(socket, option, &value, sizeof(value)) < 0 ? -errno : 0;
}

static int door_open(struct publisherd *daemon, struct door *door, bool curve) {
        int64_t most = daemon->configuration->main.max_message;
        int fd, r = 0;
        size_t n_fd = sizeof(fd);

        door->daemon = daemon;
        door->curve = curve;
        door->socket = zmq_socket(daemon->zmq, ZMQ_ROUTER);
        if (!door->socket)
                return -errno;
        if (zmq_setsockopt(door->socket, ZMQ_MAXMSGSIZE, &most, sizeof(most)) < 0)
                return -errno;
        r = r ? r : set_int(door->socket, ZMQ_ROUTER_MANDATORY, 1);
        r = r ? r : set_int(door->socket, ZMQ_LINGER, 1000);
        r = r ? r : set_int(door->socket, ZMQ_RCVHWM, 512);
        r = r ? r : set_int(door->socket, ZMQ_SNDHWM, 2048);
        r = r ? r : set_int(door->socket, ZMQ_HANDSHAKE_IVL, 2000);
        r = r ? r : set_int(door->socket, ZMQ_HEARTBEAT_IVL, 5000);
        r = r ? r : set_int(door->socket, ZMQ_HEARTBEAT_TIMEOUT, 15000);
        r = r ? r : set_int(door->socket, ZMQ_HEARTBEAT_TTL, 15000);
        r = r ? r : set_int(door->socket, ZMQ_IPV6, 1);
        if (r == 0 && curve)
                r = zap_secure(daemon->zap, door->socket);
        if (r < 0)
                return r;
        if (zmq_getsockopt(door->socket, ZMQ_FD, &fd, &n_fd) < 0)
                return -errno;
        r = sd_event_add_io(daemon->event, &door->io, fd, EPOLLIN, door_on_io, door);
        if (r >= 0)
                r = sd_event_source_set_exit_on_failure(door->io, true);
        if (r >= 0)
                r = sd_event_add_defer(daemon->event, &door->again, door_on_again, door);
        if (r >= 0)
                r = sd_event_source_set_priority(door->again, SD_EVENT_PRIORITY_NORMAL + 1);
        if (r >= 0)
                r = sd_event_source_set_exit_on_failure(door->again, true);
        return r < 0 ? r : 0;
}

int doors_open(struct publisherd *daemon) {
        const struct string_list *listen = &daemon->configuration->main.listen;
        bool wanted[2] = { false, false };
        int r;

        for (size_t i = 0; i < listen->n; i++)
                wanted[endpoint_is_open(listen->items[i])] = true;
        if (wanted[1] && !daemon->configuration->main.curve_secret_file) {
                log_say(LOG_ERR, MESSAGE_DOOR_NEEDS_CURVE, NULL);
                return -EPERM;
        }
        daemon->doors = calloc(2, sizeof(*daemon->doors));
        if (!daemon->doors)
                return -ENOMEM;
        if (wanted[1]) {
                r = zap_open(daemon->event, daemon->zmq, "publisherd",
                             daemon->configuration->main.curve_secret_file, key_is_known, daemon,
                             &daemon->zap);
                if (r == 0)
                        r = zap_self_test(daemon->zap);
                if (r < 0)
                        return r;
        }
        daemon->n_doors = 2;
        for (int k = 0; k < 2; k++) {
                struct door *door = &daemon->doors[k];

                if (!wanted[k])
                        continue;
                r = door_open(daemon, door, k == 1);
                for (size_t i = 0; r == 0 && i < listen->n; i++) {
                        const char *endpoint = listen->items[i];

                        if (endpoint_is_open(endpoint) != (k == 1))
                                continue;
                        if (zmq_bind(door->socket, endpoint) < 0) {
                                r = -errno;
                                log_say(LOG_ERR, MESSAGE_DOOR_CANNOT_BIND, "endpoint", endpoint,
                                        "reason", zmq_strerror(errno), NULL);
                        } else {
                                if (strncmp(endpoint, "ipc:///", 7) == 0)
                                        (void) chmod(endpoint + 6, 0660);
                                log_say(LOG_INFO, MESSAGE_DOOR_OPEN, "endpoint", endpoint, NULL);
                        }
                }
                if (r < 0)
                        return r;
        }
        return 0;
}

void doors_stop_reading(struct publisherd *daemon) {
        for (size_t i = 0; i < daemon->n_doors; i++) {
                struct door *door = &daemon->doors[i];

                if (door->io)
                        (void) sd_event_source_set_enabled(door->io, SD_EVENT_OFF);
                if (door->again)
                        (void) sd_event_source_set_enabled(door->again, SD_EVENT_OFF);
        }
}

void doors_close(struct publisherd *daemon) {
        for (size_t i = 0; i < daemon->n_doors; i++) {
                struct door *door = &daemon->doors[i];

                (void) sd_event_source_disable_unref(door->io);
                (void) sd_event_source_disable_unref(door->again);
                for (size_t k = 0; k < PEER_BUCKETS; k++) {
                        while (door->peers[k]) {
                                struct peer *peer = door->peers[k];

                                while (peer->first) {
                                        struct request *request = peer->first;

                                        peer->first = request->next;
                                        request_free(request);
                                }
                                peer_free(peer);
                        }
                }
                if (door->socket)
                        (void) zmq_close(door->socket);
        }
        free(daemon->doors);
        daemon->doors = NULL;
        daemon->n_doors = 0;
}
