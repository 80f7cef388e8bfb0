/* Templates by the public Mustache rules: {{variable}}, {{{raw}}} and {{&raw}}, {{#section}},
 * {{^inverted}}, {{! comment}}, {{> partial}}, dotted names, {{.}}; standalone tags take their line
 * with them. No lambdas, no delimiter change. A variable is escaped for the kind of text that the
 * template makes. */
#ifndef CORE_TEMPLATE_H
#define CORE_TEMPLATE_H

#include <jansson.h>

#include "core/buf.h"

enum escape {
        ESCAPE_NONE, /* plain text */
        ESCAPE_HTML, /* HTML and XML text and quoted attributes: & < > " ' ` */
        ESCAPE_JSON, /* inside a JSON string literal (also safe inside <script>: < > & U+2028/9) */
        ESCAPE_URI,  /* percent-encoded but for unreserved characters (RFC 3986, 2.3) */
};

void escape_add(struct buf *buf, enum escape escape, const char *text, size_t n_bytes);

/* The text of partial `name`, or NULL when there is none (an error). */
typedef const char *template_partial_fn(const char *name, void *userdata);

struct template {
        const char *text;
        enum escape escape;
        template_partial_fn *partial; /* may be NULL */
        void *userdata;
};

struct template_error {
        unsigned line; /* in the template, from 1 */
        char *sentence; /* for people, in the process' language; free() */
};

/* A template that was read with all its partials, to be filled in again and again; it keeps nothing
 * of `template`. -EINVAL with *ret_error filled when it is wrong: unclosed or crossed section,
 * unknown tag kind, partial missing or nested deeper than 16 (one that includes itself counts as
 * that, wherever it stands), sections nested deeper than 64; -ENOMEM. */
struct template_form;
int template_form_read(const struct template *template, struct template_form **ret,
                       struct template_error *ret_error);
/* Renders `context` (borrowed) into `out`: -E2BIG / -ENOMEM from the buffer. A name that the context
 * lacks is empty, and so is an object or a list where text is wanted; false, null, "" and [] hide a
 * section, 0 does not. */
int template_form_write(const struct template_form *form, const json_t *context, struct buf *out);
void template_form_free(struct template_form *form);

/* Both for one that is used once. Nothing is written when the template is wrong. */
int template_render(const struct template *template, const json_t *context, struct buf *out,
                    struct template_error *ret_error);
/* The same errors without a context. */
int template_check(const struct template *template, struct template_error *ret_error);
void template_error_done(struct template_error *error);

#endif
