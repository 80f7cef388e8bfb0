#include "channels/display/fixture.h"

#include "channels/sightings.h"
#include "core/digest.h"

#define DIGEST "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
#define SHOWING "\"region\":\"530581\",\"showing\":[{\"document\":\"oa-1\",\"revision\":1,\"digest\":\"" DIGEST "\"}]"
#define BEAT(more) "{\"format\":1," more SHOWING "}"

static char *two[] = { (char *) "hall", (char *) "wuhe@530581103" };

static void only_a_sound_heartbeat_of_a_display_counts(void **state) {
        static const struct {
                const char *story, *path, *body, *secret;
                unsigned status;
                const char *player, *trouble;
                const char *method, *type;
        } rows[] = {
                { "the display's own", "/display/hall/beat", BEAT(""), NULL, 204, "hall", NULL, NULL, NULL },
                { "at the root", "/wuhe/beat", BEAT("\"screen\":\"wuhe\","), NULL, 204, "wuhe", NULL, NULL, NULL },
                { "a named one", "/hall/beat", BEAT("\"player\":\"left.1\","), NULL, 204, "hall/left.1", NULL,
                  NULL, NULL },
                { "with a charset", "/hall/beat", BEAT(""), NULL, 204, "hall", NULL, NULL,
                  "Application/JSON; charset=utf-8" },
                { "no such display", "/display/tv/beat", BEAT(""), NULL, 400, NULL, "没有这块屏", NULL, NULL },
                { "another place", "/display/hall/", BEAT(""), NULL, 400, NULL, "没有这块屏", NULL, NULL },
                { "no place at all", "beat", BEAT(""), NULL, 400, NULL, "没有这块屏", NULL, NULL },
                { "the page of another display", "/hall/beat", BEAT("\"screen\":\"wuhe\","), NULL, 400, NULL,
                  "hall 的心跳", NULL, NULL },
                { "a look", "/hall/beat", BEAT(""), NULL, 400, NULL, "JSON", "GET", NULL },
                { "as a form of another site would send it", "/hall/beat", BEAT(""), NULL, 400, NULL, "JSON",
                  NULL, "text/plain" },
                { "another type", "/hall/beat", BEAT(""), NULL, 400, NULL, "JSON", NULL, "application/jsonp" },
                { "no JSON", "/hall/beat", "format=1", NULL, 400, NULL, "JSON", NULL, NULL },
                { "no object", "/hall/beat", "[1]", NULL, 400, NULL, "JSON", NULL, NULL },
                { "another format", "/hall/beat", "{\"format\":2," SHOWING "}", NULL, 400, NULL, "JSON", NULL,
                  NULL },
                { "a member twice", "/hall/beat", BEAT("\"format\":1,"), NULL, 400, NULL, "JSON", NULL, NULL },
                { "a name that is none", "/hall/beat", BEAT("\"player\":\"a/b\","), NULL, 400, NULL, "名称", NULL,
                  NULL },
                { "a name of no letter", "/hall/beat", BEAT("\"player\":\"\","), NULL, 400, NULL, "名称", NULL,
                  NULL },
                { "a name that is a number", "/hall/beat", BEAT("\"player\":7,"), NULL, 400, NULL, "JSON", NULL,
                  NULL },
                { "nothing shown", "/hall/beat", "{\"format\":1}", NULL, 400, NULL, "JSON", NULL, NULL },
                { "its key", "/hall/beat", BEAT("\"key\":\"s3cret\","), "beat = s3cret\n", 204, "hall", NULL, NULL,
                  NULL },
                { "a file that is the key", "/hall/beat", BEAT("\"key\":\"s3cret\","), "s3cret\n", 204, "hall",
                  NULL, NULL, NULL },
                { "a wrong key", "/hall/beat", BEAT("\"key\":\"s3cres\","), "beat = s3cret\n", 403, NULL, "口令",
                  NULL, NULL },
                { "a key that begins well", "/hall/beat", BEAT("\"key\":\"s3c\","), "beat = s3cret\n", 403, NULL,
                  "口令", NULL, NULL },
                { "no key", "/hall/beat", BEAT(""), "beat = s3cret\n", 403, NULL, "口令", NULL, NULL },
                { "a secret without the key", "/hall/beat", BEAT("\"key\":\"\","), "other = s3cret\n", 403, NULL,
                  "beat", NULL, NULL },
        };
        struct display_options options = { .displays = { .items = two, .n = 2 } };

        (void) state;
        for (size_t i = 0; i < ELEMENTS(rows); i++) {
                const struct call call = {
                        .method = OR(rows[i].method, "POST"), .path = rows[i].path, .body = rows[i].body,
                        .n_body = strlen(rows[i].body), .content_type = OR(rows[i].type, "application/json"),
                };
                struct call_answer answer = { 0 };

                print_message("%s\n", rows[i].story);
                assert_int_equal(display_driver.call(&call, &options, rows[i].secret, NOON, &answer), 0);
                assert_int_equal(answer.status, rows[i].status);
                assert_true((answer.sight != NULL) == (rows[i].player != NULL));
                assert_true((answer.trouble != NULL) == (rows[i].trouble != NULL));
                if (rows[i].player)
                        assert_string_equal(json_string_value(json_object_get(answer.sight, "player")),
                                            rows[i].player);
                if (rows[i].trouble) {
                        assert_non_null(strstr(answer.trouble, rows[i].trouble));
                        assert_true(answer.body.len > 0);
                        assert_null(strstr(answer.trouble, "s3c"));
                }
                call_answer_done(&answer);
        }
}

static void a_heartbeat_that_is_too_large_is_not_read(void **state) {
        struct display_options options = { .displays = { .items = two, .n = 2 } };
        struct call call = { .method = "POST", .path = "/hall/beat", .content_type = "application/json" };
        struct call_answer answer = { 0 };
        struct buf body = { 0 };

        (void) state;
        buf_str(&body, BEAT(""));
        while (body.len <= SIGHTING_BYTES)
                buf_str(&body, "        ");
        call.body = buf_text(&body);
        call.n_body = body.len;
        assert_int_equal(display_driver.call(&call, &options, NULL, NOON, &answer), 0);
        assert_int_equal(answer.status, 400);
        call_answer_done(&answer);
        buf_done(&body);
}

/* -- what is published, and what is taken down -- */

static void the_digest_is_that_of_what_is_drawn(void **state) {
        struct wall wall;
        struct buf text = { 0 };
        char digest[DIGEST_TEXT];
        json_t *item, *list;

        (void) state;
        wall_init(&wall);
        deliver_well(&wall, &(struct act) { .urgent = true, .title = "停水", .after_url = "https://a.cn/1",
                                            .more = "{\"number\":\"7号\",\"formed\":\"2026-11-20\"}" });
        item = first_of(&wall, "hall");
        buf_fmt(&text, "oa-1\n1\nnotice\n停水\n7号\n\n2026-11-20\n%s\n\n\ntrue\nhttps://a.cn/1",
                string_of(item, "html"));
        digest_bytes(text.data, text.len, digest);
        assert_string_equal(string_of(item, "digest"), digest);
        list = playlist(&wall, "hall");
        assert_string_equal(string_of(list, "region"), "530581");
        assert_null(json_object_get(list, "beat")); /* nobody listens */
        json_decref(list);
        json_decref(item);
        buf_done(&text);
        wall_done(&wall);
}

static json_t *says(const char *player, int64_t revision, const char *digest, int64_t seen_ms) {
        return json_pack("{s:{s:I, s:I, s:s}}", player, "seen_ms", (json_int_t) seen_ms, "revision",
                         (json_int_t) revision, "digest", digest);
}

static void it_is_published_when_a_screen_has_drawn_it(void **state) {
        const struct act act = { .kind = DELIVER_PUBLISH };
        struct act later = { .kind = DELIVER_PUBLISH, .at_ms = NOON + 5000 };
        struct wall wall;
        struct step step;
        json_t *item, *list, *screens;

        (void) state;
        wall_init(&wall);
        wall.options.listen = (char *) "127.0.0.1:5602";
        wall.options.address = (char *) "http://a.cn";
        deliver(&wall, &act, &step);
        assert_int_equal(step.verdict.kind, VERDICT_ASK);
        assert_string_equal(step.verdict.code, "screens/none");
        step_done(&step);
        assert_int_equal(wall.n_commits, 1);
        assert_shown(&wall, "hall", "oa-1");
        list = playlist(&wall, "hall");
        assert_string_equal(string_of(list, "beat"), "beat");
        json_decref(list);

        /* Looking again writes nothing again. */
        item = first_of(&wall, "hall");
        wall.screens = screens = says("hall", 1, DIGEST, NOON);
        deliver(&wall, &later, &step);
        assert_string_equal(step.verdict.code, "screens/different");
        step_done(&step);
        json_decref(screens);
        wall.screens = screens = says("hall", 1, string_of(item, "digest"), NOON);
        deliver(&wall, &later, &step);
        assert_int_equal(step.verdict.kind, VERDICT_DONE);
        assert_string_equal(step.verdict.url, "http://a.cn/hall/");
        step_done(&step);
        assert_int_equal(wall.n_commits, 1);
        json_decref(screens);
        json_decref(item);
        wall_done(&wall);
}

static void what_was_crowded_out_meanwhile_is_not_waited_for(void **state) {
        struct act later = { .at_ms = NOON + 2 * 60000 };
        struct wall wall;
        struct step step;
        json_t *memo;

        (void) state;
        wall_init(&wall);
        wall.options.listen = (char *) "127.0.0.1:5602";
        wall.options.most = 1;
        deliver(&wall, &(struct act) { .kind = DELIVER_PUBLISH }, &step);
        step_done(&step);
        memo = json_incref(wall.memo);
        deliver(&wall, &later, &step);
        assert_int_equal(step.verdict.kind, VERDICT_ASK); /* it is there still */
        step_done(&step);
        deliver(&wall, &(struct act) { .document = "oa-2", .at_ms = NOON + 1 }, &step);
        step_done(&step);
        json_decref(wall.memo);
        wall.memo = memo;
        deliver(&wall, &later, &step);
        assert_int_equal(step.verdict.kind, VERDICT_DONE);
        assert_non_null(strstr(step.verdict.sentence, "most"));
        step_done(&step);
        assert_int_equal(wall.n_commits, 2);
        wall_done(&wall);
}

static void it_is_withdrawn_when_no_screen_draws_it(void **state) {
        const struct act act = { .kind = DELIVER_WITHDRAW };
        struct wall wall;
        struct step step;
        json_t *screens;

        (void) state;
        wall_init(&wall);
        deliver_well(&wall, &(struct act) { .kind = DELIVER_PUBLISH });
        wall.options.listen = (char *) "127.0.0.1:5602";
        wall.screens = screens = says("hall/left", 1, DIGEST, NOON - 1000);
        deliver(&wall, &act, &step);
        assert_shown(&wall, "hall", ""); /* out of the playlist whoever confirms */
        assert_int_equal(step.verdict.kind, VERDICT_ASK);
        assert_non_null(strstr(step.verdict.still, "hall/left"));
        step_done(&step);
        json_object_set_new(screens, "hall/left", json_pack("{s:I}", "seen_ms", (json_int_t) NOON));
        deliver(&wall, &act, &step);
        assert_int_equal(step.verdict.kind, VERDICT_DONE);
        step_done(&step);
        assert_int_equal(wall.n_commits, 2);
        json_decref(screens);
        wall_done(&wall);
}

static void what_ends_by_itself_is_not_asked_about(void **state) {
        struct wall wall;
        json_t *screens = says("hall", 1, DIGEST, NOON);

        (void) state;
        wall_init(&wall);
        wall.options.listen = (char *) "127.0.0.1:5602";
        wall.screens = screens;
        deliver_well(&wall, &(struct act) { .kind = DELIVER_EXPIRE });
        deliver_well(&wall, &(struct act) { .kind = DELIVER_SETUP });
        deliver_well(&wall, &(struct act) { .kind = DELIVER_TEST });
        json_decref(screens);
        wall_done(&wall);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(only_a_sound_heartbeat_of_a_display_counts),
                cmocka_unit_test(a_heartbeat_that_is_too_large_is_not_read),
                cmocka_unit_test(the_digest_is_that_of_what_is_drawn),
                cmocka_unit_test(it_is_published_when_a_screen_has_drawn_it),
                cmocka_unit_test(what_was_crowded_out_meanwhile_is_not_waited_for),
                cmocka_unit_test(it_is_withdrawn_when_no_screen_draws_it),
                cmocka_unit_test(what_ends_by_itself_is_not_asked_about),
        };

        return cmocka_run_group_tests_name("heartbeats of the player", tests, NULL, NULL);
}
