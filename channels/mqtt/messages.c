#include <errno.h>
#include <string.h>

#include "channels/mqtt/mqtt.h"
#include "channels/relay.h"
#include "core/event.h"
#include "core/memory.h"
#include "core/template.h"

/* A step in the making. */
struct batch {
        const struct delivery *delivery;
        const struct mqtt_options *options;
        struct mqtt_step *step;
        struct buf said; /* what the sum is of */
        json_t *own;     /* the delivery's own entry: rendered once, for all groups */
        int64_t own_until_ms;
};

static void batch_done(struct batch *batch) {
        buf_done(&batch->said);
        json_decref(batch->own);
}

/* The next message; `tail` behind PREFIX/GROUP, and the document's name, where it is not NULL. */
static struct mqtt_message *add_message(struct batch *batch, const char *group, const char *tail,
                                        const char *name) {
        struct mqtt_step *step = batch->step;
        struct mqtt_message *messages = realloc(step->messages,
                                                (step->n + 1) * sizeof(*messages));
        struct buf topic = { 0 };

        if (!messages)
                return NULL;
        step->messages = messages;
        buf_fmt(&topic, "%s/%s/%s", batch->options->prefix, group, tail);
        if (name)
                escape_add(&topic, ESCAPE_URI, name, strlen(name));
        messages[step->n] = (struct mqtt_message) { .topic = buf_take(&topic) };
        if (!messages[step->n].topic)
                return NULL;
        buf_fmt(&batch->said, "%s\n", messages[step->n].topic);
        return &messages[step->n++];
}

static const struct screen *find(const struct screens *groups, const char *name) {
        for (size_t i = 0; i < groups->n; i++)
                if (strcmp(groups->list[i].name, name) == 0)
                        return &groups->list[i];
        return NULL;
}

/* -- one document -- */

/* Without an entry it is taken away. */
static int add_document(struct batch *batch, const char *group, const char *name,
                        const json_t *entry) {
        struct mqtt_message *message = add_message(batch, group, "documents/", name);
        json_t *item freed_by(json_decrefp) = NULL;
        int r = message ? 0 : -ENOMEM;

        if (r < 0 || !entry)
                return r;
        item = playlist_item(batch->delivery, entry);
        if (!item)
                return -ENOMEM;
        r = json_object_set_new(item, "document", json_string(name));
        r |= json_object_set_new(item, "format", json_integer(1));
        if (r < 0)
                return -ENOMEM;
        event_write(item, &message->payload);
        buf_add(&batch->said, buf_text(&message->payload), message->payload.len);
        return message->payload.error;
}

static int add_own_document(struct batch *batch, const struct screen *group, const char *name) {
        const struct delivery *delivery = batch->delivery;
        json_t *document freed_by(json_decrefp) = mqtt_name(delivery);
        const json_t *entry;
        int r = document ? 0 : -ENOMEM;

        if (r == 0 && delivery->kind == DELIVER_PUBLISH && !batch->own)
                r = screen_entry(delivery, batch->options->show_days, false, &batch->own,
                                 &batch->own_until_ms);
        if (r < 0)
                return r;
        entry = batch->own;
        if (entry && (!group || batch->own_until_ms <= delivery->now_ms ||
                      !screen_wants(group, entry)))
                entry = NULL;
        return add_document(batch, name, json_string_value(document), entry);
}

/* All that are shown, and those that are not any more. */
static int add_documents(struct batch *batch, const struct screen *group, const json_t *views) {
        for (size_t view = 0; view < 3; view++) {
                const json_t *entry, *one;
                size_t i, k;

                json_array_foreach(json_array_get(views, view), i, entry) {
                        const char *name = json_string_value(json_object_get(entry, "name"));
                        bool again = view == 1 && json_is_true(json_object_get(entry, "urgent"));
                        int r = 0;

                        if (!name || again)
                                continue;
                        if (view < 2 && screen_wants(group, entry))
                                r = add_document(batch, group->name, name, entry);
                        json_array_foreach(json_object_get(entry, "on"), k, one)
                                if (r == 0 && view == 2 && json_is_string(one) &&
                                    strcmp(json_string_value(one), group->name) == 0)
                                        r = add_document(batch, group->name, name, NULL);
                        if (r < 0)
                                return r;
                }
        }
        return 0;
}

/* -- the playlist -- */

static int add_playlist(struct batch *batch, const struct screen *group, const json_t *views) {
        const struct mqtt_options *options = batch->options;
        const struct playlist playlist = {
                .heading = options->heading, .county = options->county,
                .language = options->language, .most = options->most,
        };
        struct mqtt_message *message = add_message(batch, group->name, "playlist", NULL);
        struct buf entries freed_by(buf_done) = { 0 };
        int r = message ? playlist_entries(batch->delivery, &playlist, group, views, &entries, NULL)
                        : -ENOMEM;

        if (r == 0)
                r = playlist_write(batch->delivery, &playlist, group, &entries, &message->payload);
        buf_add(&batch->said, buf_text(&entries), entries.len);
        return r;
}

/* A playlist behind its documents: it names nothing that is not there. */
static int add_group(struct batch *batch, const struct screens *groups, const char *name,
                     const json_t *views) {
        const struct screen *group = find(groups, name);
        bool all = batch->delivery->kind == DELIVER_SETUP;
        int r = 0;

        if (all && group)
                r = add_documents(batch, group, views);
        else if (!all)
                r = add_own_document(batch, group, name);
        if (r < 0)
                return r;
        if (group)
                return add_playlist(batch, group, views);
        return add_message(batch, name, "playlist", NULL) ? 0 : -ENOMEM; /* the group is no more */
}

int mqtt_messages(const struct delivery *delivery, const struct screens *groups,
                  const json_t *names, const json_t *views, struct step *ret, char *ret_sum) {
        struct batch batch freed_by(batch_done) = {
                .delivery = delivery, .options = delivery->options, .step = &ret->mqtt,
        };
        const json_t *name;
        size_t i;
        int r = 0;

        *ret = (struct step) { .kind = STEP_MQTT };
        json_array_foreach(names, i, name)
                if (r == 0)
                        r = add_group(&batch, groups, json_string_value(name), views);
        if (r < 0 || batch.said.error)
                return r < 0 ? r : batch.said.error;
        relay_sum(buf_text(&batch.said), batch.said.len, ret_sum);
        return 0;
}

json_t *mqtt_listed(const struct delivery *delivery, const struct mqtt_step *step, const char *digest) {
        const struct mqtt_options *options = delivery->options;
        static const char tail[] = "/playlist";
        size_t n_prefix = strlen(options->prefix) + 1, n_tail = sizeof(tail) - 1;
        json_t *names = json_array();

        for (size_t i = 0; names && i < step->n; i++) {
                const char *topic = step->messages[i].topic;
                size_t n = strlen(topic);

                if (n > n_prefix + n_tail && strcmp(topic + n - n_tail, tail) == 0 && *digest &&
                    strstr(buf_text(&step->messages[i].payload), digest))
                        (void) json_array_append_new(
                                names, json_stringn(topic + n_prefix, n - n_prefix - n_tail));
        }
        return names;
}
