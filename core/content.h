/* A document's body: text, CommonMark or HTML in, safe HTML and plain text out.
 *
 * HTML that strangers wrote is never trusted: it is read (content_scan.h), copied through an
 * allow-list of elements, attributes and URL schemes into a tree of our own (content_tree.h), and
 * written anew. What comes out contains nothing else, and cleaning it again changes nothing (given
 * that `attachment:` links were left as they are: addresses of attachments come from `link` only).
 * Markdown and text go the same way. Time and memory grow with the source's length and no faster.
 */
#ifndef CORE_CONTENT_H
#define CORE_CONTENT_H

#include <stdbool.h>
#include <stddef.h>

enum content_format { CONTENT_TEXT, CONTENT_MARKDOWN, CONTENT_HTML };

/* "text" | "markdown" | "html" -> format; -EINVAL otherwise. */
int content_format_parse(const char *name, enum content_format *ret);

/* Where `attachment:NAME` points to: an address (borrowed), or NULL when there is none, and the
 * link then becomes its text, the image its alternative text. */
typedef const char *content_link_fn(const char *name, void *userdata);

struct content {
        char *html; /* safe; headings start at h2 (the page's h1 is the title) and skip no level */
        char *text; /* plain: paragraphs by an empty line, table rows by line with cells by tab,
                       list items with their mark; no markup, no entity */
        bool cleaned;  /* something of HTML was taken out (not: bare <div>, <span>, comments) */
        bool stripped; /* invisible or direction-changing characters were taken out */
};

/* -E2BIG when the result passes 8 MiB or a million elements and texts, -ENOMEM. Any bytes that are
 * valid UTF-8 without NUL are taken: a body that a parser cannot make sense of becomes text. */
int content_render(enum content_format format, const char *source, size_t n_bytes,
                   content_link_fn *link, void *userdata, struct content *ret);
void content_done(struct content *content);

/* The first `n_characters` characters (code points) of the plain text as one line, cut at a
 * sentence or clause end where one is near, "…" behind a cut. To be freed. */
char *content_summary(const char *text, size_t n_characters);

#endif
