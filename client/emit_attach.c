#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "client/emit.h"
#include "client/letter.h"
#include "core/memory.h"

/* IANA's registry where it has the type; .ofd (GB/T 33190) and the .wps family are as the makers'
 * own programs declare them. */
static const struct {
        const char *ending, *media_type;
} media_types[] = {
        { "pdf", "application/pdf" },
        { "ofd", "application/ofd" },
        { "doc", "application/msword" },
        { "docx", "application/vnd.openxmlformats-officedocument.wordprocessingml.document" },
        { "xls", "application/vnd.ms-excel" },
        { "xlsx", "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet" },
        { "ppt", "application/vnd.ms-powerpoint" },
        { "pptx", "application/vnd.openxmlformats-officedocument.presentationml.presentation" },
        { "wps", "application/wps-office.wps" },
        { "et", "application/wps-office.et" },
        { "dps", "application/wps-office.dps" },
        { "odt", "application/vnd.oasis.opendocument.text" },
        { "ods", "application/vnd.oasis.opendocument.spreadsheet" },
        { "rtf", "application/rtf" },
        { "csv", "text/csv" },
        { "txt", "text/plain" },
        { "html", "text/html" },
        { "htm", "text/html" },
        { "xml", "application/xml" },
        { "json", "application/json" },
        { "png", "image/png" },
        { "jpg", "image/jpeg" },
        { "jpeg", "image/jpeg" },
        { "gif", "image/gif" },
        { "webp", "image/webp" },
        { "tif", "image/tiff" },
        { "tiff", "image/tiff" },
        { "mp3", "audio/mpeg" },
        { "mp4", "video/mp4" },
        { "zip", "application/zip" },
        { "rar", "application/vnd.rar" },
        { "7z", "application/x-7z-compressed" },
};

const char *media_type_of(const char *name) {
        const char *dot = strrchr(name, '.');

        for (size_t i = 0; dot && i < ELEMENTS(media_types); i++)
                if (strcasecmp(dot + 1, media_types[i].ending) == 0)
                        return media_types[i].media_type;
        return "application/octet-stream";
}

int attachments_add_fd(struct emit_attachments *attachments, const char *name, int fd) {
        struct emit_attachment *list, *added;
        int r;

        if (input_valid_utf8(name, strlen(name)) < strlen(name))
                return -EILSEQ;
        for (size_t i = 0; i < attachments->n; i++)
                if (strcmp(attachments->list[i].name, name) == 0)
                        return -EEXIST;
        list = reallocarray(attachments->list, attachments->n + 1, sizeof(*list));
        if (!list)
                return -ENOMEM;
        attachments->list = list;
        added = &list[attachments->n++];
        *added = (struct emit_attachment) { .name = strdup(name) };
        if (!added->name)
                return -ENOMEM;
        r = input_read_fd(fd, &added->bytes);
        if (r < 0)
                return r;
        if (added->bytes.len > LETTER_MAX_PART)
                return -EFBIG;
        digest_bytes(buf_text(&added->bytes), added->bytes.len, added->sha256);
        added->media_type = media_type_of(name);
        return 0;
}

int attachments_add(struct emit_attachments *attachments, const char *path) {
        const char *slash = strrchr(path, '/'), *name = slash ? slash + 1 : path;
        int fd, r;

        if (!*name)
                return -EISDIR;
        fd = open(path, O_RDONLY | O_CLOEXEC);
        if (fd < 0)
                return -errno;
        r = attachments_add_fd(attachments, name, fd);
        (void) close(fd);
        return r;
}

void attachments_done(struct emit_attachments *attachments) {
        for (size_t i = 0; i < attachments->n; i++) {
                free(attachments->list[i].name);
                buf_done(&attachments->list[i].bytes);
        }
        free(attachments->list);
        *attachments = (struct emit_attachments) { 0 };
}

static bool is_empty(const json_t *value) {
        return !value || json_is_null(value) ||
               (json_is_string(value) && json_string_length(value) == 0);
}

/* Fills what is missing. What is there and differs is somebody's intention: we do not guess whose
 * version of the file is meant. */
static int fill_entry(json_t *entry, const struct emit_attachment *file) {
        json_t *sha256 = json_object_get(entry, "sha256"), *size = json_object_get(entry, "size");
        int r = 0;

        if (!is_empty(sha256) &&
            (!json_is_string(sha256) || strcasecmp(json_string_value(sha256), file->sha256) != 0))
                return -ESTALE;
        if (!is_empty(size) &&
            (!json_is_integer(size) || json_integer_value(size) != (json_int_t) file->bytes.len))
                return -ESTALE;
        if (is_empty(sha256))
                r |= json_object_set_new(entry, "sha256", json_string(file->sha256));
        if (is_empty(size))
                r |= json_object_set_new(entry, "size", json_integer((json_int_t) file->bytes.len));
        if (is_empty(json_object_get(entry, "media_type")))
                r |= json_object_set_new(entry, "media_type", json_string(file->media_type));
        return r < 0 ? -ENOMEM : 0;
}

static json_t *entry_of(json_t *event, const char *name) {
        json_t *list = json_object_get(json_object_get(event, "data"), "attachments"), *entry;
        size_t i;

        json_array_foreach (list, i, entry) {
                const char *entry_name = json_string_value(json_object_get(entry, "name"));

                if (entry_name && strcmp(entry_name, name) == 0)
                        return entry;
        }
        return NULL;
}

static int add_entry(json_t *event, const char *name) {
        json_t *data = json_object_get(event, "data"), *list, *entry;

        if (!json_is_object(data))
                return -EINVAL;
        list = json_object_get(data, "attachments");
        if (!list || json_is_null(list)) {
                list = json_array();
                if (json_object_set_new(data, "attachments", list) < 0)
                        return -ENOMEM;
        }
        if (!json_is_array(list))
                return -EINVAL;
        entry = json_pack("{s:s}", "name", name);
        return json_array_append_new(list, entry) < 0 ? -ENOMEM : 0;
}

static int note_frame(struct emit_message *message, size_t i_attachment) {
        size_t *attached;

        if (message->n_attached > 0 && message->attached[message->n_attached - 1] == i_attachment)
                return 0; /* several events of one array may name it: the bytes go once */
        attached = reallocarray(message->attached, message->n_attached + 1, sizeof(*attached));
        if (!attached)
                return -ENOMEM;
        message->attached = attached;
        attached[message->n_attached++] = i_attachment;
        return 0;
}

static json_t *event_at(const struct emit_message *message, size_t i) {
        return json_is_array(message->json) ? json_array_get(message->json, i) : message->json;
}

/* Fills one file into every event that names it. */
static int fill_file(const struct emit_attachment *file, size_t i_file,
                     struct emit_messages *messages, size_t *ret_named, const char **ret_place) {
        for (size_t i = 0; i < messages->n; i++) {
                struct emit_message *message = &messages->list[i];

                for (size_t k = 0; k < message->n_events; k++) {
                        json_t *entry = entry_of(event_at(message, k), file->name);
                        int r;

                        if (!entry)
                                continue;
                        *ret_place = message->place;
                        r = fill_entry(entry, file);
                        if (r == 0)
                                r = note_frame(message, i_file);
                        if (r < 0)
                                return r;
                        ++*ret_named;
                }
        }
        return 0;
}

int attachments_fill(const struct emit_attachments *attachments, struct emit_messages *messages,
                     struct buf *ret_problem) {
        for (size_t i = 0; i < attachments->n; i++) {
                const struct emit_attachment *file = &attachments->list[i];
                const char *place = messages->n > 0 ? messages->list[0].place : "";
                size_t n_named = 0;
                int r = fill_file(file, i, messages, &n_named, &place);

                if (r == 0 && n_named == 0) {
                        r = messages->n_events == 1
                                    ? add_entry(event_at(&messages->list[0], 0), file->name)
                                    : -ENOTUNIQ;
                        if (r == 0)
                                r = fill_file(file, i, messages, &n_named, &place);
                }
                if (r == -ENOTUNIQ)
                        say_to(ret_problem, MESSAGE_EMIT_ATTACH_NAMED_NOWHERE, "name", file->name,
                               NULL);
                else if (r == -EINVAL)
                        say_to(ret_problem, MESSAGE_EMIT_ATTACH_NO_DATA, "place", place, "name",
                               file->name, NULL);
                else if (r == -ESTALE)
                        say_to(ret_problem, MESSAGE_EMIT_ATTACH_OTHER_DIGEST, "place", place,
                               "name", file->name, NULL);
                if (r < 0)
                        return r;
        }
        return attachments->n > 0 ? messages_write(messages) : 0;
}

int parts_of(const struct emit_message *message, const struct emit_attachments *attachments,
             struct gongkai_part **ret) {
        struct gongkai_part *parts = calloc(message->n_attached + 1, sizeof(*parts));

        for (size_t i = 0; parts && i < message->n_attached; i++) {
                const struct buf *bytes = &attachments->list[message->attached[i]].bytes;

                parts[i] = (struct gongkai_part) { buf_text(bytes), bytes->len };
        }
        *ret = parts;
        return parts ? 0 : -ENOMEM;
}
