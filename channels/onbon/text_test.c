#include "channels/fake_wild.h"
#include "channels/onbon/fixture.h"
#include "core/fit.h"

static void a_notice_is_one_line(void **state) {
        static const struct {
                const char *story, *data;
                int64_t length;
                const char *text;
        } rows[] = {
                { "the short form that somebody wrote",
                  "{\"title\":\"关于停水的通知\",\"texts\":{\"short\":\"明天停水\"},\"publisher\":"
                  "{\"name\":\"水务局\"}}", 70, "明天停水" },
                { "else the title, and who publishes it",
                  "{\"title\":\"关于停水的通知\",\"publisher\":[{\"name\":\"水务局\"},{\"name\":"
                  "\"城管局\"}]}", 70, "关于停水的通知（水务局、城管局）" },
                { "no publisher where only the title fits",
                  "{\"title\":\"关于停水的通知\",\"publisher\":{\"name\":\"水务局\"}}", 11,
                  "关于停水的通知" },
                { "what fits is not cut", "{\"title\":\"关于停水三天的通知\"}", 9,
                  "关于停水三天的通知" },
                { "what does not fit is cut, and says so", "{\"title\":\"关于停水三天的通知\"}", 8,
                  "关于停水三天的…" },
                { "never inside an amount", "{\"title\":\"补助资金合计12345678元\"}", 9,
                  "补助资金合计…" },
                { "half-width characters take half", "{\"title\":\"ABCDEFGHIJKLMNOP\"}", 8,
                  "ABCDEFGHIJKLMNOP" },
                { "lines and blanks become one blank",
                  "{\"title\":\" 一\\r\\n\\t 二\\u00a0三\\u2028四 \"}", 70, "一 二 三 四" },
                { "the ideographic blank stays", "{\"title\":\"局　长\"}", 70, "局　长" },
                { "a backslash would be a command of the card",
                  "{\"title\":\"\\\\C3假\\\\n\"}", 70, "＼C3假＼n" },
                { "what is not seen goes", "{\"title\":\"停\\u200b水\\ufe0f\\u202e\"}", 70, "停水" },
                { "square metres stay an area", "{\"title\":\"征地500m²，填方30 m³\"}", 70,
                  "征地500平方米，填方30 立方米" },
                { "but not of another unit", "{\"title\":\"2km²\"}", 70, "2km²" },
                { "yen sign, minus and bullet", "{\"title\":\"¥5 −3℃ a•b\"}", 70, "￥5 -3℃ a·b" },
                { "no title: the document's name", "{}", 70, "oa-1" },
        };
        struct board board;

        (void) state;
        board_init(&board);
        for (size_t i = 0; i < ELEMENTS(rows); i++) {
                json_t *event = event_of(rows[i].data);
                struct delivery delivery = delivery_of(&board, &(struct act) { 0 }, event);
                char *text = onbon_text(&delivery, rows[i].length);

                print_message("%s\n", rows[i].story);
                assert_string_equal(text, rows[i].text);
                free(text);
                json_decref(event);
        }
        board_done(&board);
}

static void gbk_is_what_the_font_has(void **state) {
        static const struct {
                const char *story, *text, *gbk, *lost;
        } rows[] = {
                { "ASCII as it is", "A1 %", "A1 %", "" },
                { "two bytes each", "停水", "\xcd\xa3\xcb\xae", "" },
                { "the brackets of a document's number", "〔2026〕", "\xa1\xb2" "2026\xa1\xb3", "" },
                { "beyond GB 2312", "镕", "\xe9\x46", "" },
                { "a box for what is missing, and its name", "\xf0\xa0\xae\xb7野", "\xa1\xf5\xd2\xb0",
                  "\xf0\xa0\xae\xb7" },
                { "each named once", "😀😀䶮😀", "\xa1\xf5\xa1\xf5\xa1\xf5\xa1\xf5", "😀 䶮" },
                { "the euro has no place", "€5", "\xa1\xf5" "5", "€" },
                { "ten are named", "①㈠😀😁😂😃😄😅😆😇😈😉😊",
                  "\xa2\xd9\xa2\xe5\xa1\xf5\xa1\xf5\xa1\xf5\xa1\xf5\xa1\xf5\xa1\xf5\xa1\xf5\xa1\xf5"
                  "\xa1\xf5\xa1\xf5\xa1\xf5", "😀 😁 😂 😃 😄 😅 😆 😇 😈 😉 ……" },
        };

        (void) state;
        for (size_t i = 0; i < ELEMENTS(rows); i++) {
                struct buf gbk = { 0 }, lost = { 0 };

                print_message("%s\n", rows[i].story);
                assert_int_equal(onbon_gbk(rows[i].text, &gbk, &lost), 0);
                assert_string_equal(buf_text(&gbk), rows[i].gbk);
                assert_string_equal(buf_text(&lost), rows[i].lost);
                buf_done(&gbk);
                buf_done(&lost);
        }
}

/* Every two bytes are a character of the font, or one is ASCII; no command but the colour at its beginning. */
static void assert_is_gbk(const char *text) {
        const unsigned char *at = (const unsigned char *) text;

        while (*at) {
                assert_int_not_equal(*at, '\\');
                assert_true(*at >= 0x20 && *at != 0x7f && *at != 0x80 && *at != 0xff);
                if (*at < 0x80) {
                        at++;
                        continue;
                }
                assert_true(at[1] >= 0x40 && at[1] != 0x7f && at[1] != 0xff);
                at += 2;
        }
}

static void ten_thousand_notices_are_within_a_boards_limits(void **state) {
        struct board board;
        uint64_t seed = 1;
        unsigned n_lost = 0;

        (void) state;
        board_init(&board);
        for (unsigned i = 0; i < 10000; i++) {
                struct act act = { 0 };
                json_t *event = wild_event(&seed, 0);
                struct delivery delivery = delivery_of(&board, &act, event);
                struct buf gbk = { 0 }, lost = { 0 };
                int64_t length = 8 + fake_random(&seed, 100);
                char *text = onbon_text(&delivery, length);

                assert_non_null(text);
                assert_true(*text && fit_length(text, strlen(text), FIT_HALVES) <= 2 * (size_t) length);
                assert_int_equal(onbon_gbk(text, &gbk, &lost), 0);
                assert_is_gbk(buf_text(&gbk));
                n_lost += lost.len > 0;
                buf_done(&gbk);
                buf_done(&lost);
                free(text);
                json_decref(event);
        }
        assert_true(n_lost > 1000 && n_lost < 9900);
        board_done(&board);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(a_notice_is_one_line),
                cmocka_unit_test(gbk_is_what_the_font_has),
                cmocka_unit_test(ten_thousand_notices_are_within_a_boards_limits),
        };

        return cmocka_run_group_tests_name("onbon: texts", tests, NULL, NULL);
}
