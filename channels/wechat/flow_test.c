#include "channels/wechat/fixture.h"

#define DRAFT                                                                                      \
        { "/cgi-bin/draft/add", 0, "{\"media_id\":\"M1\"}" }
#define SUBMIT                                                                                     \
        { "/cgi-bin/freepublish/submit", 0, "{\"errcode\":0,\"publish_id\":\"100\"}" }
#define PUBLISHED                                                                                  \
        "{\"publish_id\":\"100\",\"publish_status\":0,\"article_id\":\"A7\",\"article_detail\":"   \
        "{\"count\":1,\"item\":[{\"idx\":1,\"article_url\":\"http://mp.weixin.qq.com/s/7\"}]}}"
#define END                                                                                        \
        { NULL, 0, NULL }
#define RUN(world, ...) world_run(world, (const struct line[]) { __VA_ARGS__, END })

static const struct line nothing[] = { END };

static void assert_verdict(const struct verdict *verdict, enum verdict_kind kind, const char *code,
                           int64_t at_ms) {
        if (verdict->kind != kind)
                print_message("%s: %s\n", verdict->code,
                              verdict->sentence ? verdict->sentence : "");
        assert_int_equal(verdict->kind, kind);
        if (kind != VERDICT_DONE) {
                assert_non_null(verdict->sentence);
                assert_null(strchr(verdict->sentence, '{'));
                assert_string_equal(verdict->code, code);
        }
        assert_int_equal(verdict->at_ms, at_ms);
}

/* Up to the submission: the first attempt of every story. */
static void submit(struct world *world) {
        assert_verdict(RUN(world, { "/cgi-bin/stable_token", 0, TOKEN }, DRAFT, SUBMIT),
                       VERDICT_ASK, "wechat/publishing", NOON + MINUTES(5));
}

static void publish(struct world *world) {
        submit(world);
        world->delivery.now_ms += MINUTES(5);
        assert_verdict(RUN(world, { "/cgi-bin/freepublish/get", 0, PUBLISHED }), VERDICT_DONE, NULL,
                       0);
        assert_string_equal(world->step.verdict.reference, "A7");
        assert_string_equal(world->step.verdict.url, "http://mp.weixin.qq.com/s/7");
        world->delivery.reference = "A7";
        world->delivery.url = "http://mp.weixin.qq.com/s/7";
        world->delivery.first_shown_ms = NOON;
}

static void a_notice_goes_out_in_three_requests_and_is_asked_for_later(void **state) {
        struct world world;
        json_t *body;

        (void) state;
        world_init(&world, "{}");
        submit(&world);
        body = request_json(&world, 0);
        assert_string_equal(wechat_text(body, "grant_type"), "client_credential");
        assert_string_equal(wechat_text(body, "secret"), "s3cret");
        assert_null(json_object_get(body, "force_refresh"));
        json_decref(body);
        assert_non_null(strstr(wechat_text(json_array_get(world.requests, 1), "url"),
                               "https://api.weixin.qq.com/cgi-bin/draft/add?access_token=T1"));
        assert_true(json_is_true(json_object_get(json_array_get(world.requests, 1), "harmless")));
        assert_true(json_is_false(json_object_get(json_array_get(world.requests, 2), "harmless")));
        assert_true(json_is_true(json_object_get(json_array_get(world.requests, 2), "checkpoint")));
        body = request_json(&world, 2);
        assert_string_equal(wechat_text(body, "media_id"), "M1");
        json_decref(body);
        assert_string_equal(wechat_text(world.book, "job.publish.100"), "oa-1");
        assert_int_equal(count_of(&world, "submit"), 1);
        world_done(&world);
}

static void a_result_is_asked_for_after_5_15_and_60_minutes_and_then_every_hour(void **state) {
        static const int64_t minutes[] = { 5, 15, 60, 120, 180 };
        struct world world;

        (void) state;
        world_init(&world, "{}");
        submit(&world);
        world.options.unclear_ms = 0;
        for (size_t i = 0; i + 1 < ELEMENTS(minutes); i++) {
                json_object_clear(world.account);
                json_decref(world.account);
                world.account = NULL;
                world.delivery.now_ms = NOON + MINUTES(minutes[i]);
                assert_verdict(RUN(&world, { "stable_token", 0, TOKEN },
                                   { "/cgi-bin/freepublish/get", 0,
                                     "{\"publish_id\":\"100\",\"publish_status\":1}" }),
                               VERDICT_ASK, "wechat/publishing", NOON + MINUTES(minutes[i + 1]));
        }
        assert_int_equal(count_of(&world, "get"), 4);
        world_done(&world);
}

static void what_a_call_told_needs_no_look(void **state) {
        struct world world;

        (void) state;
        world_init(&world, "{}");
        submit(&world);
        (void) json_object_set_new(
                world.book, "done.publish.100",
                json_string("{\"status\":0,\"article\":\"A7\",\"url\":\"http://u\"}"));
        assert_verdict(world_run(&world, nothing), VERDICT_DONE, NULL, 0);
        assert_string_equal(world.step.verdict.reference, "A7");
        assert_string_equal(world.step.verdict.url, "http://u");
        world_done(&world);

        world_init(&world, "{}"); /* plain: a hint only */
        submit(&world);
        (void) json_object_set_new(
                world.book, "done.publish.100",
                json_string("{\"status\":0,\"article\":\"FORGED\",\"hint\":true}"));
        assert_verdict(RUN(&world, { "/cgi-bin/freepublish/get", 0, PUBLISHED }), VERDICT_DONE,
                       NULL, 0);
        assert_string_equal(world.step.verdict.reference, "A7");
        world_done(&world);
}

static void every_result_of_the_platform_has_its_end(void **state) {
        static const struct {
                int status;
                enum verdict_kind kind;
                const char *code;
        } rows[] = {
                { 2, VERDICT_REFUSED, "wechat/not-published" },
                { 3, VERDICT_LATER, "wechat/failed" },
                { 4, VERDICT_REFUSED, "wechat/not-published" },
                { 5, VERDICT_REFUSED, "wechat/not-published" },
                { 6, VERDICT_REFUSED, "wechat/not-published" },
        };

        (void) state;
        for (size_t i = 0; i < ELEMENTS(rows); i++) {
                struct world world;
                char body[80];

                print_message("publish_status %d\n", rows[i].status);
                (void) snprintf(body, sizeof(body), "{\"publish_status\":%d,\"fail_idx\":[1]}",
                                rows[i].status);
                world_init(&world, "{}");
                submit(&world);
                world.delivery.now_ms += MINUTES(5);
                assert_verdict(RUN(&world, { "freepublish/get", 0, body }), rows[i].kind,
                               rows[i].code, 0);
                if (rows[i].status ==
                    3) { /* once more, with a new draft; then it is the content's */
                        world.delivery.now_ms += MINUTES(1);
                        assert_verdict(RUN(&world, DRAFT, SUBMIT), VERDICT_ASK, "wechat/publishing",
                                       NOON + MINUTES(11));
                        world.delivery.now_ms += MINUTES(5);
                        assert_verdict(RUN(&world, { "freepublish/get", 0, body }), VERDICT_REFUSED,
                                       "wechat/not-published", 0);
                }
                world_done(&world);
        }
}

static void a_revision_is_shown_before_the_old_one_goes(void **state) {
        struct world world;

        (void) state;
        world_init(&world, "{}");
        publish(&world);
        world_part(&world, DELIVER_PUBLISH, "8", 8);
        assert_verdict(RUN(&world, { "draft/add", 0, "{\"media_id\":\"M2\"}" },
                           { "freepublish/submit", 0, "{\"errcode\":0,\"publish_id\":\"101\"}" }),
                       VERDICT_ASK, "wechat/publishing", NOON + MINUTES(10));
        (void) json_object_set_new(
                world.book, "done.publish.101",
                json_string("{\"status\":0,\"article\":\"A8\",\"url\":\"http://8\"}"));
        world.delivery.surplus = "STALE A7";
        assert_verdict(
                RUN(&world, { "freepublish/delete", 0, OK }, { "freepublish/delete", 0, OK }),
                VERDICT_DONE, NULL, 0);
        assert_string_equal(world.step.verdict.reference, "A8");
        assert_int_equal(count_of(&world, "delete"), 2);
        world_done(&world);
}

static void what_is_over_is_marked_by_an_article_of_its_own(void **state) {
        (void) state;
        for (int note_gone = 0; note_gone < 2; note_gone++) {
                struct world world;

                world_init(&world, "{}");
                publish(&world);
                if (note_gone)
                        (void) json_object_clear(world.book);
                world_part(&world, DELIVER_PUBLISH, "7e", 7);
                world.delivery.shown = true; /* the revision is, without the mark */
                world.delivery.ended = true;
                assert_verdict(RUN(&world, { "draft/add", 0, "{\"media_id\":\"M2\"}" },
                                   { "freepublish/submit", 0, "{\"errcode\":0,\"publish_id\":\"101\"}" }),
                               VERDICT_ASK, "wechat/publishing", NOON + MINUTES(10));
                (void) json_object_set_new(
                        world.book, "done.publish.101",
                        json_string("{\"status\":0,\"article\":\"A7E\",\"url\":\"http://7e\"}"));
                assert_verdict(RUN(&world, { "freepublish/delete", 0, OK }), VERDICT_DONE, NULL, 0);
                assert_string_equal(world.step.verdict.reference, "A7E");
                assert_string_equal(world.step.verdict.url, "http://7e");
                assert_verdict(world_run(&world, nothing), VERDICT_DONE, NULL, 0); /* once more */
                assert_string_equal(world.step.verdict.reference, "A7E");
                world_done(&world);
        }
}

static void a_revision_leaves_three_deletions_for_withdrawals(void **state) {
        struct world world;
        const struct verdict *verdict;

        (void) state;
        world_init(&world, "{}");
        publish(&world);
        (void) json_object_set_new(world.counts, "delete", json_integer(7));
        world_part(&world, DELIVER_PUBLISH, "8", 8);
        (void) RUN(&world, { "draft/add", 0, "{\"media_id\":\"M2\"}" },
                   { "freepublish/submit", 0, "{\"errcode\":0,\"publish_id\":\"101\"}" });
        (void) json_object_set_new(
                world.book, "done.publish.101",
                json_string("{\"status\":0,\"article\":\"A8\",\"url\":\"http://8\"}"));
        verdict = world_run(&world, nothing);
        assert_verdict(verdict, VERDICT_WAIT, "wechat/quota", MIDNIGHT);
        assert_non_null(strstr(verdict->sentence, "2026-11-23 00:00"));
        assert_non_null(strstr(verdict->sentence, "1 篇"));

        /* Not forgotten, and not published twice. */
        world.delivery.now_ms = MIDNIGHT;
        json_object_clear(world.counts);
        assert_verdict(RUN(&world, { "stable_token", 0, TOKEN }, { "freepublish/delete", 0, OK }),
                       VERDICT_DONE, NULL, 0);
        assert_string_equal(world.step.verdict.reference, "A8");

        /* A withdrawal may use the reserve. */
        (void) json_object_set_new(world.counts, "delete", json_integer(9));
        world.delivery.reference = "A8";
        world_part(&world, DELIVER_WITHDRAW, "8w", 8);
        assert_verdict(RUN(&world, { "freepublish/delete", 0, OK }), VERDICT_DONE, NULL, 0);
        assert_null(world.step.verdict.reference);
        world_done(&world);
}

static void a_withdrawal_takes_all_that_stands(void **state) {
        static const enum delivery_kind kinds[] = { DELIVER_WITHDRAW, DELIVER_EXPIRE };

        (void) state;
        for (size_t i = 0; i < ELEMENTS(kinds); i++) {
                struct world world;

                world_init(&world, "{\"mode\":\"mark\"}");
                publish(&world);
                world_part(&world, kinds[i], i == 0 ? "7w" : "7x", 7);
                world.delivery.surplus = "B1 mass:55";
                assert_verdict(
                        RUN(&world, { "freepublish/delete", 0, OK },
                            { "freepublish/delete", 0, "{\"errcode\":53600,\"errmsg\":\"gone\"}" },
                            { "mass/delete", 0, OK }),
                        VERDICT_DONE, NULL, 0);
                /* Once more: nothing is asked for that is known to be gone. */
                assert_verdict(world_run(&world, nothing), VERDICT_DONE, NULL, 0);
                world_done(&world);
        }
}

static void what_was_never_shown_is_withdrawn_without_a_request(void **state) {
        struct world world;

        (void) state;
        world_init(&world, "{}");
        world_part(&world, DELIVER_WITHDRAW, "7w", 7);
        assert_verdict(world_run(&world, nothing), VERDICT_DONE, NULL, 0);
        world_done(&world);
}

static void a_withdrawal_waits_for_what_is_still_being_published(void **state) {
        struct world world;

        (void) state;
        world_init(&world, "{}");
        submit(&world);
        world_part(&world, DELIVER_WITHDRAW, "7w", 7);
        assert_verdict(world_run(&world, nothing), VERDICT_ASK, "wechat/older", NOON + MINUTES(5));
        world.delivery.now_ms += MINUTES(5);
        assert_verdict(
                RUN(&world, { "freepublish/get", 0, PUBLISHED }, { "freepublish/delete", 0, OK }),
                VERDICT_DONE, NULL, 0);
        world_done(&world);
}

static void a_budget_that_is_spent_waits_for_the_next_day(void **state) {
        struct world world;

        (void) state;
        world_init(&world, "{}");
        (void) json_object_set_new(world.counts, "submit", json_integer(WECHAT_SUBMITS));
        assert_verdict(RUN(&world, { "stable_token", 0, TOKEN }, DRAFT), VERDICT_WAIT,
                       "wechat/quota", MIDNIGHT);
        json_object_clear(world.counts);
        assert_verdict(RUN(&world, SUBMIT), VERDICT_ASK, "wechat/publishing", NOON + MINUTES(5));
        (void) json_object_set_new(world.counts, "get", json_integer(WECHAT_GETS));
        world.delivery.now_ms += MINUTES(5);
        assert_verdict(world_run(&world, nothing), VERDICT_ASK, "wechat/publishing", MIDNIGHT);
        world_done(&world);
}

static void what_is_shown_already_is_not_touched(void **state) {
        struct world world;

        (void) state;
        world_init(&world, "{}");
        world.delivery.shown = true;
        world.delivery.reference = "A7"; /* and the note is gone by now */
        world.delivery.url = "http://7";
        assert_verdict(world_run(&world, nothing), VERDICT_DONE, NULL, 0);
        assert_string_equal(world.step.verdict.reference, "A7");
        assert_string_equal(world.step.verdict.url, "http://7");
        world_done(&world);
}

static void a_repair_looks_first(void **state) {
        struct world world;

        (void) state;
        world_init(&world, "{}");
        publish(&world);
        world.delivery.shown = true;
        world_part(&world, DELIVER_PUBLISH, "7r2", 7);
        assert_verdict(
                RUN(&world, { "freepublish/getarticle", 0, "{\"news_item\":[{\"title\":\"t\"}]}" }),
                VERDICT_DONE, NULL, 0);
        world_part(&world, DELIVER_PUBLISH, "7r3", 7);
        assert_verdict(RUN(&world, { "freepublish/getarticle", 0, "{\"errcode\":53600}" },
                           { "draft/add", 0, "{\"media_id\":\"M2\"}" },
                           { "freepublish/submit", 0, "{\"errcode\":0,\"publish_id\":101}" }),
                       VERDICT_ASK, "wechat/publishing", NOON + MINUTES(10));
        world_done(&world);
}

/* The list of what is published, with the mark of the delivery in the text of each. */
static const char *list_of(const struct world *world, const char *first, const char *second) {
        static char list[800];
        char mark[19];

        wechat_mark(&world->delivery, mark);
        (void) snprintf(list, sizeof(list),
                        "{\"item\":[{\"article_id\":\"%s\",\"content\":{\"news_item\":[{"
                        "\"content\":\"..%s\",\"url\":\"http://1\"}]}},"
                        "{\"article_id\":\"%s\",\"content\":{\"news_item\":[{\"content\":\"..%s\","
                        "\"url\":\"http://2\"}]}},"
                        "{\"article_id\":\"OTHER\",\"content\":{\"news_item\":[{\"content\":"
                        "\"GK0000000000000000\"}]}}]}",
                        first, mark, second, mark);
        return list;
}

static void what_had_to_be_submitted_twice_is_looked_at_for_a_twin(void **state) {
        struct world world;

        (void) state;
        world_init(&world, "{}");
        assert_verdict(RUN(&world, { "stable_token", 0, TOKEN }, DRAFT,
                           { "freepublish/submit", -1, NULL }),
                       VERDICT_UNCERTAIN, "wechat/unclear", 0);
        assert_verdict(RUN(&world, { "draft/get", 0, "{\"news_item\":[]}" }), VERDICT_ASK,
                       "wechat/unclear", NOON + MINUTES(10));
        world.delivery.now_ms += MINUTES(10); /* still a draft: it did not come */
        assert_verdict(RUN(&world, { "draft/get", 0, "{\"news_item\":[]}" }, SUBMIT), VERDICT_ASK,
                       "wechat/publishing", NOON + MINUTES(15));
        assert_int_equal(count_of(&world, "submit"), 2);
        world.delivery.now_ms += MINUTES(5);
        assert_verdict(RUN(&world, { "freepublish/get", 0, PUBLISHED }), VERDICT_DONE, NULL, 0);
        world.delivery.shown = true; /* and yet it did come */
        world.delivery.reference = "A7";
        assert_verdict(RUN(&world, { "freepublish/batchget", 0, list_of(&world, "A6", "A7") },
                           { "freepublish/delete", 0, OK }),
                       VERDICT_DONE, NULL, 0);
        assert_string_equal(world.step.verdict.reference, "A7");
        assert_verdict(world_run(&world, nothing), VERDICT_DONE, NULL, 0); /* looked at once */
        world_done(&world);
}

static void a_draft_that_left_the_box_is_looked_for_a_day_and_never_repeated(void **state) {
        static const int64_t minutes[] = { 5, 15, 60, 120, 24 * 60 };
        static const char gone[] = "{\"errcode\":40007}";
        struct world world;

        (void) state;
        world_init(&world, "{}");
        (void) RUN(&world, { "stable_token", 0, TOKEN }, DRAFT, { "freepublish/submit", -1, NULL });
        for (size_t i = 0; i + 1 < ELEMENTS(minutes); i++) {
                world.delivery.now_ms = NOON + (i == 0 ? 0 : MINUTES(minutes[i - 1]));
                json_decref(world.account);
                world.account = NULL;
                assert_verdict(RUN(&world, { "stable_token", 0, TOKEN }, { "draft/get", 0, gone },
                                   { "freepublish/batchget", 0, "{\"item\":[]}" }),
                               VERDICT_ASK, "wechat/unclear", NOON + MINUTES(minutes[i]));
        }
        world.delivery.now_ms = NOON + MINUTES(24 * 60);
        json_decref(world.account);
        world.account = NULL;
        assert_verdict(RUN(&world, { "stable_token", 0, TOKEN }, { "draft/get", 0, gone },
                           { "freepublish/batchget", 0, "{\"item\":[]}" }),
                       VERDICT_REFUSED, "wechat/not-published", 0);
        /* Somebody has looked, and replays it: it is made anew. */
        assert_verdict(RUN(&world, DRAFT, SUBMIT), VERDICT_ASK, "wechat/publishing",
                       NOON + MINUTES(24 * 60 + 5));
        world_done(&world);

        world_init(&world, "{}");
        (void) RUN(&world, { "stable_token", 0, TOKEN }, DRAFT, { "freepublish/submit", -1, NULL });
        assert_verdict(RUN(&world, { "draft/get", 0, gone },
                           { "freepublish/batchget", 0, list_of(&world, "A7", "A7") }),
                       VERDICT_DONE, NULL, 0);
        assert_string_equal(world.step.verdict.reference, "A7");
        world_done(&world);
}

static void an_address_and_a_cover_are_needed(void **state) {
        static const struct {
                struct wechat_options options;
                size_t n;
        } rows[] = {
                { { .appid = (char *) "wx1234567890",
                    .api = (char *) "https://a.cn",
                    .cover = (char *) "c.png" },
                  0 },
                { { .appid = (char *) "wx1234567890",
                    .api = (char *) "http://127.0.0.1:80",
                    .cover = (char *) "c" },
                  0 },
                { { .appid = (char *) "wx1234567890",
                    .api = (char *) "http://127.0.0.1.a.cn",
                    .cover = (char *) "c" },
                  1 },
                { { .appid = (char *) "wx1234567890",
                    .api = (char *) "http://a.cn",
                    .cover = (char *) "c" },
                  1 },
                { { .appid = (char *) "wx1234567890",
                    .api = (char *) "https://a.cn/",
                    .cover = (char *) "c" },
                  1 },
                { { .appid = (char *) "gh_1234567", .api = (char *) "https://a.cn" }, 2 },
                { { .appid = (char *) "wx1234567890",
                    .api = (char *) "https://a.cn",
                    .cover = (char *) "c",
                    .cover_media = (char *) "m" },
                  1 },
        };

        (void) state;
        for (size_t i = 0; i < ELEMENTS(rows); i++) {
                struct problems problems = { 0 };

                wechat_driver.check(&rows[i].options, "x.conf", &problems);
                assert_int_equal(problems.n, rows[i].n);
                problems_done(&problems);
        }
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(a_notice_goes_out_in_three_requests_and_is_asked_for_later),
                cmocka_unit_test(
                        a_result_is_asked_for_after_5_15_and_60_minutes_and_then_every_hour),
                cmocka_unit_test(what_a_call_told_needs_no_look),
                cmocka_unit_test(every_result_of_the_platform_has_its_end),
                cmocka_unit_test(a_revision_is_shown_before_the_old_one_goes),
                cmocka_unit_test(what_is_over_is_marked_by_an_article_of_its_own),
                cmocka_unit_test(a_revision_leaves_three_deletions_for_withdrawals),
                cmocka_unit_test(a_withdrawal_takes_all_that_stands),
                cmocka_unit_test(what_was_never_shown_is_withdrawn_without_a_request),
                cmocka_unit_test(a_withdrawal_waits_for_what_is_still_being_published),
                cmocka_unit_test(a_budget_that_is_spent_waits_for_the_next_day),
                cmocka_unit_test(what_is_shown_already_is_not_touched),
                cmocka_unit_test(a_repair_looks_first),
                cmocka_unit_test(what_had_to_be_submitted_twice_is_looked_at_for_a_twin),
                cmocka_unit_test(a_draft_that_left_the_box_is_looked_for_a_day_and_never_repeated),
                cmocka_unit_test(an_address_and_a_cover_are_needed),
        };

        return cmocka_run_group_tests_name("wechat: flow", tests, NULL, NULL);
}
