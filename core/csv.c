#include "core/csv.h"

#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

static bool is_line_end(char c) {
        return c == '\n' || c == '\r';
}

/* Past one line end; CRLF is one. */
static void eat_line_end(struct csv *csv) {
        if (csv->at == csv->end)
                return;
        if (*csv->at == '\r' && csv->end - csv->at > 1 && csv->at[1] == '\n')
                csv->at++;
        csv->at++;
        csv->line++;
}

/* Copies what is between quotes; false when the file ends first. Line ends become "\n". */
static bool read_quoted(struct csv *csv, struct csv_row *row) {
        csv->at++;
        while (csv->at < csv->end) {
                char c = *csv->at;

                if (c == '"' && csv->end - csv->at > 1 && csv->at[1] == '"') {
                        buf_char(&row->text, '"');
                        csv->at += 2;
                } else if (c == '"') {
                        csv->at++;
                        return true;
                } else if (is_line_end(c)) {
                        buf_char(&row->text, '\n');
                        eat_line_end(csv);
                } else {
                        buf_char(&row->text, c);
                        csv->at++;
                }
        }
        return false;
}

static void read_plain(struct csv *csv, struct csv_row *row) {
        const char *from = csv->at;

        while (csv->at < csv->end && *csv->at != ',' && !is_line_end(*csv->at))
                csv->at++;
        buf_add(&row->text, from, (size_t) (csv->at - from));
}

/* Up to the end of this line; so that what follows a broken row can still be looked at. */
static void skip_line(struct csv *csv) {
        while (csv->at < csv->end && !is_line_end(*csv->at))
                csv->at++;
        eat_line_end(csv);
}

static int broken(struct csv *csv, enum csv_result result) {
        skip_line(csv);
        return (int) result;
}

static int finish(struct csv_row *row, const size_t *offsets) {
        if (row->text.error)
                return row->text.error;
        for (size_t i = 0; i < row->n; i++)
                row->fields[i] = row->text.data + offsets[i];
        return CSV_ROW;
}

int csv_read(struct csv *csv, struct csv_row *row) {
        size_t offsets[CSV_MAX_FIELDS];

        buf_reset(&row->text);
        row->n = 0;
        row->line = csv->line;
        if (csv->at == csv->end)
                return CSV_END;
        for (;;) {
                if (row->n == CSV_MAX_FIELDS)
                        return broken(csv, CSV_TOO_WIDE);
                offsets[row->n++] = row->text.len;
                if (csv->at < csv->end && *csv->at == '"') {
                        if (!read_quoted(csv, row))
                                return CSV_OPEN_QUOTE;
                        if (csv->at < csv->end && *csv->at != ',' && !is_line_end(*csv->at))
                                return broken(csv, CSV_AFTER_QUOTE);
                } else {
                        read_plain(csv, row);
                }
                buf_add(&row->text, "", 1); /* the field's own NUL */
                if (csv->at == csv->end || *csv->at != ',')
                        break;
                csv->at++;
        }
        eat_line_end(csv);
        return finish(row, offsets);
}

void csv_row_done(struct csv_row *row) {
        buf_done(&row->text);
        *row = (struct csv_row) { 0 };
}
