#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "core/buf.h"
#include "core/ident.h"
#include "core/memory.h"

#define TODAY "2026-11-23"

static void resident_numbers_are_known_by_all_their_parts(void **state) {
        static const struct {
                const char *number;
                bool valid;
        } rows[] = {
                { "11010519491231002X", true },  { "11010519491231002x", true },
                { "360426199101010071", true },  { "530690190001010018", true },
                { "532390190008080241", true },  { "532590190009120357", true },
                { "53069019000101019X", true },  { "530690190001010019", false }, /* check digit */
                { "110105194912310021", false }, { "11010519491331002X", false }, /* month 13 */
                { "360426189101010074", false },                                  /* born 1891 */
                { "590530190003150131", false }, /* no province 59 */
                { "53069019000101001A", false }, { "5306901900010100 8", false },
        };

        (void) state;
        for (size_t i = 0; i < ELEMENTS(rows); i++) {
                print_message("%s\n", rows[i].number);
                assert_int_equal(ident_is_resident_number(rows[i].number, TODAY), rows[i].valid);
        }
}

/* Writes the right check digit behind 17 digits. */
static void close_number(char number[static 19]) {
        static const char checks[] = "0123456789X";

        for (size_t i = 0; checks[i]; i++) {
                number[17] = checks[i];
                if (ident_is_resident_number(number, "9999-12-31"))
                        return;
        }
}

static void numbers_of_before_1999_have_a_region_and_a_birthday(void **state) {
        (void) state;
        assert_true(ident_is_old_resident_number("530690600101001"));
        assert_true(ident_is_old_resident_number("110105491231002"));
        assert_false(ident_is_old_resident_number("530690000229001")); /* 1900 was no leap year */
        assert_false(ident_is_old_resident_number("590690600101001")); /* no province 59 */
        assert_false(ident_is_old_resident_number("530690601301001"));
        assert_false(ident_is_old_resident_number("530690600231001"));
        assert_false(ident_is_old_resident_number("53069060010100X"));
}

static void nobody_is_born_tomorrow(void **state) {
        char number[19] = "530690202611230010";

        (void) state;
        close_number(number);
        assert_true(ident_is_resident_number(number, "2026-11-23"));
        assert_true(ident_is_resident_number(number, "2027-01-01"));
        assert_false(ident_is_resident_number(number, "2026-11-22"));
        assert_false(ident_is_resident_number(number, "2026-10-31"));
        assert_false(ident_is_resident_number(number, "2025-12-31"));
}

static void leap_days_are_days(void **state) {
        char leap[19] = "530690200002290010", none[19] = "530690190002290010";

        (void) state;
        close_number(leap);
        close_number(none);
        assert_true(ident_is_resident_number(leap, TODAY));
        assert_false(ident_is_resident_number(none, TODAY));
}

/* At each place of two sixteens, at the end and with more behind; in texts that hold the same bytes as
 * what is sought, in other places. */
static void a_mark_is_found_wherever_it_stands(void **state) {
        static const char *const fillers[] = { "a", "公", "，", "＃", "密", "寯", "🄐" };

        (void) state;
        for (size_t i = 0; i < ELEMENTS(fillers) * 40 * 2; i++) {
                const char *filler = fillers[i / 80];
                struct buf text = { 0 };

                for (size_t k = 0; k < i / 2 % 40; k++)
                        buf_str(&text, filler);
                assert_null(ident_text_has_secrecy_mark(buf_text(&text), text.len));
                buf_str(&text, "机密★");
                for (size_t k = 0; i % 2 && k < i / 2 % 40; k++)
                        buf_str(&text, filler);
                assert_string_equal(ident_text_has_secrecy_mark(buf_text(&text), text.len), "机密★");
                buf_done(&text);
        }
}

/* Whatever comes, a search is linear. */
static void a_long_text_is_searched_in_no_time(void **state) {
        struct buf text = { 0 };

        (void) state;
        for (int i = 0; i < 300000; i++)
                buf_str(&text, "密");
        assert_null(ident_text_has_secrecy_mark(text.data, text.len));
        buf_reset(&text);
        for (int i = 0; i < 100000; i++)
                buf_str(&text, "秘密  ");
        assert_null(ident_text_has_secrecy_mark(text.data, text.len));
        buf_done(&text);
}

static void credit_codes_are_checked_by_their_last_character(void **state) {
        static const char *const right[] = {
                "11500236008658157Y", "1137078555222300XQ", "11441700007280420Y",
                "12532300431845013T", "113708280043326001", "91110000600037341L",
                "115306909999000628", "115305909999000548", "115323909999000381",
                "115325909999000541", "12530690MB1K2P3Q10", "N2530690MF00000133",
        };
        static const char *const wrong[] = {
                "",
                "1",
                "11500236008658157",
                "11500236008658157YY",
                "11500236008658157y",
                "11500236OO8658157Y",
                "1150023600865815 Y",
                "115002360086581570",
                "1150A236008658157Y",
                "公公公公公公",
        };

        (void) state;
        for (size_t i = 0; i < ELEMENTS(right); i++) {
                char code[19];

                print_message("%s\n", right[i]);
                assert_true(ident_is_credit_code(right[i]));
                /* any one character miscopied shows */
                for (int k = 0; k < 18; k++) {
                        memcpy(code, right[i], sizeof(code));
                        code[k] = code[k] == '4' ? '7' : '4';
                        assert_false(ident_is_credit_code(code));
                }
        }
        for (size_t i = 0; i < ELEMENTS(wrong); i++)
                assert_false(ident_is_credit_code(wrong[i]));
}

static void marks_of_secrecy_are_seen(void **state) {
        static const struct {
                const char *text, *mark;
        } rows[] = {
                { "绝密★", "绝密★" },
                { "机密★20年", "机密★" },
                { "秘密★10年\n腾冲市人民政府文件", "秘密★" },
                { "000001\n机密★1年\n特急\n腾冲市人民政府", "机密★" },
                { "秘密☆一年", "秘密★" },
                { "机 密 ★", "机密★" },
                { "绝　密　★　长期", "绝密★" },
                { "秘\xe2\x80\x8b密★", "秘密★" },
                { "机密*10年", "机密★" },
                { "本件机密★启用前", "机密★" },
                { "密级：机密", "机密" },
                { "文号：腾政发1号 密级：秘密 期限：10年", "秘密" },
                { "密级:绝密", "绝密" },
                { "密 级 ： 机 密", "机密" },
                { "密级：【秘密】", "秘密" },
                { "密级：秘密级", "秘密" },
                { "【机密】关于某事的通知", "机密" },
                { "[秘密]关于某事的通知", "秘密" },
                { "〔绝密〕", "绝密" },
                { "绝密", "绝密" },
                { "  机密  ", "机密" },
                { "（秘密）", "秘密" },
                { "机密 特急", "机密" },
                { "特急\t秘密", "秘密" },
                { "关于某事的通知\n秘密\n各乡镇", "秘密" },
                { "关于某事的通知\r\n机 密\r\n各乡镇", "机密" },
                { "**机密**", "机密" },
                { "绝密级", "绝密" },
                { "商业秘密保护通知\n机密★", "机密★" },
        };

        (void) state;
        for (size_t i = 0; i < ELEMENTS(rows); i++) {
                const char *mark = ident_text_has_secrecy_mark(rows[i].text, strlen(rows[i].text));

                print_message("%s\n", rows[i].text);
                assert_non_null(mark);
                assert_string_equal(mark, rows[i].mark);
        }
}

static void talk_of_secrecy_is_no_mark(void **state) {
        static const char *const rows[] = {
                "",
                "密",
                "本项目涉及商业秘密，不予公开。",
                "商业秘密★",
                "商业秘密\n★ 联系人",
                "国家秘密",
                "保守国家秘密是每个公民的义务",
                "保密",
                "保密审查：已通过",
                "密级：无",
                "密级：公开",
                "密级：绝密、机密、秘密（任选一项）",
                "国家秘密的密级分为绝密、机密、秘密三级。",
                "绝密级国家秘密是最重要的国家秘密",
                "泄露机密的，依法处理",
                "“秘密”",
                "一、秘密\n二、公开",
                "个人秘密",
                "内部资料",
                "机要秘书",
                "秘 书 处 密 切 联系",
                "加密★",
                "亲密★★★★★",
                "绝对保密★",
                "参观秘密花园",
                "秘密花园",
                "密级标准密度",
        };

        (void) state;
        for (size_t i = 0; i < ELEMENTS(rows); i++) {
                const char *mark = ident_text_has_secrecy_mark(rows[i], strlen(rows[i]));

                print_message("%s\n", rows[i]);
                assert_null(mark);
        }
}

static void the_pilot_s_regions_have_names(void **state) {
        (void) state;
        assert_string_equal(ident_region_name("530581"), "腾冲市");
        assert_string_equal(ident_region_name("530000"), "云南省");
        assert_string_equal(ident_region_name("532325"), "姚安县");
        assert_null(ident_region_name("110000"));
        assert_null(ident_region_name(""));
        assert_null(ident_region_name("5305811"));
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(resident_numbers_are_known_by_all_their_parts),
                cmocka_unit_test(numbers_of_before_1999_have_a_region_and_a_birthday),
                cmocka_unit_test(nobody_is_born_tomorrow),
                cmocka_unit_test(leap_days_are_days),
                cmocka_unit_test(a_mark_is_found_wherever_it_stands),
                cmocka_unit_test(a_long_text_is_searched_in_no_time),
                cmocka_unit_test(credit_codes_are_checked_by_their_last_character),
                cmocka_unit_test(marks_of_secrecy_are_seen),
                cmocka_unit_test(talk_of_secrecy_is_no_mark),
                cmocka_unit_test(the_pilot_s_regions_have_names),
        };

        return cmocka_run_group_tests_name("ident", tests, NULL, NULL);
}
