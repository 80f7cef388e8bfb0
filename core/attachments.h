/* The attachment store: one file per content, named by its SHA-256, below a folder that all
 * daemons of an installation share. A file is on disk (synced, with its name) before it counts. */
#ifndef CORE_ATTACHMENTS_H
#define CORE_ATTACHMENTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* "FOLDER/ab/abcd..." for a digest; to be freed; NULL when memory is short. */
char *attachment_path(const char *folder, const char *sha256);
bool attachment_is_here(const char *folder, const char *sha256, uint64_t size);
/* Writes it unless it is there. Negative errno when this machine failed (-ENOSPC ...): nothing of
 * that name is left then. */
int attachment_put(const char *folder, const char *sha256, const void *bytes, size_t n_bytes);

#endif
