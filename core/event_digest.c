/* The canonical form of an event's content, and its digest.
 *
 * Two events with the same digest say the same: it covers the type and `data` without `revision`,
 * members sorted by the bytes of their names, no white space, one way to write each string.
 * Attachments count by name, role and digest: where the bytes lie, how many they are and what they
 * are called on the wire does not change what a citizen reads. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core/event_check.h"
#include "core/lanes.h"
#include "core/memory.h"

#define FEW 32 /* members that are sorted without asking for memory */

/* Which bytes of a string cannot stand as they are (RFC 8259, section 7). */
static bool is_special(unsigned char c) {
        return c < 0x20 || c == '"' || c == '\\';
}

/* Where the first of them stands, or `end`. */
static const char *find_special(const char *at, const char *end) {
        for (; end - at >= LANES; at += LANES) {
                lanes bytes = lanes_load(at);
                lanes special = lanes_within(bytes, 0x00, 0x1f) | lanes_equal(bytes, '"') |
                                lanes_equal(bytes, '\\');

                if (lanes_any(special))
                        return at + lanes_first(special);
        }
        while (at < end && !is_special((unsigned char) *at))
                at++;
        return at;
}

static void write_string(struct buf *buf, const char *text, size_t n) {
        const char *end = text + n;

        buf_char(buf, '"');
        while (text < end) {
                const char *run = text;

                text = find_special(text, end);
                buf_add(buf, run, (size_t) (text - run));
                if (text == end)
                        break;
                switch (*text) {
                case '"':
                case '\\':
                        buf_char(buf, '\\');
                        buf_char(buf, *text);
                        break;
                case '\n':
                        buf_str(buf, "\\n");
                        break;
                case '\r':
                        buf_str(buf, "\\r");
                        break;
                case '\t':
                        buf_str(buf, "\\t");
                        break;
                default:
                        buf_fmt(buf, "\\u%04x", (unsigned) *text);
                        break;
                }
                text++;
        }
        buf_char(buf, '"');
}

static void write_value(struct buf *buf, const json_t *value, bool sorted);

static void write_real(struct buf *buf, const json_t *value) {
        char text[64];
        size_t n = json_dumpb(value, text, sizeof(text), JSON_ENCODE_ANY);

        buf_add(buf, text, n < sizeof(text) ? n : 0);
}

static void write_array(struct buf *buf, const json_t *array, bool sorted) {
        size_t n = json_array_size(array);

        buf_char(buf, '[');
        for (size_t i = 0; i < n; i++) {
                if (i > 0)
                        buf_char(buf, ',');
                write_value(buf, json_array_get(array, i), sorted);
        }
        buf_char(buf, ']');
}

struct member {
        const char *name;
        const json_t *value;
};

static int by_name(const void *a, const void *b) {
        return strcmp(((const struct member *) a)->name, ((const struct member *) b)->name);
}

static void sort_members(struct member *members, size_t n) {
        if (n > FEW) {
                qsort(members, n, sizeof(*members), by_name);
                return;
        }
        for (size_t i = 1; i < n; i++) {
                struct member moving = members[i];
                size_t at = i;

                for (; at > 0 && by_name(&moving, members + at - 1) < 0; at--)
                        members[at] = members[at - 1];
                members[at] = moving;
        }
}

static void write_member(struct buf *buf, const struct member *member, bool first, bool sorted) {
        if (!first)
                buf_char(buf, ',');
        write_string(buf, member->name, strlen(member->name));
        buf_char(buf, ':');
        write_value(buf, member->value, sorted);
}

static void write_object(struct buf *buf, const json_t *object, bool sorted) {
        size_t n = json_object_size(object), i = 0;
        struct member few[FEW], *members = few, *many freed_by(freep) = NULL;

        if (sorted && n > FEW) {
                members = many = calloc(n, sizeof(*many));
                if (!many) {
                        buf->error = buf->error ? buf->error : -ENOMEM;
                        return;
                }
        }

        buf_char(buf, '{');
        for (void *at = json_object_iter((json_t *) object); at;
             at = json_object_iter_next((json_t *) object, at)) {
                struct member member = { json_object_iter_key(at), json_object_iter_value(at) };

                if (sorted)
                        members[i] = member;
                else
                        write_member(buf, &member, i == 0, sorted);
                i++;
        }
        if (sorted) {
                sort_members(members, n);
                for (i = 0; i < n; i++)
                        write_member(buf, members + i, i == 0, sorted);
        }
        buf_char(buf, '}');
}

/* As deep as event_read() lets a value be. */
static void write_value(struct buf *buf, const json_t *value, bool sorted) {
        switch (json_typeof(value)) {
        case JSON_OBJECT:
                write_object(buf, value, sorted);
                break;
        case JSON_ARRAY:
                write_array(buf, value, sorted);
                break;
        case JSON_STRING:
                write_string(buf, json_string_value(value), json_string_length(value));
                break;
        case JSON_INTEGER:
                buf_number(buf, json_integer_value(value));
                break;
        case JSON_REAL:
                write_real(buf, value);
                break;
        case JSON_TRUE:
                buf_str(buf, "true");
                break;
        case JSON_FALSE:
                buf_str(buf, "false");
                break;
        case JSON_NULL:
                buf_str(buf, "null");
                break;
        }
}

void event_write(const json_t *json, struct buf *ret) {
        write_value(ret, json, false);
}

static void write_attachments(struct buf *buf, const struct event *event) {
        buf_char(buf, '[');
        for (size_t i = 0; i < event->n_attachments; i++) {
                const struct event_attachment *attachment = event->attachments + i;

                buf_str(buf, i ? ",{\"name\":" : "{\"name\":");
                write_string(buf, attachment->name, strlen(attachment->name));
                if (attachment->role) {
                        buf_str(buf, ",\"role\":");
                        write_string(buf, attachment->role, strlen(attachment->role));
                }
                buf_str(buf, ",\"sha256\":\"");
                buf_add(buf, attachment->sha256, DIGEST_TEXT - 1);
                buf_str(buf, "\"}");
        }
        buf_char(buf, ']');
}

static void write_canonical(struct buf *buf, const struct event *event, const char *type) {
        size_t n = json_object_size(event->data), i = 0, written = 0;
        struct member few[FEW], *members = few, *many freed_by(freep) = NULL;

        if (n > FEW) {
                members = many = calloc(n, sizeof(*many));
                if (!many) {
                        buf->error = -ENOMEM;
                        return;
                }
        }
        for (void *at = json_object_iter((json_t *) event->data); at;
             at = json_object_iter_next((json_t *) event->data, at))
                members[i++] =
                        (struct member){ json_object_iter_key(at), json_object_iter_value(at) };
        sort_members(members, n);

        buf_str(buf, type);
        buf_str(buf, "\n{");
        for (i = 0; i < n; i++) {
                if (strcmp(members[i].name, "revision") == 0)
                        continue;
                if (strcmp(members[i].name, "attachments") == 0 && event->attachments) {
                        buf_str(buf, written++ ? ",\"attachments\":" : "\"attachments\":");
                        write_attachments(buf, event);
                        continue;
                }
                write_member(buf, members + i, written++ == 0, true);
        }
        buf_char(buf, '}');
}

bool event_digest(struct event *event) {
        static struct buf canonical; /* kept for the next event: its memory is warm */
        bool done;

        buf_reset(&canonical);
        write_canonical(&canonical, event, json_string_value(json_object_get(event->json, "type")));
        done = canonical.error == 0;
        if (done) {
                digest_raw(buf_text(&canonical), canonical.len, event->digest_raw);
                digest_hex(event->digest_raw, event->digest);
        }
        if (canonical.allocated > 65536)
                buf_done(&canonical);
        return done;
}
