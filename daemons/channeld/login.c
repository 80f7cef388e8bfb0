/* `--login`: a person opens the carrier's page, and what the carrier shows there becomes the
 * secret. Spoken to by gongkaictl, which keeps it: it comes by the descriptor 3, and never by a
 * name, an argument or the terminal. */
#include "daemons/channeld/channeld.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "core/files.h"
#include "core/memory.h"
#include "core/textfile.h"

enum { PASTED_MOST = 4096, SECRET_FD = 3 };

static void say_line(enum message message, const struct channeld *daemon, const char *reason,
                     const char *url) {
        char *text freed_by(freep) = say(message, "channel", daemon->channel->name, "driver",
                                         daemon->driver->name, "reason", reason, "url", url, NULL);

        (void) puts(text ? text : "");
        (void) fflush(stdout);
}

int login_run(struct channeld *daemon) {
        struct buf address freed_by(buf_done) = { 0 };
        struct buf secret freed_by(buf_done) = { 0 };
        char *sentence freed_by(freep) = NULL;
        struct buf pasted freed_by(buf_done) = { 0 };
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
        r = line_read(STDIN_FILENO, PASTED_MOST, &pasted);
        if (r == 0 && pasted.len > 0 && pasted.data[pasted.len - 1] == '\r')
                pasted.data[--pasted.len] = '\0';
        /* What a person pasted: a line, shorter than what is kept of one, and no NUL in it. */
        if (r < 0 || pasted.len == 0 || pasted.len >= PASTED_MOST || strlen(buf_text(&pasted)) != pasted.len) {
                say_line(MESSAGE_LOGIN_TOO_LONG, daemon, "", "");
                return -EINVAL;
        }
        r = special_login(daemon, buf_text(&pasted), &secret, &sentence);
        if (r == 0)
                r = write_whole(SECRET_FD, secret.data, secret.len);
        if (secret.data)
                explicit_bzero(secret.data, secret.len);
        if (r < 0)
                say_line(MESSAGE_LOGIN_FAILED, daemon, sentence ? sentence : strerror(-r), "");
        else
                (void) puts(sentence ? sentence : "");
        return r;
}
