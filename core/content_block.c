/* Which block may stand where: the part of the tree that puts tags right. */
#include "core/content_tree_inner.h"

/* The most that opening one block can add: a table, its section, row, cell and paragraph. */
#define DEPTH_RESERVE 5

/* The innermost open `element`, looked for no further than `bound` says; 0 when there is none. */
static unsigned find_open(const struct tree *tree, enum element element,
                          bool (*bound)(enum element)) {
        for (unsigned i = tree->n_open - 1; i > 0; i--) {
                enum element open = tree_node(tree, tree->open[i])->element;

                if (open == element)
                        return i;
                if (bound(open))
                        return 0;
        }
        return 0;
}

static bool bound_table(enum element element) {
        return element == ELEMENT_TABLE;
}

static bool bound_list(enum element element) {
        return is_list(element) || element == ELEMENT_DL || is_bound(element);
}

static bool may_nest(enum element element) { /* without end */
        return element == ELEMENT_BLOCKQUOTE || is_list(element) || element == ELEMENT_DL ||
               element == ELEMENT_TABLE;
}

static bool is_part(enum element element) {
        return element == ELEMENT_LI || element == ELEMENT_DT || element == ELEMENT_DD ||
               is_cell(element) || is_section(element) || element == ELEMENT_TR ||
               element == ELEMENT_CAPTION;
}

/* Opens a block that holds blocks, where there is room below. */
static bool push_nesting(struct tree *tree, enum element element) {
        tree_ensure_blocks(tree);
        if (tree->n_open + DEPTH_RESERVE > TREE_DEPTH_MAX) {
                tree->refused++;
                return false;
        }
        return !tree->error && tree_push(tree, element);
}

static void open_item(struct tree *tree, enum element element, enum element list) {
        bool in_list;

        if (holds_phrases(tree_top(tree)))
                tree_pop(tree);
        if (tree_top(tree) == element || (list == ELEMENT_DL && tree_top(tree) == ELEMENT_DD))
                tree_pop(tree);
        in_list = list == ELEMENT_DL ? tree_top(tree) == ELEMENT_DL : is_list(tree_top(tree));
        if (!in_list) {
                tree_ensure_blocks(tree);
                if (tree->n_open + DEPTH_RESERVE > TREE_DEPTH_MAX)
                        return;
                if (!tree->error)
                        (void) tree_push(tree, list);
        }
        if (!tree->error)
                (void) tree_push(tree, element);
}

static void open_list(struct tree *tree, enum element element, int start) {
        uint32_t last;

        if (holds_phrases(tree_top(tree)))
                tree_pop(tree);
        /* A list right in a list, as many write it, belongs to the item before it. */
        last = is_list(tree_top(tree)) ? tree_node(tree, tree->open[tree->n_open - 1])->last : 0;
        if (last)
                tree_push_number(tree, last);
        if (push_nesting(tree, element))
                tree->next_value = element == ELEMENT_OL ? start : -1;
}

static void open_table_part(struct tree *tree, enum element element, const struct detail *detail) {
        unsigned table = find_open(tree, ELEMENT_TABLE, bound_table), least;
        uint32_t first;
        struct node *node;

        if (!table) {
                tree_boundary(tree);
                return;
        }
        /* What of the table may stay open around the new part. */
        least = table + 1;
        if (element == ELEMENT_TR || is_cell(element)) {
                least += least < tree->n_open &&
                         is_section(tree_node(tree, tree->open[least])->element);
                if (is_cell(element))
                        least += least < tree->n_open &&
                                 tree_node(tree, tree->open[least])->element == ELEMENT_TR;
        }
        tree_pop_until(tree, least);
        first = tree_node(tree, tree->open[table])->first;

        if (element == ELEMENT_CAPTION) {
                uint32_t number;

                if (first && tree_node(tree, first)->element == ELEMENT_CAPTION)
                        return;
                number = tree_node_new(tree, ELEMENT_CAPTION);
                if (!number)
                        return;
                tree_node_insert(tree, tree->open[table], number, first);
                tree_push_number(tree, number);
                return;
        }
        if (element == ELEMENT_THEAD && first && tree_node(tree, first)->element == ELEMENT_CAPTION)
                first = tree_node(tree, first)->next;
        if (element == ELEMENT_THEAD && first)
                element = ELEMENT_TBODY;
        if ((element == ELEMENT_TR || is_cell(element)) && tree_top(tree) == ELEMENT_TABLE &&
            !tree_push(tree, ELEMENT_TBODY))
                return;
        if (is_cell(element) && tree_top(tree) != ELEMENT_TR && !tree_push(tree, ELEMENT_TR))
                return;
        node = tree_push(tree, element);
        if (node && detail) {
                node->colspan = (uint16_t) detail->colspan;
                node->rowspan = (uint16_t) detail->rowspan;
                node->scope = element == ELEMENT_TH ? (uint8_t) detail->scope : SCOPE_NONE;
        }
}

void tree_open(struct tree *tree, enum element element, const struct detail *detail) {
        bool in_words = tree_top(tree) == ELEMENT_CAPTION || tree_top(tree) == ELEMENT_DT;
        struct node *node;

        if (tree->error)
                return;
        if (tree->refused && (may_nest(element) || is_part(element))) {
                tree->refused += may_nest(element);
                tree_boundary(tree);
                return;
        }
        if (in_words &&
            (element == ELEMENT_HEADING || element == ELEMENT_PRE || element == ELEMENT_HR)) {
                tree_boundary(tree);
                return;
        }
        switch (element) {
        case ELEMENT_BLOCKQUOTE:
        case ELEMENT_DL:
        case ELEMENT_TABLE:
                (void) push_nesting(tree, element);
                break;
        case ELEMENT_HEADING:
        case ELEMENT_PRE:
                tree_ensure_blocks(tree);
                node = tree->error ? NULL : tree_push(tree, element);
                if (node && element == ELEMENT_HEADING)
                        node->level = detail ? (uint8_t) detail->level : 2;
                break;
        case ELEMENT_HR:
                tree_ensure_blocks(tree);
                (void) tree_append(tree, tree->open[tree->n_open - 1], ELEMENT_HR);
                break;
        case ELEMENT_UL:
        case ELEMENT_OL:
                open_list(tree, element, detail ? detail->value : -1);
                break;
        case ELEMENT_LI:
                open_item(tree, ELEMENT_LI, ELEMENT_UL);
                node = tree_node(tree, tree->open[tree->n_open - 1]);
                if (detail && detail->value >= 0 && node->element == ELEMENT_LI &&
                    tree_node(tree, node->parent)->element == ELEMENT_OL)
                        node->value = detail->value;
                break;
        case ELEMENT_DT:
        case ELEMENT_DD:
                open_item(tree, element, ELEMENT_DL);
                break;
        default:
                open_table_part(tree, element, detail);
        }
}

void tree_close(struct tree *tree, enum element element) {
        unsigned found;

        if (tree->error)
                return;
        if (tree->refused && may_nest(element)) {
                tree->refused--;
                tree_boundary(tree);
                return;
        }
        if (element == ELEMENT_HEADING || element == ELEMENT_PRE)
                found = tree_top(tree) == element ? tree->n_open - 1 : 0;
        else if (is_cell(element) || is_section(element) || element == ELEMENT_TR ||
                 element == ELEMENT_CAPTION || element == ELEMENT_TABLE)
                found = find_open(tree, element, bound_table);
        else if (may_nest(element))
                found = find_open(tree, element, is_bound);
        else
                found = find_open(tree, element, bound_list);

        if (!found || (tree->refused && is_part(element)))
                tree_boundary(tree);
        else
                tree_pop_until(tree, found);
}
