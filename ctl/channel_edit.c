/* channel secret, login, preview: what a channel admin does to one channel. */
#include "ctl/ctl.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/files.h"
#include "core/ledger.h"
#include "core/memory.h"

enum { SECRET_MOST = 64 << 10, CONF_MOST = 1 << 20, EVENT_MOST = 4 << 20 };

static int cannot_write(const char *path, int error) {
        print_error(MESSAGE_CANNOT_WRITE, "path", path, "reason", strerror(-error), NULL);
        return EXIT_REFUSED;
}

/* -- secret ---------------------------------------------------------------------------------------------- */

/* What the channel's program was given, out of the memory that it wrote it to; NULL: nothing. */
static char *given(int fd) {
        char *secret = calloc(1, SECRET_MOST + 1);
        ssize_t n = secret && lseek(fd, 0, SEEK_SET) == 0 ? read(fd, secret, SECRET_MOST) : -1;

        if (n > 0 && strlen(secret) == (size_t) n)
                return secret;
        free(secret);
        return NULL;
}

/* On a terminal the channel's program asks: it knows what parts a secret of its driver has. */
static char *ask_secret(const struct ctl *ctl, const char *name) {
        int fd = memfd_create("secret", MFD_CLOEXEC);
        char *secret = NULL;

        if (fd >= 0 && run_channeld_for(ctl, "--secret", name, -1, fd) == EXIT_WELL)
                secret = given(fd);
        if (fd >= 0)
                (void) close(fd);
        return secret;
}

/* The whole file from standard input; one line end at its end is none of it. */
static char *read_secret(void) {
        char *secret = calloc(1, SECRET_MOST + 2);
        size_t n = 0;

        while (secret && n <= SECRET_MOST) {
                ssize_t got = read(STDIN_FILENO, secret + n, SECRET_MOST + 1 - n);

                if (got < 0 && errno == EINTR)
                        continue;
                if (got <= 0)
                        break;
                n += (size_t) got;
        }
        if (n > 0 && n <= SECRET_MOST && secret[n - 1] == '\n')
                secret[--n] = '\0';
        if (n > 0 && n <= SECRET_MOST && strlen(secret) == n)
                return secret;
        if (secret)
                explicit_bzero(secret, SECRET_MOST + 2);
        free(secret);
        print_error(MESSAGE_CTL_BAD_SECRET, NULL);
        return NULL;
}

/* The daemon's group reads it, nobody else: the group that its data folder has, since others may use
 * gongkaictl than it runs as. Without the right to give it away it stays the owner's, who is then the
 * daemon's user, or reads why in `channel test`. */
static int give_to_daemon(const char *path, const char *state_dir) {
        struct stat about;

        if (stat(state_dir, &about) < 0)
                return 0; /* no daemon has run here yet */
        return chown(path, (uid_t) -1, about.st_gid) < 0 && errno != EPERM ? -errno : 0;
}

/* The channel's file gets a line that names the secret's file. */
static int name_secret(const char *conf, const char *file) {
        struct buf text freed_by(buf_done) = { 0 };
        char *before freed_by(freep) = NULL;
        struct stat st;
        size_t n;
        int r = file_read(conf, CONF_MOST, &before, &n);

        if (r < 0)
                return r;
        buf_add(&text, before, n);
        if (n > 0 && before[n - 1] != '\n')
                buf_char(&text, '\n');
        buf_fmt(&text, "secret_file = %s\n", file);
        return file_write(conf, text.data, text.len, stat(conf, &st) == 0 ? st.st_mode & 0777 : 0644);
}

/* Where the channel's secret is, or will be. */
static char *secret_path(const struct configuration *configuration, const struct channel_config *channel) {
        char *path;

        if (channel->secret_file)
                return strdup(channel->secret_file);
        return asprintf(&path, "%s/%s.secret", configuration->main.folder, channel->name) < 0 ? NULL : path;
}

/* Whole or not at all. What was there keeps its owner and its mode, where we may give it. */
static int keep_secret(const struct configuration *configuration, const struct channel_config *channel,
                       const char *path, const char *secret) {
        struct stat before;
        bool known = stat(path, &before) == 0 && S_ISREG(before.st_mode);
        int r = file_write(path, secret, strlen(secret), known ? before.st_mode & 0770 : 0640);

        if (r == 0 && known) { /* the group may be ours to give where the owner is not */
                if ((chown(path, (uid_t) -1, before.st_gid) < 0 && errno != EPERM) ||
                    (chown(path, before.st_uid, (gid_t) -1) < 0 && errno != EPERM))
                        r = -errno;
        } else if (r == 0)
                r = give_to_daemon(path, configuration->main.state_dir);
        if (r == 0 && !channel->secret_file)
                r = name_secret(channel->path, path);
        return r;
}

int command_channel_secret(struct ctl *ctl) {
        const struct configuration *configuration = ctl_configuration(ctl);
        const char *name = ctl->n_arguments == 1 ? ctl->arguments[0] : "";
        const struct channel_config *channel;
        char *secret, *path freed_by(freep) = NULL;
        int r;

        if (!configuration)
                return EXIT_REFUSED;
        channel = configuration_channel(configuration, name);
        if (!channel) {
                print_error(*name ? MESSAGE_CONTROL_NO_CHANNEL : MESSAGE_CTL_NAME_CHANNEL, "channel",
                            name, NULL);
                return *name ? EXIT_REFUSED : EXIT_USAGE;
        }
        path = secret_path(configuration, channel);
        secret = !path ? NULL : isatty(STDIN_FILENO) ? ask_secret(ctl, name) : read_secret();
        if (!secret)
                return EXIT_REFUSED;
        r = keep_secret(configuration, channel, path, secret);
        explicit_bzero(secret, strlen(secret));
        free(secret);
        if (r < 0)
                return cannot_write(path, r);
        print_line(MESSAGE_CTL_SECRET_KEPT, "channel", name, "path", path, NULL);
        return EXIT_WELL;
}

/* -- login ------------------------------------------------------------------------------------------------- */

int command_channel_login(struct ctl *ctl) {
        const struct configuration *configuration = ctl_configuration(ctl);
        const char *name = ctl->n_arguments == 1 ? ctl->arguments[0] : "";
        const struct channel_config *channel =
                configuration ? configuration_channel(configuration, name) : NULL;
        char *path freed_by(freep) = NULL;
        char *secret;
        int fd, code, r;

        if (!channel) {
                print_error(*name ? MESSAGE_CONTROL_NO_CHANNEL : MESSAGE_CTL_NAME_CHANNEL, "channel",
                            name, NULL);
                return *name ? EXIT_REFUSED : EXIT_USAGE;
        }
        path = secret_path(configuration, channel);
        fd = path ? memfd_create("secret", MFD_CLOEXEC) : -1;
        if (fd < 0)
                return EXIT_REFUSED;
        code = run_channeld_for(ctl, "--login", name, -1, fd);
        secret = code == EXIT_WELL ? given(fd) : NULL;
        (void) close(fd);
        if (!secret) /* no driver that has to be logged in to, or it said what is wrong */
                return code;
        r = keep_secret(configuration, channel, path, secret);
        explicit_bzero(secret, strlen(secret));
        free(secret);
        if (r < 0)
                return cannot_write(path, r);
        print_line(MESSAGE_CTL_LOGGED_IN, "channel", name, "path", path, NULL);
        return EXIT_WELL;
}

/* -- preview ------------------------------------------------------------------------------------------------ */

/* The newest event of a document, out of the ledger. To be freed. */
static char *bytes_of_document(struct ctl *ctl, const char *document, size_t *ret_n, int *ret_code) {
        struct ledger_reader *reader freed_by(ledger_reader_freep) = NULL;
        json_t *question = json_pack("{s:s, s:s}", "do", "document.show", "document", document), *answer;
        char *bytes = NULL;
        int r;

        if (ctl->region)
                (void) json_object_set_new(question, "region", json_string(ctl->region));
        answer = ctl_ask_well(ctl, question, ret_code);
        if (!answer)
                return NULL;
        *ret_code = needs_ledger(ctl, &reader);
        r = *ret_code == EXIT_WELL
                    ? ledger_read_bytes(reader, text_member(answer, "event"), &bytes, ret_n)
                    : 0;
        json_decref(answer);
        if (r < 0) { /* it is on its way there */
                print_error(MESSAGE_CTL_NOT_IN_LEDGER, "document", document, NULL);
                *ret_code = EXIT_REFUSED;
        }
        return bytes;
}

int command_channel_preview(struct ctl *ctl) {
        const char *what = ctl->n_arguments == 2 ? ctl->arguments[1] : NULL;
        char *bytes freed_by(freep) = NULL;
        int code = EXIT_WELL, fd = -1, r;
        size_t n = 0;

        if (!what) {
                print_error(MESSAGE_CTL_NAME_PREVIEW, NULL);
                return EXIT_USAGE;
        }
        if (!ctl_configuration(ctl))
                return EXIT_REFUSED;
        r = file_read(what, EVENT_MOST, &bytes, &n);
        if (r == -ENOENT) {
                bytes = bytes_of_document(ctl, what, &n, &code);
        } else if (r < 0) {
                print_error(MESSAGE_EMIT_CANNOT_READ, "file", what, "reason", strerror(-r), NULL);
                code = EXIT_REFUSED;
        }
        if (!bytes)
                return code;
        fd = memfd_create("event", MFD_CLOEXEC);
        if (fd < 0 || write(fd, bytes, n) != (ssize_t) n || lseek(fd, 0, SEEK_SET) < 0)
                code = EXIT_REFUSED;
        else
                code = run_channeld(ctl, "--preview", ctl->arguments[0], fd);
        if (fd >= 0)
                (void) close(fd);
        return code;
}
