/* The members of `data` that are more than one string: docs/protocol.md has the table. Members of
 * these members that nobody knows are kept and not talked about. */
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "core/event_check.h"
#include "core/ident.h"
#include "core/memory.h"
#include "core/moment.h"

#define DAY_MS ((int64_t) 24 * 3600 * 1000)

#define MEMBER(parent, member) (&(const struct place){ .up = (parent), .name = (member) })
#define ENTRY(parent, i) (&(const struct place){ .up = (parent), .index = (i) })

const char *const event_kinds[] = { "notice",  "policy",    "interpretation", "consultation",
                                    "licence", "penalty",   "budget",         "warning",
                                    "recall",  "personnel", "other",          NULL };
const char *const event_stages[] = { "decision", "execution", "management",
                                     "service",  "result",    NULL };

/* Checks a member if it is there. */
#define IF_THERE(object, place, name, function, ...)                                               \
        do {                                                                                       \
                const json_t *there_ = json_object_get((object), (name));                          \
                if (there_)                                                                        \
                        (void) function(check, MEMBER((place), (name)), there_, __VA_ARGS__);      \
        } while (0)

void field_stage(struct check *check, const struct place *place, json_t *data,
                 const json_t *value) {
        if (json_is_string(value)) {
                (void) check_choice(check, place, value, event_stages);
                return;
        }
        if (!check_array(check, place, value, 5, MESSAGE_TYPE_STRING_OR_ARRAY))
                return;
        for (size_t i = 0; i < json_array_size(value); i++)
                (void) check_choice(check, ENTRY(place, i), json_array_get(value, i), event_stages);
}

void field_body(struct check *check, const struct place *place, json_t *data, const json_t *value) {
        static const char *const formats[] = { [CONTENT_TEXT] = "text",
                                               [CONTENT_MARKDOWN] = "markdown",
                                               [CONTENT_HTML] = "html",
                                               NULL };
        const json_t *format, *content;
        size_t n;

        if (!check_type(check, place, value, JSON_OBJECT, MESSAGE_TYPE_OBJECT))
                return;
        format = check_member(check, place, value, "format");
        if (format) {
                const char *name = check_choice(check, MEMBER(place, "format"), format, formats);

                for (int i = CONTENT_TEXT; name && i <= CONTENT_HTML; i++)
                        if (strcmp(name, formats[i]) == 0)
                                check->event->body_format = (enum content_format) i;
        }

        content = check_member(check, place, value, "content");
        if (!content)
                return;
        n = json_string_length(content);
        if (n > EVENT_MAX_BODY) {
                char count[24], most[24];

                (void) snprintf(count, sizeof(count), "%zu", n);
                (void) snprintf(most, sizeof(most), "%d", EVENT_MAX_BODY);
                COMPLAIN(check, MEMBER(place, "content"), "too_large", MESSAGE_EVENT_BODY_LARGE,
                         "count", count, "most", most);
                return;
        }
        check->event->body = check_string(check, MEMBER(place, "content"), content, EVENT_MAX_BODY,
                                          UNICODE_TEXT);
        check->event->n_body = n;
}

void field_texts(struct check *check, const struct place *place, json_t *data,
                 const json_t *value) {
        if (!check_type(check, place, value, JSON_OBJECT, MESSAGE_TYPE_OBJECT))
                return;
        IF_THERE(value, place, "short", check_optional, 70, UNICODE_TEXT);
        IF_THERE(value, place, "spoken", check_optional, 20000, UNICODE_TEXT);
        IF_THERE(value, place, "plain", check_optional, 20000, UNICODE_TEXT);
}

static void one_publisher(struct check *check, const struct place *place, const json_t *value) {
        const json_t *name, *code;
        const char *text;

        if (!check_type(check, place, value, JSON_OBJECT, MESSAGE_TYPE_OBJECT_OR_ARRAY))
                return;
        name = check_member(check, place, value, "name");
        if (name)
                (void) check_string(check, MEMBER(place, "name"), name, 100, UNICODE_NAME);

        code = json_object_get(value, "code");
        text = code ? check_optional(check, MEMBER(place, "code"), code, 100, UNICODE_NAME) : NULL;
        if (text && !ident_is_credit_code(text))
                COMPLAIN(check, MEMBER(place, "code"), "format", MESSAGE_EVENT_CREDIT_CODE, "value",
                         QUOTE(text));
}

void field_publisher(struct check *check, const struct place *place, json_t *data,
                     const json_t *value) {
        if (!json_is_array(value)) {
                one_publisher(check, place, value);
                return;
        }
        if (!check_array(check, place, value, 32, MESSAGE_TYPE_OBJECT_OR_ARRAY))
                return;
        for (size_t i = 0; i < json_array_size(value); i++)
                one_publisher(check, ENTRY(place, i), json_array_get(value, i));
}

/* A paper may be formed on the day it is sent, and clocks differ; what is formed days later is a
 * slip of the keys. */
void field_formed(struct check *check, const struct place *place, json_t *data,
                  const json_t *value) {
        int64_t ms;

        if (!check_date(check, place, value, &ms))
                return;
        if (check->event->time_ms && ms > check->event->time_ms + DAY_MS)
                COMPLAIN(check, place, "date_order", MESSAGE_EVENT_FORMED_LATE, "value",
                         json_string_value(value), "time", check->event->time);
}

void field_dates(struct check *check, const struct place *place, json_t *data,
                 const json_t *value) {
        static const char *const others[] = { "obtained", "decided", "approved",
                                              "printed",  "event",   "applied" };
        const json_t *formed = json_object_get(value, "formed");
        int64_t ms;

        if (!check_type(check, place, value, JSON_OBJECT, MESSAGE_TYPE_OBJECT))
                return;
        if (formed)
                field_formed(check, MEMBER(place, "formed"), data, formed);
        if (json_object_size(value) == (formed ? 1 : 0))
                return; /* as most are */
        for (size_t i = 0; i < ELEMENTS(others); i++)
                IF_THERE(value, place, others[i], check_date, &ms);
}

void field_show_until(struct check *check, const struct place *place, json_t *data,
                      const json_t *value) {
        static const char *const units[] = { "working", "calendar", NULL };
        const json_t *days, *unit;
        int64_t n, ms;

        if (json_is_string(value)) {
                if (check_date_time(check, place, value, &ms) && check->event->publish_at_ms &&
                    ms <= check->event->publish_at_ms)
                        COMPLAIN(check, place, "date_order", MESSAGE_EVENT_ENDS_EARLY, "value",
                                 json_string_value(value), "start",
                                 json_string_value(json_object_get(data, "publish_at")));
                return;
        }
        if (!check_type(check, place, value, JSON_OBJECT, MESSAGE_TYPE_STRING_OR_OBJECT))
                return;
        days = check_member(check, place, value, "days");
        if (days)
                (void) check_integer(check, MEMBER(place, "days"), days, 1, 3650, &n);
        unit = check_member(check, place, value, "unit");
        if (unit)
                (void) check_choice(check, MEMBER(place, "unit"), unit, units);
}

void field_validity(struct check *check, const struct place *place, json_t *data,
                    const json_t *value) {
        static const char *const statuses[] = { "valid", "amended", "abolished", "lapsed", NULL };
        const json_t *status;
        int64_t ms;

        if (!check_type(check, place, value, JSON_OBJECT, MESSAGE_TYPE_OBJECT))
                return;
        status = check_member(check, place, value, "status");
        if (status)
                (void) check_choice(check, MEMBER(place, "status"), status, statuses);
        IF_THERE(value, place, "on", check_date, &ms);
        IF_THERE(value, place, "by", check_optional, 200, UNICODE_NAME);
}

void field_correction(struct check *check, const struct place *place, json_t *data,
                      const json_t *value) {
        const json_t *note;

        if (!check_type(check, place, value, JSON_OBJECT, MESSAGE_TYPE_OBJECT))
                return;
        note = check_member(check, place, value, "note");
        if (note)
                (void) check_string(check, MEMBER(place, "note"), note, 1000, UNICODE_TEXT);
}

static bool is_file_name(const char *name) {
        return !strpbrk(name, "/\\") && strcmp(name, ".") != 0 && strcmp(name, "..") != 0;
}

/* RFC 9110, sections 5.6.2 and 8.3.1, without parameters. */
static bool is_media_type(const char *text) {
        static const char token[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
                                    "0123456789!#$%&'*+-.^_`|~";
        size_t type = strspn(text, token);
        size_t subtype = text[type] == '/' ? strspn(text + type + 1, token) : 0;

        return type > 0 && subtype > 0 && text[type + 1 + subtype] == '\0';
}

static bool take_digest(const char *text, char ret[static DIGEST_TEXT]) {
        if (strlen(text) != DIGEST_TEXT - 1 ||
            strspn(text, "0123456789abcdefABCDEF") != DIGEST_TEXT - 1)
                return false;
        for (size_t i = 0; i < DIGEST_TEXT; i++)
                ret[i] = (char) (text[i] >= 'A' && text[i] <= 'F' ? text[i] - 'A' + 'a' : text[i]);
        return true;
}

static void attachment_name(struct check *check, const struct place *place, const json_t *value,
                            struct event_attachment *ret) {
        const char *name = check_string(check, place, value, 200, UNICODE_NAME);

        if (!name)
                return;
        if (!is_file_name(name)) {
                COMPLAIN(check, place, "format", MESSAGE_EVENT_FILE_NAME);
                return;
        }
        for (const struct event_attachment *other = check->event->attachments; other < ret; other++)
                if (other->name && strcmp(other->name, name) == 0) {
                        COMPLAIN(check, place, "format", MESSAGE_EVENT_NAME_TWICE, "value",
                                 QUOTE(name));
                        return;
                }
        ret->name = name;
}

static void attachment_size(struct check *check, const struct place *place, const json_t *value,
                            struct event_attachment *ret) {
        int64_t size;

        if (json_is_integer(value) && json_integer_value(value) > (json_int_t) ATTACHMENT_MAX_BYTES)
                COMPLAIN(check, place, "too_large", MESSAGE_EVENT_ATTACHMENT_LARGE);
        else if (check_integer(check, place, value, 0, (int64_t) ATTACHMENT_MAX_BYTES, &size))
                ret->size = (uint64_t) size;
}

static void one_attachment(struct check *check, const struct place *place, const json_t *value,
                           struct event_attachment *ret) {
        static const char *const roles[] = { "file", "inline", "cover", "original", NULL };
        const json_t *name, *media_type, *sha256, *size, *role, *url;
        const char *text;

        if (!check_type(check, place, value, JSON_OBJECT, MESSAGE_TYPE_OBJECT))
                return;

        name = check_member(check, place, value, "name");
        if (name)
                attachment_name(check, MEMBER(place, "name"), name, ret);

        media_type = check_member(check, place, value, "media_type");
        text = media_type ? check_string(check, MEMBER(place, "media_type"), media_type, 127,
                                         UNICODE_NAME)
                          : NULL;
        if (text && is_media_type(text))
                ret->media_type = text;
        else if (text)
                COMPLAIN(check, MEMBER(place, "media_type"), "format", MESSAGE_EVENT_MEDIA_TYPE,
                         "value", QUOTE(text));

        sha256 = check_member(check, place, value, "sha256");
        text = sha256 ? check_string(check, MEMBER(place, "sha256"), sha256, 1000, UNICODE_NAME)
                      : NULL;
        if (text && !take_digest(text, ret->sha256))
                COMPLAIN(check, MEMBER(place, "sha256"), "format", MESSAGE_EVENT_SHA256, "value",
                         QUOTE(text));

        size = check_member(check, place, value, "size");
        if (size)
                attachment_size(check, MEMBER(place, "size"), size, ret);

        role = json_object_get(value, "role");
        if (role)
                ret->role = check_choice(check, MEMBER(place, "role"), role, roles);
        url = json_object_get(value, "url");
        if (url && check_address(check, MEMBER(place, "url"), url))
                ret->url = json_string_value(url);
}

void field_attachments(struct check *check, const struct place *place, json_t *data,
                       const json_t *value) {
        size_t n = json_array_size(value);

        if (!check_type(check, place, value, JSON_ARRAY, MESSAGE_TYPE_ARRAY) || n == 0)
                return;
        if (n > EVENT_MAX_ATTACHMENTS) {
                char count[24], most[24];

                (void) snprintf(count, sizeof(count), "%zu", n);
                (void) snprintf(most, sizeof(most), "%d", EVENT_MAX_ATTACHMENTS);
                COMPLAIN(check, place, "too_large", MESSAGE_EVENT_TOO_MANY_ATTACHMENTS, "count",
                         count, "most", most);
                return;
        }
        check->event->attachments = calloc(n, sizeof(*check->event->attachments));
        if (!check->event->attachments) {
                check->no_memory = true;
                return;
        }
        for (size_t i = 0; i < n; i++)
                one_attachment(check, ENTRY(place, i), json_array_get(value, i),
                               check->event->attachments + i);
        check->event->n_attachments = n;
}

static void one_relation(struct check *check, const struct place *place, json_t *value) {
        static const char *const relations[] = { "interprets", "corrects", "replaces", "result-of",
                                                 "reposts",    "answers",  NULL };
        const json_t *rel, *document, *url;

        if (!check_type(check, place, value, JSON_OBJECT, MESSAGE_TYPE_OBJECT))
                return;
        rel = check_member(check, place, value, "rel");
        if (rel)
                (void) check_choice(check, MEMBER(place, "rel"), rel, relations);
        document = json_object_get(value, "document");
        url = json_object_get(value, "url");
        if (!document && !url)
                COMPLAIN(check, place, "required", MESSAGE_EVENT_RELATES_TARGET);
        if (document && check_string(check, MEMBER(place, "document"), document, 128, UNICODE_NAME))
                (void) check_nfc(check, value, "document");
        if (url)
                (void) check_address(check, MEMBER(place, "url"), url);
}

void field_relates(struct check *check, const struct place *place, json_t *data,
                   const json_t *value) {
        if (!check_array(check, place, value, 64, MESSAGE_TYPE_ARRAY))
                return;
        for (size_t i = 0; i < json_array_size(value); i++)
                one_relation(check, ENTRY(place, i), json_array_get(value, i));
}

void field_areas(struct check *check, const struct place *place, json_t *data,
                 const json_t *value) {
        if (!check_array(check, place, value, 256, MESSAGE_TYPE_ARRAY))
                return;
        for (size_t i = 0; i < json_array_size(value); i++) {
                const struct place *entry = ENTRY(place, i);
                const char *text =
                        check_string(check, entry, json_array_get(value, i), 1000, UNICODE_NAME);
                size_t n = text ? strlen(text) : 0;

                if (text && (strspn(text, "0123456789") != n || (n != 6 && n != 9 && n != 12)))
                        COMPLAIN(check, entry, "format", MESSAGE_EVENT_AREA, "value", QUOTE(text));
        }
}

/* Channels, carriers, groups: 1 to 64 names. */
void field_names(struct check *check, const struct place *place, json_t *data,
                 const json_t *value) {
        if (!check_array(check, place, value, 64, MESSAGE_TYPE_ARRAY))
                return;
        for (size_t i = 0; i < json_array_size(value); i++)
                (void) check_string(check, ENTRY(place, i), json_array_get(value, i), 64,
                                    UNICODE_NAME);
}

void field_audience(struct check *check, const struct place *place, json_t *data,
                    const json_t *value) {
        static const char *const everybody[] = { "public", NULL };
        const json_t *groups;

        if (json_is_string(value)) {
                (void) check_choice(check, place, value, everybody);
                return;
        }
        if (!check_type(check, place, value, JSON_OBJECT, MESSAGE_TYPE_STRING_OR_OBJECT))
                return;
        groups = check_member(check, place, value, "groups");
        if (groups)
                field_names(check, MEMBER(place, "groups"), data, groups);
}

void field_review(struct check *check, const struct place *place, json_t *data,
                  const json_t *value) {
        static const char *const results[] = { "passed", "not-needed", NULL };
        const json_t *secrecy;
        int64_t ms;

        if (!check_type(check, place, value, JSON_OBJECT, MESSAGE_TYPE_OBJECT))
                return;
        secrecy = check_member(check, place, value, "secrecy");
        if (secrecy)
                (void) check_choice(check, MEMBER(place, "secrecy"), secrecy, results);
        IF_THERE(value, place, "by", check_optional, 100, UNICODE_NAME);
        IF_THERE(value, place, "on", check_date, &ms);
}
