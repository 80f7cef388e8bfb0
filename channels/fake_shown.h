/* For the tests of all drivers: what a citizen is shown by a step, taken out of the request without
 * the driver's help, and the figures in a text. */
#ifndef CHANNELS_FAKE_SHOWN_H
#define CHANNELS_FAKE_SHOWN_H

#include <ctype.h>
#include <iconv.h>
#include <openssl/evp.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "channels/driver.h"
#include "core/memory.h"
#include "core/unicode.h"

/* -- markup -- */

static inline bool shown_is_inline(const char *name, size_t n) {
        static const char *const names[] = { "strong", "em", "b", "i", "a", "code", "u", "s", "del",
                                             "ins", "sub", "sup", "wbr", "small", "span" };

        for (size_t i = 0; i < ELEMENTS(names); i++)
                if (strlen(names[i]) == n && strncasecmp(names[i], name, n) == 0)
                        return true;
        return false;
}

/* One entity or character to `ret`; the bytes that it took. */
static inline size_t shown_entity(const char *at, struct buf *ret) {
        static const char *const rows[][2] = { { "&lt;", "<" },   { "&gt;", ">" },
                                               { "&amp;", "&" },  { "&quot;", "\"" },
                                               { "&#39;", "'" },  { "&#96;", "`" },
                                               { "&nbsp;", " " }, { "&apos;", "'" } };

        for (size_t i = 0; i < ELEMENTS(rows); i++) {
                if (strncmp(at, rows[i][0], strlen(rows[i][0])) == 0) {
                        buf_str(ret, rows[i][1]);
                        return strlen(rows[i][0]);
                }
        }
        buf_char(ret, *at);
        return 1;
}

/* The text of HTML or XML: elements end a line, but for those within one. */
static inline char *shown_text(const char *html) {
        struct buf out = { 0 };

        for (const char *at = html; *at;) {
                const char *name = at + 1 + (at[1] == '/'), *end;
                size_t n = strcspn(name, " />\t\n");

                if (*at != '<') {
                        at += shown_entity(at, &out);
                        continue;
                }
                if (!shown_is_inline(name, n))
                        buf_char(&out, '\n');
                if (strncmp(name, "style", 5) == 0 && at[1] != '/')
                        at = strstr(at, "</style") ? strstr(at, "</style") : at;
                end = strchr(at, '>');
                at = end ? end + 1 : at + strlen(at);
        }
        return buf_take(&out);
}

/* -- parts: array of [member, text] -- */

static inline bool shown_has_word(const char *words, const char *word) {
        size_t n = strlen(word);

        for (const char *at = words; (at = strstr(at, word)) != NULL; at += n)
                if ((at == words || at[-1] == ' ') && (at[n] == ' ' || at[n] == '\0'))
                        return true;
        return strcmp(words, "*") == 0;
}

static inline void shown_add(json_t *parts, const char *member, const char *text) {
        bool markup = strchr(text, '<') && strchr(text, '>');
        char *plain freed_by(freep) = markup ? shown_text(text) : strdup(text);

        json_array_append_new(parts, json_pack("[ss]", member, plain));
}

/* The strings below the members in `wanted`; JSON in a string is read too. */
static inline void shown_walk(json_t *parts, const json_t *json, const char *member, bool is_wanted,
                              const char *wanted) {
        json_t *one, *inner = NULL;
        const char *key;
        size_t i;

        json_object_foreach((json_t *) json, key, one)
                shown_walk(parts, one, key, is_wanted || shown_has_word(wanted, key), wanted);
        json_array_foreach(json, i, one)
                shown_walk(parts, one, member, is_wanted, wanted);
        if (!json_is_string(json) || !is_wanted)
                return;
        if (strchr("{[", *json_string_value(json)) && json_string_length(json) > 1)
                inner = json_loads(json_string_value(json), 0, NULL);
        if (inner)
                shown_walk(parts, inner, member, true, wanted);
        else
                shown_add(parts, member, json_string_value(json));
        json_decref(inner);
}

static inline void shown_json(json_t *parts, const char *text, const char *wanted) {
        json_t *json = json_loads(text, 0, NULL);

        shown_walk(parts, json, "", false, wanted);
        json_decref(json);
}

/* name=value&name=value, percent-encoded. */
static inline void shown_form(json_t *parts, const char *form, const char *wanted) {
        json_t *json = json_object();

        for (const char *at = form; *at;) {
                size_t n = strcspn(at, "&"), n_name = strcspn(at, "=&");
                struct buf name = { 0 }, value = { 0 };

                buf_add(&name, at, n_name);
                for (size_t i = n_name + 1; i < n; i++) {
                        char hex[3] = { 0 };

                        if (at[i] == '%') {
                                memcpy(hex, at + i + 1, 2);
                                i += 2;
                        }
                        buf_char(&value, *hex      ? (char) strtol(hex, NULL, 16)
                                         : at[i] == '+' ? ' '
                                                        : at[i]);
                }
                json_object_set_new(json, buf_text(&name), json_string(buf_text(&value)));
                buf_done(&name);
                buf_done(&value);
                at += n + (at[n] == '&');
        }
        shown_walk(parts, json, "", false, wanted);
        json_decref(json);
}

static inline char *shown_from_base64(const char *text) {
        size_t n = strlen(text);
        char *out = calloc(1, n + 1);

        if (n % 4 == 0 && strspn(text, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
                                       "0123456789+/=") == n &&
            EVP_DecodeBlock((unsigned char *) out, (const unsigned char *) text, (int) n) > 0)
                return out;
        free(out);
        return NULL;
}

static inline void shown_http(json_t *parts, const struct http_request *http, const char *wanted) {
        size_t n;
        const char *bytes = http_request_body(http, &n), *query = strchr(http->url, '?');
        char *body freed_by(freep) = strndup(bytes ? bytes : "", n);
        char *inner freed_by(freep) = n > 0 ? shown_from_base64(body) : NULL;

        if (query)
                shown_form(parts, query + 1, wanted);
        if (inner)
                shown_json(parts, inner, wanted);
        else if (n > 0 && *body == '{')
                shown_json(parts, body, wanted);
        else if (isalpha((unsigned char) *body) && strchr(body, '=') && !strpbrk(body, " <\n"))
                shown_form(parts, body, wanted);
        else if (n > 0)
                shown_add(parts, "text", body);
}

/* BX frames: escapes out, then GBK behind the colour; two bytes of CRC and the tail are no text. */
static inline void shown_frame(json_t *parts, const struct buf *frame) {
        struct buf plain = { 0 };
        char *text freed_by(freep) = calloc(1, 2 * frame->len + 1), *out = text, *in;
        iconv_t from_gbk = iconv_open("UTF-8", "GBK");
        size_t n_in, n_out = 2 * frame->len;

        for (size_t i = 8; i + 1 < frame->len; i++) {
                unsigned char byte = (unsigned char) frame->data[i];

                if (byte == 0xa6 || byte == 0x5b) {
                        i++;
                        buf_char(&plain, (char) (frame->data[i] == 2 ? byte - 1 : byte));
                } else {
                        buf_char(&plain, (char) byte);
                }
        }
        in = memmem(plain.data, plain.len, "\\C", 2);
        n_in = in ? (size_t) (plain.data + plain.len - in) - 3 - 2 : 0;
        in += in ? 3 : 0;
        if (from_gbk != (iconv_t) -1)
                (void) iconv(from_gbk, &in, &n_in, &out, &n_out);
        shown_add(parts, "text", text);
        (void) iconv_close(from_gbk);
        buf_done(&plain);
}

static inline void shown_files(json_t *parts, const struct tree_commit *commit, const char *wanted) {
        for (size_t i = 0; i < commit->n_files; i++) {
                const struct tree_file *file = &commit->files[i];
                const char *ending = strrchr(file->path, '.');

                if (file->content && ending && strcmp(ending, ".json") == 0)
                        shown_json(parts, file->content, wanted);
                else if (file->content && ending &&
                         (strcmp(ending, ".html") == 0 || strcmp(ending, ".xml") == 0))
                        shown_add(parts, file->path, file->content);
        }
}

/* What is shown of the members in `wanted` ("title text"; "*" all). A new reference. */
static inline json_t *shown_of(const struct step *step, const char *wanted) {
        json_t *parts = json_array();

        if (step->kind == STEP_HTTP)
                shown_http(parts, &step->http, wanted);
        else if (step->kind == STEP_TCP)
                shown_frame(parts, &step->tcp.bytes);
        else if (step->kind == STEP_TREE_COMMIT)
                shown_files(parts, &step->tree_commit, wanted);
        for (size_t i = 0; step->kind == STEP_MQTT && i < step->mqtt.n; i++)
                shown_json(parts, buf_text(&step->mqtt.messages[i].payload), wanted);
        return parts;
}

/* -- figures -- */

static inline size_t figure_unit(const char *at) {
        static const char *const units[] = { "十", "百", "千", "万", "亿", "元", "角", "分",
                                             "年", "月", "日", "点", "号", "%",  "％", "‰" };

        for (size_t i = 0; i < ELEMENTS(units); i++)
                if (strncmp(at, units[i], strlen(units[i])) == 0)
                        return strlen(units[i]);
        return 0;
}

/* The bytes of the word that begins here, with all that makes its value: "12,000.50元",
 * "3亿5000万元", "2026年11月30日", "2026-11-30"; 0 where none does. */
static inline size_t figure_word(const char *at) {
        size_t n = 0, unit;

        while (at[n]) {
                if (isalnum((unsigned char) at[n]))
                        n++;
                else if (n > 0 && strchr(",.:/-", at[n]) && isdigit((unsigned char) at[n - 1]) &&
                         isdigit((unsigned char) at[n + 1]))
                        n++;
                else if (n > 0 && (unit = figure_unit(at + n)) > 0)
                        n += unit;
                else
                        break;
        }
        return n;
}

/* Adds the words with a digit in them to a set. */
static inline void figures_of(const char *text, json_t *set) {
        while (*text) {
                size_t n = figure_word(text), digits = 0;

                while (digits < n && !isdigit((unsigned char) text[digits]))
                        digits++;
                if (digits < n) {
                        char *word freed_by(freep) = strndup(text, n);

                        json_object_set_new(set, word, json_true());
                }
                text += n > 0 ? n : 1;
        }
}

#endif
