#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "core/memory.h"
#include "daemons/consoled/openmetrics.h"

static void is(struct buf *buf, const char *expected) {
        assert_string_equal(buf_text(buf), expected);
        buf_done(buf);
}

static void a_family_says_what_it_is(void **state) {
        static const struct metric due = { "gongkai_due_documents", METRIC_GAUGE, NULL,
                                           "What is \"due\" \\ now." };
        static const struct metric age = { "gongkai_oldest_seconds", METRIC_GAUGE, "seconds",
                                           "Age." };
        struct buf buf = { 0 };

        (void) state;
        metric_begin(&buf, &due);
        metric_add(&buf, &due, &(struct labels){ { "channel", "portal" } }, 3);
        metric_add(&buf, &due, NULL, 0.5);
        metric_begin(&buf, &age);
        metric_end(&buf);
        is(&buf, "# TYPE gongkai_due_documents gauge\n"
                 "# HELP gongkai_due_documents What is \\\"due\\\" \\\\ now.\n"
                 "gongkai_due_documents{channel=\"portal\"} 3\n"
                 "gongkai_due_documents 0.5\n"
                 "# TYPE gongkai_oldest_seconds gauge\n"
                 "# UNIT gongkai_oldest_seconds seconds\n"
                 "# HELP gongkai_oldest_seconds Age.\n"
                 "# EOF\n");
}

static void counters_and_infos_have_their_suffix(void **state) {
        static const struct metric events = { "gongkai_events", METRIC_COUNTER, NULL, "Events." };
        static const struct metric build = { "gongkai_build", METRIC_INFO, NULL, "Version." };
        struct buf buf = { 0 };

        (void) state;
        metric_add(&buf, &events, &(struct labels){ { "outcome", "held" } }, 7);
        metric_add(&buf, &build, &(struct labels){ { "version", "1", "lang", "c" } }, 1);
        is(&buf, "gongkai_events_total{outcome=\"held\"} "
                 "7\ngongkai_build_info{version=\"1\",lang=\"c\"} 1\n");
}

static void a_label_cannot_leave_its_quotes(void **state) {
        static const struct metric one = { "gongkai_x", METRIC_GAUGE, NULL, "X." };
        static const struct {
                const char *value, *written;
        } rows[] = {
                { "a\"} 1\ngongkai_y 2", "gongkai_x{l=\"a\\\"} 1\\ngongkai_y 2\"} 1\n" },
                { "back\\slash", "gongkai_x{l=\"back\\\\slash\"} 1\n" },
                { "carriage\rreturn", "gongkai_x{l=\"carriage return\"} 1\n" },
                { "腾冲", "gongkai_x{l=\"腾冲\"} 1\n" },
        };

        (void) state;
        for (size_t i = 0; i < ELEMENTS(rows); i++) {
                struct buf buf = { 0 };

                metric_add(&buf, &one, &(struct labels){ { "l", rows[i].value } }, 1);
                is(&buf, rows[i].written);
        }
}

static void a_histogram_adds_up(void **state) {
        static const struct metric wait = { "gongkai_wait_seconds", METRIC_HISTOGRAM, "seconds",
                                            "Wait." };
        static const double bounds[] = { 0.25, 1, 60 };
        const int64_t counts[] = { 2, 0, 3, 1 };
        struct buf buf = { 0 };

        (void) state;
        metric_histogram(&buf, &wait, &(struct labels){ { "channel", "sms" } }, bounds, 3, counts,
                         91.5);
        is(&buf, "gongkai_wait_seconds_bucket{channel=\"sms\",le=\"0.25\"} 2\n"
                 "gongkai_wait_seconds_bucket{channel=\"sms\",le=\"1.0\"} 2\n"
                 "gongkai_wait_seconds_bucket{channel=\"sms\",le=\"60.0\"} 5\n"
                 "gongkai_wait_seconds_bucket{channel=\"sms\",le=\"+Inf\"} 6\n"
                 "gongkai_wait_seconds_count{channel=\"sms\"} 6\n"
                 "gongkai_wait_seconds_sum{channel=\"sms\"} 91.5\n");
}

static void numbers_are_written_as_the_format_has_them(void **state) {
        static const struct {
                double value;
                const char *text;
        } rows[] = { { 0, "0" },
                     { -3, "-3" },
                     { 1764425101.5, "1764425101.5" },
                     { 1e18, "1e+18" },
                     { 0.001, "0.001" },
                     { INFINITY, "+Inf" },
                     { -INFINITY, "-Inf" },
                     { NAN, "NaN" } };

        (void) state;
        for (size_t i = 0; i < ELEMENTS(rows); i++) {
                struct buf buf = { 0 };

                metric_number(&buf, rows[i].value);
                is(&buf, rows[i].text);
        }
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(a_family_says_what_it_is),
                cmocka_unit_test(counters_and_infos_have_their_suffix),
                cmocka_unit_test(a_label_cannot_leave_its_quotes),
                cmocka_unit_test(a_histogram_adds_up),
                cmocka_unit_test(numbers_are_written_as_the_format_has_them),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
