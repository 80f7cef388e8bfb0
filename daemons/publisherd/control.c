/* The control socket of gongkaictl: one JSON object by line in, one out. Who asks is told by the
 * kernel (SO_PEERCRED), not by the asker. */
#include "daemons/publisherd/control.h"

#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "core/crash.h"
#include "core/log.h"
#include "core/memory.h"

enum { MAX_CLIENTS = 32, MAX_LINE = 1 << 20 };

struct control {
        struct publisherd *daemon;
        int fd;
        sd_event_source *io;
        struct client *clients;
        size_t n_clients;
};

struct client {
        struct control *control;
        struct client *next;
        int fd;
        sd_event_source *io;
        struct buf in, out;
        size_t n_sent;
        bool asked; /* one question is being answered */
        bool gone;  /* the peer left while its question was on its way */
        char who[64];
        char *audit;
};

static void client_free(struct client *client) {
        struct client **at = &client->control->clients;

        while (*at != client)
                at = &(*at)->next;
        *at = client->next;
        client->control->n_clients--;
        (void) sd_event_source_disable_unref(client->io);
        (void) close(client->fd);
        buf_done(&client->in);
        buf_done(&client->out);
        free(client->audit);
        free(client);
}

static void client_write(struct client *client) {
        while (client->n_sent < client->out.len) {
                ssize_t n = send(client->fd, client->out.data + client->n_sent,
                                 client->out.len - client->n_sent, MSG_NOSIGNAL | MSG_DONTWAIT);

                if (n < 0 && errno == EINTR)
                        continue;
                if (n < 0 && errno == EAGAIN) {
                        (void) sd_event_source_set_io_events(client->io, EPOLLIN | EPOLLOUT);
                        return;
                }
                if (n < 0)
                        break;
                client->n_sent += (size_t) n;
        }
        buf_reset(&client->out);
        client->n_sent = 0;
        (void) sd_event_source_set_io_events(client->io, EPOLLIN);
}

const char *control_who(const struct client *client) {
        return client->who;
}

void control_audit(struct client *client, const char *what) {
        free(client->audit);
        client->audit = strdup(what);
}

void control_reply(struct client *client, json_t *json) {
        char *text freed_by(freep) = json_dumps(json, JSON_COMPACT);

        /* What was asked and done by whom stands in the log, once. */
        if (client->audit && json_is_true(json_object_get(json, "ok")))
                log_say(LOG_NOTICE, MESSAGE_CONTROL_DONE, "who", client->who, "what", client->audit,
                        NULL);
        free(give_away(client->audit));
        json_decref(json);
        client->asked = false;
        if (client->gone) {
                client_free(client);
                return;
        }
        crash_point("publisherd/control-done");
        buf_str(&client->out, text ? text : "{\"ok\":false}");
        buf_char(&client->out, '\n');
        client_write(client);
}

void control_fail(struct client *client, enum message message, ...) {
        struct buf sentence = { 0 };
        va_list pairs;

        va_start(pairs, message);
        say_list(&sentence, message, pairs);
        va_end(pairs);
        control_reply(client, json_pack("{s:b, s:s}", "ok", 0, "error", buf_text(&sentence)));
        buf_done(&sentence);
}

static void client_ask(struct client *client, const char *line, size_t n) {
        json_t *question = json_loadb(line, n, JSON_REJECT_DUPLICATES, NULL);

        client->asked = true;
        crash_point("publisherd/control-read");
        if (!json_is_object(question))
                control_fail(client, MESSAGE_CONTROL_NOT_UNDERSTOOD, NULL);
        else
                control_command(client->control->daemon, client, question);
        json_decref(question);
}

static int client_on_io(sd_event_source *source, int fd, uint32_t revents, void *userdata) {
        struct client *client = userdata;
        char *room, *newline;
        ssize_t n;

        (void) source;
        if (revents & EPOLLOUT)
                client_write(client);
        if (!(revents & (EPOLLIN | EPOLLHUP | EPOLLERR)))
                return 0;
        room = client->in.len < MAX_LINE ? buf_room(&client->in, 4096) : NULL;
        n = room ? recv(fd, room, 4096, MSG_DONTWAIT) : 0;
        if (n < 0 && (errno == EAGAIN || errno == EINTR))
                return 0;
        if (n <= 0) {
                if (client->asked) {
                        client->gone = true;
                        (void) sd_event_source_set_enabled(client->io, SD_EVENT_OFF);
                } else
                        client_free(client);
                return 0;
        }
        buf_grown(&client->in, (size_t) n);
        newline = client->asked ? NULL : memchr(client->in.data, '\n', client->in.len);
        if (newline) {
                struct buf line = client->in;

                client->in = (struct buf) { 0 };
                client_ask(client, line.data, (size_t) (newline - line.data));
                buf_done(&line);
        }
        return 0;
}

static int control_on_connect(sd_event_source *source, int fd, uint32_t revents, void *userdata) {
        struct control *control = userdata;
        struct ucred peer = { 0 };
        socklen_t n_peer = sizeof(peer);
        struct client *client;
        const struct passwd *user;
        int connection = accept4(fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

        (void) source;
        (void) revents;
        if (connection < 0)
                return 0;
        client = control->n_clients < MAX_CLIENTS ? calloc(1, sizeof(*client)) : NULL;
        if (!client ||
            getsockopt(connection, SOL_SOCKET, SO_PEERCRED, &peer, &n_peer) < 0) {
                free(client);
                (void) close(connection);
                return 0;
        }
        client->control = control;
        client->fd = connection;
        user = getpwuid(peer.uid);
        (void) snprintf(client->who, sizeof(client->who), "%s(%u)", user ? user->pw_name : "?",
                        (unsigned) peer.uid);
        client->next = control->clients;
        control->clients = client;
        control->n_clients++;
        if (sd_event_add_io(control->daemon->event, &client->io, connection, EPOLLIN, client_on_io,
                            client) < 0)
                client_free(client);
        return 0;
}

int control_open(struct publisherd *daemon) {
        const struct config *config = &daemon->configuration->main;
        struct sockaddr_un address = { .sun_family = AF_UNIX };
        struct control *control = calloc(1, sizeof(*control));
        const struct group *group;
        int r;

        if (!control)
                return -ENOMEM;
        daemon->control = control;
        control->daemon = daemon;
        control->fd = -1;
        if (strlen(config->control) >= sizeof(address.sun_path)) {
                log_say(LOG_ERR, MESSAGE_DOOR_CANNOT_BIND, "endpoint", config->control, "reason",
                        strerror(ENAMETOOLONG), NULL);
                return -ENAMETOOLONG;
        }
        (void) strncpy(address.sun_path, config->control, sizeof(address.sun_path) - 1);
        (void) unlink(config->control);
        control->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        if (control->fd < 0 ||
            bind(control->fd, (struct sockaddr *) &address, sizeof(address)) < 0 ||
            listen(control->fd, 16) < 0) {
                r = -errno;
                log_say(LOG_ERR, MESSAGE_DOOR_CANNOT_BIND, "endpoint", config->control, "reason",
                        strerror(errno), NULL);
                return r;
        }
        group = config->control_group ? getgrnam(config->control_group) : NULL;
        if (group)
                (void) !chown(config->control, (uid_t) -1, group->gr_gid);
        (void) chmod(config->control, group ? 0660 : 0600);
        r = sd_event_add_io(daemon->event, &control->io, control->fd, EPOLLIN, control_on_connect,
                            control);
        if (r >= 0)
                r = sd_event_source_set_exit_on_failure(control->io, true);
        return r < 0 ? r : 0;
}

void control_close(struct publisherd *daemon) {
        struct control *control = daemon->control;

        if (!control)
                return;
        for (struct client *client = control->clients; client; client = client->next)
                client->gone = true; /* an answer that still comes frees it */
        while (control->clients && !control->clients->asked)
                client_free(control->clients);
        (void) sd_event_source_disable_unref(control->io);
        control->io = NULL;
        if (control->fd >= 0) {
                (void) close(control->fd);
                (void) unlink(daemon->configuration->main.control);
                control->fd = -1;
        }
}

void control_free(struct publisherd *daemon) {
        struct control *control = daemon->control;

        if (!control)
                return;
        while (control->clients)
                client_free(control->clients);
        free(control);
        daemon->control = NULL;
}
