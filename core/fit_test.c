#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/fit.h"
#include "core/memory.h"
#include "core/unicode.h"

static void each_unit_counts_by_its_own_rule(void **state) {
        static const struct {
                const char *text;
                size_t bytes, characters, utf16, halves;
        } rows[] = {
                { "", 0, 0, 0, 0 },
                { "abc", 3, 3, 3, 3 },
                { "公开", 6, 2, 2, 4 },
                { "𠮷野家", 10, 3, 4, 8 },
                { "👨‍👩‍👧", 18, 5, 8, 16 },
                { "é", 2, 1, 1, 2 },
        };

        (void) state;
        for (size_t i = 0; i < ELEMENTS(rows); i++) {
                size_t n = strlen(rows[i].text);

                assert_int_equal(fit_length(rows[i].text, n, FIT_BYTES), rows[i].bytes);
                assert_int_equal(fit_length(rows[i].text, n, FIT_CHARACTERS), rows[i].characters);
                assert_int_equal(fit_length(rows[i].text, n, FIT_UTF16), rows[i].utf16);
                assert_int_equal(fit_length(rows[i].text, n, FIT_HALVES), rows[i].halves);
        }
}

static void a_text_is_cut_where_nobody_misreads_it(void **state) {
        static const struct {
                const char *text;
                enum fit_unit unit;
                size_t most;
                const char *expected;
        } rows[] = {
                { "关于公开的通告", FIT_CHARACTERS, 7, "关于公开的通告" },
                { "关于公开的通告", FIT_CHARACTERS, 6, "关于公开的…" },
                { "关于公开，的通告", FIT_CHARACTERS, 6, "关于公开…" },
                { "罚款12万元整", FIT_CHARACTERS, 5, "罚款…" },
                { "罚款12万元整", FIT_CHARACTERS, 6, "罚款…" },
                { "罚款12万元整改通知", FIT_CHARACTERS, 8, "罚款12万元整…" },
                { "罚款12,000.50元", FIT_CHARACTERS, 9, "罚款…" },
                { "罚款三万元整改", FIT_CHARACTERS, 5, "罚款…" },
                { "2026年11月30日前", FIT_CHARACTERS, 8, "…" },
                { "a-b-c-d", FIT_CHARACTERS, 4, "a-b…" },
                { "家庭👨‍👩‍👧的", FIT_CHARACTERS, 6, "家庭…" },
                { "家庭👨‍👩‍👧的", FIT_UTF16, 10, "家庭…" },
                { "家庭👨‍👩‍👧的", FIT_UTF16, 11, "家庭👨‍👩‍👧的" },
                { "𠮷野家", FIT_UTF16, 3, "𠮷…" },
                { "公开abc", FIT_HALVES, 6, "公开…" },
                { "公开", FIT_BYTES, 3, "…" },
                { "公开", FIT_BYTES, 2, "" },
                { "é́́x", FIT_CHARACTERS, 3, "…" },
                { "", FIT_BYTES, 0, "" },
        };

        (void) state;
        for (size_t i = 0; i < ELEMENTS(rows); i++) {
                bool cut;
                char *text = fit_text(rows[i].text, rows[i].unit, rows[i].most, &cut);

                assert_string_equal(text, rows[i].expected);
                assert_int_equal(cut, strcmp(rows[i].text, rows[i].expected) != 0);
                assert_true(fit_length(text, strlen(text), rows[i].unit) <= rows[i].most);
                free(text);
        }
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(each_unit_counts_by_its_own_rule),
                cmocka_unit_test(a_text_is_cut_where_nobody_misreads_it),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
