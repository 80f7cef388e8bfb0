/* Code points as the content rooms see them. */
#ifndef CORE_CONTENT_CHAR_H
#define CORE_CONTENT_CHAR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The code point at *at (*at < end), which moves behind it. A malformed byte is U+FFFD. */
uint32_t char_next(const char **at, const char *end);
/* Writes it (a surrogate or a number out of range as U+FFFD); returns the bytes used, 1 to 4. */
size_t char_write(uint32_t c, char ret[static 4]);

/* HTML's white space, which flows and collapses. */
bool char_is_space(uint32_t c);
/* A blank that HTML keeps but that says nothing at the edge of a line: no-break, full-width. */
bool char_is_blank(uint32_t c);
/* What nobody sees, and what turns the direction of what people see: bidi controls, zero width,
 * C0 and C1 but for tab and the line ends, tags, interlinear marks, noncharacters. */
bool char_is_invisible(uint32_t c);
/* Between these two a line end in the source is no blank on the page. */
bool char_joins(uint32_t left, uint32_t right);

#endif
