#include "core/files.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/crash.h"
#include "core/memory.h"

static void closep(int *fd) {
        if (*fd >= 0)
                (void) close(*fd);
}

/* A folder whose name is not on disk is gone after a power cut, with all that was synced inside. */
static int make_one(const char *path, mode_t mode) {
        char *above freed_by(freep) = NULL;
        char *slash;

        if (mkdir(path, mode) < 0)
                return errno == EEXIST ? 0 : -errno;
        above = strdup(path);
        if (!above)
                return -ENOMEM;
        slash = strrchr(above, '/');
        if (slash)
                slash[slash == above] = '\0';
        return folder_sync(slash ? above : ".");
}

int folder_make(const char *path, mode_t mode) {
        char *copy freed_by(freep) = strdup(path);

        if (!copy)
                return -ENOMEM;
        for (char *slash = copy + 1; *copy && (slash = strchr(slash, '/')) != NULL; slash++) {
                int r;

                *slash = '\0';
                r = make_one(copy, mode);
                if (r < 0)
                        return r;
                *slash = '/';
        }
        return make_one(copy, mode);
}

int folder_sync(const char *path) {
        int fd freed_by(closep) = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

        if (fd < 0)
                return -errno;
        return fsync(fd) < 0 ? -errno : 0;
}

int folder_empty(int fd) {
        int own = dup(fd), r = 0;
        DIR *folder = own >= 0 ? fdopendir(own) : NULL;
        const struct dirent *entry;

        if (!folder) {
                r = -errno;
                if (own >= 0)
                        (void) close(own);
                return r;
        }
        while ((entry = readdir(folder)) != NULL) {
                if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
                        continue;
                if (unlinkat(fd, entry->d_name, 0) < 0 && errno != ENOENT && errno != EISDIR)
                        r = -errno;
        }
        (void) closedir(folder);
        return r;
}

int write_whole(int fd, const void *from, size_t n_bytes) {
        const char *bytes = from;

        while (n_bytes > 0) {
                ssize_t n = write(fd, bytes, n_bytes);

                if (n < 0 && errno == EINTR)
                        continue;
                if (n < 0)
                        return -errno;
                bytes += n;
                n_bytes -= (size_t) n;
        }
        return 0;
}

static int write_and_sync(int fd, const void *bytes, size_t n_bytes, mode_t mode) {
        int r = write_whole(fd, bytes, n_bytes);

        if (r == 0 && fchmod(fd, mode) < 0)
                r = -errno;
        if (r == 0 && fsync(fd) < 0)
                r = -errno;
        return r;
}

static int write_by_way_of(char *temporary, const char *path, const void *bytes, size_t n_bytes,
                           mode_t mode) {
        char *folder freed_by(freep) = strdup(path);
        char *slash = folder ? strrchr(folder, '/') : NULL;
        int fd, r;

        if (!folder)
                return -ENOMEM;
        fd = mkostemp(temporary, O_CLOEXEC);
        if (fd < 0)
                return -errno;
        r = write_and_sync(fd, bytes, n_bytes, mode);
        if (close(fd) < 0 && r == 0)
                r = -errno;
        crash_point("core/file-synced");
        if (r == 0 && rename(temporary, path) < 0)
                r = -errno;
        if (r < 0) {
                (void) unlink(temporary);
                return r;
        }
        crash_point("core/file-renamed");
        if (slash == folder)
                slash[1] = '\0';
        else if (slash)
                *slash = '\0';
        return folder_sync(slash ? folder : ".");
}

int file_write(const char *path, const void *bytes, size_t n_bytes, mode_t mode) {
        char *temporary freed_by(freep) = NULL;

        if (asprintf(&temporary, "%s.XXXXXX", path) < 0) {
                temporary = NULL;
                return -ENOMEM;
        }
        return write_by_way_of(temporary, path, bytes, n_bytes, mode);
}

int file_write_from(const char *folder, const char *path, const void *bytes, size_t n_bytes,
                    mode_t mode) {
        char *temporary freed_by(freep) = NULL;

        if (asprintf(&temporary, "%s/XXXXXX", folder) < 0) {
                temporary = NULL;
                return -ENOMEM;
        }
        return write_by_way_of(temporary, path, bytes, n_bytes, mode);
}

int file_read(const char *path, size_t max, char **ret, size_t *ret_n) {
        /* A named pipe put in a configuration folder must not hang the daemon. */
        int fd freed_by(closep) = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
        char *bytes freed_by(freep) = NULL;
        size_t n = 0, room;
        struct stat st;

        if (fd < 0 || fstat(fd, &st) < 0)
                return -errno;
        if (!S_ISREG(st.st_mode))
                return S_ISDIR(st.st_mode) ? -EISDIR : -EINVAL;
        if (st.st_size < 0 || (uint64_t) st.st_size > max)
                return -E2BIG;
        room = (size_t) st.st_size + 1;
        bytes = malloc(room + 1);
        if (!bytes)
                return -ENOMEM;
        for (;;) {
                ssize_t got = read(fd, bytes + n, room - n);

                if (got < 0 && errno == EINTR)
                        continue;
                if (got < 0)
                        return -errno;
                if (got == 0)
                        break;
                n += (size_t) got;
                if (n == room) /* it grows while we read: an editor at work */
                        return -EAGAIN;
        }
        bytes[n] = '\0';
        *ret = give_away(bytes);
        if (ret_n)
                *ret_n = n;
        return 0;
}
