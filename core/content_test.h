/* For tests: looks at cleaned HTML with eyes of its own, which share nothing with the cleaner. */
#ifndef CORE_CONTENT_TEST_H
#define CORE_CONTENT_TEST_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <libxml/HTMLparser.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "core/buf.h"
#include "core/content.h"
#include "core/memory.h"

struct content_row {
        const char *story, *source, *html;
};

/* The link function of these tests: every attachment is there and keeps its address, but for those
 * that are called "missing..." and for names that are still percent-encoded. */
static inline const char *same_address(const char *name, void *userdata) {
        static char address[4096];

        (void) userdata;
        if (strncmp(name, "missing", 7) == 0 || strchr(name, '%'))
                return NULL;
        (void) snprintf(address, sizeof(address), "attachment:%s", name);
        return address;
}

static inline bool is_one_of(const char *word, size_t n, const char *const *list) {
        for (; *list; list++)
                if (strlen(*list) == n && memcmp(word, *list, n) == 0)
                        return true;
        return false;
}

static inline bool element_is_listed(const char *name, size_t n) {
        static const char *const list[] = {
                "p",     "br",    "hr",     "h2",      "h3",         "h4",  "h5",    "h6",
                "ul",    "ol",    "li",     "dl",      "dt",         "dd",  "table", "thead",
                "tbody", "tfoot", "tr",     "th",      "td",         "a",   "b",     "i",
                "u",     "s",     "em",     "del",     "ins",        "sub", "sup",   "pre",
                "img",   "code",  "strong", "caption", "blockquote", NULL,
        };

        return is_one_of(name, n, list);
}

static inline bool all_digits(const char *value, size_t n) {
        for (size_t i = 0; i < n; i++)
                if (value[i] < '0' || value[i] > '9')
                        return false;
        return n > 0;
}

static inline bool starts(const char *value, size_t n, const char *with) {
        return n > strlen(with) && memcmp(value, with, strlen(with)) == 0;
}

static inline bool attribute_is_listed(const char *element, size_t n_element, const char *name,
                                       size_t n_name, const char *value, size_t n) {
        char both[40];

        (void) snprintf(both, sizeof(both), "%.*s %.*s", (int) n_element, element, (int) n_name,
                        name);
        if (!strcmp(both, "a href"))
                return starts(value, n, "http://") || starts(value, n, "https://") ||
                       starts(value, n, "mailto:") || starts(value, n, "tel:") ||
                       starts(value, n, "attachment:");
        if (!strcmp(both, "a rel"))
                return n == 17 && !memcmp(value, "nofollow noopener", n);
        if (!strcmp(both, "img src"))
                return starts(value, n, "attachment:");
        if (!strcmp(both, "th scope"))
                return is_one_of(
                        value, n,
                        (const char *const[]){ "row", "col", "rowgroup", "colgroup", NULL });
        if (!strcmp(both, "td colspan") || !strcmp(both, "th colspan") ||
            !strcmp(both, "td rowspan") || !strcmp(both, "th rowspan") || !strcmp(both, "li value"))
                return all_digits(value, n) && n < 8;
        return !strcmp(both, "img alt");
}

/* The tag at `at`, letter by letter as the writer is allowed to write it; returns behind it, or
 * NULL. Adds to *n_elements, and keeps the open elements in `stack`. */
static inline const char *check_tag(const char *at, char stack[][16], unsigned *n_open,
                                    unsigned *n_elements) {
        bool closes = at[1] == '/';
        const char *name = at + 1 + closes;
        size_t n = strspn(name, "abcdefghijklmnopqrstuvwxyz23456");

        if (!element_is_listed(name, n))
                return NULL;
        at = name + n;
        if (closes) {
                if (*n_open == 0 || strlen(stack[*n_open - 1]) != n ||
                    memcmp(stack[*n_open - 1], name, n) != 0)
                        return NULL;
                --*n_open;
                return *at == '>' ? at + 1 : NULL;
        }
        while (*at == ' ') {
                const char *attribute = ++at, *value;
                size_t n_attribute = strspn(at, "abcdefghijklmnopqrstuvwxyz"), n_value;

                at += n_attribute;
                if (at[0] != '=' || at[1] != '"')
                        return NULL;
                value = at + 2;
                n_value = strcspn(value, "\"<>");
                at = value + n_value;
                if (*at++ != '"' ||
                    !attribute_is_listed(name, n, attribute, n_attribute, value, n_value))
                        return NULL;
        }
        ++*n_elements;
        if (!is_one_of(name, n, (const char *const[]){ "br", "hr", "img", NULL })) {
                if (*n_open >= 64)
                        return NULL;
                memcpy(stack[*n_open], name, n);
                stack[(*n_open)++][n] = '\0';
        }
        return *at == '>' ? at + 1 : NULL;
}

/* Where the HTML is not what may come out; NULL when all of it is. */
static inline const char *find_offence(const char *html, unsigned *n_elements) {
        char stack[64][16];
        unsigned n_open = 0;
        const char *at = html;

        while (*at) {
                const char *from = at;

                if (*at == '<')
                        at = check_tag(at, stack, &n_open, n_elements);
                else if (*at == '&')
                        at = !strncmp(at, "&amp;", 5)    ? at + 5
                             : !strncmp(at, "&lt;", 4)   ? at + 4
                             : !strncmp(at, "&gt;", 4)   ? at + 4
                             : !strncmp(at, "&quot;", 6) ? at + 6
                                                         : NULL;
                else if (*at == '>' || ((unsigned char) *at < ' ' && *at != '\n' && *at != '\t'))
                        at = NULL;
                else
                        at++;
                if (!at)
                        return from;
        }
        return n_open ? at : NULL;
}

/* Another parser has to see the same elements, each with attributes of the list only. */
static inline unsigned count_elements(const xmlNode *node) {
        unsigned n = 0;

        for (; node; node = node->next) {
                const char *name = (const char *) node->name;

                if (node->type != XML_ELEMENT_NODE)
                        continue;
                if (strcmp(name, "html") != 0 && strcmp(name, "body") != 0) {
                        assert_true(element_is_listed(name, strlen(name)));
                        n++;
                }
                for (const xmlAttr *a = node->properties; a; a = a->next) {
                        xmlChar *value = xmlNodeListGetString(node->doc, a->children, 1);

                        assert_true(attribute_is_listed(name, strlen(name), (const char *) a->name,
                                                        strlen((const char *) a->name),
                                                        value ? (const char *) value : "",
                                                        value ? strlen((const char *) value) : 0));
                        xmlFree(value);
                }
                n += count_elements(node->children);
        }
        return n;
}

static inline void assert_same_elsewhere(const char *html, unsigned n_elements) {
        xmlDoc *doc = htmlReadMemory(html, (int) strlen(html), NULL, "UTF-8",
                                     HTML_PARSE_NONET | HTML_PARSE_NOERROR | HTML_PARSE_NOWARNING);

        assert_int_equal(doc ? count_elements(doc->children) : 0, n_elements);
        xmlFreeDoc(doc);
}

/* What came out is on the lists, other eyes see the same, and cleaning it again changes nothing
 * and finds nothing. */
static inline void assert_clean(const struct content *content) {
        struct content again freed_by(content_done) = { 0 };
        unsigned n_elements = 0;
        const char *offence = find_offence(content->html, &n_elements);

        if (offence)
                print_message("not allowed here: %s\n", offence);
        assert_null(offence);
        assert_same_elsewhere(content->html, n_elements);
        assert_int_equal(content_render(CONTENT_HTML, content->html, strlen(content->html),
                                        same_address, NULL, &again),
                         0);
        assert_string_equal(again.html, content->html);
        assert_string_equal(again.text, content->text);
        assert_false(again.cleaned);
        assert_false(again.stripped);
}

static inline void assert_rows(const struct content_row *rows, size_t n) {
        for (size_t i = 0; i < n; i++) {
                struct content content freed_by(content_done) = { 0 };

                print_message("%s\n", rows[i].story);
                assert_int_equal(content_render(CONTENT_HTML, rows[i].source,
                                                strlen(rows[i].source), same_address, NULL,
                                                &content),
                                 0);
                assert_string_equal(content.html, rows[i].html);
                assert_clean(&content);
        }
}

#endif
