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
#include <string.h>

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
static inline void buf_add(struct buf *buf, const void *bytes, size_t n_bytes);
static inline void buf_str(struct buf *buf, const char *string);
static inline void buf_char(struct buf *buf, char c);
__attribute__((format(printf, 2, 3))) void buf_fmt(struct buf *buf, const char *format, ...);
void buf_number(struct buf *buf, int64_t number); /* as %lld writes it */
/* Makes room for n_bytes more and returns where they go, or NULL; add them with buf_grown(). */
static inline char *buf_room(struct buf *buf, size_t n_bytes);
static inline void buf_grown(struct buf *buf, size_t n_bytes);
/* The bytes become the caller's (free() them); NULL when the buffer has failed. An empty buffer
 * gives an empty string. */
char *buf_take(struct buf *buf);
/* The text so far, never NULL. */
const char *buf_text(const struct buf *buf);

/* Inside: buf_room() where memory is asked for, or the buffer has failed. */
char *buf_grow(struct buf *buf, size_t n_bytes);

/* Here, so that adding a literal is a few moves. What is allocated is never more than the cap lets
 * be used. */
static inline char *buf_room(struct buf *buf, size_t n_bytes) {
        if (!buf->error && n_bytes < buf->allocated - buf->len)
                return buf->data + buf->len;
        return buf_grow(buf, n_bytes);
}

static inline void buf_grown(struct buf *buf, size_t n_bytes) {
        buf->len += n_bytes;
        buf->data[buf->len] = '\0';
}

static inline void buf_add(struct buf *buf, const void *bytes, size_t n_bytes) {
        char *room = buf_room(buf, n_bytes);

        if (!room)
                return;
        if (n_bytes)
                memcpy(room, bytes, n_bytes);
        buf_grown(buf, n_bytes);
}

static inline void buf_str(struct buf *buf, const char *string) {
        buf_add(buf, string, strlen(string));
}

static inline void buf_char(struct buf *buf, char c) {
        buf_add(buf, &c, 1);
}

#endif
