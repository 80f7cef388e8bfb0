#include "ctl/ctl.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include "core/memory.h"

enum { PATIENCE_SECONDS = 30, MOST_BYTES = 64 << 20 };

struct configuration *ctl_configuration(struct ctl *ctl) {
        struct problems problems = { 0 };

        if (ctl->configuration)
                return ctl->configuration;
        /* What is wrong is the business of `config check`; here the sockets' names are enough. */
        if (configuration_load(ctl->config_path, NULL, &problems, &ctl->configuration) < 0)
                problems_print(&problems, stderr);
        problems_done(&problems);
        return ctl->configuration;
}

static int connect_control(const char *path) {
        struct sockaddr_un address = { .sun_family = AF_UNIX };
        struct timeval patience = { .tv_sec = PATIENCE_SECONDS };
        int fd, r;

        if (strlen(path) >= sizeof(address.sun_path))
                return -ENAMETOOLONG;
        (void) strncpy(address.sun_path, path, sizeof(address.sun_path) - 1);
        fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
        if (fd < 0)
                return -errno;
        (void) setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
        (void) setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience));
        if (connect(fd, (struct sockaddr *) &address, sizeof(address)) < 0) {
                r = -errno;
                (void) close(fd);
                return r;
        }
        return fd;
}

static int talk(int fd, const char *question, struct buf *answer) {
        size_t n = strlen(question);

        while (n > 0) {
                ssize_t sent = send(fd, question, n, MSG_NOSIGNAL);

                if (sent < 0)
                        return -errno;
                question += sent;
                n -= (size_t) sent;
        }
        for (;;) {
                char *room = answer->len < MOST_BYTES ? buf_room(answer, 65536) : NULL;
                ssize_t got = room ? recv(fd, room, 65536, 0) : 0;

                if (got < 0)
                        return -errno;
                if (got == 0)
                        return -ECONNRESET;
                buf_grown(answer, (size_t) got);
                if (memchr(room, '\n', (size_t) got))
                        return 0;
        }
}

static json_t *ask(struct ctl *ctl, json_t *question, bool quietly) {
        const struct configuration *configuration = ctl_configuration(ctl);
        char *text freed_by(freep) = json_dumps(question, JSON_COMPACT);
        struct buf line freed_by(buf_done) = { 0 };
        struct buf answer freed_by(buf_done) = { 0 };
        json_t *json = NULL;
        int fd, r;

        json_decref(question);
        if (!configuration || !text)
                return NULL;
        buf_fmt(&line, "%s\n", text);
        fd = connect_control(configuration->main.control);
        r = fd < 0 ? fd : talk(fd, buf_text(&line), &answer);
        if (fd >= 0)
                (void) close(fd);
        if (r == 0)
                json = json_loads(buf_text(&answer), 0, NULL);
        if (!json && !quietly)
                print_error(r == -EACCES ? MESSAGE_CTL_NOT_ALLOWED : MESSAGE_CTL_NO_DAEMON, "path",
                            configuration->main.control, "reason", strerror(r < 0 ? -r : EBADMSG),
                            NULL);
        return json;
}

json_t *ctl_ask(struct ctl *ctl, json_t *question) {
        return ask(ctl, question, false);
}

json_t *ctl_ask_quietly(struct ctl *ctl, json_t *question) {
        json_t *answer = ask(ctl, question, true);

        if (answer && !json_is_true(json_object_get(answer, "ok"))) {
                json_decref(answer);
                return NULL;
        }
        return answer;
}

json_t *ctl_ask_well(struct ctl *ctl, json_t *question, int *ret_code) {
        json_t *answer = ctl_ask(ctl, question);

        /* Without a configuration nobody was asked; that was told. */
        *ret_code = answer ? EXIT_WELL : ctl->configuration ? EXIT_NO_DAEMON : EXIT_REFUSED;
        if (!answer || json_is_true(json_object_get(answer, "ok")))
                return answer;
        *ret_code = EXIT_REFUSED;
        if (json_object_get(answer, "error"))
                (void) fprintf(stderr, "%s\n", text_member(answer, "error"));
        else
                print_json(answer);
        json_decref(answer);
        return NULL;
}
