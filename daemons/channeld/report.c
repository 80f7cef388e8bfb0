#include "daemons/channeld/report.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/memory.h"
#include "core/visible.h"

static const struct {
        const char *code;
        enum message name;
} states[] = {
        [DIAGNOSIS_WELL] = { "well", MESSAGE_DIAGNOSE_WELL },
        [DIAGNOSIS_WARNING] = { "warning", MESSAGE_DIAGNOSE_WARNING },
        [DIAGNOSIS_FAILED] = { "failed", MESSAGE_DIAGNOSE_FAILED },
        [DIAGNOSIS_SKIPPED] = { "skipped", MESSAGE_DIAGNOSE_SKIPPED },
};

/* What a certificate or a peer says must not act on the terminal. */
static char *sentence_of(enum message message, va_list pairs) {
        struct buf raw freed_by(buf_done) = { 0 };
        struct buf clean = { 0 };

        say_list(&raw, message, pairs);
        visible_add(&clean, buf_text(&raw), raw.len);
        return buf_take(&clean);
}

void report_step(struct report *report, const char *step, enum message name, enum diagnosis state,
                 json_t *details, enum message message, ...) {
        char *sentence freed_by(freep) = NULL;
        json_t *row = details ? details : json_object();
        va_list pairs;

        va_start(pairs, message);
        sentence = sentence_of(message, pairs);
        va_end(pairs);
        if (!report->steps)
                report->steps = json_array();
        (void) json_object_set_new(row, "step", json_string(step));
        (void) json_object_set_new(row, "state", json_string(states[state].code));
        (void) json_object_set_new(row, "sentence", json_string(sentence ? sentence : ""));
        (void) json_array_append_new(report->steps, row);
        if (!report->json) {
                char *word freed_by(freep) = say(states[state].name, NULL);
                char *title freed_by(freep) = say(name, NULL);
                char *line freed_by(freep) = say(MESSAGE_DIAGNOSE_LINE, "state", word ? word : "", "step",
                                                 title ? title : "", "sentence",
                                                 sentence ? sentence : "", NULL);

                (void) puts(line ? line : "");
                (void) fflush(stdout);
        }
        if (state == DIAGNOSIS_FAILED && !report->failure)
                report->failure = give_away(sentence);
}

void report_done(struct report *report) {
        json_decref(report->steps);
        free(report->failure);
        *report = (struct report) { 0 };
}
