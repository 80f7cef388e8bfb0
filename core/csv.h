/* Reads CSV (RFC 4180) from memory, row by row: fields parted by commas, perhaps in double quotes,
 * a quote inside written twice; lines end in CRLF, LF or CR. Linear time. */
#ifndef CORE_CSV_H
#define CORE_CSV_H

#include <stddef.h>

#include "core/buf.h"

#define CSV_MAX_FIELDS 256

struct csv {
        const char *at, *end; /* what is left */
        unsigned line;        /* of the next row's first line, from 1 */
};

struct csv_row {
        char *fields[CSV_MAX_FIELDS]; /* point into text */
        size_t n;
        unsigned line; /* where the row begins; a quoted field may span lines */
        struct buf text;
};

enum csv_result {
        CSV_END,
        CSV_ROW,
        CSV_OPEN_QUOTE,  /* the file ends inside quotes that `row->line` begins */
        CSV_AFTER_QUOTE, /* text between a closing quote and the next comma */
        CSV_TOO_WIDE,    /* more than CSV_MAX_FIELDS fields */
};

#define csv_init(bytes, n_bytes) ((struct csv) { (bytes), (bytes) + (n_bytes), 1 })

/* The next row; the last one's fields are gone then. An empty line is a row with one empty field.
 * Behind CSV_AFTER_QUOTE and CSV_TOO_WIDE the next call goes on with the following row. -ENOMEM. */
int csv_read(struct csv *csv, struct csv_row *row);
void csv_row_done(struct csv_row *row);

#endif
