/* The file of the rejected events: SQLite, a table and an index. Every call returns 0, or a negative
 * errno of what SQLite said (-ENOSPC, -EROFS, -EIO); after one the file is to be closed. */
#ifndef DAEMONS_PUBLISHERD_REJECTED_FILE_H
#define DAEMONS_PUBLISHERD_REJECTED_FILE_H

#include "daemons/publisherd/rejected.h"

struct rejected_file;

/* A file that is none of SQLite's, or is damaged, is set aside, and a new one begun. */
int rejected_file_open(const char *state_dir, struct rejected_file **ret);
struct rejected_file *rejected_file_close(struct rejected_file *file);

int rejected_file_begin(struct rejected_file *file);
int rejected_file_commit(struct rejected_file *file);
int rejected_file_put(struct rejected_file *file, const struct rejected_entry *entry);
int rejected_file_count(struct rejected_file *file, const char *emitter, int64_t now_ms, int64_t n);
int rejected_file_tidy(struct rejected_file *file, int64_t now_ms); /* what is over 35 days old */
int rejected_file_fit(struct rejected_file *file, int64_t most_bytes); /* the oldest go */

json_t *rejected_file_list(struct rejected_file *file, size_t most);
json_t *rejected_file_left_out(struct rejected_file *file);
int rejected_file_find(struct rejected_file *file, int64_t number, struct rejected_entry *ret);
int rejected_file_remove(struct rejected_file *file, int64_t number);
int rejected_file_set_errors(struct rejected_file *file, int64_t number, int64_t now_ms,
                             const char *errors);

#endif
