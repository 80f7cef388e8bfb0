/* What displays reported, as the ledger has it: from when to when, and whether it was long enough. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "core/buf.h"
#include "core/ledger.h"
#include "core/ledger_screens.h"
#include "core/memory.h"
#include "core/moment.h"

static const char *text_of(const json_t *object, const char *name) {
        const char *text = json_string_value(json_object_get(object, name));

        return text ? text : "";
}

/* "AT CODE PLAYER REVISION EXTRA" by blanks; the year and month are November 2026. */
static json_t *rows_of(const char *const *lines) {
        json_t *rows = json_array();

        for (; *lines; lines++) {
                char day[4], hour[4], code[16], player[16], revision[8], extra[64] = "", at[40];

                assert_true(sscanf(*lines, "%3s %3s %15s %15s %7s %63[^\n]", day, hour, code, player,
                                   revision, extra) >= 5);
                (void) snprintf(at, sizeof(at), "2026-11-%sT%s:00:00+08:00", day, hour);
                (void) json_array_append_new(
                        rows, json_pack("{s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:s}", "state", "seen", "region",
                                        "530581", "channel", "led", "at", at, "code", code, "reference",
                                        player, "revision", revision, "extra", extra));
        }
        return rows;
}

/* "PLAYER REVISION FROM TO DAY=MS ..." and a line end for each. */
static char *spans_text(const json_t *spans) {
        struct buf text = { 0 };
        size_t i, k;
        const json_t *span, *day;

        json_array_foreach(spans, i, span) {
                const char *to = text_of(span, "to");

                buf_fmt(&text, "%s %lld %.13s %.13s", text_of(span, "player"),
                        (long long) json_integer_value(json_object_get(span, "revision")),
                        text_of(span, "from"), *to ? to : "-");
                json_array_foreach(json_object_get(span, "days"), k, day)
                        buf_fmt(&text, " %s=%lld", text_of(day, "day") + 8,
                                (long long) json_integer_value(json_object_get(day, "ms")));
                buf_char(&text, '\n');
        }
        return buf_take(&text);
}

#define NOON_25 "1795579200000" /* 2026-11-25T12:00:00+08:00 */

static void spans_begin_with_on_and_end_with_the_last_heartbeat(void **state) {
        static const struct {
                const char *story, *rows[8], *want;
        } cases[] = {
                { "two days, then taken down",
                  { "23 09 screen/on hall 1 aa", "24 08 screen/day hall 1 2026-11-23 5000 1", "25 13 screen/off hall 1 2026-11-25 7000 " NOON_25 },
                  "hall 1 2026-11-23T09 2026-11-25T12 23=5000 25=7000\n" },
                { "still there", { "23 09 screen/on hall 1 aa" }, "hall 1 2026-11-23T09 -\n" },
                { "a day without time is no day", { "23 09 screen/on hall 1 aa", "24 08 screen/day hall 1 2026-11-23 0 1" },
                  "hall 1 2026-11-23T09 -\n" },
                { "two displays at once",
                  { "23 09 screen/on hall 1 aa", "23 10 screen/on square 1 aa", "25 13 screen/off hall 1 2026-11-25 7000 " NOON_25 },
                  "hall 1 2026-11-23T09 2026-11-25T12 25=7000\nsquare 1 2026-11-23T10 -\n" },
                { "the same one twice",
                  { "23 09 screen/on hall 1 aa", "25 12 screen/off hall 1 2026-11-25 7 " NOON_25, "26 09 screen/on hall 2 bb",
                    "27 08 screen/day hall 2 2026-11-26 9 1" },
                  "hall 1 2026-11-23T09 2026-11-25T12 25=7\nhall 2 2026-11-26T09 - 26=9\n" },
                { "the beginning is lost", { "25 12 screen/off hall 1 2026-11-25 7 " NOON_25 },
                  "hall 1 2026-11-25T12 2026-11-25T12 25=7\n" },
                { "nonsense proves nothing", { "23 09 screen/on hall 1 aa", "24 09 screen/off hall 1 yesterday" },
                  "hall 1 2026-11-23T09 -\n" },
        };

        (void) state;
        for (size_t i = 0; i < ELEMENTS(cases); i++) {
                json_t *rows = rows_of(cases[i].rows), *spans = screen_spans(rows);
                char *text = spans_text(spans);

                if (strcmp(text, cases[i].want) != 0)
                        fail_msg("%s: %s", cases[i].story, text);
                free(text);
                json_decref(spans);
                json_decref(rows);
        }
}

/* "REVISION FIRST LAST SEEN/DAYS over proven: LACKING ..." and a line end for each. */
static char *judgements_text(const json_t *judgements) {
        struct buf text = { 0 };
        size_t i, k;
        const json_t *one, *day;

        json_array_foreach(judgements, i, one) {
                buf_fmt(&text, "%lld %s %s %lld/%lld%s%s:",
                        (long long) json_integer_value(json_object_get(one, "revision")),
                        text_of(one, "first") + 5, text_of(one, "last") + 5,
                        (long long) json_integer_value(json_object_get(one, "seen")),
                        (long long) json_integer_value(json_object_get(one, "days")),
                        json_is_true(json_object_get(one, "over")) ? " over" : "",
                        json_is_true(json_object_get(one, "proven")) ? " proven" : "");
                json_array_foreach(json_object_get(one, "lacking"), k, day)
                        buf_fmt(&text, " %s", json_string_value(day) + 5);
                buf_char(&text, '\n');
        }
        return buf_take(&text);
}

/* 2026-11-20 is a Friday. */
static void a_period_is_proven_when_a_display_showed_it_on_each_day_after_the_first(void **state) {
        static const struct {
                const char *story, *unit;
                int days;
                const char *now, *rows[8], *want;
        } cases[] = {
                { "each day by one or the other", "calendar", 2, "2026-11-23",
                  { "20 16 screen/on hall 1 aa", "20 17 screen/on square 1 aa", "22 08 screen/day hall 1 2026-11-21 5 1",
                    "23 08 screen/day square 1 2026-11-22 5 1" },
                  "1 11-20 11-22 2/2 over proven:\n" },
                { "a dark weekend in calendar days", "calendar", 3, "2026-11-24",
                  { "20 16 screen/on hall 1 aa", "23 08 screen/day hall 1 2026-11-20 5 1", "24 08 screen/day hall 1 2026-11-23 5 1" },
                  "1 11-20 11-23 1/3 over: 11-21 11-22\n" },
                { "and in working days", "working", 2, "2026-11-25",
                  { "20 16 screen/on hall 1 aa", "23 08 screen/day hall 1 2026-11-20 5 1", "24 08 screen/day hall 1 2026-11-23 5 1",
                    "25 08 screen/day hall 1 2026-11-24 5 1" },
                  "1 11-20 11-24 2/2 over proven:\n" },
                { "not over: today can still be proven", "calendar", 3, "2026-11-22",
                  { "20 16 screen/on hall 1 aa", "21 08 screen/day hall 1 2026-11-20 5 1" },
                  "1 11-20 11-23 0/3: 11-21\n" },
                { "taken down too early", "calendar", 3, "2026-11-25",
                  { "20 16 screen/on hall 1 aa", "22 08 screen/day hall 1 2026-11-21 5 1", "22 09 screen/off hall 1 2026-11-22 5 1" },
                  "1 11-20 11-23 2/3 over: 11-23\n" },
                { "a revision begins anew", "calendar", 1, "2026-11-25",
                  { "20 16 screen/on hall 1 aa", "20 17 screen/off hall 1 2026-11-20 5 1", "20 17 screen/on hall 2 aa",
                    "22 08 screen/day hall 2 2026-11-21 5 1" },
                  "1 11-20 11-21 0/1 over: 11-21\n2 11-20 11-21 1/1 over proven:\n" },
                { "no days are asked for", NULL, 0, "2026-11-25", { "20 16 screen/on hall 1 aa" }, "" },
        };

        (void) state;
        for (size_t i = 0; i < ELEMENTS(cases); i++) {
                json_t *rows = rows_of(cases[i].rows), *spans = screen_spans(rows), *ends = json_object();
                json_t *judgements;
                char *text;
                int64_t now_ms;

                for (int revision = 1; cases[i].unit && revision < 3; revision++)
                        (void) json_object_set_new(ends, revision == 1 ? "530581 1" : "530581 2",
                                                   json_pack("{s:i, s:s}", "days", cases[i].days, "unit",
                                                             cases[i].unit));
                assert_int_equal(moment_parse_date(cases[i].now, &now_ms), 0);
                judgements = screen_judgements(spans, ends, now_ms);
                text = judgements_text(judgements);
                if (strcmp(text, cases[i].want) != 0)
                        fail_msg("%s: %s", cases[i].story, text);
                free(text);
                json_decref(judgements);
                json_decref(ends);
                json_decref(spans);
                json_decref(rows);
        }
}

/* -- in the ledger ------------------------------------------------------------------------------------ */

static int add(struct ledger *ledger, int64_t n, const char *state, const char *channel, const char *code,
               const char *extra) {
        struct ledger_row row = {
                .n = n, .at_ms = 1790000000000 + n, .state = state, .document = "doc-a", .revision = 1,
                .event = strcmp(state, "seen") == 0 ? "" : "01JDB300000000000000000001",
                .channel = channel, .attempt = -1, .code = code, .reference = "", .url = "", .sentence = "",
                .extra = extra,
        };

        return ledger_add(ledger, "530581", &row, strcmp(state, "accepted") == 0 ? "{}" : NULL,
                          strcmp(state, "accepted") == 0 ? 2 : 0);
}

static int look(const struct ledger_row *row, void *userdata) {
        if (strcmp(row->state, "seen") == 0) {
                assert_int_equal(row->receipt, 0);
                assert_string_equal(row->event, "01JDB300000000000000000001");
                assert_string_equal(row->source, "urn:gongkai:530581:oa");
                ++*(int *) userdata;
        }
        return 0;
}

static void what_a_display_reports_is_in_the_chain_and_neither_told_nor_the_end_of_a_trouble(void **state) {
        char folder[] = "/tmp/ledger-screens-XXXXXX", path[64], name[80];
        static const char *const endings[] = { "", "-wal", "-shm" };
        struct ledger_verdict verdict;
        struct ledger_reader *reader = NULL;
        struct ledger *ledger = NULL;
        int n_seen = 0;

        (void) state;
        assert_non_null(mkdtemp(folder));
        (void) snprintf(path, sizeof(path), "%s/ledger.db", folder);
        assert_int_equal(ledger_open(path, &ledger), 0);
        assert_int_equal(ledger_begin(ledger), 0);
        assert_int_equal(ledger_begin_era(ledger, "530581", "EPOCH1", "", 0), 0);
        assert_int_equal(add(ledger, 1, "accepted", "", "P", "local urn:gongkai:530581:oa a"), 0);
        assert_int_equal(add(ledger, 2, "deferred", "led", "display/still", ""), 0);
        assert_int_equal(add(ledger, 3, "seen", "led", "screen/on", "aa"), 0);
        assert_int_equal(ledger_advance(ledger, "530581", 3, "1-0"), 0);
        assert_int_equal(ledger_commit(ledger), 0);
        assert_int_equal(ledger_reader_open(path, &reader), 0);
        assert_int_equal(ledger_has_trouble(reader, "doc-a", "led"), 1);
        assert_int_equal(ledger_read_document(reader, NULL, "doc-a", look, &n_seen), 0);
        assert_int_equal(n_seen, 1);
        assert_int_equal(ledger_verify(reader, NULL, &verdict), 0);
        assert_int_equal(verdict.fault, LEDGER_WHOLE);
        (void) ledger_reader_free(reader);
        (void) ledger_free(ledger);
        for (size_t i = 0; i < ELEMENTS(endings); i++) {
                (void) snprintf(name, sizeof(name), "%s%s", path, endings[i]);
                (void) unlink(name);
        }
        assert_int_equal(rmdir(folder), 0);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(spans_begin_with_on_and_end_with_the_last_heartbeat),
                cmocka_unit_test(what_a_display_reports_is_in_the_chain_and_neither_told_nor_the_end_of_a_trouble),
                cmocka_unit_test(a_period_is_proven_when_a_display_showed_it_on_each_day_after_the_first),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
