/* Text attachments: which they are, how they are encoded, and what was seen in them lately. */
#include "daemons/publisherd/screen.h"

#include <errno.h>
#include <fcntl.h>
#include <iconv.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "core/attachments.h"
#include "core/ident.h"
#include "core/memory.h"
#include "core/plain.h"
#include "core/unicode.h"

/* -- what is a text --------------------------------------------------------------------------------- */

static bool ends_in(const char *text, const char *end) {
        size_t n = strlen(text), n_end = strlen(end);

        return n >= n_end && strcasecmp(text + n - n_end, end) == 0;
}

bool is_text_attachment(const char *name, const char *media_type, bool *ret_markup) {
        static const struct {
                const char *type; /* ends in / or + : all of them */
                const char *ending;
                bool markup;
        } kinds[] = {
                { "text/html", ".html", true },       { "application/xhtml+xml", ".htm", true },
                { "text/markdown", ".md", true },     { "text/xml", ".xml", true },
                { "application/xml", ".xhtml", true }, { "text/csv", ".csv", false },
                { "text/plain", ".txt", false },      { "application/csv", ".tsv", false },
                { "application/json", ".json", false }, { "application/x-ndjson", ".log", false },
        };

        *ret_markup = false;
        for (size_t i = 0; i < ELEMENTS(kinds); i++)
                if (strcasecmp(media_type, kinds[i].type) == 0 || ends_in(name, kinds[i].ending)) {
                        *ret_markup = kinds[i].markup;
                        return true;
                }
        *ret_markup = ends_in(media_type, "+xml") && strcasecmp(media_type, "image/svg+xml") != 0;
        return *ret_markup || ends_in(media_type, "+json") || strncasecmp(media_type, "text/", 5) == 0;
}

/* -- in UTF-8 -------------------------------------------------------------------------------------------- */

/* What is no character becomes U+FFFD. */
static int converted(const char *from, const char *bytes, size_t n_bytes, struct buf *ret) {
        iconv_t converter = iconv_open("UTF-8", from);
        char *in = (char *) bytes, piece[16384];

        if (converter == (iconv_t) -1)
                return -errno;
        while (n_bytes > 0 && !ret->error) {
                char *out = piece;
                size_t room = sizeof(piece);
                size_t r = iconv(converter, &in, &n_bytes, &out, &room);

                buf_add(ret, piece, (size_t) (out - piece));
                if (r != (size_t) -1 || errno == E2BIG)
                        continue;
                buf_str(ret, "\xef\xbf\xbd");
                in++;
                n_bytes--;
        }
        (void) iconv_close(converter);
        return ret->error;
}

static void mended(const char *bytes, size_t n_bytes, struct buf *ret) {
        while (n_bytes > 0) {
                size_t n = unicode_valid(bytes, n_bytes);

                buf_add(ret, bytes, n);
                if (n == n_bytes)
                        break;
                buf_str(ret, "\xef\xbf\xbd");
                bytes += n + 1;
                n_bytes -= n + 1;
        }
}

int look_at_bytes(struct looked *looked, const void *bytes, size_t n_bytes, bool markup,
                  const char *today) {
        struct buf text freed_by(buf_done) = { 0 };
        const char *at = bytes;
        size_t n_valid = unicode_valid(bytes, n_bytes);
        int r = 0;

        if (n_valid == n_bytes) {
                look_at_text(looked, bytes, n_bytes, markup, today);
                return 0;
        }
        if (n_bytes >= 2 && (memcmp(at, "\xff\xfe", 2) == 0 || memcmp(at, "\xfe\xff", 2) == 0))
                r = converted("UTF-16", at, n_bytes, &text); /* as Excel's Unicode text */
        else if (unicode_looks_gb18030(at + n_valid, n_bytes - n_valid))
                r = converted("GB18030", at, n_bytes, &text);
        else
                mended(at, n_bytes, &text);
        if (r == -EINVAL) /* this machine cannot convert it: digits are in ASCII nearly always */
                mended(at, n_bytes, &text);
        if (text.error)
                return text.error;
        look_at_text(looked, buf_text(&text), text.len, markup, today);
        return 0;
}

/* -- attachments ------------------------------------------------------------------------------------------ */

enum { MEMORIES = 256 };

struct screen_memory {
        struct seen {
                char sha256[DIGEST_TEXT];
                bool markup;
                struct looked looked;
        } seen[MEMORIES];
        size_t next;
};

static struct seen *remembered(struct screen_memory *memory, const char *sha256, bool markup) {
        for (size_t i = 0; memory && i < MEMORIES; i++)
                if (memory->seen[i].markup == markup && strcmp(memory->seen[i].sha256, sha256) == 0)
                        return &memory->seen[i];
        return NULL;
}

static void remember(struct publisherd *daemon, const char *sha256, bool markup,
                     const struct looked *looked) {
        struct screen_memory *memory = daemon->screened;
        struct seen *seen;

        if (!memory)
                memory = daemon->screened = calloc(1, sizeof(*memory));
        if (!memory)
                return;
        seen = &memory->seen[memory->next++ % MEMORIES];
        memcpy(seen->sha256, sha256, sizeof(seen->sha256));
        seen->markup = markup;
        seen->looked = *looked;
}

static int read_file(const char *path, size_t n_bytes, char **ret) {
        char *bytes freed_by(freep) = malloc(n_bytes + 1);
        int fd = open(path, O_RDONLY | O_CLOEXEC), r = 0;
        size_t n = 0;

        if (fd < 0)
                return -errno;
        while (bytes && n < n_bytes && r == 0) {
                ssize_t more = read(fd, bytes + n, n_bytes - n);

                if (more > 0)
                        n += (size_t) more;
                else if (more == 0)
                        r = -ENODATA;
                else if (errno != EINTR)
                        r = -errno;
        }
        (void) close(fd);
        if (!bytes)
                return -ENOMEM;
        if (r == 0)
                *ret = give_away(bytes);
        return r;
}

int look_at_attachment(struct publisherd *daemon, const struct event_attachment *attachment,
                       const struct frame *frame, const char *today, uint64_t *budget,
                       struct looked *ret) {
        char *path freed_by(freep) = NULL, *bytes freed_by(freep) = NULL;
        const struct seen *seen;
        bool markup;
        int r = 0;

        *ret = (struct looked) { 0 };
        if (!is_text_attachment(attachment->name, attachment->media_type, &markup))
                return 0;
        seen = remembered(daemon->screened, attachment->sha256, markup);
        if (seen) {
                *ret = seen->looked;
                return 0;
        }
        if (attachment->size > *budget) {
                ret->is_unread = true;
                return 0;
        }
        *budget -= attachment->size;
        if (!frame) {
                path = attachment_path(daemon->attachments_dir, attachment->sha256);
                r = path ? read_file(path, attachment->size, &bytes) : -ENOMEM;
        }
        if (r == 0)
                r = look_at_bytes(ret, frame ? frame->bytes : bytes, attachment->size, markup, today);
        if (r == 0)
                remember(daemon, attachment->sha256, markup, ret);
        return r;
}
