#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "channels/sightings.h"
#include "core/memory.h"

#define NOON INT64_C(1795320000000) /* 2026-11-22T12:00:00+08:00 */
#define OURS "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define OTHER "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"

#define HELD "0000000000000000000000000000000000000000000000000000000000000000"

/* -- heartbeats -- */

#define ONE(more) "{\"document\":\"oa-1\",\"revision\":2,\"digest\":\"" OURS "\"" more "}"
#define IN(region, showing) "{\"region\":\"" region "\",\"showing\":[" showing "]}"

static void a_heartbeat_is_read_strictly(void **state) {
        static const struct {
                const char *story, *beat, *draws; /* draws: "530581 oa-1 2" */
                const char *says;
        } rows[] = {
                { "one entry", IN("530581", ONE("")), "530581 oa-1 2 ", NULL },
                { "nothing is drawn", "{\"showing\":[]}", "", NULL },
                { "what it says besides", IN("530581", ONE(",\"drawn\":\"2026\"")), "530581 oa-1 2 ", NULL },
                { "what it holds besides",
                  "{\"region\":\"530581\",\"showing\":[" ONE("") "],\"holding\":[{\"document\":\"b\",\"revision\":3}]}",
                  "530581 oa-1 2 530581 b 3 held ", NULL },
                { "it holds what it shows",
                  "{\"region\":\"530581\",\"showing\":[" ONE("") "],\"holding\":[" ONE("") "]}", NULL, "第 1 项" },
                { "it holds no list", "{\"showing\":[],\"holding\":7}", NULL, "JSON" },
                { "it holds what is of no region", "{\"showing\":[],\"holding\":[" ONE("") "]}", NULL, "region" },
                { "a slash in a document's name",
                  IN("530581", "{\"document\":\"530626/x\",\"revision\":1,\"digest\":\"" OURS "\"}"),
                  "530581 530626/x 1 ", NULL },
                { "several regions",
                  "{\"showing\":[{\"document\":\"530626/a/b\",\"revision\":1,\"digest\":\"" OURS "\"}]}",
                  "530626 a/b 1 ", NULL },
                { "of no region", "{\"showing\":[" ONE("") "]}", NULL, "region" },
                { "of a region that is none",
                  "{\"showing\":[{\"document\":\"oa/1\",\"revision\":1,\"digest\":\"" OURS "\"}]}", NULL,
                  "第 1 项" },
                { "a region of letters", IN("yunnan", ONE("")), NULL, "region" },
                { "a region that is a number", "{\"region\":530581,\"showing\":[]}", NULL, "region" },
                { "nothing about showing", "{\"region\":\"530581\"}", NULL, "JSON" },
                { "showing is no list", "{\"showing\":{}}", NULL, "JSON" },
                { "a document twice", IN("530581", ONE("") "," ONE("")), NULL, "第 2 项" },
                { "no entry", IN("530581", "7"), NULL, "第 1 项" },
                { "no digest", IN("530581", "{\"document\":\"oa-1\",\"revision\":2}"), NULL, "第 1 项" },
                { "half a digest", IN("530581", "{\"document\":\"oa-1\",\"revision\":2,\"digest\":\"aa\"}"),
                  NULL, "第 1 项" },
                { "a digest in capitals",
                  IN("530581", "{\"document\":\"a\",\"revision\":2,\"digest\":\"A" OURS "\"}"), NULL,
                  "第 1 项" },
                { "revision 0", IN("530581", "{\"document\":\"a\",\"revision\":0,\"digest\":\"" OURS "\"}"),
                  NULL, "第 1 项" },
        };

        (void) state;
        for (size_t i = 0; i < ELEMENTS(rows); i++) {
                json_t *beat = json_loads(rows[i].beat, 0, NULL), *sight = NULL, *draw;
                struct buf draws = { 0 };
                char *why = NULL;
                size_t k;

                print_message("%s\n", rows[i].story);
                assert_non_null(beat);
                assert_int_equal(sighting_read("hall/left", beat, &sight, &why),
                                 rows[i].says ? -EINVAL : 0);
                if (rows[i].says) {
                        assert_null(sight);
                        assert_non_null(strstr(why, rows[i].says));
                } else {
                        assert_string_equal(json_string_value(json_object_get(sight, "player")),
                                            "hall/left");
                        json_array_foreach(json_object_get(sight, "draws"), k, draw)
                                buf_fmt(&draws, "%s %s %lld %s",
                                        json_string_value(json_object_get(draw, "region")),
                                        json_string_value(json_object_get(draw, "document")),
                                        (long long) json_integer_value(json_object_get(draw, "revision")),
                                        strcmp(json_string_value(json_object_get(draw, "digest")), HELD) ? "" : "held ");
                        assert_string_equal(buf_text(&draws), rows[i].draws);
                }
                buf_done(&draws);
                free(why);
                json_decref(sight);
                json_decref(beat);
        }
}

static void a_name_has_no_odd_characters(void **state) {
        char long_name[SIGHTING_NAME + 2];

        (void) state;
        memset(long_name, 'a', sizeof(long_name));
        long_name[SIGHTING_NAME + 1] = '\0';
        assert_false(sighting_name_is_sound(long_name));
        long_name[SIGHTING_NAME] = '\0';
        assert_true(sighting_name_is_sound(long_name));
        assert_true(sighting_name_is_sound("Box_1.left-2"));
        assert_false(sighting_name_is_sound(""));
        assert_false(sighting_name_is_sound("a/b"));
        assert_false(sighting_name_is_sound("左"));
}

/* -- the judgement -- */

#define HEARD(name, ago_s, more) "\"" name "\":{\"seen_ms\":\"-" #ago_s "\"" more "}"
#define DRAWS(revision, digest) ",\"revision\":" #revision ",\"digest\":\"" digest "\",\"since_ms\":1"

/* Times are written as seconds before now. */
static json_t *screens_of(const char *text) {
        json_t *screens = json_loads(text, 0, NULL), *one;
        const char *name;

        assert_non_null(screens);
        json_object_foreach(screens, name, one) {
                const char *ago = json_string_value(json_object_get(one, "seen_ms"));

                json_object_set_new(one, "seen_ms", json_integer(NOON + 1000 * strtol(ago, NULL, 10)));
        }
        return screens;
}

struct wait {
        struct delivery delivery;
        json_t *memo;
};

static void keep(struct wait *wait, struct step *step) {
        if (step->memo) {
                json_decref(wait->memo);
                wait->delivery.memo = wait->memo = json_incref(step->memo);
        }
        step_done(step);
        *step = (struct step) { 0 };
}

/* In the playlists of hall and tv since `since_ms`, and looked for there at `looked_ms`. */
static void wait_init(struct wait *wait, enum delivery_kind kind, int64_t since_ms, int64_t looked_ms) {
        json_t *item = json_pack("{s:s}", "digest", OURS), *on = json_pack("[ss]", "hall", "tv");
        struct step step = { 0 };

        *wait = (struct wait) { .delivery = { .kind = kind, .revision = 2, .key = "k", .now_ms = since_ms } };
        assert_int_equal(sighting_begin(&wait->delivery, kind == DELIVER_PUBLISH ? item : NULL, &step), 0);
        keep(wait, &step);
        assert_false(sighting_is_awaited(&wait->delivery));
        assert_int_equal(sighting_place(&wait->delivery, on, &step), 0);
        keep(wait, &step);
        assert_int_equal(sighting_ask(&wait->delivery, NULL, &step), 0);
        assert_true(step.kind == STEP_BOOK && step.book.screens);
        keep(wait, &step);
        assert_true(sighting_is_awaited(&wait->delivery));
        wait->delivery.now_ms = looked_ms;
        assert_int_equal(sighting_ask(&wait->delivery, on, &step), 0);
        keep(wait, &step);
        wait->delivery.now_ms = NOON;
        json_decref(item);
        json_decref(on);
}

static void wait_done(struct wait *wait) {
        json_decref(wait->memo);
}

static void what_players_say_decides(void **state) {
        static const struct {
                const char *story;
                enum delivery_kind kind;
                const char *screens;
                const char *code; /* NULL: done */
                const char *says, *not_says;
        } rows[] = {
                { "nobody was ever heard of", DELIVER_PUBLISH, "{}", "screens/none", "hall tv", NULL },
                { "one draws it", DELIVER_PUBLISH, "{" HEARD("hall", 3, DRAWS(2, OURS)) "}", NULL, NULL, NULL },
                { "one of several draws it", DELIVER_PUBLISH,
                  "{" HEARD("hall/a", 3, "") "," HEARD("tv", 900, "") "," HEARD("hall/b", 3, DRAWS(2, OURS)) "}",
                  NULL, NULL, NULL },
                { "on line, not yet", DELIVER_PUBLISH, "{" HEARD("hall/a", 3, "") "," HEARD("tv", 900, "") "}",
                  "screens/not-yet", "hall/a", "tv" },
                { "on line, the old one still", DELIVER_PUBLISH, "{" HEARD("tv", 3, DRAWS(1, OURS)) "}",
                  "screens/not-yet", "tv", NULL },
                { "on line, held and not drawn", DELIVER_PUBLISH, "{" HEARD("tv", 3, DRAWS(2, HELD)) "}",
                  "screens/not-yet", "tv", NULL },
                { "held, and it might be drawn yet", DELIVER_WITHDRAW, "{" HEARD("tv", 900, DRAWS(2, HELD)) "}",
                  "screens/still", "tv", NULL },
                { "another text than was sent", DELIVER_PUBLISH,
                  "{" HEARD("tv", 3, DRAWS(2, OTHER)) "," HEARD("hall", 3, "") "}", "screens/different", "tv",
                  "hall" },
                { "all are silent", DELIVER_PUBLISH, "{" HEARD("hall", 46, "") "," HEARD("tv", 900, "") "}",
                  "screens/silent", "hall（最后一次心跳 2026-11-22 11:59）、tv（最后一次心跳 2026-11-22 11:45）",
                  NULL },
                { "only a display that it does not concern is on line", DELIVER_PUBLISH,
                  "{" HEARD("wuhe", 3, "") "}", "screens/none", "hall tv", "wuhe" },
                { "nobody was ever heard of, and it is gone", DELIVER_WITHDRAW, "{}", NULL, NULL, NULL },
                { "heard, and not drawn", DELIVER_WITHDRAW, "{" HEARD("hall", 900, "") "}", NULL, NULL, NULL },
                { "drawn still", DELIVER_WITHDRAW, "{" HEARD("hall", 3, DRAWS(2, OURS)) "}", "screens/still",
                  "hall", NULL },
                { "the one before is", DELIVER_WITHDRAW,
                  "{" HEARD("hall", 3, "") "," HEARD("gone/x", 90000, DRAWS(1, OTHER)) "}", "screens/still",
                  "gone/x（最后一次心跳 2026-11-21 11:00）", "hall" },
                { "the next one is, which is another's business", DELIVER_WITHDRAW,
                  "{" HEARD("hall", 3, DRAWS(3, OTHER)) "}", NULL, NULL, NULL },
        };

        (void) state;
        for (size_t i = 0; i < ELEMENTS(rows); i++) {
                json_t *screens = screens_of(rows[i].screens);
                const struct book_reply reply = { .now_ms = NOON, .screens = screens };
                struct step step = { 0 };
                struct wait wait;
                int r;

                print_message("%s\n", rows[i].story);
                wait_init(&wait, rows[i].kind, NOON - 10000, NOON - 10000);
                assert_int_equal(sighting_judge(&wait.delivery, &reply, &step, &r),
                                 rows[i].code ? SIGHTING_FILLED : SIGHTING_DONE);
                assert_int_equal(r, 0);
                if (rows[i].code) {
                        assert_int_equal(step.verdict.kind, VERDICT_ASK);
                        assert_string_equal(step.verdict.code, rows[i].code);
                        assert_non_null(strstr(step.verdict.sentence, rows[i].says));
                        assert_true(!rows[i].not_says || !strstr(step.verdict.sentence, rows[i].not_says));
                        assert_int_equal(step.verdict.at_ms, NOON + 10000);
                        assert_true((step.verdict.still != NULL) == (rows[i].kind == DELIVER_WITHDRAW));
                        if (step.verdict.still)
                                assert_non_null(strstr(rows[i].says, "gone") ? strstr(step.verdict.still, "gone/x")
                                                                            : step.verdict.still);
                }
                step_done(&step);
                wait_done(&wait);
                json_decref(screens);
        }
}

static void it_asks_soon_at_first_then_slower(void **state) {
        static const struct {
                int64_t since_s, wait_s;
        } rows[] = { { 0, 5 }, { 1, 5 }, { 20, 20 }, { 80, 80 }, { 7200, 600 } };
        const struct book_reply reply = { .now_ms = NOON };

        (void) state;
        for (size_t i = 0; i < ELEMENTS(rows); i++) {
                struct step step = { 0 };
                struct wait wait;
                int r;

                wait_init(&wait, DELIVER_PUBLISH, NOON - 1000 * rows[i].since_s, NOON);
                assert_int_equal(sighting_judge(&wait.delivery, &reply, &step, &r), SIGHTING_FILLED);
                assert_int_equal(step.verdict.at_ms, NOON + 1000 * rows[i].wait_s);
                step_done(&step);
                wait_done(&wait);
        }
}

static void names_beyond_twenty_are_counted(void **state) {
        json_t *screens = json_object();
        const struct book_reply reply = { .now_ms = NOON, .screens = screens };
        struct step step = { 0 };
        struct wait wait;
        char name[24];
        int r;

        (void) state;
        for (int i = 1; i <= 23; i++) {
                (void) snprintf(name, sizeof(name), "hall/%02d", i);
                json_object_set_new(screens, name, json_pack("{s:I, s:i}", "seen_ms", (json_int_t) NOON,
                                                             "revision", 2));
        }
        wait_init(&wait, DELIVER_WITHDRAW, NOON, NOON);
        assert_int_equal(sighting_judge(&wait.delivery, &reply, &step, &r), SIGHTING_FILLED);
        assert_non_null(strstr(step.verdict.still, "hall/20"));
        assert_null(strstr(step.verdict.still, "hall/21"));
        assert_non_null(strstr(step.verdict.still, "另外 3 块"));
        step_done(&step);
        wait_done(&wait);
        json_decref(screens);
}

static void what_can_be_seen_nowhere_is_not_waited_for(void **state) {
        const struct book_reply reply = { .now_ms = NOON };
        json_t *nowhere = json_array();
        struct step step = { 0 };
        struct wait wait;
        int r;

        (void) state;
        wait_init(&wait, DELIVER_PUBLISH, NOON - 100000, NOON - SIGHTING_LOOK_MS);
        assert_int_equal(sighting_judge(&wait.delivery, &reply, &step, &r), SIGHTING_LOOK);
        assert_int_equal(sighting_ask(&wait.delivery, nowhere, &step), 0);
        assert_int_equal(step.verdict.kind, VERDICT_DONE);
        assert_non_null(strstr(step.verdict.sentence, "most"));
        step_done(&step);
        wait.delivery.ended = true; /* then it is no news */
        assert_int_equal(sighting_ask(&wait.delivery, nowhere, &step), 0);
        assert_null(step.verdict.sentence);
        step_done(&step);
        wait_done(&wait);
        json_decref(nowhere);
}

static void without_the_store_nothing_is_taken_for_gone(void **state) {
        const struct book_reply reply = { .error = "Redis is away" };
        struct step step = { 0 };
        struct wait wait;
        int r;

        (void) state;
        wait_init(&wait, DELIVER_WITHDRAW, NOON, NOON);
        assert_int_equal(sighting_judge(&wait.delivery, &reply, &step, &r), SIGHTING_FILLED);
        assert_int_equal(step.verdict.kind, VERDICT_ASK);
        assert_non_null(strstr(step.verdict.sentence, "Redis is away"));
        step_done(&step);
        wait_done(&wait);
}

static void another_delivery_begins_anew(void **state) {
        struct wait wait;

        (void) state;
        wait_init(&wait, DELIVER_PUBLISH, NOON, NOON);
        wait.delivery.key = "another";
        assert_false(sighting_is_awaited(&wait.delivery));
        wait_done(&wait);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(a_heartbeat_is_read_strictly),
                cmocka_unit_test(a_name_has_no_odd_characters),
                cmocka_unit_test(what_players_say_decides),
                cmocka_unit_test(it_asks_soon_at_first_then_slower),
                cmocka_unit_test(names_beyond_twenty_are_counted),
                cmocka_unit_test(what_can_be_seen_nowhere_is_not_waited_for),
                cmocka_unit_test(without_the_store_nothing_is_taken_for_gone),
                cmocka_unit_test(another_delivery_begins_anew),
        };

        return cmocka_run_group_tests_name("sightings", tests, NULL, NULL);
}
