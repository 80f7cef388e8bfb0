#include "core/alarm_file.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "core/files.h"
#include "core/memory.h"

static char *path_of(const char *folder, const char *name, const char *kind) {
        char *path;

        return asprintf(&path, "%s/%s%s", folder, name, kind) < 0 ? NULL : path;
}

char *alarm_folder(const char *state_dir) {
        return path_of(state_dir, "alarms", "");
}

int alarm_file_read(const char *folder, const char *name, const char *kind, json_t **ret) {
        char *path freed_by(freep) = path_of(folder, name, kind);
        char *text freed_by(freep) = NULL;
        json_t *json;
        size_t n;
        int r = path ? file_read(path, ALARM_FILE_MAX, &text, &n) : -ENOMEM;

        if (r < 0)
                return r;
        json = json_loadb(text, n, 0, NULL);
        if (!json_is_object(json)) {
                json_decref(json);
                return -EBADMSG;
        }
        *ret = json;
        return 0;
}

static int write_and_sync(int fd, const char *text) {
        size_t n = strlen(text);

        while (n > 0) {
                ssize_t written = write(fd, text, n);

                if (written < 0 && errno == EINTR)
                        continue;
                if (written < 0)
                        return -errno;
                text += written;
                n -= (size_t) written;
        }
        return fchmod(fd, 0640) < 0 || fsync(fd) < 0 ? -errno : 0;
}

/* rename() cannot say that the name was taken; link() can. */
static int put(const char *temporary, const char *path, bool only_new) {
        if (!only_new)
                return rename(temporary, path) < 0 ? -errno : 0;
        if (link(temporary, path) < 0)
                return -errno;
        return unlink(temporary) < 0 ? -errno : 0;
}

int alarm_file_write(const char *folder, const char *name, const char *kind, const json_t *json,
                     bool only_new) {
        char *path freed_by(freep) = path_of(folder, name, kind);
        char *temporary freed_by(freep) = path_of(folder, ".XXXXXX", "");
        char *text freed_by(freep) = json_dumps(json, JSON_INDENT(1));
        int fd, r;

        if (!path || !temporary || !text)
                return -ENOMEM;
        fd = mkostemp(temporary, O_CLOEXEC);
        if (fd < 0)
                return -errno;
        r = write_and_sync(fd, text);
        if (close(fd) < 0 && r == 0)
                r = -errno;
        if (r == 0)
                r = put(temporary, path, only_new);
        if (r < 0)
                (void) unlink(temporary);
        return r < 0 ? r : folder_sync(folder);
}

int alarm_file_remove(const char *folder, const char *name, const char *kind) {
        char *path freed_by(freep) = path_of(folder, name, kind);

        if (!path)
                return -ENOMEM;
        return unlink(path) < 0 ? -errno : 0;
}

int alarm_file_each(const char *folder, const char *kind,
                    int (*each)(const char *name, void *userdata), void *userdata) {
        DIR *dir = opendir(folder);
        const struct dirent *entry;
        size_t n_kind = strlen(kind);
        int r = 0;

        if (!dir)
                return -errno;
        while (r == 0 && (entry = readdir(dir)) != NULL) {
                size_t n = strlen(entry->d_name);
                char name[NAME_MAX + 1];

                if (entry->d_name[0] == '.' || n <= n_kind ||
                    strcmp(entry->d_name + n - n_kind, kind) != 0)
                        continue;
                memcpy(name, entry->d_name, n - n_kind);
                name[n - n_kind] = '\0';
                r = each(name, userdata);
        }
        (void) closedir(dir);
        return r;
}

/* The names that mkostemp() makes of ".XXXXXX"; a minute is more than any writing takes. */
void alarm_file_sweep(const char *folder) {
        DIR *dir = opendir(folder);
        const struct dirent *entry;

        while (dir && (entry = readdir(dir)) != NULL) {
                struct stat st;

                if (entry->d_name[0] == '.' && strlen(entry->d_name) == 7 &&
                    fstatat(dirfd(dir), entry->d_name, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
                    S_ISREG(st.st_mode) && time(NULL) - st.st_mtime > 60)
                        (void) unlinkat(dirfd(dir), entry->d_name, 0);
        }
        if (dir)
                (void) closedir(dir);
}

static int count_one(const char *name, void *userdata) {
        (void) name;
        ++*(unsigned *) userdata;
        return 0;
}

unsigned alarm_file_count(const char *folder) {
        unsigned n = 0;

        (void) alarm_file_each(folder, ".json", count_one, &n);
        return n;
}
