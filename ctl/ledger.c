/* ledger verify, export; and what other commands read from the ledger. They need no daemon. */
#include "ctl/ctl.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "core/ledger.h"
#include "core/memory.h"
#include "core/moment.h"

static bool access_ledger(struct ctl *ctl) {
        char *path freed_by(freep) = ledger_path(ctl_configuration(ctl)->main.state_dir);

        return path && access(path, F_OK) == 0;
}

static int ctl_ledger(struct ctl *ctl, struct ledger_reader **ret) {
        const struct configuration *configuration = ctl_configuration(ctl);
        char *path freed_by(freep) = NULL;
        int r;

        if (!configuration)
                return -EINVAL;
        path = ledger_path(configuration->main.state_dir);
        r = path ? ledger_reader_open(path, ret) : -ENOMEM;
        if (r < 0 && r != -ENOENT)
                print_error(MESSAGE_CTL_LEDGER_UNREADABLE, "path", path ? path : "ledger.db", "reason",
                            strerror(-r), NULL);
        return r;
}

/* The same for commands that have nothing to say without it. */
int needs_ledger(struct ctl *ctl, struct ledger_reader **ret) {
        int r = ctl_ledger(ctl, ret);

        if (r == -ENOENT)
                print_error(MESSAGE_CTL_NO_LEDGER, NULL);
        return r < 0 ? EXIT_REFUSED : EXIT_WELL;
}

/* -- verify --------------------------------------------------------------------------------------- */

static enum message sentence_of(enum ledger_fault fault) {
        static const enum message sentences[] = {
                [LEDGER_WHOLE] = MESSAGE_CTL_LEDGER_WHOLE,
                [LEDGER_ROW_CHANGED] = MESSAGE_CTL_LEDGER_ROW_CHANGED,
                [LEDGER_ROW_MISSING] = MESSAGE_CTL_LEDGER_ROW_MISSING,
                [LEDGER_BYTES_CHANGED] = MESSAGE_CTL_LEDGER_BYTES_CHANGED,
                [LEDGER_BYTES_MISSING] = MESSAGE_CTL_LEDGER_BYTES_MISSING,
                [LEDGER_EVENT_CHANGED] = MESSAGE_CTL_LEDGER_EVENT_CHANGED,
                [LEDGER_EVENT_ODD] = MESSAGE_CTL_LEDGER_EVENT_ODD,
                [LEDGER_NUMBER_MISSING] = MESSAGE_CTL_LEDGER_NUMBER_MISSING,
                [LEDGER_TAIL_CUT] = MESSAGE_CTL_LEDGER_TAIL_CUT,
                [LEDGER_HEAD_DIFFERS] = MESSAGE_CTL_LEDGER_HEAD_DIFFERS,
                [LEDGER_POSITION_WRONG] = MESSAGE_CTL_LEDGER_POSITION_WRONG,
        };

        return sentences[fault];
}

static const char *const fault_names[] = {
        "whole",         "row_changed", "row_missing",   "bytes_changed", "bytes_missing",  "event_changed",
        "event_odd",     "number_missing", "tail_cut", "head_differs",  "position_wrong",
};

static void print_verdict(const struct ctl *ctl, const struct ledger_verdict *verdict, double seconds,
                          bool has_known) {
        char rows[24], events[24], seq[24], hash[LEDGER_HASH_TEXT], rate[24];

        (void) snprintf(rows, sizeof(rows), "%lld", (long long) verdict->n_rows);
        (void) snprintf(events, sizeof(events), "%lld", (long long) verdict->n_events);
        (void) snprintf(seq, sizeof(seq), "%lld",
                        (long long) (verdict->fault == LEDGER_WHOLE ? verdict->head.seq : verdict->seq));
        (void) snprintf(rate, sizeof(rate), "%.0f", seconds > 0 ? (double) verdict->n_rows / seconds : 0);
        ledger_hash_text(verdict->head.hash, hash);
        if (ctl->json) {
                json_t *json = json_pack("{s:b, s:s, s:I, s:s, s:I, s:I, s:{s:I, s:s}, s:f, s:b}", "ok",
                                         verdict->fault == LEDGER_WHOLE, "fault", fault_names[verdict->fault],
                                         "seq", (json_int_t) verdict->seq, "what", verdict->what, "rows",
                                         (json_int_t) verdict->n_rows, "events", (json_int_t) verdict->n_events,
                                         "head", "seq", (json_int_t) verdict->head.seq, "hash", hash, "seconds",
                                         seconds, "head_file", has_known);

                print_json(json);
                json_decref(json);
                return;
        }
        print_line(sentence_of(verdict->fault), "seq", seq, "what", verdict->what, "rows", rows, "events",
                   events, "hash", hash, "rate", rate, NULL);
        if (!has_known)
                print_line(MESSAGE_CTL_LEDGER_NO_HEAD, NULL);
}

int command_ledger_verify(struct ctl *ctl) {
        struct ledger_reader *reader freed_by(ledger_reader_freep) = NULL;
        const struct configuration *configuration = ctl_configuration(ctl);
        struct ledger_verdict verdict;
        struct ledger_head known;
        struct timespec begun, ended;
        char *path freed_by(freep) = NULL;
        bool has_known = false;
        int r;

        /* The head first: what is written meanwhile only makes the chain longer. */
        if (configuration && asprintf(&path, "%s/ledger.head", configuration->main.state_dir) < 0)
                path = NULL;
        for (int i = 0; path && !has_known && i < 3; i++) /* it may be caught while it is written */
                has_known = ledger_head_read(path, &known) == 0;
        if (needs_ledger(ctl, &reader) != EXIT_WELL)
                return EXIT_REFUSED;
        (void) clock_gettime(CLOCK_MONOTONIC, &begun);
        r = ledger_verify(reader, has_known ? &known : NULL, &verdict);
        (void) clock_gettime(CLOCK_MONOTONIC, &ended);
        if (r < 0) {
                print_error(MESSAGE_CTL_LEDGER_UNREADABLE, "path", "ledger.db", "reason",
                            *ledger_reader_words(reader) ? ledger_reader_words(reader) : strerror(-r), NULL);
                return EXIT_REFUSED;
        }
        print_verdict(ctl, &verdict,
                      (double) (ended.tv_sec - begun.tv_sec) + (double) (ended.tv_nsec - begun.tv_nsec) / 1e9,
                      has_known);
        return verdict.fault == LEDGER_WHOLE ? EXIT_WELL : EXIT_REFUSED;
}

/* -- export --------------------------------------------------------------------------------------- */

static int export_row(const struct ledger_row *row, void *userdata) {
        struct buf *line = userdata;

        buf_reset(line);
        ledger_row_write(row, line);
        return puts(buf_text(line)) < 0 ? -EIO : 0;
}

int command_ledger_export(struct ctl *ctl) {
        struct ledger_reader *reader freed_by(ledger_reader_freep) = NULL;
        struct buf line freed_by(buf_done) = { 0 };
        int r;

        if (needs_ledger(ctl, &reader) != EXIT_WELL)
                return EXIT_REFUSED;
        r = ledger_read_since(reader, ctl->since, ctl->region, export_row, &line);
        if (r == 0 && fflush(stdout) != 0)
                r = -errno;
        if (r < 0)
                print_error(MESSAGE_CTL_LEDGER_UNREADABLE, "path", "ledger.db", "reason",
                            *ledger_reader_words(reader) ? ledger_reader_words(reader) : strerror(-r), NULL);
        return r < 0 ? EXIT_REFUSED : EXIT_WELL;
}

/* -- records for other commands ------------------------------------------------------------------- */

static void put(json_t *json, const char *name, const char *text) {
        if (*text)
                (void) json_object_set_new(json, name, json_string(text));
}

/* As publisherd gives a record of the log. */
static int add_row(const struct ledger_row *row, void *userdata) {
        char at[MOMENT_TEXT], revision[24], level[24], attempt[24] = "";
        json_t *json = json_object();

        (void) snprintf(revision, sizeof(revision), "%lld", (long long) row->revision);
        (void) snprintf(level, sizeof(level), "%lld", (long long) row->level);
        if (row->attempt >= 0)
                (void) snprintf(attempt, sizeof(attempt), "%lld", (long long) row->attempt);
        put(json, "at", moment_write(row->at_ms, at));
        put(json, "region", row->region);
        put(json, "state", row->state);
        put(json, "document", row->document);
        put(json, "revision", revision);
        put(json, "level", level);
        put(json, "event", row->event);
        put(json, "channel", row->channel);
        put(json, "attempt", attempt);
        put(json, "code", row->code);
        put(json, "reference", row->reference);
        put(json, "url", row->url);
        put(json, "sentence", row->sentence);
        put(json, "extra", row->extra);
        return json_array_append_new(userdata, json) < 0 ? -ENOMEM : 0;
}

/* `a` is the ledger's, `b` the log's. */
static bool same_record(const json_t *a, const json_t *b) {
        static const char *const texts[] = { "at",      "region", "state", "document", "reference",
                                             "channel", "code",   "extra", "revision", "attempt" };
        const char *event = text_member(b, "event");

        /* The ledger finds the event of a record that names none. */
        if (*event && strcmp(text_member(a, "event"), event) != 0)
                return false;
        for (size_t i = 0; i < ELEMENTS(texts); i++)
                if (strcmp(text_member(a, texts[i]), text_member(b, texts[i])) != 0)
                        return false;
        return true;
}

/* The log was asked first: what has left it since is in the ledger. */
static void add_from_log(json_t *rows, const json_t *log, size_t n_ledger) {
        for (size_t i = json_array_size(log); i-- > 0;) { /* it is read backwards */
                json_t *record = json_array_get(log, i);
                bool known = false;

                for (size_t k = n_ledger; !known && k-- > 0;)
                        known = same_record(json_array_get(rows, k), record);
                if (!known)
                        (void) json_array_append(rows, record);
        }
}

json_t *ctl_records(struct ctl *ctl, json_t *question, const char *document, int *ret_code) {
        struct ledger_reader *reader freed_by(ledger_reader_freep) = NULL;
        json_t *rows = json_array(), *answer;
        size_t n_ledger;
        bool has;
        int r;

        *ret_code = EXIT_WELL;
        if (!rows)
                return NULL;
        /* Without publisherd the ledger is still worth reading. */
        has = ctl_configuration(ctl) ? access_ledger(ctl) : false;
        answer = has ? ctl_ask_quietly(ctl, question) : ctl_ask_well(ctl, question, ret_code);
        if (!has && !answer) {
                json_decref(rows);
                return NULL;
        }
        r = has ? ctl_ledger(ctl, &reader) : -ENOENT;
        if (r == 0)
                r = document ? ledger_read_document(reader, ctl->region, document, add_row, rows)
                             : ledger_read_newest(reader, ctl->region, (size_t) ctl->limit, add_row, rows);
        n_ledger = json_array_size(rows);
        add_from_log(rows, json_object_get(answer, "rows"), n_ledger);
        if (has && !answer)
                print_error(MESSAGE_CTL_LEDGER_ALONE, NULL);
        json_decref(answer);
        return rows;
}
