/* What a title is found by. SQLite's full-text search parts words by blanks, and Chinese has none:
 * so each run of Chinese characters becomes its pairs, "腾政发" 腾政 政发 发, and each run of other
 * letters and digits a word. A phrase of pairs is then the text itself. */
#ifndef DAEMONS_CONSOLED_TERMS_H
#define DAEMONS_CONSOLED_TERMS_H

#include <stdbool.h>

#include "core/buf.h"

/* The terms of a text (UTF-8; what is none is left out), by blanks. */
void terms_of(const char *text, struct buf *ret);
/* What to ask the index for all pieces (by blanks) of what a person typed: a phrase each, at
 * most 8. False when there is nothing in it to look for: no letter, or a single one. */
bool terms_query(const char *typed, struct buf *ret);

#endif
