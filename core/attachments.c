#include "core/attachments.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/crash.h"
#include "core/digest.h"
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

static int folders_make(const char *folder, const char *below, const char *unfinished) {
        int r = folder_make(below, 0750);

        if (r == 0)
                r = folder_make(unfinished, 0750); /* somebody may have made the folder anew */
        return r == 0 ? folder_sync(folder) : r;
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
        r = folders_make(folder, below, unfinished);
        if (r == 0)
                r = file_write_from(unfinished, path, bytes, n_bytes, 0640);
        return r;
}

/* -- piece by piece ------------------------------------------------------------------------------- */

/* So much is handed to the disk at a time: a sync of 64 MiB at the end would stop the loop. */
enum { WRITE_BACK_BYTES = 1 << 20 };

struct attachment_file {
        char *folder, *path; /* of the unfinished one */
        int fd;
        uint64_t n_bytes, n_written_back;
        struct digest *digest;
};

struct attachment_file *attachment_drop(struct attachment_file *file) {
        if (!file)
                return NULL;
        if (file->fd >= 0) {
                (void) close(file->fd);
                (void) unlink(file->path);
        }
        file->digest = digest_free(file->digest);
        free(file->folder);
        free(file->path);
        free(file);
        return NULL;
}

static void attachment_dropp(struct attachment_file **file) {
        *file = attachment_drop(*file);
}

int attachment_begin(const char *folder, struct attachment_file **ret) {
        struct attachment_file *file freed_by(attachment_dropp) = calloc(1, sizeof(*file));
        char *unfinished freed_by(freep) = folder_of_unfinished(folder);
        int r;

        if (!file)
                return -ENOMEM;
        file->fd = -1; /* 0 would be closed with it */
        if (!unfinished)
                return -ENOMEM;
        file->folder = strdup(folder);
        file->digest = digest_new();
        if (!file->folder || !file->digest || asprintf(&file->path, "%s/XXXXXX", unfinished) < 0) {
                file->path = NULL;
                return -ENOMEM;
        }
        r = folder_make(unfinished, 0750);
        if (r < 0)
                return r;
        file->fd = mkostemp(file->path, O_CLOEXEC);
        if (file->fd < 0)
                return -errno;
        *ret = give_away(file);
        return 0;
}

int attachment_add(struct attachment_file *file, const void *bytes, size_t n_bytes) {
        digest_add(file->digest, bytes, n_bytes);
        for (const char *at = bytes; n_bytes > 0;) {
                ssize_t n = write(file->fd, at, n_bytes);

                if (n < 0 && errno == EINTR)
                        continue;
                if (n < 0)
                        return -errno;
                at += n;
                n_bytes -= (size_t) n;
                file->n_bytes += (uint64_t) n;
        }
        if (file->n_bytes - file->n_written_back >= WRITE_BACK_BYTES) {
                (void) sync_file_range(file->fd, (off_t) file->n_written_back,
                                       (off_t) (file->n_bytes - file->n_written_back),
                                       SYNC_FILE_RANGE_WRITE);
                file->n_written_back = file->n_bytes;
        }
        return 0;
}

uint64_t attachment_size(const struct attachment_file *file) {
        return file->n_bytes;
}

int attachment_finish(struct attachment_file *given, const char *sha256) {
        struct attachment_file *file freed_by(attachment_dropp) = given;
        char *path freed_by(freep) = attachment_path(file->folder, sha256);
        char *below freed_by(freep) = folder_of(file->folder, sha256);
        char *unfinished freed_by(freep) = folder_of_unfinished(file->folder);
        char digest[DIGEST_TEXT];
        int r;

        if (!path || !below || !unfinished)
                return -ENOMEM;
        digest_end(file->digest, digest);
        if (strcmp(digest, sha256) != 0)
                return ATTACHMENT_OTHER;
        r = folders_make(file->folder, below, unfinished);
        if (r == 0 && (fchmod(file->fd, 0640) < 0 || fsync(file->fd) < 0))
                r = -errno;
        crash_point("core/attachment-synced");
        if (r == 0 && rename(file->path, path) < 0)
                r = -errno;
        if (r < 0)
                return r;
        crash_point("core/attachment-renamed");
        (void) close(file->fd);
        file->fd = -1; /* it has another name now */
        return folder_sync(below);
}
