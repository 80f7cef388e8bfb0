/* Rows: what the daemons and the functions of core/store.lua hand each other as one word where it is many
 * values. A number is 8 bytes, a text 4 bytes of length and its bytes, all big-endian; which follows
 * which is said at each function in core/store*.lua. */
#ifndef CORE_ROW_H
#define CORE_ROW_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/buf.h"

void row_number(struct buf *row, int64_t number);
void row_bytes(struct buf *row, const void *bytes, size_t n_bytes);
void row_text(struct buf *row, const char *text); /* NULL is written as "" */
/* A text that is put together in `row`: what was added between the two calls. */
size_t row_open(struct buf *row);
void row_close(struct buf *row, size_t at);

/* A row that is read. The bytes are the reader's own, with one more behind them: each text gets a NUL where
 * the value behind it begins, once that has been read. */
struct row {
        char *at, *end;
        char *open;  /* where the NUL of the text read last belongs */
        bool broken; /* it ended early, or a length was a lie: every value from there on is 0 or "" */
};
int64_t row_read_number(struct row *row);
char *row_read_text(struct row *row, size_t *ret_n); /* ret_n may be NULL */
/* Ends the text read last. True when the row was whole, and nothing is left of it. */
bool row_read_end(struct row *row);

#endif
