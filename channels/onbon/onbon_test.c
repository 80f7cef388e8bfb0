#include "channels/onbon/fixture.h"

#include "core/problems.h"

/* -- what the board shows -- */

static void one_notice_is_this_command(void **state) {
        static const unsigned char command[] = {
                0xa3, 6, 1, 0, 0, /* update, answered, nothing cleared */
                0, 1, 27 + 11, 0, /* none deleted, one updated, its length */
                0, 0x08, 0x80, 2, 0, 0x80, 0x80, 16, 0, 3, /* text at 8,2; 128 x 16; area 3 */
                0, 0, 0, 0, 0, 0, 0x0a, 1, 1, 3, 0, 4, 10, /* ... centred, one line, left, 4, 5 s */
                11, 0, 0, 0, '\\', 'C', '1', 0xcd, 0xa3, 0xcb, 0xae, 0xcd, 0xa8, 0xd6, 0xaa,
        };
        struct board board;

        (void) state;
        board_init(&board);
        board.options.left = 8;
        board.options.top = 2;
        board.options.align = 1;
        assert_int_equal(deliver(&board, &(struct act) { .data = "{\"title\":\"停水通知\"}" }),
                         VERDICT_DONE);
        assert_int_equal(board.shown.len, sizeof(command));
        assert_memory_equal(board.shown.data, command, sizeof(command));
        assert_int_equal(board.n_sent, 1);
        assert_null(board.sentence);
        board_done(&board);
}

static void all_notices_run_one_after_another(void **state) {
        struct board board;

        (void) state;
        board_init(&board);
        deliver(&board, &(struct act) { .document = "1", .data = "{\"title\":\"one\"}" });
        deliver(&board, &(struct act) { .document = "2", .data = "{\"title\":\"two\"}",
                                        .at_ms = NOON + 1 });
        assert_string_equal(text_shown(&board), "\\C1two  \\C1one");
        deliver(&board, &(struct act) { .document = "3", .data = "{\"title\":\"fire\"}",
                                        .urgent = true, .at_ms = NOON - 1 });
        assert_string_equal(text_shown(&board), "\\C3fire  \\C1two  \\C1one");
        deliver(&board, &(struct act) { .document = "1", .data = "{\"title\":\"ONE\"}",
                                        .revision = 2, .at_ms = NOON + 2 });
        assert_string_equal(text_shown(&board), "\\C3fire  \\C1ONE  \\C1two");
        board.options.most = 2;
        deliver(&board, &(struct act) { .document = "4", .data = "{\"title\":\"four\"}",
                                        .at_ms = NOON + 3 });
        assert_string_equal(text_shown(&board), "\\C3fire  \\C1four");
        board.options.most = 10;
        deliver(&board, &(struct act) { .kind = DELIVER_WITHDRAW, .document = "3",
                                        .data = "{\"reason\":\"over\"}", .at_ms = NOON + 4 });
        assert_string_equal(text_shown(&board), "\\C1four  \\C1ONE  \\C1two");
        /* What is over goes with the next command. */
        deliver(&board, &(struct act) { .document = "5", .data = "{\"title\":\"five\"}",
                                        .at_ms = NOON + 20 * DAY });
        assert_string_equal(text_shown(&board), "\\C1five");
        board_done(&board);
}

static void what_has_no_room_waits_for_it(void **state) {
        struct board board;
        char long_title[200];

        (void) state;
        board_init(&board);
        board.options.most_bytes = 150;
        (void) snprintf(long_title, sizeof(long_title), "{\"title\":\"%0100d\"}", 7);
        deliver(&board, &(struct act) { .document = "1", .data = "{\"title\":\"one\"}" });
        deliver(&board, &(struct act) { .document = "2", .data = long_title, .at_ms = NOON + 1 });
        assert_int_equal(strlen(text_shown(&board)), 103 + 2 + 6);
        deliver(&board, &(struct act) { .document = "3", .data = long_title, .at_ms = NOON + 2 });
        assert_int_equal(strlen(text_shown(&board)), 103);
        /* The only one is shown however long it is. */
        board.options.most_bytes = 100;
        deliver(&board, &(struct act) { .document = "4", .data = long_title, .at_ms = NOON + 3 });
        assert_int_equal(strlen(text_shown(&board)), 103);
        board_done(&board);
}

static void an_empty_board_shows_nothing_or_its_own_words(void **state) {
        static const unsigned char gone[] = { 0xa3, 6, 1, 0, 0, 1, 3, 0 };
        struct board board;

        (void) state;
        board_init(&board);
        deliver(&board, &(struct act) { 0 });
        assert_int_equal(deliver(&board, &(struct act) { .kind = DELIVER_WITHDRAW }), VERDICT_DONE);
        assert_int_equal(board.shown.len, sizeof(gone));
        assert_memory_equal(board.shown.data, gone, sizeof(gone));
        board.options.idle = (char *) "hello";
        deliver(&board, &(struct act) { .revision = 2 });
        assert_int_equal(deliver(&board, &(struct act) { .kind = DELIVER_EXPIRE, .revision = 2 }),
                         VERDICT_DONE);
        assert_string_equal(text_shown(&board), "\\C1hello");
        board_done(&board);
}

static void a_board_shows_what_concerns_its_place(void **state) {
        struct board board;

        (void) state;
        board_init(&board);
        board.options.place = (char *) "530581103";
        deliver(&board, &(struct act) { .data = "{\"title\":\"here\",\"areas\":[\"530581103201\"]}" });
        deliver(&board, &(struct act) { .document = "2", .at_ms = NOON + 1,
                                        .data = "{\"title\":\"there\",\"areas\":[\"530581104\"]}" });
        assert_string_equal(text_shown(&board), "\\C1here");
        deliver(&board, &(struct act) { .revision = 2, .at_ms = NOON + 2,
                                        .data = "{\"title\":\"here\",\"areas\":[\"530581104\"]}" });
        assert_int_equal(board.shown.len, 8);
        board_done(&board);
}

static void what_is_newer_stays(void **state) {
        struct board board;

        (void) state;
        board_init(&board);
        deliver(&board, &(struct act) { .kind = DELIVER_WITHDRAW, .revision = 2 });
        assert_int_equal(deliver(&board, &(struct act) { .revision = 2 }), VERDICT_DONE);
        assert_int_equal(board.n_sent, 1);
        assert_int_equal(board.shown.len, 8);
        board_done(&board);
}

/* -- several workers -- */

static void another_worker_withdraws(struct board *board) {
        deliver(board, &(struct act) { .kind = DELIVER_WITHDRAW, .document = "old" });
}

/* Its command is overtaken by ours, which still has what was withdrawn; so ours goes again. */
static void the_last_command_has_the_last_list(void **state) {
        struct board board;

        (void) state;
        board_init(&board);
        deliver(&board, &(struct act) { .document = "old", .data = "{\"title\":\"old\"}" });
        board.meanwhile = another_worker_withdraws;
        assert_int_equal(deliver(&board, &(struct act) { .data = "{\"title\":\"new\"}" }),
                         VERDICT_DONE);
        assert_string_equal(text_shown(&board), "\\C1new");
        assert_int_equal(board.n_sent, 4);
        board_done(&board);
}

static void a_repetition_sends_the_whole_list(void **state) {
        struct board board;

        (void) state;
        board_init(&board);
        deliver(&board, &(struct act) { .document = "1", .data = "{\"title\":\"one\"}" });
        board.error = "Connection reset by peer";
        assert_int_equal(deliver(&board, &(struct act) { .document = "2", .code = "onbon/unclear",
                                                         .data = "{\"title\":\"two\"}" }),
                         VERDICT_UNCERTAIN);
        board.error = NULL;
        assert_int_equal(deliver(&board, &(struct act) { .document = "2", .at_ms = NOON + 1,
                                                         .data = "{\"title\":\"two\"}" }),
                         VERDICT_DONE);
        assert_string_equal(text_shown(&board), "\\C1two  \\C1one");
        board_done(&board);
}

/* -- answers -- */

static void every_answer_has_one_meaning(void **state) {
        static const struct {
                const char *story, *error, *answer;
                bool not_sent;
                int nack;
                enum verdict_kind kind;
                const char *code;
                unsigned n_sent;
        } rows[] = {
                { "away", "No route to host", NULL, true, 0, VERDICT_LATER, "onbon/unreachable", 0 },
                { "no answer", "timeout", NULL, false, 0, VERDICT_UNCERTAIN, "onbon/unclear", 0 },
                { "no card", NULL, "SSH-2.0Z", false, 0, VERDICT_UNCERTAIN, "onbon/nonsense", 1 },
                { "group", NULL, NULL, false, 1, VERDICT_BLOCKED, "onbon/settings", 1 },
                { "command", NULL, NULL, false, 2, VERDICT_BLOCKED, "onbon/settings", 1 },
                { "busy", NULL, NULL, false, 3, VERDICT_LATER, "onbon/busy", 1 },
                { "memory", NULL, NULL, false, 4, VERDICT_BLOCKED, "onbon/full", 1 },
                { "CRC, twice", NULL, NULL, false, 5, VERDICT_LATER, "onbon/damaged", 2 },
                { "no file", NULL, NULL, false, 6, VERDICT_REFUSED, "onbon/refused", 1 },
                { "flash", NULL, NULL, false, 7, VERDICT_BLOCKED, "onbon/full", 1 },
                { "download", NULL, NULL, false, 8, VERDICT_REFUSED, "onbon/refused", 1 },
                { "file name", NULL, NULL, false, 9, VERDICT_REFUSED, "onbon/refused", 1 },
                { "file type", NULL, NULL, false, 10, VERDICT_REFUSED, "onbon/refused", 1 },
                { "file CRC", NULL, NULL, false, 11, VERDICT_REFUSED, "onbon/refused", 1 },
                { "no font", NULL, NULL, false, 12, VERDICT_BLOCKED, "onbon/settings", 1 },
                { "firmware", NULL, NULL, false, 13, VERDICT_BLOCKED, "onbon/settings", 1 },
                { "time format", NULL, NULL, false, 14, VERDICT_REFUSED, "onbon/refused", 1 },
                { "file exists", NULL, NULL, false, 15, VERDICT_REFUSED, "onbon/refused", 1 },
                { "block number", NULL, NULL, false, 16, VERDICT_REFUSED, "onbon/refused", 1 },
                { "a code that nobody knows", NULL, NULL, false, 99, VERDICT_REFUSED,
                  "onbon/refused", 1 },
        };

        (void) state;
        for (size_t i = 0; i < ELEMENTS(rows); i++) {
                struct board board;

                print_message("%s\n", rows[i].story);
                board_init(&board);
                board.error = rows[i].error;
                board.answer = rows[i].answer;
                board.not_sent = rows[i].not_sent;
                board.nack = rows[i].nack;
                assert_int_equal(deliver(&board, &(struct act) { .code = rows[i].code }),
                                 rows[i].kind);
                assert_int_equal(board.n_sent, rows[i].n_sent);
                assert_non_null(strstr(board.sentence, "10.0.0.9"));
                board_done(&board);
        }
}

static void damage_on_the_way_is_sent_again_once(void **state) {
        struct board board;

        (void) state;
        board_init(&board);
        board.nack = 5;
        board.n_nacks = 1;
        assert_int_equal(deliver(&board, &(struct act) { .data = "{\"title\":\"one\"}" }),
                         VERDICT_DONE);
        assert_int_equal(board.n_sent, 2);
        assert_string_equal(text_shown(&board), "\\C1one");
        board_done(&board);
}

static void what_the_card_refuses_does_not_ride_on_with_the_next(void **state) {
        struct board board;

        (void) state;
        board_init(&board);
        board.nack = 8;
        board.n_nacks = 1;
        assert_int_equal(deliver(&board, &(struct act) { .data = "{\"title\":\"bad\"}" }),
                         VERDICT_REFUSED);
        deliver(&board, &(struct act) { .document = "2", .data = "{\"title\":\"good\"}" });
        assert_string_equal(text_shown(&board), "\\C1good");
        /* A withdrawal is never refused: it is tried until it is done. */
        board.nack = 8;
        assert_int_equal(deliver(&board, &(struct act) { .kind = DELIVER_WITHDRAW, .document = "2" }),
                         VERDICT_LATER);
        board_done(&board);
}

static void the_index_says_when_it_cannot(void **state) {
        struct board board;

        (void) state;
        board_init(&board);
        board.index.status = TREE_BUSY;
        assert_int_equal(deliver(&board, &(struct act) { .code = "onbon/index-busy" }),
                         VERDICT_LATER);
        board.index.status = TREE_FAILED;
        assert_int_equal(deliver(&board, &(struct act) { .code = "onbon/index" }), VERDICT_LATER);
        assert_non_null(strstr(board.sentence, "No space left"));
        board_done(&board);
}

static void characters_without_a_glyph_are_named(void **state) {
        struct board board;

        (void) state;
        board_init(&board);
        assert_int_equal(deliver(&board, &(struct act) { .data = "{\"title\":\"a😀b\"}" }),
                         VERDICT_DONE);
        assert_string_equal(text_shown(&board), "\\C1a\xa1\xf5" "b");
        assert_non_null(strstr(board.sentence, "😀"));
        board.options.unencodable = ONBON_REFUSE;
        assert_int_equal(deliver(&board, &(struct act) { .document = "2",
                                                         .code = "onbon/unencodable",
                                                         .data = "{\"title\":\"a😀b\"}" }),
                         VERDICT_REFUSED);
        assert_non_null(strstr(board.sentence, "😀"));
        assert_int_equal(board.n_sent, 1);
        board_done(&board);
}

static void a_test_is_a_ping(void **state) {
        struct board board;

        (void) state;
        board_init(&board);
        assert_int_equal(deliver(&board, &(struct act) { .kind = DELIVER_TEST }), VERDICT_DONE);
        assert_memory_equal(board.shown.data, onbon_ping, sizeof(onbon_ping));
        assert_int_equal(board.shown.len, sizeof(onbon_ping));
        assert_non_null(board.sentence);
        board.error = "No route to host";
        board.not_sent = true;
        assert_int_equal(deliver(&board, &(struct act) { .kind = DELIVER_TEST }), VERDICT_LATER);
        assert_int_equal(json_object_size(board.index.entries), 0);
        board_done(&board);
}

static void a_card_that_lost_its_power_gets_the_list_again(void **state) {
        struct board board;

        (void) state;
        board_init(&board);
        deliver(&board, &(struct act) { .document = "1", .data = "{\"title\":\"one\"}" });
        deliver(&board, &(struct act) { .document = "2", .data = "{\"title\":\"two\"}",
                                        .at_ms = NOON + DAY });
        buf_reset(&board.shown);
        assert_int_equal(deliver(&board, &(struct act) { .kind = DELIVER_SETUP }), VERDICT_DONE);
        assert_string_equal(text_shown(&board), "\\C1two  \\C1one");
        /* What is over by then is not in it. */
        assert_int_equal(deliver(&board, &(struct act) { .kind = DELIVER_SETUP,
                                                         .at_ms = NOON + 14 * DAY + DAY / 2 }),
                         VERDICT_DONE);
        assert_string_equal(text_shown(&board), "\\C1two");
        board_done(&board);
}

/* "1:2 4:1": the documents and revisions that the board was said to draw. */
static const char *drawn(const struct board *board, char ret[static 64]) {
        const json_t *draws = json_object_get(board->sight, "draws"), *entry;
        size_t i, n = 0;

        assert_string_equal(json_string_value(json_object_get(board->sight, "player")), "led");
        ret[0] = '\0';
        json_array_foreach(draws, i, entry) {
                assert_string_equal(json_string_value(json_object_get(entry, "region")), "530581");
                assert_int_equal(json_string_length(json_object_get(entry, "digest")), 64);
                n += (size_t) snprintf(ret + n, 64 - n, "%s%s:%d", n ? " " : "",
                                       json_string_value(json_object_get(entry, "document")),
                                       (int) json_integer_value(json_object_get(entry, "revision")));
        }
        return ret;
}

static void between_two_lists_a_ping_tells_what_the_board_draws(void **state) {
        static const char away[] = "No route to host";
        struct act look = { .kind = DELIVER_SETUP, .at_ms = NOON + 60000, .setup_ms = NOON };
        struct board board;
        char text[64];

        (void) state;
        board_init(&board);
        board.options.ping_ms = 60000;
        board.options.refresh_ms = 1800000;
        deliver(&board, &(struct act) { .document = "1", .data = "{\"title\":\"one\"}" });
        deliver(&board, &(struct act) { .document = "2", .data = "{\"title\":\"two\"}", .revision = 2,
                                        .at_ms = NOON + 1 });
        assert_null(board.sight);
        look.code = "alive";
        assert_int_equal(deliver(&board, &look), VERDICT_DONE);
        assert_int_equal(board.shown.len, sizeof(onbon_ping));
        assert_string_equal(drawn(&board, text), "2:2 1:1");
        board.options.most = 1; /* what has no room is not drawn */
        assert_int_equal(deliver(&board, &look), VERDICT_DONE);
        assert_int_equal(strlen(drawn(&board, text)), 3);
        board.options.most = 10;
        deliver(&board, &(struct act) { .kind = DELIVER_WITHDRAW, .document = "1" });
        assert_int_equal(deliver(&board, &look), VERDICT_DONE);
        assert_string_equal(drawn(&board, text), "2:2");
        /* Nothing is said of a card that does not answer. */
        board.error = away;
        look.code = "onbon/unclear";
        assert_int_equal(deliver(&board, &look), VERDICT_UNCERTAIN);
        assert_null(board.sight);
        board.error = NULL;
        /* One that was away gets the list, and so does any from time to time. */
        look.code = "done";
        look.setup_ms = 0;
        assert_int_equal(deliver(&board, &look), VERDICT_DONE);
        assert_string_equal(text_shown(&board), "\\C1two");
        assert_string_equal(drawn(&board, text), "2:2");
        look.setup_ms = look.at_ms - board.options.refresh_ms;
        buf_reset(&board.shown);
        assert_int_equal(deliver(&board, &look), VERDICT_DONE);
        assert_string_equal(text_shown(&board), "\\C1two");
        board_done(&board);
}

static void wrong_options_are_told(void **state) {
        static const struct {
                const char *host, *place;
                size_t problems;
        } rows[] = {
                { "10.0.0.9", NULL, 0 },
                { "led.example.cn", "530581103", 0 },
                { "fe80::1", "530581", 0 },
                { "10.0.0.9/24", NULL, 1 },
                { "http://10.0.0.9", "腾冲", 2 },
        };

        (void) state;
        for (size_t i = 0; i < ELEMENTS(rows); i++) {
                struct problems problems = { 0 };
                struct onbon_options options = { .host = (char *) rows[i].host,
                                                 .place = (char *) rows[i].place };

                onbon_driver.check(&options, "led.conf", &problems);
                assert_int_equal(problems.n, rows[i].problems);
                problems_done(&problems);
        }
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(one_notice_is_this_command),
                cmocka_unit_test(all_notices_run_one_after_another),
                cmocka_unit_test(what_has_no_room_waits_for_it),
                cmocka_unit_test(an_empty_board_shows_nothing_or_its_own_words),
                cmocka_unit_test(a_board_shows_what_concerns_its_place),
                cmocka_unit_test(what_is_newer_stays),
                cmocka_unit_test(the_last_command_has_the_last_list),
                cmocka_unit_test(a_repetition_sends_the_whole_list),
                cmocka_unit_test(every_answer_has_one_meaning),
                cmocka_unit_test(damage_on_the_way_is_sent_again_once),
                cmocka_unit_test(what_the_card_refuses_does_not_ride_on_with_the_next),
                cmocka_unit_test(the_index_says_when_it_cannot),
                cmocka_unit_test(characters_without_a_glyph_are_named),
                cmocka_unit_test(a_test_is_a_ping),
                cmocka_unit_test(a_card_that_lost_its_power_gets_the_list_again),
                cmocka_unit_test(between_two_lists_a_ping_tells_what_the_board_draws),
                cmocka_unit_test(wrong_options_are_told),
        };

        return cmocka_run_group_tests_name("onbon", tests, NULL, NULL);
}
