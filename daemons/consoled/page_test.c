#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "core/memory.h"
#include "daemons/consoled/page.h"
#include "daemons/consoled/pulse.h"
#include "daemons/consoled/server.h"

static void only_a_name_of_this_machine_is_answered(void **state) {
        static char listen[] = "127.0.0.7:5580", host[] = "gongkai.example.gov.cn";
        char *hosts[] = { host };
        const struct config config = { .console_listen = listen, .console_hosts = { hosts, 1 } };
        static const struct {
                const char *host;
                bool known;
        } rows[] = {
                { "localhost", true },
                { "LocalHost:5580", true },
                { "127.0.0.1:5580", true },
                { "[::1]:5580", true },
                { "[::1]", true },
                { "127.0.0.7:5580", true },
                { "gongkai.example.gov.cn", true },
                { "gongkai.example.gov.cn:443", true },
                { NULL, false },
                { "", false },
                { "evil.example", false },
                { "localhost.evil.example", false },
                { "127.0.0.1.evil.example:5580", false },
                { "127.0.0.1:5580.evil.example", false },
                { "evil.example:127", false },
                { "[::1].evil.example", false },
                { "[::1", false },
                { "gongkai.example.gov.cn.evil.example", false },
                { "127.0.0.8:5580", false },
        };

        (void) state;
        for (size_t i = 0; i < ELEMENTS(rows); i++)
                if (server_knows_host(&config, rows[i].host) != rows[i].known)
                        fail_msg("%s", rows[i].host ? rows[i].host : "(none)");
}

static void only_web_addresses_become_links(void **state) {
        static const char *const bad[] = { NULL,
                                           "",
                                           "javascript:alert(1)",
                                           "JAVASCRIPT:alert(1)",
                                           "data:text/html,x",
                                           " https://example.org",
                                           "//example.org",
                                           "file:///etc/passwd" };

        (void) state;
        assert_string_equal(page_outside("https://example.org/a?b"), "https://example.org/a?b");
        assert_string_equal(page_outside("http://127.0.0.1:8080/"), "http://127.0.0.1:8080/");
        for (size_t i = 0; i < ELEMENTS(bad); i++)
                assert_null(page_outside(bad[i]));
}

static void an_address_keeps_what_a_name_has_in_it(void **state) {
        struct request request = { .language = CHINESE };
        json_t *href = page_href(&request, "/document/530581/a/b ?#\"<&", "q", "公告 &x=1", "none",
                                 "", NULL);

        (void) state;
        assert_string_equal(
                json_string_value(href),
                "/document/530581/a/b%20%3F%23%22%3C%26?q=%E5%85%AC%E5%91%8A%20%26x%3D1");
        json_decref(href);
        request.language = ENGLISH;
        href = page_href(&request, "/", NULL);
        assert_string_equal(json_string_value(href), "/?lang=en");
        json_decref(href);
}

static void a_span_is_said_in_its_greatest_unit(void **state) {
        static const struct {
                int64_t ms;
                const char *text;
        } rows[] = { { 0, "0 秒" },         { 250, "0.2 秒" },    { 59000, "59 秒" },
                     { 119000, "119 秒" },  { 120000, "2 分钟" }, { 7200000, "2 小时" },
                     { 172800000, "2 天" }, { -5, "0 秒" } };

        (void) state;
        for (size_t i = 0; i < ELEMENTS(rows); i++) {
                char *text = page_span(rows[i].ms);

                assert_string_equal(text, rows[i].text);
                free(text);
        }
}

static void a_large_number_is_read_in_groups(void **state) {
        static const struct {
                int64_t n;
                const char *text;
        } rows[] = { { 0, "0" },
                     { 999, "999" },
                     { 1000, "1,000" },
                     { 1234567, "1,234,567" },
                     { -1000, "-1,000" } };

        (void) state;
        for (size_t i = 0; i < ELEMENTS(rows); i++) {
                json_t *text = page_count(rows[i].n);

                assert_string_equal(json_string_value(text), rows[i].text);
                json_decref(text);
        }
}

/* What core/store.lua makes: class * 3e11 + day * 1.5e7 + 2 * (four minutes since 2020). */
static void a_score_tells_age_and_legal_day(void **state) {
        const int64_t epoch = INT64_C(1577836800000), step = 240000, day = 86400000;
        static const struct {
                int class, day, steps; /* day -1: none */
        } rows[] = {
                { 2, -1, 777600 }, { 0, -1, 0 }, { 1, 2525, 905000 }, { 2, 1, 1 }, { 2, 0, 7 }
        };

        (void) state;
        for (size_t i = 0; i < ELEMENTS(rows); i++) {
                int64_t since, deadline;

                pulse_score(rows[i].class * 3e11 + (rows[i].day < 0 ? 19999 : rows[i].day) * 1.5e7 +
                                    2.0 * rows[i].steps,
                            &since, &deadline);
                assert_int_equal(since, epoch + rows[i].steps * step);
                assert_int_equal(deadline,
                                 rows[i].day <= 0 ? 0 : epoch + (rows[i].day + 1) * day - 1);
        }
        for (int i = 0; i < 2; i++) {
                int64_t since = 7, deadline = 7;

                pulse_score(i ? 1764425101500.0 : -1, &since, &deadline); /* a time; none */
                assert_int_equal(since, 0);
                assert_int_equal(deadline, 0);
        }
}

static void redis_tells_its_numbers_by_line(void **state) {
        static const char info[] =
                "# Memory\r\nused_memory:1234\r\nused_memory_rss:99\r\nmaxmemory:0\r\n";

        (void) state;
        assert_int_equal(pulse_info(info, "used_memory"), 1234);
        assert_int_equal(pulse_info(info, "maxmemory"), 0);
        assert_int_equal(pulse_info(info, "memory"), -1);
        assert_int_equal(pulse_info("", "used_memory"), -1);
}

static void an_event_knows_when_it_came(void **state) {
        char ulid[ULID_TEXT];

        (void) state;
        ulid_new(INT64_C(1764425101234), ulid);
        assert_int_equal(cards_event_ms(ulid), INT64_C(1764425101234));
        assert_int_equal(cards_event_ms("short"), -1);
        assert_int_equal(cards_event_ms("uuuuuuuuuuuuuuuuuuuuuuuuuu"), -1);
        assert_int_equal(cards_wait(0), 0);
        assert_int_equal(cards_wait(100), 0);
        assert_int_equal(cards_wait(101), 1);
        assert_int_equal(cards_wait(INT64_MAX / 2), N_WAITS - 1);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(only_a_name_of_this_machine_is_answered),
                cmocka_unit_test(only_web_addresses_become_links),
                cmocka_unit_test(an_address_keeps_what_a_name_has_in_it),
                cmocka_unit_test(a_span_is_said_in_its_greatest_unit),
                cmocka_unit_test(a_large_number_is_read_in_groups),
                cmocka_unit_test(a_score_tells_age_and_legal_day),
                cmocka_unit_test(redis_tells_its_numbers_by_line),
                cmocka_unit_test(an_event_knows_when_it_came),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
