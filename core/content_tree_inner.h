/* What content_tree.c (nodes, open blocks, phrases) and content_block.c (which block may stand
 * where) share. */
#ifndef CORE_CONTENT_TREE_INNER_H
#define CORE_CONTENT_TREE_INNER_H

#include "core/content_tree.h"

static inline bool holds_phrases(enum element element) {
        return element >= ELEMENT_P && element <= ELEMENT_DT;
}

static inline bool holds_blocks(enum element element) {
        return element == ELEMENT_ROOT || (element >= ELEMENT_BLOCKQUOTE && element <= ELEMENT_TH);
}

static inline bool is_list(enum element element) {
        return element == ELEMENT_UL || element == ELEMENT_OL;
}

static inline bool is_cell(enum element element) {
        return element == ELEMENT_TD || element == ELEMENT_TH;
}

static inline bool is_section(enum element element) {
        return element >= ELEMENT_THEAD && element <= ELEMENT_TFOOT;
}

static inline bool is_bound(enum element element) { /* formats do not cross it */
        return is_cell(element) || element == ELEMENT_CAPTION;
}

static inline enum element tree_top(const struct tree *tree) {
        return tree_node(tree, tree->open[tree->n_open - 1])->element;
}

/* A new node, not yet anywhere; 0 when there can be none. */
uint32_t tree_node_new(struct tree *tree, enum element element);
/* Puts a node into its parent, before `next` (0: at the end). */
void tree_node_insert(struct tree *tree, uint32_t parent, uint32_t number, uint32_t next);
uint32_t tree_append(struct tree *tree, uint32_t parent, enum element element);

/* Opens a new block, or one that is in the tree already; NULL when there can be none. The caller
 * sees to it that it may stand there and that there is room. */
struct node *tree_push(struct tree *tree, enum element element);
void tree_push_number(struct tree *tree, uint32_t number);
/* Ends the innermost block, and takes it away when nothing is in it. */
void tree_pop(struct tree *tree);
void tree_pop_until(struct tree *tree, unsigned n_open);
/* Makes the innermost open element one that holds blocks. */
void tree_ensure_blocks(struct tree *tree);

#endif
