#include "core/event_check.h"

#include <stdlib.h>
#include <string.h>

#include "core/memory.h"
#include "core/moment.h"

static void add_pointer(struct buf *buf, const struct place *place) {
        if (!place)
                return;
        add_pointer(buf, place->up);
        buf_char(buf, '/');
        if (!place->name) {
                buf_fmt(buf, "%zu", place->index);
                return;
        }
        for (const char *c = place->name; *c; c++) { /* RFC 6901, section 3 */
                if (*c == '~')
                        buf_str(buf, "~0");
                else if (*c == '/')
                        buf_str(buf, "~1");
                else
                        buf_char(buf, *c);
        }
}

char *place_pointer(const struct place *place) {
        struct buf buf = { 0 };

        add_pointer(&buf, place);
        return buf_take(&buf);
}

const char *place_label(const struct place *place, char label[static LABEL]) {
        struct buf buf = { 0 };
        const char *from;

        if (!place) {
                memcpy(label, "CloudEvent", sizeof("CloudEvent"));
                return label;
        }
        add_pointer(&buf, place);
        from = buf_text(&buf);
        if (strncmp(from, "/data/", 6) == 0)
                from += 6;
        else if (*from == '/')
                from++;
        (void) unicode_excerpt(from, strlen(from), 60, label);
        buf_done(&buf);
        return label;
}

void check_error(struct check *check, const struct place *place, const char *code,
                 enum message message, ...) {
        va_list pairs;

        check->failed = true;
        va_start(pairs, message);
        findings_add_list(check->errors, place_pointer(place), code, message, pairs);
        va_end(pairs);
}

void check_warning(struct check *check, const struct place *place, const char *code,
                   enum message message, ...) {
        va_list pairs;

        va_start(pairs, message);
        findings_add_list(check->warnings, place_pointer(place), code, message, pairs);
        va_end(pairs);
}

static const char *word(enum message message) {
        return message_template(message, messages_language());
}

bool check_type(struct check *check, const struct place *place, const json_t *value, json_type type,
                enum message expected) {
        static const enum message words[] = {
                [JSON_OBJECT] = MESSAGE_TYPE_OBJECT, [JSON_ARRAY] = MESSAGE_TYPE_ARRAY,
                [JSON_STRING] = MESSAGE_TYPE_STRING, [JSON_INTEGER] = MESSAGE_TYPE_INTEGER,
                [JSON_REAL] = MESSAGE_TYPE_REAL,     [JSON_TRUE] = MESSAGE_TYPE_BOOLEAN,
                [JSON_FALSE] = MESSAGE_TYPE_BOOLEAN, [JSON_NULL] = MESSAGE_TYPE_NULL,
        };

        if (json_typeof(value) == type)
                return true;
        COMPLAIN(check, place, "type", MESSAGE_EVENT_WRONG_TYPE, "expected", word(expected),
                 "actual", word(words[json_typeof(value)]));
        return false;
}

static void complain_of_length(struct check *check, const struct place *place, enum message message,
                               const char *code, size_t n, size_t most) {
        char count_text[24], most_text[24];

        (void) snprintf(count_text, sizeof(count_text), "%zu", n);
        (void) snprintf(most_text, sizeof(most_text), "%zu", most);
        COMPLAIN(check, place, code, message, "count", count_text, "most", most_text);
}

const char *check_string(struct check *check, const struct place *place, const json_t *value,
                         size_t most, enum unicode_rule rule) {
        struct unicode_flaw flaw;
        const char *text;
        size_t n, length;

        if (!check_type(check, place, value, JSON_STRING, MESSAGE_TYPE_STRING))
                return NULL;
        text = json_string_value(value);
        n = json_string_length(value);

        if (!unicode_check(text, n, rule, &length, &flaw)) {
                char code[16], position[24];

                (void) snprintf(code, sizeof(code), "U+%04X", flaw.code);
                (void) snprintf(position, sizeof(position), "%zu", flaw.position);
                COMPLAIN(check, place, "format", MESSAGE_EVENT_CODE_POINT, "code", code, "position",
                         position);
                return NULL;
        }
        if (unicode_is_blank(text, n)) {
                COMPLAIN(check, place, "required", MESSAGE_EVENT_BLANK);
                return NULL;
        }
        if (length > most) {
                complain_of_length(check, place, MESSAGE_EVENT_TOO_LONG, "length", length, most);
                return NULL;
        }
        return text;
}

char *list_choices(const char *const *choices) {
        const char *comma = messages_language() == CHINESE ? "、" : ", ";
        struct buf list = { 0 };

        for (size_t i = 0; choices[i]; i++)
                buf_fmt(&list, "%s%s", i ? comma : "", choices[i]);
        return buf_take(&list);
}

const char *check_choice(struct check *check, const struct place *place, const json_t *value,
                         const char *const *choices) {
        char *list freed_by(freep) = NULL;
        const char *text;

        if (!check_type(check, place, value, JSON_STRING, MESSAGE_TYPE_STRING))
                return NULL;
        text = json_string_value(value);
        for (size_t i = 0; choices[i]; i++)
                if (strcmp(text, choices[i]) == 0)
                        return text;

        list = list_choices(choices);
        COMPLAIN(check, place, "format", choices[1] ? MESSAGE_EVENT_NOT_ONE_OF : MESSAGE_EVENT_ONLY,
                 "choices", list, "value", QUOTE(text));
        return NULL;
}

bool check_array(struct check *check, const struct place *place, const json_t *value, size_t most,
                 enum message expected) {
        size_t n = json_array_size(value);

        if (!check_type(check, place, value, JSON_ARRAY, expected))
                return false;
        if (n == 0) {
                COMPLAIN(check, place, "length", MESSAGE_EVENT_NO_ENTRIES);
                return false;
        }
        if (n > most) {
                complain_of_length(check, place, MESSAGE_EVENT_TOO_MANY, "length", n, most);
                return false;
        }
        return true;
}

static bool check_moment(struct check *check, const struct place *place, const json_t *value,
                         bool or_date, int64_t *ret_ms) {
        bool assumed = false;
        const char *text;

        if (!check_type(check, place, value, JSON_STRING, MESSAGE_TYPE_STRING))
                return false;
        text = json_string_value(value);
        if (or_date && moment_parse_date(text, ret_ms) == 0)
                return true;
        if (moment_parse(text, ret_ms, &assumed) < 0) {
                if (unicode_is_blank(text, json_string_length(value)))
                        COMPLAIN(check, place, "required", MESSAGE_EVENT_BLANK);
                else
                        COMPLAIN(check, place, "format",
                                 or_date ? MESSAGE_EVENT_DATE : MESSAGE_EVENT_DATE_TIME, "value",
                                 QUOTE(text));
                return false;
        }
        if (assumed)
                WARN(check, place, "assumed_zone", MESSAGE_EVENT_ASSUMED_ZONE);
        return true;
}

bool check_date_time(struct check *check, const struct place *place, const json_t *value,
                     int64_t *ret_ms) {
        return check_moment(check, place, value, false, ret_ms);
}

bool check_date(struct check *check, const struct place *place, const json_t *value,
                int64_t *ret_ms) {
        return check_moment(check, place, value, true, ret_ms);
}

bool check_integer(struct check *check, const struct place *place, const json_t *value,
                   int64_t least, int64_t most, int64_t *ret) {
        int64_t n = json_integer_value(value);
        char value_text[24], least_text[24], most_text[24];

        if (!check_type(check, place, value, JSON_INTEGER, MESSAGE_TYPE_INTEGER))
                return false;
        if (n >= least && n <= most) {
                *ret = n;
                return true;
        }
        (void) snprintf(value_text, sizeof(value_text), "%lld", (long long) n);
        (void) snprintf(least_text, sizeof(least_text), "%lld", (long long) least);
        (void) snprintf(most_text, sizeof(most_text), "%lld", (long long) most);
        COMPLAIN(check, place, "format", MESSAGE_EVENT_OUT_OF_RANGE, "value", value_text, "least",
                 least_text, "most", most_text);
        return false;
}

bool check_boolean(struct check *check, const struct place *place, const json_t *value) {
        return json_is_boolean(value) ||
               check_type(check, place, value, JSON_TRUE, MESSAGE_TYPE_BOOLEAN);
}

const char *check_optional(struct check *check, const struct place *place, const json_t *value,
                           size_t most, enum unicode_rule rule) {
        if (json_is_string(value) &&
            unicode_is_blank(json_string_value(value), json_string_length(value)))
                return NULL;
        return check_string(check, place, value, most, rule);
}

bool check_address(struct check *check, const struct place *place, const json_t *value) {
        const char *text = check_string(check, place, value, 2048, UNICODE_NAME), *host = NULL;

        if (!text)
                return false;
        if (strncasecmp(text, "http://", 7) == 0)
                host = text + 7;
        else if (strncasecmp(text, "https://", 8) == 0)
                host = text + 8;
        if (host && *host && *host != '/' && !strpbrk(text, " \"<>\\^`{|}"))
                return true;
        COMPLAIN(check, place, "format", MESSAGE_EVENT_URL, "value", QUOTE(text));
        return false;
}

const json_t *check_member(struct check *check, const struct place *place, const json_t *object,
                           const char *name) {
        const json_t *value = json_object_get(object, name);

        if (!value)
                COMPLAIN(check, &((struct place){ .up = place, .name = name }), "required",
                         MESSAGE_EVENT_REQUIRED);
        return value;
}

const char *check_nfc(struct check *check, json_t *object, const char *name) {
        char *composed freed_by(freep) = NULL;
        json_t *value = json_object_get(object, name);

        if (unicode_nfc(json_string_value(value), json_string_length(value), &composed) < 0 ||
            (composed && json_string_set_nocheck(value, composed) < 0)) {
                check->no_memory = true;
                return NULL;
        }
        check->event->composed |= composed != NULL;
        return json_string_value(value);
}
