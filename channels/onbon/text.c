#include <errno.h>
#include <iconv.h>
#include <string.h>

#include "channels/onbon/onbon.h"
#include "channels/playlist.h"
#include "core/fit.h"
#include "core/memory.h"
#include "core/unicode.h"
#include "core/visible.h"

enum { LOST_MOST = 10 };

static const char *text_of(const json_t *object, const char *key) {
        const char *text = json_string_value(json_object_get(object, key));

        return text ? text : "";
}

/* -- one line that the card does not misread -- */

static bool is_blank(uint32_t code) {
        return code <= 0x20 || code == 0x7f || code == 0x85 || code == 0xa0 ||
               (code >= 0x2000 && code <= 0x200a) || code == 0x2028 || code == 0x2029 ||
               code == 0x202f || code == 0x205f;
}

static bool is_nothing(uint32_t code) {
        return visible_is_hidden((int32_t) code) || code == 0xad || code == 0x2060 ||
               (code >= 0xfe00 && code <= 0xfe0f) || (code >= 0xe0000 && code <= 0xe01ef);
}

static bool is_letter(char c) {
        return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

/* "500 m²" without its mark would be a length: GBK has no ² and ³, so the unit is written out. */
static bool write_power(struct buf *ret, uint32_t code) {
        size_t n = ret->len;

        if ((code != 0xb2 && code != 0xb3) || n == 0 || ret->data[n - 1] != 'm' ||
            (n > 1 && is_letter(ret->data[n - 2])))
                return false;
        ret->data[--ret->len] = '\0';
        buf_str(ret, code == 0xb2 ? "平方米" : "立方米");
        return true;
}

/* What means the same and is in GBK. The backslash begins the card's own commands (\C1 is red). */
static const char *stand_in(uint32_t code) {
        switch (code) {
        case '\\':
                return "＼";
        case 0xa5:
                return "￥";
        case 0x2011:
        case 0x2212:
                return "-";
        case 0x2022:
                return "·";
        }
        return NULL;
}

static void add_line(struct buf *ret, const char *text) {
        bool blank = false, first = ret->len == 0;

        for (const char *at = text; *at;) {
                uint32_t code;
                const char *next = unicode_next(at, &code), *other = stand_in(code);

                if (is_blank(code))
                        blank = true;
                else if (!is_nothing(code)) {
                        if (blank && !first)
                                buf_char(ret, ' ');
                        blank = first = false;
                        if (other)
                                buf_str(ret, other);
                        else if (!write_power(ret, code))
                                buf_add(ret, at, (size_t) (next - at));
                }
                at = next;
        }
}

char *onbon_text(const struct delivery *delivery, int64_t length) {
        const json_t *data = json_object_get(delivery->event, "data");
        const char *own = text_of(json_object_get(data, "texts"), "short");
        const char *title = text_of(data, "title");
        json_t *publisher freed_by(json_decrefp) = screen_publisher(data);
        struct buf line freed_by(buf_done) = { 0 };
        struct buf signature freed_by(buf_done) = { 0 };
        size_t most = 2 * (size_t) length;

        if (!publisher)
                return NULL;
        add_line(&line, *own ? own : *title ? title : delivery->document);
        if (!*own && json_string_length(publisher) > 0) {
                buf_str(&signature, "（");
                add_line(&signature, json_string_value(publisher));
                buf_str(&signature, "）");
                /* The publisher only where both fit: a title is not cut for it. */
                if (fit_length(buf_text(&line), line.len, FIT_HALVES) +
                            fit_length(buf_text(&signature), signature.len, FIT_HALVES) <=
                    most)
                        buf_add(&line, buf_text(&signature), signature.len);
        }
        return line.error || signature.error ? NULL : fit_text(buf_text(&line), FIT_HALVES, most, NULL);
}

/* -- GBK -- */

static void iconv_donep(iconv_t *to) {
        if (*to != (iconv_t) -1)
                (void) iconv_close(*to);
}

static void name_lost(struct buf *lost, const char *character, size_t n_bytes) {
        size_t named = 0;

        for (const char *at = buf_text(lost); *at; named++) {
                size_t n = strcspn(at, " ");

                if (n == n_bytes && memcmp(at, character, n) == 0)
                        return;
                at += n + (at[n] == ' ');
        }
        if (named > LOST_MOST)
                return;
        if (lost->len > 0)
                buf_char(lost, ' ');
        if (named == LOST_MOST)
                buf_str(lost, "……");
        else
                buf_add(lost, character, n_bytes);
}

/* A code of two bytes, or ASCII: glibc's GBK also has the euro as one byte, and no font has it. */
static bool encode(iconv_t to, const char *character, size_t n_bytes, struct buf *ret) {
        char bytes[8], *in = (char *) character, *out = bytes;
        size_t n_in = n_bytes, n_out = sizeof(bytes);
        size_t r = iconv(to, &in, &n_in, &out, &n_out);

        if (r != 0 || n_in != 0) {
                (void) iconv(to, NULL, NULL, NULL, NULL);
                return false;
        }
        if (out - bytes != 2 && (out - bytes != 1 || (bytes[0] & 0x80)))
                return false;
        buf_add(ret, bytes, (size_t) (out - bytes));
        return true;
}

int onbon_gbk(const char *text, struct buf *ret, struct buf *lost) {
        static const char box[] = { (char) 0xa1, (char) 0xf5 }; /* □ */
        iconv_t to freed_by(iconv_donep) = iconv_open("GBK", "UTF-8");

        if (to == (iconv_t) -1)
                return -errno;
        for (const char *at = text; *at;) {
                uint32_t code;
                const char *next = unicode_next(at, &code);

                if (!encode(to, at, (size_t) (next - at), ret)) {
                        buf_add(ret, box, sizeof(box));
                        name_lost(lost, at, (size_t) (next - at));
                }
                at = next;
        }
        return ret->error ? ret->error : lost->error;
}
