#include <string.h>
#include <strings.h>

#include "core/content_char.h"
#include "core/content_read.h"
#include "core/content_scan.h"
#include "core/memory.h"

#define ADDRESS_MAX 2048
#define COLSPAN_MAX 100
#define ROWSPAN_MAX 1000
#define ITEM_NUMBER_MAX 1000000

enum action {
        UNWRAP,   /* the tags go, what stands between them stays */
        VANISH,   /* it has no content */
        BOUNDARY, /* unwrapped, but what it holds is a block */
        BLOCK,
        PHRASE,
        HEADING,
        LINK,
        IMAGE,
        BREAK,
        DROP,         /* what it holds is not text for people */
        DROP_TO_END,  /* the same, also when it does not end: the rest is code then */
        LITERAL,      /* holds text without tags */
        PREFORMATTED, /* holds text without tags and entities */
};

struct rule {
        const char *name;
        enum action action;
        enum element element;
        bool silent;         /* taking the tag away takes nothing from people */
        unsigned attributes; /* bits of those that it keeps or translates */
};

#define BIT(attribute) (1u << SCAN_##attribute)
#define CELL (BIT(COLSPAN) | BIT(ROWSPAN) | BIT(SCOPE))
#define COUNTED (BIT(VALUE) | BIT(START))

/* Sorted by name. An element that is not here is unwrapped. */
static const struct rule rules[] = {
        { "a", LINK, ELEMENT_A, true, BIT(HREF) },
        { "address", BOUNDARY, 0, true, 0 },
        { "applet", DROP, 0, false, 0 },
        { "article", BOUNDARY, 0, true, 0 },
        { "aside", BOUNDARY, 0, true, 0 },
        { "b", PHRASE, ELEMENT_B, true, 0 },
        { "base", VANISH, 0, false, 0 },
        { "blockquote", BLOCK, ELEMENT_BLOCKQUOTE, true, 0 },
        { "body", BOUNDARY, 0, true, 0 },
        { "br", BREAK, ELEMENT_BR, true, 0 },
        { "caption", BLOCK, ELEMENT_CAPTION, true, 0 },
        { "center", BOUNDARY, 0, true, 0 },
        { "code", PHRASE, ELEMENT_CODE, true, 0 },
        { "col", VANISH, 0, true, 0 },
        { "colgroup", VANISH, 0, true, 0 },
        { "dd", BLOCK, ELEMENT_DD, true, 0 },
        { "del", PHRASE, ELEMENT_DEL, true, 0 },
        { "details", BOUNDARY, 0, false, 0 },
        { "dialog", BOUNDARY, 0, false, 0 },
        { "dir", BLOCK, ELEMENT_UL, true, 0 },
        { "div", BOUNDARY, 0, true, 0 },
        { "dl", BLOCK, ELEMENT_DL, true, 0 },
        { "dt", BLOCK, ELEMENT_DT, true, 0 },
        { "em", PHRASE, ELEMENT_EM, true, 0 },
        { "fieldset", BOUNDARY, 0, false, 0 },
        { "figcaption", BOUNDARY, 0, true, 0 },
        { "figure", BOUNDARY, 0, true, 0 },
        { "footer", BOUNDARY, 0, true, 0 },
        { "form", BOUNDARY, 0, false, 0 },
        { "h1", HEADING, ELEMENT_HEADING, true, 0 },
        { "h2", HEADING, ELEMENT_HEADING, true, 0 },
        { "h3", HEADING, ELEMENT_HEADING, true, 0 },
        { "h4", HEADING, ELEMENT_HEADING, true, 0 },
        { "h5", HEADING, ELEMENT_HEADING, true, 0 },
        { "h6", HEADING, ELEMENT_HEADING, true, 0 },
        { "head", BOUNDARY, 0, true, 0 },
        { "header", BOUNDARY, 0, true, 0 },
        { "hr", BLOCK, ELEMENT_HR, true, 0 },
        { "html", BOUNDARY, 0, true, 0 },
        { "i", PHRASE, ELEMENT_I, true, 0 },
        { "iframe", DROP, 0, false, 0 },
        { "img", IMAGE, ELEMENT_IMG, true, BIT(SRC) | BIT(ALT) },
        { "ins", PHRASE, ELEMENT_INS, true, 0 },
        { "kbd", PHRASE, ELEMENT_CODE, true, 0 },
        { "legend", BOUNDARY, 0, false, 0 },
        { "li", BLOCK, ELEMENT_LI, true, COUNTED },
        { "listing", BLOCK, ELEMENT_PRE, true, 0 },
        { "main", BOUNDARY, 0, true, 0 },
        { "math", DROP, 0, false, 0 },
        { "menu", BLOCK, ELEMENT_UL, true, 0 },
        { "nav", BOUNDARY, 0, true, 0 },
        { "noembed", DROP, 0, false, 0 },
        { "noframes", DROP, 0, false, 0 },
        { "object", DROP, 0, false, 0 },
        { "ol", BLOCK, ELEMENT_OL, true, COUNTED },
        { "option", BOUNDARY, 0, false, 0 },
        { "p", BOUNDARY, 0, true, 0 },
        { "pre", BLOCK, ELEMENT_PRE, true, 0 },
        { "s", PHRASE, ELEMENT_S, true, 0 },
        { "samp", PHRASE, ELEMENT_CODE, true, 0 },
        { "script", DROP_TO_END, 0, false, 0 },
        { "section", BOUNDARY, 0, true, 0 },
        { "select", BOUNDARY, 0, false, 0 },
        { "span", UNWRAP, 0, true, 0 },
        { "strike", PHRASE, ELEMENT_S, true, 0 },
        { "strong", PHRASE, ELEMENT_STRONG, true, 0 },
        { "style", DROP_TO_END, 0, false, 0 },
        { "sub", PHRASE, ELEMENT_SUB, true, 0 },
        { "summary", BOUNDARY, 0, false, 0 },
        { "sup", PHRASE, ELEMENT_SUP, true, 0 },
        { "svg", DROP, 0, false, 0 },
        { "table", BLOCK, ELEMENT_TABLE, true, 0 },
        { "tbody", BLOCK, ELEMENT_TBODY, true, 0 },
        { "td", BLOCK, ELEMENT_TD, true, CELL },
        { "template", DROP, 0, false, 0 },
        { "textarea", LITERAL, 0, false, 0 },
        { "tfoot", BLOCK, ELEMENT_TFOOT, true, 0 },
        { "th", BLOCK, ELEMENT_TH, true, CELL },
        { "thead", BLOCK, ELEMENT_THEAD, true, 0 },
        { "title", DROP, 0, false, 0 },
        { "tr", BLOCK, ELEMENT_TR, true, 0 },
        { "tt", PHRASE, ELEMENT_CODE, true, 0 },
        { "u", PHRASE, ELEMENT_U, true, 0 },
        { "ul", BLOCK, ELEMENT_UL, true, 0 },
        { "var", PHRASE, ELEMENT_I, true, 0 },
        { "wbr", VANISH, 0, true, 0 },
        { "xmp", PREFORMATTED, 0, true, 0 },
};

static const struct rule *rule_of(const char *name) {
        static const struct rule unknown = { "", UNWRAP, 0, false, 0 };
        size_t low = 0, high = ELEMENTS(rules);

        while (low < high) {
                size_t middle = (low + high) / 2;
                int order = strcmp(name, rules[middle].name);

                if (order == 0)
                        return &rules[middle];
                if (order < 0)
                        high = middle;
                else
                        low = middle + 1;
        }
        return &unknown;
}

/* -- addresses -- */

/* Takes out what a browser would not see in an address, and the blanks around it: the scheme of
 * "java\nscript:" has to be read as a browser reads it. */
static bool plain_address(const char *value, size_t n_bytes, char ret[static ADDRESS_MAX + 1]) {
        const char *at = value, *end = value + n_bytes;
        size_t n = 0, n_kept = 0;

        while (at < end) {
                const char *from = at;
                uint32_t c = char_next(&at, end);
                bool blank = c == ' ' || char_is_blank(c);

                if (char_is_invisible(c) || (char_is_space(c) && c != ' ') || (blank && n == 0))
                        continue;
                if (c == 0xfffd || n + (size_t) (at - from) > ADDRESS_MAX)
                        return false;
                memcpy(ret + n, from, (size_t) (at - from));
                n += (size_t) (at - from);
                if (!blank)
                        n_kept = n;
        }
        ret[n_kept] = '\0';
        return n_kept > 0;
}

/* Percent-encodes what has no place in an address. */
static bool encoded_address(const char *address, char ret[static ADDRESS_MAX + 1]) {
        size_t n = 0;

        for (; *address; address++) {
                bool encode = strchr(" \"<>`{}|^'", *address) != NULL;

                if (*address == '\\' || n + (encode ? 3 : 1) > ADDRESS_MAX)
                        return false;
                if (encode) {
                        static const char digits[] = "0123456789ABCDEF";

                        ret[n++] = '%';
                        ret[n++] = digits[(unsigned char) *address >> 4];
                        ret[n++] = digits[(unsigned char) *address & 15];
                } else {
                        ret[n++] = *address;
                }
        }
        ret[n] = '\0';
        return true;
}

/* The length of the scheme with its colon; 0 when there is none. */
static size_t scheme_length(const char *address) {
        size_t n = strspn(address, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
                                   "0123456789+-.");

        return n && address[n] == ':' ? n + 1 : 0;
}

static bool has_scheme(const char *address, const char *scheme) {
        size_t n = strlen(scheme);

        return scheme_length(address) == n && strncasecmp(address, scheme, n) == 0;
}

/* http://HOST...: with a host, and without a name before it that would look like one. */
static bool has_host(const char *address) {
        const char *host = strchr(address, ':') + 1;
        size_t n;

        if (strncmp(host, "//", 2) != 0)
                return false;
        host += 2;
        n = strcspn(host, "/?#");
        return n > 0 && host[0] != ':' && !memchr(host, '@', n);
}

static int hex_digit(char c) {
        if (c >= '0' && c <= '9')
                return c - '0';
        c |= 32;
        return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* Undoes percent-encoding, as the markdown renderer makes it of Chinese names; false when what
 * comes out is not text. */
static bool decode_name(const char *name, char ret[static ADDRESS_MAX + 1]) {
        const char *at = ret, *end;
        char *to = ret;

        for (; *name; name++) {
                int high = *name == '%' ? hex_digit(name[1]) : -1;
                int low = high >= 0 ? hex_digit(name[2]) : -1;

                *to++ = low >= 0 ? (char) (high << 4 | low) : *name;
                name += low >= 0 ? 2 : 0;
        }
        *to = '\0';
        for (end = to; at < end;) {
                uint32_t c = char_next(&at, end);

                if (c < ' ' || c == 0xfffd || char_is_invisible(c))
                        return false;
        }
        return true;
}

/* Where attachment:NAME points to. The address comes from our own side, but who wrote the name
 * may have had a hand in it: a scheme that runs code is not taken from there either. */
static bool attachment_address(const struct reading *reading, const char *name,
                               char ret[static ADDRESS_MAX + 1]) {
        char decoded[ADDRESS_MAX + 1];
        const char *address = NULL;

        if (!reading->link)
                return false;
        address = reading->link(name, reading->userdata);
        if (!address && decode_name(name, decoded))
                address = reading->link(decoded, reading->userdata);
        if (!address || !plain_address(address, strlen(address), decoded) ||
            !encoded_address(decoded, ret))
                return false;
        if (strncasecmp(ret, "http:", 5) == 0 || strncasecmp(ret, "https:", 6) == 0)
                return has_host(ret);
        return !scheme_length(ret) || has_scheme(ret, "attachment:");
}

/* The address to write for an href (or, with `only_attachments`, a src); false when it is none
 * that a page may have. */
static bool safe_address(const struct reading *reading, const char *value, size_t n_bytes,
                         bool only_attachments, char ret[static ADDRESS_MAX + 1],
                         bool *ret_outside) {
        static const char attachment[] = "attachment:";
        char plain[ADDRESS_MAX + 1];
        bool web;

        *ret_outside = false;
        if (!plain_address(value, n_bytes, plain))
                return false;
        if (has_scheme(plain, attachment))
                return attachment_address(reading, plain + sizeof(attachment) - 1, ret);
        if (only_attachments || !encoded_address(plain, ret))
                return false;
        web = has_scheme(ret, "http:") || has_scheme(ret, "https:");
        if (!(web && has_host(ret)) && !has_scheme(ret, "mailto:") && !has_scheme(ret, "tel:"))
                return false;
        for (char *at = ret; *at != ':'; at++)
                *at |= 32; /* only letters are here */
        *ret_outside = web;
        return true;
}

/* -- tags -- */

static int number_of(const struct scan *scan, enum scan_attribute attribute, int most) {
        size_t n, i = 0;
        const char *value = scan_attribute(scan, attribute, &n);
        int number = 0;

        if (!value)
                return -1;
        while (i < n && value[i] == ' ')
                i++;
        if (i == n || value[i] < '0' || value[i] > '9')
                return -1;
        for (; i < n && value[i] >= '0' && value[i] <= '9'; i++)
                if (number <= most)
                        number = number * 10 + (value[i] - '0');
        return number > most ? most : number;
}

static enum scope scope_of(const struct scan *scan) {
        static const char *const names[] = { "", "row", "col", "rowgroup", "colgroup" };
        size_t n;
        const char *value = scan_attribute(scan, SCAN_SCOPE, &n);

        for (unsigned i = SCOPE_ROW; value && i < ELEMENTS(names); i++)
                if (n == strlen(names[i]) && strncasecmp(value, names[i], n) == 0)
                        return (enum scope) i;
        return SCOPE_NONE;
}

static void open_block(struct reading *reading, const struct scan *scan, const struct rule *rule) {
        struct detail detail = { .value = -1 };

        if (rule->action == HEADING)
                detail.level = (unsigned) (rule->name[1] - '0');
        if (rule->attributes & BIT(COLSPAN)) {
                int colspan = number_of(scan, SCAN_COLSPAN, COLSPAN_MAX);
                int rowspan = number_of(scan, SCAN_ROWSPAN, ROWSPAN_MAX);

                detail.colspan = colspan > 1 ? (unsigned) colspan : 0;
                detail.rowspan = rowspan > 1 ? (unsigned) rowspan : 0;
                detail.scope = scope_of(scan);
        }
        if (rule->element == ELEMENT_LI)
                detail.value = number_of(scan, SCAN_VALUE, ITEM_NUMBER_MAX);
        if (rule->element == ELEMENT_OL)
                detail.value = number_of(scan, SCAN_START, ITEM_NUMBER_MAX);
        tree_open(reading->tree, rule->element, &detail);
}

static void open_link(struct reading *reading, const struct scan *scan) {
        char address[ADDRESS_MAX + 1];
        size_t n;
        const char *href = scan_attribute(scan, SCAN_HREF, &n);
        bool outside = false;
        bool safe = href && safe_address(reading, href, n, false, address, &outside);

        if (href && !safe)
                reading->cleaned = true;
        tree_link(reading->tree, safe ? address : NULL, outside);
}

static void add_image(struct reading *reading, const struct scan *scan) {
        char address[ADDRESS_MAX + 1];
        size_t n = 0, n_alt = 0;
        const char *src = scan_attribute(scan, SCAN_SRC, &n);
        const char *alt = scan_attribute(scan, SCAN_ALT, &n_alt);
        bool outside;

        if (src && safe_address(reading, src, n, true, address, &outside)) {
                tree_image(reading->tree, address, alt ? alt : "", n_alt);
                return;
        }
        reading->cleaned = true;
        if (alt)
                tree_text(reading->tree, alt, n_alt);
}

/* Steps over what an element holds that holds no elements. */
static void raw_element(struct reading *reading, struct scan *scan, const struct rule *rule,
                        bool *never_closed) {
        const char *close = *never_closed ? NULL : scan_find_close(scan, rule->name);

        if (!close) {
                *never_closed = true;
                if (rule->action == DROP_TO_END)
                        scan->at = scan->end;
                return;
        }
        if (rule->action == PREFORMATTED)
                tree_open(reading->tree, ELEMENT_PRE, NULL);
        if (rule->action == PREFORMATTED || rule->action == LITERAL)
                while (scan_text(scan, &scan->at, close, rule->action == LITERAL))
                        tree_text(reading->tree, scan->text, scan->n_text);
        if (rule->action == PREFORMATTED)
                tree_close(reading->tree, ELEMENT_PRE);
        scan->at = close;
}

static void open_tag(struct reading *reading, struct scan *scan, bool never_closed[]) {
        const struct rule *rule = rule_of(scan->name);
        struct tree *tree = reading->tree;

        reading->cleaned |= !rule->silent || scan->other_attributes;
        for (unsigned i = 0; i < N_SCAN_ATTRIBUTES; i++)
                if (scan->attributes[i].set && !(rule->attributes & 1u << i))
                        reading->cleaned = true;

        switch (rule->action) {
        case UNWRAP:
        case VANISH:
                break;
        case BOUNDARY:
                tree_boundary(tree);
                break;
        case BLOCK:
        case HEADING:
                open_block(reading, scan, rule);
                break;
        case PHRASE:
                tree_format(tree, rule->element, true);
                break;
        case LINK:
                open_link(reading, scan);
                break;
        case IMAGE:
                add_image(reading, scan);
                break;
        case BREAK:
                tree_break(tree);
                break;
        case DROP:
        case DROP_TO_END:
        case LITERAL:
        case PREFORMATTED:
                if (!(scan->self_closing &&
                      (!strcmp(rule->name, "svg") || !strcmp(rule->name, "math"))))
                        raw_element(reading, scan, rule, &never_closed[rule - rules]);
        }
}

static void close_tag(struct reading *reading, const struct scan *scan) {
        const struct rule *rule = rule_of(scan->name);

        switch (rule->action) {
        case BOUNDARY:
                tree_boundary(reading->tree);
                break;
        case BLOCK:
        case HEADING:
                if (rule->element != ELEMENT_HR)
                        tree_close(reading->tree, rule->element);
                break;
        case PHRASE:
                tree_format(reading->tree, rule->element, false);
                break;
        case LINK:
                tree_link(reading->tree, NULL, false);
                break;
        case BREAK: /* every browser reads </br> so */
                tree_break(reading->tree);
                break;
        default:
                break;
        }
}

void content_read_html(struct reading *reading, const char *html, size_t n_bytes) {
        struct scan scan freed_by(scan_done);
        bool never_closed[ELEMENTS(rules)] = { false };

        scan_init(&scan, html, n_bytes);
        while (!reading->tree->error) {
                switch (scan_next(&scan)) {
                case SCAN_END:
                        return;
                case SCAN_TEXT:
                        tree_text(reading->tree, scan.text, scan.n_text);
                        break;
                case SCAN_OPEN:
                        open_tag(reading, &scan, never_closed);
                        break;
                case SCAN_CLOSE:
                        close_tag(reading, &scan);
                }
        }
}
