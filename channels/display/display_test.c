#include "channels/display/fixture.h"

#include "core/files.h"
#include "core/problems.h"

static void set_displays(struct wall *wall, char **items, size_t n) {
        wall->options.displays = (struct string_list) { .items = items, .n = n };
}

/* -- what is on which display -- */

static void the_newest_comes_first_and_an_urgent_one_before_all(void **state) {
        struct wall wall;

        (void) state;
        wall_init(&wall);
        deliver_well(&wall, &(struct act) { .document = "oa-1", .urgent = true });
        deliver_well(&wall, &(struct act) { .document = "oa-2", .at_ms = NOON + 1 });
        deliver_well(&wall, &(struct act) { .document = "oa-3", .at_ms = NOON + 2 });
        assert_shown(&wall, "hall", "oa-1 oa-3 oa-2");
        deliver_well(&wall, &(struct act) { .document = "oa-2", .revision = 2,
                                            .at_ms = NOON + 3 });
        assert_shown(&wall, "hall", "oa-1 oa-2 oa-3");
        wall_done(&wall);
}

static void urgent_is_only_who_may_be(void **state) {
        const struct act act = { .more = "{\"urgent\":true}" };
        struct wall wall;
        json_t *item;

        (void) state;
        wall_init(&wall);
        deliver_well(&wall, &act);
        item = first_of(&wall, "hall");
        assert_true(json_is_false(json_object_get(item, "urgent")));
        json_decref(item);
        wall_done(&wall);
}

static void no_more_than_the_channel_says_but_the_urgent_ones_first(void **state) {
        struct wall wall;
        char name[16];

        (void) state;
        wall_init(&wall);
        wall.options.most = 3;
        deliver_well(&wall, &(struct act) { .document = "fire", .urgent = true });
        for (int i = 1; i <= 9; i++) {
                (void) snprintf(name, sizeof(name), "oa-%d", i);
                deliver_well(&wall, &(struct act) { .document = name, .at_ms = NOON + i });
        }
        assert_shown(&wall, "hall", "fire oa-9 oa-8");
        deliver_well(&wall, &(struct act) { .kind = DELIVER_WITHDRAW, .document = "oa-9" });
        assert_shown(&wall, "hall", "fire oa-8 oa-7");
        wall_done(&wall);
}

static void what_has_ended_is_left_out_at_the_next_writing(void **state) {
        struct wall wall;

        (void) state;
        wall_init(&wall);
        deliver_well(&wall, &(struct act) { .document = "oa-1",
                                            .more = "{\"show_until\":{\"days\":1}}" });
        deliver_well(&wall, &(struct act) { .document = "oa-2" });
        deliver_well(&wall, &(struct act) { .document = "oa-3", .at_ms = NOON + 2 * DAY });
        assert_shown(&wall, "hall", "oa-3 oa-2");
        deliver_well(&wall, &(struct act) { .kind = DELIVER_SETUP, .at_ms = NOON + 15 * DAY });
        assert_shown(&wall, "hall", "oa-3");
        wall_done(&wall);
}

static void each_display_gets_what_concerns_its_place(void **state) {
        static char *items[] = { (char *) "hall", (char *) "wuhe@530581103",
                                 (char *) "heshun@530581104" };
        struct wall wall;

        (void) state;
        wall_init(&wall);
        set_displays(&wall, items, 3);
        deliver_well(&wall, &(struct act) { .document = "all" });
        deliver_well(&wall, &(struct act) { .document = "wuhe", .at_ms = NOON + 1,
                                            .more = "{\"areas\":[\"530581103\"]}" });
        deliver_well(&wall, &(struct act) { .document = "village", .at_ms = NOON + 2,
                                            .more = "{\"areas\":[\"530581104201\"]}" });
        assert_shown(&wall, "hall", "village wuhe all");
        assert_shown(&wall, "wuhe", "wuhe all");
        assert_shown(&wall, "heshun", "village all");
        /* A revision for another place leaves the first one. */
        deliver_well(&wall, &(struct act) { .document = "wuhe", .revision = 2, .at_ms = NOON + 3,
                                            .more = "{\"areas\":[\"530581104\"]}" });
        assert_shown(&wall, "wuhe", "all");
        assert_shown(&wall, "heshun", "wuhe village all");
        wall_done(&wall);
}

static void a_new_display_starts_with_what_is_shown_elsewhere(void **state) {
        static char *items[] = { (char *) "hall", (char *) "wuhe@530581103" };
        struct wall wall;

        (void) state;
        wall_init(&wall);
        deliver_well(&wall, &(struct act) { .document = "oa-1" });
        deliver_well(&wall, &(struct act) { .document = "oa-2",
                                            .more = "{\"areas\":[\"530581104\"]}" });
        set_displays(&wall, items, 2);
        deliver_well(&wall, &(struct act) { .kind = DELIVER_SETUP });
        assert_shown(&wall, "wuhe", "oa-1");
        wall_done(&wall);
}

static void two_regions_may_have_a_document_of_one_name(void **state) {
        struct wall wall;
        json_t *json;

        (void) state;
        wall_init(&wall);
        wall.several_regions = true;
        deliver_well(&wall, &(struct act) { .document = "1号" });
        deliver_well(&wall, &(struct act) { .document = "1号", .region = "530626",
                                            .at_ms = NOON + 1 });
        assert_shown(&wall, "hall", "530626/1号 530581/1号");
        json = playlist(&wall, "hall");
        assert_string_equal(string_of(json, "title"), "政务公开"); /* of no one county */
        json_decref(json);
        wall_done(&wall);
}

/* -- taking down -- */

static void what_is_gone_leaves_no_word_behind(void **state) {
        static const struct {
                const char *story;
                struct act act;
        } rows[] = {
                { "withdrawn", { .kind = DELIVER_WITHDRAW, .more = "{\"reason\":\"有误\"}" } },
                { "erased", { .kind = DELIVER_WITHDRAW,
                              .more = "{\"mode\":\"erase\",\"reason\":\"有误\"}" } },
                { "erased after withdrawn", { .kind = DELIVER_WITHDRAW, .level = 2,
                                              .more = "{\"mode\":\"erase\"}" } },
                { "expired", { .kind = DELIVER_EXPIRE } },
        };

        (void) state;
        for (size_t i = 0; i < ELEMENTS(rows); i++) {
                static char *items[] = { (char *) "hall", (char *) "tv" };
                struct wall wall;

                print_message("%s\n", rows[i].story);
                wall_init(&wall);
                set_displays(&wall, items, 2);
                deliver_well(&wall, &(struct act) {
                        .title = "泄露了某人姓名的公示",
                        .more = "{\"number\":\"腾民发9号\",\"texts\":{\"short\":\"短文\"},"
                                "\"body\":{\"format\":\"text\",\"content\":\"张三丰的身份\"}}" });
                deliver_well(&wall, &(struct act) { .document = "oa-2", .title = "别的" });
                assert_true(anywhere(&wall, "张三丰"));
                deliver_well(&wall, &rows[i].act);
                assert_shown(&wall, "hall", "oa-2");
                assert_shown(&wall, "tv", "oa-2");
                assert_false(anywhere(&wall, "泄露"));
                assert_false(anywhere(&wall, "张三丰"));
                assert_false(anywhere(&wall, "短文"));
                assert_false(anywhere(&wall, "腾民发"));
                wall_done(&wall);
        }
}

static void what_was_withdrawn_may_be_shown_again(void **state) {
        struct wall wall;

        (void) state;
        wall_init(&wall);
        deliver_well(&wall, &(struct act) { .kind = DELIVER_PUBLISH });
        deliver_well(&wall, &(struct act) { .kind = DELIVER_WITHDRAW });
        assert_shown(&wall, "hall", "");
        deliver_well(&wall, &(struct act) { .revision = 2 });
        assert_shown(&wall, "hall", "oa-1");
        wall_done(&wall);
}

static void an_older_one_changes_nothing(void **state) {
        struct wall wall;

        (void) state;
        wall_init(&wall);
        deliver_well(&wall, &(struct act) { .revision = 2, .title = "新" });
        deliver_well(&wall, &(struct act) { .revision = 1, .title = "旧" });
        assert_false(anywhere(&wall, "旧"));
        deliver_well(&wall, &(struct act) { .kind = DELIVER_WITHDRAW, .revision = 2 });
        deliver_well(&wall, &(struct act) { .revision = 2, .title = "新" });
        assert_shown(&wall, "hall", "");
        deliver_well(&wall, &(struct act) { .kind = DELIVER_WITHDRAW, .revision = 2, .level = 2,
                                            .more = "{\"mode\":\"erase\"}" });
        deliver_well(&wall, &(struct act) { .kind = DELIVER_WITHDRAW, .revision = 2 });
        assert_true(anywhere(&wall, "erased")); /* the first withdrawal, once more and too late */
        wall_done(&wall);
}

static void the_same_one_twice_is_there_once(void **state) {
        struct wall wall;

        (void) state;
        wall_init(&wall);
        deliver_well(&wall, &(struct act) { .revision = 1 });
        deliver_well(&wall, &(struct act) { .revision = 1, .at_ms = NOON + 1 });
        assert_shown(&wall, "hall", "oa-1");
        wall_done(&wall);
}

/* -- the files -- */

static void a_playlist_stays_below_its_cap(void **state) {
        struct buf more = { 0 };
        struct wall wall;
        json_t *json;
        size_t n;
        char name[16];

        (void) state;
        wall_init(&wall);
        buf_str(&more, "{\"body\":{\"format\":\"text\",\"content\":\"");
        for (int i = 0; i < 16500; i++)
                buf_str(&more, "停水");
        buf_str(&more, "\"}}"); /* 99,000 bytes */
        for (int i = 0; i < 40; i++) {
                (void) snprintf(name, sizeof(name), "oa-%02d", i);
                deliver_well(&wall, &(struct act) { .document = name, .at_ms = NOON + i,
                                                    .more = buf_text(&more) });
        }
        json = playlist(&wall, "hall");
        n = json_array_size(json_object_get(json, "entries"));
        assert_in_range(n, 20, 30);
        assert_string_equal(string_of(json_array_get(json_object_get(json, "entries"), 0),
                                      "document"), "oa-39");
        assert_in_range(json_string_length(json_object_get(wall.files, "hall/playlist.json")),
                        2300000, PLAYLIST_BYTES + 1000);
        json_decref(json);
        buf_done(&more);
        wall_done(&wall);
}

static void the_head_names_display_county_and_language(void **state) {
        struct wall wall;
        json_t *json;

        (void) state;
        wall_init(&wall);
        deliver_well(&wall, &(struct act) { .kind = DELIVER_SETUP });
        json = playlist(&wall, "hall");
        assert_string_equal(string_of(json, "title"), "腾冲市政务公开");
        assert_string_equal(string_of(json, "county"), "腾冲市");
        assert_string_equal(string_of(json, "language"), "zh");
        assert_string_equal(string_of(json, "generated"), "2026-11-22T12:00:00+08:00");
        assert_int_equal(number_of(json, "serial"), NOON);
        json_decref(json);

        wall.options.heading = (char *) "五合乡公示栏";
        wall.options.county = (char *) "五合乡";
        wall.options.language = (char *) "en";
        deliver_well(&wall, &(struct act) { .kind = DELIVER_SETUP });
        json = playlist(&wall, "hall");
        assert_string_equal(string_of(json, "title"), "五合乡公示栏");
        assert_string_equal(string_of(json, "county"), "五合乡");
        assert_string_equal(string_of(json, "language"), "en");
        json_decref(json);
        wall_done(&wall);
}

static void a_setup_brings_the_players_files(void **state) {
        static const char *const names[] = { "index.html", "player.css", "words.js", "clock.js",
                                             "sha256.js", "beat.js", "playlist.js", "clean.js",
                                             "tables.js", "paginate.js", "screen.js", "player.js", "sw.js" };
        static char *items[] = { (char *) "hall", (char *) "tv" };
        struct buf path = { 0 };
        struct wall wall;
        json_t *one, *other;

        (void) state;
        wall_init(&wall);
        set_displays(&wall, items, 2);
        deliver_well(&wall, &(struct act) { .kind = DELIVER_SETUP });
        assert_int_equal(json_object_size(wall.files), 2 * (ELEMENTS(names) + 1));
        for (size_t i = 0; i < ELEMENTS(names); i++) {
                char *bytes = NULL;
                size_t n;

                print_message("%s\n", names[i]);
                buf_reset(&path);
                buf_fmt(&path, "channels/display/player/%s", names[i]);
                assert_int_equal(file_read(buf_text(&path), 1 << 20, &bytes, &n), 0);
                buf_reset(&path);
                buf_fmt(&path, "tv/%s", names[i]);
                assert_string_equal(string_of(wall.files, buf_text(&path)), bytes);
                free(bytes);
        }
        one = playlist(&wall, "hall");
        other = playlist(&wall, "tv");
        assert_int_equal(strlen(string_of(one, "player")), PLAYER_VERSION - 1);
        assert_string_equal(string_of(one, "player"), string_of(other, "player"));
        json_decref(one);
        json_decref(other);
        buf_done(&path);
        wall_done(&wall);
}

static void a_test_leaves_nothing_behind(void **state) {
        struct wall wall;

        (void) state;
        wall_init(&wall);
        deliver_well(&wall, &(struct act) { .kind = DELIVER_TEST });
        assert_int_equal(json_object_size(wall.files), 0);
        assert_int_equal(json_object_size(wall.index.entries), 0);
        wall_done(&wall);
}

/* -- verdicts -- */

static void trouble_with_the_folder_waits_and_says_why(void **state) {
        static const struct {
                enum tree_status status;
                enum verdict_kind kind;
                const char *code, *says;
        } rows[] = {
                { TREE_NEWER, VERDICT_DONE, "done", NULL },
                { TREE_BUSY, VERDICT_LATER, "display/busy", "稍后" },
                { TREE_FAILED, VERDICT_LATER, "display/failed", "No space left" },
        };
        static const enum delivery_kind kinds[] = { DELIVER_PUBLISH, DELIVER_WITHDRAW,
                                                    DELIVER_SETUP, DELIVER_TEST };

        (void) state;
        for (size_t i = 0; i < ELEMENTS(rows); i++)
                for (size_t k = 0; k < ELEMENTS(kinds); k++) {
                        struct wall wall;
                        struct step step;

                        wall_init(&wall);
                        wall.index.status = rows[i].status;
                        deliver(&wall, &(struct act) { .kind = kinds[k] }, &step);
                        assert_int_equal(step.verdict.kind, rows[i].kind);
                        assert_string_equal(step.verdict.code, rows[i].code);
                        if (rows[i].says)
                                assert_non_null(strstr(step.verdict.sentence, rows[i].says));
                        step_done(&step);
                        wall_done(&wall);
                }
}

static void the_address_is_that_of_the_first_display_that_shows_it(void **state) {
        static char *items[] = { (char *) "wuhe@530581103", (char *) "heshun@530581104" };
        struct wall wall;
        struct step step;

        (void) state;
        wall_init(&wall);
        set_displays(&wall, items, 2);
        deliver(&wall, &(struct act) { .document = "oa-1" }, &step);
        assert_null(step.verdict.url); /* nobody said where it is to be seen */
        step_done(&step);
        wall.options.address = (char *) "https://screen.example.cn/d";
        deliver(&wall, &(struct act) { .more = "{\"areas\":[\"530581104\"]}" }, &step);
        assert_string_equal(step.verdict.url, "https://screen.example.cn/d/heshun/");
        step_done(&step);
        deliver(&wall, &(struct act) { .more = "{\"areas\":[\"530626\"]}" }, &step);
        assert_null(step.verdict.url); /* on none of them */
        step_done(&step);
        wall_done(&wall);
}

/* -- settings -- */

static void a_wrong_setting_is_named(void **state) {
        const struct {
                const char *story;
                struct display_options options;
                const char *says; /* NULL: well */
        } rows[] = {
#define LIST(...)                                                                                  \
        { .items = (char **) (const char *[]) { __VA_ARGS__ },                                     \
          .n = sizeof((const char *[]) { __VA_ARGS__ }) / sizeof(char *) }
                { "the least", { .root = (char *) "/srv" }, NULL },
                { "names and areas", { .displays = LIST("hall", "a-1@530581", "b@530581103",
                                                        "c@530581103201") }, NULL },
                { "an address", { .address = (char *) "https://a.cn/d" }, NULL },
                { "a root that hangs in the air", { .root = (char *) "srv/display" },
                  "srv/display" },
                { "an address with a slash behind", { .address = (char *) "https://a.cn/" },
                  "https://a.cn/" },
                { "an address of another kind", { .address = (char *) "file:///srv" }, "file" },
                { "an address with a blank", { .address = (char *) "https://a.cn/b c" }, "b c" },
                { "a capital letter", { .displays = LIST("Hall") }, "Hall" },
                { "a Chinese name", { .displays = LIST("hall", "大厅") }, "大厅" },
                { "a way out", { .displays = LIST("../x") }, "../x" },
                { "no name", { .displays = LIST("@530581") }, "@530581" },
                { "an area of five digits", { .displays = LIST("a@53058") }, "a@53058" },
                { "an area of letters", { .displays = LIST("a@53058x") }, "a@53058x" },
                { "no area behind the sign", { .displays = LIST("a@") }, "a@" },
                { "the same name twice", { .displays = LIST("a", "b", "a@530581") },
                  "a@530581" },
                { "a name of 33 letters",
                  { .displays = LIST("abcdefghijklmnopqrstuvwxyzabcdefg") }, "abcdefg" },
        };

        (void) state;
        for (size_t i = 0; i < ELEMENTS(rows); i++) {
                struct problems problems = { 0 };

                print_message("%s\n", rows[i].story);
                display_driver.check(&rows[i].options, "hall.conf", &problems);
                assert_int_equal(problems.n, rows[i].says ? 1 : 0);
                if (rows[i].says)
                        assert_non_null(strstr(problems.list[0].text, rows[i].says));
                problems_done(&problems);
        }
}

static void more_displays_than_there_is_room_for_are_refused(void **state) {
        static char names[SCREENS_MAX + 1][8];
        static char *items[SCREENS_MAX + 1];
        struct display_options options = { .displays = { .items = items } };
        struct problems problems = { 0 };

        (void) state;
        for (size_t i = 0; i <= SCREENS_MAX; i++) {
                (void) snprintf(names[i], sizeof(names[i]), "s%zu", i);
                items[i] = names[i];
        }
        options.displays.n = SCREENS_MAX;
        display_driver.check(&options, "hall.conf", &problems);
        assert_int_equal(problems.n, 0);
        options.displays.n = SCREENS_MAX + 1;
        display_driver.check(&options, "hall.conf", &problems);
        assert_int_equal(problems.n, 1);
        problems_done(&problems);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(the_newest_comes_first_and_an_urgent_one_before_all),
                cmocka_unit_test(urgent_is_only_who_may_be),
                cmocka_unit_test(no_more_than_the_channel_says_but_the_urgent_ones_first),
                cmocka_unit_test(what_has_ended_is_left_out_at_the_next_writing),
                cmocka_unit_test(each_display_gets_what_concerns_its_place),
                cmocka_unit_test(a_new_display_starts_with_what_is_shown_elsewhere),
                cmocka_unit_test(two_regions_may_have_a_document_of_one_name),
                cmocka_unit_test(what_is_gone_leaves_no_word_behind),
                cmocka_unit_test(what_was_withdrawn_may_be_shown_again),
                cmocka_unit_test(an_older_one_changes_nothing),
                cmocka_unit_test(the_same_one_twice_is_there_once),
                cmocka_unit_test(a_playlist_stays_below_its_cap),
                cmocka_unit_test(the_head_names_display_county_and_language),
                cmocka_unit_test(a_setup_brings_the_players_files),
                cmocka_unit_test(a_test_leaves_nothing_behind),
                cmocka_unit_test(trouble_with_the_folder_waits_and_says_why),
                cmocka_unit_test(the_address_is_that_of_the_first_display_that_shows_it),
                cmocka_unit_test(a_wrong_setting_is_named),
                cmocka_unit_test(more_displays_than_there_is_room_for_are_refused),
        };

        return cmocka_run_group_tests_name("displays", tests, NULL, NULL);
}
