#include "core/textfile.h"

#include <dirent.h>
#include <errno.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>
#include <utf8proc.h>

#include "core/memory.h"
#include "core/unicode.h"

#define DISTANCE_MAX 64 /* code points */

static void closedirp(DIR **folder) {
        if (*folder)
                (void) closedir(*folder);
}

static int by_name(const void *a, const void *b) {
        return strcmp(*(char *const *) a, *(char *const *) b);
}

int folder_list(const char *folder, const char *suffix, struct string_list *ret) {
        struct string_list names freed_by(string_list_done) = { 0 };
        DIR *open_folder freed_by(closedirp) = opendir(folder);
        size_t n_suffix = strlen(suffix);

        if (!open_folder)
                return -errno;
        for (;;) {
                struct dirent *entry;
                size_t n;

                errno = 0;
                entry = readdir(open_folder);
                if (!entry && errno)
                        return -errno;
                if (!entry)
                        break;
                n = strlen(entry->d_name);
                /* An editor's and an office program's locks begin with a dot. */
                if (entry->d_name[0] == '.' || n < n_suffix ||
                    strcasecmp(entry->d_name + n - n_suffix, suffix) != 0)
                        continue;
                if (string_list_add(&names, entry->d_name, n) < 0)
                        return -ENOMEM;
        }
        if (names.n)
                qsort(names.items, names.n, sizeof(*names.items), by_name);
        *ret = names;
        names = (struct string_list) { 0 };
        return 0;
}

int line_read(int fd, size_t most, struct buf *ret) {
        bool any = false;

        buf_reset(ret);
        for (;;) {
                char c;
                ssize_t n = read(fd, &c, 1);

                if (n < 0 && errno == EINTR)
                        continue;
                if (n <= 0)
                        return any ? 0 : n < 0 ? -errno : -ENODATA;
                any = true;
                if (c == '\n')
                        return ret->error;
                if (ret->len < most)
                        buf_char(ret, c);
        }
}

static unsigned line_of(const char *bytes, size_t offset) {
        unsigned line = 1;

        for (size_t i = 0; i < offset; i++)
                line += bytes[i] == '\n';
        return line;
}

bool text_check(const char *path, const char *bytes, size_t n_bytes, struct problems *problems,
                size_t *ret_begin) {
        const char *nul = n_bytes ? memchr(bytes, '\0', n_bytes) : NULL;
        bool is_utf16 = n_bytes >= 2 && (memcmp(bytes, "\xff\xfe", 2) == 0 ||
                                         memcmp(bytes, "\xfe\xff", 2) == 0);
        size_t n_valid = unicode_valid(bytes, n_bytes);

        if (is_utf16) {
                problems_add(problems, path, 0, MESSAGE_CONF_NOT_UTF8, NULL);
                return false;
        }
        if (nul) {
                problems_add(problems, path, line_of(bytes, (size_t) (nul - bytes)),
                             MESSAGE_CONF_NUL, NULL);
                return false;
        }
        if (n_valid < n_bytes) {
                problems_add(problems, path, line_of(bytes, n_valid),
                             unicode_looks_gb18030(bytes, n_bytes) ? MESSAGE_CONF_GB18030 :
                                                                     MESSAGE_CONF_NOT_UTF8,
                             NULL);
                return false;
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
