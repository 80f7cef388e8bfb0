#include "channels/site/fixture.h"

static void file_names_are_tame(void **state) {
        static const struct {
                const char *name, *wanted;
        } rows[] = {
                { "报告.pdf", "aaaaaaaa-报告.pdf" },
                { "../../etc/passwd", "aaaaaaaa-passwd.bin" },
                { "C:\\temp\\表 1.XLSX", "aaaaaaaa-表-1.XLSX" },
                { "..", "aaaaaaaa-attachment.bin" },
                { "", "aaaaaaaa-attachment.bin" },
                { ".htaccess", "aaaaaaaa-htaccess.bin" },
                { "evil.html", "aaaaaaaa-evil.html.bin" },
                { "evil.svg", "aaaaaaaa-evil.svg.bin" },
                { "evil.pdf.shtml", "aaaaaaaa-evil.pdf.shtml.bin" },
                { "a\"b<c>'d`e&f#g%h?i.pdf", "aaaaaaaa-abcdefghi.pdf" },
                { "a\nb\x7F\xE2\x80\xAE.pdf", "aaaaaaaa-a-b-.pdf" },
        };

        (void) state;
        for (size_t i = 0; i < ELEMENTS(rows); i++) {
                char *name = file_name_safe(rows[i].name, DIGEST_A);

                print_message("%s\n", rows[i].wanted);
                assert_string_equal(name, rows[i].wanted);
                free(name);
        }
}

static void a_very_long_file_name_fits_and_keeps_its_kind(void **state) {
        struct buf name = { 0 };
        char *safe;

        (void) state;
        for (int i = 0; i < 400; i++)
                buf_str(&name, "长");
        buf_str(&name, ".docx");
        safe = file_name_safe(buf_text(&name), DIGEST_A);
        assert_true(strlen(safe) < 200);
        assert_string_equal(safe + strlen(safe) - 5, ".docx");
        free(safe);
        buf_done(&name);
}

static void only_web_addresses_are_linked(void **state) {
        static const struct {
                const char *url;
                bool web, address;
        } rows[] = {
                { "https://www.example.gov.cn", true, true },
                { "http://10.0.0.1:8080/portal", true, true },
                { "https://www.example.gov.cn/", true, false },
                { "https://www.example.gov.cn/?a=1", true, false },
                { "https://user@example.cn", true, false },
                { "HTTPS://EXAMPLE.CN", true, true },
                { "javascript:alert(1)", false, false },
                { "data:text/html,x", false, false },
                { "//example.cn", false, false },
                { "https://", false, false },
                { "https:///path", false, false },
                { "https://a b", false, false },
                { "https://a\"onclick=x", false, false },
                { "https://a\nb", false, false },
                { "", false, false },
                { NULL, false, false },
        };

        (void) state;
        for (size_t i = 0; i < ELEMENTS(rows); i++) {
                print_message("%s\n", rows[i].url ? rows[i].url : "(none)");
                assert_int_equal(url_is_web(rows[i].url), rows[i].web);
                assert_int_equal(url_is_address(rows[i].url), rows[i].address);
        }
}

static void joiners_stay_where_something_is_joined(void **state) {
        static const struct {
                const char *story, *text, *wanted;
        } rows[] = {
                { "a family", "\U0001f468\u200d\U0001f469\u200d\U0001f467补贴",
                  "\U0001f468\u200d\U0001f469\u200d\U0001f467补贴" },
                { "a sign upon a person", "\U0001f469\u200d\u2695\ufe0f", "\U0001f469\u200d\u2695\ufe0f" },
                { "a flag with a selector", "\U0001f3f3\ufe0f\u200d\U0001f308",
                  "\U0001f3f3\ufe0f\u200d\U0001f308" },
                { "Uyghur", "\u0645\u200c\u06be", "\u0645\u200c\u06be" },
                { "Mongolian", "\u182d\u200d\u1820", "\u182d\u200d\u1820" },
                { "within a Chinese word", "法\u200d轮\u200c公告", "法轮公告" },
                { "within a number", "1\u200d3\u200c8", "138" },
                { "at the beginning and the end", "\u200d\U0001f468\u200d", "\U0001f468" },
                { "two of them", "\U0001f468\u200d\u200d\U0001f469", "\U0001f468\u200d\U0001f469" },
                { "another that nobody sees", "\U0001f468\u200b\U0001f469", "\U0001f468\U0001f469" },
        };

        (void) state;
        for (size_t i = 0; i < ELEMENTS(rows); i++) {
                char *line = one_line(rows[i].text);

                print_message("%s\n", rows[i].story);
                assert_string_equal(line, rows[i].wanted);
                free(line);
        }
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(joiners_stay_where_something_is_joined),
                cmocka_unit_test(file_names_are_tame),
                cmocka_unit_test(a_very_long_file_name_fits_and_keeps_its_kind),
                cmocka_unit_test(only_web_addresses_are_linked),
        };

        return cmocka_run_group_tests_name("site names", tests, NULL, NULL);
}
