/* The two ways of an alarm to people: a program of the county's own, and a channel. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/alarm.h"
#include "core/memory.h"
#include "daemons/ledgerd/alarms_parts.h"

extern char **environ;

enum { MOST_ANSWER = 64 << 10, MOST_ENVIRONMENT = 512 };

void sending_stop(struct sending *sending) {
        sending->timer = sd_event_source_disable_unref(sending->timer);
        sending->io = sd_event_source_disable_unref(sending->io);
        sending->child = sd_event_source_disable_unref(sending->child);
        if (sending->fd >= 0)
                (void) close(sending->fd);
        sending->fd = -1;
        sending->pid = 0;
        buf_done(&sending->in);
        sending->in = buf_init_max(MOST_ANSWER);
}

static void fails(struct sending *sending, enum message message, const char *value) {
        char *failure freed_by(freep) = say(message, "value", value, NULL);

        sending_done(sending, failure ? failure : "");
}

/* -- the command ------------------------------------------------------------------------------------- */

static int on_too_long(sd_event_source *source, uint64_t usec, void *userdata) {
        struct sending *sending = userdata;

        (void) source;
        (void) usec;
        if (sending->pid > 0) {
                /* Its end is seen by on_ended(). It leads a group of its own: its children too. */
                (void) kill(-sending->pid, SIGKILL);
                return 0;
        }
        fails(sending, MESSAGE_ALARM_TOOK_TOO_LONG, "30s");
        return 0;
}

static int on_ended(sd_event_source *source, const siginfo_t *how, void *userdata) {
        struct sending *sending = userdata;
        char number[16];

        (void) source;
        (void) snprintf(number, sizeof(number), "%d", how->si_status);
        if (how->si_code == CLD_EXITED && how->si_status == 0)
                sending_done(sending, NULL);
        else if (how->si_code == CLD_EXITED)
                fails(sending, MESSAGE_ALARM_EXITED, number);
        else
                fails(sending, MESSAGE_ALARM_KILLED, number);
        return 0;
}

/* A variable that speaks of this daemon to systemd is none of the program's. */
static bool is_ours(const char *variable) {
        static const char *const ours[] = { "NOTIFY_SOCKET=", "WATCHDOG_", "LISTEN_",
                                            "GONGKAI_ALARM_" };

        for (size_t i = 0; i < ELEMENTS(ours); i++)
                if (strncmp(variable, ours[i], strlen(ours[i])) == 0)
                        return true;
        return false;
}

static void environment_done(char **variables) {
        for (char **one = variables; one && *one; one++)
                free(*one);
        free(variables);
}

/* This process' environment and GONGKAI_ALARM_CODE and so on. */
static char **environment_of(const json_t *alarm) {
        static const char *const names[] = { "code", "severity", "subject", "first", "last", "count",
                                             "sentence", "what_to_do", "state" };
        char **variables = calloc(MOST_ENVIRONMENT + ELEMENTS(names) + 1, sizeof(*variables));
        size_t n = 0;

        for (char **one = environ; variables && *one && n < MOST_ENVIRONMENT; one++)
                if (!is_ours(*one) && !(variables[n++] = strdup(*one)))
                        break;
        for (size_t i = 0; variables && i < ELEMENTS(names); i++) {
                const json_t *value = json_object_get(alarm, names[i]);
                struct buf text = { 0 };

                buf_str(&text, "GONGKAI_ALARM_");
                for (const char *c = names[i]; *c; c++)
                        buf_char(&text, (char) (*c >= 'a' && *c <= 'z' ? *c - 'a' + 'A' : *c));
                if (json_is_integer(value))
                        buf_fmt(&text, "=%lld", (long long) json_integer_value(value));
                else
                        buf_fmt(&text, "=%s", json_is_string(value) ? json_string_value(value) : "");
                variables[n] = buf_take(&text);
                if (!variables[n++])
                        break;
        }
        return variables;
}

/* A file in memory with the alarm, to be read from its start. */
static int alarm_as_input(const json_t *alarm) {
        char *text freed_by(freep) = json_dumps(alarm, JSON_COMPACT);
        size_t n = text ? strlen(text) : 0;
        int fd = text ? memfd_create("alarm", MFD_CLOEXEC) : -1;

        if (fd < 0)
                return text ? -errno : -ENOMEM;
        text[n] = '\n';
        if (write(fd, text, n + 1) != (ssize_t) (n + 1) || lseek(fd, 0, SEEK_SET) < 0) {
                (void) close(fd);
                return -EIO;
        }
        return fd;
}

static int spawn(struct sending *sending, char **variables, int input) {
        posix_spawn_file_actions_t actions;
        posix_spawnattr_t attributes;
        sigset_t none, all;
        int r;

        (void) sigemptyset(&none);
        (void) sigfillset(&all);
        r = posix_spawn_file_actions_init(&actions);
        if (r != 0)
                return -r;
        r = posix_spawnattr_init(&attributes);
        if (r != 0) {
                (void) posix_spawn_file_actions_destroy(&actions);
                return -r;
        }
        r = posix_spawn_file_actions_adddup2(&actions, input, STDIN_FILENO);
        if (r == 0) /* its output goes where ours goes: to the journal */
                r = posix_spawn_file_actions_adddup2(&actions, STDERR_FILENO, STDOUT_FILENO);
        if (r == 0) /* hiredis' socket is open across an exec */
                r = posix_spawn_file_actions_addclosefrom_np(&actions, 3);
        if (r == 0)
                r = posix_spawnattr_setsigmask(&attributes, &none);
        if (r == 0)
                r = posix_spawnattr_setsigdefault(&attributes, &all);
        if (r == 0)
                r = posix_spawnattr_setpgroup(&attributes, 0);
        if (r == 0)
                r = posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK |
                                                                  POSIX_SPAWN_SETSIGDEF |
                                                                  POSIX_SPAWN_SETPGROUP);
        if (r == 0)
                r = posix_spawn(&sending->pid, sending->alarms->argv[0], &actions, &attributes,
                                sending->alarms->argv, variables);
        (void) posix_spawnattr_destroy(&attributes);
        (void) posix_spawn_file_actions_destroy(&actions);
        return -r;
}

static int patience(struct sending *sending) {
        int r = sd_event_add_time_relative(sending->alarms->event, &sending->timer, CLOCK_BOOTTIME,
                                           (uint64_t) sending->alarms->patience_ms * 1000, 0, on_too_long, sending);

        return r < 0 ? r : 0;
}

int send_by_command(struct sending *sending) {
        char **variables = environment_of(sending->alarm);
        int input = variables ? alarm_as_input(sending->alarm) : -ENOMEM;
        int r = input < 0 ? input : patience(sending);

        sending->pid = 0;
        if (r == 0)
                r = spawn(sending, variables, input);
        if (input >= 0)
                (void) close(input);
        environment_done(variables);
        if (r < 0)
                return r;
        r = sd_event_add_child(sending->alarms->event, &sending->child, sending->pid, WEXITED, on_ended,
                               sending);
        if (r < 0) { /* nobody would see it end */
                (void) kill(-sending->pid, SIGKILL);
                (void) waitpid(sending->pid, NULL, 0);
        }
        return r < 0 ? r : 0;
}

/* -- the channel --------------------------------------------------------------------------------------- */

static int on_answer(sd_event_source *source, int fd, uint32_t revents, void *userdata) {
        struct sending *sending = userdata;
        char *room = buf_room(&sending->in, 4096);
        ssize_t n = room ? recv(fd, room, 4096, MSG_DONTWAIT) : 0;
        json_t *answer;

        (void) source;
        (void) revents;
        if (n < 0 && (errno == EAGAIN || errno == EINTR))
                return 0;
        if (n <= 0) {
                sending_done(sending, strerror(n < 0 ? errno : ECONNRESET));
                return 0;
        }
        buf_grown(&sending->in, (size_t) n);
        if (!memchr(room, '\n', (size_t) n))
                return 0;
        answer = json_loads(buf_text(&sending->in), 0, NULL);
        if (json_is_true(json_object_get(answer, "ok"))) {
                sending_done(sending, NULL);
        } else {
                const char *error = json_string_value(json_object_get(answer, "error"));

                sending_done(sending, error ? error : strerror(EBADMSG));
        }
        json_decref(answer);
        return 0;
}

/* The region whose document the alarm becomes. */
static const char *region_of(const struct alarms *alarms, const json_t *alarm) {
        const char *candidates[] = {
                json_string_value(json_object_get(json_object_get(alarm, "fields"), "region")),
                json_string_value(json_object_get(alarm, "subject")),
        };

        for (size_t i = 0; i < ELEMENTS(candidates); i++)
                if (candidates[i] && string_list_has(&alarms->regions, candidates[i]))
                        return candidates[i];
        return alarms->region;
}

static int connect_to(const char *path) {
        struct sockaddr_un address = { .sun_family = AF_UNIX };
        int fd, r;

        if (strlen(path) >= sizeof(address.sun_path))
                return -ENAMETOOLONG;
        memcpy(address.sun_path, path, strlen(path) + 1);
        fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        if (fd < 0)
                return -errno;
        if (connect(fd, (struct sockaddr *) &address, sizeof(address)) < 0) {
                r = -errno;
                (void) close(fd);
                return r;
        }
        return fd;
}

int send_by_channel(struct sending *sending) {
        const struct alarms *alarms = sending->alarms;
        json_t *question = json_pack("{s:s, s:s, s:s, s:O}", "do", "alarm.publish", "region",
                                     region_of(alarms, sending->alarm), "channel", alarms->channel,
                                     "alarm", sending->alarm);
        char *text freed_by(freep) = question ? json_dumps(question, JSON_COMPACT) : NULL;
        size_t n = text ? strlen(text) : 0;
        int r = text ? patience(sending) : -ENOMEM;

        json_decref(question);
        if (r < 0)
                return r;
        sending->fd = connect_to(alarms->control);
        if (sending->fd < 0)
                return sending->fd;
        text[n++] = '\n';
        if (send(sending->fd, text, n, MSG_NOSIGNAL) != (ssize_t) n) /* far less than its buffer */
                return -EIO;
        r = sd_event_add_io(sending->alarms->event, &sending->io, sending->fd, EPOLLIN, on_answer,
                            sending);
        return r < 0 ? r : 0;
}
