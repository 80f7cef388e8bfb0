#include "channels/wechat/fixture.h"

#define DRAFT                                                                                      \
        { "/cgi-bin/draft/add", 0, "{\"media_id\":\"M1\"}" }
#define SUBMIT                                                                                     \
        { "/cgi-bin/freepublish/submit", 0, "{\"errcode\":0,\"publish_id\":\"100\"}" }
#define PICTURE                                                                                    \
        { "/cgi-bin/media/uploadimg", 0, "{\"url\":\"http://mmbiz.qpic.cn/a\"}" }
#define COVER(id)                                                                                  \
        {                                                                                          \
                "/cgi-bin/material/add_material?type=image", 0,                                    \
                        "{\"media_id\":\"" id "\",\"url\":\"http://c\"}"                           \
        }
#define TOKENS                                                                                     \
        { "stable_token", 0, TOKEN }
#define END                                                                                        \
        { NULL, 0, NULL }
#define RUN(world, ...) world_run(world, (const struct line[]) { __VA_ARGS__, END })

static const char png[] = "\x89PNG\r\n\x1a\nxxxxxxxxxxxxxxxxxxxx";

static const struct attachment attachments[] = {
        { "a.png", "image/png", "inline", SHA_A, 1000, NULL, true },
        { "封面.jpg", "image/jpeg", "cover", SHA_B, 1000, NULL, true },
};

static void with_pictures(struct world *world) {
        world_init(
                world,
                "{\"body\":{\"format\":\"markdown\",\"content\":\"![图](attachment:a.png) 文\"}}");
        world->delivery.attachments = attachments;
        world->delivery.n_attachments = 2;
}

static json_t *draft_of(const struct world *world, size_t i) {
        json_t *body = request_json(world, i), *article;

        article = json_incref(json_array_get(json_object_get(body, "articles"), 0));
        json_decref(body);
        assert_non_null(article);
        return article;
}

static void pictures_and_cover_go_up_once_for_all_documents(void **state) {
        struct world world;
        json_t *article;

        (void) state;
        with_pictures(&world);
        assert_int_equal(RUN(&world, TOKENS, PICTURE, COVER("C1"), DRAFT, SUBMIT)->kind,
                         VERDICT_ASK);
        assert_true(json_is_true(json_object_get(json_array_get(world.requests, 1), "upload")));
        assert_non_null(strstr(wechat_text(json_array_get(world.requests, 1), "body"),
                               "name=\"media\"; filename=\""));
        article = draft_of(&world, 3);
        assert_string_equal(wechat_text(article, "thumb_media_id"), "C1");
        assert_non_null(
                strstr(wechat_text(article, "content"), "<img src=\"http://mmbiz.qpic.cn/a\""));
        json_decref(article);

        world.delivery.document = "oa-2"; /* another one with the same pictures */
        world_part(&world, DELIVER_PUBLISH, "1", 1);
        assert_int_equal(RUN(&world, DRAFT, SUBMIT)->kind, VERDICT_ASK);
        article = draft_of(&world, 0);
        assert_string_equal(wechat_text(article, "thumb_media_id"), "C1");
        json_decref(article);
        world_done(&world);
}

static void media_that_are_gone_go_up_once_more_and_no_more(void **state) {
        static const int codes[] = { 40007, 46001 };

        (void) state;
        for (size_t i = 0; i < ELEMENTS(codes); i++) {
                struct world world;
                char gone[80];

                (void) snprintf(gone, sizeof(gone),
                                "{\"errcode\":%d,\"errmsg\":\"invalid media_id\"}", codes[i]);
                with_pictures(&world);
                assert_int_equal(RUN(&world, TOKENS, PICTURE, COVER("C1"), { "draft/add", 0, gone },
                                     PICTURE, COVER("C2"), DRAFT, SUBMIT)
                                         ->kind,
                                 VERDICT_ASK);
                world_done(&world);

                with_pictures(&world);
                assert_int_equal(RUN(&world, TOKENS, PICTURE, COVER("C1"), { "draft/add", 0, gone },
                                     PICTURE, COVER("C2"), { "draft/add", 0, gone })
                                         ->kind,
                                 VERDICT_REFUSED);
                assert_non_null(strstr(world.step.verdict.sentence, "封面"));
                world_done(&world);

                world_init(&world, "{}"); /* a configured media id cannot be put up anew */
                assert_int_equal(RUN(&world, TOKENS, { "draft/add", 0, gone })->kind,
                                 VERDICT_REFUSED);
                world_done(&world);
        }
}

static void a_draft_that_somebody_deleted_is_made_once_more(void **state) {
        static const char gone[] = "{\"errcode\":40007,\"errmsg\":\"invalid media_id\"}";
        struct world world;

        (void) state;
        world_init(&world, "{}");
        assert_int_equal(RUN(&world, TOKENS, DRAFT, { "freepublish/submit", 0, gone },
                             { "draft/add", 0, "{\"media_id\":\"M2\"}" }, SUBMIT)
                                 ->kind,
                         VERDICT_ASK);
        world_done(&world);
        world_init(&world, "{}");
        assert_int_equal(RUN(&world, TOKENS, DRAFT, { "freepublish/submit", 0, gone },
                             { "draft/add", 0, "{\"media_id\":\"M2\"}" },
                             { "freepublish/submit", 0, gone })
                                 ->kind,
                         VERDICT_REFUSED);
        world_done(&world);
}

static void the_default_cover_is_a_file_that_goes_up_once(void **state) {
        struct world world;
        json_t *article;

        (void) state;
        world_init(&world, "{}");
        world.options.cover_media = NULL;
        world.options.cover = (char *) "cover.png";
        world.file = png;
        world.n_file = sizeof(png) - 1;
        assert_int_equal(RUN(&world, TOKENS, COVER("C1"), DRAFT, SUBMIT)->kind, VERDICT_ASK);
        assert_true(json_is_false(json_object_get(json_array_get(world.requests, 1), "upload")));
        world.delivery.document = "oa-2";
        world_part(&world, DELIVER_PUBLISH, "1", 1);
        assert_int_equal(RUN(&world, DRAFT, SUBMIT)->kind, VERDICT_ASK);
        article = draft_of(&world, 0);
        assert_string_equal(wechat_text(article, "thumb_media_id"), "C1");
        json_decref(article);
        world_done(&world);
}

static void a_file_that_is_none_stops_the_channel(void **state) {
        static const struct {
                bool is_template;
                const char *file;
                int error;
                const char *code, *says;
        } rows[] = {
                { false, NULL, ENOENT, "wechat/file", "读不了" },
                { false, NULL, E2BIG, "wechat/file", "不超过 10 MB" },
                { false, "this is no picture at all", 0, "wechat/file", "要 jpg" },
                { true, NULL, ENOENT, "wechat/file", "读不了" },
                { true, NULL, E2BIG, "wechat/template", "太长" },
                { true, "\xb9\xab\xbf\xaa", 0, "wechat/file", "读不了" },
                { true, "{{#body}}", 0, "wechat/template", "第 1 行" },
        };

        (void) state;
        for (size_t i = 0; i < ELEMENTS(rows); i++) {
                struct world world;

                world_init(&world, "{}");
                if (rows[i].is_template) {
                        world.options.template = (char *) "body.mustache";
                } else {
                        world.options.cover = (char *) "cover.png";
                        world.options.cover_media = NULL;
                }
                world.file = rows[i].file;
                world.n_file = rows[i].file ? strlen(rows[i].file) : 0;
                world.file_error = rows[i].error;
                /* At the first publication, and at `channel test` already. */
                for (int test = 0; test < 2; test++) {
                        if (test)
                                world.delivery.kind = DELIVER_TEST;
                        assert_int_equal(world_run(&world, (const struct line[]) { END })->kind,
                                         VERDICT_BLOCKED);
                        assert_string_equal(world.step.verdict.code, rows[i].code);
                        assert_non_null(strstr(world.step.verdict.sentence, rows[i].says));
                        assert_non_null(strstr(world.step.verdict.sentence,
                                               rows[i].is_template ? "body.mustache" : "cover.png"));
                }
                world_done(&world);
        }
}

static void a_template_of_ones_own_makes_the_body(void **state) {
        static const char template[] = "<section>{{number}} {{{body}}}</section>";
        struct world world;
        json_t *article;

        (void) state;
        world_init(&world, "{\"number\":\"1号\"}");
        world.options.template = (char *) "body.mustache";
        world.file = template;
        world.n_file = strlen(template);
        assert_int_equal(RUN(&world, TOKENS, DRAFT, SUBMIT)->kind, VERDICT_ASK);
        article = draft_of(&world, 1);
        assert_int_equal(strncmp(wechat_text(article, "content"), "<section>1号 <p>11月23日", 20),
                         0);
        json_decref(article);
        world_done(&world);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(pictures_and_cover_go_up_once_for_all_documents),
                cmocka_unit_test(media_that_are_gone_go_up_once_more_and_no_more),
                cmocka_unit_test(a_draft_that_somebody_deleted_is_made_once_more),
                cmocka_unit_test(the_default_cover_is_a_file_that_goes_up_once),
                cmocka_unit_test(a_file_that_is_none_stops_the_channel),
                cmocka_unit_test(a_template_of_ones_own_makes_the_body),
        };

        return cmocka_run_group_tests_name("wechat: media", tests, NULL, NULL);
}
