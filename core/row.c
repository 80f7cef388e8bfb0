#include "core/row.h"

#include <endian.h>
#include <string.h>

void row_number(struct buf *row, int64_t number) {
        uint64_t big = htobe64((uint64_t) number);

        buf_add(row, &big, sizeof(big));
}

void row_bytes(struct buf *row, const void *bytes, size_t n_bytes) {
        uint32_t big = htobe32((uint32_t) n_bytes);

        buf_add(row, &big, sizeof(big));
        buf_add(row, bytes, n_bytes);
}

void row_text(struct buf *row, const char *text) {
        row_bytes(row, text, text ? strlen(text) : 0);
}

size_t row_open(struct buf *row) {
        uint32_t later = 0;

        buf_add(row, &later, sizeof(later));
        return row->len;
}

void row_close(struct buf *row, size_t at) {
        uint32_t big = htobe32((uint32_t) (row->len - at));

        if (!row->error)
                memcpy(row->data + at - sizeof(big), &big, sizeof(big));
}

static bool has(struct row *row, size_t n) {
        if (!row->broken && (size_t) (row->end - row->at) >= n)
                return true;
        row->broken = true;
        return false;
}

static void close_text(struct row *row) {
        if (row->open)
                *row->open = '\0';
        row->open = NULL;
}

int64_t row_read_number(struct row *row) {
        uint64_t big = 0;

        if (has(row, sizeof(big))) {
                memcpy(&big, row->at, sizeof(big));
                row->at += sizeof(big);
        }
        close_text(row);
        return (int64_t) be64toh(big);
}

char *row_read_text(struct row *row, size_t *ret_n) {
        static char nothing[1];
        uint32_t big = 0;
        char *text;
        size_t n;

        if (has(row, sizeof(big))) {
                memcpy(&big, row->at, sizeof(big));
                row->at += sizeof(big);
        }
        close_text(row);
        n = be32toh(big);
        if (!has(row, n))
                n = 0;
        if (ret_n)
                *ret_n = n;
        if (row->broken)
                return nothing;
        text = row->at;
        row->at += n;
        row->open = row->at;
        return text;
}

bool row_read_end(struct row *row) {
        close_text(row);
        return !row->broken && row->at == row->end;
}
