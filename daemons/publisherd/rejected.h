/* Events that the door rejected, kept for a person: state_dir/rejected.db, written by publisherd
 * alone. It is a convenience: nothing waits for it, it is bounded in every direction, and where it
 * cannot be written the door goes on without.
 *
 * An entry is the same when emitter, source and id are (or, where an id cannot be told, the bytes):
 * rejected again, it is replaced, and counts. */
#ifndef DAEMONS_PUBLISHERD_REJECTED_H
#define DAEMONS_PUBLISHERD_REJECTED_H

#include <jansson.h>

#include "daemons/publisherd/publisherd.h"

struct rejected_entry {
        int64_t number, at_ms, times;
        char *emitter; /* "local", or the name of its file; "?" where that is not known any more */
        char *source, *id, *document; /* NULL where the event did not tell */
        char *bytes;
        size_t n_bytes;    /* kept */
        uint64_t n_all;    /* that there were: more than EVENT_MAX_BYTES are not kept */
        char *errors;      /* as they were answered: a JSON array */
};
void rejected_entry_done(struct rejected_entry *entry);

/* A new array of {"number","at","times","emitter","source","id","document","size","codes","error"},
 * the newest first, at most `most`; NULL when memory is short. `left_out`: {"emitter","day","count"}
 * of what came too fast to be kept. Both say what is in the file and in the queue. */
json_t *rejected_list(struct publisherd *daemon, size_t most);
json_t *rejected_left_out(struct publisherd *daemon);
/* -ENOENT; -EIO where the file cannot be read. */
int rejected_find(struct publisherd *daemon, int64_t number, struct rejected_entry *ret);
void rejected_remove(struct publisherd *daemon, int64_t number);
/* It was tried again, and rejected again. */
void rejected_set_errors(struct publisherd *daemon, int64_t number, const char *errors);

#endif
