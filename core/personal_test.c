#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/buf.h"
#include "core/memory.h"
#include "core/personal.h"
#include "core/unicode.h"

#define TODAY "2026-11-23"

/* The first two stand in the standard and in a library's manual; the others are of a region that
 * was never given out, born in 1900. */
static const char *const residents[] = {
        "11010519491231002X", "360426199101010071", "530690190001010018", "530590190003150131",
        "532390190008080241", "532590190009120357", "53069019000101019X",
};

static struct personal looked(const char *text) {
        struct personal personal = { 0 };

        personal_look(&personal, text, strlen(text), TODAY);
        return personal;
}

static bool has_number(const char *text) {
        return looked(text).of[PERSONAL_RESIDENT].n > 0;
}

/* One number of this kind, and no other. */
static void assert_one(const char *text, enum personal_kind kind, const char *masked) {
        struct personal personal = looked(text);

        print_message("%s\n", text);
        for (size_t i = 0; i < N_PERSONAL_KINDS; i++)
                assert_int_equal(personal.of[i].n, i == kind);
        if (masked)
                assert_string_equal(personal.of[kind].first[0].masked, masked);
}

static void numbers_are_found_however_they_are_written(void **state) {
        static const char *const rows[] = {
                "530690190001010018",
                "身份证号：530690190001010018。",
                "身份证530690190001010018张三",
                "张三 53069019000101019X",
                "张三 53069019000101019x，",
                "530690 19000101 0018",
                "530690-19000101-0018",
                "530690　19000101　0018",      /* ideographic spaces */
                "5306901900\n01010018",        /* broken over two lines */
                "1\t530690190001010018\t2026", /* a table's row: other numbers beside it */
                "12 530690190001010018 34",
                "2020-530690190001010018",
                "530690190001010018-1",
                "５３０６９０１９０００１０１００１８",
                "５３０６９０１９０００１０１０１９Ｘ",
                "53069019000101\u200b0018", /* zero width space */
                "5\u200d3\u200d0690190001010018",
                "530690190001010\ufeff018",
                "530690\u201319000101\u20140018", /* dashes */
                "530690\u00a0190001010018",
                "530690\u00ad190001010018",
                "53069019000101019 X",
                "5 3 0 6 9 0 1 9 0 0 0 1 0 1 0 0 1 8",
                "ID530690190001010018",
                "111111111111111111 530690190001010018",
                "530690190001010019530690190001010018 530690190001010018",
        };

        (void) state;
        for (size_t i = 0; i < ELEMENTS(rows); i++) {
                print_message("%s\n", rows[i]);
                assert_true(has_number(rows[i]));
        }
        for (size_t i = 0; i < ELEMENTS(residents); i++)
                assert_true(has_number(residents[i]));
}

static void look_alikes_are_left_alone(void **state) {
        static const char *const rows[] = {
                "",
                "没有号码",
                "53069019000101001",
                "5306901900010100180", /* a longer run */
                "0530690190001010018",
                "5306901900010100185306901900010100",
                "530690190001010019", /* check digit */
                "590530190003150131", /* no such province */
                "530690********0018", /* masked, both ways */
                "35*************123",
                "53069019000101019XY", /* goes on */
                "53069019000101019X1",
                "530690190001.010018",
                "530690190001010018530626", /* 24 digits */
                "0871-63609686、12345、96128",
                "13800138000",
                "6222020000000000018", /* cards */
                "6217001234567890122",
                /* social credit codes, real and made up */
                "11500236008658157Y",
                "1137078555222300XQ",
                "11441700007280420Y",
                "12532300431845013T",
                "113708280043326001",
                "91110000600037341L",
                "115306909999000628",
                "115305909999000548",
                "115323909999000381",
                "115325909999000541",
                "12530690MB1K2P3Q10",
                "N2530690MF00000133",
                /* projects: year, region, two classes, serial */
                "2017-530690-19-00-010100",
                "2019-530600-47-03-012345",
                "20195306004703012345",
                /* real estate units, 28 signs */
                "530626001001GB00001F00010001",
                "5306260010010000100000010001",
                "530690190001010018530690190001",
                "索引号 58735799-9-/2020-1113007",
                "01526376-X-/2019-1212001",
                "SC10653062600018",
        };

        (void) state;
        for (size_t i = 0; i < ELEMENTS(rows); i++) {
                print_message("%s\n", rows[i]);
                assert_false(has_number(rows[i]));
        }
}

static void mobile_numbers_are_found_however_they_are_written(void **state) {
        static const char *const rows[] = {
                "13800138000",
                "联系人张三，手机：13800138000。",
                "电话13800138000（微信同号）",
                "张三13800138000李四",
                "tel:13800138000",
                "Tel13800138000",
                "mobile=13800138000",
                "13800138000@139.com",
                "138-0013-8000",
                "138 0013 8000",
                "138.0013.8000",
                "138－0013－8000",
                "138　0013　8000",
                "138-00138000",
                "1380013-8000",
                "+86 138 0013 8000",
                "+86-13800138000",
                "8613800138000",
                "+8613800138000",
                "008613800138000",
                "013800138000",
                "0875-13800138000",
                "1 3 8 0 0 1 3 8 0 0 0",
                "１３８００１３８０００",
                "１３８-００１３-８０００",
                "138００1３8000",
                "①③⑧⓪⓪①③⑧⓪⓪⓪",
                "①13800138000", /* a list's sign, not its first digit */
                "⑩13800138000",
                "13800138000²", /* a footnote's */
                "100m²13800138000",
                "¹³⁸⁰⁰¹³⁸⁰⁰⁰",
                "₁₃₈₀₀₁₃₈₀₀₀",
                "𝟏𝟑𝟖𝟎𝟎𝟏𝟑𝟖𝟎𝟎𝟎",
                "❶❸❽⓿⓿❶❸❽⓿⓿⓿",
                "⒈13800138000",
                "1.13800138000",
                "1. 13800138000",
                "1\u200d3800\u200b138000",
                "138\u00ad00138000",
                "138\ufe0f00138000",
                "138\u206000138000", /* word joiner */
                "138\u200e00138000", /* left-to-right mark */
                "138\u034f00138000", /* combining grapheme joiner */
                "138\u061c00138000",
                "138\u206300138000", /* invisible separator */
                "138\u180e00138000",
                "138\U000e010000138000",
                "1\ufe0f\u20e33\ufe0f\u20e38\ufe0f\u20e30\ufe0f\u20e30\ufe0f\u20e31\ufe0f\u20e33\ufe0f\u20e38\ufe0f\u20e30\ufe0f\u20e30\ufe0f\u20e30\ufe0f\u20e3", /* keycaps */
                "138\u20090013\u20098000",
                "138\u202f0013\u202f8000",
                "138\u20070013\u20078000",
                "电话：1380013\n8000",
                "电话：1380013\r\n8000",
                "电话：138-0013-\n8000",
                "0871-63609686/13800138000",
                "序号 1 138 0013 8000",
                "甲 2026 13800138000 5", /* one run: cells beside it do not matter */
                "甲,13800138000,乙",
                "\"13800138000\"",
                "19900000001",
                "2026-11-29-13800138000",
        };

        (void) state;
        for (size_t i = 0; i < ELEMENTS(rows); i++)
                assert_one(rows[i], PERSONAL_MOBILE, NULL);
}

static void what_is_no_mobile_number_is_left_alone(void **state) {
        static const char *const rows[] = {
                "138****8000",
                "138xxxx8000",
                "138××××8000",
                "138＊＊＊＊8000",
                "1380013****",
                "1380013XXXX",
                "12800138000", /* never given out */
                "15400138000",
                "1380013800",    /* ten */
                "138001380001",  /* twelve */
                "20261380013800013",
                "0871-63609686",
                "08716360968613",
                "96128、12345",
                "400-123-4567",
                "订单号：13800138000",
                "编号 13800138000",
                "第13800138000号",
                "流水号：13800138000",
                "SC13800138000",
                "13800138000KG",
                "2026-530581-13800138000",
                "13800138000-2026",
                "13800138000元",
                "13800138000 元",
                "13800138000万元",
                "￥13800138000",
                "15000000000", /* an amount */
                "13800138000.50",
                "13,800,138,000",
                "98.13800138000",
                "0.13800138000",
                "/upload/13800138000.jpg",
                "https://a.gov.cn/art/13800138000.html",
                "http://a.gov.cn/x/13800138000",
                "?id=13800138000",
                "138 2024 1200 1350", /* a table's row */
                "1120 138 2024 1200",
                "1500 2300 120",
                "138\n2024\n1200", /* a column */
                "15000\n120000",
                "138\t0013\t8000",
                "138  0013  8000",
                "2609-532502-04-01-000123",
                "115306909999000628",
                "91530581MA6K0WXY0D",
                "2026-11-29 13:80",
                "13800，138000",
                "13800/138000",
        };

        (void) state;
        for (size_t i = 0; i < ELEMENTS(rows); i++) {
                struct personal personal = looked(rows[i]);

                print_message("%s\n", rows[i]);
                assert_true(personal_is_empty(&personal));
        }
}

static void cards_are_found_however_they_are_written(void **state) {
        static const char *const rows[] = {
                "6222020000000000018",
                "账号：6217001234567890122（张三）",
                "6222 0200 0000 0000 018",
                "6222-0200-0000-0000-018",
                "622202 0000000000018",
                "６２２２０２０００００００００００１８",
                "账号：62220200000\n00000018",
                "4111111111111111",
                "4111 1111 1111 1111",
                "5555555555554444",
                "2223003122003222",
                "3530111333300000",
                "378282246310005",
                "4222222222222",
                "6 2 2 2 0 2 0 0 0 0 0 0 0 0 0 0 0 1 8",
                "6222\u200b020000000000018",
                /* by ISO/IEC 7812's first digit: banks' cards of before UnionPay, and national ones */
                "4367421234567890129",
                "60142812345678909",
                "9558801234567890128",
                "9559912345678901234",
                "6033671234567890122",
                "9400123456789012",
        };

        (void) state;
        for (size_t i = 0; i < ELEMENTS(rows); i++)
                assert_one(rows[i], PERSONAL_CARD, NULL);
}

static void what_is_no_card_is_left_alone(void **state) {
        static const char *const rows[] = {
                "6222020000000000019", /* Luhn */
                "622202000000000001",
                "7222020000000000017", /* no bank's first digit */
                "7123456789012342",
                "915305810123456785", /* credit codes of digits alone have 18 */
                "515305810123456783",
                "412345678901233", /* 15 digits */
                "912345678901234560",   /* 18 */
                "8222020000000000016",
                "6222 **** **** 0018",
                "6222************018",
                "5305**********1234",
                "62220200000000000181", /* a longer run */
                "XM6222020000000000018",
                "编号：6222020000000000018",
                "项目代码：6222020000000000018",
                "2026-6222020000000000018",
                "6222020000000000018-01",
                "6222020000000000018.5",
                "6222020000000000018.pdf",
                "4201002026112900009",
                "4111 1111 1111 1111 2345 1234", /* a table's row */
                "62220200000\n00000018",
        };

        (void) state;
        for (size_t i = 0; i < ELEMENTS(rows); i++) {
                struct personal personal = looked(rows[i]);

                print_message("%s\n", rows[i]);
                assert_true(personal_is_empty(&personal));
        }
        /* Gansu's regions begin with 62: of region, day and serial none is a card, whatever its check. */
        for (int i = 0; i < 1000; i++) {
                char text[32];

                (void) snprintf(text, sizeof(text), "62010020261129%05d", i);
                assert_false(personal_is_card(text, 19));
        }
}

static void numbers_of_before_1999_are_found(void **state) {
        (void) state;
        assert_one("身份证：530690600101001", PERSONAL_RESIDENT, "5306*********01");
        assert_one("530690-600101-001", PERSONAL_RESIDENT, NULL);
        assert_one("５３０６９０６００１０１００１", PERSONAL_RESIDENT, NULL);
        assert_int_equal(looked("注册号：530690600101001").of[PERSONAL_RESIDENT].n, 0);
        assert_int_equal(looked("530690601301001").of[PERSONAL_RESIDENT].n, 0);
        assert_int_equal(looked("530690610229001").of[PERSONAL_RESIDENT].n, 0); /* 1961 was no leap year */
        assert_int_equal(looked("530690600229001").of[PERSONAL_RESIDENT].n, 1);
        assert_int_equal(looked("530690600230001").of[PERSONAL_RESIDENT].n, 0);
        assert_int_equal(looked("530690600001001").of[PERSONAL_RESIDENT].n, 0);
        assert_int_equal(looked("53069\u200b0600101001").of[PERSONAL_RESIDENT].n, 1);
        assert_int_equal(looked("5306*********01").of[PERSONAL_RESIDENT].n, 0);
        assert_int_equal(looked("5306906001010011").of[PERSONAL_RESIDENT].n, 0);
        assert_int_equal(looked("SC530690600101001").of[PERSONAL_RESIDENT].n, 0);
        assert_int_equal(looked("530690 600101 001").of[PERSONAL_RESIDENT].n, 0);
        assert_int_equal(looked("530690600101001-2").of[PERSONAL_RESIDENT].n, 1);
        assert_int_equal(looked("530690600101001-23").of[PERSONAL_RESIDENT].n, 0);
}

static void a_find_is_told_masked_with_its_line_and_counted(void **state) {
        struct personal personal = looked("甲 13800138000\n乙 138-0013-8001\n丙\n丁13800138002、13800138003\n"
                                          "张三 53069019000101019x，卡 6222 0200 0000 0000 018");

        (void) state;
        assert_int_equal(personal.of[PERSONAL_MOBILE].n, 4);
        assert_string_equal(personal.of[PERSONAL_MOBILE].first[0].masked, "138****8000");
        assert_string_equal(personal.of[PERSONAL_MOBILE].first[1].masked, "138****8001");
        assert_string_equal(personal.of[PERSONAL_MOBILE].first[2].masked, "138****8002");
        assert_int_equal(personal.of[PERSONAL_MOBILE].first[0].line, 1);
        assert_int_equal(personal.of[PERSONAL_MOBILE].first[1].line, 2);
        assert_int_equal(personal.of[PERSONAL_MOBILE].first[2].line, 4);
        assert_int_equal(personal.of[PERSONAL_RESIDENT].n, 1);
        assert_string_equal(personal.of[PERSONAL_RESIDENT].first[0].masked, "5306************9X");
        assert_int_equal(personal.of[PERSONAL_RESIDENT].first[0].line, 5);
        assert_int_equal(personal.of[PERSONAL_CARD].n, 1);
        assert_string_equal(personal.of[PERSONAL_CARD].first[0].masked, "6222***********0018");
}

/* At each place of two sixteens, at the end and with more behind; in texts that hold the same bytes as
 * what is sought, in other places. */
static void a_number_is_found_wherever_it_stands(void **state) {
        static const char *const fillers[] = { "a ", "公", "，", "＃", "密", "寯", "🄐", "℃", "²" };
        static const char *const numbers[] = { "530690190001010018", "５３０６９０１９０００１０１００１８",
                                               "5306 9019 0001 0100 18", "13800138000", "①③⑧⓪⓪①③⑧⓪⓪⓪" };

        (void) state;
        for (size_t i = 0; i < ELEMENTS(fillers) * 40 * 2; i++) {
                const char *filler = fillers[i / 80];
                struct buf before = { 0 }, text = { 0 };
                struct personal personal;

                for (size_t k = 0; k < i / 2 % 40; k++)
                        buf_str(&before, filler);
                buf_str(&before, "。");
                for (size_t k = 0; k < ELEMENTS(numbers); k++) {
                        buf_reset(&text);
                        buf_str(&text, buf_text(&before));
                        buf_str(&text, numbers[k]);
                        buf_str(&text, i % 2 ? "。" : "");
                        buf_str(&text, i % 2 ? buf_text(&before) : "");
                        personal = looked(buf_text(&text));
                        assert_int_equal(personal.of[k < 3 ? PERSONAL_RESIDENT : PERSONAL_MOBILE].n, 1);
                }
                personal = looked(buf_text(&before));
                assert_true(personal_is_empty(&personal));
                buf_done(&before);
                buf_done(&text);
        }
}

/* Whatever digits, gaps and letters come, a search is linear: these texts have a gap at each place, and
 * a number that nearly is one. */
static void a_long_text_of_digits_is_searched_in_no_time(void **state) {
        static const char *const pieces[] = { "1 ", "0-", "1\u200b", "①1", "6222 ", "13800138001 x ", "1.",
                                              "13900139000-", "\n", "5", "编号：13800138000" };
        struct buf text = { 0 };

        (void) state;
        for (size_t k = 0; k < ELEMENTS(pieces); k++) {
                struct personal personal = { 0 };

                buf_reset(&text);
                while (text.len < (4 << 20))
                        buf_str(&text, pieces[k]);
                personal_look(&personal, text.data, text.len, TODAY);
        }
        buf_done(&text);
}

/* -- texts made by chance: nothing is read beyond them, and what is looked for is found ----------------- */

static uint64_t seed;

static size_t below(size_t n) {
        uint64_t z = (seed += UINT64_C(0x9e3779b97f4a7c15)); /* SplitMix64 */

        z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
        z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
        return (size_t) ((z ^ z >> 31) % n);
}

static void texts_made_by_chance_do_no_harm(void **state) {
        static const char *const pieces[] = {
                "1", "3", "8", "0", "62", "4111", "138", "0013", "8000", "13800138000", "53069019000101001",
                "x", "X", "Ｘ", "１", "①", "⑩", "²", "𝟏", "⒈", " ", "  ", "-", "－", ".", "\n", "\r\n", "\t", "_",
                "\u200b", "编号：", "第", "号", "元", "，", "张三", "a", "/", "=", "tel", "|", "*", "🄐", "㋿",
        };
        struct buf text = { 0 };

        (void) state;
        for (seed = 1; seed < 3; seed++)
                for (int i = 0; i < 30000; i++) {
                        struct personal personal = { 0 };
                        char *exact;

                        buf_reset(&text);
                        for (size_t n = below(60); n > 0; n--)
                                buf_str(&text, pieces[below(ELEMENTS(pieces))]);
                        exact = malloc(text.len ? text.len : 1); /* so that ASan sees a byte too far */
                        assert_non_null(exact);
                        memcpy(exact, buf_text(&text), text.len);
                        personal_look(&personal, exact, text.len, TODAY);
                        free(exact);
                        for (size_t k = 0; k < N_PERSONAL_KINDS; k++)
                                for (size_t f = 0; f < personal.of[k].n && f < PERSONAL_KEPT; f++)
                                        assert_non_null(strstr(personal.of[k].first[f].masked, "****"));
                }
        buf_done(&text);
}

/* Each number given out stands alone between Han characters, in a form drawn by lot. */
static void every_number_in_any_form_is_found(void **state) {
        static const char *const digits[][10] = {
                { "0", "1", "2", "3", "4", "5", "6", "7", "8", "9" },
                { "０", "１", "２", "３", "４", "５", "６", "７", "８", "９" },
                { "⓪", "①", "②", "③", "④", "⑤", "⑥", "⑦", "⑧", "⑨" },
                { "⁰", "¹", "²", "³", "⁴", "⁵", "⁶", "⁷", "⁸", "⁹" },
        };
        struct buf text = { 0 };

        (void) state;
        seed = 7;
        for (int i = 0; i < 20000; i++) {
                struct personal personal;
                char number[12] = "13";

                number[1] = (char) ('3' + 5 * below(2));
                for (size_t k = 2; k < 11; k++)
                        number[k] = (char) ('0' + below(10));
                if (strcmp(number + 5, "000000") == 0)
                        continue;
                buf_reset(&text);
                buf_str(&text, "张三");
                for (size_t k = 0; k < 11; k++) {
                        buf_str(&text, digits[below(8) < 5 ? 0 : 1 + below(3)][number[k] - '0']);
                        if (below(6) == 0)
                                buf_str(&text, "\u200b");
                }
                buf_str(&text, "李四");
                personal = looked(buf_text(&text));
                assert_int_equal(personal.of[PERSONAL_MOBILE].n, 1);
        }
        buf_done(&text);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(numbers_are_found_however_they_are_written),
                cmocka_unit_test(look_alikes_are_left_alone),
                cmocka_unit_test(mobile_numbers_are_found_however_they_are_written),
                cmocka_unit_test(what_is_no_mobile_number_is_left_alone),
                cmocka_unit_test(cards_are_found_however_they_are_written),
                cmocka_unit_test(what_is_no_card_is_left_alone),
                cmocka_unit_test(numbers_of_before_1999_are_found),
                cmocka_unit_test(a_find_is_told_masked_with_its_line_and_counted),
                cmocka_unit_test(a_number_is_found_wherever_it_stands),
                cmocka_unit_test(a_long_text_of_digits_is_searched_in_no_time),
                cmocka_unit_test(texts_made_by_chance_do_no_harm),
                cmocka_unit_test(every_number_in_any_form_is_found),
        };

        return cmocka_run_group_tests_name("personal", tests, NULL, NULL);
}
