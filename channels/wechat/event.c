/* The XML that the platform pushes: elements, CDATA and text, and nothing else. What is read is a
 * stranger's, so there is no DOCTYPE, no comment, no processing instruction but the first line's,
 * no entity but the five of XML, and an end to depth and number. */
#include <errno.h>
#include <string.h>

#include "channels/wechat/wechat.h"
#include "core/memory.h"
#include "core/unicode.h"

enum { DEPTH = 10, ELEMENTS_MOST = 500, NAME = 40, PATH = DEPTH * (NAME + 1) };

struct reader {
        const char *at, *end;
        char path[PATH];
        size_t starts[DEPTH]; /* where in `path` each open element's name begins */
        size_t depth, n_elements;
        struct buf text; /* of the innermost element since its begin */
        json_t *found;
};

static bool begins(const struct reader *reader, const char *word) {
        size_t n = strlen(word);

        return (size_t) (reader->end - reader->at) >= n && memcmp(reader->at, word, n) == 0;
}

static size_t name_bytes(const char *at, const char *end) {
        size_t n = 0;

        while (at + n < end && n < NAME &&
               (strchr("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz_", at[n]) ||
                (n > 0 && strchr("0123456789-", at[n]))) &&
               at[n] != '\0')
                n++;
        return n;
}

static int open_element(struct reader *reader) {
        const char *name = reader->at + 1;
        size_t n = name_bytes(name, reader->end), at = strlen(reader->path);

        if (n == 0 || name + n >= reader->end || name[n] != '>' || reader->depth == DEPTH ||
            ++reader->n_elements > ELEMENTS_MOST || (reader->depth == 0 && reader->n_elements > 1))
                return -EINVAL;
        reader->starts[reader->depth++] = at;
        if (at > 0)
                reader->path[at++] = '/';
        memcpy(reader->path + at, name, n);
        reader->path[at + n] = '\0';
        reader->at = name + n + 1;
        buf_reset(&reader->text);
        return 0;
}

/* The first of a name counts: PUBLISHJOBFINISH repeats `item` and `fail_idx`. */
static int close_element(struct reader *reader) {
        const char *name = reader->at + 2;
        size_t n = name_bytes(name, reader->end), start;

        if (reader->depth == 0 || n == 0 || name + n >= reader->end || name[n] != '>')
                return -EINVAL;
        start = reader->starts[reader->depth - 1];
        if (strlen(reader->path + start) - (start > 0) != n ||
            memcmp(reader->path + start + (start > 0), name, n) != 0)
                return -EINVAL;
        if (!json_object_get(reader->found, reader->path) &&
            json_object_set_new(reader->found, reader->path, json_string(buf_text(&reader->text))) <
                    0)
                return -ENOMEM;
        buf_reset(&reader->text);
        reader->path[start] = '\0';
        reader->depth--;
        reader->at = name + n + 1;
        return 0;
}

static int take_cdata(struct reader *reader) {
        static const char begin[] = "<![CDATA[", end[] = "]]>";
        const char *from = reader->at + strlen(begin);
        const char *to = memmem(from, (size_t) (reader->end - from), end, strlen(end));

        if (!to || reader->depth == 0)
                return -EINVAL;
        buf_add(&reader->text, from, (size_t) (to - from));
        reader->at = to + strlen(end);
        return reader->text.error;
}

static int take_entity(struct reader *reader) {
        static const struct {
                const char *name;
                char c;
        } entities[] = { { "&amp;", '&' },
                         { "&lt;", '<' },
                         { "&gt;", '>' },
                         { "&quot;", '"' },
                         { "&apos;", '\'' } };

        for (size_t i = 0; i < ELEMENTS(entities); i++)
                if (begins(reader, entities[i].name)) {
                        buf_char(&reader->text, entities[i].c);
                        reader->at += strlen(entities[i].name);
                        return reader->text.error;
                }
        return -EINVAL;
}

static int take_text(struct reader *reader) {
        if (reader->depth == 0 && !strchr(" \t\r\n", *reader->at))
                return -EINVAL;
        buf_char(&reader->text, *reader->at++);
        return reader->text.error;
}

static int read_all(struct reader *reader) {
        int r = 0;

        if (begins(reader, "<?xml ")) {
                const char *end = memmem(reader->at, (size_t) (reader->end - reader->at), "?>", 2);

                if (!end)
                        return -EINVAL;
                reader->at = end + 2;
        }
        while (r == 0 && reader->at < reader->end)
                r = begins(reader, "<![CDATA[") ? take_cdata(reader)
                    : begins(reader, "</")      ? close_element(reader)
                    : *reader->at == '<'        ? open_element(reader)
                    : *reader->at == '&'        ? take_entity(reader)
                                                : take_text(reader);
        return r < 0 ? r : reader->depth == 0 && reader->n_elements > 0 ? 0 : -EINVAL;
}

int wechat_xml(const char *xml, size_t n_bytes, json_t **ret) {
        struct reader reader = { .at = xml, .end = xml + n_bytes, .found = json_object() };
        int r = reader.found ? 0 : -ENOMEM;

        if (r == 0 && (memchr(xml, '\0', n_bytes) || unicode_valid(xml, n_bytes) < n_bytes))
                r = -EINVAL;
        if (r == 0)
                r = read_all(&reader);
        buf_done(&reader.text);
        if (r < 0)
                json_decref(reader.found);
        else
                *ret = reader.found;
        return r;
}
