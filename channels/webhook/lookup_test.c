#include "channels/webhook/fixture.h"

static const struct webhook_options asked = {
        .url = (char *) "https://media.example.gov.cn:8443/in?token=s3cret",
        .content_type = (char *) "application/cloudevents+json",
        .lookup_url = (char *) "https://media.example.gov.cn:8443/by-key?key={key}&v=1",
};

static json_t *event_of(void) {
        return json_pack("{s:s, s:{s:s}}", "type", "cn.gongkai.disclosure.publish.v1", "data",
                         "document", "oa-1");
}

/* A delivery in doubt since 12:00, 15 s of late effects, `after_ms` later. */
static struct delivery doubt(enum delivery_kind kind, json_t *event, json_t *memo,
                             int64_t after_ms) {
        struct delivery delivery = delivery_of(kind, event);

        delivery.options = &asked;
        delivery.memo = memo;
        delivery.doubt = true;
        delivery.doubt_since_ms = NOON;
        delivery.late_effect_ms = 15000;
        delivery.now_ms = NOON + after_ms;
        return delivery;
}

static void what_was_sent_is_looked_for_before_it_is_sent_again(void **state) {
        static const struct {
                const char *story;
                const char *memo;
                bool doubt, shown, has_address, looks;
        } rows[] = {
                { "nothing is known", NULL, false, false, true, false },
                { "sent, and no answer", "530581/oa-1/7/media", true, false, true, true },
                { "never sent: the worker died before", NULL, true, false, true, false },
                { "an older revision was sent", "530581/oa-1/6/media", true, false, true, false },
                { "shown, and looked at once more", NULL, true, true, true, true },
                { "nobody to ask", "530581/oa-1/7/media", true, false, false, false },
        };

        (void) state;
        for (size_t i = 0; i < ELEMENTS(rows); i++) {
                json_t *event = event_of(), *memo = NULL;
                struct delivery delivery;
                struct step step = { 0 };

                print_message("%s\n", rows[i].story);
                if (rows[i].memo)
                        memo = json_pack("{s:s}", "key", rows[i].memo);
                delivery = doubt(DELIVER_PUBLISH, event, memo, 0);
                delivery.doubt = rows[i].doubt;
                delivery.shown = rows[i].shown;
                delivery.options = rows[i].has_address ? &asked : &webhook_options;
                assert_int_equal(webhook_driver.begin(&delivery, &step), 0);
                assert_int_equal(step.kind, STEP_HTTP);
                assert_string_equal(step.http.method, rows[i].looks ? "GET" : "POST");
                if (rows[i].looks)
                        assert_string_equal(step.http.url, "https://media.example.gov.cn:8443/by-key"
                                                           "?key=530581%2Foa-1%2F7%2Fmedia&v=1");
                /* What is sent is on disk before, where it can be asked for later. */
                assert_int_equal(step.checkpoint, rows[i].has_address && !rows[i].looks);
                if (step.checkpoint)
                        assert_string_equal(json_string_value(json_object_get(step.memo, "key")),
                                            delivery.key);
                step_done(&step);
                json_decref(event);
                json_decref(memo);
        }
}

static void an_older_one_on_its_way_is_waited_for(void **state) {
        static const struct {
                const char *story;
                enum delivery_kind kind;
                int64_t settled_ms;
                bool shown, has_address, waits;
        } rows[] = {
                { "it can still come", DELIVER_PUBLISH, NOON + 1, false, true, true },
                { "it can come no more", DELIVER_PUBLISH, NOON, false, true, false },
                { "there is none", DELIVER_PUBLISH, 0, false, true, false },
                { "a receiver that knows ranks", DELIVER_PUBLISH, NOON + 1, false, false, false },
                { "a withdrawal goes at once", DELIVER_WITHDRAW, NOON + 1, false, true, false },
                { "and once more", DELIVER_WITHDRAW, 0, true, true, false },
                { "an expiry too", DELIVER_EXPIRE, 0, true, true, false },
        };

        (void) state;
        for (size_t i = 0; i < ELEMENTS(rows); i++) {
                json_t *event = event_of();
                struct delivery delivery = doubt(rows[i].kind, event, NULL, 0);
                struct step step = { 0 };

                print_message("%s\n", rows[i].story);
                delivery.settled_ms = rows[i].settled_ms;
                delivery.shown = rows[i].shown;
                delivery.options = rows[i].has_address ? &asked : &webhook_options;
                assert_int_equal(webhook_driver.begin(&delivery, &step), 0);
                if (rows[i].waits) {
                        assert_int_equal(step.kind, STEP_VERDICT);
                        assert_int_equal(step.verdict.kind, VERDICT_ASK);
                        assert_int_equal(step.verdict.at_ms, rows[i].settled_ms);
                } else {
                        assert_int_equal(step.kind, STEP_HTTP);
                        assert_string_equal(step.http.method, "POST");
                }
                step_done(&step);
                json_decref(event);
        }
}

static void every_answer_to_the_question_has_one_meaning(void **state) {
        static const struct {
                const char *story;
                enum delivery_kind kind;
                struct http_reply reply;
                int64_t after_ms;
                bool sends;
                enum verdict_kind verdict;
                const char *code;
        } rows[] = {
                { "it is there", DELIVER_PUBLISH, { .status = 200, .body = "{\"id\":\"m-7\"}" }, 0,
                  false, VERDICT_DONE, "done" },
                { "it is there, without a word more", DELIVER_PUBLISH,
                  { .status = 200, .body = "{}" }, 0, false, VERDICT_DONE, "done" },
                { "a page that greets everybody", DELIVER_PUBLISH,
                  { .status = 200, .body = "<html>" }, 0, false, VERDICT_LATER, "webhook/lookup" },
                { "an empty page", DELIVER_PUBLISH, { .status = 200, .body = "" }, 0, false,
                  VERDICT_LATER, "webhook/lookup" },
                { "a list", DELIVER_PUBLISH, { .status = 200, .body = "[]" }, 0, false,
                  VERDICT_LATER, "webhook/lookup" },
                { "not there, too early to believe it", DELIVER_PUBLISH, { .status = 404 }, 14999,
                  false, VERDICT_ASK, "webhook/not-yet" },
                { "not there, and nothing can come any more", DELIVER_PUBLISH, { .status = 404 },
                  15000, true, 0, NULL },
                { "a withdrawal does not wait", DELIVER_WITHDRAW, { .status = 404 }, 0, true, 0,
                  NULL },
                { "an expiry neither", DELIVER_EXPIRE, { .status = 404 }, 0, true, 0, NULL },
                { "gone is not an answer to this", DELIVER_PUBLISH, { .status = 410 }, 99999, false,
                  VERDICT_LATER, "webhook/lookup" },
                { "who are you", DELIVER_PUBLISH, { .status = 401 }, 0, false, VERDICT_LATER,
                  "webhook/lookup" },
                { "broken", DELIVER_PUBLISH, { .status = 500 }, 0, false, VERDICT_LATER,
                  "webhook/lookup" },
                { "silent", DELIVER_PUBLISH, { .sent = true, .error = "timed out" }, 0, false,
                  VERDICT_LATER, "webhook/lookup" },
                { "away", DELIVER_PUBLISH, { .error = "no route" }, 0, false, VERDICT_LATER,
                  "webhook/lookup" },
        };

        (void) state;
        for (size_t i = 0; i < ELEMENTS(rows); i++) {
                json_t *event = event_of(), *memo = json_pack("{s:s, s:b}", "key", "k", "look", 1);
                struct delivery delivery = doubt(rows[i].kind, event, memo, rows[i].after_ms);
                struct reply reply = { .kind = STEP_HTTP, .http = rows[i].reply };
                struct step step = { 0 };

                print_message("%s\n", rows[i].story);
                reply.http.n_body = reply.http.body ? strlen(reply.http.body) : 0;
                assert_int_equal(webhook_driver.next(&delivery, &reply, &step), 0);
                assert_int_equal(step.kind, rows[i].sends ? STEP_HTTP : STEP_VERDICT);
                if (rows[i].sends) {
                        assert_string_equal(step.http.method, "POST");
                        assert_true(step.checkpoint);
                        assert_false(json_is_true(json_object_get(step.memo, "look")));
                } else {
                        assert_int_equal(step.verdict.kind, rows[i].verdict);
                        assert_string_equal(step.verdict.code, rows[i].code);
                        assert_int_equal(step.verdict.at_ms,
                                         rows[i].verdict == VERDICT_ASK ? NOON + 15000 : 0);
                }
                step_done(&step);
                json_decref(event);
                json_decref(memo);
        }
}

static void what_broke_may_have_taken_it(void **state) {
        static const struct {
                long status;
                enum verdict_kind asked, not_asked;
        } rows[] = {
                { 500, VERDICT_UNCERTAIN, VERDICT_LATER }, { 501, VERDICT_LATER, VERDICT_LATER },
                { 502, VERDICT_UNCERTAIN, VERDICT_LATER }, { 503, VERDICT_LATER, VERDICT_LATER },
                { 504, VERDICT_UNCERTAIN, VERDICT_LATER }, { 408, VERDICT_LATER, VERDICT_LATER },
        };
        struct webhook_options keyed = asked;

        (void) state;
        keyed.lookup_url = NULL;
        for (size_t i = 0; i < ELEMENTS(rows); i++)
                for (unsigned looks = 0; looks < 2; looks++) {
                        json_t *event = event_of();
                        struct delivery delivery = doubt(DELIVER_PUBLISH, event, NULL, 0);
                        struct http_reply reply = { .status = rows[i].status, .sent = true };
                        struct step step = { 0 };

                        if (!looks)
                                delivery.options = &keyed;
                        assert_int_equal(webhook_judge(&delivery, &reply, &step), 0);
                        assert_int_equal(step.verdict.kind,
                                         looks ? rows[i].asked : rows[i].not_asked);
                        step_done(&step);
                        json_decref(event);
                }
}

static void an_address_without_the_key_is_none(void **state) {
        static const struct {
                const char *story, *address;
                bool sound;
        } rows[] = {
                { "in the query", "https://media.cn/x?key={key}", true },
                { "in the path", "http://10.0.0.5:8080/{key}/state", true },
                { "without it", "https://media.cn/x", false },
                { "not closed", "https://media.cn/{key", false },
                { "another hole", "https://media.cn/{id}", false },
                { "another one beside it", "https://media.cn/{id}/{key}", false },
                { "no address", "{key}", false },
                { "of another kind", "ftp://media.cn/{key}", false },
        };

        (void) state;
        for (size_t i = 0; i < ELEMENTS(rows); i++) {
                print_message("%s\n", rows[i].story);
                assert_int_equal(webhook_lookup_is_sound(rows[i].address), rows[i].sound);
        }
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(what_was_sent_is_looked_for_before_it_is_sent_again),
                cmocka_unit_test(an_older_one_on_its_way_is_waited_for),
                cmocka_unit_test(every_answer_to_the_question_has_one_meaning),
                cmocka_unit_test(what_broke_may_have_taken_it),
                cmocka_unit_test(an_address_without_the_key_is_none),
        };

        return cmocka_run_group_tests_name("webhook look-up", tests, NULL, NULL);
}
