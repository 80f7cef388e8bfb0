/* Commands as they are put together, and as Redis reads them. */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/store.h"

static void words_allocate(struct words *words, size_t n) {
        size_t allocated = words->allocated ? words->allocated * 2 : 32;
        size_t *ends;

        while (allocated < words->n + n)
                allocated *= 2;
        ends = reallocarray(words->ends, allocated, sizeof(*ends));
        if (!ends) {
                words->error = -ENOMEM;
                return;
        }
        words->ends = ends;
        words->allocated = allocated;
}

void words_end(struct words *words) {
        if (words->n == words->allocated)
                words_allocate(words, 1);
        if (words->n < words->allocated)
                words->ends[words->n++] = words->bytes.len;
}

void words_add(struct words *words, const void *bytes, size_t n_bytes) {
        buf_add(&words->bytes, bytes, n_bytes);
        words_end(words);
}

void words_str(struct words *words, const char *string) {
        words_add(words, string, strlen(string));
}

void words_number(struct words *words, int64_t number) {
        buf_number(&words->bytes, number);
        words_end(words);
}

/* Most formats are strings between literals, and need no printf. */
static bool is_of_strings(const char *format) {
        while ((format = strchr(format, '%')) != NULL) {
                if (format[1] != 's')
                        return false;
                format += 2;
        }
        return true;
}

static void words_strings(struct words *words, const char *format, va_list arguments) {
        for (;;) {
                const char *hole = strchrnul(format, '%'), *string;

                buf_add(&words->bytes, format, (size_t) (hole - format));
                if (!*hole)
                        return;
                string = va_arg(arguments, const char *);
                buf_str(&words->bytes, string ? string : "(null)"); /* as printf says it */
                format = hole + 2;
        }
}

static void words_format(struct words *words, const char *format, va_list arguments) {
        char small[512];
        va_list again;
        int n;

        if (is_of_strings(format)) {
                words_strings(words, format, arguments);
                return;
        }
        va_copy(again, arguments);
        n = vsnprintf(small, sizeof(small), format, arguments);
        if (n >= 0 && (size_t) n < sizeof(small))
                buf_add(&words->bytes, small, (size_t) n);
        else if (n >= 0) {
                char *room = buf_room(&words->bytes, (size_t) n);

                if (room) {
                        (void) vsnprintf(room, (size_t) n + 1, format, again);
                        buf_grown(&words->bytes, (size_t) n);
                }
        }
        va_end(again);
}

void words_fmt(struct words *words, const char *format, ...) {
        va_list arguments;

        va_start(arguments, format);
        words_format(words, format, arguments);
        va_end(arguments);
        words_end(words);
}

void words_key(struct words *words, const char *region, const char *format, ...) {
        va_list arguments;

        buf_char(&words->bytes, '{');
        buf_str(&words->bytes, region);
        buf_add(&words->bytes, "}:", 2);
        va_start(arguments, format);
        words_format(words, format, arguments);
        va_end(arguments);
        words_end(words);
}

void words_join(struct words *words, const struct words *more) {
        size_t before = words->bytes.len;

        if (more->error || more->bytes.error)
                words->error = -ENOMEM;
        if (words->allocated - words->n < more->n)
                words_allocate(words, more->n);
        if (words->error)
                return;
        buf_add(&words->bytes, more->bytes.data, more->n > 0 ? more->ends[more->n - 1] : 0);
        for (size_t i = 0; i < more->n; i++)
                words->ends[words->n++] = before + more->ends[i];
}

/* https://redis.io/docs/reference/protocol-spec/: an array of bulk strings. */
void words_command(const struct words *words, struct buf *ret) {
        enum { AROUND = 16 }; /* '$', the length, and two line ends: a guess that mostly holds */
        size_t at = 0;

        (void) buf_room(ret, words->bytes.len + AROUND * (words->n + 1));
        buf_char(ret, '*');
        buf_number(ret, (int64_t) words->n);
        for (size_t i = 0; i < words->n; i++) {
                buf_str(ret, "\r\n$");
                buf_number(ret, (int64_t) (words->ends[i] - at));
                buf_str(ret, "\r\n");
                buf_add(ret, words->bytes.data + at, words->ends[i] - at);
                at = words->ends[i];
        }
        buf_str(ret, "\r\n");
}

void words_done(struct words *words) {
        buf_done(&words->bytes);
        free(words->ends);
        *words = (struct words) { 0 };
}
