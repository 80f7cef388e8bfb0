/* dead list, show, replay, drop. What is dead stands in the ledger; what is to be done with it is asked
 * of publisherd, one document on one channel at a time. */
#include "ctl/ctl.h"

#include <stdio.h>
#include <string.h>

#include "core/ledger.h"
#include "core/memory.h"
#include "core/moment.h"

static const struct column columns[] = {
        { "at", MESSAGE_CTL_COLUMN_AT },             { "region", MESSAGE_CTL_COLUMN_REGION },
        { "channel", MESSAGE_CTL_COLUMN_CHANNEL },   { "document", MESSAGE_CTL_COLUMN_DOCUMENT },
        { "revision", MESSAGE_CTL_COLUMN_REVISION }, { "attempts", MESSAGE_CTL_COLUMN_ATTEMPTS },
        { "code", MESSAGE_CTL_COLUMN_CODE },         { "error", MESSAGE_CTL_COLUMN_ERROR },
};

/* What is looked for; NULL: any. */
struct wanted {
        const char *document, *channel;
        json_t *rows;
};

static int add_row(const struct ledger_row *row, void *userdata) {
        struct wanted *wanted = userdata;
        char at[MOMENT_TEXT];

        if ((wanted->document && strcmp(wanted->document, row->document) != 0) ||
            (wanted->channel && strcmp(wanted->channel, row->channel) != 0))
                return 0;
        (void) json_array_append_new(
                wanted->rows,
                json_pack("{s:s, s:s, s:s, s:s, s:I, s:s, s:I, s:s, s:s, s:s, s:s}", "at",
                          moment_write(row->at_ms, at), "region", row->region, "state", row->state,
                          "document", row->document, "revision", (json_int_t) row->revision, "channel",
                          row->channel, "attempts", (json_int_t) (row->attempt > 0 ? row->attempt : 0),
                          "code", row->code, "url", row->url, "error", row->sentence, "extra",
                          row->extra));
        return 0;
}

static const char *region_of(const struct ctl *ctl) {
        return ctl->region && *ctl->region ? ctl->region : NULL;
}

/* The dead ones; NULL when the ledger cannot be read, which was said. */
static json_t *dead_rows(struct ctl *ctl, const char *document, const char *channel, int *ret_code) {
        struct ledger_reader *reader freed_by(ledger_reader_freep) = NULL;
        struct wanted wanted = { document, channel, NULL };
        int r;

        *ret_code = needs_ledger(ctl, &reader);
        if (*ret_code != EXIT_WELL)
                return NULL;
        wanted.rows = json_array();
        r = ledger_read_trouble(reader, region_of(ctl), "dead", add_row, &wanted);
        if (r == 0)
                return wanted.rows;
        print_error(MESSAGE_CTL_LEDGER_UNREADABLE, "path", "ledger.db", "reason",
                    ledger_reader_words(reader), NULL);
        json_decref(wanted.rows);
        *ret_code = EXIT_REFUSED;
        return NULL;
}

int command_dead_list(struct ctl *ctl) {
        const char *channel = ctl->n_arguments > 0 ? ctl->arguments[0] : ctl->channel;
        json_t *rows;
        int code;

        if (ctl->n_arguments > 1) {
                print_error(MESSAGE_CTL_NAME_CHANNEL, NULL);
                return EXIT_USAGE;
        }
        rows = dead_rows(ctl, NULL, channel, &code);
        if (rows && ctl->json)
                print_json(rows);
        else if (rows && json_array_size(rows) == 0)
                print_line(MESSAGE_CTL_NOTHING_DEAD, NULL);
        else if (rows)
                print_table(rows, columns, ELEMENTS(columns));
        json_decref(rows);
        return code;
}

/* The whole history of a dead document on its channel. */
int command_dead_show(struct ctl *ctl) {
        static const struct column history[] = {
                { "at", MESSAGE_CTL_COLUMN_AT },
                { "state", MESSAGE_CTL_COLUMN_STATE },
                { "revision", MESSAGE_CTL_COLUMN_REVISION },
                { "channel", MESSAGE_CTL_COLUMN_CHANNEL },
                { "attempts", MESSAGE_CTL_COLUMN_ATTEMPTS },
                { "code", MESSAGE_CTL_COLUMN_CODE },
                { "error", MESSAGE_CTL_COLUMN_ERROR },
                { "extra", MESSAGE_CTL_COLUMN_EXTRA },
        };
        const char *document = ctl->n_arguments > 0 ? ctl->arguments[0] : NULL;
        const char *channel = ctl->n_arguments == 2 ? ctl->arguments[1] : ctl->channel;
        json_t *rows, *row;
        size_t i;
        int code;

        if (!document || ctl->n_arguments > 2) {
                print_error(MESSAGE_CTL_NAME_DOCUMENT, NULL);
                return EXIT_USAGE;
        }
        rows = dead_rows(ctl, document, channel, &code);
        if (rows && json_array_size(rows) == 0) {
                print_error(MESSAGE_CTL_NOT_DEAD, "document", document, NULL);
                code = EXIT_REFUSED;
        }
        json_array_foreach(rows, i, row) {
                struct ledger_reader *reader freed_by(ledger_reader_freep) = NULL;
                struct wanted wanted = { document, text_member(row, "channel"), json_array() };

                code = needs_ledger(ctl, &reader);
                if (code == EXIT_WELL && ledger_read_document(reader, text_member(row, "region"), document, add_row,
                                                   &wanted) == 0 &&
                    !ctl->json) {
                        print_line(MESSAGE_CTL_DEAD, "document", document, "channel",
                                   text_member(row, "channel"), "region", text_member(row, "region"),
                                   "reason", text_member(row, "error"), NULL);
                        print_table(wanted.rows, history, ELEMENTS(history));
                }
                (void) json_object_set_new(row, "history", wanted.rows);
        }
        if (rows && ctl->json)
                print_json(rows);
        json_decref(rows);
        return code;
}

static int decide_one(struct ctl *ctl, const char *command, enum message done, const char *region,
                      const char *document, const char *channel) {
        json_t *question = json_pack("{s:s, s:s, s:s, s:s}", "do", command, "document", document,
                                     "channel", channel, "reason", ctl->reason);
        int code;
        json_t *answer;

        if (region)
                (void) json_object_set_new(question, "region", json_string(region));
        answer = ctl_ask_well(ctl, question, &code);
        if (answer && ctl->json)
                print_json(answer);
        else if (answer)
                print_line(done, "document", document, "channel", channel, NULL);
        json_decref(answer);
        return code;
}

/* Of a whole channel, or all. What is no longer dead when its turn comes is said, and the rest done. */
static int decide_many(struct ctl *ctl, const char *command, enum message done) {
        int code, worst = EXIT_WELL;
        json_t *rows = dead_rows(ctl, NULL, ctl->channel, &code), *row;
        size_t i;

        if (!rows)
                return code;
        if (json_array_size(rows) == 0) {
                print_error(MESSAGE_CTL_NOTHING_DEAD, NULL);
                worst = EXIT_REFUSED;
        }
        json_array_foreach(rows, i, row) {
                code = decide_one(ctl, command, done, text_member(row, "region"),
                                  text_member(row, "document"), text_member(row, "channel"));
                worst = code > worst ? code : worst;
                if (code == EXIT_NO_DAEMON)
                        break;
        }
        json_decref(rows);
        return worst;
}

/* DOCUMENT CHANNEL, --channel NAME, or --all. */
static int decide(struct ctl *ctl, const char *command, enum message done) {
        bool one = ctl->n_arguments == 2 && !ctl->channel && !ctl->all;
        bool many = ctl->n_arguments == 0 && (ctl->channel != NULL) != ctl->all;

        if (!one && !many) {
                print_error(MESSAGE_CTL_NAME_DEAD, NULL);
                return EXIT_USAGE;
        }
        if (!ctl->reason || !*ctl->reason) {
                print_error(MESSAGE_CONTROL_NAME_REASON, NULL);
                return EXIT_USAGE;
        }
        return one ? decide_one(ctl, command, done, region_of(ctl), ctl->arguments[0], ctl->arguments[1])
                   : decide_many(ctl, command, done);
}

int command_dead_replay(struct ctl *ctl) {
        return decide(ctl, "dead.replay", MESSAGE_CTL_REPLAYED);
}

int command_dead_drop(struct ctl *ctl) {
        return decide(ctl, "dead.drop", MESSAGE_CTL_DROPPED);
}
