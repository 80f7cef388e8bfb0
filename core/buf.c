#include "core/buf.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void buf_done(struct buf *buf) {
        free(buf->data);
        *buf = buf_init_max(buf->max);
}

void buf_reset(struct buf *buf) {
        buf->len = 0;
        buf->error = 0;
        if (buf->data)
                buf->data[0] = '\0';
}

char *buf_grow(struct buf *buf, size_t n_bytes) {
        size_t max = buf->max ? buf->max : BUF_DEFAULT_MAX;

        if (buf->error)
                return NULL;
        if (n_bytes > max || buf->len > max - n_bytes) {
                buf->error = -E2BIG;
                return NULL;
        }
        if (buf->len + n_bytes + 1 > buf->allocated) {
                size_t wanted = buf->allocated ? buf->allocated * 2 : 128;
                char *data;

                while (wanted < buf->len + n_bytes + 1)
                        wanted *= 2;
                wanted = wanted <= max ? wanted : max + 1;
                data = realloc(buf->data, wanted);
                if (!data) {
                        buf->error = -ENOMEM;
                        return NULL;
                }
                buf->data = data;
                buf->allocated = wanted;
        }
        return buf->data + buf->len;
}

void buf_number(struct buf *buf, int64_t number) {
        uint64_t left = number < 0 ? -(uint64_t) number : (uint64_t) number;
        size_t n = number < 0 ? 2 : 1;
        char *room;

        for (uint64_t rest = left; rest >= 10; rest /= 10)
                n++;
        room = buf_room(buf, n);
        if (!room)
                return;
        buf_grown(buf, n);
        room[0] = '-';
        do
                room[--n] = (char) ('0' + left % 10);
        while ((left /= 10) > 0);
}

void buf_fmt(struct buf *buf, const char *format, ...) {
        size_t left = buf->error ? 0 : buf->allocated - buf->len;
        va_list arguments, again;
        char *room;
        int n;

        va_start(arguments, format);
        va_copy(again, arguments);
        /* Mostly there is room, and once is enough. */
        n = vsnprintf(left ? buf->data + buf->len : NULL, left, format, arguments);
        va_end(arguments);
        if (n < 0)
                buf->error = buf->error ? buf->error : -EINVAL;
        room = n < 0 ? NULL : buf_room(buf, (size_t) n);
        if (room && (size_t) n >= left)
                (void) vsnprintf(room, (size_t) n + 1, format, again);
        if (room)
                buf->len += (size_t) n;
        else if (left)
                buf->data[buf->len] = '\0';
        va_end(again);
}

char *buf_take(struct buf *buf) {
        char *data;

        if (!buf->data)
                (void) buf_room(buf, 0);
        if (buf->error) {
                buf_done(buf);
                return NULL;
        }
        data = buf->data;
        data[buf->len] = '\0';
        *buf = buf_init_max(buf->max);
        return data;
}

const char *buf_text(const struct buf *buf) {
        return buf->data && buf->len ? buf->data : "";
}
