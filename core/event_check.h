/* Inside the event: checking one JSON value, and saying where it stands. Used by core/event_*.c
 * only. */
#ifndef CORE_EVENT_CHECK_H
#define CORE_EVENT_CHECK_H

#include <stdarg.h>
#include <string.h>

#include "core/event.h"
#include "core/unicode.h"

/* One step of the way to a value: a member's name, or (name NULL) an index. It lives on the stack
 * and costs nothing until something is wrong. */
struct place {
        const struct place *up; /* NULL: a member of the event itself */
        const char *name;
        size_t index;
};

struct check {
        struct event *event;
        struct findings *errors, *warnings;
        bool failed; /* holds also where `errors` is full or memory was short */
        bool no_memory;
};

/* "/data/areas/0", to be freed; and "areas/0" as a sentence names it. */
#define LABEL UNICODE_EXCERPT(60)
char *place_pointer(const struct place *place);
const char *place_label(const struct place *place, char label[static LABEL]);
/* A stranger's text as a sentence repeats it. */
#define QUOTE(text) unicode_excerpt((text), strlen(text), 40, (char[UNICODE_EXCERPT(40)]){ 0 })

__attribute__((sentinel)) void check_error(struct check *check, const struct place *place,
                                           const char *code, enum message message, ...);
__attribute__((sentinel)) void check_warning(struct check *check, const struct place *place,
                                             const char *code, enum message message, ...);
/* "mark、erase", or "mark, erase"; to be freed. */
char *list_choices(const char *const *choices);

/* Adds the pair of {field}, and ends the pairs. */
#define COMPLAIN(check, place, code, ...)                                                          \
        check_error((check), (place), (code), __VA_ARGS__, "field",                                \
                    place_label((place), (char[LABEL]){ 0 }), NULL)
#define WARN(check, place, code, ...)                                                              \
        check_warning((check), (place), (code), __VA_ARGS__, "field",                              \
                      place_label((place), (char[LABEL]){ 0 }), NULL)

/* `path` is taken over (NULL: memory was short). */
void findings_add_list(struct findings *findings, char *path, const char *code,
                       enum message message, va_list pairs);

/* Each of these says what is wrong and then returns NULL or false. `value` is there (not NULL);
 * `expected` is one of the TYPE_ words. */
bool check_type(struct check *check, const struct place *place, const json_t *value, json_type type,
                enum message expected);
/* 1 to `most` characters that the rule allows, not only white space. */
const char *check_string(struct check *check, const struct place *place, const json_t *value,
                         size_t most, enum unicode_rule rule);
/* One of the NULL-terminated choices. */
const char *check_choice(struct check *check, const struct place *place, const json_t *value,
                         const char *const *choices);
/* An array of 1 to `most` entries. */
bool check_array(struct check *check, const struct place *place, const json_t *value, size_t most,
                 enum message expected);
bool check_date_time(struct check *check, const struct place *place, const json_t *value,
                     int64_t *ret_ms);
bool check_date(struct check *check, const struct place *place, const json_t *value,
                int64_t *ret_ms); /* or a date-time */
bool check_integer(struct check *check, const struct place *place, const json_t *value,
                   int64_t least, int64_t most, int64_t *ret);
bool check_address(struct check *check, const struct place *place, const json_t *value);
bool check_boolean(struct check *check, const struct place *place, const json_t *value);
/* The same as check_string(), but an empty text is one that was not given: NULL without a word. */
const char *check_optional(struct check *check, const struct place *place, const json_t *value,
                           size_t most, enum unicode_rule rule);
/* The member must not be missing: says so and returns NULL. */
const json_t *check_member(struct check *check, const struct place *place, const json_t *object,
                           const char *name);

/* Puts the string's NFC into its place and returns it; NULL only when memory is short. */
const char *check_nfc(struct check *check, json_t *object, const char *name);

/* One member of `data`; what of it others ask for goes into check->event. */
typedef void field_fn(struct check *check, const struct place *place, json_t *data,
                      const json_t *value);

/* event_fields.c: the members that have members of their own */
field_fn field_body, field_texts, field_publisher, field_dates, field_formed, field_show_until,
        field_validity, field_correction, field_attachments, field_relates, field_areas,
        field_audience, field_names, field_review, field_stage;

/* event_digest.c: fills event->digest; false when memory is short */
bool event_digest(struct event *event);

#endif
