#include "channels/wechat/fixture.h"

#define DRAFT                                                                                      \
        { "/cgi-bin/draft/add", 0, "{\"media_id\":\"M1\"}" }
#define TOKENS                                                                                     \
        { "stable_token", 0, TOKEN }
#define END                                                                                        \
        { NULL, 0, NULL }
#define RUN(world, ...) world_run(world, (const struct line[]) { __VA_ARGS__, END })
#define REFUSED_TOKEN "{\"errcode\":42001,\"errmsg\":\"access_token expired\"}"

struct meaning {
        enum wechat_class class;
        enum verdict_kind kind; /* as the answer to a submission */
        int64_t at_ms;
        int codes[40]; /* 0 ends them */
};

static const struct meaning meanings[] = {
        { CLASS_AUTH,
          VERDICT_BLOCKED,
          0,
          { 40002, 40013, 40125, 40164, 41002, 41004, 42007, 48001, 48004, 48008, 50001, 50002,
            50004, 50007, 61024, 89503 } },
        { CLASS_MIDNIGHT, VERDICT_WAIT, MIDNIGHT, { 45009, 45028 } },
        { CLASS_MINUTE, VERDICT_WAIT, NOON + MINUTES(1), { 45011 } },
        { CLASS_SIXTY, VERDICT_WAIT, NOON + MINUTES(1), { 45066 } },
        { CLASS_MONTH,
          VERDICT_WAIT,
          INT64_C(1796054400000) /* 2026-12-01T00:00:00+08:00 */,
          { 48006 } },
        { CLASS_TEN, VERDICT_WAIT, NOON + MINUTES(10), { 89501 } },
        { CLASS_HOUR, VERDICT_WAIT, NOON + MINUTES(60), { 89507 } },
        { CLASS_DAY, VERDICT_WAIT, NOON + MINUTES(24 * 60), { 89506 } },
        { CLASS_ADMIN, VERDICT_WAIT, NOON + MINUTES(2), { 89504, 89505 } },
        { CLASS_BUSY, VERDICT_UNCERTAIN, 0, { -1, 61450, 9001002 } },
        { CLASS_CONTENT, VERDICT_REFUSED, 0, { 40004, 40005, 40006, 40008, 40009, 40012, 40033,
                                               40035, 40038, 40039, 40060, 40118, 40121, 40137,
                                               40155, 44001, 44002, 44003, 44004, 45001, 45002,
                                               45003, 45004, 45005, 45006, 45007, 45008, 45067,
                                               45159, 47001, 53503, 53504, 53505, 61451 } },
        { CLASS_RECIPIENT,
          VERDICT_BLOCKED,
          0,
          { 40003, 40031, 40032, 43004, 43019, 46004, 48002, 50005 } },
        { CLASS_PROGRAM,
          VERDICT_BLOCKED,
          0,
          { 40037, 40066, 41001, 41005, 41006, 43001, 43002, 43003 } },
        { CLASS_UNKNOWN, VERDICT_BLOCKED, 0, { 99999, 1, -2, 40100 } },
};

static void every_code_of_the_table_has_its_class_and_its_verdict(void **state) {
        (void) state;
        for (size_t i = 0; i < ELEMENTS(meanings); i++)
                for (const int *code = meanings[i].codes; *code; code++) {
                        struct world world;
                        const struct verdict *verdict;
                        char body[120];

                        print_message("%d\n", *code);
                        assert_int_equal(wechat_class_of(*code, false), meanings[i].class);
                        (void) snprintf(body, sizeof(body),
                                        "{\"errcode\":%d,\"errmsg\":\"invalid ip 203.0.113.9, x\"}",
                                        *code);
                        world_init(&world, "{}");
                        verdict = RUN(&world, TOKENS, DRAFT, { "freepublish/submit", 0, body });
                        assert_int_equal(verdict->kind, meanings[i].kind);
                        assert_int_equal(verdict->at_ms, meanings[i].at_ms);
                        assert_int_equal(verdict->ill, meanings[i].class == CLASS_BUSY);
                        assert_non_null(verdict->sentence);
                        assert_null(strchr(verdict->sentence, '{'));
                        if (strstr(verdict->sentence, "channel resume"))
                                assert_non_null(strstr(verdict->sentence, "channel resume wechat"));
                        if (*code == 40164)
                                assert_non_null(strstr(verdict->sentence, "IP白名单"));
                        if (*code == 40164 || *code == 89503)
                                assert_non_null(strstr(verdict->sentence, " 203.0.113.9"));
                        if (*code == 45003)
                                assert_non_null(strstr(verdict->sentence, "标题"));
                        world_done(&world);

                        /* What nobody sees may be repeated. */
                        world_init(&world, "{}");
                        verdict = RUN(&world, TOKENS, { "draft/add", 0, body });
                        assert_int_equal(verdict->kind, meanings[i].class == CLASS_BUSY
                                                                ? VERDICT_LATER
                                                                : meanings[i].kind);
                        world_done(&world);
                }
}

/* Their verdicts: the tests of tokens below, of pushes, of media (media_test.c), of deletions. */
static void what_is_answered_by_a_step_has_its_class_too(void **state) {
        static const struct {
                enum wechat_class class;
                int codes[4];
        } rows[] = { { CLASS_REFRESH, { 40001, 40014, 42001 } },
                     { CLASS_DUP, { 45065 } },
                     { CLASS_MEDIA, { 40007, 46001 } },
                     { CLASS_GONE, { 53600, 40059 } },
                     { CLASS_CONTENT, { 45110, 45166 } } };
        static const int refused[] = { 40001, 40014, 42001 };

        (void) state;
        for (size_t i = 0; i < ELEMENTS(rows); i++)
                for (const int *code = rows[i].codes; *code; code++)
                        assert_int_equal(wechat_class_of(*code, false), rows[i].class);
        assert_int_equal(wechat_class_of(0, false), CLASS_OK);
        assert_int_equal(wechat_class_of(40001, true), CLASS_AUTH);
        for (size_t i = 0; i < ELEMENTS(refused); i++) {
                struct world world;
                char body[60];

                (void) snprintf(body, sizeof(body), "{\"errcode\":%d}", refused[i]);
                world_init(&world, "{}");
                assert_int_equal(
                        RUN(&world, TOKENS, { "draft/add", 0, body },
                            { "stable_token", 0, "{\"access_token\":\"T2\",\"expires_in\":7200}" },
                            { "draft/add?access_token=T2", NOT_SENT, NULL })
                                ->kind,
                        VERDICT_LATER);
                world_done(&world);
        }
}

static void an_answer_that_is_none_leaves_doubt_only_where_a_citizen_would_see_it(void **state) {
        static const struct {
                long status;
                const char *body;
                enum verdict_kind harmless, other;
                bool ill;
        } rows[] = {
                { NOT_SENT, NULL, VERDICT_LATER, VERDICT_LATER, false },
                { LOST, NULL, VERDICT_LATER, VERDICT_UNCERTAIN, false },
                { 502, "<html>bad gateway</html>", VERDICT_LATER, VERDICT_UNCERTAIN, true },
                { 500, "{\"errcode\":45009}", VERDICT_LATER, VERDICT_UNCERTAIN, true },
                { 200, "<html>", VERDICT_LATER, VERDICT_UNCERTAIN, true },
                { 200, "", VERDICT_LATER, VERDICT_UNCERTAIN, true },
                { 200, "[]", VERDICT_LATER, VERDICT_UNCERTAIN, true },
                { 200, "{\"errcode\":\"0\"}", VERDICT_LATER, VERDICT_UNCERTAIN, true },
                { 200, "{\"errcode\":0}", VERDICT_LATER, VERDICT_UNCERTAIN, true }, /* and no id */
                { 404, "{}", VERDICT_LATER, VERDICT_UNCERTAIN, true },
        };

        (void) state;
        for (size_t i = 0; i < ELEMENTS(rows); i++) {
                struct world world;
                const struct verdict *verdict;

                print_message("%ld %s\n", rows[i].status, rows[i].body ? rows[i].body : "-");
                world_init(&world, "{}");
                verdict = RUN(&world, TOKENS, { "draft/add", rows[i].status, rows[i].body });
                assert_int_equal(verdict->kind, rows[i].harmless);
                assert_int_equal(verdict->ill, rows[i].ill);
                verdict =
                        RUN(&world, DRAFT, { "freepublish/submit", rows[i].status, rows[i].body });
                assert_int_equal(verdict->kind, rows[i].other);
                assert_int_equal(verdict->ill, rows[i].ill);
                world_done(&world);
        }
}

static void a_refused_token_is_renewed_the_normal_way_first(void **state) {
        struct world world;
        json_t *body;

        (void) state;
        world_init(&world, "{}"); /* another one comes: good */
        assert_int_equal(RUN(&world, TOKENS, { "draft/add", 0, REFUSED_TOKEN },
                             { "stable_token", 0, "{\"access_token\":\"T2\",\"expires_in\":7200}" },
                             { "draft/add?access_token=T2", 0, "{\"media_id\":\"M1\"}" },
                             { "freepublish/submit?access_token=T2", 0,
                               "{\"errcode\":0,\"publish_id\":\"1\"}" })
                                 ->kind,
                         VERDICT_ASK);
        body = request_json(&world, 2);
        assert_null(json_object_get(body, "force_refresh"));
        json_decref(body);
        world_done(&world);

        world_init(&world, "{}"); /* another one comes, and is refused too */
        assert_int_equal(RUN(&world, TOKENS, { "draft/add", 0, REFUSED_TOKEN },
                             { "stable_token", 0, "{\"access_token\":\"T2\",\"expires_in\":7200}" },
                             { "draft/add?access_token=T2", 0, REFUSED_TOKEN })
                                 ->kind,
                         VERDICT_BLOCKED);
        assert_string_equal(world.step.verdict.code, "wechat/token");
        world_done(&world);

        world_init(&world, "{}"); /* the same one, still refused: by force */
        assert_int_equal(RUN(&world, TOKENS, { "draft/add", 0, REFUSED_TOKEN }, TOKENS,
                             { "draft/add?access_token=T1", 0, REFUSED_TOKEN },
                             { "stable_token", 0, "{\"access_token\":\"T2\",\"expires_in\":7200}" },
                             { "draft/add?access_token=T2", 0, "{\"media_id\":\"M1\"}" },
                             { "freepublish/submit", 0, "{\"errcode\":0,\"publish_id\":\"1\"}" })
                                 ->kind,
                         VERDICT_ASK);
        body = request_json(&world, 4);
        assert_true(json_is_true(json_object_get(body, "force_refresh")));
        json_decref(body);
        assert_int_equal(count_of(&world, "token"), 1);
        world_done(&world);

        world_init(&world, "{}"); /* the same one, good after all */
        assert_int_equal(RUN(&world, TOKENS, { "draft/add", 0, REFUSED_TOKEN }, TOKENS, DRAFT,
                             { "freepublish/submit", 0, "{\"errcode\":0,\"publish_id\":\"1\"}" })
                                 ->kind,
                         VERDICT_ASK);
        assert_int_equal(count_of(&world, "token"), 0);
        world_done(&world);
}

static void a_submission_that_was_refused_for_its_token_goes_out_once(void **state) {
        struct world world;

        (void) state;
        world_init(&world, "{}");
        assert_int_equal(RUN(&world, TOKENS, DRAFT, { "freepublish/submit", 0, REFUSED_TOKEN },
                             { "stable_token", 0, "{\"access_token\":\"T2\",\"expires_in\":7200}" },
                             { "freepublish/submit?access_token=T2", 0,
                               "{\"errcode\":0,\"publish_id\":\"1\"}" })
                                 ->kind,
                         VERDICT_ASK);
        assert_int_equal(count_of(&world, "submit"), 1);
        world_done(&world);
}

static void force_is_used_twenty_times_a_day_and_half_a_minute_apart(void **state) {
        struct world world;

        (void) state;
        world_init(&world, "{}");
        (void) json_object_set_new(world.counts, "token", json_integer(WECHAT_FORCED_TOKENS));
        assert_int_equal(RUN(&world, TOKENS, { "draft/add", 0, REFUSED_TOKEN }, TOKENS,
                             { "draft/add", 0, REFUSED_TOKEN })
                                 ->kind,
                         VERDICT_WAIT);
        assert_int_equal(world.step.verdict.at_ms, MIDNIGHT);
        world_done(&world);

        world_init(&world, "{}");
        world.account = json_pack("{s:s, s:I, s:b, s:I}", "token", "T1", "until",
                                  (json_int_t) (NOON + MINUTES(60)), "same", 1, "forced",
                                  (json_int_t) (NOON - 10 * 1000));
        assert_int_equal(RUN(&world, { "draft/add", 0, REFUSED_TOKEN })->kind, VERDICT_WAIT);
        assert_int_equal(world.step.verdict.at_ms, NOON + 20 * 1000);
        world_done(&world);
}

static void a_token_that_grows_old_is_asked_for_again_and_a_wrong_secret_stops_all(void **state) {
        static const int codes[] = { 40001, 40125, 40164, 40013 };
        static const char *const lives[] = { "0", "-1", "86401", "9223372036854775807", "\"x\"" };
        struct world world;

        (void) state;
        world_init(&world, "{}");
        (void) RUN(&world, TOKENS, { "draft/add", NOT_SENT, NULL });
        world.delivery.now_ms += MINUTES(117); /* of 120, the last four are not begun */
        assert_int_equal(RUN(&world, TOKENS, { "draft/add", NOT_SENT, NULL })->kind, VERDICT_LATER);
        assert_true(json_is_false(json_object_get(world.account, "same")));
        world_done(&world);

        /* What is no time to live is not believed for long. */
        for (size_t i = 0; i < ELEMENTS(lives); i++) {
                char body[100];

                (void) snprintf(body, sizeof(body), "{\"access_token\":\"T1\",\"expires_in\":%s}", lives[i]);
                world_init(&world, "{}");
                (void) RUN(&world, { "stable_token", 0, body }, { "draft/add", NOT_SENT, NULL });
                assert_int_equal(wechat_number(world.account, "until"), NOON + MINUTES(1));
                world_done(&world);
        }
        for (size_t i = 0; i < ELEMENTS(codes); i++) {
                char body[80];

                (void) snprintf(body, sizeof(body), "{\"errcode\":%d,\"errmsg\":\"x\"}", codes[i]);
                world_init(&world, "{}");
                assert_int_equal(RUN(&world, { "stable_token", 0, body })->kind, VERDICT_BLOCKED);
                assert_null(strstr(world.step.verdict.sentence, "s3cret"));
                world_done(&world);
        }
        world_init(&world, "{}");
        world.delivery.secret = "token = x\n";
        assert_int_equal(world_run(&world, (const struct line[]) { END })->kind, VERDICT_BLOCKED);
        assert_non_null(strstr(world.step.verdict.sentence, "appsecret"));
        world_done(&world);
}

/* -- pushes -- */

static void push_world(struct world *world) {
        world_init(world, "{}");
        world->options.push = true;
}

static void a_first_publication_is_pushed_and_the_push_knows_itself_again(void **state) {
        struct world world;
        json_t *body;
        char mark[19];

        (void) state;
        push_world(&world);
        assert_int_equal(RUN(&world, TOKENS, DRAFT, { "mass/sendall", LOST, NULL })->kind,
                         VERDICT_UNCERTAIN);
        assert_int_equal(
                RUN(&world,
                    { "mass/sendall", 0,
                      "{\"errcode\":45065,\"errmsg\":\"clientmsgid exist\",\"msg_id\":300}" })
                        ->kind,
                VERDICT_ASK);
        body = request_json(&world, 0);
        wechat_mark(&world.delivery, mark);
        assert_string_equal(wechat_text(body, "clientmsgid"), mark);
        assert_true(json_is_true(json_object_get(json_object_get(body, "filter"), "is_to_all")));
        json_decref(body);
        (void) json_object_set_new(
                world.book, "done.push.300",
                json_string("{\"status\":0,\"article\":\"mass:300\",\"url\":\"http://m\"}"));
        assert_int_equal(world_run(&world, (const struct line[]) { END })->kind, VERDICT_DONE);
        assert_string_equal(world.step.verdict.reference, "mass:300");
        world_done(&world);
}

static void what_cannot_be_pushed_today_is_published_today(void **state) {
        struct world world;

        (void) state;
        push_world(&world);
        assert_int_equal(RUN(&world, TOKENS, DRAFT,
                             { "mass/sendall", 0, "{\"errcode\":45028,\"errmsg\":\"no quota\"}" },
                             { "freepublish/submit", 0, "{\"errcode\":0,\"publish_id\":\"1\"}" })
                                 ->kind,
                         VERDICT_ASK);
        assert_string_equal(wechat_text(world.book, "push-none"), "1");
        world_done(&world);

        push_world(&world); /* and the next one does not ask */
        (void) json_object_set_new(world.book, "push-none", json_string("1"));
        assert_int_equal(RUN(&world, TOKENS, DRAFT,
                             { "freepublish/submit", 0, "{\"errcode\":0,\"publish_id\":\"1\"}" })
                                 ->kind,
                         VERDICT_ASK);
        world_done(&world);
}

static void a_push_waits_half_an_hour_for_the_administrator(void **state) {
        static const char waits[] = "{\"errcode\":89504,\"errmsg\":\"need admin\"}";
        struct world world;

        (void) state;
        push_world(&world);
        assert_int_equal(RUN(&world, TOKENS, DRAFT, { "mass/sendall", 0, waits })->kind,
                         VERDICT_WAIT);
        world.delivery.now_ms += MINUTES(29);
        assert_int_equal(RUN(&world, { "mass/sendall", 0, waits })->kind, VERDICT_WAIT);
        world.delivery.now_ms += MINUTES(2);
        assert_int_equal(RUN(&world, { "mass/sendall", 0, waits })->kind, VERDICT_REFUSED);
        world_done(&world);
}

/* -- channel test -- */

static void a_test_says_what_the_account_may_use(void **state) {
        static const char none[] = "{\"errcode\":48001,\"errmsg\":\"api unauthorized\"}";
        struct world world;
        const struct verdict *verdict;

        (void) state;
        world_init(&world, "{}");
        world.delivery.kind = DELIVER_TEST;
        verdict = RUN(&world, TOKENS, { "draft/batchget", 0, "{\"total_count\":3}" },
                      { "freepublish/batchget", 0, "{\"total_count\":0}" },
                      { "mass/speed/get", 0, none });
        assert_int_equal(verdict->kind, VERDICT_DONE);
        assert_non_null(strstr(verdict->sentence, "发布：可以用"));
        assert_non_null(strstr(verdict->sentence, "群发：不能用（48001"));
        assert_null(strstr(verdict->sentence, "完成认证"));
        world.options.push = true;
        verdict = RUN(&world, { "draft/batchget", 0, "{\"total_count\":3}" },
                      { "freepublish/batchget", 0, OK }, { "mass/speed/get", 0, none });
        assert_int_equal(verdict->kind, VERDICT_BLOCKED);
        verdict = RUN(&world, { "draft/batchget", 0, "{\"total_count\":3}" },
                      { "freepublish/batchget", 0, none }, { "mass/speed/get", 0, OK });
        assert_int_equal(verdict->kind, VERDICT_BLOCKED);
        assert_non_null(strstr(verdict->sentence, "发布：不能用（48001"));
        assert_non_null(strstr(verdict->sentence, "完成认证"));
        world_done(&world);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(every_code_of_the_table_has_its_class_and_its_verdict),
                cmocka_unit_test(what_is_answered_by_a_step_has_its_class_too),
                cmocka_unit_test(
                        an_answer_that_is_none_leaves_doubt_only_where_a_citizen_would_see_it),
                cmocka_unit_test(a_refused_token_is_renewed_the_normal_way_first),
                cmocka_unit_test(a_submission_that_was_refused_for_its_token_goes_out_once),
                cmocka_unit_test(force_is_used_twenty_times_a_day_and_half_a_minute_apart),
                cmocka_unit_test(
                        a_token_that_grows_old_is_asked_for_again_and_a_wrong_secret_stops_all),
                cmocka_unit_test(a_first_publication_is_pushed_and_the_push_knows_itself_again),
                cmocka_unit_test(what_cannot_be_pushed_today_is_published_today),
                cmocka_unit_test(a_push_waits_half_an_hour_for_the_administrator),
                cmocka_unit_test(a_test_says_what_the_account_may_use),
        };

        return cmocka_run_group_tests_name("wechat: codes", tests, NULL, NULL);
}
