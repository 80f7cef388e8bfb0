/* The tree of a body, written as HTML and as plain text. Its depth is bounded (content_tree.h), so
 * these functions may call themselves. */
#include <stdio.h>
#include <string.h>

#include "core/content_char.h"
#include "core/content_tree.h"
#include "core/memory.h"

static const char *const names[N_ELEMENTS] = {
        [ELEMENT_P] = "p",
        [ELEMENT_PRE] = "pre",
        [ELEMENT_CAPTION] = "caption",
        [ELEMENT_DT] = "dt",
        [ELEMENT_BLOCKQUOTE] = "blockquote",
        [ELEMENT_LI] = "li",
        [ELEMENT_DD] = "dd",
        [ELEMENT_TD] = "td",
        [ELEMENT_TH] = "th",
        [ELEMENT_UL] = "ul",
        [ELEMENT_OL] = "ol",
        [ELEMENT_DL] = "dl",
        [ELEMENT_TABLE] = "table",
        [ELEMENT_THEAD] = "thead",
        [ELEMENT_TBODY] = "tbody",
        [ELEMENT_TFOOT] = "tfoot",
        [ELEMENT_TR] = "tr",
        [ELEMENT_A] = "a",
        [ELEMENT_B] = "b",
        [ELEMENT_CODE] = "code",
        [ELEMENT_DEL] = "del",
        [ELEMENT_EM] = "em",
        [ELEMENT_I] = "i",
        [ELEMENT_INS] = "ins",
        [ELEMENT_S] = "s",
        [ELEMENT_STRONG] = "strong",
        [ELEMENT_SUB] = "sub",
        [ELEMENT_SUP] = "sup",
        [ELEMENT_U] = "u",
};

static const char *const scopes[] = { NULL, "row", "col", "rowgroup", "colgroup" };

/* -- HTML -- */

struct html {
        const struct tree *tree;
        struct buf *out;
        /* The source's levels from the outermost heading to the last one. How many they are is the
         * level that is written: none is skipped, whatever the source skipped. */
        uint8_t levels[6];
        unsigned n_levels;
};

static void add_escaped(const struct html *html, struct span span, bool in_quotes) {
        const char *at = buf_text(&html->tree->bytes) + span.offset, *end = at + span.n_bytes;

        while (at < end) {
                size_t n = 0;

                while (at + n < end && !memchr("&<>\"", at[n], in_quotes ? 4 : 3))
                        n++;
                buf_add(html->out, at, n);
                at += n;
                if (at == end)
                        return;
                buf_str(html->out, *at == '&'   ? "&amp;"
                                   : *at == '<' ? "&lt;"
                                   : *at == '>' ? "&gt;"
                                                : "&quot;");
                at++;
        }
}

static void html_node(struct html *html, uint32_t number);

static void html_children(struct html *html, uint32_t number) {
        for (number = tree_node(html->tree, number)->first; number;
             number = tree_node(html->tree, number)->next)
                html_node(html, number);
}

static unsigned heading_level(struct html *html, uint8_t level) {
        while (html->n_levels && html->levels[html->n_levels - 1] >= level)
                html->n_levels--;
        html->levels[html->n_levels++] = level;
        return html->n_levels < 5 ? html->n_levels + 1 : 6;
}

/* A cell or an item that holds one paragraph, and that first, holds its words directly. */
static bool is_bare(const struct tree *tree, const struct node *node) {
        uint32_t number = node->first;

        if (!number || tree_node(tree, number)->element != ELEMENT_P)
                return false;
        while ((number = tree_node(tree, number)->next) != 0)
                if (tree_node(tree, number)->element == ELEMENT_P)
                        return false;
        return true;
}

static void html_container(struct html *html, const struct node *node) {
        uint32_t number = node->first;

        if (is_bare(html->tree, node)) {
                html_children(html, number);
                number = tree_node(html->tree, number)->next;
        }
        if (number)
                buf_char(html->out, '\n');
        for (; number; number = tree_node(html->tree, number)->next)
                html_node(html, number);
}

static void html_items(struct html *html, const struct node *list) {
        int32_t expected = 1;

        for (uint32_t number = list->first; number;) {
                const struct node *item = tree_node(html->tree, number);
                int32_t value = item->value >= 0 ? item->value : expected;

                buf_str(html->out, "<li");
                if (value != expected)
                        buf_fmt(html->out, " value=\"%d\"", (int) value);
                buf_char(html->out, '>');
                html_container(html, item);
                buf_str(html->out, "</li>\n");
                expected = value + 1;
                number = item->next;
        }
}

static void html_cell(struct html *html, const struct node *cell) {
        const char *name = names[cell->element];

        buf_fmt(html->out, "<%s", name);
        if (cell->colspan > 1)
                buf_fmt(html->out, " colspan=\"%u\"", cell->colspan);
        if (cell->rowspan > 1)
                buf_fmt(html->out, " rowspan=\"%u\"", cell->rowspan);
        if (cell->scope)
                buf_fmt(html->out, " scope=\"%s\"", scopes[cell->scope]);
        buf_char(html->out, '>');
        html_container(html, cell);
        buf_fmt(html->out, "</%s>\n", name);
}

static void html_phrase(struct html *html, uint32_t number) {
        const struct node *node = tree_node(html->tree, number);

        switch (node->element) {
        case ELEMENT_TEXT:
                add_escaped(html, node->text, false);
                return;
        case ELEMENT_BR:
                buf_str(html->out, "<br>");
                return;
        case ELEMENT_IMG:
                buf_str(html->out, "<img src=\"");
                add_escaped(html, node->text, true);
                buf_str(html->out, "\" alt=\"");
                add_escaped(html, node->alt, true);
                buf_str(html->out, "\">");
                return;
        case ELEMENT_A:
                buf_str(html->out, "<a href=\"");
                add_escaped(html, node->text, true);
                buf_str(html->out, node->outside ? "\" rel=\"nofollow noopener\">" : "\">");
                break;
        default:
                buf_fmt(html->out, "<%s>", names[node->element]);
        }
        html_children(html, number);
        buf_fmt(html->out, "</%s>", names[node->element]);
}

static void html_node(struct html *html, uint32_t number) {
        const struct node *node = tree_node(html->tree, number);
        const char *name = names[node->element];
        unsigned level;

        switch (node->element) {
        case ELEMENT_HR:
                buf_str(html->out, "<hr>\n");
                return;
        case ELEMENT_HEADING:
                level = heading_level(html, node->level);
                buf_fmt(html->out, "<h%u>", level);
                html_children(html, number);
                buf_fmt(html->out, "</h%u>\n", level);
                return;
        case ELEMENT_TD:
        case ELEMENT_TH:
                html_cell(html, node);
                return;
        case ELEMENT_P:
        case ELEMENT_PRE:
        case ELEMENT_CAPTION:
        case ELEMENT_DT:
                buf_fmt(html->out, "<%s>", name);
                html_children(html, number);
                break;
        case ELEMENT_DD:
                buf_str(html->out, "<dd>");
                html_container(html, node);
                break;
        case ELEMENT_UL:
        case ELEMENT_OL:
                buf_fmt(html->out, "<%s>\n", name);
                html_items(html, node);
                break;
        case ELEMENT_BLOCKQUOTE:
        case ELEMENT_DL:
        case ELEMENT_TABLE:
        case ELEMENT_THEAD:
        case ELEMENT_TBODY:
        case ELEMENT_TFOOT:
        case ELEMENT_TR:
                buf_fmt(html->out, "<%s>\n", name);
                html_children(html, number);
                break;
        default:
                html_phrase(html, number);
                return;
        }
        buf_fmt(html->out, "</%s>\n", name);
}

void tree_write_html(const struct tree *tree, struct buf *out) {
        struct html html = { .tree = tree, .out = out };

        html_children(&html, 0);
}

/* -- plain text -- */

struct plain {
        const struct tree *tree;
        struct buf *out;
        unsigned gap;    /* line ends between blocks here */
        unsigned wanted; /* line ends before what comes next */
        bool fresh;      /* behind a mark or a tab: no line end */
        bool in_row;
};

static void want(struct plain *plain, unsigned n) {
        if (plain->wanted < n)
                plain->wanted = n;
}

static void before_words(struct plain *plain) {
        if (!plain->fresh && plain->out->len && plain->wanted) {
                if (plain->in_row)
                        buf_char(plain->out, ' ');
                else
                        buf_add(plain->out, "\n\n", plain->wanted);
        }
        plain->fresh = false;
        plain->wanted = 0;
}

static void plain_words(struct plain *plain, struct span span) {
        const char *text = buf_text(&plain->tree->bytes) + span.offset;

        if (!span.n_bytes)
                return;
        before_words(plain);
        if (!plain->in_row) {
                buf_add(plain->out, text, span.n_bytes);
                return;
        }
        for (uint32_t i = 0; i < span.n_bytes; i++) /* a row is one line, a tab ends a cell */
                buf_char(plain->out, text[i] == '\n' || text[i] == '\t' ? ' ' : text[i]);
}

static void plain_node(struct plain *plain, uint32_t number);

static void plain_children(struct plain *plain, uint32_t number) {
        for (number = tree_node(plain->tree, number)->first; number;
             number = tree_node(plain->tree, number)->next)
                plain_node(plain, number);
}

static void plain_row(struct plain *plain, uint32_t number) {
        bool outer = plain->in_row;
        uint32_t first = tree_node(plain->tree, number)->first;

        want(plain, 1);
        if (!outer)
                before_words(plain);
        plain->in_row = true;
        for (number = first; number; number = tree_node(plain->tree, number)->next) {
                if (outer) {
                        want(plain, 1);
                } else {
                        if (number != first)
                                buf_char(plain->out, '\t');
                        plain->fresh = true;
                        plain->wanted = 0;
                }
                plain_children(plain, number);
        }
        plain->in_row = outer;
        plain->fresh = false;
        want(plain, 1);
}

static void plain_items(struct plain *plain, const struct node *list) {
        unsigned gap = plain->gap;
        int32_t value = 0;

        want(plain, gap);
        plain->gap = 1;
        for (uint32_t number = list->first; number; number = tree_node(plain->tree, number)->next) {
                const struct node *item = tree_node(plain->tree, number);

                value = item->value >= 0 ? item->value : value + 1;
                want(plain, 1);
                before_words(plain);
                if (list->element == ELEMENT_OL)
                        buf_fmt(plain->out, "%d. ", (int) value);
                else
                        buf_str(plain->out, "· ");
                plain->fresh = true;
                plain_children(plain, number);
                plain->fresh = false;
                want(plain, 1);
        }
        plain->gap = gap;
        want(plain, gap);
}

static void plain_node(struct plain *plain, uint32_t number) {
        const struct node *node = tree_node(plain->tree, number);
        unsigned gap = plain->gap;

        switch (node->element) {
        case ELEMENT_TEXT:
                plain_words(plain, node->text);
                return;
        case ELEMENT_IMG:
                plain_words(plain, node->alt);
                return;
        case ELEMENT_BR:
                before_words(plain);
                buf_char(plain->out, plain->in_row ? ' ' : '\n');
                return;
        case ELEMENT_HR:
                want(plain, gap);
                return;
        case ELEMENT_UL:
        case ELEMENT_OL:
                plain_items(plain, node);
                return;
        case ELEMENT_TR:
                plain_row(plain, number);
                return;
        case ELEMENT_P:
        case ELEMENT_HEADING:
        case ELEMENT_PRE:
        case ELEMENT_BLOCKQUOTE:
                break;
        case ELEMENT_TABLE:
        case ELEMENT_DL:
                want(plain, gap);
                plain->gap = 1;
                plain_children(plain, number);
                plain->gap = gap;
                want(plain, gap);
                return;
        case ELEMENT_CAPTION:
        case ELEMENT_DT:
        case ELEMENT_DD:
                gap = 1;
                break;
        default:
                plain_children(plain, number);
                return;
        }
        want(plain, gap);
        plain_children(plain, number);
        want(plain, gap);
}

void tree_write_text(const struct tree *tree, struct buf *out) {
        struct plain plain = { .tree = tree, .out = out, .gap = 2 };

        plain_children(&plain, 0);
}
