#include "core/row.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* A reader's own copy, as it has to be. */
static struct row row_of(const struct buf *buf, size_t n) {
        char *bytes = malloc(n + 1);

        assert_non_null(bytes);
        memcpy(bytes, buf->data, n);
        return (struct row) { .at = bytes, .end = bytes + n };
}

static void write_one(struct buf *buf) {
        size_t at;

        row_number(buf, -2);
        row_text(buf, "公开");
        row_text(buf, NULL);
        row_bytes(buf, "a\0b", 3);
        at = row_open(buf);
        buf_str(buf, "made ");
        buf_str(buf, "here");
        row_close(buf, at);
        row_number(buf, INT64_MAX);
        row_text(buf, "end");
}

static void what_is_written_is_read_again(void **state) {
        struct buf buf = { 0 };
        struct row row;
        char *first, *second, *third, *fourth, *last, *bytes;
        size_t n;

        (void) state;
        write_one(&buf);
        row = row_of(&buf, buf.len);
        bytes = row.at;
        assert_int_equal(row_read_number(&row), -2);
        first = row_read_text(&row, NULL);
        second = row_read_text(&row, &n);
        assert_int_equal(n, 0);
        third = row_read_text(&row, &n);
        assert_int_equal(n, 3);
        fourth = row_read_text(&row, NULL);
        assert_true(row_read_number(&row) == INT64_MAX);
        last = row_read_text(&row, NULL);
        assert_true(row_read_end(&row));
        assert_string_equal(first, "公开");
        assert_string_equal(second, "");
        assert_memory_equal(third, "a\0b", 4);
        assert_string_equal(fourth, "made here");
        assert_string_equal(last, "end");
        free(bytes);
        buf_done(&buf);
}

static void big_endian_as_lua_writes_it(void **state) {
        struct buf buf = { 0 };

        (void) state;
        row_number(&buf, 258);
        row_text(&buf, "x");
        assert_int_equal(buf.len, 13);
        assert_memory_equal(buf.data, "\0\0\0\0\0\0\1\2\0\0\0\1x", 13);
        buf_done(&buf);
}

static bool read_one(struct row *row) {
        (void) row_read_number(row);
        for (int i = 0; i < 4; i++)
                (void) row_read_text(row, NULL);
        (void) row_read_number(row);
        (void) row_read_text(row, NULL);
        return row_read_end(row);
}

static void a_row_that_ends_early_is_not_believed(void **state) {
        struct buf buf = { 0 };

        (void) state;
        write_one(&buf);
        for (size_t n = 0; n < buf.len; n++) {
                struct row row = row_of(&buf, n);
                char *bytes = row.at;

                assert_false(read_one(&row));
                free(bytes);
        }
        buf_char(&buf, 'x'); /* nor one that goes on */
        struct row row = row_of(&buf, buf.len);
        char *bytes = row.at;

        assert_false(read_one(&row));
        free(bytes);
        buf_done(&buf);
}

static void a_length_that_lies_gives_nothing(void **state) {
        char bytes[8] = "\xff\xff\xff\xffxy";
        struct row row = { .at = bytes, .end = bytes + 6 };

        (void) state;
        assert_string_equal(row_read_text(&row, NULL), "");
        assert_true(row.broken);
        assert_int_equal(row_read_number(&row), 0);
        assert_false(row_read_end(&row));
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(what_is_written_is_read_again),
                cmocka_unit_test(big_endian_as_lua_writes_it),
                cmocka_unit_test(a_row_that_ends_early_is_not_believed),
                cmocka_unit_test(a_length_that_lies_gives_nothing),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
