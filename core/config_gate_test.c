#include "core/config.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

#include "core/files.h"
#include "core/memory.h"

static char folder[64], path[96];

static int begin(void **state) {
        (void) state;
        (void) snprintf(folder, sizeof(folder), "/var/tmp/config_gate_test_XXXXXX");
        if (!mkdtemp(folder))
                return -1;
        (void) snprintf(path, sizeof(path), "%s/gongkai.conf", folder);
        return 0;
}

static int end(void **state) {
        (void) state;
        (void) unlink(path);
        return rmdir(folder);
}

static struct configuration *load(const char *gate, struct problems *problems) {
        struct configuration *configuration = NULL;
        char text[512];
        int n = snprintf(text, sizeof(text), "[county]\nregions = 530581\n[gate]\n%s\n", gate);

        assert_int_equal(file_write(path, text, (size_t) n, 0600), 0);
        assert_int_equal(configuration_load(path, NULL, problems, &configuration), 0);
        return configuration;
}

static void an_exemption_names_its_item_and_its_kinds(void **state) {
        static const struct {
                const char *gate, *item, *kind;
                bool exempt;
        } rows[] = {
                { "", "ssgl.0401", "resident_number", false },
                { "exempt = ssgl.0401 resident_number", "ssgl.0401", "resident_number", true },
                { "exempt = ssgl.0401 resident_number", "ssgl.0401", "mobile_number", false },
                { "exempt = ssgl.0401 resident_number", "ssgl.04011", "resident_number", false },
                { "exempt = ssgl.0401 resident_number", "ssgl.040", "resident_number", false },
                { "exempt = ssgl.0401 resident_number", NULL, "resident_number", false },
                { "exempt = ssgl.* bank_card mobile_number", "ssgl.0401", "mobile_number", true },
                { "exempt = ssgl.* bank_card mobile_number", "aqsc.0402", "mobile_number", false },
                { "exempt = aqsc.0402 bank_card, ssgl.0401 resident_number", "ssgl.0401", "bank_card", false },
                { "exempt = aqsc.0402 bank_card, ssgl.0401 resident_number", "ssgl.0401", "resident_number", true },
                { "exempt = * mobile_number", "aqsc.0402", "mobile_number", true },
        };

        (void) state;
        for (size_t i = 0; i < ELEMENTS(rows); i++) {
                struct problems problems freed_by(problems_done) = { 0 };
                struct configuration *configuration freed_by(configuration_freep) =
                        load(rows[i].gate, &problems);

                print_message("%s: %s\n", rows[i].gate, rows[i].kind);
                assert_int_equal(problems.n, 0);
                assert_int_equal(config_exempts(&configuration->main, rows[i].item, rows[i].kind),
                                 rows[i].exempt);
        }
}

static void an_exemption_that_says_too_little_is_told(void **state) {
        static const char *const rows[] = {
                "exempt = ssgl.0401",
                "exempt = resident_number",
                "exempt = ssgl.0401 resident_numbers",
                "exempt = ssgl.0401 secrecy_mark", /* no law orders that */
                "exempt = ss*gl resident_number",
                "exempt = ssgl.0401 resident_number, aqsc.0402",
        };

        (void) state;
        for (size_t i = 0; i < ELEMENTS(rows); i++) {
                struct problems problems freed_by(problems_done) = { 0 };
                struct configuration *configuration freed_by(configuration_freep) =
                        load(rows[i], &problems);

                print_message("%s\n", rows[i]);
                assert_non_null(configuration);
                assert_int_equal(problems.n, 1);
                assert_int_equal(problems.list[0].line, 4);
                assert_non_null(strstr(problems.list[0].text, "[gate] exempt"));
        }
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(an_exemption_names_its_item_and_its_kinds),
                cmocka_unit_test(an_exemption_that_says_too_little_is_told),
        };

        return cmocka_run_group_tests_name("config_gate", tests, begin, end);
}
