#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <utf8proc.h>

#include "core/memory.h"
#include "core/unicode.h"

static void utf8_is_what_utf8proc_says_it_is(void **state) {
        unsigned char bytes[4];

        (void) state;
        /* every lead byte with every second byte, and a few third and fourth ones */
        for (unsigned n = 0; n < 256 * 256 * 9 * 5; n++) {
                static const unsigned char thirds[] = { 0,    0x7f, 0x80, 0x8f, 0x90,
                                                        0xbf, 0xc0, 0xfe, 0xff };
                static const unsigned char fourths[] = { 0, 0x7f, 0x80, 0xbf, 0xc0 };
                utf8proc_int32_t code;
                utf8proc_ssize_t theirs;
                size_t ours;

                bytes[0] = (unsigned char) (n & 255);
                bytes[1] = (unsigned char) (n >> 8 & 255);
                bytes[2] = thirds[(n >> 16) % 9];
                bytes[3] = fourths[(n >> 16) / 9];
                if (bytes[0] < 0x80)
                        continue;
                ours = unicode_sequence(bytes, 4);
                theirs = utf8proc_iterate(bytes, 4, &code);
                assert_int_equal(ours, theirs < 0 ? 0 : (size_t) theirs);
                if (ours > 0) {
                        uint32_t decoded;
                        const char *next = unicode_next((const char *) bytes, &decoded);

                        assert_int_equal(decoded, code);
                        assert_ptr_equal(next, bytes + ours);
                        for (size_t room = 0; room < ours; room++) /* cut off */
                                assert_int_equal(room ? unicode_sequence(bytes, room) : 0, 0);
                }
        }
}

static void the_valid_part_is_measured(void **state) {
        static const struct {
                const char *text;
                size_t valid;
        } rows[] = {
                { "", 0 },
                { "abc", 3 },
                { "公开", 6 },
                { "abcdefghij公开abcdefgh", 24 },
                { "abcdefg\xff", 7 },
                { "abcdefgh\xff", 8 },
                { "公\xe5\xbc", 3 },
                { "\x80", 0 },
        };

        (void) state;
        for (size_t i = 0; i < ELEMENTS(rows); i++)
                assert_int_equal(unicode_valid(rows[i].text, strlen(rows[i].text)), rows[i].valid);
}

static size_t write_code(uint32_t code, char to[static 8]) {
        return (size_t) utf8proc_encode_char((utf8proc_int32_t) code, (utf8proc_uint8_t *) to);
}

/* Every code point of the list, at the start, in the middle and at the end. */
static void no_code_point_of_the_list_passes(void **state) {
        static const struct {
                uint32_t first, last;
                bool text_too;
        } ranges[] = {
                { 0x01, 0x08, true },        { 0x09, 0x0a, false },
                { 0x0b, 0x0c, true },        { 0x0e, 0x1f, true },
                { 0x7f, 0x9f, false },       { 0xad, 0xad, false },
                { 0x061c, 0x061c, false },   { 0x115f, 0x1160, false },
                { 0x180e, 0x180e, false },   { 0x200b, 0x200f, false },
                { 0x2028, 0x2029, false },   { 0x202a, 0x202e, true },
                { 0x2060, 0x2064, false },   { 0x2066, 0x2069, true },
                { 0x3164, 0x3164, false },   { 0xe000, 0xf8ff, false },
                { 0xfdd0, 0xfdef, true },    { 0xfe00, 0xfe0f, false },
                { 0xfeff, 0xfeff, false },   { 0xffa0, 0xffa0, false },
                { 0xfff9, 0xfffb, false },   { 0xfffe, 0xffff, true },
                { 0x1fffe, 0x1ffff, true },  { 0xe0000, 0xe01ef, false },
                { 0xf0000, 0xf00ff, false }, { 0x10fffe, 0x10ffff, true },
        };

        (void) state;
        for (size_t i = 0; i < ELEMENTS(ranges); i++)
                for (uint32_t code = ranges[i].first; code <= ranges[i].last; code++)
                        for (size_t at = 0; at < 3; at++) {
                                static const char *const around[] = { "", "公开", "abc" };
                                struct unicode_flaw flaw = { 0, 0 };
                                char text[32], sign[8];
                                size_t n = write_code(code, sign), length = 0;

                                (void) snprintf(text, sizeof(text), "%s%.*s%s", around[at], (int) n,
                                                sign, around[2 - at]);
                                assert_false(unicode_check(text, strlen(text), UNICODE_NAME,
                                                           &length, &flaw));
                                assert_int_equal(flaw.code, code);
                                assert_int_equal(flaw.position, at == 0 ? 1 : at == 1 ? 3 : 4);
                                assert_int_equal(unicode_check(text, strlen(text), UNICODE_TEXT,
                                                               &length, &flaw),
                                                 !ranges[i].text_too);
                        }
}

static void characters_are_counted(void **state) {
        static const struct {
                const char *text;
                size_t length;
        } rows[] = {
                { "", 0 },
                { "abc", 3 },
                { "腾政发〔2026〕1号", 11 },
                { "“全角”，（标点）！", 10 },
                { "𠀀é😀Ω", 4 },
                { "ふりがな 한국어", 8 },
        };

        (void) state;
        for (size_t i = 0; i < ELEMENTS(rows); i++) {
                struct unicode_flaw flaw;
                size_t length = 99, n = strlen(rows[i].text);

                assert_true(unicode_check(rows[i].text, n, UNICODE_NAME, &length, &flaw));
                assert_int_equal(length, rows[i].length);
                assert_int_equal(unicode_cut(rows[i].text, n, rows[i].length), n);
                assert_int_equal(unicode_cut(rows[i].text, n, 1000), n);
        }
        assert_int_equal(unicode_cut("a公b开", 8, 2), 4);
        assert_int_equal(unicode_cut("a公b开", 8, 0), 0);
}

/* What is looked at in sixteens against what is looked at sign by sign: every sign that means
 * something, and its neighbours, at each place of two sixteens and behind. */
static void a_sign_is_seen_wherever_it_stands(void **state) {
        static const uint32_t codes[] = {
                0x01,   0x09,   0x0a,   0x0d,   0x1f,   0x20,   0x7e,   0x7f,    0x80,    0xa9,
                0xad,   0x37f,  0x61c,  0x6ff,  0x800,  0xfff,  0x115f, 0x180e,  0x2010,  0x201c,
                0x2026, 0x2029, 0x202a, 0x202e, 0x202f, 0x2060, 0x2065, 0x2066,  0x2069,  0x206a,
                0x3000, 0x3164, 0xd7ff, 0xe000, 0xfdcf, 0xfdd0, 0xfdef, 0xfdf0,  0xfe0f,  0xfeff,
                0xff0c, 0xffc0, 0xfffd, 0xfffe, 0xffff, 0x10000, 0x1fffe, 0x20000, 0xe0001, 0x10ffff,
        };
        static const char *const fillers[] = { "a", "é", "公", "，", "“", "…", "\n", "😀" };

        (void) state;
        for (size_t i = 0; i < ELEMENTS(codes) * ELEMENTS(fillers) * 2; i++) {
                const char *filler = fillers[i / 2 % ELEMENTS(fillers)];
                uint32_t code = codes[i / 2 / ELEMENTS(fillers)];
                enum unicode_rule rule = i % 2 ? UNICODE_NAME : UNICODE_TEXT;
                size_t n_filler = strlen(filler), n_fills = 40 / n_filler, length = 0, one = 0;
                struct unicode_flaw flaw = { 0, 0 }, other = { 0, 0 };
                bool fits = unicode_check(filler, n_filler, rule, &one, &other);
                char sign[8];
                size_t n_sign = write_code(code, sign);
                bool right = unicode_check(sign, n_sign, rule, &one, &other);

                for (size_t at = 0; fits && at <= n_fills; at++) {
                        char *text freed_by(freep) = malloc(n_fills * n_filler + n_sign), *to = text;

                        assert_non_null(text);
                        for (size_t k = 0; k <= n_fills; k++) {
                                memcpy(to, k == at ? sign : filler, k == at ? n_sign : n_filler);
                                to += k == at ? n_sign : n_filler;
                        }
                        assert_int_equal(unicode_check(text, (size_t) (to - text), rule, &length, &flaw),
                                         right);
                        if (right) {
                                assert_int_equal(length, n_fills + 1);
                        } else {
                                assert_int_equal(flaw.code, code);
                                assert_int_equal(flaw.position, at + 1);
                        }
                }
        }
}

/* Each lane counts to 255 before it is added up. */
static void a_long_text_is_counted(void **state) {
        static const size_t lengths[] = { 1359, 1360, 1361, 1365, 2720, 2725, 100000 };
        size_t n = 3 * 100000, length = 0;
        char *text freed_by(freep) = malloc(n);
        struct unicode_flaw flaw;

        (void) state;
        assert_non_null(text);
        for (size_t i = 0; i < n; i += 3)
                memcpy(text + i, "公", 3);
        for (size_t i = 0; i < ELEMENTS(lengths); i++) {
                assert_true(unicode_check(text, 3 * lengths[i], UNICODE_TEXT, &length, &flaw));
                assert_int_equal(length, lengths[i]);
        }
}

static void white_space_is_blank(void **state) {
        static const char *const blank[] = { "", " ", "\t\r\n", "　", "\xc2\xa0", "\xe2\x80\x83 " };
        static const char *const not_blank[] = { "a", " a", "　公", ".", "·", "—" };

        (void) state;
        for (size_t i = 0; i < ELEMENTS(blank); i++)
                assert_true(unicode_is_blank(blank[i], strlen(blank[i])));
        for (size_t i = 0; i < ELEMENTS(not_blank); i++)
                assert_false(unicode_is_blank(not_blank[i], strlen(not_blank[i])));
}

/* Our short cut past utf8proc must never take a text for NFC that is not. */
static void composing_agrees_with_utf8proc_for_each_code_point(void **state) {
        (void) state;
        for (uint32_t code = 1; code <= 0x10ffff; code++) {
                /* alone, and between two signs that many things combine with */
                for (int between = 0; between <= 1; between++) {
                        char text[32], sign[8], *ours freed_by(freep) = NULL;
                        utf8proc_uint8_t *theirs;
                        size_t n;

                        if (code == 0xd800)
                                code = 0xe000;
                        if (code > 0x3400 && code < 0x9f00 && code % 64)
                                continue;
                        if (code > 0x11000 && code % 61)
                                continue;
                        n = write_code(code, sign);
                        (void) snprintf(text, sizeof(text), "%s%.*s%s", between ? "a" : "", (int) n,
                                        sign, between ? "\xcc\x81" : "");
                        theirs = utf8proc_NFC((const utf8proc_uint8_t *) text);
                        assert_non_null(theirs);
                        assert_int_equal(unicode_nfc(text, strlen(text), &ours), 0);
                        if (strcmp(ours ? ours : text, (const char *) theirs) != 0)
                                fail_msg("U+%04X", code);
                        free(theirs);
                }
        }
}

static void gbk_is_guessed_and_other_bytes_are_not(void **state) {
        static const struct {
                const char *story, *bytes;
                bool looks;
        } rows[] = {
                { "腾冲市人民政府", "\xcc\xda\xb3\xe5\xca\xd0\xc8\xcb\xc3\xf1\xd5\xfe\xb8\xae",
                  true },
                { "JSON around it", "{\"title\":\"\xb9\xab\xbf\xaa\xcd\xa8\xb8\xe6\"}", true },
                { "cut in two", "\xb9\xab\xbf\xaa\xcd", true },
                { "Latin-1", "caf\xe9 au lait", false },
                { "a stray byte", "abc\xff", false },
                { "ASCII", "abc", false },
                { "nothing", "", false },
                { "noise", "\x81\x40\x82\x41\x83\x42\x84\x43", false },
        };

        (void) state;
        for (size_t i = 0; i < ELEMENTS(rows); i++) {
                print_message("%s\n", rows[i].story);
                assert_int_equal(unicode_looks_gb18030(rows[i].bytes, strlen(rows[i].bytes)),
                                 rows[i].looks);
        }
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(utf8_is_what_utf8proc_says_it_is),
                cmocka_unit_test(the_valid_part_is_measured),
                cmocka_unit_test(no_code_point_of_the_list_passes),
                cmocka_unit_test(characters_are_counted),
                cmocka_unit_test(a_sign_is_seen_wherever_it_stands),
                cmocka_unit_test(a_long_text_is_counted),
                cmocka_unit_test(white_space_is_blank),
                cmocka_unit_test(composing_agrees_with_utf8proc_for_each_code_point),
                cmocka_unit_test(gbk_is_guessed_and_other_bytes_are_not),
        };

        return cmocka_run_group_tests_name("unicode", tests, NULL, NULL);
}
