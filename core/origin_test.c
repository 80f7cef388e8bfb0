#include "core/origin.h"

#include <errno.h>
#include <string.h>

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

#include "core/memory.h"

static void an_address_leads_where_libcurl_would_go(void **state) {
        static const struct {
                const char *url, *scheme, *host; /* host NULL: refused */
                unsigned port;
        } rows[] = {
                { "https://oa.example.gov.cn/a.pdf", "https", "oa.example.gov.cn", 443 },
                { "HTTP://OA.Example.gov.cn:8080/a?b#c", "http", "oa.example.gov.cn", 8080 },
                { "http://127.0.0.1/", "http", "127.0.0.1", 80 },
                { "http://127.1/", "http", "127.0.0.1", 80 },
                { "http://2130706433/", "http", "127.0.0.1", 80 },
                { "http://0x7f000001/", "http", "127.0.0.1", 80 },
                { "http://0x7f.1/", "http", "127.0.0.1", 80 },
                { "http://017700000001/", "http", "127.0.0.1", 80 },
                { "http://0177.0.0.1/", "http", "127.0.0.1", 80 },
                { "http://[::1]/", "http", "[::1]", 80 },
                { "http://[::ffff:127.0.0.1]/", "http", "[::ffff:127.0.0.1]", 80 },
                { "https://[2001:DB8::1]:8443/", "https", "[2001:db8::1]", 8443 },
                { "https://oa.example.gov.cn./", "https", "oa.example.gov.cn.", 443 }, /* another name */
                { .url = "https://oa.example.gov.cn@evil.example/" },
                { .url = "https://user:password@oa.example.gov.cn/" },
                { .url = "https://oa.example.gov.cn:0/" },
                { .url = "https://oa.example.gov.cn:65536/" },
                { .url = "https://oa.example.gov.cn:80x/" },
                { .url = "http://[fe80::1%25eth0]/" },
                { .url = "http://[::1/" },
                { .url = "file:///etc/passwd" },
                { .url = "ftp://oa.example.gov.cn/" },
                { .url = "gopher://oa.example.gov.cn/" },
                { .url = "//oa.example.gov.cn/" },
                { "https:///a", "https", "a", 443 }, /* whatever one may think of it */
                { .url = "https://" },
                { .url = "" },
        };

        (void) state;
        for (size_t i = 0; i < ELEMENTS(rows); i++) {
                struct origin origin freed_by(origin_done) = { 0 };
                int r = origin_of_url(rows[i].url, &origin);

                if ((r == 0) != (rows[i].host != NULL))
                        fail_msg("%s: %d %s", rows[i].url, r, origin.host ? origin.host : "");
                if (!rows[i].host) {
                        assert_int_equal(r, -EINVAL);
                        continue;
                }
                assert_string_equal(origin.scheme, rows[i].scheme);
                assert_string_equal(origin.host, rows[i].host);
                assert_int_equal(origin.port, rows[i].port);
        }
}

static void an_entry_is_a_host_and_perhaps_a_port(void **state) {
        static const struct {
                const char *entry, *text; /* NULL: refused */
                bool is_address;
        } rows[] = {
                { "oa.example.gov.cn", "oa.example.gov.cn", false },
                { "OA.example.gov.cn:443", "oa.example.gov.cn", false },
                { "http://oa.example.gov.cn", "oa.example.gov.cn", false },
                { "http://oa.example.gov.cn:8080", "oa.example.gov.cn:8080", false },
                { "10.0.0.5:8080", "10.0.0.5:8080", true },
                { "[fd00::5]:8080", "[fd00::5]:8080", true },
                { .entry = "https://oa.example.gov.cn" }, /* https needs no word, and would look like a path's start */
                { .entry = "http://oa.example.gov.cn/" },
                { .entry = "oa.example.gov.cn/files" },
                { .entry = "oa.example.gov.cn:" },
                { .entry = "oa.example.gov.cn:https" },
                { .entry = "user@oa.example.gov.cn" },
                { .entry = "*.example.gov.cn" },
                { .entry = "oa example" },
                { .entry = "fd00::5" },
                { .entry = "http://" },
                { .entry = "" },
        };

        (void) state;
        for (size_t i = 0; i < ELEMENTS(rows); i++) {
                struct origin origin freed_by(origin_done) = { 0 };
                int r = origin_of_entry(rows[i].entry, &origin);
                char *text freed_by(freep) = r == 0 ? origin_text(&origin) : NULL;

                if ((r == 0) != (rows[i].text != NULL))
                        fail_msg("%s: %d %s", rows[i].entry, r, text ? text : "");
                if (!rows[i].text)
                        continue;
                assert_string_equal(text, rows[i].text);
                assert_int_equal(origin_is_address(&origin), rows[i].is_address);
        }
}

static void only_the_same_scheme_host_and_port_are_listed(void **state) {
        static char by_name[] = "oa.example.gov.cn", by_address[] = "http://10.0.0.5:8080";
        static char *items[] = { by_name, by_address };
        static const struct string_list entries = { items, 2 };
        static const struct {
                const char *url;
                bool listed;
        } rows[] = {
                { "https://oa.example.gov.cn/a", true },
                { "https://OA.EXAMPLE.GOV.CN:443/a", true },
                { "http://oa.example.gov.cn/a", false },
                { "https://oa.example.gov.cn:8443/a", false },
                { "https://oa.example.gov.cn.evil.example/a", false },
                { "https://evil-oa.example.gov.cn/a", false },
                { "http://10.0.0.5:8080/a", true },
                { "http://167772165:8080/a", true }, /* the same address */
                { "http://10.0.0.5/a", false },
                { "https://10.0.0.5:8080/a", false },
        };

        (void) state;
        for (size_t i = 0; i < ELEMENTS(rows); i++) {
                struct origin origin freed_by(origin_done) = { 0 };

                assert_int_equal(origin_of_url(rows[i].url, &origin), 0);
                if (origin_is_listed(&entries, &origin) != rows[i].listed)
                        fail_msg("%s", rows[i].url);
        }
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(an_address_leads_where_libcurl_would_go),
                cmocka_unit_test(an_entry_is_a_host_and_perhaps_a_port),
                cmocka_unit_test(only_the_same_scheme_host_and_port_are_listed),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
