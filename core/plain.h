/* What a reader sees of HTML or Markdown, roughly: for those who look for words and numbers in it, not for
 * showing (core/content.h does that). */
#ifndef CORE_PLAIN_H
#define CORE_PLAIN_H

#include <stddef.h>

/* Tags and comments are gone: those of blocks and cells end a line, any other is U+200B, which nobody sees and
 * which says that something stood there. Character references are decoded, emphasis and code marks of
 * Markdown taken out, its cells end a line. Linear time. To be freed; NULL when memory is short. */
char *plain_text(const char *text, size_t n_bytes, size_t *ret_n);

#endif
