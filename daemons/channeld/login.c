/* `--login`: a person opens the carrier's page, and what the carrier shows there becomes the
 * secret. Spoken to by gongkaictl, which keeps it: it comes by the descriptor 3, and never by a
 * name, an argument or the terminal. */
#include "daemons/channeld/channeld.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "core/memory.h"

enum { PASTED_MOST = 4096, SECRET_FD = 3 };

static void say_line(enum message message, const struct channeld *daemon, const char *reason,
                     const char *url) {
        char *text freed_by(freep) = say(message, "channel", daemon->channel->name, "driver",
                                         daemon->driver->name, "reason", reason, "url", url, NULL);

        (void) puts(text ? text : "");
        (void) fflush(stdout);
}

/* One line: a terminal gives one, and behind it the person waits. */
static bool read_line(char ret[static PASTED_MOST]) {
        size_t n = 0;

        while (n < PASTED_MOST - 1) {
                ssize_t got = read(STDIN_FILENO, ret + n, PASTED_MOST - 1 - n);

                if (got < 0 && errno == EINTR)
                        continue;
                if (got <= 0)
                        break;
                n += (size_t) got;
                if (memchr(ret, '\n', n))
                        break;
        }
        ret[n] = '\0';
        if (n == PASTED_MOST - 1 || strlen(ret) != n)
                return false;
        ret[strcspn(ret, "\r\n")] = '\0';
        return *ret != '\0';
}

static int hand_over(const struct buf *secret) {
        for (size_t at = 0; at < secret->len;) {
                ssize_t put = write(SECRET_FD, secret->data + at, secret->len - at);

                if (put < 0 && errno == EINTR)
                        continue;
                if (put <= 0)
                        return put < 0 ? -errno : -EIO;
                at += (size_t) put;
        }
        return 0;
}

int login_run(struct channeld *daemon) {
        struct buf address freed_by(buf_done) = { 0 };
        struct buf secret freed_by(buf_done) = { 0 };
        char *sentence freed_by(freep) = NULL;
        char pasted[PASTED_MOST];
        int r;

        if (!daemon->driver->login_begin) {
                say_line(MESSAGE_CTL_NO_LOGIN, daemon, "", "");
                return 0;
        }
        if (fcntl(SECRET_FD, F_GETFD) < 0) {
                say_line(MESSAGE_LOGIN_ONLY_BY_CTL, daemon, "", "");
                return -EBADF;
        }
        r = daemon->driver->login_address(daemon->options, daemon->secret, &address);
        if (r < 0)
                return r;
        say_line(MESSAGE_LOGIN_OPEN, daemon, "", buf_text(&address));
        if (!read_line(pasted)) {
                say_line(MESSAGE_LOGIN_TOO_LONG, daemon, "", "");
                return -EINVAL;
        }
        r = special_login(daemon, pasted, &secret, &sentence);
        if (r == 0)
                r = hand_over(&secret);
        if (secret.data)
                explicit_bzero(secret.data, secret.len);
        if (r < 0)
                say_line(MESSAGE_LOGIN_FAILED, daemon, sentence ? sentence : strerror(-r), "");
        else
                (void) puts(sentence ? sentence : "");
        return r;
}
