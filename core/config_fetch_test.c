#include "core/config.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

#include "core/files.h"
#include "core/memory.h"

static char folder[64], main_path[96], emitters[96], emitter_path[128];

static int begin(void **state) {
        (void) state;
        (void) snprintf(folder, sizeof(folder), "/var/tmp/config_fetch_test_XXXXXX");
        if (!mkdtemp(folder))
                return -1;
        (void) snprintf(main_path, sizeof(main_path), "%s/gongkai.conf", folder);
        (void) snprintf(emitters, sizeof(emitters), "%s/emitters.d", folder);
        (void) snprintf(emitter_path, sizeof(emitter_path), "%s/oa.conf", emitters);
        return mkdir(emitters, 0700);
}

static int end(void **state) {
        (void) state;
        (void) unlink(emitter_path);
        (void) unlink(main_path);
        return rmdir(emitters) < 0 ? -1 : rmdir(folder);
}

static struct configuration *load(const char *fetch, const char *hosts, struct problems *problems) {
        struct configuration *configuration = NULL;
        char text[512];
        int n;

        n = snprintf(text, sizeof(text), "[county]\nregions = 530581\n[fetch]\n%s\n", fetch);
        assert_int_equal(file_write(main_path, text, (size_t) n, 0600), 0);
        n = snprintf(text, sizeof(text), "sources = urn:gongkai:530581:oa\n%s%s\n",
                     *hosts ? "fetch_from = " : "", hosts);
        assert_int_equal(file_write(emitter_path, text, (size_t) n, 0600), 0);
        assert_int_equal(configuration_load(main_path, NULL, problems, &configuration), 0);
        return configuration;
}

static void what_is_fetched_from_where_is_checked(void **state) {
        static const struct {
                const char *story, *fetch, *hosts, *says; /* NULL: well */
        } rows[] = {
                { "nothing said", "", "", NULL },
                { "an intranet and two hosts of it", "networks = 10.0.0.0/8, fd00::/8",
                  "oa.example.gov.cn, http://10.0.0.5:8080", NULL },
                { "one machine", "networks = 10.0.0.5", "[fd00::5]:8443", NULL },
                { "a whole domain", "", "oa, *.gov.cn", "“*.gov.cn”" },
                { "an address for a host", "", "http://oa/", "“http://oa/”" },
                { "a path", "", "oa.example.gov.cn/files", "“oa.example.gov.cn/files”" },
                { "https in words", "", "https://oa.example.gov.cn", "不写 https://" },
                { "an address that is no network", "networks = 10.0.0.0/8, 192.168.1.1/16", "",
                  "“192.168.1.1/16”不是网段" },
                { "a name for a network", "networks = intranet", "", "“intranet”不是网段" },
                { "a wait without a unit", "retry = 5s, 30", "", "“30”不是" },
                { "a wait of nothing", "retry = 0s", "", "“0s”" },
                { "no wait at all", "retry = ,", "", "retry" },
                { "a time too short", "timeout = 10ms", "", "timeout" },
        };

        (void) state;
        for (size_t i = 0; i < ELEMENTS(rows); i++) {
                struct problems problems = { 0 };
                struct configuration *configuration =
                        load(rows[i].fetch, rows[i].hosts, &problems);

                print_message("%s\n", rows[i].story);
                problems_print(&problems, stdout);
                if (!rows[i].says)
                        assert_int_equal(problems.n, 0);
                else {
                        assert_true(problems.n > 0);
                        assert_non_null(strstr(problems.list[0].text, rows[i].says));
                }
                (void) configuration_free(configuration);
                problems_done(&problems);
        }
}

static void a_failed_attempt_is_repeated_as_the_shipped_file_says(void **state) {
        struct problems problems = { 0 };
        struct configuration *configuration = load("", "", &problems);

        (void) state;
        assert_int_equal(configuration->main.fetch_retry.n, 5);
        assert_string_equal(configuration->main.fetch_retry.items[0], "5s");
        assert_string_equal(configuration->main.fetch_retry.items[4], "1h");
        assert_int_equal(configuration->main.fetch_networks.n, 0);
        (void) configuration_free(configuration);
        problems_done(&problems);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test_setup_teardown(what_is_fetched_from_where_is_checked, begin, end),
                cmocka_unit_test_setup_teardown(
                        a_failed_attempt_is_repeated_as_the_shipped_file_says, begin, end),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
