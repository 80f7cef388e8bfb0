#include "core/content_tree_inner.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core/content_char.h"
#include "core/memory.h"

#define NODES_MAX ((uint32_t) 1 << 20)
#define BYTES_MAX ((size_t) 8 << 20)
#define ALT_MAX 1000

enum { PENDING_BLANK = 1, PENDING_LINE_END = 2 };

int tree_init(struct tree *tree) {
        *tree = (struct tree){
                .bytes = buf_init_max(BYTES_MAX),
                .n_open = 1,
                .at_line_start = true,
                .next_value = -1,
        };
        tree->nodes = calloc(64, sizeof(*tree->nodes));
        if (!tree->nodes)
                return -ENOMEM;
        tree->n_allocated = 64;
        tree->n_nodes = 1;
        return 0;
}

void tree_done(struct tree *tree) {
        free(tree->nodes);
        tree->nodes = NULL;
        buf_done(&tree->bytes);
}

/* -- nodes -- */

uint32_t tree_node_new(struct tree *tree, enum element element) {
        if (tree->error)
                return 0;
        if (tree->n_nodes >= NODES_MAX) {
                tree->error = -E2BIG;
                return 0;
        }
        if (tree->n_nodes == tree->n_allocated) {
                uint32_t n = tree->n_allocated * 2;
                struct node *nodes = realloc(tree->nodes, n * sizeof(*nodes));

                if (!nodes) {
                        tree->error = -ENOMEM;
                        return 0;
                }
                tree->nodes = nodes;
                tree->n_allocated = n;
        }
        tree->nodes[tree->n_nodes] = (struct node){ .element = (uint8_t) element, .value = -1 };
        return tree->n_nodes++;
}

/* Puts a node into its parent, before `next` (0: at the end). */
void tree_node_insert(struct tree *tree, uint32_t parent, uint32_t number, uint32_t next) {
        struct node *node = tree_node(tree, number), *above = tree_node(tree, parent);

        node->parent = parent;
        node->next = next;
        node->before = next ? tree_node(tree, next)->before : above->last;
        if (node->before)
                tree_node(tree, node->before)->next = number;
        else
                above->first = number;
        if (next)
                tree_node(tree, next)->before = number;
        else
                above->last = number;
}

static void node_unlink(struct tree *tree, uint32_t number) {
        struct node *node = tree_node(tree, number), *above = tree_node(tree, node->parent);

        if (node->before)
                tree_node(tree, node->before)->next = node->next;
        else
                above->first = node->next;
        if (node->next)
                tree_node(tree, node->next)->before = node->before;
        else
                above->last = node->before;
        node->before = node->next = 0;
}

uint32_t tree_append(struct tree *tree, uint32_t parent, enum element element) {
        uint32_t number = tree_node_new(tree, element);

        if (number)
                tree_node_insert(tree, parent, number, 0);
        return number;
}

static struct span keep_bytes(struct tree *tree, const char *bytes, size_t n_bytes) {
        struct span span = { (uint32_t) tree->bytes.len, 0 };

        buf_add(&tree->bytes, bytes, n_bytes);
        if (!tree->bytes.error)
                span.n_bytes = (uint32_t) n_bytes;
        else if (!tree->error)
                tree->error = tree->bytes.error;
        return span;
}

/* -- the open blocks -- */

static void start_line(struct tree *tree) {
        tree->at_line_start = true;
        tree->behind_break = false;
        tree->pending = 0;
        tree->last = 0;
}

/* Takes blanks and line breaks from the end of a paragraph, and what becomes empty by that. */
static void trim(struct tree *tree, uint32_t container) {
        for (;;) {
                uint32_t number = container;
                struct node *node;

                while (tree_node(tree, number)->last)
                        number = tree_node(tree, number)->last;
                if (number == container)
                        return;
                node = tree_node(tree, number);
                if (node->element == ELEMENT_IMG)
                        return;
                if (node->element == ELEMENT_TEXT) {
                        const char *text = buf_text(&tree->bytes) + node->text.offset;
                        const char *end = text + node->text.n_bytes;

                        while (end > text) {
                                const char *one = end - 1, *at;
                                uint32_t c;

                                while (one > text && ((unsigned char) *one & 0xc0) == 0x80)
                                        one--;
                                at = one;
                                c = char_next(&at, end);
                                if (!char_is_space(c) && !char_is_blank(c))
                                        break;
                                end = one;
                        }
                        node->text.n_bytes = (uint32_t) (end - text);
                        if (node->text.n_bytes)
                                return;
                }
                node_unlink(tree, number);
        }
}

static bool row_is_header(const struct tree *tree, uint32_t row) {
        uint32_t number = tree_node(tree, row)->first;

        for (; number; number = tree_node(tree, number)->next) {
                const struct node *cell = tree_node(tree, number);

                if (cell->element != ELEMENT_TH || cell->rowspan > 1)
                        return false;
        }
        return true;
}

/* A first row of nothing but <th> becomes the table's head, when other rows follow. */
static void arrange_header(struct tree *tree, uint32_t table) {
        uint32_t body = tree_node(tree, table)->first, row, head;

        if (body && tree_node(tree, body)->element == ELEMENT_CAPTION)
                body = tree_node(tree, body)->next;
        if (!body || tree_node(tree, body)->element != ELEMENT_TBODY)
                return;
        row = tree_node(tree, body)->first;
        if (!row || !row_is_header(tree, row) ||
            (!tree_node(tree, row)->next && !tree_node(tree, body)->next))
                return;
        head = tree_node_new(tree, ELEMENT_THEAD);
        if (!head)
                return;
        tree_node_insert(tree, table, head, body);
        node_unlink(tree, row);
        tree_node_insert(tree, head, row, 0);
        if (!tree_node(tree, body)->first)
                node_unlink(tree, body);
}

void tree_pop(struct tree *tree) {
        uint32_t number = tree->open[--tree->n_open];
        enum element element = tree_node(tree, number)->element;

        if (holds_phrases(element) && element != ELEMENT_PRE)
                trim(tree, number);
        if (element == ELEMENT_TABLE)
                arrange_header(tree, number);
        if (is_bound(element))
                tree->formats = tree->outer[tree->n_open];
        if (!tree_node(tree, number)->first && !is_cell(element))
                node_unlink(tree, number);
        tree->n_inlines = 0;
        tree->next_value = -1;
        start_line(tree);
}

void tree_push_number(struct tree *tree, uint32_t number) {
        enum element element = tree_node(tree, number)->element;

        if (is_bound(element)) {
                tree->outer[tree->n_open] = tree->formats;
                tree->formats.n = 0;
        }
        tree->open[tree->n_open++] = number;
        tree->n_inlines = 0;
        start_line(tree);
}

struct node *tree_push(struct tree *tree, enum element element) {
        uint32_t number = tree_append(tree, tree->open[tree->n_open - 1], element);

        if (!number)
                return NULL;
        if (element == ELEMENT_LI) {
                tree_node(tree, number)->value = tree->next_value;
                tree->next_value = -1;
        }
        tree_push_number(tree, number);
        return tree_node(tree, number);
}

void tree_pop_until(struct tree *tree, unsigned n_open) {
        while (tree->n_open > n_open)
                tree_pop(tree);
}

/* Makes the innermost open element one that holds blocks. */
void tree_ensure_blocks(struct tree *tree) {
        while (!tree->error && !holds_blocks(tree_top(tree))) {
                enum element element = tree_top(tree);

                if (holds_phrases(element))
                        tree_pop(tree);
                else if (is_list(element))
                        (void) tree_push(tree, ELEMENT_LI);
                else if (element == ELEMENT_DL)
                        (void) tree_push(tree, ELEMENT_DD);
                else if (element == ELEMENT_TABLE)
                        (void) tree_push(tree, ELEMENT_TBODY);
                else if (element == ELEMENT_TR)
                        (void) tree_push(tree, ELEMENT_TD);
                else
                        (void) tree_push(tree, ELEMENT_TR);
        }
}

static void ensure_phrases(struct tree *tree) {
        if (holds_phrases(tree_top(tree)))
                return;
        tree_ensure_blocks(tree);
        if (!tree->error)
                (void) tree_push(tree, ELEMENT_P);
}

void tree_boundary(struct tree *tree) {
        enum element element = tree_top(tree);

        if (element == ELEMENT_P)
                tree_pop(tree);
        else if (element == ELEMENT_PRE && !tree->at_line_start)
                tree->pending += tree->pending ? 0 : 1;
        else if (element != ELEMENT_PRE && holds_phrases(element))
                tree->pending |= PENDING_BLANK;
}

/* -- phrases -- */

static uint32_t inline_parent(const struct tree *tree) {
        return tree->n_inlines ? tree->inlines[tree->n_inlines - 1] : tree->open[tree->n_open - 1];
}

static void append_bytes(struct tree *tree, const char *bytes, size_t n_bytes) {
        uint32_t parent = inline_parent(tree), last = tree_node(tree, parent)->last;
        struct node *node = last ? tree_node(tree, last) : NULL;

        if (tree->error)
                return;
        if (node && node->element == ELEMENT_TEXT &&
            node->text.offset + node->text.n_bytes == tree->bytes.len) {
                node->text.n_bytes += keep_bytes(tree, bytes, n_bytes).n_bytes;
                return;
        }
        last = tree_append(tree, parent, ELEMENT_TEXT);
        if (last)
                tree_node(tree, last)->text = keep_bytes(tree, bytes, n_bytes);
}

static bool is_open_as(const struct tree *tree, unsigned i) {
        const struct node *node = tree_node(tree, tree->inlines[i]);
        const struct format *format = &tree->formats.list[i];

        return node->element == format->element &&
               (format->element != ELEMENT_A || node->text.offset == format->address.offset);
}

/* Opens in the tree the phrase elements that are open in the source. A blank that waits is written
 * outside of those that change. */
static void align(struct tree *tree, bool blank) {
        unsigned n = 0;

        while (n < tree->n_inlines && n < tree->formats.n && is_open_as(tree, n))
                n++;
        tree->n_inlines = n;
        if (blank)
                append_bytes(tree, " ", 1);
        for (; n < tree->formats.n; n++) {
                const struct format *format = &tree->formats.list[n];
                uint32_t number = tree_append(tree, inline_parent(tree), format->element);

                if (!number)
                        return;
                tree_node(tree, number)->text = format->address;
                tree_node(tree, number)->outside = format->outside;
                tree->inlines[tree->n_inlines++] = number;
        }
}

/* Something that is seen follows; `c` is its first character or 0. */
static void before_phrase(struct tree *tree, uint32_t c) {
        bool blank;

        ensure_phrases(tree);
        if (tree->error)
                return;
        blank = tree->pending && !tree->at_line_start &&
                !((tree->pending & PENDING_LINE_END) && char_joins(tree->last, c));
        align(tree, blank);
        tree->pending = 0;
        tree->at_line_start = tree->behind_break = false;
}

static void pre_text(struct tree *tree, uint32_t c, const char *bytes, size_t n_bytes) {
        if (c == '\n') { /* kept until something follows: none at the edges */
                tree->pending += tree->at_line_start ? 0 : 1;
                return;
        }
        align(tree, false);
        for (; tree->pending; tree->pending--)
                append_bytes(tree, "\n", 1);
        append_bytes(tree, bytes, n_bytes);
        tree->at_line_start = false;
}

static void flowing_text(struct tree *tree, uint32_t c, const char *bytes, size_t n_bytes) {
        if (char_is_space(c)) {
                tree->pending |= c == ' ' || c == '\t' ? PENDING_BLANK : PENDING_LINE_END;
                return;
        }
        if (char_is_blank(c) && (tree->at_line_start || !holds_phrases(tree_top(tree)))) {
                /* The page indents. A line that the author indented is a paragraph. */
                if (c == 0x3000 && tree->behind_break && tree_top(tree) == ELEMENT_P)
                        tree_pop(tree);
                return;
        }
        before_phrase(tree, c);
        append_bytes(tree, bytes, n_bytes);
        tree->last = c;
}

void tree_text(struct tree *tree, const char *text, size_t n_bytes) {
        const char *end = text + n_bytes;

        while (text < end && !tree->error) {
                const char *from = text;
                uint32_t c = char_next(&text, end);
                size_t n = (size_t) (text - from);
                char written[4];

                if (c == '\r') { /* of "\r\n" the second is the line end */
                        if (text < end && *text == '\n')
                                continue;
                        c = '\n';
                }
                if (char_is_invisible(c)) {
                        tree->stripped = true;
                        continue;
                }
                if (c == '\f' || c == 0x2028 || c == 0x2029) /* XML knows no form feed */
                        c = '\n';
                if (c == 0xfffd) { /* perhaps in place of a malformed byte */
                        n = char_write(c, written);
                        from = written;
                }
                if (tree_top(tree) == ELEMENT_PRE)
                        pre_text(tree, c, from, n);
                else
                        flowing_text(tree, c, from, n);
        }
}

void tree_break(struct tree *tree) {
        if (tree->error)
                return;
        if (tree_top(tree) == ELEMENT_PRE) {
                pre_text(tree, '\n', "\n", 1);
                return;
        }
        if (tree->at_line_start || !holds_phrases(tree_top(tree))) {
                if (tree->behind_break && tree_top(tree) == ELEMENT_P)
                        tree_pop(tree);
                return;
        }
        tree->pending = 0;
        align(tree, false);
        (void) tree_append(tree, inline_parent(tree), ELEMENT_BR);
        start_line(tree);
        tree->behind_break = true;
}

void tree_image(struct tree *tree, const char *address, const char *alt, size_t n_alt) {
        const char *at = alt, *end = alt + n_alt;
        struct span source, words;
        uint32_t number;
        bool blank = false;
        size_t n = 0;

        if (tree_top(tree) == ELEMENT_PRE)
                align(tree, false);
        else
                before_phrase(tree, 0);
        for (; tree->pending && !tree->error; tree->pending--)
                append_bytes(tree, "\n", 1);
        tree->at_line_start = false;
        tree->last = 0;
        number = tree_append(tree, inline_parent(tree), ELEMENT_IMG);
        if (!number)
                return;

        source = keep_bytes(tree, address, strlen(address));
        words = keep_bytes(tree, "", 0);
        while (at < end && n < ALT_MAX) {
                char bytes[4];
                uint32_t c = char_next(&at, end);

                if (char_is_invisible(c)) {
                        tree->stripped = true;
                } else if (char_is_space(c)) {
                        blank = n > 0;
                } else {
                        if (blank)
                                words.n_bytes += keep_bytes(tree, " ", 1).n_bytes;
                        words.n_bytes += keep_bytes(tree, bytes, char_write(c, bytes)).n_bytes;
                        blank = false;
                        n++;
                }
        }
        tree_node(tree, number)->text = source;
        tree_node(tree, number)->alt = words;
}

static struct format *find_format(struct tree *tree, enum element element) {
        for (unsigned i = 0; i < tree->formats.n; i++)
                if (tree->formats.list[i].element == element)
                        return &tree->formats.list[i];
        return NULL;
}

static void remove_format(struct tree *tree, struct format *format) {
        struct format *end = &tree->formats.list[tree->formats.n--];

        memmove(format, format + 1, (size_t) (end - format - 1) * sizeof(*format));
}

void tree_format(struct tree *tree, enum element element, bool open) {
        struct format *format = find_format(tree, element);

        if (open && format)
                format->depth++;
        else if (open)
                tree->formats.list[tree->formats.n++] =
                        (struct format){ .element = element, .depth = 1 };
        else if (format && --format->depth == 0)
                remove_format(tree, format);
}

void tree_link(struct tree *tree, const char *address, bool outside) {
        struct format *format = find_format(tree, ELEMENT_A);

        if (format)
                remove_format(tree, format);
        if (address)
                tree->formats.list[tree->formats.n++] = (struct format){
                        .element = ELEMENT_A,
                        .address = keep_bytes(tree, address, strlen(address)),
                        .outside = outside,
                };
}

int tree_finish(struct tree *tree) {
        if (!tree->error)
                tree_pop_until(tree, 1);
        return tree->error;
}
