#include "client/spool_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "client/letter.h"
#include "core/digest.h"
#include "core/memory.h"

static const char magic[] = "gongkai-spool 1\n";

/* 64 hex digits, a space, up to 10 digits, a line end: with room to spare. */
enum { HEADER_LINE = 96 };
#define FILE_MOST (LETTER_MAX_BYTES + (LETTER_MAX_PARTS + 2) * HEADER_LINE)

static void closep(int *fd) {
        if (*fd >= 0)
                (void) close(*fd);
}

static int write_all(int fd, const char *bytes, size_t n_bytes) {
        while (n_bytes > 0) {
                ssize_t n = write(fd, bytes, n_bytes);

                if (n < 0 && errno == EINTR)
                        continue;
                if (n < 0)
                        return -errno;
                bytes += n;
                n_bytes -= (size_t) n;
        }
        return 0;
}

static int create(int folder, const char *name, mode_t mode) {
        int fd = openat(folder, name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, mode);

        return fd < 0 ? -errno : fd;
}

int file_write_synced(int folder, const char *name, mode_t mode, const void *bytes,
                      size_t n_bytes) {
        int fd freed_by(closep) = create(folder, name, mode);
        int r = fd < 0 ? fd : write_all(fd, bytes, n_bytes);

        if (r == 0 && fsync(fd) < 0)
                r = -errno;
        return r;
}

static void add_header_line(struct buf *header, const void *bytes, size_t n_bytes) {
        char digest[DIGEST_TEXT];

        digest_bytes(bytes, n_bytes, digest);
        buf_fmt(header, "%s %zu\n", digest, n_bytes);
}

int spool_file_write(int folder, const char *name, const void *event, size_t n_event,
                     const struct gongkai_part *parts, size_t n_parts) {
        struct buf header freed_by(buf_done) = { 0 };
        int fd freed_by(closep) = create(folder, name, 0600);
        int r;

        if (fd < 0)
                return fd;
        buf_str(&header, magic);
        add_header_line(&header, event, n_event);
        for (size_t i = 0; i < n_parts; i++)
                add_header_line(&header, parts[i].bytes, parts[i].n_bytes);
        buf_char(&header, '\n');
        if (header.error)
                return header.error;
        r = write_all(fd, header.data, header.len);
        if (r == 0)
                r = write_all(fd, event, n_event);
        for (size_t i = 0; r == 0 && i < n_parts; i++)
                r = write_all(fd, parts[i].bytes, parts[i].n_bytes);
        if (r == 0 && fsync(fd) < 0)
                r = -errno;
        return r;
}

static int read_whole(int folder, const char *name, struct buf *ret) {
        int fd freed_by(closep) = openat(folder, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
        struct stat status;

        if (fd < 0)
                return -errno;
        if (fstat(fd, &status) < 0)
                return -errno;
        if (!S_ISREG(status.st_mode) || (uintmax_t) status.st_size > FILE_MOST)
                return -EBADMSG;
        for (;;) {
                size_t wanted = (size_t) status.st_size - ret->len + 1;
                char *room = ret->len <= (size_t) status.st_size ? buf_room(ret, wanted) : NULL;
                ssize_t n;

                if (!room)
                        return ret->error ? ret->error : -EBADMSG;
                n = read(fd, room, wanted);
                if (n < 0 && errno != EINTR)
                        return -errno;
                if (n == 0)
                        return 0;
                if (n > 0)
                        buf_grown(ret, (size_t) n);
        }
}

struct frame_line {
        char digest[DIGEST_TEXT];
        size_t n_bytes;
};

/* "<sha256> <bytes>\n" at *at; moves on. */
static int read_header_line(const char **at, const char *end, struct frame_line *ret) {
        const char *newline = memchr(*at, '\n', (size_t) (end - *at));
        const char *digits = *at + DIGEST_TEXT;
        size_t n_bytes = 0;

        if (!newline || newline - *at < DIGEST_TEXT + 1 || newline - *at > HEADER_LINE ||
            (*at)[DIGEST_TEXT - 1] != ' ')
                return -EBADMSG;
        for (const char *c = digits; c < newline; c++) {
                if (*c < '0' || *c > '9' || n_bytes > LETTER_MAX_BYTES)
                        return -EBADMSG;
                n_bytes = n_bytes * 10 + (size_t) (*c - '0');
        }
        memcpy(ret->digest, *at, DIGEST_TEXT - 1);
        ret->digest[DIGEST_TEXT - 1] = '\0';
        ret->n_bytes = n_bytes;
        *at = newline + 1;
        return 0;
}

static int take_frame(const char **at, const char *end, const struct frame_line *line) {
        char digest[DIGEST_TEXT];

        if (line->n_bytes > (size_t) (end - *at))
                return -EBADMSG;
        digest_bytes(*at, line->n_bytes, digest);
        if (strcmp(digest, line->digest) != 0)
                return -EBADMSG;
        *at += line->n_bytes;
        return 0;
}

static int split(struct spooled *spooled) {
        const char *at = spooled->bytes.data, *end = at + spooled->bytes.len, *headers;
        struct frame_line line;
        size_t n_frames = 0;
        int r;

        if (spooled->bytes.len < sizeof(magic) || memcmp(at, magic, sizeof(magic) - 1) != 0)
                return -EBADMSG;
        at += sizeof(magic) - 1;
        for (headers = at; at < end && *at != '\n'; n_frames++) {
                r = read_header_line(&at, end, &line);
                if (r < 0)
                        return r;
        }
        if (at == end || n_frames == 0 || n_frames > LETTER_MAX_PARTS + 1)
                return -EBADMSG;
        at++;
        spooled->parts = calloc(n_frames, sizeof(*spooled->parts));
        if (!spooled->parts)
                return -ENOMEM;
        for (size_t i = 0; i < n_frames; i++) {
                const char *start = at;

                (void) read_header_line(&headers, end, &line);
                r = take_frame(&at, end, &line);
                if (r < 0)
                        return r;
                if (i == 0) {
                        spooled->event = start;
                        spooled->n_event = line.n_bytes;
                } else {
                        spooled->parts[spooled->n_parts++] =
                                (struct gongkai_part) { start, line.n_bytes };
                }
        }
        if (at != end || letter_check_size(spooled->n_event, spooled->parts, spooled->n_parts) < 0)
                return -EBADMSG;
        return 0;
}

int spool_file_read(int folder, const char *name, struct spooled *ret) {
        struct spooled spooled = { 0 };
        int r = read_whole(folder, name, &spooled.bytes);

        if (r == 0 && spooled.bytes.len == 0)
                r = -EBADMSG;
        if (r == 0)
                r = split(&spooled);
        if (r < 0) {
                spooled_done(&spooled);
                return r;
        }
        *ret = spooled;
        return 0;
}

void spooled_done(struct spooled *spooled) {
        buf_done(&spooled->bytes);
        free(spooled->parts);
        *spooled = (struct spooled) { 0 };
}
