/* Where digits stand in a text, and what code points are digits. */
#include <string.h>
#include <utf8proc.h>

#include "core/lanes.h"
#include "core/memory.h"
#include "core/personal_parts.h"

size_t personal_digits_of(uint32_t code, char ret[static 4], enum style *ret_style) {
        utf8proc_int32_t parts[8];
        utf8proc_ssize_t n_parts;
        size_t n = 0;

        if (code < 0x80) {
                *ret_style = STYLE_PLAIN;
                *ret = (char) code;
                return code >= '0' && code <= '9';
        }
        if (code >= 0xff10 && code <= 0xff19) {
                *ret_style = STYLE_WIDE;
                *ret = (char) (code - 0xff10 + '0');
                return 1;
        }
        *ret_style = STYLE_OTHER;
        if (code >= 0x2776 && code <= 0x2793) { /* ❶ ➀ ➊: no decomposition */
                unsigned value = (code - 0x2776) % 10 + 1;

                memcpy(ret, "10", 2);
                if (value < 10)
                        *ret = (char) ('0' + value);
                return value < 10 ? 1 : 2;
        }
        if (code == 0x24ff) { /* ⓿ */
                *ret = '0';
                return 1;
        }
        /* ²³¹, ⁰ to ₉, ①⑴⒈ and ⓪, ㉑㊱, 𝟎 to 𝟿: others have none */
        if (code != 0xb2 && code != 0xb3 && code != 0xb9 && (code < 0x2070 || code > 0x2089) &&
            (code < 0x2460 || code > 0x24ea) && (code < 0x3251 || code > 0x32bf) &&
            (code < 0x1d7ce || code > 0x1d7ff) && (code < 0x1f100 || code > 0x1f10a) &&
            (code < 0x1fbf0 || code > 0x1fbf9))
                return 0;
        n_parts = utf8proc_decompose_char((utf8proc_int32_t) code, parts, ELEMENTS(parts),
                                          UTF8PROC_DECOMPOSE | UTF8PROC_COMPAT, NULL);
        for (utf8proc_ssize_t i = 0; i < n_parts && i < (utf8proc_ssize_t) ELEMENTS(parts); i++)
                if (parts[i] >= '0' && parts[i] <= '9' && n < 4)
                        ret[n++] = (char) parts[i];
        return n;
}

/* Lanes where a digit of any form may begin, from `at` on, with a byte behind its sixteen. Chinese text
 * is full of EF BC 8C and E3 80 82, so second bytes are looked at too. */
static lanes may_be_digits(const char *at) {
        lanes bytes = lanes_load(at), found = lanes_within(bytes, '0', '9'), second;
        lanes rare = lanes_equal(bytes, 0xef) | lanes_within(bytes, 0xe2, 0xe3) |
                     lanes_equal(bytes, 0xc2) | lanes_equal(bytes, 0xf0);

        if (!lanes_any(rare))
                return found;
        second = lanes_load(at + 1);
        return found | lanes_equal(bytes, 0xf0) |
               (lanes_equal(bytes, 0xef) & lanes_equal(second, 0xbc) &
                lanes_within(lanes_load(at + 2), 0x90, 0x99)) |
               (lanes_equal(bytes, 0xe2) & lanes_within(second, 0x81, 0x9e)) |
               (lanes_equal(bytes, 0xe3) & lanes_within(second, 0x89, 0x8a)) |
               (lanes_equal(bytes, 0xc2) & lanes_within(second, 0xb2, 0xb9));
}

const char *personal_next_digit(const char *at, const char *end) {
        for (; end - at >= LANES + 2; at += LANES) {
                lanes found = may_be_digits(at);

                if (lanes_any(found))
                        return at + lanes_first(found);
        }
        while (at < end && (unsigned char) (*at - '0') > 9 && (unsigned char) *at < 0xc2)
                at++;
        return at;
}

/* The first byte of something that parts all numbers: Han, a letter, a comma. */
static bool parts_numbers(unsigned char byte) {
        return (byte >= 0xe4 && byte <= 0xe9) ||
               (byte > ' ' && byte < 0x80 && (byte < '0' || byte > '9') && byte != '-' && byte != '.' &&
                byte != '_');
}

const char *personal_skip_short_run(const char *at, const char *end) {
        const char *to = at;

        while (to < end && to - at < 11 && (unsigned char) (*to - '0') <= 9)
                to++;
        if (to - at >= 11)
                return at;
        if (to < end && *to == ' ')
                to++;
        return to < end && parts_numbers((unsigned char) *to) ? to : at;
}
