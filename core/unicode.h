/* What our rooms need to know of Unicode: is it UTF-8, which code points have no place in a name or
 * a text, how many characters is it, and its composed form (NFC, by utf8proc). Linear time. */
#ifndef CORE_UNICODE_H
#define CORE_UNICODE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Length of the well-formed sequence at `bytes`, whose first byte is 0x80 or more; 0 when it is
 * none. The bounds are those of table 3-7 of the Unicode standard. */
static inline size_t unicode_sequence(const void *bytes, size_t room) {
        const unsigned char *at = bytes;
        unsigned char lead = at[0];

        if (lead < 0xc2 || lead > 0xf4 || room < 2 || (at[1] & 0xc0) != 0x80)
                return 0;
        if (lead < 0xe0)
                return 2;
        if (room < 3 || (at[2] & 0xc0) != 0x80)
                return 0;
        if (lead < 0xf0) {
                if ((lead == 0xe0 && at[1] < 0xa0) || (lead == 0xed && at[1] > 0x9f))
                        return 0; /* overlong, surrogate */
                return 3;
        }
        if (room < 4 || (at[3] & 0xc0) != 0x80)
                return 0;
        if ((lead == 0xf0 && at[1] < 0x90) || (lead == 0xf4 && at[1] > 0x8f))
                return 0;
        return 4;
}

/* How many bytes at the start are well-formed UTF-8 (RFC 3629: no overlong form, no surrogate,
 * nothing above U+10FFFF); n_bytes when all are. */
size_t unicode_valid(const void *bytes, size_t n_bytes);

/* Bytes that are not UTF-8, but would be Chinese text in GB18030 (or GBK, GB2312). A guess, good
 * enough for a hint in an error. Looks at the first 64 KiB. */
bool unicode_looks_gb18030(const void *bytes, size_t n_bytes);

/* The code point at `at` of valid UTF-8, and where the next one starts. */
const char *unicode_next(const char *at, uint32_t *ret);
/* The one before `at`, and where it starts; 0 at the text's start. */
const char *unicode_previous(const char *start, const char *at, uint32_t *ret);

enum unicode_rule {
        /* What identifies or heads a document, on one line: no control, format, bidi, zero-width,
         * line-separating, filling, private-use or non-character code point, no tag, no variation
         * selector. Two names that look alike could differ by these, or hide their end. */
        UNICODE_NAME,
        /* Running text: no C0 control but tab and line ends, no bidi embedding, override or
         * isolate (CVE-2021-42574), no noncharacter (XML 1.0 cannot carry U+FFFE). */
        UNICODE_TEXT,
};

struct unicode_flaw {
        uint32_t code;
        size_t position; /* in characters, from 1 */
};

/* Looks through valid UTF-8 and counts its characters (code points). False at the first code point
 * that the rule forbids; *ret_flaw says which and where, *ret_length is then not set. */
bool unicode_check(const char *text, size_t n_bytes, enum unicode_rule rule, size_t *ret_length,
                   struct unicode_flaw *ret_flaw);

/* What may stand between the digits of one number, or the characters of one mark. */
enum unicode_between {
        BETWEEN_NOT,
        BETWEEN_UNSEEN, /* zero width, soft hyphen, variation selectors */
        BETWEEN_BLANK,  /* of any width; a tab */
        BETWEEN_LINE,   /* a line's end */
        BETWEEN_HYPHEN, /* and dashes, minus */
};
enum unicode_between unicode_between(uint32_t code);

/* Nothing but white space, the ideographic one included. True of an empty text. */
bool unicode_is_blank(const char *text, size_t n_bytes);

/* The bytes that the first `n_characters` take. */
size_t unicode_cut(const char *text, size_t n_bytes, size_t n_characters);

/* A stranger's text as a sentence may repeat it: its first `n_characters` and "…" where there are
 * more, and for each that has no place in a name U+FFFD. `to` has UNICODE_EXCERPT(n) bytes. */
#define UNICODE_EXCERPT(n_characters) (4 * (n_characters) + 4)
const char *unicode_excerpt(const char *text, size_t n_bytes, size_t n_characters, char *to);

/* *ret becomes the text's NFC, to be freed, or NULL where the text is NFC as it stands. Cap the
 * length first: sorting a long run of combining marks is not linear in utf8proc. -ENOMEM. */
int unicode_nfc(const char *text, size_t n_bytes, char **ret);

#endif
