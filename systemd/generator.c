/* gongkai-generator: run by systemd at the boot and at each `systemctl daemon-reload` (systemd.generator(7)).
 * Every NAME.conf of channels.d that is not `enabled = no` makes gongkai.target want
 * gongkai-channeld@NAME, and its sandbox gets what the file names: the folder that it writes (`root`) and the
 * secret. Where gongkai.conf names another data or socket folder, all units may write there.
 *
 * Nothing here may hold up a boot. What cannot be read makes no setting; a channel whose file is wrong is
 * started all the same, and says itself what is wrong. */
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/conf.h"
#include "core/memory.h"
#include "core/textfile.h"

#define CHANNEL_UNIT "gongkai-channeld@"
#define DEFAULT_STATE "/var/lib/gongkai"
#define DEFAULT_RUN "/run/gongkai"

static int failed(const char *path, int error) {
        char *text freed_by(freep) = say(MESSAGE_GENERATOR_FAILED, "path", path, "reason", strerror(-error), NULL);

        (void) fprintf(stderr, "gongkai-generator: %s\n", text ? text : path);
        return error;
}

static const char *value_of(const struct conf *conf, const char *section, const char *key) {
        const struct conf_entry *entry = conf ? conf_find(conf, section, key) : NULL;

        return entry && entry->value[0] ? entry->value : NULL;
}

/* What is wrong with a file is said by the program that the file is for. */
static struct conf *read_quietly(const char *path) {
        struct problems problems = { 0 };
        struct conf *conf = NULL;

        (void) conf_read(path, &problems, &conf);
        problems_done(&problems);
        return conf;
}

/* One word of a unit's setting, optional to systemd ("-"): quoted, and nothing in it to be filled in. */
static void add_optional_path(struct buf *buf, const char *path) {
        buf_str(buf, "\"-");
        for (const char *c = path; *c; c++) {
                if (*c == '"' || *c == '\\')
                        buf_char(buf, '\\');
                if (*c == '%')
                        buf_char(buf, '%');
                buf_char(buf, *c);
        }
        buf_str(buf, "\"\n");
}

static bool is_below(const char *path, const char *folder) {
        size_t n = strlen(folder);

        return strncmp(path, folder, n) == 0 && (path[n] == '\0' || path[n] == '/');
}

/* A folder that is not there yet must not keep the service from saying so. What is below a home is hidden
 * from services, and shown to this one alone. */
static void may_write(struct buf *buf, const char *path) {
        bool at_home = is_below(path, "/home") || is_below(path, "/root") || is_below(path, "/run/user");

        if (path[0] != '/')
                return;
        buf_str(buf, at_home ? "ProtectHome=tmpfs\nBindPaths=" : "ReadWritePaths=");
        add_optional_path(buf, path);
}

static bool is_encrypted_credential(const char *name) {
        static const char *const stores[] = { "/etc/credstore.encrypted", "/run/credstore.encrypted" };

        for (size_t i = 0; i < ELEMENTS(stores); i++) {
                char *path freed_by(freep) = NULL;

                if (asprintf(&path, "%s/%s", stores[i], name) < 0)
                        path = NULL;
                if (path && access(path, F_OK) == 0)
                        return true;
        }
        return false;
}

/* A secret that the file names without a folder: root's own file in the configuration's folder is handed
 * over by systemd; what does not lie there is looked for among the system's credentials
 * (/etc/credstore.encrypted, /etc/credstore). One that the group gongkai may read is read directly, so
 * that a reload sees a new one. */
static void hand_over_secret(struct buf *buf, const char *folder, const char *name) {
        char *path freed_by(freep) = NULL;
        struct stat st;

        if (!name || strpbrk(name, "/:\"\\ %") || name[0] == '.')
                return;
        if (asprintf(&path, "%s/%s", folder, name) < 0) {
                path = NULL;
                return;
        }
        if (stat(path, &st) < 0) {
                buf_fmt(buf, "LoadCredential%s=%s\n", is_encrypted_credential(name) ? "Encrypted" : "", name);
        } else if (S_ISREG(st.st_mode) && (st.st_mode & (S_IRWXG | S_IRWXO)) == 0) {
                buf_fmt(buf, "LoadCredential=%s:", name);
                for (const char *c = path; *c; c++)
                        buf_fmt(buf, *c == '%' ? "%%%%" : "%c", *c);
                buf_char(buf, '\n');
        }
}

static int write_text(const char *path, const char *text) {
        FILE *file = fopen(path, "we");
        int r = file && fputs(text, file) >= 0 ? 0 : -errno;

        if (file && fclose(file) != 0 && r == 0)
                r = -errno;
        return r;
}

/* FOLDER/UNIT.d/50-gongkai-generator.conf with `settings`, if there are any. */
static int write_drop_in(const char *folder, const char *unit, struct buf *settings) {
        char *below freed_by(freep) = NULL;
        char *path freed_by(freep) = NULL;
        struct buf text freed_by(buf_done) = { 0 };
        int r = 0;

        if (settings->len == 0)
                return 0;
        buf_fmt(&text, "# gongkai-generator\n[Service]\n%s", buf_text(settings));
        if (text.error || settings->error || asprintf(&below, "%s/%s.d", folder, unit) < 0 ||
            asprintf(&path, "%s/50-gongkai-generator.conf", below) < 0)
                return -ENOMEM;
        if (mkdir(below, 0755) < 0 && errno != EEXIST)
                r = -errno;
        if (r == 0)
                r = write_text(path, buf_text(&text));
        return r < 0 ? failed(path, r) : 0;
}

static int want(const char *folder, const char *unit) {
        char *link freed_by(freep) = NULL;
        int r = 0;

        if (asprintf(&link, "%s/gongkai.target.wants/%s", folder, unit) < 0) {
                link = NULL;
                return -ENOMEM;
        }
        if (symlink(GONGKAI_UNITDIR "/" CHANNEL_UNIT ".service", link) < 0 && errno != EEXIST)
                r = -errno;
        return r < 0 ? failed(link, r) : 0;
}

static int add_channel(const char *out, const char *folder, const char *channels, const char *file) {
        struct buf settings freed_by(buf_done) = { 0 };
        char *path freed_by(freep) = NULL;
        char *unit freed_by(freep) = NULL;
        char *name freed_by(freep) = strndup(file, strlen(file) - strlen(".conf"));
        struct conf *conf;
        const char *enabled, *root;
        int r = 0;

        if (!name || !conf_name_is_valid(name))
                return 0;
        if (asprintf(&path, "%s/%s", channels, file) < 0)
                path = NULL;
        if (asprintf(&unit, CHANNEL_UNIT "%s.service", name) < 0)
                unit = NULL;
        if (!path || !unit)
                return -ENOMEM;
        conf = read_quietly(path);
        enabled = value_of(conf, "", "enabled");
        if (!enabled || strcmp(enabled, "no") != 0) {
                root = value_of(conf, "", "root");
                if (root && !is_below(root, DEFAULT_STATE))
                        may_write(&settings, root);
                hand_over_secret(&settings, folder, value_of(conf, "", "secret_file"));
                r = want(out, unit);
                if (r == 0)
                        r = write_drop_in(out, unit, &settings);
        }
        (void) conf_free(conf);
        return r;
}

/* What gongkai.conf says for all of the units. */
static int add_general(const char *out, const struct conf *conf, const char *folder) {
        static const char *const units[] = { "gongkai-redis.service", "gongkai-publisherd.service",
                                             "gongkai-ledgerd.service", "gongkai-consoled.service",
                                             CHANNEL_UNIT ".service", "gongkai-emit@.service" };
        const char *state = value_of(conf, "paths", "state"), *run = value_of(conf, "paths", "run");
        int r = 0;

        for (size_t i = 0; i < ELEMENTS(units) && r == 0; i++) {
                struct buf settings freed_by(buf_done) = { 0 };

                if (state && !is_below(state, DEFAULT_STATE))
                        may_write(&settings, state);
                if (run && !is_below(run, DEFAULT_RUN))
                        may_write(&settings, run);
                if (strstr(units[i], "publisherd") || strstr(units[i], "ledgerd"))
                        hand_over_secret(&settings, folder, value_of(conf, "curve", "secret_file"));
                r = write_drop_in(out, units[i], &settings);
        }
        return r;
}

int main(int argc, char **argv) {
        const char *config = argc > 4 ? argv[4] : GONGKAI_CONFIG; /* for tests */
        char *folder freed_by(freep) = strndup(config, (size_t) (strrchr(config, '/') - config));
        char *channels freed_by(freep) = NULL;
        char *wants freed_by(freep) = NULL;
        struct string_list files = { 0 };
        struct conf *conf;
        int r, worst = 0;

        if (argc < 2) {
                (void) fputs("usage: gongkai-generator NORMAL-DIR [EARLY-DIR LATE-DIR [CONFIG]]\n", stderr);
                return 64;
        }
        if (asprintf(&channels, "%s/channels.d", folder) < 0)
                channels = NULL;
        if (asprintf(&wants, "%s/gongkai.target.wants", argv[1]) < 0)
                wants = NULL;
        if (!folder || !channels || !wants)
                return 1;
        conf = read_quietly(config);
        worst = add_general(argv[1], conf, folder);
        (void) conf_free(conf);
        if (folder_list(channels, ".conf", &files) == 0 && files.n > 0 && mkdir(wants, 0755) < 0 &&
            errno != EEXIST)
                worst = failed(wants, -errno);
        for (size_t i = 0; i < files.n; i++) {
                r = add_channel(argv[1], folder, channels, files.items[i]);
                worst = r < 0 ? r : worst;
        }
        string_list_done(&files);
        return worst < 0;
}
