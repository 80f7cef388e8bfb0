#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "channels/playlist.h"
#include "core/content.h"
#include "core/memory.h"
#include "core/moment.h"
#include "core/unicode.h"

enum {
        PICTURE_BYTES = 200 * 1024,
        HTML_BYTES = 128 * 1024, /* some 120 pages; more is not read on a wall */
        EXCERPT_CHARACTERS = 2000,
};

/* -- pictures within the text -- */

struct pictures {
        const struct delivery *delivery;
        char (*paths)[32]; /* "a/0123456789abcdef.png" per attachment, "" = not taken */
        bool *used;
};

static const char *ending_of(const char *media_type) {
        return !media_type                            ? NULL
               : strcmp(media_type, "image/png") == 0 ? "png"
               : strcmp(media_type, "image/jpeg") == 0 ? "jpg"
               : strcmp(media_type, "image/gif") == 0 ? "gif"
               : strcmp(media_type, "image/webp") == 0 ? "webp"
                                                       : NULL;
}

static int pictures_init(struct pictures *pictures, const struct delivery *delivery, bool wanted) {
        *pictures = (struct pictures) { .delivery = delivery };
        if (delivery->n_attachments == 0 || !wanted)
                return 0;
        pictures->paths = calloc(delivery->n_attachments, sizeof(*pictures->paths));
        pictures->used = calloc(delivery->n_attachments, sizeof(*pictures->used));
        if (!pictures->paths || !pictures->used)
                return -ENOMEM;
        for (size_t i = 0; i < delivery->n_attachments; i++) {
                const struct attachment *attachment = &delivery->attachments[i];
                const char *ending = ending_of(attachment->media_type);

                if (ending && attachment->here && attachment->role &&
                    strcmp(attachment->role, "inline") == 0 && attachment->size > 0 &&
                    attachment->size <= PICTURE_BYTES)
                        (void) snprintf(pictures->paths[i], sizeof(pictures->paths[i]),
                                        "a/%.16s.%s", attachment->sha256, ending);
        }
        return 0;
}

static void pictures_done(struct pictures *pictures) {
        free(pictures->paths);
        free(pictures->used);
}

static const char *picture_link(const char *name, void *userdata) {
        struct pictures *pictures = userdata;
        const struct delivery *delivery = pictures->delivery;

        for (size_t i = 0; pictures->paths && i < delivery->n_attachments; i++) {
                if (strcmp(delivery->attachments[i].name, name) != 0)
                        continue;
                if (!pictures->paths[i][0])
                        return NULL;
                pictures->used[i] = true;
                return pictures->paths[i];
        }
        return NULL;
}

static json_t *pictures_json(const struct pictures *pictures) {
        const struct delivery *delivery = pictures->delivery;
        json_t *list = json_array();

        for (size_t i = 0; pictures->used && i < delivery->n_attachments; i++)
                if (pictures->used[i])
                        (void) json_array_append_new(
                                list, json_pack("{s:s, s:s, s:I}", "file", pictures->paths[i],
                                                "sha256", delivery->attachments[i].sha256, "size",
                                                (json_int_t) delivery->attachments[i].size));
        return list;
}

/* -- the parts of an entry -- */

static const char *text_of(const json_t *object, const char *key) {
        const char *text = json_string_value(json_object_get(object, key));

        return text ? text : "";
}

json_t *screen_publisher(const json_t *data) {
        const json_t *publisher = json_object_get(data, "publisher"), *one;
        struct buf names freed_by(buf_done) = { 0 };
        size_t i;

        if (!json_is_array(publisher))
                return json_string(text_of(publisher, "name"));
        json_array_foreach(publisher, i, one)
                if (*text_of(one, "name"))
                        buf_fmt(&names, "%s%s", names.len > 0 ? "、" : "", text_of(one, "name"));
        return json_string(buf_text(&names));
}

/* When it was formed, as a day; else the day on which it is first shown. */
static json_t *date_of(const struct delivery *delivery, const json_t *data) {
        const char *formed = text_of(json_object_get(data, "dates"), "formed");
        char text[MOMENT_TEXT];
        int64_t ms;

        if (!*formed)
                formed = text_of(data, "formed");
        if (moment_parse_date(formed, &ms) < 0 && moment_parse(formed, &ms, NULL) < 0)
                ms = delivery->first_shown_ms ? delivery->first_shown_ms : delivery->now_ms;
        return json_string(moment_write_date(ms, text));
}

static json_t *moment_json(int64_t ms) {
        char text[MOMENT_TEXT];

        return ms > 0 ? json_string(moment_write(ms, text)) : json_null();
}

/* What is too long for a wall is shown by its beginning, and says so. */
static json_t *excerpt_of(const struct content *content) {
        char *more freed_by(freep) = say(MESSAGE_DISPLAY_TOO_LONG, NULL);
        struct buf text freed_by(buf_done) = { 0 };

        if (content->text) {
                buf_add(&text, content->text,
                        unicode_cut(content->text, strlen(content->text), EXCERPT_CHARACTERS));
                buf_str(&text, "……\n");
        }
        buf_str(&text, more ? more : "");
        return json_string(buf_text(&text));
}

static int add_body(const struct delivery *delivery, const json_t *data, bool with_pictures,
                    json_t *entry) {
        const json_t *body = json_object_get(data, "body");
        const char *source = text_of(body, "content");
        struct content content freed_by(content_done) = { 0 };
        struct pictures pictures freed_by(pictures_done) = { 0 };
        enum content_format format;
        bool whole = true;
        int r = pictures_init(&pictures, delivery, with_pictures);

        if (r < 0)
                return r;
        if (content_format_parse(text_of(body, "format"), &format) < 0)
                format = CONTENT_TEXT;
        r = content_render(format, source, strlen(source), picture_link, &pictures, &content);
        if (r < 0 && r != -E2BIG)
                return r;
        if (r == -E2BIG || strlen(content.html) > HTML_BYTES) {
                whole = false;
                if (pictures.used)
                        memset(pictures.used, 0, delivery->n_attachments * sizeof(*pictures.used));
        }
        r = json_object_set_new(entry, "html", json_string(whole ? content.html : ""));
        r |= json_object_set_new(entry, "text", whole ? json_string("") : excerpt_of(&content));
        r |= json_object_set_new(entry, "images", pictures_json(&pictures));
        return r < 0 ? -ENOMEM : 0;
}

int screen_entry(const struct delivery *delivery, int64_t show_days, bool pictures, json_t **ret,
                 int64_t *ret_until) {
        const json_t *data = json_object_get(delivery->event, "data");
        json_t *entry freed_by(json_decrefp) = json_object();
        const json_t *areas = json_object_get(data, "areas");
        const char *title = text_of(data, "title");
        int64_t until_ms = end_of(delivery, data, show_days), start_ms = 0;
        int r = entry ? 0 : -1;

        (void) moment_parse(text_of(data, "publish_at"), &start_ms, NULL);
        r |= json_object_set_new(entry, "region", json_string(delivery->region));
        r |= json_object_set_new(entry, "document", json_string(delivery->document));
        r |= json_object_set_new(entry, "revision", json_integer(delivery->revision));
        r |= json_object_set_new(entry, "kind", json_string(delivery->document_kind));
        r |= json_object_set_new(entry, "title", json_string(*title ? title : delivery->document));
        r |= json_object_set_new(entry, "number", json_string(text_of(data, "number")));
        r |= json_object_set_new(entry, "publisher", screen_publisher(data));
        r |= json_object_set_new(entry, "date", date_of(delivery, data));
        r |= json_object_set_new(entry, "short",
                                 json_string(text_of(json_object_get(data, "texts"), "short")));
        r |= json_object_set_new(entry, "urgent", json_boolean(delivery->urgent));
        r |= json_object_set_new(entry, "start", moment_json(start_ms));
        r |= json_object_set_new(entry, "end", moment_json(until_ms));
        r |= json_object_set_new(entry, "url", delivery->after_url ? json_string(delivery->after_url)
                                                                   : json_null());
        r |= json_object_set_new(entry, "areas",
                                 json_is_array(areas) ? json_copy((json_t *) areas) : json_array());
        if (r != 0)
                return -ENOMEM;
        r = add_body(delivery, data, pictures, entry);
        if (r < 0)
                return r;
        *ret = give_away(entry);
        *ret_until = until_ms;
        return 0;
}

json_t *screen_entry_gone(const struct delivery *delivery) {
        const char *mode = text_of(json_object_get(delivery->event, "data"), "mode");

        return json_pack("{s:s}", "gone",
                         delivery->kind == DELIVER_EXPIRE    ? "expired"
                         : strcmp(mode, "erase") == 0 ? "erased"
                                                      : "withdrawn");
}
