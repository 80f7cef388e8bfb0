/* Reads a text file that a person wrote: UTF-8, with or without BOM. Other encodings are named and
 * refused, since a guess would publish garbage. */
#ifndef CORE_TEXTFILE_H
#define CORE_TEXTFILE_H

#include <stdbool.h>

#include "core/problems.h"

/* The whole regular file, at most `max` bytes, with a NUL behind it. Negative errno: -E2BIG, -EISDIR
 * or -EINVAL for what is no regular file, whatever open() and read() say. */
int file_read(const char *path, size_t max, char **ret, size_t *ret_n);

/* Looks at bytes before they are taken for text. Returns true and where the text begins (behind a
 * BOM) when they are UTF-8 without NUL; otherwise adds the problem, with its line, and is false. */
bool text_check(const char *path, const char *bytes, size_t n_bytes, struct problems *problems,
                size_t *ret_begin);

/* Whether bytes that are no UTF-8 have the shape of GB18030 (so of GBK and GB2312 too). */
bool text_looks_like_gb18030(const void *bytes, size_t n_bytes);

/* How many insertions, deletions, changes and swaps of neighbours lead from a to b, in code points;
 * limit + 1 when more than `limit`. Texts of more than 64 code points are further than any limit. */
size_t text_distance(const char *a, const char *b, size_t limit);

#endif
