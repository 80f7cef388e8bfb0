/* What the driver gets to see of a delivery. */
#include "daemons/channeld/channeld.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core/attachments.h"
#include "core/clock.h"
#include "core/memory.h"
#include "core/moment.h"
#include "core/template.h"

static void key_part(struct buf *key, const char *text) {
        if (key->len > 0)
                buf_char(key, '/');
        escape_add(key, ESCAPE_URI, text, strlen(text));
}

/* "7"; "7w" withdrawn, "7x" expired, "7e" at the end of its display, "7r2" put back the second time. */
int delivery_make_key(struct attempt *attempt) {
        struct buf part = { 0 }, key = { 0 };

        buf_fmt(&part, "%lld", (long long) attempt->revision);
        if (attempt->removes || attempt->marks)
                buf_char(&part, 'e');
        else if (attempt->kind == 'X')
                buf_char(&part, 'x');
        else if (attempt->level > 0)
                buf_char(&part, 'w');
        if (attempt->level > 1) /* a second withdrawal of one revision, say erase after mark */
                buf_fmt(&part, "%u", attempt->level);
        if (attempt->generation > 0)
                buf_fmt(&part, "r%lld", (long long) attempt->generation);
        key_part(&key, attempt->region->code);
        key_part(&key, attempt->lease->document);
        key_part(&key, buf_text(&part));
        key_part(&key, attempt->daemon->channel->name);
        attempt->revision_part = buf_take(&part);
        attempt->key = buf_take(&key);
        return attempt->revision_part && attempt->key ? 0 : -ENOMEM;
}

/* An expiry, or the end of the display, as an event: a withdrawal that the daemon itself makes. */
static json_t *own_withdrawal(const struct attempt *attempt) {
        char *reason freed_by(freep) =
                say(attempt->removes ? MESSAGE_ENDED_REASON : MESSAGE_EXPIRED_REASON, NULL);
        char time[MOMENT_TEXT], source[48];
        struct buf id = { 0 };
        json_t *json;

        (void) snprintf(source, sizeof(source), "urn:gongkai:%s:gongkai", attempt->region->code);
        buf_fmt(&id, "%s-%s", attempt->event_id, attempt->removes ? "ended" : "expired");
        json = json_pack("{s:s, s:s, s:s, s:s, s:s, s:s, s:{s:s, s:I, s:s, s:s}}", "specversion",
                         "1.0", "type", "cn.gongkai.disclosure.withdraw.v1", "source", source, "id",
                         buf_text(&id), "time", moment_write(clock_now_ms(), time),
                         "datacontenttype", "application/json", "data", "document",
                         attempt->lease->document, "revision", (json_int_t) attempt->revision, "mode",
                         "mark", "reason", reason ? reason : "");
        buf_done(&id);
        return json;
}

static int fill_attachments(struct attempt *attempt) {
        const struct event *event = attempt->event;

        if (event->n_attachments == 0)
                return 0;
        attempt->attachments = calloc(event->n_attachments, sizeof(*attempt->attachments));
        if (!attempt->attachments)
                return -ENOMEM;
        for (size_t i = 0; i < event->n_attachments; i++) {
                const struct event_attachment *from = &event->attachments[i];

                attempt->attachments[i] = (struct attachment) {
                        .name = from->name, .media_type = from->media_type, .role = from->role,
                        .sha256 = from->sha256, .size = from->size, .url = from->url,
                        .here = attachment_is_here(attempt->daemon->attachments_dir, from->sha256,
                                                   from->size),
                };
        }
        attempt->delivery.attachments = attempt->attachments;
        attempt->delivery.n_attachments = event->n_attachments;
        return 0;
}

static void fill_item(struct attempt *attempt) {
        struct delivery *delivery = &attempt->delivery;
        const struct event *event = attempt->event;
        const json_t *stage = json_object_get(event->data, "stage");
        const char *kind = json_string_value(json_object_get(event->data, "kind"));
        const struct item *item = event->item ? catalogue_find(attempt->daemon->catalogue, event->item,
                                                               attempt->region->code)
                                              : NULL;

        delivery->domain = item && *item->domain ? item->domain : NULL;
        delivery->item_name = item ? (*item->level2 ? item->level2 : item->level1) : NULL;
        delivery->document_kind = kind ? kind : item && *item->kind ? item->kind : "other";
        delivery->stages = json_array();
        if (json_is_string(stage))
                (void) json_array_append_new(delivery->stages,
                                             json_string(json_string_value(stage)));
        else if (json_is_array(stage))
                (void) json_array_extend(delivery->stages, (json_t *) stage);
        else if (item) {
                for (const char *at = item->stages; *at;) {
                        size_t n = strcspn(at, " ");

                        (void) json_array_append_new(delivery->stages, json_stringn(at, n));
                        at += n + strspn(at + n, " ");
                }
        }
}

int delivery_fill(struct attempt *attempt) {
        struct channeld *daemon = attempt->daemon;
        struct delivery *delivery = &attempt->delivery;
        bool ours = attempt->kind == 'X' || attempt->removes;
        int r = delivery_make_key(attempt);

        if (r < 0)
                return r;
        delivery->kind = ours                 ? DELIVER_EXPIRE
                         : attempt->level > 0 ? DELIVER_WITHDRAW
                                              : DELIVER_PUBLISH;
        delivery->ended = attempt->marks || attempt->removes;
        delivery->channel = daemon->channel->name;
        delivery->region = attempt->region->code;
        delivery->region_name =
                configuration_region_name(daemon->configuration, attempt->region->code);
        delivery->several_regions = daemon->n_regions > 1;
        delivery->document = attempt->lease->document;
        delivery->revision = attempt->revision;
        delivery->level = attempt->removes ? 1 : attempt->level; /* it goes, as a withdrawal does */
        delivery->revision_part = attempt->revision_part;
        delivery->event_id = attempt->event_id;
        delivery->key = attempt->key;
        delivery->reference = attempt->reference;
        delivery->surplus = attempt->surplus;
        delivery->url = attempt->url;
        delivery->after_url = attempt->after_url;
        delivery->memo = attempt->memo;
        delivery->doubt = attempt->doubt && !daemon->driver->local;
        delivery->doubt_since_ms = attempt->doubt_since_ms;
        delivery->late_effect_ms = daemon->channel->late_effect_ms;
        delivery->settled_ms = attempt->look_ms;
        if (delivery->doubt && attempt->older_sent &&
            attempt->doubt_since_ms + delivery->late_effect_ms > delivery->settled_ms)
                delivery->settled_ms = attempt->doubt_since_ms + delivery->late_effect_ms;
        delivery->now_ms = clock_now_ms();
        delivery->secret = daemon->secret;
        delivery->options = daemon->options;
        if (attempt->event) {
                delivery->event = attempt->event->json;
                fill_item(attempt);
                r = fill_attachments(attempt);
        } else if (!ours) {
                delivery->bytes = attempt->bytes;
                delivery->n_bytes = attempt->n_bytes;
        }
        if (ours) {
                attempt->withdrawal = own_withdrawal(attempt);
                delivery->event = attempt->withdrawal;
                r = attempt->withdrawal ? r : -ENOMEM;
        }
        return r;
}
