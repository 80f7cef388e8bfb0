/* One spooled message as a file: a short text header that a person can read, then the frames.
 *
 *         gongkai-spool 1
 *         <sha256> <bytes>        one line per frame, the event first
 *                                 (empty line)
 *         <the frames' bytes, one after the other> */
#ifndef CLIENT_SPOOL_FILE_H
#define CLIENT_SPOOL_FILE_H

#include <sys/types.h>

#include "client/gongkai.h"
#include "core/buf.h"

struct spooled {
        struct buf bytes;
        const char *event; /* into bytes */
        size_t n_event;
        struct gongkai_part *parts; /* into bytes; owned */
        size_t n_parts;
};

/* Writes and syncs a new file. Negative errno; what was begun stays behind for the sweep. */
int spool_file_write(int folder, const char *name, const void *event, size_t n_event,
                     const struct gongkai_part *parts, size_t n_parts);
/* -EBADMSG: the file is not what was written. */
int spool_file_read(int folder, const char *name, struct spooled *ret);
void spooled_done(struct spooled *spooled);
/* Writes a new file, or another content to one, and syncs it. */
int file_write_synced(int folder, const char *name, mode_t mode, const void *bytes, size_t n_bytes);

#endif
