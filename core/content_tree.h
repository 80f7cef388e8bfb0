/* The tree of a body: the only elements that a page may have, nested as HTML demands.
 *
 * This is the one cleaner. Whatever is read (HTML, markdown's HTML, text) arrives here as a row of
 * events, and what does not fit is put right at once: a cell without a row gets one, a paragraph in
 * a paragraph ends the first, text in a list becomes an item. So the tree always has the shape that
 * any parser gives back, and writing it, reading it and writing it again changes nothing. Depth is
 * bounded: what is nested deeper is kept as paragraphs. */
#ifndef CORE_CONTENT_TREE_H
#define CORE_CONTENT_TREE_H

#include <stdbool.h>
#include <stdint.h>

#include "core/buf.h"

enum element {
        ELEMENT_ROOT,
        ELEMENT_TEXT,
        ELEMENT_BR,
        ELEMENT_HR,
        ELEMENT_IMG,
        /* hold phrases */
        ELEMENT_P,
        ELEMENT_HEADING,
        ELEMENT_PRE,
        ELEMENT_CAPTION,
        ELEMENT_DT,
        /* hold blocks */
        ELEMENT_BLOCKQUOTE,
        ELEMENT_LI,
        ELEMENT_DD,
        ELEMENT_TD,
        ELEMENT_TH,
        /* hold their own parts only */
        ELEMENT_UL,
        ELEMENT_OL,
        ELEMENT_DL,
        ELEMENT_TABLE,
        ELEMENT_THEAD,
        ELEMENT_TBODY,
        ELEMENT_TFOOT,
        ELEMENT_TR,
        /* phrases */
        ELEMENT_A,
        ELEMENT_B,
        ELEMENT_CODE,
        ELEMENT_DEL,
        ELEMENT_EM,
        ELEMENT_I,
        ELEMENT_INS,
        ELEMENT_S,
        ELEMENT_STRONG,
        ELEMENT_SUB,
        ELEMENT_SUP,
        ELEMENT_U,
        N_ELEMENTS,
};

#define N_FORMATS (N_ELEMENTS - ELEMENT_A)

enum scope { SCOPE_NONE, SCOPE_ROW, SCOPE_COL, SCOPE_ROWGROUP, SCOPE_COLGROUP };

/* A piece of tree.bytes. */
struct span {
        uint32_t offset, n_bytes;
};

struct node {
        uint8_t element;
        uint8_t level;                              /* HEADING: in the source */
        uint8_t scope;                              /* TH */
        bool outside;                               /* A: to another site */
        uint16_t colspan, rowspan;                  /* TD, TH; 0 when not given */
        int32_t value;                              /* LI: its number, -1 when not given */
        uint32_t parent, first, last, before, next; /* 0 = none; node 0 is the root */
        struct span text;                           /* TEXT; A: address; IMG: address */
        struct span alt;                            /* IMG */
};

/* What a tag said, for tree_open(). */
struct detail {
        unsigned level, colspan, rowspan;
        enum scope scope;
        int value; /* LI: its number; OL: its first number; -1 when not given */
};

/* A phrase element that is open: text to come stands in it, in whatever paragraph it is. */
struct format {
        enum element element;
        unsigned depth; /* how often it was opened */
        struct span address;
        bool outside;
};

struct formats {
        struct format list[N_FORMATS];
        unsigned n;
};

#define TREE_DEPTH_MAX 40

struct tree {
        struct node *nodes;
        uint32_t n_nodes, n_allocated;
        struct buf bytes;
        int error;     /* -ENOMEM, -E2BIG: the first one; later events are ignored */
        bool stripped; /* invisible characters were left out */

        uint32_t open[TREE_DEPTH_MAX];        /* from the root to the innermost block */
        struct formats outer[TREE_DEPTH_MAX]; /* of a cell: the formats around its table */
        unsigned n_open;
        unsigned refused; /* open elements that were too deep to be opened */
        struct formats formats;
        uint32_t inlines[N_FORMATS]; /* the phrase elements open in the tree */
        unsigned n_inlines;

        bool at_line_start, behind_break;
        unsigned pending;   /* white space that was read and not yet written */
        uint32_t last;      /* the character before it */
        int32_t next_value; /* for the first item of an <ol start> */
};

int tree_init(struct tree *tree);
void tree_done(struct tree *tree);

/* Running text: white space collapses, except in PRE. */
void tree_text(struct tree *tree, const char *text, size_t n_bytes);
/* A line break. A second one in a row ends the paragraph. */
void tree_break(struct tree *tree);
/* The border of something that is a block and is not kept (also <p> and </p>: a paragraph is made
 * where text needs one). */
void tree_boundary(struct tree *tree);
/* A block, or HR. The detail may be NULL. */
void tree_open(struct tree *tree, enum element element, const struct detail *detail);
void tree_close(struct tree *tree, enum element element);
/* A phrase element but A. */
void tree_format(struct tree *tree, enum element element, bool open);
/* A link (address != NULL) or the end of one. */
void tree_link(struct tree *tree, const char *address, bool outside);
void tree_image(struct tree *tree, const char *address, const char *alt, size_t n_alt);
/* Ends everything that is open. */
int tree_finish(struct tree *tree);

static inline struct node *tree_node(const struct tree *tree, uint32_t number) {
        return &tree->nodes[number];
}

/* The safe HTML, and the plain text, of a finished tree (content_write.c). */
void tree_write_html(const struct tree *tree, struct buf *out);
void tree_write_text(const struct tree *tree, struct buf *out);

#endif
