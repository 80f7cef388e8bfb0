#include "core/alarm.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/alarm_file.h"
#include "core/clock.h"
#include "core/files.h"
#include "core/log.h"
#include "core/memory.h"
#include "core/moment.h"
#include "core/visible.h"

enum {
        REST_MS = 60000,       /* between two writings of one open alarm */
        REST_FAILED_MS = 10000, /* until the next try after a write that failed */
        N_SLOTS = 256,
        MOST_OPEN = 300,       /* files; a person reads no more */
        MOST_SUBJECT = 256,
        MOST_VALUE = 1024,
};

/* What this process last knew of an alarm. Two alarms of one slot cost writes, nothing else. */
struct slot {
        char *name; /* NULL: nothing is known */
        bool open;
        json_t *unfiled; /* the open one, as long as it has no file */
        uint64_t more; /* raised since the file was written */
        int64_t next_ms; /* wall clock: not before is it written again */
        int64_t last_ms; /* when next_ms was set: a clock that went back must not silence us */
};

static struct slot slots[N_SLOTS];
static char *folder;

static bool due(const struct slot *slot, int64_t now_ms) {
        return now_ms >= slot->next_ms || now_ms < slot->last_ms;
}

static void rest(struct slot *slot, int64_t now_ms, int64_t rest_ms) {
        slot->last_ms = now_ms;
        slot->next_ms = now_ms + rest_ms;
}

static void slot_done(struct slot *slot) {
        json_decref(slot->unfiled);
        free(slot->name);
        *slot = (struct slot) { 0 };
}

static struct slot *slot_of(const char *name) {
        uint32_t hash = 5381;
        struct slot *slot;

        for (const char *c = name; *c; c++)
                hash = hash * 33 + (unsigned char) *c;
        slot = &slots[hash % N_SLOTS];
        if (slot->name && strcmp(slot->name, name) == 0)
                return slot;
        slot_done(slot);
        slot->name = strdup(name);
        return slot->name ? slot : NULL;
}

int alarm_start(const char *state_dir) {
        alarm_end();
        folder = alarm_folder(state_dir);
        return folder ? folder_make(folder, 0750) : -ENOMEM;
}

void alarm_end(void) {
        for (size_t i = 0; i < N_SLOTS; i++)
                slot_done(&slots[i]);
        free(give_away(folder));
}

/* -- the alarm as it is written --------------------------------------------------------------------- */

static json_t *readable(const char *text, size_t most) {
        struct buf buf freed_by(buf_done) = { 0 };
        size_t n = text ? strnlen(text, most + 1) : 0;

        if (n > most) {
                n = most;
                while (n > 0 && ((unsigned char) text[n] & 0xc0) == 0x80)
                        n--;
        }
        visible_add(&buf, text ? text : "", n);
        if (text && text[n])
                buf_str(&buf, " ...");
        return json_string(buf_text(&buf));
}

static json_t *fields_of(va_list pairs) {
        json_t *fields = json_object();

        for (const char *key; (key = va_arg(pairs, const char *)) != NULL;) {
                const char *value = va_arg(pairs, const char *);

                (void) json_object_set_new(fields, key, readable(value, MOST_VALUE));
        }
        return fields;
}

static void set_moment(json_t *json, const char *name, int64_t ms) {
        char text[MOMENT_TEXT];

        (void) json_object_set_new(json, name, json_string(moment_write(ms, text)));
}

/* Takes `fields`. */
static json_t *describe(enum alarm alarm, const char *subject, json_t *fields, int64_t now_ms) {
        json_t *json = json_object();

        (void) json_object_set_new(json, "code", json_string(alarm_code(alarm)));
        (void) json_object_set_new(json, "severity",
                                   json_string(alarm_severity_name(alarm_severity(alarm))));
        (void) json_object_set_new(json, "subject", readable(subject, MOST_SUBJECT));
        set_moment(json, "first", now_ms);
        set_moment(json, "last", now_ms);
        (void) json_object_set_new(json, "count", json_integer(1));
        (void) json_object_set_new(json, "fields", fields ? fields : json_object());
        alarm_say(json);
        return json;
}

static const char *text_of(const json_t *json, const char *name) {
        return json_string_value(json_object_get(json, name));
}

static void tell(enum alarm alarm, enum message message, const json_t *json) {
        static const int levels[] = { LOG_WARNING, LOG_ERR, LOG_CRIT };
        const json_t *fields = json_object_get(json, "fields");

        log_say(message == MESSAGE_ALARM_CLOSED ? LOG_NOTICE : levels[alarm_severity(alarm)], message,
                "alarm", alarm_code(alarm), "subject", text_of(json, "subject"), "sentence",
                text_of(json, "sentence"), "do", text_of(json, "what_to_do"), "first",
                text_of(json, "first"), "channel", text_of(fields, "channel"), "region",
                text_of(fields, "region"), "document", text_of(fields, "document"), "event",
                text_of(fields, "event"), "code", text_of(fields, "code"), NULL);
}

/* -- raising ------------------------------------------------------------------------------------------ */

static void raise_it(enum alarm alarm, const char *subject, json_t *fields);

/* Said once in the log, and one alarm stands for all that have no file of their own. */
static void raise_too_many(enum alarm alarm) {
        if (alarm != ALARM_TOO_MANY)
                raise_it(ALARM_TOO_MANY, "alarms",
                         json_pack("{s:s}", "code", alarm_code(alarm)));
}

static int file_it(enum alarm alarm, const struct slot *slot, json_t *json, bool *ret_opened) {
        json_t *before = NULL;
        int r = alarm_file_read(folder, slot->name, ".json", &before);

        *ret_opened = false;
        if (r == 0 && text_of(before, "first")) {
                json_int_t count = json_integer_value(json_object_get(before, "count"));

                (void) json_object_set(json, "first", json_object_get(before, "first"));
                (void) json_object_set_new(json, "count",
                                           json_integer(count + (json_int_t) slot->more));
                json_decref(before);
                return alarm_file_write(folder, slot->name, ".json", json, false);
        }
        json_decref(before);
        if (r == -ENOENT && alarm != ALARM_TOO_MANY && alarm_file_count(folder) >= MOST_OPEN)
                return -EMFILE;
        (void) json_object_set_new(json, "count", json_integer((json_int_t) slot->more));
        /* Broken by a power cut: put a whole one over it. */
        r = alarm_file_write(folder, slot->name, ".json", json, r == -ENOENT);
        *ret_opened = r == 0;
        return r == -EEXIST ? 0 : r; /* another process was quicker; the next minute counts ours */
}

static void raise_it(enum alarm alarm, const char *subject, json_t *fields) {
        char *name freed_by(freep) = alarm_file_name(alarm_code(alarm), subject);
        struct slot *slot = name ? slot_of(name) : NULL;
        int64_t now_ms = clock_now_ms();
        bool opened = false;
        json_t *json;
        int r = -ENOTDIR;

        if (slot)
                slot->more++;
        if (!slot || (slot->open && !due(slot, now_ms))) {
                json_decref(fields);
                return;
        }
        json = describe(alarm, subject, fields, now_ms);
        if (folder)
                r = file_it(alarm, slot, json, &opened);
        if (r == -ENOENT && folder_make(folder, 0750) == 0) /* somebody took the folder away */
                r = file_it(alarm, slot, json, &opened);
        /* Without a file (a full disk) the journal still hears of it, once. */
        if ((opened && !slot->unfiled) || (r < 0 && !slot->open))
                tell(alarm, MESSAGE_ALARM_OPENED, json);
        if (r < 0 && !slot->open)
                slot->unfiled = json_incref(json);
        if (r == 0) {
                slot->more = 0;
                json_decref(give_away(slot->unfiled));
        }
        slot->open = true;
        rest(slot, now_ms, r == 0 ? REST_MS : REST_FAILED_MS);
        json_decref(json);
        if (r == -EMFILE)
                raise_too_many(alarm);
}

void alarm_raise(enum alarm alarm, const char *subject, ...) {
        int saved_errno = errno;
        json_t *fields;
        va_list pairs;

        va_start(pairs, subject);
        fields = fields_of(pairs);
        va_end(pairs);
        raise_it(alarm, subject ? subject : "", fields);
        errno = saved_errno;
}

/* -- clearing ----------------------------------------------------------------------------------------- */

void alarm_clear(enum alarm alarm, const char *subject) {
        char *name freed_by(freep) = alarm_file_name(alarm_code(alarm), subject ? subject : "");
        struct slot *slot = name ? slot_of(name) : NULL;
        int saved_errno = errno;
        json_t *json = NULL;
        bool closed = false;
        int r = -ENOENT;

        /* One that is known to be shut is shut for good. */
        if (!slot || (slot->last_ms > 0 && !slot->open))
                return;
        if (folder)
                r = alarm_file_read(folder, slot->name, ".json", &json);
        if (r != -ENOENT)
                closed = alarm_file_remove(folder, slot->name, ".json") == 0;
        if (closed)
                (void) alarm_file_remove(folder, slot->name, ".ack");
        if (closed || slot->unfiled) {
                if (!json)
                        json = json_incref(slot->unfiled);
                if (!json) /* a power cut had broken its file */
                        json = describe(alarm, subject, NULL, clock_now_ms());
                alarm_say(json);
                tell(alarm, MESSAGE_ALARM_CLOSED, json);
        }
        json_decref(json);
        json_decref(slot->unfiled);
        *slot = (struct slot) { .name = slot->name, .last_ms = 1 };
        if (closed && alarm != ALARM_TOO_MANY && alarm_file_count(folder) < MOST_OPEN)
                alarm_clear(ALARM_TOO_MANY, "alarms");
        errno = saved_errno;
}

void alarm_clear_of_others(enum alarm alarm, const char *subject) {
        char *name freed_by(freep) = alarm_file_name(alarm_code(alarm), subject);
        struct slot *slot = name ? slot_of(name) : NULL;

        if (slot)
                slot->last_ms = 0; /* nothing that we remember of it counts */
        alarm_clear(alarm, subject);
}
