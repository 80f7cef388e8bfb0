/* HTML in, tokens out: the tokenizer of the HTML standard in what matters for text, in linear time
 * whatever comes.
 *
 * Not libxml2's parser: on hostile input that is quadratic (512 KiB of <b>, then </i>, or of
 * attributes in one tag take it five seconds), and it gives up behind 256 open elements. What is
 * safe is decided where the result is written (content_tree.h), never here. */
#ifndef CORE_CONTENT_SCAN_H
#define CORE_CONTENT_SCAN_H

#include "core/buf.h"

#include <stdbool.h>

enum scan_token { SCAN_END, SCAN_TEXT, SCAN_OPEN, SCAN_CLOSE };

/* The attributes that any element may keep. */
enum scan_attribute {
        SCAN_HREF,
        SCAN_SRC,
        SCAN_ALT,
        SCAN_COLSPAN,
        SCAN_ROWSPAN,
        SCAN_SCOPE,
        SCAN_VALUE,
        SCAN_START,
        N_SCAN_ATTRIBUTES,
};

struct scan_value {
        bool set;
        size_t offset, n_bytes; /* in scan.values */
};

struct scan {
        const char *at, *end;

        /* Of the token that scan_next() found, until the next call. */
        const char *text; /* SCAN_TEXT: entities resolved; many pieces may follow each other */
        size_t n_text;
        char name[16]; /* SCAN_OPEN, SCAN_CLOSE: in lower case; "" for one too long to be known */
        struct scan_value attributes[N_SCAN_ATTRIBUTES];
        struct buf values;
        bool other_attributes; /* it had some that no element keeps */
        bool self_closing;

        const char *angle; /* the next "<", looked for once */
        char entity[4];
        unsigned broken_tags;
        bool no_comment_end;
};

void scan_init(struct scan *scan, const char *html, size_t n_bytes);
void scan_done(struct scan *scan);
enum scan_token scan_next(struct scan *scan);
/* The value (not NUL-terminated) of an attribute of the open tag, or NULL. */
const char *scan_attribute(const struct scan *scan, enum scan_attribute attribute,
                           size_t *ret_n_bytes);

/* Behind an open tag: where the end tag </name starts, or NULL when none comes. */
const char *scan_find_close(const struct scan *scan, const char *name);
/* One piece of text, entities resolved where `entities`, from `*at` on; false at `end`. For the
 * content of elements that hold no elements. */
bool scan_text(struct scan *scan, const char **at, const char *end, bool entities);

#endif
