#include "channels/site/site.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#define SIGNATURE_BYTES 120 /* an organ's name or a date is shorter */

struct part {
        const char *at;
        size_t n;
};

static bool part_ends(struct part part, const char *text) {
        size_t n = strlen(text);

        return part.n >= n && memcmp(part.at + part.n - n, text, n) == 0;
}

static struct part trimmed(struct part part) {
        while (part.n > 0 && isspace((unsigned char) part.at[0])) {
                part.at++;
                part.n--;
        }
        while (part.n > 0 && isspace((unsigned char) part.at[part.n - 1]))
                part.n--;
        return part;
}

/* 2026年11月20日, with or without spaces, or 二〇二六年十一月二十日. */
static bool is_date(struct part part) {
        static const char *const signs[] = { "年", "月", "日" };
        const char *at = part.at, *end = part.at + part.n;
        size_t sign = 0;

        while (at < end && sign < 3) {
                if (end - at >= 3 && memcmp(at, signs[sign], 3) == 0) {
                        sign++;
                        at += 3;
                } else if (isdigit((unsigned char) *at) || *at == ' ') {
                        at++;
                } else if (end - at >= 3) {
                        char one[4] = { at[0], at[1], at[2], '\0' };

                        if (!strstr("〇○零一二三四五六七八九十", one))
                                return false;
                        at += 3;
                } else {
                        return false;
                }
        }
        return sign == 3 && at == end && part.n > 9;
}

/* The text of the plain paragraph that ends where `html` does; its start in *ret_start. */
static bool last_paragraph(struct part html, struct part *ret, size_t *ret_start) {
        static const char open[] = "<p>", shut[] = "</p>";
        size_t start;

        while (html.n > 0 && isspace((unsigned char) html.at[html.n - 1]))
                html.n--;
        if (!part_ends(html, shut))
                return false;
        for (start = html.n - strlen(shut); start > 0; start--)
                if (html.at[start] == '<' && memcmp(html.at + start, open, strlen(open)) == 0)
                        break;
        if (memcmp(html.at + start, open, strlen(open)) != 0)
                return false;
        ret->at = html.at + start + strlen(open);
        ret->n = html.n - start - strlen(open) - strlen(shut);
        *ret_start = start;
        return true;
}

/* Short lines without a full stop; *ret_last is the last of them. */
static bool is_signature(struct part part, struct part *ret_last) {
        unsigned lines = 0;

        for (;;) {
                const char *mark = memmem(part.at, part.n, "<br", 3);
                struct part line = trimmed((struct part) {
                        part.at, mark ? (size_t) (mark - part.at) : part.n });

                if (line.n == 0 || line.n > SIGNATURE_BYTES || ++lines > 4 ||
                    memchr(line.at, '<', line.n) || part_ends(line, "。") ||
                    part_ends(line, "：") || part_ends(line, "；"))
                        return false;
                *ret_last = line;
                if (!mark)
                        return true;
                mark = memchr(mark, '>', part.n - (size_t) (mark - part.at));
                if (!mark)
                        return false;
                part = (struct part) { mark + 1, part.n - (size_t) (mark + 1 - part.at) };
        }
}

/* Where the signature's paragraphs begin: one or two at the very end, the last line a date.
 * `n` when there is none. */
static size_t signature_start(const char *html, size_t n) {
        struct part paragraph, line;
        size_t start, before;

        if (!last_paragraph((struct part) { html, n }, &paragraph, &start) ||
            !is_signature(paragraph, &line) || !is_date(line))
                return n;
        if (last_paragraph((struct part) { html, start }, &paragraph, &before) &&
            is_signature(paragraph, &line))
                return before;
        return start;
}

/* 各乡、镇人民政府，县直各委、办、局：  the first paragraph, when it ends in a colon. */
static bool has_addressee(const char *html) {
        const char *end = strstr(html, "</p>");
        struct part part;

        if (strncmp(html, "<p>", 3) != 0 || !end)
                return false;
        part = trimmed((struct part) { html + 3, (size_t) (end - html - 3) });
        return part.n < 400 && !memchr(part.at, '<', part.n) && part_ends(part, "：");
}

/* Bytes of a document number's year and serial, 〔2026〕12号, at `at`; 0 when it is none. */
static size_t number_length(const char *at) {
        size_t n = strlen("〔"), digits;

        if (strncmp(at, "〔", n) != 0 || strspn(at + n, "0123456789") != 4)
                return 0;
        n += 4;
        if (strncmp(at + n, "〕", strlen("〕")) != 0)
                return 0;
        n += strlen("〕");
        digits = strspn(at + n, "0123456789");
        if (digits == 0 || digits > 6 || strncmp(at + n + digits, "号", strlen("号")) != 0)
                return 0;
        return n + digits + strlen("号");
}

/* Bytes of a date at `at`, 2026年11月20日 or 2026 年 11 月; 0 when it is none. */
static size_t date_length(const char *at) {
        static const char *const signs[] = { "年", "月", "日" };
        static const size_t most[] = { 4, 2, 2 };
        size_t n = 0, whole = 0;

        for (size_t i = 0; i < 3; i++) {
                size_t next = n + (n > 0 && at[n] == ' '), digits = strspn(at + next, "0123456789");

                if (digits == 0 || digits > most[i] || (i == 0 && digits != 4))
                        break;
                next += digits;
                next += at[next] == ' ';
                if (strncmp(at + next, signs[i], 3) != 0)
                        break;
                n = next + 3;
                if (i > 0)
                        whole = n; /* a year alone is short enough */
        }
        return whole;
}

/* Bytes of what must stay on one line. */
static size_t whole_length(const char *at, bool after_digit) {
        return *at == "〔"[0]                                      ? number_length(at)
               : isdigit((unsigned char) *at) && !after_digit ? date_length(at)
                                                              : 0;
}

/* Bytes of the tag at `at`, quoted ">" included. */
static size_t tag_length(const char *at) {
        char quote = '\0';
        size_t n;

        for (n = 0; at[n]; n++) {
                if (quote) {
                        if (at[n] == quote)
                                quote = '\0';
                } else if (at[n] == '"' || at[n] == '\'') {
                        quote = at[n];
                } else if (at[n] == '>') {
                        return n + 1;
                }
        }
        return n;
}

static bool tag_is(const char *at, const char *name) {
        size_t n = strlen(name);

        return strncmp(at, name, n) == 0 && !isalnum((unsigned char) at[n]);
}

struct dress {
        size_t signature; /* where it begins */
        bool addressee;
        unsigned depth, tables, rows; /* of tables: now open, so far, in this one */
        bool in_head;
};

static void dress_tag(struct dress *dress, const char *at, size_t length, size_t position,
                      struct buf *ret) {
        bool paragraph = strncmp(at, "<p>", 3) == 0;

        if (tag_is(at, "<table") && dress->depth++ == 0) {
                dress->rows = 0;
                /* Landmarks need names that differ, so the tables are numbered. */
                buf_fmt(ret,
                        "<div class=\"wide\" role=\"region\" aria-label=\"表格 %u\" tabindex=\"0\">",
                        ++dress->tables);
        }
        if (tag_is(at, "<thead") || tag_is(at, "</thead"))
                dress->in_head = at[1] != '/';
        dress->rows += tag_is(at, "<tr");

        if (paragraph && position >= dress->signature) {
                buf_str(ret, "<p class=\"sign\">");
        } else if (paragraph && position == 0 && dress->addressee) {
                buf_str(ret, "<p class=\"to\">");
        } else if (tag_is(at, "<th") && !memmem(at, length, "scope=", 6)) {
                buf_fmt(ret, "<th scope=\"%s\"", dress->in_head || dress->rows < 2 ? "col" : "row");
                buf_add(ret, at + 3, length - 3);
        } else {
                buf_add(ret, at, length);
        }
        if (tag_is(at, "</table") && dress->depth > 0 && --dress->depth == 0)
                buf_str(ret, "</div>");
}

int body_dress(const char *html, struct buf *ret) {
        size_t n = strlen(html), length;
        struct dress dress = {
                .signature = signature_start(html, n),
                .addressee = has_addressee(html),
        };

        for (size_t i = 0; i < n; i += length) {
                const char *at = html + i;

                if (*at == '<') {
                        length = tag_length(at);
                        dress_tag(&dress, at, length, i, ret);
                } else if ((length = whole_length(at, false)) > 0) {
                        buf_str(ret, "<span class=\"whole\">");
                        buf_add(ret, at, length);
                        buf_str(ret, "</span>");
                } else {
                        length = 1;
                        while (at[length] && at[length] != '<' &&
                               whole_length(at + length,
                                            isdigit((unsigned char) at[length - 1])) == 0)
                                length++;
                        buf_add(ret, at, length);
                }
        }
        return ret->error;
}
