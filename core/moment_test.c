#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <string.h>
#include <time.h>

#include "core/memory.h"
#include "core/moment.h"

static void date_times_are_read_as_rfc_3339_says(void **state) {
        static const struct {
                const char *text;
                int64_t ms;
                bool assumed;
        } rows[] = {
                { "1970-01-01T00:00:00Z", 0, false },
                { "1970-01-01T08:00:00+08:00", 0, false },
                { "1970-01-01T08:00:00", 0, true }, /* no offset: ours */
                { "1970-01-01 08:00:00", 0, true },
                { "1970-01-01t00:00:00z", 0, false },
                { "1970-01-01T00:00:00-00:00", 0, false },
                { "1970-01-01T05:30:00+05:30", 0, false },
                { "1969-12-31T23:59:59Z", -1000, false },
                { "2026-11-23T22:00:00+08:00", 1795442400000, false },
                { "2026-11-23T14:00:00.5Z", 1795442400500, false },
                { "2026-11-23T14:00:00.123456789Z", 1795442400123, false },
                { "2016-12-31T23:59:60Z", 1483228799000, false }, /* a leap second */
                { "2024-02-29T00:00:00Z", 1709164800000, false },
                { "2000-02-29T00:00:00Z", 951782400000, false },
                { "1900-01-01T00:00:00+08:00", -2209017600000, false },
                { "9999-12-31T23:59:59.999+08:00", 253402271999999, false },
        };

        (void) state;
        for (size_t i = 0; i < ELEMENTS(rows); i++) {
                int64_t ms = 1;
                bool assumed = !rows[i].assumed;

                print_message("%s\n", rows[i].text);
                assert_int_equal(moment_parse(rows[i].text, &ms, &assumed), 0);
                assert_int_equal(ms, rows[i].ms);
                assert_int_equal(assumed, rows[i].assumed);
                assert_int_equal(moment_parse(rows[i].text, &ms, NULL), 0);
        }
}

static void what_is_no_date_time_is_refused(void **state) {
        static const char *const rows[] = {
                "",
                "2026",
                "2026-11-23",
                "2026-11-23T",
                "2026-11-23T22:00",
                "2026-11-23T22:00:00+8",
                "2026-11-23T22:00:00+0800",
                "2026-11-23T22:00:00+08:00 ",
                " 2026-11-23T22:00:00+08:00",
                "2026-11-23T24:00:00Z",
                "2026-11-23T22:60:00Z",
                "2026-11-23T22:00:61Z",
                "2026-11-23T22:00:00.Z",
                "2026-11-23T22:00:00.1234567890Z",
                "2026-11-23T22:00:00,5Z",
                "2026-11-23T22:00:00+24:00",
                "2026-11-23T22:00:00+08:60",
                "2026-02-29T00:00:00Z",
                "1900-02-29T00:00:00Z",
                "2026-04-31T00:00:00Z",
                "2026-00-10T00:00:00Z",
                "2026-13-10T00:00:00Z",
                "2026-11-00T00:00:00Z",
                "1899-12-31T23:59:59Z",
                "1900-01-01T00:00:00+14:00", /* a day before 1900 here */
                "9999-12-31T23:59:59-23:59", /* a day after 9999 here */
                "10000-01-01T00:00:00Z",
                "-2026-11-23T22:00:00Z",
                "+026-11-23T22:00:00Z",
                "2026年11月23日",
                "２０２６-11-23T22:00:00Z",
                "2026-1-1T00:00:00Z",
        };

        (void) state;
        for (size_t i = 0; i < ELEMENTS(rows); i++) {
                int64_t ms = 42;
                bool assumed = true;

                print_message("'%s'\n", rows[i]);
                assert_int_equal(moment_parse(rows[i], &ms, &assumed), -EINVAL);
                assert_int_equal(ms, 42); /* untouched */
                assert_true(assumed);
        }
}

static void dates_are_days_in_shanghai(void **state) {
        static const char *const wrong[] = { "",           "2026-11",     "2026-11-31",
                                             "2026-11-3",  "2026-11-23T", "2026/11/23",
                                             "1899-12-31", "20261123" };
        int64_t ms = 42;

        (void) state;
        assert_int_equal(moment_parse_date("1970-01-02", &ms), 0);
        assert_int_equal(ms, 16 * 3600000);
        assert_int_equal(moment_parse_date("2026-11-23", &ms), 0);
        assert_int_equal(ms, 1795363200000);
        for (size_t i = 0; i < ELEMENTS(wrong); i++) {
                ms = 42;
                assert_int_equal(moment_parse_date(wrong[i], &ms), -EINVAL);
                assert_int_equal(ms, 42);
        }
}

static void a_moment_is_written_in_four_ways(void **state) {
        char text[MOMENT_TEXT];

        (void) state;
        assert_string_equal(moment_write(1795442400000, text), "2026-11-23T22:00:00+08:00");
        assert_string_equal(moment_write(1795442400007, text), "2026-11-23T22:00:00.007+08:00");
        assert_string_equal(moment_write_date(1795442400000, text), "2026-11-23");
        assert_string_equal(moment_write_minute(1795442459999, text), "2026-11-23 22:00");
        assert_string_equal(moment_write_utc(1795442400000, text), "2026-11-23T14:00:00Z");
        assert_string_equal(moment_write_utc(-1, text), "1969-12-31T23:59:59.999Z");
        assert_string_equal(moment_write_date(1795449600000, text), "2026-11-24"); /* 16:00 UTC */
        /* Whatever a damaged store holds, the text stays one. */
        assert_string_equal(moment_write(INT64_MAX, text), "9999-12-31T23:59:59.999+08:00");
        assert_string_equal(moment_write(INT64_MIN, text), "1900-01-01T00:00:00+08:00");
}

static void what_is_written_reads_back_the_same(void **state) {
        int64_t step = 86400000LL * 13 + 12345677;

        (void) state;
        for (int64_t ms = -2209017600000; ms < 253402272000000; ms += step) {
                char text[MOMENT_TEXT];
                int64_t back = 0;

                assert_int_equal(moment_parse(moment_write(ms, text), &back, NULL), 0);
                assert_int_equal(back, ms);
                if (ms < -2208988800000) /* still 1899 in UTC */
                        continue;
                assert_int_equal(moment_parse(moment_write_utc(ms, text), &back, NULL), 0);
                assert_int_equal(back, ms);
        }
}

static void every_day_agrees_with_the_c_library(void **state) {
        (void) state;
        for (time_t at = -2208988800; at < 4102444800; at += 86400) {
                char ours[MOMENT_TEXT], theirs[MOMENT_TEXT];
                struct tm parts;

                assert_non_null(gmtime_r(&at, &parts));
                assert_true(strftime(theirs, sizeof(theirs), "%Y-%m-%dT%H:%M:%SZ", &parts) > 0);
                assert_string_equal(moment_write_utc((int64_t) at * 1000, ours), theirs);
        }
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(date_times_are_read_as_rfc_3339_says),
                cmocka_unit_test(what_is_no_date_time_is_refused),
                cmocka_unit_test(dates_are_days_in_shanghai),
                cmocka_unit_test(a_moment_is_written_in_four_ways),
                cmocka_unit_test(what_is_written_reads_back_the_same),
                cmocka_unit_test(every_day_agrees_with_the_c_library),
        };

        return cmocka_run_group_tests_name("moment", tests, NULL, NULL);
}
