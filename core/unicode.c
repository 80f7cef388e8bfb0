#include "core/unicode.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <utf8proc.h>

#include "core/lanes.h"

size_t unicode_valid(const void *bytes, size_t n_bytes) {
        const unsigned char *start = bytes, *at = start, *end = start + n_bytes;

        while (at < end) {
                size_t n = 1;

                if (*at >= 0x80) {
                        n = unicode_sequence(at, (size_t) (end - at));
                        if (n == 0)
                                break;
                } else if (end - at >= 8) { /* eight bytes of ASCII at a time */
                        uint64_t eight;

                        memcpy(&eight, at, sizeof(eight));
                        if ((eight & UINT64_C(0x8080808080808080)) == 0)
                                n = 8;
                }
                at += n;
        }
        return (size_t) (at - start);
}

bool unicode_looks_gb18030(const void *bytes, size_t n_bytes) {
        const unsigned char *at = bytes;
        size_t n = n_bytes < 65536 ? n_bytes : 65536, pairs = 0, common = 0;

        for (size_t i = 0; i < n;) {
                if (at[i] < 0x80) {
                        i++;
                        continue;
                }
                if (i + 1 >= n)
                        break; /* cut in the middle of a character */
                if (at[i] == 0x80 || at[i] == 0xff)
                        return false;
                if (at[i + 1] >= '0' && at[i + 1] <= '9') { /* four bytes: rare characters */
                        if (i + 3 < n && (at[i + 2] < 0x81 || at[i + 3] < '0' || at[i + 3] > '9'))
                                return false;
                        i += 4;
                        continue;
                }
                if (at[i + 1] < 0x40 || at[i + 1] == 0x7f || at[i + 1] == 0xff)
                        return false;
                /* GB2312: punctuation in rows A1 to A3, everyday characters in B0 to F7 */
                if (at[i + 1] >= 0xa1)
                        common += (at[i] >= 0xb0 && at[i] <= 0xf7) ||
                                  (at[i] >= 0xa1 && at[i] <= 0xa3);
                pairs++;
                i += 2;
        }
        return pairs > 0 && common * 10 >= pairs * 8;
}

const char *unicode_next(const char *at, uint32_t *ret) {
        const unsigned char *bytes = (const unsigned char *) at;

        if (bytes[0] < 0x80) {
                *ret = bytes[0];
                return at + 1;
        }
        if (bytes[0] < 0xe0) {
                *ret = (uint32_t) (bytes[0] & 0x1f) << 6 | (bytes[1] & 0x3f);
                return at + 2;
        }
        if (bytes[0] < 0xf0) {
                *ret = (uint32_t) (bytes[0] & 0x0f) << 12 | (uint32_t) (bytes[1] & 0x3f) << 6 |
                       (bytes[2] & 0x3f);
                return at + 3;
        }
        *ret = (uint32_t) (bytes[0] & 0x07) << 18 | (uint32_t) (bytes[1] & 0x3f) << 12 |
               (uint32_t) (bytes[2] & 0x3f) << 6 | (bytes[3] & 0x3f);
        return at + 4;
}

const char *unicode_previous(const char *start, const char *at, uint32_t *ret) {
        *ret = 0;
        if (at == start)
                return at;
        do
                at--;
        while (at > start && ((unsigned char) *at & 0xc0) == 0x80);
        (void) unicode_next(at, ret);
        return at;
}

static bool is_noncharacter(uint32_t code) {
        return (code & 0xfffe) == 0xfffe || (code >= 0xfdd0 && code <= 0xfdef);
}

static bool is_bidi(uint32_t code) {
        return (code >= 0x202a && code <= 0x202e) || (code >= 0x2066 && code <= 0x2069);
}

/* The list follows UTS #39 and the default-ignorable code points of Unicode. */
static bool has_no_place_in_name(uint32_t code) {
        static const struct {
                uint32_t first, last;
        } ranges[] = {
                { 0x0000, 0x001f },    { 0x007f, 0x009f }, /* controls */
                { 0x00ad, 0x00ad },                        /* soft hyphen */
                { 0x034f, 0x034f },    { 0x061c, 0x061c },
                { 0x115f, 0x1160 }, /* Hangul fillers */
                { 0x17b4, 0x17b5 },    { 0x180b, 0x180f },
                { 0x200b, 0x200f }, /* zero width, directional marks */
                { 0x2028, 0x202e }, /* line separators, bidi */
                { 0x2060, 0x206f },    { 0x3164, 0x3164 },
                { 0xe000, 0xf8ff }, /* private use */
                { 0xfdd0, 0xfdef }, /* noncharacters */
                { 0xfe00, 0xfe0f }, /* variation selectors */
                { 0xfeff, 0xfeff },    { 0xffa0, 0xffa0 },
                { 0xfff0, 0xfffb }, /* interlinear annotation */
                { 0x1bca0, 0x1bca3 },  { 0x1d173, 0x1d17a },
                { 0xe0000, 0xe0fff },  /* tags, more variation selectors */
                { 0xf0000, 0x10ffff }, /* private use */
        };

        for (size_t i = 0; i < sizeof(ranges) / sizeof(ranges[0]); i++)
                if (code >= ranges[i].first && code <= ranges[i].last)
                        return true;
        return is_noncharacter(code);
}

static bool has_no_place_in_text(uint32_t code) {
        if (code < 0x20)
                return code != '\t' && code != '\n' && code != '\r';
        return is_bidi(code) || is_noncharacter(code);
}

static size_t length_of(unsigned char lead) {
        return lead < 0x80 ? 1 : lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : 4;
}

/* The length of a sequence with this first byte; 0 where it can be a forbidden code point at all.
 * Most Han characters (E4 to E9) pass without being decoded. */
static const unsigned char harmless[256] = {
        [0x20 ... 0x7e] = 1, [0x80 ... 0xc1] = 1, [0xc3 ... 0xcc] = 2, [0xce ... 0xd7] = 2,
        [0xd9 ... 0xdf] = 2, [0xe0] = 3,          [0xe4 ... 0xed] = 3,
};

/* Lanes where something may begin that has no place in a name: all that are not harmless, and few
 * more. */
static lanes suspects_in_name(lanes bytes) {
        return lanes_within(bytes, 0x00, 0x1f) | lanes_equal(bytes, 0x7f) |
               lanes_within(bytes, 0xc2, 0xe3) | lanes_within(bytes, 0xee, 0xff);
}

/* And in a text, from `at` on, with two bytes behind its sixteen: full-width commas (EF BC 8C) and
 * quotes (E2 80 9C) are in every sentence, so they are told from what is sought. */
static lanes suspects_in_text(lanes bytes, const char *at) {
        lanes low = lanes_within(bytes, 0x00, 0x1f) & ~lanes_equal(bytes, '\n');
        lanes second, third, bidi;

        if (!lanes_any(lanes_equal(bytes, 0xe2) | lanes_within(bytes, 0xef, 0xff)))
                return low;
        second = lanes_load(at + 1);
        third = lanes_load(at + 2);
        bidi = (lanes_equal(second, 0x80) & lanes_within(third, 0xaa, 0xae)) |
               (lanes_equal(second, 0x81) & lanes_within(third, 0xa6, 0xa9));
        return low | lanes_within(bytes, 0xf0, 0xff) | (lanes_equal(bytes, 0xe2) & bidi) |
               (lanes_equal(bytes, 0xef) & (lanes_equal(second, 0xb7) | lanes_equal(second, 0xbf)));
}

/* Passes over sixteens without a suspect, and adds the characters that begin there. It may stop
 * within a character. */
static const char *skip_unsuspected(const char *at, const char *end, enum unicode_rule rule,
                                    size_t *length) {
        while (end - at >= LANES + 2) {
                lanes bytes = lanes_load(at), inner = { 0 };
                unsigned n = 0; /* so many that a lane can count them */

                do {
                        if (lanes_any(rule == UNICODE_NAME ? suspects_in_name(bytes)
                                                           : suspects_in_text(bytes, at)))
                                break;
                        inner -= lanes_below(bytes, 0xc0); /* 80 to BF */
                        at += LANES;
                        if (++n == 255 || end - at < LANES + 2)
                                break;
                        bytes = lanes_load(at);
                } while (true);
                if (n == 0)
                        break;
                *length += (size_t) n * LANES;
                for (size_t i = 0; i < LANES; i++)
                        *length -= inner[i];
        }
        return at;
}

bool unicode_check(const char *text, size_t n_bytes, enum unicode_rule rule, size_t *ret_length,
                   struct unicode_flaw *ret_flaw) {
        const char *at = text, *end = text + n_bytes, *again;
        size_t length = 0;

        while (at < end) {
                at = skip_unsuspected(at, end, rule, &length);
                again = end - at > LANES ? at + LANES : end; /* what stopped it lies before */
                while (at < end && ((unsigned char) *at & 0xc0) == 0x80)
                        at++; /* of a character that is counted */
                while (at < again) {
                        size_t n = harmless[(unsigned char) *at];
                        uint32_t code;

                        length++;
                        if (n > 0) {
                                at += n;
                                continue;
                        }
                        at = unicode_next(at, &code);
                        if (rule == UNICODE_NAME ? has_no_place_in_name(code)
                                                 : has_no_place_in_text(code)) {
                                *ret_flaw = (struct unicode_flaw){ code, length };
                                return false;
                        }
                }
        }
        *ret_length = length;
        return true;
}

enum unicode_between unicode_between(uint32_t code) {
        if (code == ' ' || code == '\t' || code == 0xa0 || (code >= 0x2000 && code <= 0x200a) ||
            code == 0x202f || code == 0x205f || code == 0x2800 || code == 0x3000)
                return BETWEEN_BLANK;
        if ((code >= '\n' && code <= '\r') || code == 0x85 || code == 0x2028 || code == 0x2029)
                return BETWEEN_LINE;
        if (code == '-' || (code >= 0x2010 && code <= 0x2015) || code == 0x2212 || code == 0xfe58 ||
            code == 0xfe63 || code == 0xff0d)
                return BETWEEN_HYPHEN;
        /* Marks over or around what stands before them (keycaps, strokes) say nothing of their own. */
        if (code == 0xad || (code >= 0x0300 && code <= 0x036f) || code == 0x061c || code == 0x180e ||
            (code >= 0x200b && code <= 0x200f) || (code >= 0x202a && code <= 0x202e) ||
            (code >= 0x2060 && code <= 0x206f) || (code >= 0x20d0 && code <= 0x20ff) || (code >= 0xfe00 && code <= 0xfe0f) ||
            code == 0xfeff || (code >= 0xe0000 && code <= 0xe0fff))
                return BETWEEN_UNSEEN;
        return BETWEEN_NOT;
}

bool unicode_is_blank(const char *text, size_t n_bytes) {
        const char *at = text, *end = text + n_bytes;

        while (at < end) {
                uint32_t code;

                at = unicode_next(at, &code);
                if (code != ' ' && (code < '\t' || code > '\r') && code != 0x85 && code != 0xa0 &&
                    code != 0x1680 && (code < 0x2000 || code > 0x200b) && code != 0x2028 &&
                    code != 0x2029 && code != 0x202f && code != 0x205f && code != 0x3000)
                        return false;
        }
        return true;
}

size_t unicode_cut(const char *text, size_t n_bytes, size_t n_characters) {
        size_t at = 0;

        for (; n_characters > 0 && at < n_bytes; n_characters--)
                at += length_of((unsigned char) text[at]);
        return at < n_bytes ? at : n_bytes;
}

const char *unicode_excerpt(const char *text, size_t n_bytes, size_t n_characters, char *to) {
        const char *at = text, *end = text + n_bytes;
        char *out = to;

        for (; n_characters > 0 && at < end; n_characters--) {
                uint32_t code;
                const char *next = unicode_next(at, &code);
                bool hidden = has_no_place_in_name(code);
                size_t n = hidden ? 3 : (size_t) (next - at);

                memcpy(out, hidden ? "\xef\xbf\xbd" : at, n);
                out += n;
                at = next;
        }
        memcpy(out, at < end ? "…" : "", at < end ? 4 : 1);
        return to;
}

/* Starters that neither decompose nor combine with what stands beside them: Latin and its kin
 * before the first combining mark, Han (but not the compatibility ones), CJK punctuation before
 * its tone marks, full-width forms. Everything else is left to utf8proc. */
static bool is_plainly_nfc(uint32_t code) {
        return code < 0x300 || (code >= 0x2010 && code <= 0x2027) ||
               (code >= 0x3001 && code <= 0x3029) || (code >= 0x3400 && code <= 0x4dbf) ||
               (code >= 0x4e00 && code <= 0x9fff) || (code >= 0xff01 && code <= 0xff60);
}

int unicode_nfc(const char *text, size_t n_bytes, char **ret) {
        const char *at = text, *end = text + n_bytes;
        utf8proc_uint8_t *composed = NULL;
        utf8proc_ssize_t n;
        uint32_t code;

        *ret = NULL;
        while (at < end) {
                const char *next = unicode_next(at, &code);

                if (!is_plainly_nfc(code))
                        break;
                at = next;
        }
        if (at == end)
                return 0;

        n = utf8proc_map((const utf8proc_uint8_t *) text, (utf8proc_ssize_t) n_bytes, &composed,
                         UTF8PROC_STABLE | UTF8PROC_COMPOSE);
        if (n < 0)
                return n == UTF8PROC_ERROR_NOMEM ? -ENOMEM : -EINVAL;
        if ((size_t) n == n_bytes && memcmp(composed, text, n_bytes) == 0) {
                free(composed);
                return 0;
        }
        *ret = (char *) composed;
        return 0;
}
