#include "core/attachments.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

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

int attachment_put(const char *folder, const char *sha256, const void *bytes, size_t n_bytes) {
        char *path freed_by(freep) = NULL;
        char *below freed_by(freep) = NULL;
        int r;

        if (attachment_is_here(folder, sha256, n_bytes))
                return 0;
        path = attachment_path(folder, sha256);
        if (!path || asprintf(&below, "%s/%.2s", folder, sha256) < 0) {
                below = NULL;
                return -ENOMEM;
        }
        r = folder_make(below, 0750);
        if (r == 0)
                r = folder_sync(folder);
        if (r == 0)
                r = file_write(path, bytes, n_bytes, 0640);
        return r;
}
