#include <errno.h>
#include <string.h>

#include "channels/mqtt/mqtt.h"
#include "core/memory.h"

json_t *mqtt_name(const struct delivery *delivery) {
        if (!delivery->several_regions)
                return json_string(delivery->document);
        return json_sprintf("%s/%s", delivery->region, delivery->document);
}

static bool has_string(const json_t *array, const char *string) {
        const json_t *one;
        size_t i;

        json_array_foreach(array, i, one)
                if (json_is_string(one) && strcmp(json_string_value(one), string) == 0)
                        return true;
        return false;
}

/* The groups that want the entry (NULL: none does), and those that had it. */
static json_t *groups_of(const struct screens *groups, const json_t *entry, const json_t *before) {
        const json_t *had = json_object_get(before, "on"), *one;
        json_t *on = json_array();
        size_t i;

        for (i = 0; entry && i < groups->n; i++)
                if (screen_wants(&groups->list[i], entry))
                        (void) json_array_append_new(on, json_string(groups->list[i].name));
        json_array_foreach(had, i, one)
                if (json_is_string(one) && !has_string(on, json_string_value(one)))
                        (void) json_array_append(on, (json_t *) one);
        return on;
}

bool mqtt_is_elsewhere(const json_t *now, const json_t *before) {
        const json_t *on = json_object_get(now, "on"), *one;
        size_t i;

        json_array_foreach(json_object_get(before, "on"), i, one)
                if (json_is_string(one) && !has_string(on, json_string_value(one)))
                        return true;
        return false;
}

/* One that nobody shows stays in the index for a while as what has gone. */
int mqtt_open_entry(const struct delivery *delivery, const struct screens *groups,
                    const json_t *before, struct step *ret) {
        const struct mqtt_options *options = delivery->options;
        struct tree_open *open = &ret->tree_open;
        bool shown = delivery->kind == DELIVER_PUBLISH;
        int r = 0;

        *ret = (struct step) { .kind = STEP_TREE_OPEN };
        *open = (struct tree_open) {
                .has_entry = true, .live = true, .revision = delivery->revision,
                .level = delivery->level, .date_ms = delivery->now_ms,
                .until_ms = delivery->now_ms + MQTT_GONE_MS,
        };
        if (shown)
                r = screen_entry(delivery, options->show_days, false, &open->data, &open->until_ms);
        else
                open->data = screen_entry_gone(delivery);
        if (r < 0 || !open->data)
                return -ENOMEM;
        open->tags = json_pack("[s]", shown ? "shown" : "gone");
        if (shown && delivery->urgent)
                r = json_array_append_new(open->tags, json_string("urgent"));
        r |= json_object_set_new(open->data, "name", mqtt_name(delivery));
        r |= json_object_set_new(open->data, "on",
                                 groups_of(groups, shown ? open->data : NULL, before));
        return r == 0 && open->tags ? 0 : -ENOMEM;
}

void mqtt_add_views(const struct delivery *delivery, const struct screens *groups,
                    struct tree_open *open) {
        const struct mqtt_options *options = delivery->options;

        playlist_views(groups, options->most, open);
        open->views[1].tag = "shown";
        if (delivery->kind == DELIVER_SETUP)
                open->views[open->n_views++] = (struct tree_view) { .tag = "gone",
                                                                    .limit = MQTT_GONE };
}
