/* A growing byte buffer with a cap.
 *
 * The buffer remembers its first failure (-ENOMEM, -E2BIG) in `error` and ignores every later
 * addition, so a writer may add a hundred times and look once. `data` always ends in a NUL that
 * is not counted in `len`; it may be NULL while nothing was added. */
#ifndef CORE_BUF_H
#define CORE_BUF_H

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

struct buf {
        char *data;
        size_t len;
        size_t allocated;
        size_t max; /* bytes; 0 = BUF_DEFAULT_MAX */
        int error;
};

#define BUF_DEFAULT_MAX ((size_t) 256 << 20)

#define buf_init_max(limit) ((struct buf) { .max = (limit) })

void buf_done(struct buf *buf);
void buf_reset(struct buf *buf); /* empty again, keeps the memory, clears the error */
void buf_add(struct buf *buf, const void *bytes, size_t n_bytes);
void buf_str(struct buf *buf, const char *string);
void buf_char(struct buf *buf, char c);
void buf_number(struct buf *buf, int64_t number); /* as %lld writes it */
__attribute__((format(printf, 2, 3))) void buf_fmt(struct buf *buf, const char *format, ...);
/* Makes room for n_bytes more and returns where they go, or NULL; add them with buf_grown(). */
char *buf_room(struct buf *buf, size_t n_bytes);
void buf_grown(struct buf *buf, size_t n_bytes);
/* The bytes become the caller's (free() them); NULL when the buffer has failed. An empty buffer
 * gives an empty string. */
char *buf_take(struct buf *buf);
/* The text so far, never NULL. */
const char *buf_text(const struct buf *buf);

#endif
