/* The index's memory of a document: what lists, feeds and the next delivery need to know of it. A
 * list is rendered from these objects as they are, so they hold texts ready to be shown. */
#include "channels/site/site.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/content.h"
#include "core/memory.h"
#include "core/moment.h"

#define SUMMARY_CHARACTERS 120
#define DOMAIN_BYTES 120 /* struct list has room for it */

const char *json_text(const json_t *object, const char *key) {
        const char *text = json_string_value(json_object_get(object, key));

        return text && text[0] ? text : NULL;
}

int json_put(json_t *object, const char *key, const char *text) {
        char *line freed_by(freep) = NULL;
        size_t run = text ? plain_run(text) : 0;

        if (!text || !text[0])
                return 0;
        if (!text[run])
                return json_object_set_new(object, key, json_stringn_nocheck(text, run)) < 0
                               ? -ENOMEM
                               : 0;
        line = one_line(text);
        if (!line)
                return -ENOMEM;
        if (!line[0])
                return 0;
        return json_object_set_new(object, key, json_string(line)) < 0 ? -ENOMEM : 0;
}

static int put_number(json_t *object, const char *key, int64_t number) {
        return json_object_set_new(object, key, json_integer(number)) < 0 ? -ENOMEM : 0;
}

bool entry_is_live(const json_t *data) {
        return data && !json_object_get(data, "gone");
}

/* The date that the public saw first holds for good: back-dating it, or bringing it forward with
 * a correction, is a fault that costs a site its whole inspection. What the page said before
 * counts most; the engine's own figure is a moment later, when it had our answer. */
void timing_of(const struct delivery *delivery, const json_t *previous, struct timing *ret) {
        const char *shown_event = json_text(previous, "event");
        int64_t first_ms = json_integer_value(json_object_get(previous, "first_ms"));
        bool again = entry_is_live(previous) && shown_event && delivery->event_id &&
                     strcmp(shown_event, delivery->event_id) == 0;

        *ret = (struct timing) { .first_ms = first_ms, .updated_ms = delivery->now_ms };
        if (ret->first_ms == 0)
                ret->first_ms = delivery->first_shown_ms;
        if (ret->first_ms == 0)
                ret->first_ms = delivery->now_ms;
        if (again) /* the same delivery once more: nothing new to say about when */
                ret->updated_ms = json_integer_value(json_object_get(previous, "updated_ms"));
        if (ret->updated_ms < ret->first_ms)
                ret->updated_ms = ret->first_ms;
        ret->revised = ret->updated_ms > ret->first_ms;
}

char *publisher_text(const json_t *data) {
        const json_t *publisher = json_object_get(data, "publisher");
        struct buf names = { 0 };
        const char *name;
        size_t i = 0;

        do {
                name = json_text(json_is_array(publisher) ? json_array_get(publisher, i)
                                                          : publisher,
                                 "name");
                if (name && names.len > 0)
                        buf_str(&names, "、");
                if (name)
                        buf_str(&names, name);
        } while (++i < json_array_size(publisher));
        return buf_take(&names);
}

static int put_summary(json_t *entry, const json_t *data, const char *text) {
        char *summary freed_by(freep) = NULL;

        if (json_text(data, "summary") || !text)
                return json_put(entry, "summary", json_text(data, "summary"));
        summary = content_summary(text, SUMMARY_CHARACTERS);
        return summary ? json_put(entry, "summary", summary) : -ENOMEM;
}

static int put_dates(json_t *entry, const struct timing *timing) {
        char text[MOMENT_TEXT];
        int r = 0;

        r = r < 0 ? r : put_number(entry, "first_ms", timing->first_ms);
        r = r < 0 ? r : put_number(entry, "updated_ms", timing->updated_ms);
        r = r < 0 ? r : json_put(entry, "day", moment_write_date(timing->first_ms, text));
        r = r < 0 ? r : json_put(entry, "published", moment_write(timing->first_ms, text));
        r = r < 0 ? r : json_put(entry, "updated", moment_write(timing->updated_ms, text));
        return r;
}

static int put_seats(json_t *entry, const int64_t seats[static SEATS]) {
        return json_object_set_new(entry, "seats",
                                   json_pack("[II]", (json_int_t) seats[0],
                                             (json_int_t) seats[1])) < 0
                       ? -ENOMEM
                       : 0;
}

static int put_stages(json_t *entry, const json_t *stages) {
        json_t *known = json_array();
        const json_t *stage;
        size_t i;

        json_array_foreach((json_t *) stages, i, stage)
                if (stage_label(json_string_value(stage)))
                        json_array_append(known, (json_t *) stage);
        return json_object_set_new(entry, "stages", known) < 0 ? -ENOMEM : 0;
}

/* Files that the page brought along, so that a later revision can clear away what it drops. */
static int put_files(json_t *entry, const struct delivery *delivery, const struct place *place) {
        json_t *files = json_array();
        struct buf path = { 0 };

        for (size_t i = 0; i < delivery->n_attachments; i++) {
                const struct attachment *attachment = &delivery->attachments[i];
                char *file freed_by(freep) = file_name_safe(attachment->name, attachment->sha256);

                if (!attachment->here)
                        continue;
                buf_reset(&path);
                buf_fmt(&path, "%s/%s", place->folder, file ? file : "");
                json_array_append_new(files, file ? json_string(buf_text(&path)) : NULL);
        }
        buf_done(&path);
        return json_object_set_new(entry, "files", files) < 0 ? -ENOMEM : 0;
}

static const char *validity_mark(const json_t *data) {
        const char *status = json_text(json_object_get(data, "validity"), "status");

        if (!status || strcmp(status, "valid") == 0)
                return NULL;
        return strcmp(status, "amended") == 0     ? "已修改"
               : strcmp(status, "abolished") == 0 ? "已废止"
               : strcmp(status, "lapsed") == 0    ? "已失效"
                                                  : NULL;
}

static int add_tag(json_t *tags, const char *format, const char *first, const char *second) {
        struct buf tag = { 0 };
        int r;

        buf_fmt(&tag, format, first, second);
        r = json_array_append_new(tags, json_string(buf_text(&tag)));
        buf_done(&tag);
        return r < 0 ? -ENOMEM : 0;
}

/* county:530581, name:530581=腾冲市, domain:城乡规划, stage:decision, and the shelf of the month's
 * archive, which a document keeps for life: so a new one touches the last shelf only. */
static int make_tags(const struct delivery *delivery, const json_t *entry,
                     const int64_t seats[static SEATS], json_t *tags) {
        char shelf[24];
        const json_t *stage;
        size_t i;
        int r;

        r = add_tag(tags, "county:%s", delivery->region, NULL);
        if (r == 0 && json_text(entry, "county_name"))
                r = add_tag(tags, "name:%s=%s", delivery->region, json_text(entry, "county_name"));
        if (r == 0 && json_text(entry, "domain"))
                r = add_tag(tags, "domain:%s", json_text(entry, "domain"), NULL);
        json_array_foreach(json_object_get(entry, "stages"), i, stage)
                r = r < 0 ? r : add_tag(tags, "stage:%s", json_string_value(stage), NULL);
        for (i = 0; i < SEATS && r == 0; i++) {
                (void) snprintf(shelf, sizeof(shelf), "%lld",
                                (long long) (seats[i] / SHELF_SIZE + 1));
                r = add_tag(tags, "shelf:%s:%s", i == 0 ? "" : delivery->region, shelf);
        }
        return r;
}

int entry_shown(const struct delivery *delivery, const json_t *previous, const char *text,
                const int64_t seats[static SEATS], json_t **ret_data, json_t **ret_tags) {
        const json_t *data = json_object_get(delivery->event, "data");
        json_t *entry = json_object(), *tags = json_array();
        char *publisher freed_by(freep) = publisher_text(data);
        struct timing timing;
        struct place place;
        int r = entry && tags && publisher ? 0 : -ENOMEM;

        timing_of(delivery, previous, &timing);
        place_of(delivery->region, delivery->document, &place);

        r = r < 0 ? r : json_put(entry, "path", place.page);
        r = r < 0 ? r : json_put(entry, "title", json_text(data, "title"));
        r = r < 0 ? r : json_put(entry, "number", json_text(data, "number"));
        r = r < 0 ? r : json_put(entry, "publisher", publisher);
        r = r < 0 ? r : json_put(entry, "county", delivery->region);
        r = r < 0 ? r : json_put(entry, "county_name", delivery->region_name);
        if (delivery->domain && strlen(delivery->domain) <= DOMAIN_BYTES)
                r = r < 0 ? r : json_put(entry, "domain", delivery->domain);
        r = r < 0 ? r : json_put(entry, "mark", validity_mark(data) ? validity_mark(data)
                                                : delivery->ended  ? "公示已结束"
                                                                   : NULL);
        r = r < 0 ? r : json_put(entry, "event", delivery->event_id);
        r = r < 0 ? r : put_summary(entry, data, text);
        r = r < 0 ? r : put_dates(entry, &timing);
        r = r < 0 ? r : put_seats(entry, seats);
        r = r < 0 ? r : put_stages(entry, delivery->stages);
        r = r < 0 ? r : put_files(entry, delivery, &place);
        r = r < 0 ? r : make_tags(delivery, entry, seats, tags);
        if (r < 0) {
                json_decref(entry);
                json_decref(tags);
                return r;
        }
        *ret_data = entry;
        *ret_tags = tags;
        return 0;
}

/* What stays of a document that was taken down. An erased one leaves its address and its dates:
 * not a word of it, in the index neither. */
int entry_gone(const struct delivery *delivery, const json_t *previous,
               const int64_t seats[static SEATS], json_t **ret_data, json_t **ret_tags) {
        const json_t *data = json_object_get(delivery->event, "data");
        const char *mode = json_text(data, "mode");
        const char *how = mode && strcmp(mode, "erase") == 0    ? "erased"
                          : delivery->kind == DELIVER_EXPIRE ? "expired"
                                                             : "withdrawn";
        const char *before = json_text(previous, "event");
        json_t *entry = json_object(), *tags = json_array();
        int64_t first_ms = json_integer_value(json_object_get(previous, "first_ms"));
        int64_t gone_ms = json_integer_value(json_object_get(previous, "gone_ms"));
        struct place place;
        int r = entry && tags ? 0 : -ENOMEM;

        place_of(delivery->region, delivery->document, &place);
        if (!before || !delivery->event_id || strcmp(before, delivery->event_id) != 0)
                gone_ms = 0;
        if (gone_ms == 0)
                gone_ms = delivery->now_ms;
        if (first_ms == 0)
                first_ms = delivery->first_shown_ms;

        r = r < 0 ? r : json_put(entry, "path", place.page);
        r = r < 0 ? r : json_put(entry, "gone", how);
        r = r < 0 ? r : json_put(entry, "county", delivery->region);
        r = r < 0 ? r : json_put(entry, "event", delivery->event_id);
        r = r < 0 ? r : put_number(entry, "gone_ms", gone_ms);
        r = r < 0 ? r : put_number(entry, "first_ms", first_ms);
        r = r < 0 ? r : put_seats(entry, seats);
        if (strcmp(how, "erased") != 0) {
                r = r < 0 ? r : json_put(entry, "title", json_text(previous, "title"));
                r = r < 0 ? r : json_put(entry, "domain", json_text(previous, "domain"));
                r = r < 0 ? r : json_put(entry, "reason", json_text(data, "reason"));
                r = r < 0 ? r : put_stages(entry, json_object_get(previous, "stages"));
        }
        if (r < 0) {
                json_decref(entry);
                json_decref(tags);
                return r;
        }
        *ret_data = entry;
        *ret_tags = tags;
        return 0;
}
