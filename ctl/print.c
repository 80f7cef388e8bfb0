#include "ctl/ctl.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <utf8proc.h>

#include "core/memory.h"

const char *text_member(const json_t *object, const char *name) {
        const char *text = json_string_value(json_object_get(object, name));

        return text ? text : "";
}

static void print_list(FILE *to, enum message message, va_list pairs) {
        struct buf line freed_by(buf_done) = { 0 };

        say_list(&line, message, pairs);
        (void) fprintf(to, "%s\n", buf_text(&line));
}

void print_line(enum message message, ...) {
        va_list pairs;

        va_start(pairs, message);
        print_list(stdout, message, pairs);
        va_end(pairs);
}

void print_error(enum message message, ...) {
        va_list pairs;

        va_start(pairs, message);
        print_list(stderr, message, pairs);
        va_end(pairs);
}

void print_json(const json_t *json) {
        char *text freed_by(freep) = json_dumps(json, JSON_INDENT(2));

        (void) puts(text ? text : "");
}

static int width_of(const char *text) {
        int width = 0;

        while (*text) {
                utf8proc_int32_t point;
                utf8proc_ssize_t n = utf8proc_iterate((const utf8proc_uint8_t *) text, -1, &point);

                if (n <= 0) {
                        text++;
                        width++;
                        continue;
                }
                width += utf8proc_charwidth(point);
                text += n;
        }
        return width;
}

/* A cell's text: strings as they are without control characters, numbers, yes for true, joined
 * arrays. To be freed. */
static char *cell_text(const json_t *value) {
        struct buf text = { 0 };
        size_t i;
        const json_t *one;

        if (json_is_string(value))
                buf_str(&text, json_string_value(value));
        else if (json_is_integer(value))
                buf_fmt(&text, "%lld", (long long) json_integer_value(value));
        else if (json_is_true(value))
                buf_str(&text, "✓");
        else if (json_is_array(value)) {
                json_array_foreach(value, i, one) {
                        if (i > 0)
                                buf_char(&text, ' ');
                        buf_str(&text, json_is_string(one) ? json_string_value(one) : "");
                }
        }
        for (size_t k = 0; k < text.len; k++)
                if ((unsigned char) text.data[k] < 0x20 || text.data[k] == 0x7f)
                        text.data[k] = ' ';
        return buf_take(&text);
}

static void print_row(char *const *cells, const int *widths, size_t n) {
        size_t last = n;

        while (last > 0 && !*cells[last - 1])
                last--;
        for (size_t i = 0; i < last; i++)
                (void) printf("%s%*s", cells[i],
                              i + 1 < last ? widths[i] - width_of(cells[i]) + 2 : 0, "");
        (void) putchar('\n');
}

void print_table(const json_t *rows, const struct column *columns, size_t n) {
        size_t n_rows = json_array_size(rows);
        char **cells = calloc((n_rows + 1) * n, sizeof(*cells));
        int *widths freed_by(freep) = calloc(n, sizeof(*widths));
        bool well = cells && widths;

        for (size_t i = 0; well && i < (n_rows + 1) * n; i++) {
                size_t row = i / n, column = i % n;
                int width;

                cells[i] = row == 0 ? say(columns[column].title, NULL)
                                    : cell_text(json_object_get(json_array_get(rows, row - 1),
                                                                columns[column].key));
                well = cells[i] != NULL;
                width = well ? width_of(cells[i]) : 0;
                if (well && width > widths[column])
                        widths[column] = width;
        }
        for (size_t row = 0; well && row <= n_rows; row++)
                print_row(cells + row * n, widths, n);
        for (size_t i = 0; cells && i < (n_rows + 1) * n; i++)
                free(cells[i]);
        free(cells);
}
