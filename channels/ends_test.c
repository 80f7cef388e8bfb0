#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "channels/playlist.h"
#include "core/memory.h"
#include "core/moment.h"

#define NOON INT64_C(1795320000000) /* 2026-11-22T12:00:00+08:00 */
#define HOUR INT64_C(3600000)
#define DAY (24 * HOUR)

/* 2026-11-22 is a Sunday. An end is the first moment at which nothing is shown. */
static void an_end_is_counted_as_the_paper_says(void **state) {
        static const struct {
                const char *story, *data;
                int64_t first_shown_ms;
                const char *end;
        } rows[] = {
                { "without a word: the channel's patience, to the end of the day", "{}", 0,
                  "2026-12-07T00:00:00+08:00" },
                { "a moment", "{\"show_until\":\"2026-12-01T18:00:00+08:00\"}", 0,
                  "2026-12-01T18:00:00+08:00" },
                { "a moment of another zone", "{\"show_until\":\"2026-12-01T10:00:00Z\"}", 0,
                  "2026-12-01T18:00:00+08:00" },
                { "one day: all of Monday", "{\"show_until\":{\"days\":1}}", 0,
                  "2026-11-24T00:00:00+08:00" },
                { "seven days, from the day after", "{\"show_until\":{\"days\":7,\"unit\":"
                  "\"calendar\"}}", 0, "2026-11-30T00:00:00+08:00" },
                { "five working days: Monday to Friday",
                  "{\"show_until\":{\"days\":5,\"unit\":\"working\"}}", 0,
                  "2026-11-28T00:00:00+08:00" },
                { "six: over the weekend", "{\"show_until\":{\"days\":6,\"unit\":\"working\"}}",
                  0, "2026-12-01T00:00:00+08:00" },
                { "seven working days, shown first on the Friday before",
                  "{\"show_until\":{\"days\":7,\"unit\":\"working\"}}", NOON - 2 * DAY,
                  "2026-12-02T00:00:00+08:00" },
                { "from the first showing, not from this revision",
                  "{\"show_until\":{\"days\":10}}", NOON - 3 * DAY, "2026-11-30T00:00:00+08:00" },
                { "late in the evening is the same day", "{\"show_until\":{\"days\":1}}",
                  NOON + 12 * HOUR - 1, "2026-11-24T00:00:00+08:00" },
                { "midnight is the next", "{\"show_until\":{\"days\":1}}", NOON + 12 * HOUR,
                  "2026-11-25T00:00:00+08:00" },
                { "expires alone", "{\"expires\":\"2027-01-01T00:00:00+08:00\"}", 0,
                  "2027-01-01T00:00:00+08:00" },
                { "expires before the display's end",
                  "{\"expires\":\"2026-11-25T00:00:00+08:00\",\"show_until\":{\"days\":30}}", 0,
                  "2026-11-25T00:00:00+08:00" },
                { "expires after it",
                  "{\"expires\":\"2027-11-25T00:00:00+08:00\",\"show_until\":{\"days\":1}}", 0,
                  "2026-11-24T00:00:00+08:00" },
                { "ten years", "{\"show_until\":{\"days\":3650}}", 0,
                  "2036-11-20T00:00:00+08:00" },
                { "an end that cannot be read is none", "{\"show_until\":\"soon\"}", 0,
                  "2026-12-07T00:00:00+08:00" },
                { "no days at all are none", "{\"show_until\":{\"unit\":\"working\"}}", 0,
                  "2026-12-07T00:00:00+08:00" },
                { "a hundred thousand days are none", "{\"show_until\":{\"days\":100000}}", 0,
                  "2026-12-07T00:00:00+08:00" },
        };

        (void) state;
        for (size_t i = 0; i < ELEMENTS(rows); i++) {
                const struct delivery delivery = { .now_ms = NOON,
                                                   .first_shown_ms = rows[i].first_shown_ms };
                json_t *data = json_loads(rows[i].data, 0, NULL);
                char text[MOMENT_TEXT];

                print_message("%s\n", rows[i].story);
                assert_string_equal(moment_write(end_of(&delivery, data, 14), text), rows[i].end);
                json_decref(data);
        }
}

static void places_meet_when_one_lies_in_the_other(void **state) {
        static const struct {
                const char *one, *other;
                bool meet;
        } rows[] = {
                { "530581", "530581", true },
                { "530581", "530582", false },
                { "530581", "530581103", true },       /* the county, one of its townships */
                { "530581103", "530581103201", true }, /* the township, one of its villages */
                { "530581", "530581103201", true },
                { "530581103", "530581104", false },
                { "530581103201", "530581103202", false },
                { "530500", "530581", true },    /* the prefecture */
                { "530000", "530581", true },    /* the province */
                { "530000", "540100", false },
                { "530500", "530626", false },
                { "530581000", "530581103", true }, /* written with zeros: the whole county */
                { "530581103000", "530581103201", true },
                { "530581103000", "530581104201", false },
                { "530500000000", "530581103201", true },
                { "530510", "530511", false }, /* no zeros: a county of its own */
        };

        (void) state;
        for (size_t i = 0; i < ELEMENTS(rows); i++) {
                print_message("%s %s\n", rows[i].one, rows[i].other);
                assert_int_equal(areas_meet(rows[i].one, rows[i].other), rows[i].meet);
                assert_int_equal(areas_meet(rows[i].other, rows[i].one), rows[i].meet);
        }
}

static void a_display_shows_what_concerns_its_place(void **state) {
        static const struct {
                const char *story, *area, *region, *areas;
                bool wants;
        } rows[] = {
                { "no area: everything", "", "530581", "[\"530581104\"]", true },
                { "no area: also of another region", "", "530626", "[]", true },
                { "for all of the county", "530581103", "530581", "[]", true },
                { "for all of another county", "530581103", "530626", "[]", false },
                { "for all of the prefecture", "530581103", "530500", "[]", true },
                { "for this township", "530581103", "530581", "[\"530581103\"]", true },
                { "for the neighbour", "530581103", "530581", "[\"530581104\"]", false },
                { "for two, one is this", "530581103", "530581",
                  "[\"530581104\",\"530581103\"]", true },
                { "for a village of this township", "530581103", "530581",
                  "[\"530581103201\"]", true },
                { "for the whole county, by its code", "530581103", "530581", "[\"530581\"]",
                  true },
                { "the county hall sees its townships", "530581", "530581", "[\"530581104\"]",
                  true },
                { "no string is no area", "530581103", "530581", "[7]", false },
        };

        (void) state;
        for (size_t i = 0; i < ELEMENTS(rows); i++) {
                struct screen screen = { .name = "s" };
                json_t *entry = json_pack("{s:s, s:o}", "region", rows[i].region, "areas",
                                          json_loads(rows[i].areas, 0, NULL));

                print_message("%s\n", rows[i].story);
                memcpy(screen.area, rows[i].area, strlen(rows[i].area) + 1);
                assert_int_equal(screen_wants(&screen, entry), rows[i].wants);
                json_decref(entry);
        }
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(an_end_is_counted_as_the_paper_says),
                cmocka_unit_test(places_meet_when_one_lies_in_the_other),
                cmocka_unit_test(a_display_shows_what_concerns_its_place),
        };

        return cmocka_run_group_tests_name("displays: when and where", tests, NULL, NULL);
}
