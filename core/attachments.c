#include "core/attachments.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/files.h"
#include "core/memory.h"

char *attachment_path(const char *folder, const char *sha256) {
        char *path;

        return asprintf(&path, "%s/%.2s/%s", folder, sha256, sha256) < 0 ? NULL : path;
}

bool attachment_is_here(const char *folder, const char *sha256, uint64_t size) {
        char *path freed_by(freep) = attachment_path(folder, sha256);
        struct stat stat_of;

        return path && stat(path, &stat_of) == 0 && S_ISREG(stat_of.st_mode) &&
               (uint64_t) stat_of.st_size == size;
}

static char *folder_of(const char *folder, const char *sha256) {
        char *path;

        return asprintf(&path, "%s/%.2s", folder, sha256) < 0 ? NULL : path;
}

static char *folder_of_unfinished(const char *folder) {
        char *path;

        return asprintf(&path, "%s/unfinished", folder) < 0 ? NULL : path;
}

int attachments_open(const char *folder) {
        char *unfinished freed_by(freep) = folder_of_unfinished(folder);
        int fd, r = unfinished ? folder_make(unfinished, 0750) : -ENOMEM;

        if (r < 0)
                return r;
        fd = open(unfinished, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (fd < 0)
                return -errno;
        r = folder_empty(fd);
        (void) close(fd);
        return r;
}

int attachment_sync(const char *folder, const char *sha256) {
        char *below freed_by(freep) = folder_of(folder, sha256);

        return below ? folder_sync(below) : -ENOMEM;
}

int attachment_put(const char *folder, const char *sha256, const void *bytes, size_t n_bytes) {
        char *path freed_by(freep) = attachment_path(folder, sha256);
        char *below freed_by(freep) = folder_of(folder, sha256);
        char *unfinished freed_by(freep) = folder_of_unfinished(folder);
        int r;

        if (!path || !below || !unfinished)
                return -ENOMEM;
        if (attachment_is_here(folder, sha256, n_bytes))
                return folder_sync(below);
        r = folder_make(below, 0750);
        if (r == 0)
                r = folder_make(unfinished, 0750); /* somebody may have made the folder anew */
        if (r == 0)
                r = folder_sync(folder);
        if (r == 0)
                r = file_write_from(unfinished, path, bytes, n_bytes, 0640);
        return r;
}
