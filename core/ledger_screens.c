/* What the ledger's records of displays prove: core/store_screens.lua says what each of them means. */
#include "core/ledger_screens.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/memory.h"
#include "core/moment.h"

enum { DAY_MS = 24 * 3600 * 1000, MOST_DAYS = 36500 };

static const char *text_of(const json_t *object, const char *name) {
        const char *text = json_string_value(json_object_get(object, name));

        return text ? text : "";
}

/* -- from when to when -------------------------------------------------------------------------------- */

static int64_t revision_of(const json_t *row) {
        return strtoll(text_of(row, "revision"), NULL, 10);
}

static bool same(const json_t *a, const json_t *b, const char *name) {
        return strcmp(text_of(a, name), text_of(b, name)) == 0;
}

static json_t *span_begin(json_t *spans, const json_t *row, const char *digest) {
        json_t *span = json_pack("{s:s, s:s, s:s, s:I, s:s, s:s, s:n, s:[]}", "region",
                                 text_of(row, "region"), "channel", text_of(row, "channel"), "player",
                                 text_of(row, "reference"), "revision", (json_int_t) revision_of(row),
                                 "digest", digest, "from", text_of(row, "at"), "to", "days");

        (void) json_array_append_new(spans, span);
        return span;
}

/* The one that the row goes on with, or ends. NULL: its beginning is in no ledger that we have. */
static json_t *span_open(const json_t *spans, const json_t *row) {
        for (size_t i = json_array_size(spans); i-- > 0;) {
                json_t *span = json_array_get(spans, i);

                if (json_is_null(json_object_get(span, "to")) && same(span, row, "region") &&
                    same(span, row, "channel") &&
                    strcmp(text_of(span, "player"), text_of(row, "reference")) == 0 &&
                    json_integer_value(json_object_get(span, "revision")) == revision_of(row))
                        return span;
        }
        return NULL;
}

json_t *screen_spans(const json_t *rows) {
        json_t *spans = json_array(), *span;
        size_t i;
        const json_t *row;

        json_array_foreach(rows, i, row) {
                const char *code = text_of(row, "code"), *extra = text_of(row, "extra");
                char day[16] = "", to[MOMENT_TEXT];
                long long ms = 0, last_ms = 0;

                if (strcmp(text_of(row, "state"), "seen") != 0)
                        continue;
                if (strcmp(code, "screen/on") == 0) {
                        (void) span_begin(spans, row, extra);
                        continue;
                }
                if (sscanf(extra, "%15s %lld %lld", day, &ms, &last_ms) != 3)
                        continue;
                span = span_open(spans, row);
                if (!span)
                        span = span_begin(spans, row, "");
                if (ms > 0)
                        (void) json_array_append_new(json_object_get(span, "days"),
                                                     json_pack("{s:s, s:I}", "day", day, "ms", (json_int_t) ms));
                if (strcmp(code, "screen/off") == 0)
                        (void) json_object_set_new(span, "to", json_string(moment_write(last_ms, to)));
        }
        return spans;
}

/* -- whether it stood as long as it had to ------------------------------------------------------------- */

/* The first of January 1970 was a Thursday. */
static bool is_working_day(int64_t day) {
        int64_t weekday = (day + 4) % 7; /* 0 is Sunday */

        return weekday > 0 && weekday < 6;
}

static int64_t day_of(int64_t ms) {
        return (ms + 8 * 3600 * 1000) / DAY_MS;
}

static const char *day_text(int64_t day, char ret[static MOMENT_TEXT]) {
        return moment_write_date(day * DAY_MS, ret);
}

static bool is_of(const json_t *span, const json_t *judgement) {
        return same(span, judgement, "region") && same(span, judgement, "channel") &&
               json_equal(json_object_get(span, "revision"), json_object_get(judgement, "revision"));
}

static bool was_shown(const json_t *spans, const json_t *judgement, const char *day) {
        size_t i, k;
        const json_t *span, *one;

        json_array_foreach(spans, i, span)
                if (is_of(span, judgement))
                        json_array_foreach(json_object_get(span, "days"), k, one)
                                if (strcmp(text_of(one, "day"), day) == 0)
                                        return true;
        return false;
}

/* Each of the days after the first, today's being still to be proven: its time is noted when it is over. */
static void judge(json_t *judgement, const json_t *spans, int64_t first_ms, int64_t today) {
        int64_t left = json_integer_value(json_object_get(judgement, "days")), day = day_of(first_ms), seen = 0;
        bool working = strcmp(text_of(judgement, "unit"), "working") == 0;
        json_t *lacking = json_array();
        char text[MOMENT_TEXT];

        left = left < MOST_DAYS ? left : MOST_DAYS;
        while (left > 0) {
                day++;
                if (working && !is_working_day(day))
                        continue;
                left--;
                if (was_shown(spans, judgement, day_text(day, text)))
                        seen++;
                else if (day < today)
                        (void) json_array_append_new(lacking, json_string(text));
        }
        (void) json_object_set_new(judgement, "first", json_string(day_text(day_of(first_ms), text)));
        (void) json_object_set_new(judgement, "last", json_string(day_text(day, text)));
        (void) json_object_set_new(judgement, "seen", json_integer(seen));
        (void) json_object_set_new(judgement, "over", json_boolean(day < today));
        (void) json_object_set_new(
                judgement, "proven",
                json_boolean(seen == json_integer_value(json_object_get(judgement, "days"))));
        (void) json_object_set_new(judgement, "lacking", lacking);
}

static bool is_judged(const json_t *judgements, const json_t *span) {
        size_t i;
        const json_t *judgement;

        json_array_foreach(judgements, i, judgement)
                if (is_of(span, judgement))
                        return true;
        return false;
}

json_t *screen_judgements(const json_t *spans, const json_t *ends, int64_t now_ms) {
        json_t *judgements = json_array();
        size_t i;
        json_t *span;

        json_array_foreach(spans, i, span) {
                char *key freed_by(freep) = NULL;
                const json_t *end;
                json_t *judgement;
                int64_t first_ms;

                /* They come in their order, so the first one of a revision began first. */
                if (is_judged(judgements, span) ||
                    asprintf(&key, "%s %lld", text_of(span, "region"),
                             (long long) json_integer_value(json_object_get(span, "revision"))) < 0)
                        continue;
                end = json_object_get(ends, key);
                if (!json_is_integer(json_object_get(end, "days")) ||
                    moment_parse(text_of(span, "from"), &first_ms, NULL) < 0)
                        continue;
                judgement = json_pack("{s:O, s:O, s:O, s:O, s:s}", "region", json_object_get(span, "region"),
                                      "channel", json_object_get(span, "channel"), "revision",
                                      json_object_get(span, "revision"), "days",
                                      json_object_get(end, "days"), "unit", text_of(end, "unit"));
                if (!judgement)
                        continue;
                judge(judgement, spans, first_ms, day_of(now_ms));
                (void) json_array_append_new(judgements, judgement);
        }
        return judgements;
}
