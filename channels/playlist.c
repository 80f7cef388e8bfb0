#include <errno.h>
#include <string.h>

#include "channels/playlist.h"
#include "core/digest.h"
#include "core/event.h"
#include "core/memory.h"
#include "core/moment.h"

const char *const playlist_languages[] = { "zh", "en", NULL };

/* The members of an entry that the player reads, in the order of README.md. */
static const char *const members[] = { "document", "revision",  "kind", "title", "number",
                                       "publisher", "date",     "html", "text",  "short",
                                       "urgent",    "start",    "end",  "url" };

/* What of them is drawn, in the order of README.md; nothing here depends on the time. */
static const char *const drawn[] = { "document", "revision", "kind", "title", "number", "publisher",
                                     "date",     "html",     "text", "short", "urgent", "url" };

static void add_drawn(struct buf *text, const json_t *value) {
        if (json_is_string(value))
                buf_add(text, json_string_value(value), json_string_length(value));
        else if (json_is_integer(value))
                buf_number(text, json_integer_value(value));
        else if (json_is_boolean(value))
                buf_str(text, json_is_true(value) ? "true" : "false");
}

static int add_digest(json_t *item) {
        struct buf text freed_by(buf_done) = { 0 };
        char digest[DIGEST_TEXT];

        for (size_t i = 0; i < ELEMENTS(drawn); i++) {
                if (i > 0)
                        buf_char(&text, '\n');
                add_drawn(&text, json_object_get(item, drawn[i]));
        }
        if (text.error)
                return text.error;
        digest_bytes(text.data, text.len, digest);
        return json_object_set_new(item, "digest", json_string(digest));
}

/* What the player gets of an entry. Two regions may have documents of one name. */
json_t *playlist_item(const struct delivery *delivery, const json_t *entry) {
        json_t *item = json_object();

        for (size_t i = 0; i < ELEMENTS(members); i++)
                if (json_object_set(item, members[i], json_object_get(entry, members[i])) < 0) {
                        json_decref(item);
                        return NULL;
                }
        if (delivery->several_regions) {
                struct buf name freed_by(buf_done) = { 0 };

                buf_fmt(&name, "%s/%s", json_string_value(json_object_get(entry, "region")),
                        json_string_value(json_object_get(entry, "document")));
                (void) json_object_set_new(item, "document", json_string(buf_text(&name)));
        }
        if (add_digest(item) < 0) {
                json_decref(item);
                return NULL;
        }
        return item;
}

/* -- which entries -- */

void playlist_views(const struct screens *screens, int64_t most, struct tree_open *open) {
        unsigned limit = screens->any_area ? LOOK_BACK : (unsigned) most;

        open->views[0] = (struct tree_view) { .tag = "urgent", .limit = limit };
        open->views[1] = (struct tree_view) { .limit = limit };
        open->n_views = 2;
}

struct list {
        struct buf *text; /* the items, by comma */
        size_t n, most;
        bool full;
};

static int add_pictures(const json_t *entry, json_t *pictures) {
        json_t *picture;
        size_t i;

        json_array_foreach(json_object_get(entry, "images"), i, picture)
                if (json_array_append(pictures, picture) < 0)
                        return -ENOMEM;
        return 0;
}

static int list_add(struct list *list, const struct delivery *delivery, const json_t *entry,
                    json_t *pictures) {
        json_t *item freed_by(json_decrefp) = playlist_item(delivery, entry);
        size_t before = list->text->len;

        if (!item) /* an entry that is none: left by another version of this program */
                return 0;
        buf_str(list->text, list->n > 0 ? ",\n" : "\n");
        event_write(item, list->text);
        if (list->text->error)
                return list->text->error;
        if (list->text->len > PLAYLIST_BYTES) {
                list->text->len = before;
                list->text->data[before] = '\0';
                list->full = true;
                return 0;
        }
        list->full = ++list->n >= list->most;
        return pictures ? add_pictures(entry, pictures) : 0;
}

/* The first view has the urgent ones, the second all. */
int playlist_entries(const struct delivery *delivery, const struct playlist *playlist,
                     const struct screen *screen, const json_t *views, struct buf *ret,
                     json_t *pictures) {
        struct list list = { .text = ret, .most = (size_t) playlist->most };
        int r = 0;

        for (size_t view = 0; view < 2; view++) {
                const json_t *entries = json_array_get(views, view), *entry;
                size_t i;

                json_array_foreach(entries, i, entry) {
                        bool again = view == 1 && json_is_true(json_object_get(entry, "urgent"));

                        if (r == 0 && !list.full && !again && screen_wants(screen, entry))
                                r = list_add(&list, delivery, entry, pictures);
                }
        }
        return r;
}

/* -- the file -- */

/* What a display is headed by. */
static char *heading_of(const struct playlist *playlist, const char *county) {
        struct buf heading = { 0 };

        if (playlist->heading)
                buf_str(&heading, playlist->heading);
        else
                buf_fmt(&heading, "%s政务公开", county);
        return buf_take(&heading);
}

static json_t *head_of(const struct delivery *delivery, const struct playlist *playlist,
                       const struct screen *screen) {
        bool one = !delivery->several_regions && delivery->region_name;
        const char *county = playlist->county ? playlist->county : one ? delivery->region_name : "";
        char *heading freed_by(freep) = heading_of(playlist, county);
        const char *language = playlist->language                    ? playlist->language
                               : messages_language() == ENGLISH ? "en"
                                                                : "zh";
        char generated[MOMENT_TEXT];

        if (!heading)
                return NULL;
        return json_pack("{s:i, s:s, s:s, s:s, s:s, s:I, s:s, s:s*, s:s*, s:s*}", "format", 1,
                         "display", screen->name, "title", heading, "county",
                         *county ? county : heading, "generated",
                         moment_write(delivery->now_ms, generated), "serial",
                         (json_int_t) delivery->now_ms, "language", language, "player",
                         playlist->player, "beat", playlist->beat, "region",
                         delivery->several_regions || !*delivery->region ? NULL : delivery->region);
}

int playlist_write(const struct delivery *delivery, const struct playlist *playlist,
                   const struct screen *screen, const struct buf *entries, struct buf *ret) {
        json_t *head freed_by(json_decrefp) = head_of(delivery, playlist, screen);

        if (!head)
                return -ENOMEM;
        event_write(head, ret);
        if (ret->error)
                return ret->error;
        ret->data[--ret->len] = '\0'; /* the object's end: the entries come before it */
        buf_str(ret, ",\"entries\":[");
        buf_add(ret, buf_text(entries), entries->len);
        buf_str(ret, "]}\n");
        return ret->error;
}
