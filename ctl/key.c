/* key new, list, revoke: CURVE keys of emitters, one file each in emitters.d. */
#include "ctl/ctl.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <zmq.h>

#include "core/files.h"
#include "core/keys.h"
#include "core/memory.h"

/* A new file that only its owner may read; an existing one is never overwritten: its key may be in
 * use somewhere. */
static int write_new(const char *path, const char *text, mode_t mode) {
        int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode), r = 0;
        size_t n = strlen(text);

        if (fd < 0)
                return -errno;
        if (write(fd, text, n) != (ssize_t) n || fsync(fd) < 0)
                r = errno ? -errno : -EIO;
        if (close(fd) < 0 && r == 0)
                r = -errno;
        if (r < 0)
                (void) unlink(path);
        return r;
}

static int write_key_file(const char *path, const char *public_key, const char *secret_key) {
        struct buf text freed_by(buf_done) = { 0 };
        int r;

        buf_fmt(&text, "public = %s\nsecret = %s\n", public_key, secret_key);
        r = write_new(path, buf_text(&text), 0600);
        explicit_bzero(text.data, text.len);
        if (r < 0)
                print_error(MESSAGE_CANNOT_WRITE, "path", path, "reason", strerror(-r), NULL);
        return r;
}

void tell_daemon(struct ctl *ctl) {
        json_t *answer = ctl_ask(ctl, json_pack("{s:s}", "do", "reload"));

        json_decref(answer);
}

static int new_server_key(struct ctl *ctl, const char *public_key, const char *secret_key) {
        const struct configuration *configuration = ctl_configuration(ctl);
        const char *path = ctl->out ? ctl->out
                           : configuration ? configuration->main.curve_secret_file
                                           : NULL;

        if (!path) {
                print_error(MESSAGE_CTL_NAME_OUT, NULL);
                return EXIT_USAGE;
        }
        if (write_key_file(path, public_key, secret_key) < 0)
                return EXIT_REFUSED;
        print_line(MESSAGE_CTL_SERVER_KEY, "path", path, "key", public_key, NULL);
        return EXIT_WELL;
}

static void add_list(struct buf *text, const char *key, const struct string_list *list) {
        if (list->n == 0)
                return;
        buf_fmt(text, "%s = ", key);
        for (size_t i = 0; i < list->n; i++)
                buf_fmt(text, "%s%s", i ? ", " : "", list->items[i]);
        buf_char(text, '\n');
}

static int new_emitter_key(struct ctl *ctl, const char *public_key, const char *secret_key) {
        const struct configuration *configuration = ctl_configuration(ctl);
        const char *name = ctl->n_arguments == 1 ? ctl->arguments[0] : "";
        char *path freed_by(freep) = NULL;
        char *out freed_by(freep) = NULL;
        struct buf text freed_by(buf_done) = { 0 };
        int r;

        if (!configuration)
                return EXIT_REFUSED;
        if (!conf_name_is_valid(name) || ctl->sources.n == 0) {
                print_error(MESSAGE_CTL_NAME_EMITTER, NULL);
                return EXIT_USAGE;
        }
        if (asprintf(&path, "%s/emitters.d/%s.conf", configuration->main.folder, name) < 0 ||
            asprintf(&out, ctl->out ? "%s" : "%s.key", ctl->out ? ctl->out : name) < 0)
                return EXIT_REFUSED;
        buf_fmt(&text, "key = %s\n", public_key);
        add_list(&text, "sources", &ctl->sources);
        add_list(&text, "regions", &ctl->regions);
        if (write_key_file(out, public_key, secret_key) < 0)
                return EXIT_REFUSED;
        r = write_new(path, buf_text(&text), 0644);
        if (r < 0) {
                print_error(MESSAGE_CANNOT_WRITE, "path", path, "reason", strerror(-r), NULL);
                (void) unlink(out);
                return EXIT_REFUSED;
        }
        print_line(MESSAGE_CTL_EMITTER_KEY, "emitter", name, "path", out, "conf", path, NULL);
        tell_daemon(ctl);
        return EXIT_WELL;
}

int command_key_new(struct ctl *ctl) {
        char public_key[KEY_TEXT], secret_key[KEY_TEXT];
        int code;

        if (zmq_curve_keypair(public_key, secret_key) < 0) {
                print_error(MESSAGE_MACHINE_FAILED, "reason", zmq_strerror(errno), NULL);
                return EXIT_REFUSED;
        }
        code = ctl->server ? new_server_key(ctl, public_key, secret_key)
                           : new_emitter_key(ctl, public_key, secret_key);
        explicit_bzero(secret_key, sizeof(secret_key));
        return code;
}

int command_key_list(struct ctl *ctl) {
        static const struct column columns[] = {
                { "emitter", MESSAGE_CTL_COLUMN_EMITTER }, { "key", MESSAGE_CTL_COLUMN_KEY },
                { "enabled", MESSAGE_CTL_COLUMN_ENABLED }, { "sources", MESSAGE_CTL_COLUMN_SOURCE },
                { "regions", MESSAGE_CTL_COLUMN_REGION },
        };
        const struct configuration *configuration = ctl_configuration(ctl);
        json_t *rows = json_array();

        if (!configuration) {
                json_decref(rows);
                return EXIT_REFUSED;
        }
        for (size_t i = 0; i < configuration->n_emitters; i++) {
                const struct emitter_config *emitter = &configuration->emitters[i];
                json_t *sources = json_array(), *regions = json_array();

                for (size_t k = 0; k < emitter->sources.n; k++)
                        (void) json_array_append_new(sources, json_string(emitter->sources.items[k]));
                for (size_t k = 0; k < emitter->regions.n; k++)
                        (void) json_array_append_new(regions, json_string(emitter->regions.items[k]));
                (void) json_array_append_new(
                        rows, json_pack("{s:s, s:s?, s:b, s:o, s:o}", "emitter", emitter->name, "key",
                                        emitter->key, "enabled", emitter->enabled, "sources", sources,
                                        "regions", regions));
        }
        if (ctl->json)
                print_json(rows);
        else
                print_table(rows, columns, ELEMENTS(columns));
        json_decref(rows);
        return EXIT_WELL;
}

/* The file is kept under another name: it says who had the key. */
int command_key_revoke(struct ctl *ctl) {
        const struct configuration *configuration = ctl_configuration(ctl);
        const char *name = ctl->n_arguments == 1 ? ctl->arguments[0] : "";
        char *path freed_by(freep) = NULL;
        char *kept freed_by(freep) = NULL;

        if (!configuration)
                return EXIT_REFUSED;
        if (!conf_name_is_valid(name)) {
                print_error(MESSAGE_CTL_NAME_EMITTER, NULL);
                return EXIT_USAGE;
        }
        if (asprintf(&path, "%s/emitters.d/%s.conf", configuration->main.folder, name) < 0 ||
            asprintf(&kept, "%s.revoked", path) < 0)
                return EXIT_REFUSED;
        if (rename(path, kept) < 0) {
                print_error(MESSAGE_CANNOT_WRITE, "path", path, "reason", strerror(errno), NULL);
                return EXIT_REFUSED;
        }
        print_line(MESSAGE_CTL_REVOKED, "emitter", name, "path", kept, NULL);
        tell_daemon(ctl);
        return EXIT_WELL;
}
