#include "channels/site/fixture.h"

static void a_body_is_dressed_like_an_official_paper(void **state) {
        static const struct {
                const char *story, *html, *wanted;
        } rows[] = {
                { "plain text stays", "<p>一</p>\n<p>二。</p>\n", "<p>一</p>\n<p>二。</p>\n" },
                { "addressee", "<p>各乡镇：</p><p>二</p>", "<p class=\"to\">各乡镇：</p><p>二</p>" },
                { "a colon further down is none", "<p>一</p><p>如下：</p>", "<p>一</p><p>如下：</p>" },
                { "signature and date", "<p>正文。</p>\n<p>水务局</p>\n<p>二〇二六年十一月二日</p>\n",
                  "<p>正文。</p>\n<p class=\"sign\">水务局</p>\n"
                  "<p class=\"sign\">二〇二六年十一月二日</p>\n" },
                { "signature and date in one paragraph", "<p>水务局<br>\n二〇二六年十一月二日</p>",
                  "<p class=\"sign\">水务局<br>\n二〇二六年十一月二日</p>" },
                { "a date alone", "<p>正文。</p><p>2026 年 11 月 2 日</p>",
                  "<p>正文。</p><p class=\"sign\"><span class=\"whole\">2026 年 11 月 2 日</span></p>" },
                { "a sentence with a date is none", "<p>定于二〇二六年十一月二日。</p>",
                  "<p>定于二〇二六年十一月二日。</p>" },
                { "a wide table gets a box", "<table><tr><td>1</td></tr></table>",
                  "<div class=\"wide\" role=\"region\" aria-label=\"表格 1\" tabindex=\"0\">"
                  "<table><tr><td>1</td></tr></table></div>" },
                { "headings of columns and of rows say which they are",
                  "<table><thead><tr><th>a</th></tr></thead><tbody><tr><th colspan=\"2\">b</th>"
                  "</tr></tbody></table>",
                  "<div class=\"wide\" role=\"region\" aria-label=\"表格 1\" tabindex=\"0\">"
                  "<table><thead><tr><th scope=\"col\">a</th></tr></thead><tbody><tr>"
                  "<th scope=\"row\" colspan=\"2\">b</th></tr></tbody></table></div>" },
                { "a table inside a table shares it",
                  "<table><tr><td><table></table></td></tr></table>",
                  "<div class=\"wide\" role=\"region\" aria-label=\"表格 1\" tabindex=\"0\">"
                  "<table><tr><td><table></table></td></tr></table></div>" },
                { "a document number holds together", "<p>按云政办发〔2017〕90号办</p>",
                  "<p>按云政办发<span class=\"whole\">〔2017〕90号</span>办</p>" },
                { "so does a date", "<p>定于 2026 年 1 月 20 日，2027年3月底前</p>",
                  "<p>定于 <span class=\"whole\">2026 年 1 月 20 日</span>，"
                  "<span class=\"whole\">2027年3月</span>底前</p>" },
                { "a year, a long number and a wrong date do not",
                  "<p>2026年 12026年1月 2026年123月</p>",
                  "<p>2026年 12026年1月 2026年123月</p>" },
                { "what only looks like one does not", "<p>〔2017〕号 〔17〕9号 〔</p>",
                  "<p>〔2017〕号 〔17〕9号 〔</p>" },
                { "an attribute is left alone", "<a title=\"〔2017〕90号 > <p>\">x</a>",
                  "<a title=\"〔2017〕90号 > <p>\">x</a>" },
                { "broken markup ends", "<p", "<p" },
                { "nothing", "", "" },
        };

        (void) state;
        for (size_t i = 0; i < ELEMENTS(rows); i++) {
                struct buf dressed = { 0 };

                print_message("%s\n", rows[i].story);
                assert_int_equal(body_dress(rows[i].html, &dressed), 0);
                assert_string_equal(buf_text(&dressed), rows[i].wanted);
                buf_done(&dressed);
        }
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(a_body_is_dressed_like_an_official_paper),
        };

        return cmocka_run_group_tests_name("site body", tests, NULL, NULL);
}
