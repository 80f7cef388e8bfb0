#include "core/textfile.h"

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <utf8proc.h>

#include "core/memory.h"

#define DISTANCE_MAX 64 /* code points */

static void closep(int *fd) {
        if (*fd >= 0)
                (void) close(*fd);
}

int file_read(const char *path, size_t max, char **ret, size_t *ret_n) {
        /* A named pipe put in a configuration folder must not hang the daemon. */
        int fd freed_by(closep) = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
        char *bytes freed_by(freep) = NULL;
        size_t n = 0, room;
        struct stat st;

        if (fd < 0 || fstat(fd, &st) < 0)
                return -errno;
        if (!S_ISREG(st.st_mode))
                return S_ISDIR(st.st_mode) ? -EISDIR : -EINVAL;
        if (st.st_size < 0 || (uint64_t) st.st_size > max)
                return -E2BIG;
        room = (size_t) st.st_size + 1;
        bytes = malloc(room + 1);
        if (!bytes)
                return -ENOMEM;
        for (;;) {
                ssize_t got = read(fd, bytes + n, room - n);

                if (got < 0 && errno == EINTR)
                        continue;
                if (got < 0)
                        return -errno;
                if (got == 0)
                        break;
                n += (size_t) got;
                if (n == room) /* it grows while we read: an editor at work */
                        return -EAGAIN;
        }
        bytes[n] = '\0';
        *ret = give_away(bytes);
        *ret_n = n;
        return 0;
}

bool text_looks_like_gb18030(const void *bytes, size_t n_bytes) {
        const uint8_t *at = bytes, *end = at + n_bytes;
        size_t n_double = 0;

        while (at < end) {
                if (at[0] < 0x80) {
                        at++;
                        continue;
                }
                if (at[0] == 0x80 || at[0] == 0xff || end - at < 2)
                        return false;
                if (at[1] >= 0x40 && at[1] != 0x7f && at[1] != 0xff) {
                        n_double++;
                        at += 2;
                        continue;
                }
                if (end - at < 4 || at[1] < 0x30 || at[1] > 0x39 || at[2] < 0x81 ||
                    at[2] == 0xff || at[3] < 0x30 || at[3] > 0x39)
                        return false;
                at += 4;
        }
        return n_double > 0;
}

static unsigned line_of(const char *bytes, size_t offset) {
        unsigned line = 1;

        for (size_t i = 0; i < offset; i++)
                line += bytes[i] == '\n';
        return line;
}

bool text_check(const char *path, const char *bytes, size_t n_bytes, struct problems *problems,
                size_t *ret_begin) {
        const utf8proc_uint8_t *text = (const utf8proc_uint8_t *) bytes;
        bool is_utf16 = n_bytes >= 2 && ((text[0] == 0xff && text[1] == 0xfe) ||
                                         (text[0] == 0xfe && text[1] == 0xff));
        const char *nul = n_bytes ? memchr(bytes, '\0', n_bytes) : NULL;

        if (nul && !is_utf16) {
                problems_add(problems, path, line_of(bytes, (size_t) (nul - bytes)),
                             MESSAGE_CONF_NUL, NULL);
                return false;
        }
        for (size_t at = 0; at < n_bytes;) {
                utf8proc_int32_t c;
                utf8proc_ssize_t n =
                        utf8proc_iterate(text + at, (utf8proc_ssize_t) (n_bytes - at), &c);

                if (n <= 0) {
                        problems_add(problems, path, is_utf16 ? 0 : line_of(bytes, at),
                                     !is_utf16 && text_looks_like_gb18030(bytes, n_bytes)
                                             ? MESSAGE_CONF_GB18030
                                             : MESSAGE_CONF_NOT_UTF8,
                                     NULL);
                        return false;
                }
                at += (size_t) n;
        }
        *ret_begin = n_bytes >= 3 && memcmp(bytes, "\xef\xbb\xbf", 3) == 0 ? 3 : 0;
        return true;
}

/* Code points of a text; DISTANCE_MAX + 1 when it has more. Broken bytes count as one each. */
static size_t code_points(const char *text, utf8proc_int32_t ret[static DISTANCE_MAX]) {
        size_t n = 0;

        while (*text) {
                utf8proc_ssize_t step =
                        utf8proc_iterate((const utf8proc_uint8_t *) text, -1, ret + n);

                if (step <= 0) {
                        ret[n] = (unsigned char) *text;
                        step = 1;
                }
                text += step;
                if (++n == DISTANCE_MAX)
                        return *text ? n + 1 : n;
        }
        return n;
}

static size_t least(size_t a, size_t b) {
        return a < b ? a : b;
}

size_t text_distance(const char *a, const char *b, size_t limit) {
        utf8proc_int32_t from[DISTANCE_MAX], to[DISTANCE_MAX];
        size_t rows[3][DISTANCE_MAX + 1];
        size_t n_from = code_points(a, from), n_to = code_points(b, to);
        size_t *before = rows[0], *last = rows[1], *now = rows[2];

        if (n_from > DISTANCE_MAX || n_to > DISTANCE_MAX || n_from > n_to + limit ||
            n_to > n_from + limit)
                return limit + 1;
        for (size_t j = 0; j <= n_to; j++)
                last[j] = j;
        for (size_t i = 1; i <= n_from; i++) {
                size_t best = i, *spare = before;

                now[0] = i;
                for (size_t j = 1; j <= n_to; j++) {
                        size_t change = last[j - 1] + (from[i - 1] != to[j - 1]);

                        now[j] = least(change, least(last[j], now[j - 1]) + 1);
                        if (i > 1 && j > 1 && from[i - 1] == to[j - 2] && from[i - 2] == to[j - 1])
                                now[j] = least(now[j], before[j - 2] + 1);
                        best = least(best, now[j]);
                }
                if (best > limit + 1) /* + 1: a swap can still save one */
                        return limit + 1;
                before = last;
                last = now;
                now = spare;
        }
        return least(last[n_to], limit + 1);
}
