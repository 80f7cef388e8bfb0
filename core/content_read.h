/* Each format's reader: its source becomes events of the tree. */
#ifndef CORE_CONTENT_READ_H
#define CORE_CONTENT_READ_H

#include "core/content.h"
#include "core/content_tree.h"

struct reading {
        struct tree *tree;
        content_link_fn *link;
        void *userdata;
        bool cleaned;
};

/* What goes wrong stays in tree->error. */
void content_read_html(struct reading *reading, const char *html, size_t n_bytes);
/* -EINVAL: not markdown that a person wrote; it would cost the renderer time or memory without
 * bound. -ENOMEM. The tree is untouched then. */
int content_read_markdown(struct reading *reading, const char *source, size_t n_bytes);
void content_read_text(struct reading *reading, const char *source, size_t n_bytes);

#endif
