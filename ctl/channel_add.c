/* channel add: from settings on the command line, or by questions, which the channel's own program asks:
 * it knows the drivers. */
#include "ctl/ctl.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/files.h"
#include "core/memory.h"
#include "core/textfile.h"

enum { NAME_MOST = 64, FILE_MOST = 1 << 20 };

/* "driver=webhook" as a line of the file. A line break in it would be another setting. */
static bool add_setting(struct buf *text, const char *argument) {
        const char *equals = strchr(argument, '=');
        size_t n = equals ? (size_t) (equals - argument) : 0;

        if (n == 0 || strspn(argument, "abcdefghijklmnopqrstuvwxyz_") != n || !equals[1] ||
            strpbrk(argument, "\r\n")) {
                print_error(MESSAGE_CTL_NOT_A_SETTING, "argument", argument, NULL);
                return false;
        }
        buf_fmt(text, "%.*s = %s\n", (int) n, argument, equals + 1);
        return true;
}

/* NULL, and said, when it is there already. */
static char *new_path(const struct configuration *configuration, const char *name) {
        char *path;

        if (asprintf(&path, "%s/channels.d/%s.conf", configuration->main.folder, name) < 0)
                return NULL;
        if (access(path, F_OK) < 0)
                return path;
        print_error(MESSAGE_CTL_CHANNEL_THERE, "path", path, NULL);
        free(path);
        return NULL;
}

/* Until it can be used; false at the end of the input. */
static bool ask_name(const struct configuration *configuration, struct buf *ret) {
        for (;;) {
                char *question freed_by(freep) = say(MESSAGE_ASK_NAME, NULL);
                char *path freed_by(freep) = NULL;

                (void) fprintf(stderr, "%s", question ? question : "");
                if (line_read(STDIN_FILENO, NAME_MOST, ret) < 0) {
                        (void) fputc('\n', stderr);
                        print_error(MESSAGE_ASK_NOTHING, NULL);
                        return false;
                }
                if (conf_name_is_valid(buf_text(ret)))
                        path = new_path(configuration, buf_text(ret));
                if (path)
                        return true;
        }
}

/* What the channel's program has made of the answers. */
static int ask_settings(const struct ctl *ctl, const char *name, struct buf *ret) {
        int fd = memfd_create("channel", MFD_CLOEXEC), code = EXIT_REFUSED;
        struct stat about;
        ssize_t n;

        if (fd >= 0)
                code = run_channeld_for(ctl, "--ask", name, -1, fd);
        if (code == EXIT_WELL && fstat(fd, &about) == 0 && about.st_size < FILE_MOST) {
                char *bytes freed_by(freep) = malloc((size_t) about.st_size + 1);

                n = bytes ? pread(fd, bytes, (size_t) about.st_size, 0) : -1;
                if (n > 0)
                        buf_add(ret, bytes, (size_t) n);
        }
        if (fd >= 0)
                (void) close(fd);
        return ret->len > 0 ? EXIT_WELL : EXIT_REFUSED;
}

static int write_file(const struct ctl *ctl, const char *path, const struct buf *text) {
        char *folder freed_by(freep) = NULL;
        int r;

        if (asprintf(&folder, "%s/channels.d", ctl->configuration->main.folder) < 0) {
                folder = NULL;
                return -ENOMEM;
        }
        r = folder_make(folder, 0755);
        return r < 0 ? r : file_write(path, text->data, text->len, 0644);
}

/* Writes it and looks at it with the eyes of the daemon; what is wrong does not stay. */
static int add(struct ctl *ctl, const char *name, const struct buf *text) {
        char *path freed_by(freep) = new_path(ctl->configuration, name);
        int r;

        if (!path)
                return EXIT_REFUSED;
        r = text->error ? text->error : write_file(ctl, path, text);
        if (r < 0) {
                print_error(MESSAGE_CANNOT_WRITE, "path", path, "reason", strerror(-r), NULL);
                return EXIT_REFUSED;
        }
        if (run_channeld(ctl, "--check", name, -1) != 0) {
                (void) unlink(path);
                print_error(MESSAGE_CTL_CHANNEL_NOT_ADDED, "channel", name, NULL);
                return EXIT_REFUSED;
        }
        print_line(MESSAGE_CTL_CHANNEL_ADDED, "channel", name, "path", path, NULL);
        tell_daemon(ctl);
        return EXIT_WELL;
}

int command_channel_add(struct ctl *ctl) {
        const struct configuration *configuration = ctl_configuration(ctl);
        const char *name = ctl->n_arguments > 0 ? ctl->arguments[0] : NULL;
        struct buf text freed_by(buf_done) = { 0 }, asked freed_by(buf_done) = { 0 };
        char *path freed_by(freep) = NULL;

        if (!configuration)
                return EXIT_REFUSED;
        if (!name) {
                if (!ask_name(configuration, &asked))
                        return EXIT_REFUSED;
                name = buf_text(&asked);
        }
        if (!conf_name_is_valid(name)) {
                print_error(MESSAGE_CTL_NAME_NEW_CHANNEL, NULL);
                return EXIT_USAGE;
        }
        for (int i = 1; i < ctl->n_arguments; i++)
                if (!add_setting(&text, ctl->arguments[i]))
                        return EXIT_USAGE;
        path = new_path(configuration, name);
        if (!path || (ctl->n_arguments < 2 && ask_settings(ctl, name, &text) != EXIT_WELL))
                return EXIT_REFUSED;
        return add(ctl, name, &text);
}
