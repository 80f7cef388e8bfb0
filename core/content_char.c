#include "core/content_char.h"

#include <utf8proc.h>

#include "core/memory.h"

#define REPLACEMENT 0xfffd

struct range {
        uint32_t first, last;
};

static bool within(uint32_t c, const struct range *ranges, size_t n) {
        for (size_t i = 0; i < n; i++)
                if (c >= ranges[i].first && c <= ranges[i].last)
                        return true;
        return false;
}

uint32_t char_next(const char **at, const char *end) {
        unsigned char byte = (unsigned char) **at;
        utf8proc_int32_t c;
        utf8proc_ssize_t n;

        if (byte < 0x80) {
                (*at)++;
                return byte;
        }
        n = utf8proc_iterate((const utf8proc_uint8_t *) *at, end - *at, &c);
        *at += n > 0 ? n : 1;
        return n > 0 ? (uint32_t) c : REPLACEMENT;
}

size_t char_write(uint32_t c, char ret[static 4]) {
        if (c > 0x10ffff || (c >= 0xd800 && c <= 0xdfff))
                c = REPLACEMENT;
        return (size_t) utf8proc_encode_char((utf8proc_int32_t) c, (utf8proc_uint8_t *) ret);
}

bool char_is_space(uint32_t c) {
        return c == ' ' || (c >= '\t' && c <= '\r' && c != '\v') || c == 0x2028 || c == 0x2029;
}

bool char_is_blank(uint32_t c) {
        static const struct range blanks[] = {
                { 0xa0, 0xa0 },     { 0x1680, 0x1680 }, { 0x2000, 0x200a },
                { 0x202f, 0x202f }, { 0x205f, 0x205f }, { 0x3000, 0x3000 },
        };

        return c >= 0xa0 && within(c, blanks, ELEMENTS(blanks));
}

bool char_is_invisible(uint32_t c) {
        static const struct range invisible[] = {
                { 0x7f, 0x9f },       { 0xad, 0xad },     { 0x61c, 0x61c },   { 0x180e, 0x180e },
                { 0x200b, 0x200b },   { 0x200e, 0x200f }, { 0x202a, 0x202e }, { 0x2060, 0x206f },
                { 0xfdd0, 0xfdef },   { 0xfeff, 0xfeff }, { 0xfff0, 0xfffb }, { 0xfffe, 0xffff },
                { 0xe0000, 0xe007f },
        };

        if (c < 0x20)
                return !char_is_space(c);
        if (c < 0x7f || (c >= 0x3000 && c < 0xfdd0))
                return false;
        return (c & 0xfffe) == 0xfffe || within(c, invisible, ELEMENTS(invisible));
}

/* Han, kana, bopomofo, their punctuation and the full-width forms. */
static bool is_cjk(uint32_t c) {
        static const struct range cjk[] = {
                { 0x2e80, 0x2fff }, { 0x3001, 0x312f }, { 0x31a0, 0x4dbf },
                { 0x4e00, 0x9fff }, { 0xf900, 0xfaff }, { 0xfe30, 0xfe4f },
                { 0xff01, 0xff60 }, { 0xffe0, 0xffe6 }, { 0x20000, 0x3fffd },
        };

        return c >= 0x2e80 && within(c, cjk, ELEMENTS(cjk));
}

/* Signs that Chinese shares with Latin: quotes, dash, ellipsis, middle dot. They go with the Han
 * character on their other side. */
static bool is_shared_sign(uint32_t c) {
        return c == 0x2014 || c == 0x2018 || c == 0x2019 || c == 0x201c || c == 0x201d ||
               c == 0x2026 || c == 0xb7;
}

bool char_joins(uint32_t left, uint32_t right) {
        bool left_cjk = is_cjk(left), right_cjk = is_cjk(right);

        return (left_cjk && (right_cjk || is_shared_sign(right))) ||
               (right_cjk && is_shared_sign(left));
}
