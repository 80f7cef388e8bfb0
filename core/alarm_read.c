/* What alarms are called and say, and the list of those that are open. */
#include "core/alarm.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core/alarm_file.h"
#include "core/clock.h"
#include "core/digest.h"
#include "core/memory.h"
#include "core/moment.h"

enum { MOST_NAME = 120, MOST_LISTED = 2000 };

static const struct {
        const char *code;
        enum alarm_severity severity;
        const char *text[2], *what_to_do[2];
} alarms[N_ALARMS] = {
#define ALARM(name, code, severity, chinese, english, chinese_do, english_do)                      \
        [ALARM_##name] = { code, ALARM_##severity, { chinese, english }, { chinese_do, english_do } },
#include "core/alarms.def"
#undef ALARM
};

static const char *const severities[] = { "warning", "error", "critical" };

const char *alarm_code(enum alarm alarm) {
        return alarms[alarm].code;
}

enum alarm_severity alarm_severity(enum alarm alarm) {
        return alarms[alarm].severity;
}

const char *alarm_severity_name(enum alarm_severity severity) {
        return severities[severity];
}

const char *alarm_template(enum alarm alarm, enum language language, bool what_to_do) {
        return (what_to_do ? alarms[alarm].what_to_do : alarms[alarm].text)[language];
}

enum alarm alarm_by_code(const char *code) {
        enum alarm alarm = 0;

        if (!code)
                return N_ALARMS;
        while (alarm < N_ALARMS && strcmp(alarms[alarm].code, code) != 0)
                alarm++;
        return alarm;
}

char *alarm_file_name(const char *code, const char *subject) {
        struct buf name = { 0 };
        char digest[DIGEST_TEXT];

        buf_fmt(&name, "%s--", code);
        for (const char *c = subject; *c && name.len < MOST_NAME; c++) {
                if ((*c >= 'a' && *c <= 'z') || (*c >= 'A' && *c <= 'Z') || (*c >= '0' && *c <= '9') ||
                    *c == '-' || *c == '_' || (*c == '.' && c > subject))
                        buf_char(&name, *c);
                else
                        buf_fmt(&name, "%%%02X", (unsigned char) *c);
        }
        if (name.len >= MOST_NAME) {
                digest_bytes(subject, strlen(subject), digest);
                buf_fmt(&name, "~%.16s", digest);
        }
        return buf_take(&name);
}

/* -- sentences ----------------------------------------------------------------------------------------- */

static void fill(struct buf *buf, const char *at, const json_t *alarm) {
        const json_t *fields = json_object_get(alarm, "fields");

        while (*at) {
                const char *open = strchr(at, '{'), *close = open ? strchr(open, '}') : NULL;
                const char *value = NULL;
                char key[32] = "";

                if (!close) {
                        buf_str(buf, at);
                        return;
                }
                buf_add(buf, at, (size_t) (open - at));
                if ((size_t) (close - open - 1) < sizeof(key)) {
                        memcpy(key, open + 1, (size_t) (close - open - 1));
                        value = json_string_value(
                                json_object_get(strcmp(key, "subject") == 0 ? alarm : fields, key));
                }
                if (value)
                        buf_str(buf, value);
                else
                        buf_add(buf, open, (size_t) (close - open + 1));
                at = close + 1;
        }
}

void alarm_say(json_t *alarm) {
        const char *code = json_string_value(json_object_get(alarm, "code"));
        enum alarm known = code ? alarm_by_code(code) : N_ALARMS;

        for (int what_to_do = 0; known < N_ALARMS && what_to_do < 2; what_to_do++) {
                struct buf text = { 0 };

                fill(&text, alarm_template(known, messages_language(), what_to_do), alarm);
                (void) json_object_set_new(alarm, what_to_do ? "what_to_do" : "sentence",
                                           json_string(buf_text(&text)));
                buf_done(&text);
        }
}

/* -- the list ------------------------------------------------------------------------------------------ */

static int rank(const json_t *alarm) {
        const char *severity = json_string_value(json_object_get(alarm, "severity"));

        for (int i = 0; severity && i < (int) ELEMENTS(severities); i++)
                if (strcmp(severities[i], severity) == 0)
                        return i;
        return -1;
}

static int gravest_first(const void *a, const void *b) {
        const json_t *one = *(json_t *const *) a, *other = *(json_t *const *) b;
        const char *first = json_string_value(json_object_get(one, "first"));
        const char *second = json_string_value(json_object_get(other, "first"));
        int difference = rank(other) - rank(one);

        return difference ? difference : strcmp(first ? first : "", second ? second : "");
}

struct listing {
        const char *folder;
        json_t *rows;
};

static int list_one(const char *name, void *userdata) {
        struct listing *listing = userdata;
        json_t *alarm = NULL, *ack = NULL;

        /* It may be gone by now: then it is no alarm. */
        if (alarm_file_read(listing->folder, name, ".json", &alarm) < 0)
                return 0;
        /* An acknowledgement is of the alarm that was open then, not of the next one. */
        if (alarm_file_read(listing->folder, name, ".ack", &ack) == 0 &&
            json_equal(json_object_get(ack, "first"), json_object_get(alarm, "first"))) {
                (void) json_object_del(ack, "first");
                (void) json_object_set(alarm, "acked", ack);
        }
        json_decref(ack);
        alarm_say(alarm);
        (void) json_array_append_new(listing->rows, alarm);
        return json_array_size(listing->rows) >= MOST_LISTED;
}

json_t *alarm_list(const char *state_dir, int *ret_error) {
        char *folder freed_by(freep) = alarm_folder(state_dir);
        json_t *unsorted = json_array(), *sorted = json_array();
        struct listing listing = { folder, unsorted };
        json_t **rows freed_by(freep) = NULL;
        size_t n;
        int r = folder ? alarm_file_each(folder, ".json", list_one, &listing) : -ENOMEM;

        if (ret_error)
                *ret_error = r < 0 && r != -ENOENT ? r : 0;
        n = json_array_size(unsorted);
        rows = calloc(n + 1, sizeof(*rows));
        for (size_t i = 0; rows && i < n; i++)
                rows[i] = json_array_get(unsorted, i);
        if (rows)
                qsort(rows, n, sizeof(*rows), gravest_first);
        for (size_t i = 0; rows && i < n; i++)
                (void) json_array_append(sorted, rows[i]);
        json_decref(unsorted);
        return sorted;
}

int alarm_acknowledge(const char *state_dir, const char *code, const char *subject,
                      const char *who, const char *reason) {
        char *folder freed_by(freep) = alarm_folder(state_dir);
        char *name freed_by(freep) = alarm_file_name(code, subject);
        char at[MOMENT_TEXT];
        json_t *alarm = NULL, *ack;
        int r = folder && name ? alarm_file_read(folder, name, ".json", &alarm) : -ENOMEM;

        if (r < 0)
                return r;
        ack = json_pack("{s:O?, s:s, s:s, s:s}", "first", json_object_get(alarm, "first"), "by", who,
                        "at", moment_write(clock_now_ms(), at), "reason", reason);
        r = ack ? alarm_file_write(folder, name, ".ack", ack, false) : -EINVAL;
        json_decref(ack);
        json_decref(alarm);
        return r;
}
