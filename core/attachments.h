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

/* One whose bytes come piece by piece; nothing shows before they are proved. */
struct attachment_file;
int attachment_begin(const char *folder, struct attachment_file **ret);
int attachment_add(struct attachment_file *file, const void *bytes, size_t n_bytes);
uint64_t attachment_size(const struct attachment_file *file); /* so far */
/* Moves it to its place, synced, when its bytes have this digest; frees it in any case.
 * ATTACHMENT_OTHER: they have another; nothing is kept. Negative errno as above. */
enum { ATTACHMENT_OTHER = 1 };
int attachment_finish(struct attachment_file *file, const char *sha256);
/* Leaves nothing behind. */
struct attachment_file *attachment_drop(struct attachment_file *file);

#endif
