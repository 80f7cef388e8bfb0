/* What core/personal*.c share among themselves. */
#ifndef CORE_PERSONAL_PARTS_H
#define CORE_PERSONAL_PARTS_H

#include <stddef.h>
#include <stdint.h>

#include "core/personal.h"

/* How a digit is written. A change of it may bound a number (①13800138000, 13800138000²) or be inside
 * one (1３8...): it makes a gap that nobody sees. */
enum style { STYLE_PLAIN, STYLE_WIDE, STYLE_OTHER };

/* The digits that a code point stands for by its compatibility decomposition: 1 for ①, 10 for ⑩, 1 for
 * ⑴. Returns how many. */
size_t personal_digits_of(uint32_t code, char ret[static 4], enum style *ret_style);
/* Where the next digit may stand: most of a text holds none. It is the start of a character. */
const char *personal_next_digit(const char *at, const char *end);
/* Behind a run of few digits at `at` with something behind it that parts all numbers (2026年, 12%): if no number
 * is under way, none is there. Else `at`. */
const char *personal_skip_short_run(const char *at, const char *end);

/* What stands around the number between `from` and `to`, in a text until `end`, says that
 * it is none of that kind. */
bool personal_is_something_else(enum personal_kind kind, const char *text, const char *from,
                                const char *to, const char *end);

#endif
