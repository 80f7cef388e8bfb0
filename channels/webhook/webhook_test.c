#include "channels/webhook/fixture.h"

#include "core/problems.h"

/* A signature over the exact body and headers that leave us, checked as a receiver would: by the
 * text "id.timestamp.body" of what arrived. */
static void assert_signed(const struct step *step, const char *secrets) {
        struct buf wanted = { 0 };
        unsigned line;

        assert_int_equal(webhook_sign(secrets, header(step, "webhook-id"),
                                      strtoll(header(step, "webhook-timestamp"), NULL, 10),
                                      buf_text(&step->http.body), step->http.body.len, &wanted,
                                      &line), 0);
        assert_string_equal(header(step, "webhook-signature"), buf_text(&wanted));
        buf_done(&wanted);
}

static json_t *event_of(const char *type, const char *document) {
        return json_pack("{s:s, s:s, s:s, s:s, s:{s:s, s:s}}", "specversion", "1.0", "type", type,
                         "source", "urn:gongkai:530581:oa", "id", "e1", "data", "document",
                         document, "title", "关于停水的通知");
}

static void each_kind_of_delivery_is_one_post_with_its_event(void **state) {
        static const struct {
                enum delivery_kind kind;
                const char *type, *rank, *id;
        } rows[] = {
                { DELIVER_PUBLISH, "cn.gongkai.disclosure.publish.v1", "7 0 publish",
                  EVENT_ID "-7-media" },
                { DELIVER_WITHDRAW, "cn.gongkai.disclosure.withdraw.v1", "7 1 withdraw",
                  EVENT_ID "-7w-media" },
                { DELIVER_EXPIRE, "cn.gongkai.disclosure.withdraw.v1", "7 1 expire",
                  EVENT_ID "-7x-media" },
        };

        (void) state;
        for (size_t i = 0; i < ELEMENTS(rows); i++) {
                json_t *event = event_of(rows[i].type, "oa-1"), *sent;
                struct delivery delivery = delivery_of(rows[i].kind, event);
                struct step step = { 0 };

                print_message("%s\n", rows[i].rank);
                assert_int_equal(webhook_driver.begin(&delivery, &step), 0);
                assert_int_equal(step.kind, STEP_HTTP);
                assert_string_equal(step.http.method, "POST");
                assert_string_equal(step.http.url, webhook_options.url);
                assert_true(step.http.repeatable); /* the key makes it so */
                assert_string_equal(header(&step, "Content-Type"),
                                    "application/cloudevents+json; charset=utf-8");
                assert_string_equal(header(&step, "Idempotency-Key"), delivery.key);
                assert_string_equal(header(&step, "Gongkai-Rank"), rows[i].rank);
                assert_string_equal(header(&step, "webhook-id"), rows[i].id);
                assert_string_equal(header(&step, "webhook-timestamp"), "1795320000");
                assert_null(header(&step, "webhook-signature")); /* without a secret */
                sent = json_loadb(step.http.body.data, step.http.body.len, 0, NULL);
                assert_true(json_equal(sent, event));
                json_decref(sent);
                json_decref(event);
                step_done(&step);
        }
}

static void the_bytes_as_they_were_accepted_go_out_unread(void **state) {
        static const char bytes[] = "{ \"specversion\" : \"1.0\" }";
        struct delivery delivery = delivery_of(DELIVER_PUBLISH, NULL);
        struct step step = { 0 };

        (void) state;
        assert_true(webhook_driver.raw);
        delivery.bytes = bytes;
        delivery.n_bytes = sizeof(bytes) - 1;
        assert_int_equal(webhook_driver.begin(&delivery, &step), 0);
        assert_int_equal(step.kind, STEP_HTTP);
        assert_ptr_equal(step.http.lent, bytes); /* as they lie, not copied */
        assert_int_equal(step.http.n_lent, sizeof(bytes) - 1);
        step_done(&step);
}

static void what_can_be_looked_for_is_never_sent_again_by_the_transport(void **state) {
        struct webhook_options options = webhook_options;
        json_t *event = event_of("cn.gongkai.disclosure.publish.v1", "oa-1");
        struct delivery delivery = delivery_of(DELIVER_PUBLISH, event);
        struct step step = { 0 };

        (void) state;
        options.lookup_url = (char *) "https://media.example.gov.cn/look?key={key}";
        delivery.options = &options;
        assert_int_equal(webhook_driver.begin(&delivery, &step), 0);
        assert_string_equal(step.http.method, "POST");
        assert_false(step.http.repeatable);
        json_decref(event);
        step_done(&step);
}

static void a_second_withdrawal_has_a_rank_of_its_own(void **state) {
        json_t *event = event_of("cn.gongkai.disclosure.withdraw.v1", "oa-1");
        struct delivery delivery = delivery_of(DELIVER_WITHDRAW, event);
        struct step step = { 0 };

        (void) state;
        delivery.level = 2;
        delivery.revision_part = "7w2";
        assert_int_equal(webhook_driver.begin(&delivery, &step), 0);
        assert_string_equal(header(&step, "Gongkai-Rank"), "7 2 withdraw");
        assert_string_equal(header(&step, "webhook-id"), EVENT_ID "-7w2-media");
        step_done(&step);
        json_decref(event);
}

static void a_repeat_differs_in_time_and_signature_only(void **state) {
        json_t *event = event_of("cn.gongkai.disclosure.publish.v1", "oa-1");
        struct delivery delivery = delivery_of(DELIVER_PUBLISH, event);
        struct step first = { 0 }, second = { 0 };

        (void) state;
        delivery.secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw\nnew key";
        assert_int_equal(webhook_driver.begin(&delivery, &first), 0);
        delivery.attempt = 5;
        delivery.doubt = true;
        delivery.now_ms += 3600 * 1000;
        assert_int_equal(webhook_driver.begin(&delivery, &second), 0);
        assert_string_equal(header(&first, "Idempotency-Key"), header(&second, "Idempotency-Key"));
        assert_string_equal(header(&first, "webhook-id"), header(&second, "webhook-id"));
        assert_string_equal(header(&second, "webhook-timestamp"), "1795323600");
        assert_int_equal(first.http.body.len, second.http.body.len);
        assert_memory_equal(first.http.body.data, second.http.body.data, first.http.body.len);
        assert_signed(&first, delivery.secret);
        assert_signed(&second, delivery.secret);
        assert_string_not_equal(header(&first, "webhook-signature"),
                                header(&second, "webhook-signature"));
        step_done(&first);
        step_done(&second);
        json_decref(event);
}

static void a_bad_secret_stops_the_channel_and_sends_nothing(void **state) {
        static const struct {
                const char *secret, *says;
        } rows[] = {
                { "good\nwhsec_not base64", "2" },
                { " \n", "没有密钥" },
        };

        (void) state;
        for (size_t i = 0; i < ELEMENTS(rows); i++) {
                json_t *event = event_of("cn.gongkai.disclosure.publish.v1", "oa-1");
                struct delivery delivery = delivery_of(DELIVER_PUBLISH, event);
                struct step step = { 0 };

                delivery.secret = rows[i].secret;
                assert_int_equal(webhook_driver.begin(&delivery, &step), 0);
                assert_int_equal(step.kind, STEP_VERDICT);
                assert_int_equal(step.verdict.kind, VERDICT_BLOCKED);
                assert_string_equal(step.verdict.code, "webhook/secret");
                assert_non_null(strstr(step.verdict.sentence, rows[i].says));
                assert_null(strstr(step.verdict.sentence, "base64\n"));
                assert_null(strstr(step.verdict.sentence, "good"));
                step_done(&step);
                json_decref(event);
        }
}

static void a_header_is_one_line_whatever_the_key(void **state) {
        json_t *event = event_of("cn.gongkai.disclosure.publish.v1", "x");
        struct delivery delivery = delivery_of(DELIVER_PUBLISH, event);
        struct step step = { 0 };
        char long_key[2001];

        (void) state;
        delivery.key = "530581/a\r\nX-Evil: 1\n/7/media\x7f\xe5\x85\xac";
        assert_int_equal(webhook_driver.begin(&delivery, &step), 0);
        assert_string_equal(header(&step, "Idempotency-Key"), "530581/aX-Evil: 1/7/media");
        for (char **at = step.http.headers; *at; at++)
                assert_null(strpbrk(*at, "\r\n"));
        step_done(&step);

        memset(long_key, 'k', sizeof(long_key) - 1); /* 128 characters, percent-encoded */
        long_key[sizeof(long_key) - 1] = '\0';
        delivery.key = long_key;
        assert_int_equal(webhook_driver.begin(&delivery, &step), 0);
        assert_string_equal(header(&step, "Idempotency-Key"), long_key);
        step_done(&step);
        json_decref(event);
}

static void a_setup_is_nothing_and_a_test_is_marked(void **state) {
        struct delivery delivery = delivery_of(DELIVER_SETUP, NULL);
        struct step step = { 0 };
        json_t *sent;

        (void) state;
        assert_int_equal(webhook_driver.begin(&delivery, &step), 0);
        assert_int_equal(step.kind, STEP_VERDICT);
        assert_int_equal(step.verdict.kind, VERDICT_DONE);
        step_done(&step);

        delivery.kind = DELIVER_TEST;
        delivery.key = "test";
        delivery.event_id = "";
        delivery.secret = "key";
        assert_int_equal(webhook_driver.begin(&delivery, &step), 0);
        assert_string_equal(header(&step, "Gongkai-Test"), "1");
        assert_string_equal(header(&step, "Idempotency-Key"), "test");
        assert_null(header(&step, "Gongkai-Rank"));
        assert_signed(&step, "key"); /* so that the receiver can try its side too */
        sent = json_loadb(step.http.body.data, step.http.body.len, 0, NULL);
        assert_string_equal(json_string_value(json_object_get(sent, "type")), "cn.gongkai.test.v1");
        assert_string_equal(json_string_value(json_object_get(sent, "specversion")), "1.0");
        json_decref(sent);
        step_done(&step);
}

static void only_addresses_that_can_be_sent_to_pass_the_check(void **state) {
        static const struct {
                const char *url;
                bool good;
        } rows[] = {
                { "http://127.0.0.1/", true },
                { "https://media.example.gov.cn", true },
                { "https://media.example.gov.cn:8443/in?token=a%20b&x=1", true },
                { "http://[2001:db8::1]:8080/in", true },
                { "http://[::1]/", true },
                { "http://under_score.example/", true },
                { "https://a.cn?x", true },
                { "", false },
                { "media.example.gov.cn", false },
                { "//media.example.gov.cn/in", false },
                { "ftp://media.example.gov.cn/in", false },
                { "file:///etc/passwd", false },
                { "HTTP://A.CN/", false },
                { "https://", false },
                { "https:///in", false },
                { "https://:8080/in", false },
                { "https://a.cn:/in", false },
                { "https://a.cn:0/in", false },
                { "https://a.cn:65536/in", false },
                { "https://a.cn:80a/in", false },
                { "https://user:password@a.cn/in", false },
                { "https://user@a.cn/in", false },
                { "https://a.cn/in#part", false },
                { "https://a.cn/in out", false },
                { "https://a.cn/in\"", false },
                { "https://a.cn\\@b.cn/", false },
                { "https://媒体.cn/", false },
                { "https://a.cn/公开", false },
                { "https://a.cn/\x01", false },
                { "https://-a.cn/", false },
                { "https://.cn/", false },
                { "http://[::1/", false },
                { "http://[]/", false },
                { "http://[x]/", false },
        };

        (void) state;
        for (size_t i = 0; i < ELEMENTS(rows); i++) {
                const struct webhook_options options = { .url = (char *) rows[i].url };
                struct problems problems = { 0 };

                print_message("%s\n", rows[i].url);
                webhook_driver.check(&options, "media.conf", &problems);
                assert_int_equal(problems.n, rows[i].good ? 0 : 1);
                problems_done(&problems);
        }
}

static void the_settings_have_words_and_need_an_address(void **state) {
        struct webhook_options options = { 0 };
        struct problems problems = { 0 };
        const struct settings_part part = { webhook_driver.settings, webhook_driver.n_settings,
                                            &options };
        struct conf *empty = NULL;

        (void) state;
        assert_ptr_equal(driver_find("webhook"), &webhook_driver);
        assert_int_equal(conf_parse("media.conf", "", 0, &problems, &empty), 0);
        assert_int_equal(settings_apply(&part, 1, empty, &problems), 0);
        assert_int_equal(problems.n, 1);
        assert_non_null(strstr(problems.list[0].text, "url"));
        assert_string_equal(options.content_type, "application/cloudevents+json");
        webhook_driver.check(&options, "media.conf", &problems); /* nothing to look at: no crash */
        settings_release(webhook_driver.settings, webhook_driver.n_settings, &options);
        problems_done(&problems);
        (void) conf_free(empty);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(each_kind_of_delivery_is_one_post_with_its_event),
                cmocka_unit_test(the_bytes_as_they_were_accepted_go_out_unread),
                cmocka_unit_test(what_can_be_looked_for_is_never_sent_again_by_the_transport),
                cmocka_unit_test(a_second_withdrawal_has_a_rank_of_its_own),
                cmocka_unit_test(a_repeat_differs_in_time_and_signature_only),
                cmocka_unit_test(a_bad_secret_stops_the_channel_and_sends_nothing),
                cmocka_unit_test(a_header_is_one_line_whatever_the_key),
                cmocka_unit_test(a_setup_is_nothing_and_a_test_is_marked),
                cmocka_unit_test(only_addresses_that_can_be_sent_to_pass_the_check),
                cmocka_unit_test(the_settings_have_words_and_need_an_address),
        };

        return cmocka_run_group_tests_name("webhook", tests, NULL, NULL);
}
