#include <errno.h>
#include <fcntl.h>
#include <iconv.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <utf8proc.h>

#include "client/emit.h"
#include "client/letter.h"
#include "core/memory.h"

/* What the door takes in one message (docs/protocol.md, limits). */
enum { EVENTS_MOST = LETTER_MAX_EVENTS };
#define JSON_MOST ((size_t) 1 << 20)

static void closep(int *fd) {
        if (*fd > STDERR_FILENO)
                (void) close(*fd);
}

int input_read_fd(int fd, struct buf *ret) {
        ret->max = INPUT_MOST;
        for (;;) {
                char *room = buf_room(ret, 64 << 10);
                ssize_t n;

                if (!room)
                        return ret->error == -E2BIG ? -EFBIG : ret->error;
                n = read(fd, room, 64 << 10);
                if (n < 0 && errno != EINTR)
                        return -errno;
                if (n == 0)
                        return 0;
                if (n > 0)
                        buf_grown(ret, (size_t) n);
        }
}

int input_read(const char *path, struct buf *ret) {
        int fd freed_by(closep) =
                strcmp(path, "-") == 0 ? STDIN_FILENO : open(path, O_RDONLY | O_CLOEXEC);

        return fd < 0 ? -errno : input_read_fd(fd, ret);
}

size_t input_valid_utf8(const char *text, size_t n_bytes) {
        size_t at = 0;

        while (at < n_bytes) {
                utf8proc_int32_t c;
                utf8proc_ssize_t n = utf8proc_iterate((const utf8proc_uint8_t *) text + at,
                                                      (utf8proc_ssize_t) (n_bytes - at), &c);

                if (n <= 0)
                        break;
                at += (size_t) n;
        }
        return at;
}

static int convert(struct buf *text, const char *from) {
        struct buf utf8 freed_by(buf_done) = { .max = INPUT_MOST };
        iconv_t converter = iconv_open("UTF-8", from);
        char *in = text->data;
        size_t n_in = text->len;
        int r = 0;

        if (converter == (iconv_t) -1)
                return -errno;
        while (n_in > 0 && r == 0) {
                char *start = buf_room(&utf8, n_in + 64), *out = start;
                size_t n_out = n_in + 64;

                if (!start) {
                        r = utf8.error;
                        break;
                }
                if (iconv(converter, &in, &n_in, &out, &n_out) == (size_t) -1 && errno != E2BIG)
                        r = -EILSEQ;
                buf_grown(&utf8, (size_t) (out - start));
        }
        (void) iconv_close(converter);
        if (r < 0)
                return r;
        buf_done(text);
        *text = utf8;
        utf8 = (struct buf) { 0 };
        return 0;
}

static bool starts_with(const struct buf *text, const char *bytes, size_t n) {
        return text->len >= n && memcmp(text->data, bytes, n) == 0;
}

/* Windows Notepad writes each of these: ANSI (which is GBK there), Unicode, UTF-8 with a mark. */
int input_decode(struct buf *text, const char **ret_from, size_t *ret_at) {
        const char *from = NULL;
        size_t valid = 0;
        int r;

        if (starts_with(text, "\xff\xfe", 2) || starts_with(text, "\xfe\xff", 2)) {
                from = "UTF-16";
        } else {
                valid = input_valid_utf8(buf_text(text), text->len);
                if (valid < text->len)
                        from = "GB18030";
        }
        if (from) {
                r = convert(text, from);
                if (r < 0) {
                        *ret_at = valid;
                        return r;
                }
        }
        if (starts_with(text, "\xef\xbb\xbf", 3)) {
                text->len -= 3;
                memmove(text->data, text->data + 3, text->len + 1);
        }
        *ret_from = from;
        return 0;
}

static int add_message(struct emit_messages *messages, const char *place, char *bytes,
                       size_t n_bytes, json_t *json, bool keep_json) {
        struct emit_message *message;

        if (bytes && messages->n == messages->allocated) {
                size_t wanted = messages->allocated ? messages->allocated * 2 : 16;
                struct emit_message *list = reallocarray(messages->list, wanted, sizeof(*list));

                if (list) {
                        messages->list = list;
                        messages->allocated = wanted;
                }
        }
        if (!bytes || messages->n == messages->allocated) {
                free(bytes);
                return -ENOMEM;
        }
        message = &messages->list[messages->n++];
        *message = (struct emit_message) { .bytes = bytes, .n_bytes = n_bytes };
        message->n_events = json_is_array(json) ? json_array_size(json) : 1;
        message->json = keep_json ? json_incref(json) : NULL;
        message->place = strdup(place);
        messages->n_events += message->n_events;
        return message->place ? 0 : -ENOMEM;
}

/* Cuts an array into pieces that the door takes; each is an array of its own. */
static int add_pieces(struct emit_messages *messages, const char *place, json_t *array,
                      bool keep_json) {
        size_t n = json_array_size(array), first = 0;

        while (first < n) {
                json_t *piece = json_array();
                struct buf text freed_by(buf_done) = { .max = INPUT_MOST };
                size_t n_bytes;
                int r = piece ? 0 : -ENOMEM;

                for (; r == 0 && first < n && json_array_size(piece) < EVENTS_MOST; first++) {
                        json_t *event = json_array_get(array, first);
                        char *written = json_dumps(event, JSON_COMPACT | JSON_ENCODE_ANY);

                        if (!written) {
                                r = -ENOMEM;
                                break;
                        }
                        if (text.len > 0 && text.len + strlen(written) + 2 > JSON_MOST) {
                                free(written);
                                break;
                        }
                        buf_char(&text, text.len > 0 ? ',' : '[');
                        buf_str(&text, written);
                        free(written);
                        r = json_array_append(piece, event) < 0 ? -ENOMEM : text.error;
                }
                buf_char(&text, ']');
                n_bytes = text.len;
                if (r == 0)
                        r = add_message(messages, place, buf_take(&text), n_bytes, piece,
                                        keep_json);
                json_decref(piece);
                if (r < 0)
                        return r;
        }
        return 0;
}

static int add_value(struct emit_messages *messages, const char *place, const char *text,
                     size_t n_bytes, json_t *json, bool keep_json) {
        char *bytes;

        if (json_is_array(json) && (json_array_size(json) > EVENTS_MOST ||
                                    (n_bytes > JSON_MOST && json_array_size(json) > 1)))
                return add_pieces(messages, place, json, keep_json);
        bytes = malloc(n_bytes + 1);
        if (!bytes)
                return -ENOMEM;
        memcpy(bytes, text, n_bytes);
        bytes[n_bytes] = '\0';
        return add_message(messages, place, bytes, n_bytes, json, keep_json);
}

static void say_not_json(struct buf *problem, const char *name, size_t line,
                         const json_error_t *error) {
        char line_text[24], column_text[24];

        (void) snprintf(line_text, sizeof(line_text), "%zu", line);
        (void) snprintf(column_text, sizeof(column_text), "%d", error->column);
        say_to(problem, MESSAGE_EMIT_NOT_JSON, "file", name, "line", line_text, "column",
               column_text, "reason", error->text, NULL);
}

int input_split(const char *name, const char *text, size_t n_bytes, bool keep_json,
                struct emit_messages *ret, struct buf *ret_problem) {
        const char *at = text, *end = text + n_bytes;
        size_t line = 1;

        for (;;) {
                struct buf place freed_by(buf_done) = { 0 };
                json_error_t error;
                json_t *json;
                int r;

                for (; at < end && strchr(" \t\r\n", *at) && *at; at++)
                        line += *at == '\n';
                if (at == end)
                        return 0;

                json = json_loadb(at, (size_t) (end - at),
                                  JSON_DISABLE_EOF_CHECK | JSON_REJECT_DUPLICATES, &error);
                if (!json) {
                        size_t further = error.line > 0 ? (size_t) error.line - 1 : 0;

                        if (json_error_code(&error) == json_error_out_of_memory)
                                return -ENOMEM;
                        say_not_json(ret_problem, name, line + further, &error);
                        return json_error_code(&error) == json_error_premature_end_of_input
                                       ? -ENODATA
                                       : -EBADMSG;
                }
                buf_fmt(&place, "%s:%zu", name, line);
                r = place.error;
                if (r == 0)
                        r = add_value(ret, buf_text(&place), at, (size_t) error.position, json,
                                      keep_json);
                json_decref(json);
                if (r < 0)
                        return r;
                for (const char *to = at + error.position; at < to; at++)
                        line += *at == '\n';
        }
}

int input_take(const char *name, struct buf *text, bool keep_json, struct emit_messages *ret,
               const char **ret_from, struct buf *ret_problem) {
        size_t bad_at = 0;
        int r = input_decode(text, ret_from, &bad_at);

        if (r == -EILSEQ) {
                char at_text[24];

                (void) snprintf(at_text, sizeof(at_text), "%zu", bad_at + 1);
                say_to(ret_problem, MESSAGE_EMIT_ENCODING, "file", name, "byte", at_text, NULL);
        }
        return r < 0 ? r
                     : input_split(name, buf_text(text), text->len, keep_json, ret, ret_problem);
}

int input_load(const char *path, bool keep_json, struct emit_messages *ret) {
        const char *name = strcmp(path, "-") == 0 ? "stdin" : path, *from = NULL;
        struct buf text freed_by(buf_done) = { 0 };
        struct buf problem freed_by(buf_done) = { 0 };
        int r = input_read(path, &text);

        if (r == -EFBIG)
                tell(MESSAGE_EMIT_FILE_TOO_LARGE, "file", name, "most", "256 MiB", NULL);
        else if (r < 0)
                tell(MESSAGE_EMIT_CANNOT_READ, "file", name, "reason", strerror(-r), NULL);
        if (r < 0)
                return EMIT_INPUT;
        r = input_take(name, &text, keep_json, ret, &from, &problem);
        if (from && r != -EILSEQ)
                tell(MESSAGE_EMIT_CONVERTED, "file", name, "encoding", from, NULL);
        if (r == -EBADMSG || r == -ENODATA || r == -EILSEQ) {
                tell_line(buf_text(&problem));
                return EMIT_INPUT;
        }
        if (r < 0) {
                tell(MESSAGE_EMIT_FAILED, "reason", strerror(-r), NULL);
                return EMIT_SYSTEM;
        }
        return 0;
}

static int make_dry(json_t *event) {
        if (!json_is_object(event))
                return 0; /* the door says what is wrong with it */
        return json_object_set_new(event, "gkdryrun", json_true()) < 0 ? -ENOMEM : 0;
}

int messages_make_dry(struct emit_messages *messages) {
        int r = 0;

        for (size_t i = 0; r == 0 && i < messages->n; i++) {
                json_t *json = messages->list[i].json, *event;
                size_t k;

                if (json_is_array(json)) {
                        json_array_foreach (json, k, event)
                                if (r == 0)
                                        r = make_dry(event);
                } else {
                        r = make_dry(json);
                }
        }
        return r < 0 ? r : messages_write(messages);
}

int messages_write(struct emit_messages *messages) {
        for (size_t i = 0; i < messages->n; i++) {
                struct emit_message *message = &messages->list[i];
                char *bytes = json_dumps(message->json, JSON_COMPACT);

                if (!bytes)
                        return -ENOMEM;
                free(message->bytes);
                message->bytes = bytes;
                message->n_bytes = strlen(bytes);
        }
        return 0;
}

void messages_done(struct emit_messages *messages) {
        for (size_t i = 0; i < messages->n; i++) {
                free(messages->list[i].bytes);
                free(messages->list[i].place);
                free(messages->list[i].attached);
                json_decref(messages->list[i].json);
        }
        free(messages->list);
        *messages = (struct emit_messages) { 0 };
}
