#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core/event_check.h"
#include "core/memory.h"
#include "core/moment.h"

#define MAX_UNKNOWN 20 /* unknown members that one event is told of */
#define YEAR_MS ((int64_t) 366 * 24 * 3600 * 1000)

/* A sender's clock that shows another century is broken: 2000 and 2100 in Asia/Shanghai. */
#define LEAST_TIME_MS INT64_C(946656000000)
#define MOST_TIME_MS INT64_C(4102416000000)

#define TOP(member) (&(const struct place){ .name = (member) })

enum {
        P = 1 << EVENT_PUBLISH,
        W = 1 << EVENT_WITHDRAW,
        D = 1 << EVENT_QUERY_DOCUMENT,
        R = 1 << EVENT_QUERY_RECEIPTS,
        ALL = P | W | D | R,
};

/* -- the members of `data` -- */

static void field_document(struct check *check, const struct place *place, json_t *data,
                           const json_t *value) {
        if (check_string(check, place, value, 128, UNICODE_NAME))
                check->event->document = check_nfc(check, data, "document");
}

static void field_revision(struct check *check, const struct place *place, json_t *data,
                           const json_t *value) {
        (void) check_integer(check, place, value, 1, INT64_C(1) << 31, &check->event->revision);
}

static void field_item(struct check *check, const struct place *place, json_t *data,
                       const json_t *value) {
        check->event->item = check_string(check, place, value, 128, UNICODE_NAME);
}

static void field_kind(struct check *check, const struct place *place, json_t *data,
                       const json_t *value) {
        (void) check_choice(check, place, value, event_kinds);
}

static void field_title(struct check *check, const struct place *place, json_t *data,
                        const json_t *value) {
        check->event->title = check_string(check, place, value, 200, UNICODE_NAME);
}

static void field_number(struct check *check, const struct place *place, json_t *data,
                         const json_t *value) {
        check->event->number = check_optional(check, place, value, 128, UNICODE_NAME);
}

static void field_index(struct check *check, const struct place *place, json_t *data,
                        const json_t *value) {
        (void) check_optional(check, place, value, 128, UNICODE_NAME);
}

static void field_summary(struct check *check, const struct place *place, json_t *data,
                          const json_t *value) {
        check->event->summary = check_optional(check, place, value, 500, UNICODE_TEXT);
}

static void field_publish_at(struct check *check, const struct place *place, json_t *data,
                             const json_t *value) {
        if (!check_date_time(check, place, value, &check->event->publish_at_ms))
                return;
        if (check->event->time_ms &&
            check->event->publish_at_ms > check->event->time_ms + 5 * YEAR_MS)
                COMPLAIN(check, place, "date_order", MESSAGE_EVENT_EMBARGO_FAR, "value",
                         json_string_value(value));
}

static void field_expires(struct check *check, const struct place *place, json_t *data,
                          const json_t *value) {
        struct event *event = check->event;

        if (!check_date_time(check, place, value, &event->expires_ms))
                return;
        if (event->publish_at_ms && event->expires_ms <= event->publish_at_ms)
                COMPLAIN(check, place, "date_order", MESSAGE_EVENT_ENDS_EARLY, "value",
                         json_string_value(value), "start",
                         json_string_value(json_object_get(data, "publish_at")));
}

static void field_matter(struct check *check, const struct place *place, json_t *data,
                         const json_t *value) {
        if (check_optional(check, place, value, 128, UNICODE_NAME))
                (void) check_nfc(check, data, "matter");
}

/* 2026, 2026-H1, 2026-Q1, 2026-09 */
static bool is_period(const char *text) {
        size_t n = strlen(text);

        if (strspn(text, "0123456789") < 4 || text[0] == '0')
                return false;
        if (n == 4)
                return true;
        if (n != 7 || text[4] != '-')
                return false;
        switch (text[5]) {
        case 'H':
                return text[6] == '1' || text[6] == '2';
        case 'Q':
                return text[6] >= '1' && text[6] <= '4';
        case '0':
                return text[6] >= '1' && text[6] <= '9';
        case '1':
                return text[6] >= '0' && text[6] <= '2';
        default:
                return false;
        }
}

static void field_period(struct check *check, const struct place *place, json_t *data,
                         const json_t *value) {
        const char *text = check_optional(check, place, value, 128, UNICODE_NAME);

        if (text && !is_period(text))
                COMPLAIN(check, place, "format", MESSAGE_EVENT_PERIOD, "value", QUOTE(text));
}

static void field_openness(struct check *check, const struct place *place, json_t *data,
                           const json_t *value) {
        static const char *const choices[] = { "proactive", "on-request", "closed", NULL };

        check->event->openness = check_choice(check, place, value, choices);
}

static void field_urgent(struct check *check, const struct place *place, json_t *data,
                         const json_t *value) {
        check->event->urgent = check_boolean(check, place, value) && json_is_true(value);
}

static void field_reason(struct check *check, const struct place *place, json_t *data,
                         const json_t *value) {
        check->event->reason = check_string(check, place, value, 500, UNICODE_TEXT);
}

static void field_mode(struct check *check, const struct place *place, json_t *data,
                       const json_t *value) {
        static const char *const modes[] = { "mark", "erase", NULL };

        check->event->mode = check_choice(check, place, value, modes);
}

static const char *const reason_codes[] = { "secret", "personal", "court", "other", NULL };

static void field_reason_code(struct check *check, const struct place *place, json_t *data,
                              const json_t *value) {
        check->event->reason_code = check_choice(check, place, value, reason_codes);
}

static void field_query_id(struct check *check, const struct place *place, json_t *data,
                           const json_t *value) {
        check->event->query_id = check_string(check, place, value, 256, UNICODE_NAME);
}

static void field_after(struct check *check, const struct place *place, json_t *data,
                        const json_t *value) {
        (void) check_integer(check, place, value, 0, INT64_MAX, &check->event->after);
}

/* In the order of docs/protocol.md, and so are an event's errors. publish_at stands before the
 * two that must come after it. */
static const struct field {
        const char *name;
        unsigned of;       /* the types that know it */
        unsigned required; /* the types that cannot do without */
        field_fn *check;
} fields[] = {
        { "document", P | W | D, P | W, field_document },
        { "revision", P | W, 0, field_revision },
        { "item", P | W, P, field_item },
        { "kind", P | W, 0, field_kind },
        { "stage", P | W, 0, field_stage },
        { "title", P | W, P, field_title },
        { "number", P | W, 0, field_number },
        { "index", P | W, 0, field_index },
        { "summary", P | W, 0, field_summary },
        { "body", P | W, P, field_body },
        { "texts", P | W, 0, field_texts },
        { "publisher", P | W, P, field_publisher },
        { "dates", P | W, 0, field_dates },
        { "formed", P | W, 0, field_formed },
        { "publish_at", P | W, 0, field_publish_at },
        { "show_until", P | W, 0, field_show_until },
        { "expires", P | W, 0, field_expires },
        { "validity", P | W, 0, field_validity },
        { "correction", P | W, 0, field_correction },
        { "attachments", P | W, 0, field_attachments },
        { "matter", P | W, 0, field_matter },
        { "relates", P | W, 0, field_relates },
        { "period", P | W, 0, field_period },
        { "areas", P | W, 0, field_areas },
        { "audience", P | W, 0, field_audience },
        { "openness", P | W, 0, field_openness },
        { "channels", P | W, 0, field_names },
        { "carriers", P | W, 0, field_names },
        { "urgent", P | W, 0, field_urgent },
        { "review", P | W, 0, field_review },
        { "reason", W, W, field_reason },
        { "mode", W, 0, field_mode },
        { "reason_code", W, 0, field_reason_code },
        { "id", D, 0, field_query_id },
        { "after", R, R, field_after },
};

/* The place of a name in the table, ELEMENTS(fields) for one that nobody knows. An event has few
 * members and the table many rows, so each member is looked up here, among the names that begin alike,
 * and not each row in the event. */
static size_t field_find(const char *name) {
        static unsigned char first[256], next[ELEMENTS(fields)]; /* row + 1, by first byte; 0 ends */
        static bool filled;

        for (size_t i = ELEMENTS(fields); !filled && i-- > 0;) {
                unsigned char *begun = first + (unsigned char) fields[i].name[0];

                next[i] = *begun;
                *begun = (unsigned char) (i + 1);
        }
        filled = true;
        for (size_t row = first[(unsigned char) *name]; row > 0; row = next[row - 1])
                if (strcmp(fields[row - 1].name, name) == 0)
                        return row - 1;
        return ELEMENTS(fields);
}

static bool is_known(const char *name, unsigned types) {
        size_t i = field_find(name);

        return i < ELEMENTS(fields) && (fields[i].of & types);
}

static void warn_of_unknown(struct check *check, const struct place *place, json_t *data,
                            unsigned types) {
        size_t n = 0;

        for (void *at = json_object_iter(data); at && n < MAX_UNKNOWN;
             at = json_object_iter_next(data, at)) {
                const struct place member = { .up = place, .name = json_object_iter_key(at) };

                if (is_known(member.name, types))
                        continue;
                WARN(check, &member, "unknown_member", MESSAGE_EVENT_UNKNOWN_MEMBER);
                n++;
        }
}

/* `types` is one type, or ALL where the type itself is wrong; nothing is required then. */
static void parse_data(struct check *check, const struct place *place, json_t *data,
                       unsigned types) {
        const json_t *values[ELEMENTS(fields) + 1] = { NULL }; /* the last: of no field */
        size_t n_known = 0;

        for (void *at = json_object_iter(data); at; at = json_object_iter_next(data, at))
                values[field_find(json_object_iter_key(at))] = json_object_iter_value(at);
        for (size_t i = 0; i < ELEMENTS(fields); i++) {
                const struct field *field = fields + i;
                const struct place member = { .up = place, .name = field->name };

                if ((field->of & types) == 0)
                        continue;
                if (values[i]) {
                        n_known++;
                        field->check(check, &member, data, values[i]);
                } else if (types != ALL && (field->required & types)) {
                        COMPLAIN(check, &member, "required", MESSAGE_EVENT_REQUIRED);
                }
        }
        if (n_known < json_object_size(data))
                warn_of_unknown(check, place, data, types);
}

/* -- the CloudEvents attributes -- */

static const char *const type_names[] = {
        [EVENT_PUBLISH] = "cn.gongkai.disclosure.publish.v1",
        [EVENT_WITHDRAW] = "cn.gongkai.disclosure.withdraw.v1",
        [EVENT_QUERY_DOCUMENT] = "cn.gongkai.query.document.v1",
        [EVENT_QUERY_RECEIPTS] = "cn.gongkai.query.receipts.v1",
        NULL,
};

static unsigned parse_type(struct check *check, json_t *json) {
        const json_t *value = check_member(check, NULL, json, "type");
        const char *name = value ? check_choice(check, TOP("type"), value, type_names) : NULL;

        for (unsigned i = 0; name && type_names[i]; i++)
                if (strcmp(name, type_names[i]) == 0) {
                        check->event->type = (enum event_type) i;
                        return 1u << i;
                }
        return ALL;
}

/* urn:gongkai:530581:oa */
static void parse_source(struct check *check, json_t *json) {
        static const char urn[] = "urn:gongkai:";
        const json_t *value = check_member(check, NULL, json, "source");
        const char *text =
                value ? check_string(check, TOP("source"), value, 1000, UNICODE_NAME) : NULL;
        const char *region, *system;
        size_t n;

        if (!text)
                return;
        check->event->source = text;
        region = text + sizeof(urn) - 1;
        if (strncmp(text, urn, sizeof(urn) - 1) == 0 && strspn(region, "0123456789") == 6 &&
            region[6] == ':') {
                system = region + 7;
                n = strspn(system, "abcdefghijklmnopqrstuvwxyz0123456789-");
                if (n >= 1 && n < sizeof(check->event->system) && system[n] == '\0') {
                        memcpy(check->event->region, region, 6);
                        memcpy(check->event->system, system, n);
                        return;
                }
        }
        COMPLAIN(check, TOP("source"), "format", MESSAGE_EVENT_SOURCE, "value", QUOTE(text));
}

static void parse_time(struct check *check, json_t *json) {
        const json_t *value = check_member(check, NULL, json, "time");
        int64_t ms;

        if (!value || !check_date_time(check, TOP("time"), value, &ms))
                return;
        if (ms < LEAST_TIME_MS || ms >= MOST_TIME_MS) {
                COMPLAIN(check, TOP("time"), "format", MESSAGE_EVENT_YEAR, "value",
                         json_string_value(value));
                return;
        }
        check->event->time = json_string_value(value);
        check->event->time_ms = ms;
}

static void parse_content_type(struct check *check, json_t *json) {
        static const char wanted[] = "application/json";
        const json_t *value = json_object_get(json, "datacontenttype");
        const char *text;

        if (!value)
                return; /* CloudEvents 1.0, section 3.1.1: absent means JSON in JSON */
        text = check_string(check, TOP("datacontenttype"), value, 1000, UNICODE_NAME);
        if (text && (strncasecmp(text, wanted, sizeof(wanted) - 1) != 0 ||
                     !strchr("; ", text[sizeof(wanted) - 1])))
                COMPLAIN(check, TOP("datacontenttype"), "format", MESSAGE_EVENT_CONTENT_TYPE,
                         "value", QUOTE(text));
}

static unsigned parse_attributes(struct check *check, json_t *json) {
        static const char *const versions[] = { "1.0", NULL };
        const json_t *version = check_member(check, NULL, json, "specversion");
        const json_t *id, *dry_run;
        unsigned types;

        if (version)
                (void) check_choice(check, TOP("specversion"), version, versions);
        id = check_member(check, NULL, json, "id");
        if (id)
                check->event->id = check_string(check, TOP("id"), id, 256, UNICODE_NAME);
        parse_source(check, json);
        types = parse_type(check, json);
        parse_time(check, json);
        parse_content_type(check, json);
        dry_run = json_object_get(json, "gkdryrun");
        if (dry_run && check_boolean(check, TOP("gkdryrun"), dry_run))
                check->event->dry_run = json_is_true(dry_run);
        return types;
}

/* -- what several members say together -- */

static void parse_together(struct check *check, const struct place *place, unsigned types) {
        struct event *event = check->event;

        if (types == W && !event->mode)
                event->mode = "mark";
        if (types == W && strcmp(event->mode, "erase") == 0 &&
            !json_object_get(event->data, "reason_code")) {
                const struct place code = { .up = place, .name = "reason_code" };
                char *choices freed_by(freep) = list_choices(reason_codes);

                COMPLAIN(check, &code, "required", MESSAGE_EVENT_ERASE_CODE, "choices", choices);
        }
        if (types == D && !json_object_get(event->data, "document") &&
            !json_object_get(event->data, "id"))
                COMPLAIN(check, &((struct place){ .up = place, .name = "document" }), "required",
                         MESSAGE_EVENT_QUERY_TARGET);
        if (!event->openness)
                event->openness = "proactive";
}

struct event *event_parse(json_t *json, struct findings *errors, struct findings *warnings) {
        struct event *event freed_by(event_freep) = calloc(1, sizeof(*event));
        struct check check = { .event = event, .errors = errors, .warnings = warnings };
        const struct place place = { .name = "data" };
        const json_t *data;
        unsigned types;

        if (!event)
                return NULL;
        event->json = json_incref(json);
        if (!check_type(&check, NULL, json, JSON_OBJECT, MESSAGE_TYPE_OBJECT))
                return NULL;

        types = parse_attributes(&check, json);
        data = check_member(&check, NULL, json, "data");
        if (data && check_type(&check, &place, data, JSON_OBJECT, MESSAGE_TYPE_OBJECT)) {
                event->data = data;
                parse_data(&check, &place, json_object_get(json, "data"), types);
                parse_together(&check, &place, types);
        }
        if (check.failed || check.no_memory)
                return NULL;

        if (!event_digest(event))
                return NULL;
        return give_away(event);
}

struct event *event_free(struct event *event) {
        if (!event)
                return NULL;
        json_decref(event->json);
        free(event->attachments);
        free(event);
        return NULL;
}

void event_freep(struct event **event) {
        *event = event_free(*event);
}
