#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "channels/secret.h"

static void each_part_is_found_by_its_name(void **state) {
        static const struct {
                const char *secret, *name;
                int only;
                const char *expected;
        } rows[] = {
                { "appsecret = abc\ntoken=xyz\n", "appsecret", 1, "abc" },
                { "appsecret = abc\ntoken=xyz\n", "token", 0, "xyz" },
                { "appsecret = abc\r\ntoken=xyz", "appsecret", 0, "abc" },
                { "# appsecret = old\n\n  appsecret\t=  a=b= \n", "appsecret", 0, "a=b=" },
                { "appsecret=", "appsecret", 0, NULL },
                { "token = x", "appsecret", 1, NULL },
                { "  abcdef \n", "appsecret", 1, "abcdef" },
                { "# the secret\nYWJjZA==\n", "appsecret", 1, "YWJjZA==" },
                { "abcdef", "appsecret", 0, NULL },
                { "abc\ndef", "appsecret", 1, NULL },
                { "", "appsecret", 1, NULL },
                { NULL, "appsecret", 1, NULL },
                { "app = 1", "appsecret", 0, NULL },
                { "appsecretx = 1", "appsecret", 0, NULL },
        };

        (void) state;
        for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
                char *part = secret_part(rows[i].secret, rows[i].name, rows[i].only);

                if (!rows[i].expected && !part)
                        continue;
                if (!rows[i].expected || !part)
                        print_error("row %zu\n", i);
                assert_string_equal(part ? part : "(none)", rows[i].expected ? rows[i].expected : "(none)");
                secret_part_free(part);
        }
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(each_part_is_found_by_its_name),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
