#include "daemons/publisherd/publisherd.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "core/clock.h"
#include "core/memory.h"
#include "core/moment.h"
#include "core/template.h"

enum { ANSWER_USUAL = 500 }; /* bytes that most answers keep within */

static void add_string(struct buf *buf, const char *name, const char *value) {
        buf_char(buf, '"');
        buf_str(buf, name);
        if (!value) {
                buf_str(buf, "\":null");
                return;
        }
        buf_str(buf, "\":\"");
        escape_add(buf, ESCAPE_JSON, value, strlen(value));
        buf_char(buf, '"');
}

static void add_json(struct buf *buf, const char *name, const json_t *value) {
        char *text freed_by(freep) = json_dumps(value, JSON_COMPACT | JSON_ENCODE_ANY);

        if (!text)
                return;
        buf_fmt(buf, ",\"%s\":", name);
        buf_str(buf, text);
}

/* {"source":..,"id":..,"status":..  left open */
static void begin(struct buf *buf, const struct job *job, const char *status) {
        (void) buf_room(buf, ANSWER_USUAL);
        buf_char(buf, '{');
        add_string(buf, "source", job->source);
        buf_char(buf, ',');
        add_string(buf, "id", job->id);
        buf_char(buf, ',');
        add_string(buf, "status", status);
}

static void finish(struct buf *buf, struct job *job, bool accepted) {
        if (job->dry_run)
                buf_str(buf, ",\"dry_run\":true");
        if (job->warnings || accepted) {
                if (job->warnings)
                        add_json(buf, "warnings", job->warnings);
                else
                        buf_str(buf, ",\"warnings\":[]");
        }
        buf_char(buf, '}');
        job->answer = buf_take(buf);
        job_answered(job);
}

void answer_rejected(struct job *job, const struct findings *errors) {
        struct buf buf = { 0 };
        json_t *list = findings_json(errors);

        begin(&buf, job, "rejected");
        if (job->document) {
                buf_char(&buf, ',');
                add_string(&buf, "document", job->document);
        }
        add_json(&buf, "errors", list);
        rejected_keep(job, list);
        json_decref(list);
        finish(&buf, job, false);
}

void answer_busy(struct publisherd *daemon, struct job *job, int64_t retry_after_ms) {
        struct buf buf = { 0 };

        daemon->n_busy++;
        begin(&buf, job, "busy");
        buf_fmt(&buf, ",\"retry_after_ms\":%lld", (long long) retry_after_ms);
        json_decref(job->warnings);
        job->warnings = NULL;
        finish(&buf, job, false);
}

void answer_ok(struct job *job, json_t *data) {
        struct buf buf = { 0 };
        const char *name;
        json_t *value;

        begin(&buf, job, "ok");
        json_object_foreach(data, name, value) {
                if (strcmp(name, "status") != 0)
                        add_json(&buf, name, value);
        }
        finish(&buf, job, false);
}

static void reject_one(struct job *job, const char *path, const char *code, enum message message,
                       const char *name, const char *value) {
        struct findings errors = { 0 };

        findings_add(&errors, path, code, message, name, value, NULL);
        answer_rejected(job, &errors);
        findings_done(&errors);
}

static void add_channels(struct buf *buf, const char *names) {
        buf_str(buf, ",\"channels\":[");
        for (const char *at = names; *at;) {
                size_t n = strcspn(at, ",");

                buf_str(buf, at == names ? "\"" : ",\"");
                buf_add(buf, at, n);
                buf_char(buf, '"');
                at += n + (at[n] == ',');
        }
        buf_char(buf, ']');
}

void answer_committed(struct job *job, const char *line) {
        enum { STATUS, ULID, REVISION, CHANNELS, DUE, NUMBER, EXTRA, N_PARTS };
        char *copy freed_by(freep) = strdup(line), *rest = copy;
        char *parts[N_PARTS];
        struct buf buf = { 0 };
        const char *status;

        for (size_t i = 0; i < N_PARTS; i++) {
                parts[i] = rest ? strsep(&rest, "\t") : NULL;
                if (!parts[i])
                        parts[i] = (char[1]) { 0 };
        }
        status = parts[STATUS];
        if (strcmp(status, "too_old") == 0) {
                reject_one(job, "/time", "too_old", MESSAGE_EVENT_TOO_OLD, "document", job->document);
                return;
        }
        if (strcmp(status, "ahead") == 0) {
                char now[MOMENT_TEXT];

                reject_one(job, "/time", "date_order", MESSAGE_EVENT_TIME_AHEAD, "now",
                           moment_write(clock_now_ms(), now));
                return;
        }
        if (strcmp(status, "not_owner") == 0) {
                reject_one(job, "/data/document", "not_owner", MESSAGE_EVENT_NOT_OWNER, "owner",
                           parts[EXTRA]);
                return;
        }
        if (strcmp(status, "conflict_revision") == 0) {
                reject_one(job, "/data/revision", "conflict", MESSAGE_EVENT_REVISION_TAKEN,
                           "revision", parts[REVISION]);
                return;
        }
        if (strcmp(status, "shown") == 0) {
                reject_one(job, job->not_for_all ? job->not_for_all : "", "openness",
                           MESSAGE_EVENT_SHOWN_BEFORE, "document", job->document);
                return;
        }
        if (strcmp(status, "refused") == 0) {
                reject_one(job, "", "refused", MESSAGE_EVENT_REFUSED_BY_PERSON, "event",
                           parts[ULID]);
                return;
        }
        if (strncmp(parts[EXTRA], "same_content ", 13) == 0)
                job_warn(job, warning("/data", "same_content", MESSAGE_EVENT_SAME_CONTENT,
                                      "document", parts[EXTRA] + 13, NULL));
        else if (strcmp(parts[EXTRA], "unknown_document") == 0)
                job_warn(job, warning("/data/document", "unknown_document",
                                      MESSAGE_EVENT_UNKNOWN_DOCUMENT, "document", job->document,
                                      NULL));
        begin(&buf, job, status);
        if (*parts[ULID]) {
                buf_char(&buf, ',');
                add_string(&buf, "event", parts[ULID]);
        }
        buf_char(&buf, ',');
        add_string(&buf, "document", job->document);
        if (*parts[REVISION] && strcmp(parts[REVISION], "0") != 0) {
                buf_str(&buf, ",\"revision\":");
                buf_str(&buf, parts[REVISION]);
        }
        if (strcmp(status, "accepted") == 0 || strcmp(status, "duplicate") == 0) {
                add_channels(&buf, parts[CHANNELS]);
                buf_char(&buf, ',');
                add_string(&buf, "due", *parts[DUE] ? parts[DUE] : NULL);
        }
        if (strcmp(status, "held") == 0) {
                bool same = strncmp(parts[EXTRA], "same_content ", 13) == 0;

                if (!job->reasons && same)
                        job->reasons = json_array();
                if (same && job->reasons)
                        (void) json_array_append_new(
                                job->reasons, warning("/data", "same_content",
                                                      MESSAGE_EVENT_SAME_CONTENT, "document",
                                                      parts[EXTRA] + 13, NULL));
                if (job->reasons)
                        add_json(&buf, "reasons", job->reasons);
        }
        finish(&buf, job, strcmp(status, "accepted") == 0);
}

json_t *warning(const char *path, const char *code, enum message message, ...) {
        struct buf sentence = { 0 };
        json_t *one;
        va_list pairs;

        va_start(pairs, message);
        say_list(&sentence, message, pairs);
        va_end(pairs);
        one = json_pack("{s:s, s:s, s:s}", "path", path, "code", code, "message",
                        buf_text(&sentence));
        buf_done(&sentence);
        return one;
}

void job_warn(struct job *job, json_t *one) {
        if (!job->warnings)
                job->warnings = json_array();
        (void) json_array_append_new(job->warnings, one);
}
