#include <stdbool.h>
#include <string.h>

#include "core/lanes.h"
#include "core/template.h"

static void add_html(struct buf *buf, unsigned char c) {
        switch (c) {
        case '&':
                buf_str(buf, "&amp;");
                break;
        case '<':
                buf_str(buf, "&lt;");
                break;
        case '>':
                buf_str(buf, "&gt;");
                break;
        case '"':
                buf_str(buf, "&quot;");
                break;
        case '\'':
                buf_str(buf, "&#39;");
                break;
        case '`':
                buf_str(buf, "&#96;");
                break;
        default:
                break; /* a control character, which XML cannot carry in any form */
        }
}

static bool is_plain_html(unsigned char c) {
        return c >= ' ' ? c != '&' && c != '<' && c != '>' && c != '"' && c != '\'' && c != '`'
                        : c == '\t' || c == '\n' || c == '\r';
}

static void add_json(struct buf *buf, unsigned char c) {
        static const char letters[] = "\bb\ff\nn\rr\tt\"\"\\\\";

        for (size_t i = 0; i + 1 < sizeof(letters); i += 2)
                if (letters[i] == (char) c) {
                        buf_char(buf, '\\');
                        buf_char(buf, letters[i + 1]);
                        return;
                }
        buf_fmt(buf, "\\u%04x", c);
}

static bool is_plain_json(unsigned char c) {
        return c >= ' ' && c != '"' && c != '\\' && c != '&' && c != '<' && c != '>';
}

/* Where an escape may be needed next, sixteen bytes at a time: E2 begins U+2028 and many others. */
static size_t skip_plain(enum escape escape, const char *text, size_t i, size_t n_bytes) {
        for (; n_bytes - i >= LANES; i += LANES) {
                lanes bytes = lanes_load(text + i);
                lanes special = lanes_within(bytes, 0x00, 0x1f) | lanes_equal(bytes, '"') |
                                lanes_equal(bytes, '&') | lanes_equal(bytes, '<') |
                                lanes_equal(bytes, '>');

                special |= escape == ESCAPE_JSON
                                   ? lanes_equal(bytes, '\\') | lanes_equal(bytes, 0xe2)
                                   : lanes_equal(bytes, '\'') | lanes_equal(bytes, '`');
                if (lanes_any(special))
                        return i + lanes_first(special);
        }
        return i;
}

static bool is_unreserved(unsigned char c) {
        return (c >= '0' && c <= '9') || ((c | 32) >= 'a' && (c | 32) <= 'z') ||
               (c && strchr("-._~", c));
}

void escape_add(struct buf *buf, enum escape escape, const char *text, size_t n_bytes) {
        bool in_lanes = escape == ESCAPE_HTML || escape == ESCAPE_JSON;
        size_t from = 0, i = in_lanes ? skip_plain(escape, text, 0, n_bytes) : 0;

        if (escape == ESCAPE_NONE) {
                buf_add(buf, text, n_bytes);
                return;
        }
        for (; i < n_bytes && !buf->error; i++) {
                unsigned char c = (unsigned char) text[i];
                /* U+2028 and U+2029 end a line in a script's string. */
                bool line_end = escape == ESCAPE_JSON && c == 0xe2 && i + 2 < n_bytes &&
                                (unsigned char) text[i + 1] == 0x80 &&
                                ((unsigned char) text[i + 2] & 0xfe) == 0xa8;

                if (!line_end && (escape == ESCAPE_HTML   ? is_plain_html(c)
                                  : escape == ESCAPE_JSON ? is_plain_json(c)
                                                          : is_unreserved(c)))
                        continue;
                buf_add(buf, text + from, i - from);
                if (line_end) {
                        buf_str(buf, (text[i + 2] & 1) ? "\\u2029" : "\\u2028");
                        i += 2;
                } else if (escape == ESCAPE_HTML) {
                        add_html(buf, c);
                } else if (escape == ESCAPE_JSON) {
                        add_json(buf, c);
                } else {
                        buf_fmt(buf, "%%%02X", c);
                }
                from = i + 1;
        }
        if (from < n_bytes)
                buf_add(buf, text + from, n_bytes - from);
}
