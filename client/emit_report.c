#include <string.h>
#include <unistd.h>

#include "client/emit.h"
#include "core/memory.h"

/* What comes from files and from the door may hold control characters: a terminal must not obey
 * them. UTF-8 passes; the C1 controls are two bytes there, c2 80 to c2 9f. */
static void print_harmless(const char *text) {
        for (const unsigned char *c = (const unsigned char *) text; *c; c++) {
                bool is_c1 = c[0] == 0xc2 && c[1] >= 0x80 && c[1] <= 0x9f;

                if (is_c1)
                        c++;
                (void) fputc(is_c1 || *c < 0x20 || *c == 0x7f ? '?' : *c, stderr);
        }
}

void tell_line(const char *text) {
        (void) fputs("gongkai-emit: ", stderr);
        print_harmless(text);
        (void) fputc('\n', stderr);
}

void tell(enum message message, ...) {
        struct buf text freed_by(buf_done) = { 0 };
        va_list pairs;

        va_start(pairs, message);
        say_list(&text, message, pairs);
        va_end(pairs);
        tell_line(buf_text(&text));
}

static const struct {
        const char *status;
        enum message words;
} statuses[] = {
        { "accepted", MESSAGE_EMIT_ACCEPTED },
        { "duplicate", MESSAGE_EMIT_DUPLICATE },
        { "stale", MESSAGE_EMIT_STALE },
        { "held", MESSAGE_EMIT_HELD },
        { "ok", MESSAGE_EMIT_OK },
        { "rejected", MESSAGE_EMIT_REJECTED },
        { "conflict", MESSAGE_EMIT_CONFLICT },
        { "busy", MESSAGE_EMIT_BUSY },
};

static const char *text_at(const json_t *object, const char *key) {
        const char *text = json_string_value(json_object_get(object, key));

        return text ? text : "";
}

/* `errors` and `warnings` are objects; `reasons` may be plain sentences. */
static void print_findings(const json_t *reply, const char *key) {
        const json_t *list = json_object_get(reply, key), *one;
        size_t i;

        json_array_foreach (list, i, one) {
                const char *path = text_at(one, "path");
                const char *text =
                        json_is_string(one) ? json_string_value(one) : text_at(one, "message");

                (void) fputs("    ", stderr);
                print_harmless(path);
                (void) fputs(*path ? ": " : "", stderr);
                print_harmless(*text ? text : text_at(one, "code"));
                (void) fputc('\n', stderr);
        }
}

static void print_words(const struct emit_report *report, const json_t *reply, bool taken) {
        const char *status = text_at(reply, "status"), *id = text_at(reply, "id");
        enum message words = MESSAGE_EMIT_OTHER;

        if (!report->words ||
            (taken && !report->all && json_array_size(json_object_get(reply, "warnings")) == 0 &&
             strcmp(status, "held") != 0))
                return;
        for (size_t i = 0; i < ELEMENTS(statuses); i++)
                if (strcmp(statuses[i].status, status) == 0)
                        words = statuses[i].words;
        if (report->check && strcmp(status, "accepted") == 0)
                words = MESSAGE_EMIT_WOULD_ACCEPT;
        if (report->check && strcmp(status, "held") == 0)
                words = MESSAGE_EMIT_WOULD_HOLD;
        tell(words, "id", *id ? id : "-", "status", status, NULL);
        print_findings(reply, "errors");
        print_findings(reply, "reasons");
        print_findings(reply, "warnings");
}

static void report_one(struct emit_report *report, const json_t *reply) {
        const struct {
                const char *status;
                size_t *count;
        } taken[] = {
                { "accepted", &report->n_accepted },
                { "duplicate", &report->n_duplicate },
                { "stale", &report->n_stale },
                { "held", &report->n_held },
                { "ok", NULL },
        };
        const char *status = text_at(reply, "status");
        bool is_taken = false;

        (void) json_dumpf(reply, report->replies, JSON_COMPACT | JSON_ENCODE_ANY);
        (void) fputc('\n', report->replies);
        for (size_t i = 0; i < ELEMENTS(taken); i++)
                if (strcmp(status, taken[i].status) == 0) {
                        is_taken = true;
                        if (taken[i].count)
                                ++*taken[i].count;
                }
        if (is_taken)
                report->n_taken++;
        else if (strcmp(status, "busy") == 0)
                report->n_busy++;
        else
                report->n_refused++;
        print_words(report, reply, is_taken);
}

void report_reply(struct emit_report *report, const char *reply) {
        json_t *json = json_loads(reply, JSON_DECODE_ANY, NULL), *one;
        size_t i;

        if (json_is_array(json)) {
                json_array_foreach (json, i, one)
                        report_one(report, one);
        } else {
                report_one(report, json);
        }
        json_decref(json);
}

void report_summary(const struct emit_report *report) {
        char accepted[24], known[24], held[24], refused[24], open[24];

        (void) snprintf(accepted, sizeof(accepted), "%zu", report->n_accepted);
        (void) snprintf(known, sizeof(known), "%zu", report->n_duplicate + report->n_stale);
        (void) snprintf(held, sizeof(held), "%zu", report->n_held);
        (void) snprintf(refused, sizeof(refused), "%zu", report->n_refused);
        (void) snprintf(open, sizeof(open), "%zu", report->n_unanswered + report->n_busy);
        tell(report->check ? MESSAGE_EMIT_SUMMARY_CHECK : MESSAGE_EMIT_SUMMARY, "accepted",
             accepted, "known", known, "held", held, "refused", refused, "open", open, NULL);
}

int report_exit(const struct emit_report *report) {
        if (fflush(report->replies) != 0 || ferror(report->replies)) {
                tell(MESSAGE_EMIT_CANNOT_WRITE, NULL);
                return EMIT_OUTPUT;
        }
        if (report->n_unanswered + report->n_busy > 0)
                return EMIT_NO_ANSWER;
        return report->n_refused > 0 ? EMIT_REFUSED : EMIT_TAKEN;
}
