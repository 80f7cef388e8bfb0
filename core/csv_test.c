#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "core/csv.h"
#include "core/memory.h"

/* What a text is read as: fields in <>, a row by line, the result's number behind a broken one. */
static char *read_all(const char *text, size_t n) {
        struct csv csv = csv_init(text, n);
        struct csv_row row = { 0 };
        struct buf buf = { 0 };
        int r;

        while ((r = csv_read(&csv, &row)) != CSV_END) {
                buf_fmt(&buf, "%u", row.line);
                for (size_t i = 0; i < row.n && r == CSV_ROW; i++)
                        buf_fmt(&buf, "<%s>", row.fields[i]);
                if (r != CSV_ROW)
                        buf_fmt(&buf, "!%d", r);
                buf_char(&buf, '\n');
                assert_true(r > 0);
        }
        csv_row_done(&row);
        return buf_take(&buf);
}

static void rows_are_read_as_rfc_4180_says(void **state) {
        static const struct {
                const char *story, *text, *read;
        } rows[] = {
                { "nothing", "", "" },
                { "one field", "a", "1<a>\n" },
                { "two rows", "a,b\nc,d\n", "1<a><b>\n2<c><d>\n" },
                { "Windows", "a,b\r\nc,d\r\n", "1<a><b>\n2<c><d>\n" },
                { "an old Mac", "a\rb", "1<a>\n2<b>\n" },
                { "empty fields", ",,\n", "1<><><>\n" },
                { "an empty line", "a\n\nb\n", "1<a>\n2<>\n3<b>\n" },
                { "a comma in quotes", "\"a,b\",c\n", "1<a,b><c>\n" },
                { "a quote in quotes", "\"say \"\"no\"\"\",c\n", "1<say \"no\"><c>\n" },
                { "a line end in quotes", "\"a\r\nb\",c\nd\n", "1<a\nb><c>\n3<d>\n" },
                { "an empty quoted field", "\"\",\"\"\n", "1<><>\n" },
                { "a quote in a plain field stays", "a\"b\",c\n", "1<a\"b\"><c>\n" },
                { "blanks belong to the field", " a , b \n", "1< a >< b >\n" },
                { "text behind a quote", "\"a\"b,c\nd,e\n", "1!3\n2<d><e>\n" },
                { "a quote that is never closed", "a\n\"b,c\nd\n", "1<a>\n2!2\n" },
                { "a quote at the very end", "a,\"", "1!2\n" },
                { "Chinese", "一级事项,“三公”\n", "1<一级事项><“三公”>\n" },
        };

        for (size_t i = 0; i < ELEMENTS(rows); i++) {
                char *read = read_all(rows[i].text, strlen(rows[i].text));

                print_message("%s\n", rows[i].story);
                assert_string_equal(read, rows[i].read);
                free(read);
        }
}

static void a_row_has_a_greatest_width(void **state) {
        struct buf text = { 0 };
        char *read;

        for (int i = 0; i < CSV_MAX_FIELDS - 1; i++)
                buf_char(&text, ',');
        buf_str(&text, "\n");
        for (int i = 0; i < CSV_MAX_FIELDS; i++)
                buf_char(&text, ',');
        buf_str(&text, "\nend\n");
        read = read_all(text.data, text.len);
        assert_memory_equal(read, "1<><>", 5);
        assert_non_null(strstr(read, "\n2!4\n3<end>\n"));
        free(read);
        buf_done(&text);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(rows_are_read_as_rfc_4180_says),
                cmocka_unit_test(a_row_has_a_greatest_width),
        };

        return cmocka_run_group_tests_name("csv", tests, NULL, NULL);
}
