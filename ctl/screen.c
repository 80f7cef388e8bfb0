/* screen list, forget, history: displays that send heartbeats. */
#include "ctl/ctl.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/clock.h"
#include "core/ledger.h"
#include "core/ledger_screens.h"
#include "core/memory.h"
#include "core/moment.h"

/* -- list, forget ------------------------------------------------------------------------------------- */

static json_t *row_of(json_t *rows, const json_t *part) {
        size_t i;
        json_t *row;

        json_array_foreach(rows, i, row)
                if (strcmp(text_member(row, "channel"), text_member(part, "channel")) == 0 &&
                    strcmp(text_member(row, "player"), text_member(part, "player")) == 0)
                        return row;
        row = json_pack("{s:s, s:s, s:n, s:i, s:b, s:[]}", "channel", text_member(part, "channel"), "player",
                        text_member(part, "player"), "last", "draws", 0, "silent", 1, "still");
        (void) json_array_append_new(rows, row);
        return row;
}

/* Each region knows of what is drawn of its own; a display is one of its channel. */
static json_t *join_regions(const json_t *parts) {
        json_t *rows = json_array(), *row;
        size_t i;
        const json_t *part;

        json_array_foreach(parts, i, part) {
                row = row_of(rows, part);
                if (strcmp(text_member(part, "last"), text_member(row, "last")) > 0)
                        (void) json_object_set(row, "last", json_object_get(part, "last"));
                if (json_is_false(json_object_get(part, "silent")))
                        (void) json_object_set_new(row, "silent", json_false());
                (void) json_object_set_new(
                        row, "draws",
                        json_integer(json_integer_value(json_object_get(row, "draws")) +
                                     json_integer_value(json_object_get(part, "draws"))));
                (void) json_array_extend(json_object_get(row, "still"), json_object_get(part, "still"));
        }
        return rows;
}

int command_screen_list(struct ctl *ctl) {
        static const struct column columns[] = {
                { "channel", MESSAGE_CTL_COLUMN_CHANNEL }, { "player", MESSAGE_CTL_COLUMN_PLAYER },
                { "last", MESSAGE_CTL_COLUMN_SEEN },       { "state", MESSAGE_CTL_COLUMN_STATE },
                { "draws", MESSAGE_CTL_COLUMN_DRAWS },     { "still", MESSAGE_CTL_COLUMN_GONE },
        };
        int code;
        json_t *answer = ctl_ask_well(ctl, json_pack("{s:s, s:s}", "do", "screen.list", "channel",
                                                     ctl->n_arguments > 0 ? ctl->arguments[0] : ""),
                                      &code);
        json_t *rows = answer ? join_regions(json_object_get(answer, "rows")) : NULL, *row;
        size_t i;

        if (rows && ctl->json)
                print_json(rows);
        else if (rows && json_array_size(rows) == 0)
                print_line(MESSAGE_CTL_NO_SCREENS, NULL);
        else if (rows) {
                json_array_foreach(rows, i, row) {
                        bool silent = json_is_true(json_object_get(row, "silent"));
                        char *state freed_by(freep) = say(silent ? MESSAGE_CTL_SCREEN_SILENT
                                                                 : MESSAGE_CTL_SCREEN_HAS_BEAT, NULL);

                        (void) json_object_set_new(row, "state", json_string(state ? state : ""));
                }
                print_table(rows, columns, ELEMENTS(columns));
        }
        json_decref(rows);
        json_decref(answer);
        return code;
}

int command_screen_forget(struct ctl *ctl) {
        int code;
        json_t *answer;

        if (ctl->n_arguments != 2) {
                print_error(MESSAGE_CTL_NAME_SCREEN, NULL);
                return EXIT_USAGE;
        }
        answer = ctl_ask_well(ctl, json_pack("{s:s, s:s, s:s}", "do", "screen.forget", "channel",
                                             ctl->arguments[0], "player", ctl->arguments[1]),
                              &code);
        if (answer && ctl->json)
                print_json(answer);
        else if (answer)
                print_line(MESSAGE_CTL_FORGOTTEN, "channel", ctl->arguments[0], "player",
                           ctl->arguments[1], NULL);
        json_decref(answer);
        return code;
}

/* -- history ------------------------------------------------------------------------------------------ */

static const char *duration(int64_t ms, char ret[static 32]) {
        long long seconds = ms / 1000;

        (void) snprintf(ret, 32, "%lld:%02lld:%02lld", seconds / 3600, seconds / 60 % 60, seconds % 60);
        return ret;
}

void say_sight(json_t *row) {
        const char *code = text_member(row, "code");
        char day[16] = "", time[32], to[MOMENT_TEXT];
        long long ms = 0, last_ms = 0;
        char *sentence;

        if (strcmp(text_member(row, "state"), "seen") != 0 || strncmp(code, "screen/", 7) != 0)
                return;
        (void) sscanf(text_member(row, "extra"), "%15s %lld %lld", day, &ms, &last_ms);
        sentence = say(strcmp(code, "screen/on") == 0    ? MESSAGE_CTL_SCREEN_ROW_ON
                       : strcmp(code, "screen/off") == 0 ? MESSAGE_CTL_SCREEN_ROW_OFF
                                                         : MESSAGE_CTL_SCREEN_ROW_DAY,
                       "player", text_member(row, "reference"), "day", day, "time", duration(ms, time),
                       "to", moment_write_minute(last_ms, to), NULL);
        if (sentence)
                (void) json_object_set_new(row, "sentence", json_string(sentence));
        (void) json_object_del(row, "extra");
        free(sentence);
}

/* The end of display of each revision, where it is a number of days, from the events themselves. */
static json_t *ends_of(struct ledger_reader *reader, const json_t *rows) {
        json_t *ends = json_object();
        size_t i;
        const json_t *row;

        json_array_foreach(rows, i, row) {
                char *bytes freed_by(freep) = NULL, *key freed_by(freep) = NULL;
                size_t n = 0;
                json_t *event freed_by(json_decrefp) = NULL;
                json_t *until;

                if (strcmp(text_member(row, "state"), "accepted") != 0 ||
                    strcmp(text_member(row, "level"), "0") != 0 ||
                    ledger_read_bytes(reader, text_member(row, "event"), &bytes, &n) < 0 || !bytes)
                        continue;
                event = json_loadb(bytes, n, 0, NULL);
                until = json_object_get(json_object_get(event, "data"), "show_until");
                if (json_is_object(until) &&
                    asprintf(&key, "%s %s", text_member(row, "region"), text_member(row, "revision")) >= 0)
                        (void) json_object_set(ends, key, until);
        }
        return ends;
}

/* A moment without its fractions and zone, which is ours everywhere. */
static const char *minute(const json_t *text, char ret[static MOMENT_TEXT]) {
        int64_t ms = 0;

        if (!json_is_string(text) || moment_parse(json_string_value(text), &ms, NULL) < 0)
                return "-";
        return moment_write_minute(ms, ret);
}

static void print_spans(const json_t *spans) {
        char from[MOMENT_TEXT], to[MOMENT_TEXT], revision[24], time[32];
        size_t i, k;
        const json_t *span, *day;

        json_array_foreach(spans, i, span) {
                bool ended = json_is_string(json_object_get(span, "to"));

                (void) snprintf(revision, sizeof(revision), "%lld",
                                (long long) json_integer_value(json_object_get(span, "revision")));
                print_line(ended ? MESSAGE_CTL_SCREEN_SHOWN : MESSAGE_CTL_SCREEN_STILL, "region",
                           text_member(span, "region"), "channel", text_member(span, "channel"),
                           "player", text_member(span, "player"), "revision", revision, "from",
                           minute(json_object_get(span, "from"), from), "to",
                           minute(json_object_get(span, "to"), to), NULL);
                json_array_foreach(json_object_get(span, "days"), k, day)
                        print_line(MESSAGE_CTL_SCREEN_DAY, "day", text_member(day, "day"), "time",
                                   duration(json_integer_value(json_object_get(day, "ms")), time), NULL);
        }
}

static void print_judgement(const json_t *judgement) {
        bool proven = json_is_true(json_object_get(judgement, "proven"));
        bool over = json_is_true(json_object_get(judgement, "over"));
        bool working = strcmp(text_member(judgement, "unit"), "working") == 0;
        char *unit freed_by(freep) = say(working ? MESSAGE_CTL_SCREEN_WORKING_DAYS : MESSAGE_CTL_SCREEN_DAYS,
                                         NULL);
        struct buf lacking freed_by(buf_done) = { 0 };
        char revision[24], days[24], count[24];
        size_t i;
        const json_t *day;

        json_array_foreach(json_object_get(judgement, "lacking"), i, day)
                buf_fmt(&lacking, "%s%s", i > 0 ? " " : "", json_string_value(day));
        (void) snprintf(revision, sizeof(revision), "%lld",
                        (long long) json_integer_value(json_object_get(judgement, "revision")));
        (void) snprintf(days, sizeof(days), "%lld",
                        (long long) json_integer_value(json_object_get(judgement, "days")));
        (void) snprintf(count, sizeof(count), "%lld",
                        (long long) json_integer_value(json_object_get(judgement, "seen")));
        print_line(proven ? MESSAGE_CTL_SCREEN_PROVEN
                   : over ? MESSAGE_CTL_SCREEN_NOT_PROVEN
                          : MESSAGE_CTL_SCREEN_RUNNING,
                   "region", text_member(judgement, "region"), "channel", text_member(judgement, "channel"),
                   "revision", revision, "first", text_member(judgement, "first"), "days", days, "unit",
                   unit ? unit : "", "last", text_member(judgement, "last"), "count", count, "missing",
                   lacking.len > 0 ? buf_text(&lacking) : "-", NULL);
}

/* Of a revision that was overtaken nobody asks that it stood for so long. */
static bool is_overtaken(const json_t *judgements, size_t i) {
        const json_t *one = json_array_get(judgements, i), *later;

        for (i++; (later = json_array_get(judgements, i)) != NULL; i++)
                if (strcmp(text_member(one, "region"), text_member(later, "region")) == 0 &&
                    strcmp(text_member(one, "channel"), text_member(later, "channel")) == 0)
                        return true;
        return false;
}

/* Nothing for a person: on no day that is over a display should have been up and, as far as is known, was not. */
static bool all_proven(const json_t *judgements) {
        size_t i;
        const json_t *judgement;

        json_array_foreach(judgements, i, judgement)
                if (json_array_size(json_object_get(judgement, "lacking")) > 0 && !is_overtaken(judgements, i))
                        return false;
        return true;
}

int command_screen_history(struct ctl *ctl) {
        struct ledger_reader *reader freed_by(ledger_reader_freep) = NULL;
        json_t *question, *rows, *spans, *ends, *judgements, *judgement;
        size_t i;
        int code;

        if (ctl->n_arguments != 1) {
                print_error(MESSAGE_CTL_NAME_DOCUMENT, NULL);
                return EXIT_USAGE;
        }
        if (needs_ledger(ctl, &reader) != EXIT_WELL)
                return EXIT_REFUSED;
        question = json_pack("{s:s, s:s}", "do", "document.history", "document", ctl->arguments[0]);
        if (ctl->region)
                (void) json_object_set_new(question, "region", json_string(ctl->region));
        rows = ctl_records(ctl, question, ctl->arguments[0], &code);
        if (!rows)
                return code;
        ends = ends_of(reader, rows);
        spans = screen_spans(rows);
        judgements = screen_judgements(spans, ends, clock_now_ms());
        if (ctl->json) {
                json_t *whole = json_pack("{s:s, s:O, s:O}", "document", ctl->arguments[0], "shown", spans,
                                          "periods", judgements);

                print_json(whole);
                json_decref(whole);
        } else if (json_array_size(spans) == 0)
                print_error(MESSAGE_CTL_SCREEN_NEVER, "document", ctl->arguments[0], NULL);
        else {
                print_spans(spans);
                json_array_foreach(judgements, i, judgement)
                        print_judgement(judgement);
        }
        code = json_array_size(spans) > 0 && all_proven(judgements) ? EXIT_WELL : EXIT_REFUSED;
        json_decref(judgements);
        json_decref(ends);
        json_decref(spans);
        json_decref(rows);
        return code;
}
