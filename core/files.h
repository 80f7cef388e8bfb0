/* Writing files so that they appear whole or not at all, and stay after a power cut. */
#ifndef CORE_FILES_H
#define CORE_FILES_H

#include <stddef.h>
#include <sys/types.h>

/* Makes the folder and those above it; fine when they are there. Negative errno. */
int folder_make(const char *path, mode_t mode);
/* Writes a temporary file beside `path`, syncs it, renames it onto `path`, syncs the folder.
 * Folders above must be there. Negative errno; `path` is then as it was, or new but perhaps not yet
 * on disk. */
int file_write(const char *path, const void *bytes, size_t n_bytes, mode_t mode);
/* The same with the temporary file in a folder of its own on the same file system, where the next
 * start finds what a kill left unfinished. */
int file_write_from(const char *folder, const char *path, const void *bytes, size_t n_bytes,
                    mode_t mode);
/* The whole regular file, at most `max` bytes, with a NUL behind it; to be freed. `ret_n` may be
 * NULL. Negative errno: -E2BIG, -EAGAIN when it grows under our eyes, -EISDIR or -EINVAL for what is
 * no regular file, whatever open() and read() say. */
int file_read(const char *path, size_t max, char **ret, size_t *ret_n);
/* Writes all of it to an open descriptor, in as many pieces as it takes. Negative errno. */
int write_whole(int fd, const void *bytes, size_t n_bytes);
/* Syncs a folder, so that a name made or taken away in it stays so. */
int folder_sync(const char *path);
/* Removes every file of the open folder; folders in it are left and make it -ENOTEMPTY later. */
int folder_empty(int fd);

#endif
