#include "core/plain.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include <utf8proc.h>

#include "core/lanes.h"
#include "core/memory.h"

/* Elements that part what stands around them; of all others the text just goes on. */
static bool parts_text(const char *name, size_t n) {
        static const char *const elements[] = { "p",  "div", "br",  "td", "th",      "tr",
                                                "li", "ul",  "ol",  "h1", "h2",      "h3",
                                                "h4", "h5",  "h6",  "hr", "table",   "pre",
                                                "dd", "dt",  "dl",  "article", "section",
                                                "blockquote", "caption" };

        for (size_t i = 0; i < ELEMENTS(elements); i++)
                if (strlen(elements[i]) == n && strncasecmp(elements[i], name, n) == 0)
                        return true;
        return false;
}

/* Names that hide something between digits, or are digits. What they stand for is not longer. */
static const char *const names[][2] = {
        { "&nbsp;", " " },  { "&ensp;", " " },  { "&emsp;", " " },  { "&thinsp;", " " },
        { "&zwnj;", "" },   { "&zwj;", "" },    { "&shy;", "" },    { "&ZeroWidthSpace;", "" },
        { "&sup1;", "¹" },  { "&sup2;", "²" },  { "&sup3;", "³" },  { "&hyphen;", "-" },
        { "&ndash;", "-" }, { "&mdash;", "-" }, { "&minus;", "-" },
};

/* "&#49;" and "&#x31;". Returns how many bytes it takes, 0 for what is left as it stands; what it stands for
 * is written to `ret`, which has 4 bytes. */
static size_t entity(const char *at, const char *end, char *ret, size_t *ret_n) {
        size_t room = (size_t) (end - at), n = 2;
        bool hex = room > 3 && (at[2] == 'x' || at[2] == 'X');
        uint32_t code = 0;

        for (size_t i = 0; i < ELEMENTS(names); i++) {
                size_t length = strlen(names[i][0]);

                if (room >= length && memcmp(at, names[i][0], length) == 0) {
                        *ret_n = strlen(names[i][1]);
                        memcpy(ret, names[i][1], *ret_n);
                        return length;
                }
        }
        if (room < 4 || at[1] != '#')
                return 0;
        for (n += hex; n < room && n < 12 && at[n] != ';'; n++) {
                int low = at[n] | 32;
                int digit = at[n] >= '0' && at[n] <= '9'      ? at[n] - '0'
                            : hex && low >= 'a' && low <= 'f' ? low - 'a' + 10
                                                              : -1;

                if (digit < 0 || code > 0x10ffff)
                        return 0;
                code = code * (hex ? 16 : 10) + (uint32_t) digit;
        }
        if (n >= room || at[n] != ';')
                return 0;
        *ret_n = 1;
        if (code <= ' ' || code == 0x7f || !utf8proc_codepoint_valid((utf8proc_int32_t) code))
                *ret = ' ';
        else
                *ret_n = (size_t) utf8proc_encode_char((utf8proc_int32_t) code, (utf8proc_uint8_t *) ret);
        /* "&#1;" has 4 bytes, and from U+10000 on there are 6 digits: it never grows. */
        return n + 1;
}

/* Where the tag or comment at `at` ends, or NULL when it is none. *open is cleared by the first one
 * that never ends, so that the whole text is looked through in linear time. */
static const char *tag_end(const char *at, const char *end, bool *open) {
        bool comment = end - at >= 4 && memcmp(at, "<!--", 4) == 0;
        bool letter = end - at >= 2 && (at[1] | 32) >= 'a' && (at[1] | 32) <= 'z';
        const char *found;

        if (!*open || (!letter && (end - at < 2 || !at[1] || !strchr("/!?", at[1]))))
                return NULL;
        found = comment ? memmem(at, (size_t) (end - at), "-->", 3)
                        : memchr(at, '>', (size_t) (end - at));
        *open = found != NULL;
        return found ? found + (comment ? 3 : 1) : NULL;
}

static bool is_special(char c) {
        return c == '<' || c == '&' || c == '|' || c == '*' || c == '`' || c == '~';
}

/* Most of a text is copied as it stands. */
static const char *next_special(const char *at, const char *end) {
        for (; end - at >= LANES; at += LANES) {
                lanes bytes = lanes_load(at);
                lanes found = lanes_equal(bytes, '<') | lanes_equal(bytes, '&') |
                              lanes_equal(bytes, '|') | lanes_equal(bytes, '*') |
                              lanes_equal(bytes, '`') | lanes_equal(bytes, '~');

                if (lanes_any(found))
                        return at + lanes_first(found);
        }
        while (at < end && !is_special(*at))
                at++;
        return at;
}

char *plain_text(const char *text, size_t n_bytes, size_t *ret_n) {
        const char *at = text, *end = text + n_bytes, *behind;
        char *plain = malloc(n_bytes + 1);
        bool open = true;
        size_t n = 0, taken, made;

        if (!plain)
                return NULL;
        while (at < end) {
                const char *special = next_special(at, end);

                if (special > at) {
                        memcpy(plain + n, at, (size_t) (special - at));
                        n += (size_t) (special - at);
                        at = special;
                } else if (*at == '<' && (behind = tag_end(at, end, &open)) != NULL) {
                        const char *name = at + 1 + (at[1] == '/');

                        if (parts_text(name, strspn(name, "abcdefghijklmnopqrstuvwxyz"
                                                          "ABCDEFGHIJKLMNOPQRSTUVWXYZ123456")))
                                plain[n++] = '\n';
                        else { /* three bytes, as the shortest tag has */
                                memcpy(plain + n, "\xe2\x80\x8b", 3);
                                n += 3;
                        }
                        at = behind;
                } else if (*at == '&' && (taken = entity(at, end, plain + n, &made)) > 0) {
                        n += made;
                        at += taken;
                } else if (*at == '|') {
                        plain[n++] = '\n'; /* a cell of a Markdown table */
                        at++;
                } else if (*at == '*' || *at == '`' || *at == '~')
                        at++;
                else
                        plain[n++] = *at++;
        }
        plain[n] = '\0';
        *ret_n = n;
        return plain;
}
