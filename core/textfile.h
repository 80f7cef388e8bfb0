/* Reads a text file that a person wrote: UTF-8, with or without BOM. Other encodings are named and
 * refused, since a guess would publish garbage. */
#ifndef CORE_TEXTFILE_H
#define CORE_TEXTFILE_H

#include <stdbool.h>

#include "core/files.h"
#include "core/problems.h"
#include "core/settings.h"

/* The names in a folder that end in `suffix` (in either case) and do not begin with a dot, in byte
 * order. Negative errno when the folder cannot be read. */
int folder_list(const char *folder, const char *suffix, struct string_list *ret);

/* One line from a terminal or a pipe without its end, read byte by byte so that what stands behind it
 * stays for the next reader; at most `most` bytes are kept. -ENODATA at the end of the input. */
int line_read(int fd, size_t most, struct buf *ret);

/* Looks at bytes before they are taken for text. Returns true and where the text begins (behind a
 * BOM) when they are UTF-8 without NUL; otherwise adds the problem, with its line, and is false. */
bool text_check(const char *path, const char *bytes, size_t n_bytes, struct problems *problems,
                size_t *ret_begin);

/* How many insertions, deletions, changes and swaps of neighbours lead from a to b, in code points;
 * limit + 1 when more than `limit`. Texts of more than 64 code points are further than any limit. */
size_t text_distance(const char *a, const char *b, size_t limit);

#endif
