/* The attachment store: one file per content, named by its SHA-256, below a folder that all
 * daemons of an installation share. A file is on disk (synced, with its name) before it counts. */
#ifndef CORE_ATTACHMENTS_H
#define CORE_ATTACHMENTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Makes the folder ready for the one daemon that writes here, and takes away what it left
 * unfinished when it was killed. Negative errno. */
int attachments_open(const char *folder);
/* "FOLDER/ab/abcd..." for a digest; to be freed; NULL when memory is short. */
char *attachment_path(const char *folder, const char *sha256);
bool attachment_is_here(const char *folder, const char *sha256, uint64_t size);
/* Syncs the name of one that is here: the daemon that wrote it may have been killed before it could.
 * Cheap where there is nothing to sync. Negative errno. */
int attachment_sync(const char *folder, const char *sha256);
/* Writes it unless it is there, and syncs it in any case. Negative errno when this machine failed
 * (-ENOSPC ...). */
int attachment_put(const char *folder, const char *sha256, const void *bytes, size_t n_bytes);

#endif
