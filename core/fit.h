/* Cutting a text to a carrier's limit: at the end of a grapheme (UAX 29, by utf8proc), and never
 * inside a figure: "罚款12万元" must not become "罚款12". Nothing that fits is cut. */
#ifndef CORE_FIT_H
#define CORE_FIT_H

#include <stdbool.h>
#include <stddef.h>

enum fit_unit {
        FIT_BYTES,
        FIT_CHARACTERS, /* code points */
        FIT_UTF16,      /* code units: what most carriers count by "characters"; never less than them */
        FIT_HALVES,     /* 1 up to U+0080, else 2 for each UTF-16 unit: Weibo's, and GBK's, width */
};

/* The length of valid UTF-8 in that unit. */
size_t fit_length(const char *text, size_t n_bytes, enum fit_unit unit);

/* How many bytes at the start of `text` fit into `most` units, cut as told above; n_bytes when all
 * do. 0 where not even the first grapheme does, or where all that fits is one figure that goes on. */
size_t fit_cut(const char *text, size_t n_bytes, enum fit_unit unit, size_t most);

/* The text itself when it fits, else what fits beside "…", and that; blanks and the punctuation of
 * an unfinished clause before it go. To be freed; NULL: memory is short. `ret_cut` may be NULL. */
char *fit_text(const char *text, enum fit_unit unit, size_t most, bool *ret_cut);

#endif
