/* Makes what a terminal or a log would act upon, or what would hide the truth, readable: control
 * characters become \n, \x1b; bidi, line-breaking and zero-width code points <U+202E>; bytes that
 * are not UTF-8 \xff. Everything else stays as it is. */
#ifndef CORE_VISIBLE_H
#define CORE_VISIBLE_H

#include <stdbool.h>

#include "core/buf.h"

/* Control (but not tab and line ends), bidi, line-separating and zero-width code points. */
bool visible_is_hidden(int32_t code_point);

void visible_add(struct buf *buf, const char *text, size_t n_bytes);

#endif
