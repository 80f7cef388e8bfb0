#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/buf.h"

static void text_grows_and_ends_in_a_nul(void **state) {
        struct buf buf = { 0 };

        (void) state;
        for (int i = 0; i < 1000; i++)
                buf_fmt(&buf, "%d,", i);
        assert_int_equal(buf.error, 0);
        assert_int_equal(buf.len, strlen(buf.data));
        assert_memory_equal(buf.data + buf.len - 4, "999,", 4);
        buf_done(&buf);
}

static void the_cap_holds_and_the_error_stays(void **state) {
        struct buf buf = buf_init_max(10);

        (void) state;
        buf_str(&buf, "0123456789");
        assert_int_equal(buf.error, 0);
        buf_char(&buf, 'x');
        assert_int_equal(buf.error, -E2BIG);
        buf_str(&buf, "");
        assert_int_equal(buf.error, -E2BIG);
        assert_string_equal(buf_text(&buf), "0123456789");
        assert_null(buf_take(&buf));
}

static void a_format_that_does_not_fit_the_cap_leaves_what_was_there(void **state) {
        struct buf buf = buf_init_max(10);

        (void) state;
        buf_fmt(&buf, "%s", "01234");
        buf_fmt(&buf, "%s", "567890");
        assert_int_equal(buf.error, -E2BIG);
        assert_string_equal(buf_text(&buf), "01234");
        buf_done(&buf);
}

static void numbers_are_written_as_printf_writes_them(void **state) {
        int64_t number = 1;

        (void) state;
        for (int i = 0; i < 3 * 20; i++) {
                int64_t tried = i % 3 == 0 ? number : i % 3 == 1 ? number - 1 : -number;
                struct buf buf = { 0 };
                char wanted[24];

                (void) snprintf(wanted, sizeof(wanted), "%" PRId64, tried);
                buf_number(&buf, tried);
                assert_string_equal(buf_text(&buf), wanted);
                buf_reset(&buf);
                buf_number(&buf, i % 2 ? INT64_MIN + i : INT64_MAX - i);
                (void) snprintf(wanted, sizeof(wanted), "%" PRId64, i % 2 ? INT64_MIN + i : INT64_MAX - i);
                assert_string_equal(buf_text(&buf), wanted);
                buf_done(&buf);
                if (i % 3 == 2 && number < INT64_MAX / 10)
                        number *= 10;
        }
}

static void an_empty_buffer_is_an_empty_string(void **state) {
        struct buf buf = { 0 };
        char *taken;

        (void) state;
        assert_string_equal(buf_text(&buf), "");
        taken = buf_take(&buf);
        assert_string_equal(taken, "");
        free(taken);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(text_grows_and_ends_in_a_nul),
                cmocka_unit_test(the_cap_holds_and_the_error_stays),
                cmocka_unit_test(a_format_that_does_not_fit_the_cap_leaves_what_was_there),
                cmocka_unit_test(numbers_are_written_as_printf_writes_them),
                cmocka_unit_test(an_empty_buffer_is_an_empty_string),
        };

        return cmocka_run_group_tests_name("buf", tests, NULL, NULL);
}
