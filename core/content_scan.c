#include "core/content_scan.h"

#include <libxml/HTMLparser.h>
#include <string.h>

#include "core/content_char.h"
#include "core/memory.h"

/* A tag without an end is a "<" in the text: the standard would drop all that follows. Each costs
 * a look at the rest of the input, so that many and no more. */
#define BROKEN_TAGS_MAX 16
#define ENTITY_NAME_MAX 8 /* libxml2's longest are "thetasym" and "alefsym" */

static const char *const attribute_names[N_SCAN_ATTRIBUTES] = {
        [SCAN_HREF] = "href",       [SCAN_SRC] = "src",         [SCAN_ALT] = "alt",
        [SCAN_COLSPAN] = "colspan", [SCAN_ROWSPAN] = "rowspan", [SCAN_SCOPE] = "scope",
        [SCAN_VALUE] = "value",     [SCAN_START] = "start",
};

static bool is_letter(char c) {
        return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static bool is_digit(char c) {
        return c >= '0' && c <= '9';
}

static bool is_tag_space(char c) {
        return c == ' ' || c == '\t' || c == '\n' || c == '\f' || c == '\r';
}

static char lower(char c) {
        return c >= 'A' && c <= 'Z' ? (char) (c + 32) : c;
}

void scan_init(struct scan *scan, const char *html, size_t n_bytes) {
        *scan = (struct scan){ .at = html, .angle = html, .end = html + n_bytes };
}

void scan_done(struct scan *scan) {
        buf_done(&scan->values);
}

/* -- character references -- */

/* Numbers from 128 to 159 mean Windows-1252, as in every browser. */
static uint32_t windows_1252(uint32_t c) {
        static const uint16_t table[32] = {
                0x20ac, 0xfffd, 0x201a, 0x0192, 0x201e, 0x2026, 0x2020, 0x2021,
                0x02c6, 0x2030, 0x0160, 0x2039, 0x0152, 0xfffd, 0x017d, 0xfffd,
                0xfffd, 0x2018, 0x2019, 0x201c, 0x201d, 0x2022, 0x2013, 0x2014,
                0x02dc, 0x2122, 0x0161, 0x203a, 0x0153, 0xfffd, 0x017e, 0x0178,
        };

        return c >= 0x80 && c <= 0x9f ? table[c - 0x80] : c;
}

static size_t number_reference(const char *at, const char *end, uint32_t *ret) {
        const char *digit = at + 2; /* behind "&#" */
        bool hex = digit < end && lower(*digit) == 'x';
        const char *first;
        uint32_t c = 0;

        digit += hex ? 1 : 0;
        for (first = digit; digit < end; digit++) {
                char d = lower(*digit);

                if (!is_digit(d) && !(hex && d >= 'a' && d <= 'f'))
                        break;
                if (c <= 0x10ffff)
                        c = c * (hex ? 16 : 10) + (uint32_t) (is_digit(d) ? d - '0' : d - 'a' + 10);
        }
        if (digit == first)
                return 0;
        *ret = c == 0 || c > 0x10ffff ? 0xfffd : windows_1252(c);
        return (size_t) (digit - at) + (digit < end && *digit == ';');
}

static size_t named_reference(const char *at, const char *end, bool in_attribute, uint32_t *ret) {
        char name[ENTITY_NAME_MAX + 1];
        const htmlEntityDesc *entity;
        size_t n = 0;
        bool closed;

        while (n < ENTITY_NAME_MAX && at + 1 + n < end &&
               (is_letter(at[1 + n]) || (n && is_digit(at[1 + n])))) {
                name[n] = at[1 + n];
                n++;
        }
        name[n] = '\0';
        closed = at + 1 + n < end && at[1 + n] == ';';
        if (n < 2)
                return 0;
        /* Without its semicolon a name counts in text only, and only the old ones do: "?a=1&lt=2"
         * is an address. */
        if (!closed && in_attribute)
                return 0;
        entity = htmlEntityLookup((const xmlChar *) name);
        if (!entity || (!closed && entity->value > 0xff))
                return 0;
        *ret = entity->value;
        return 1 + n + (closed ? 1 : 0);
}

/* The reference at `at` ("&..."): its length in the source, 0 when it is none. */
static size_t reference(const char *at, const char *end, bool in_attribute, uint32_t *ret) {
        if (end - at < 3)
                return 0;
        return at[1] == '#' ? number_reference(at, end, ret)
                            : named_reference(at, end, in_attribute, ret);
}

bool scan_text(struct scan *scan, const char **at, const char *end, bool entities) {
        const char *from = *at, *next;

        if (from >= end)
                return false;
        if (entities && *from == '&') {
                uint32_t c;
                size_t n = reference(from, end, false, &c);

                if (n) {
                        *at = from + n;
                        scan->text = scan->entity;
                        scan->n_text = char_write(c, scan->entity);
                        return true;
                }
        }
        next = entities ? memchr(from + 1, '&', (size_t) (end - from) - 1) : NULL;
        *at = next ? next : end;
        scan->text = from;
        scan->n_text = (size_t) (*at - from);
        return true;
}

/* -- tags -- */

static void keep_value(struct scan *scan, struct scan_value *value, const char *at,
                       const char *end) {
        value->set = true;
        value->offset = scan->values.len;
        while (at < end) {
                uint32_t c;
                size_t n = *at == '&' ? reference(at, end, true, &c) : 0;
                char bytes[4];

                if (n) {
                        buf_add(&scan->values, bytes, char_write(c, bytes));
                } else {
                        const char *next = memchr(at + 1, '&', (size_t) (end - at) - 1);

                        n = (size_t) ((next ? next : end) - at);
                        buf_add(&scan->values, at, n);
                }
                at += n;
        }
        value->n_bytes = scan->values.len - value->offset;
}

static bool is_word(const char *at, size_t n, const char *word) {
        for (size_t i = 0; i < n; i++)
                if (!word[i] || lower(at[i]) != word[i])
                        return false;
        return !word[n];
}

/* Attributes that our own writer and the markdown renderer make, and that carry nothing over. */
static bool is_known_leftover(const char *name, size_t n_name, const char *value, size_t n_value) {
        static const char language[] = "language-";

        return is_word(name, n_name, "align") ||
               (is_word(name, n_name, "rel") && is_word(value, n_value, "nofollow noopener")) ||
               (is_word(name, n_name, "class") && n_value >= sizeof(language) - 1 &&
                memcmp(value, language, sizeof(language) - 1) == 0);
}

static void take_attribute(struct scan *scan, const char *name, size_t n_name, const char *value,
                           size_t n_value) {
        for (size_t i = 0; i < N_SCAN_ATTRIBUTES; i++) {
                if (!is_word(name, n_name, attribute_names[i]))
                        continue;
                if (scan->attributes[i].set) /* the first one counts */
                        scan->other_attributes = true;
                else
                        keep_value(scan, &scan->attributes[i], value, value + n_value);
                return;
        }
        if (!is_known_leftover(name, n_name, value, n_value))
                scan->other_attributes = true;
}

/* From behind the tag's name to behind its ">"; NULL when the input ends before. */
static const char *scan_attributes(struct scan *scan, const char *at) {
        const char *end = scan->end;

        for (;;) {
                const char *name, *value = at;
                size_t n_name, n_value = 0;

                while (at < end && (is_tag_space(*at) || *at == '/'))
                        at++;
                if (at >= end)
                        return NULL;
                if (*at == '>') {
                        scan->self_closing = at[-1] == '/';
                        return at + 1;
                }
                name = at++; /* a "=" here is part of the name */
                while (at < end && !is_tag_space(*at) && *at != '/' && *at != '>' && *at != '=')
                        at++;
                n_name = (size_t) (at - name);
                while (at < end && is_tag_space(*at))
                        at++;
                if (at < end && *at == '=') {
                        at++;
                        while (at < end && is_tag_space(*at))
                                at++;
                        if (at >= end)
                                return NULL;
                        value = at;
                        if (*at == '"' || *at == '\'') {
                                at = memchr(at + 1, *at, (size_t) (end - at) - 1);
                                if (!at)
                                        return NULL;
                                value++;
                                n_value = (size_t) (at++ - value);
                        } else {
                                while (at < end && !is_tag_space(*at) && *at != '>')
                                        at++;
                                n_value = (size_t) (at - value);
                        }
                }
                take_attribute(scan, name, n_name, value, n_value);
        }
}

static bool scan_tag(struct scan *scan, const char *name) {
        const char *at = name;
        size_t n;

        buf_reset(&scan->values);
        memset(scan->attributes, 0, sizeof(scan->attributes));
        scan->other_attributes = scan->self_closing = false;

        while (at < scan->end && !is_tag_space(*at) && *at != '/' && *at != '>')
                at++;
        n = (size_t) (at - name);
        if (n >= sizeof(scan->name))
                n = 0;
        for (size_t i = 0; i < n; i++)
                scan->name[i] = lower(name[i]);
        scan->name[n] = '\0';

        at = scan_attributes(scan, at);
        if (!at) {
                scan->broken_tags++;
                return false;
        }
        scan->at = at;
        return true;
}

const char *scan_attribute(const struct scan *scan, enum scan_attribute attribute,
                           size_t *ret_n_bytes) {
        const struct scan_value *value = &scan->attributes[attribute];

        if (!value->set || scan->values.error)
                return NULL;
        *ret_n_bytes = value->n_bytes;
        return buf_text(&scan->values) + value->offset;
}

const char *scan_find_close(const struct scan *scan, const char *name) {
        const char *at = scan->at;
        size_t n = strlen(name);

        while (at < scan->end && (at = memchr(at, '<', (size_t) (scan->end - at))) != NULL) {
                const char *behind = at + 2 + n;

                if (behind < scan->end && at[1] == '/' && is_word(at + 2, n, name) &&
                    (is_tag_space(*behind) || *behind == '/' || *behind == '>'))
                        return at;
                at++;
        }
        return NULL;
}

/* -- comments and other things in angle brackets -- */

/* Behind the comment at `at` ("<!--"), or NULL when it has no end. */
static const char *skip_comment(struct scan *scan, const char *at) {
        const char *end = scan->end;

        if (scan->no_comment_end)
                return NULL;
        for (at += 2; at < end && (at = memchr(at, '-', (size_t) (end - at))) != NULL; at++) {
                if (end - at >= 3 && memcmp(at, "-->", 3) == 0)
                        return at + 3;
                if (end - at >= 4 && memcmp(at, "--!>", 4) == 0)
                        return at + 4;
        }
        scan->no_comment_end = true;
        return NULL;
}

/* Steps over the "<..." at scan->at. True: scan->name is an open or close tag. False: something
 * that is no tag was stepped over, or is none (then scan->at has not moved). */
static bool scan_angle(struct scan *scan, enum scan_token *ret) {
        const char *at = scan->at;
        ptrdiff_t left = scan->end - at;
        const char *behind = NULL;

        if (scan->broken_tags > BROKEN_TAGS_MAX || left < 2)
                return false;
        if (is_letter(at[1])) {
                *ret = SCAN_OPEN;
                return scan_tag(scan, at + 1);
        }
        if (at[1] == '/' && left > 2 && is_letter(at[2])) {
                *ret = SCAN_CLOSE;
                return scan_tag(scan, at + 2);
        }
        if (left >= 4 && memcmp(at, "<!--", 4) == 0) {
                behind = skip_comment(scan, at);
                scan->at = behind ? behind : at + 4;
                return false;
        }
        if (at[1] == '!' || at[1] == '?' || at[1] == '/') {
                behind = memchr(at, '>', (size_t) left);
                if (behind)
                        scan->at = behind + 1;
                else
                        scan->broken_tags++;
        }
        return false;
}

enum scan_token scan_next(struct scan *scan) {
        while (scan->at < scan->end) {
                const char *from = scan->at;
                enum scan_token token;

                if (*from == '<') {
                        if (scan_angle(scan, &token))
                                return token;
                        if (scan->at != from)
                                continue;
                        scan->at++;
                        scan->text = from;
                        scan->n_text = 1;
                        return SCAN_TEXT;
                }
                if (scan->angle <= from) {
                        scan->angle = memchr(from, '<', (size_t) (scan->end - from));
                        if (!scan->angle)
                                scan->angle = scan->end;
                }
                (void) scan_text(scan, &scan->at, scan->angle, true);
                return SCAN_TEXT;
        }
        return SCAN_END;
}
