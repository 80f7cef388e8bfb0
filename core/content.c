#include "core/content.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core/content_read.h"
#include "core/content_tree.h"
#include "core/memory.h"

#define RESULT_MAX ((size_t) 8 << 20)

int content_format_parse(const char *name, enum content_format *ret) {
        static const char *const names[] = {
                [CONTENT_TEXT] = "text",
                [CONTENT_MARKDOWN] = "markdown",
                [CONTENT_HTML] = "html",
        };

        for (unsigned i = 0; i < ELEMENTS(names); i++)
                if (strcmp(name, names[i]) == 0) {
                        *ret = (enum content_format) i;
                        return 0;
                }
        return -EINVAL;
}

static int read_source(struct reading *reading, enum content_format format, const char *source,
                       size_t n_bytes) {
        int r;

        if (format == CONTENT_HTML) {
                content_read_html(reading, source, n_bytes);
                return 0;
        }
        if (format == CONTENT_MARKDOWN) {
                r = content_read_markdown(reading, source, n_bytes);
                if (r != -EINVAL)
                        return r;
        }
        content_read_text(reading, source, n_bytes);
        return 0;
}

int content_render(enum content_format format, const char *source, size_t n_bytes,
                   content_link_fn *link, void *userdata, struct content *ret) {
        struct tree tree freed_by(tree_done) = { 0 };
        struct reading reading = { .tree = &tree, .link = link, .userdata = userdata };
        struct buf html freed_by(buf_done) = buf_init_max(RESULT_MAX);
        struct buf text freed_by(buf_done) = buf_init_max(RESULT_MAX);
        struct content content freed_by(content_done) = { 0 };
        int r;

        r = tree_init(&tree);
        if (r < 0)
                return r;
        r = read_source(&reading, format, source, n_bytes);
        if (r < 0)
                return r;
        r = tree_finish(&tree);
        if (r < 0)
                return r;

        tree_write_html(&tree, &html);
        tree_write_text(&tree, &text);
        if (html.error || text.error)
                return html.error ? html.error : text.error;
        content.html = buf_take(&html);
        content.text = buf_take(&text);
        if (!content.html || !content.text)
                return -ENOMEM;
        content.cleaned = reading.cleaned;
        content.stripped = tree.stripped;
        *ret = content;
        content = (struct content){ 0 };
        return 0;
}

void content_done(struct content *content) {
        free(content->html);
        free(content->text);
        *content = (struct content){ 0 };
}
