#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "core/memory.h"
#include "daemons/consoled/chart.h"

static void names_cannot_become_marks(void **state) {
        static const char bad[] = "</svg><script>alert('1')</script>\"&";
        const struct chart_bar bars[] = { { 3, 1, bad, bad } };
        const struct chart_wait waits[] = { { bad, bad, 1, 60, bad, bad } };
        const char *const ticks[] = { bad, bad, bad, bad };
        struct buf buf = { 0 };

        (void) state;
        chart_bars(&buf, &(struct chart){ bad, bad, bad }, bars, 1);
        chart_spark(&buf, bad, bars, 1);
        chart_waits(&buf, waits, 1, ticks);
        assert_null(strstr(buf_text(&buf), "<script"));
        assert_null(strstr(buf_text(&buf), "'1'"));
        assert_non_null(strstr(buf_text(&buf), "&lt;/svg&gt;&lt;script&gt;"));
        buf_done(&buf);
}

static void what_there_is_is_seen_however_little(void **state) {
        const struct chart_bar bars[] = { { 100000, 0, "", NULL },
                                          { 1, 0, "", NULL },
                                          { 0, 0, "", NULL } };
        struct buf buf = { 0 };

        (void) state;
        chart_spark(&buf, "s", bars, 3);
        assert_non_null(strstr(buf_text(&buf), "y=\"1.0\" width=\"39.0\" height=\"22.0\""));
        assert_non_null(strstr(buf_text(&buf), "height=\"1.5\""));
        assert_null(strstr(buf_text(&buf), "height=\"0.0\""));
        buf_done(&buf);
}

static void an_axis_ends_at_a_round_number(void **state) {
        static const int64_t rows[][2] = { { 0, 1 },   { 1, 1 },      { 2, 2 },
                                           { 3, 5 },   { 6, 10 },     { 10, 10 },
                                           { 11, 20 }, { 999, 1000 }, { 123456, 200000 } };

        (void) state;
        for (size_t i = 0; i < ELEMENTS(rows); i++)
                assert_int_equal(chart_ceiling(rows[i][0]), rows[i][1]);
}

static void a_share_is_found_between_its_bounds(void **state) {
        static const double bounds[] = { 1, 10, 60 };
        static const struct {
                int64_t counts[4];
                double share, seconds;
        } rows[] = {
                { { 0, 0, 0, 0 }, 0.5, 0 }, { { 10, 0, 0, 0 }, 0.5, 0.5 },
                { { 5, 5, 0, 0 }, 0.5, 1 }, { { 5, 5, 0, 0 }, 0.75, 5.5 },
                { { 0, 0, 4, 0 }, 1, 60 },  { { 0, 0, 0, 7 }, 0.9, 60 },
        };

        (void) state;
        for (size_t i = 0; i < ELEMENTS(rows); i++)
                assert_true(fabs(chart_quantile(bounds, 3, rows[i].counts, rows[i].share) -
                                 rows[i].seconds) < 1e-9);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(names_cannot_become_marks),
                cmocka_unit_test(what_there_is_is_seen_however_little),
                cmocka_unit_test(an_axis_ends_at_a_round_number),
                cmocka_unit_test(a_share_is_found_between_its_bounds),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
