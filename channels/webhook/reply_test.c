#include "channels/webhook/fixture.h"

#include "core/unicode.h"

static int judge(enum delivery_kind kind, const struct http_reply *from, struct step *ret) {
        struct http_reply reply = *from;
        struct delivery delivery = delivery_of(kind, NULL);
        struct reply any = { .kind = STEP_HTTP };

        if (reply.body && reply.n_body == 0)
                reply.n_body = strlen(reply.body);
        any.http = reply;
        return webhook_driver.next(&delivery, &any, ret);
}

#define SAID(text) .body = text
#define AFTER(text) .retry_after = text

static void every_answer_has_one_meaning(void **state) {
        static const struct {
                const char *story;
                struct http_reply reply;
                enum verdict_kind kind;
                const char *code, *says; /* `says` stands in the sentence */
        } rows[] = {
                { "taken", { .status = 200 }, VERDICT_DONE, "done", NULL },
                { "made", { .status = 201 }, VERDICT_DONE, "done", NULL },
                { "taken, to be worked on", { .status = 202 }, VERDICT_DONE, "done", NULL },
                { "taken, nothing to say", { .status = 204 }, VERDICT_DONE, "done", NULL },
                { "some of the family", { .status = 299 }, VERDICT_DONE, "done", NULL },
                { "taken, whatever the words", { .status = 200, SAID("error") }, VERDICT_DONE,
                  "done", NULL },
                { "several addresses", { .status = 300 }, VERDICT_LATER, "webhook/moved", "300" },
                { "moved for good", { .status = 301 }, VERDICT_LATER, "webhook/moved", "url" },
                { "found elsewhere", { .status = 302 }, VERDICT_LATER, "webhook/moved", "302" },
                { "see other", { .status = 303 }, VERDICT_LATER, "webhook/moved", "303" },
                { "not modified, to a POST", { .status = 304 }, VERDICT_LATER, "webhook/moved",
                  "304" },
                { "with the same body elsewhere", { .status = 307 }, VERDICT_LATER,
                  "webhook/moved", "307" },
                { "the same for good", { .status = 308 }, VERDICT_LATER, "webhook/moved", "308" },
                { "does not understand", { .status = 400, SAID("缺少字段 title\n第二行") },
                  VERDICT_REFUSED, "webhook/refused", "缺少字段 title" },
                { "does not know us", { .status = 401 }, VERDICT_REFUSED, "webhook/refused",
                  "401" },
                { "wants money", { .status = 402 }, VERDICT_REFUSED, "webhook/refused", "402" },
                { "forbids", { .status = 403, SAID("IP 不在名单内") }, VERDICT_REFUSED,
                  "webhook/refused", "IP 不在名单内" },
                { "knows no such address", { .status = 404 }, VERDICT_REFUSED, "webhook/refused",
                  "404" },
                { "takes no POST", { .status = 405 }, VERDICT_REFUSED, "webhook/refused", "405" },
                { "a proxy in between", { .status = 407 }, VERDICT_REFUSED, "webhook/refused",
                  "407" },
                { "waited too long for us", { .status = 408 }, VERDICT_LATER, "webhook/busy",
                  "408" },
                { "has something newer", { .status = 409 }, VERDICT_REFUSED, "webhook/refused",
                  "409" },
                { "is gone", { .status = 410, SAID("已停用") }, VERDICT_REFUSED, "webhook/gone",
                  "已停用" },
                { "too large", { .status = 413 }, VERDICT_REFUSED, "webhook/refused", "413" },
                { "another type", { .status = 415 }, VERDICT_REFUSED, "webhook/refused", "415" },
                { "a teapot", { .status = 418 }, VERDICT_REFUSED, "webhook/refused", "418" },
                { "cannot work with it", { .status = 422, SAID("{\"error\":\"文号重复\"}") },
                  VERDICT_REFUSED, "webhook/refused", "文号重复" },
                { "locked for now is a 4xx", { .status = 423 }, VERDICT_REFUSED,
                  "webhook/refused", "423" },
                { "too early", { .status = 425 }, VERDICT_LATER, "webhook/busy", "425" },
                { "wants a condition", { .status = 428 }, VERDICT_REFUSED, "webhook/refused",
                  "428" },
                { "too many", { .status = 429 }, VERDICT_LATER, "webhook/busy", "429" },
                { "headers too large", { .status = 431 }, VERDICT_REFUSED, "webhook/refused",
                  "431" },
                { "for legal reasons", { .status = 451 }, VERDICT_REFUSED, "webhook/refused",
                  "451" },
                { "the last of the family", { .status = 499 }, VERDICT_REFUSED,
                  "webhook/refused", "499" },
                { "broke", { .status = 500, SAID("Traceback") }, VERDICT_LATER, "webhook/busy",
                  "Traceback" },
                { "does not do that yet", { .status = 501 }, VERDICT_LATER, "webhook/busy",
                  "501" },
                { "somebody behind broke", { .status = 502 }, VERDICT_LATER, "webhook/busy",
                  "502" },
                { "busy", { .status = 503 }, VERDICT_LATER, "webhook/busy", "503" },
                { "somebody behind is silent", { .status = 504 }, VERDICT_LATER, "webhook/busy",
                  "504" },
                { "another HTTP", { .status = 505 }, VERDICT_LATER, "webhook/busy", "505" },
                { "disk full", { .status = 507 }, VERDICT_LATER, "webhook/busy", "507" },
                { "a proxy's own number", { .status = 599 }, VERDICT_LATER, "webhook/busy",
                  "599" },
                { "no HTTP that we know", { .status = 600 }, VERDICT_LATER, "webhook/odd",
                  "600" },
                { "still talking", { .status = 101 }, VERDICT_LATER, "webhook/odd", "101" },
                { "nobody there", { .error = "Connection refused" }, VERDICT_LATER,
                  "webhook/unreachable", "Connection refused" },
                { "no such name", { .error = "Could not resolve host" }, VERDICT_LATER,
                  "webhook/unreachable", "Could not resolve host" },
                { "a certificate for another", { .error = "SSL: no alternative name" },
                  VERDICT_LATER, "webhook/unreachable", "SSL" },
                { "hung up after reading", { .sent = true, .error = "Empty reply from server" },
                  VERDICT_UNCERTAIN, "webhook/unclear", "Empty reply" },
                { "silent for ever", { .sent = true, .error = "Operation timed out" },
                  VERDICT_UNCERTAIN, "webhook/unclear", "timed out" },
                { "silent, and nobody says why", { .sent = true }, VERDICT_UNCERTAIN,
                  "webhook/unclear", "media.example.gov.cn:8443" },
        };

        (void) state;
        for (size_t i = 0; i < ELEMENTS(rows); i++) {
                struct step step = { 0 };
                const struct verdict *verdict = &step.verdict;

                print_message("%s\n", rows[i].story);
                assert_int_equal(judge(DELIVER_PUBLISH, &rows[i].reply, &step), 0);
                assert_int_equal(step.kind, STEP_VERDICT);
                assert_int_equal(verdict->kind, rows[i].kind);
                assert_string_equal(verdict->code, rows[i].code);
                if (rows[i].kind != VERDICT_DONE) {
                        assert_non_null(strstr(verdict->sentence, rows[i].says));
                        assert_non_null(strstr(verdict->sentence, "media.example.gov.cn:8443"));
                        /* a token in the address is nobody's business */
                        assert_null(strstr(verdict->sentence, "s3cret"));
                        if (!rows[i].reply.body)
                                assert_null(strchr(verdict->sentence, '{')); /* no hole is left */
                }
                assert_int_equal(verdict->at_ms, 0);
                step_done(&step);
        }
}

static void retry_after_names_a_moment(void **state) {
        static const int64_t second = 1000, day = 86400 * INT64_C(1000);
        const struct {
                const char *story, *header;
                int64_t wait_ms; /* 0: none */
        } rows[] = {
                { "seconds", "120", 120 * second },
                { "one second", "1", second },
                { "at once is no time", "0", 0 },
                { "a day is the most", "86400", day },
                { "a week is a day", "604800", day },
                { "a number without end", "99999999999999999999999999999999", day },
                { "a negative one", "-5", 0 },
                { "with a fraction", "1.5", 0 },
                { "nothing", "", 0 },
                { "a word", "soon", 0 },
                { "a date as it should be", "Sun, 22 Nov 2026 05:00:00 GMT", 3600 * second },
                { "in the form of RFC 850", "Sunday, 22-Nov-26 05:00:00 GMT", 3600 * second },
                { "in that of asctime", "Sun Nov 22 05:00:00 2026", 3600 * second },
                { "a date of next year", "Fri, 01 Jan 2027 00:00:00 GMT", day },
                { "the moment itself", "Sun, 22 Nov 2026 04:00:00 GMT", 0 },
                { "a date that is past", "Sun, 06 Nov 1994 08:49:37 GMT", 0 },
                { "two digits of the last century", "Sunday, 06-Nov-94 08:49:37 GMT", 0 },
                { "no such day", "Sun, 31 Nov 2026 05:00:00 GMT", 0 },
                { "no such month", "Sun, 22 Xyz 2026 05:00:00 GMT", 0 },
                { "no such hour", "Sun, 22 Nov 2026 25:00:00 GMT", 0 },
                { "without a clock", "Sun, 22 Nov 2026", 0 },
                { "a clock only", "05:00:00", 0 },
                { "letters for a clock", "Sun, 22 Nov 2026 aa:bb:cc GMT", 0 },
                { "only separators", ", - , -", 0 },
        };

        (void) state;
        for (size_t i = 0; i < ELEMENTS(rows); i++) {
                const struct http_reply reply = { .status = 503, .retry_after = rows[i].header };
                struct step step = { 0 };

                print_message("%s\n", rows[i].story);
                assert_int_equal(judge(DELIVER_PUBLISH, &reply, &step), 0);
                assert_int_equal(step.verdict.kind, VERDICT_LATER);
                assert_int_equal(step.verdict.at_ms, rows[i].wait_ms ? NOON + rows[i].wait_ms : 0);
                step_done(&step);
        }
        assert_int_equal(webhook_retry_at(NULL, NOON), 0);
}

static void too_many_with_a_time_is_no_failure(void **state) {
        const struct http_reply reply = { .status = 429, .retry_after = "60" };
        struct step step = { 0 };

        (void) state;
        assert_int_equal(judge(DELIVER_PUBLISH, &reply, &step), 0);
        assert_int_equal(step.verdict.kind, VERDICT_WAIT);
        assert_int_equal(step.verdict.at_ms, NOON + 60000);
        step_done(&step);
}

static void a_refusal_has_no_second_time(void **state) {
        const struct http_reply reply = { .status = 422, .retry_after = "60" };
        struct step step = { 0 };

        (void) state;
        assert_int_equal(judge(DELIVER_PUBLISH, &reply, &step), 0);
        assert_int_equal(step.verdict.kind, VERDICT_REFUSED);
        assert_int_equal(step.verdict.at_ms, 0);
        step_done(&step);
}

static void only_a_sound_id_and_url_are_kept(void **state) {
        static const struct {
                const char *story, *body, *reference, *url;
        } rows[] = {
                { "both", "{\"id\":\"m-7\",\"url\":\"https://m.example.cn/7\"}", "m-7",
                  "https://m.example.cn/7" },
                { "a number is an id too", "{\"id\":4711}", "4711", NULL },
                { "an id of another script", "{\"id\":\"稿-7\"}", "稿-7", NULL },
                { "nothing", "", NULL, NULL },
                { "no object", "[1]", NULL, NULL },
                { "no JSON", "<html>ok</html>", NULL, NULL },
                { "half of it", "{\"id\":\"m-7\"", NULL, NULL },
                { "an id of another kind", "{\"id\":{\"a\":1},\"url\":[]}", NULL, NULL },
                { "true is no id", "{\"id\":true}", NULL, NULL },
                { "an empty id", "{\"id\":\"\",\"url\":\"\"}", NULL, NULL },
                { "an id that turns the line", "{\"id\":\"a\\nb\"}", NULL, NULL },
                { "an id that hides its end", "{\"id\":\"a\\u202eb\"}", NULL, NULL },
                { "script for an address", "{\"url\":\"javascript:alert(1)\"}", NULL, NULL },
                { "a file", "{\"url\":\"file:///etc/passwd\"}", NULL, NULL },
                { "an address without a host", "{\"url\":\"http:///x\"}", NULL, NULL },
                { "an address with a login", "{\"url\":\"http://a:b@c.cn/\"}", NULL, NULL },
                { "with a blank", "{\"url\":\"http://c.cn/a b\"}", NULL, NULL },
                { "with a quote", "{\"url\":\"http://c.cn/\\\"onclick=\"}", NULL, NULL },
                { "with a line end", "{\"url\":\"http://c.cn/\\r\\nX: y\"}", NULL, NULL },
                { "in Chinese, not encoded", "{\"url\":\"http://c.cn/公开\"}", NULL, NULL },
        };

        (void) state;
        for (size_t i = 0; i < ELEMENTS(rows); i++) {
                const struct http_reply reply = { .status = 200, .body = rows[i].body };
                struct step step = { 0 };

                print_message("%s\n", rows[i].story);
                assert_int_equal(judge(DELIVER_PUBLISH, &reply, &step), 0);
                assert_int_equal(step.verdict.kind, VERDICT_DONE);
                if (rows[i].reference)
                        assert_string_equal(step.verdict.reference, rows[i].reference);
                else
                        assert_null(step.verdict.reference);
                if (rows[i].url)
                        assert_string_equal(step.verdict.url, rows[i].url);
                else
                        assert_null(step.verdict.url);
                step_done(&step);
        }
}

static void long_ids_and_addresses_are_dropped(void **state) {
        struct buf body = { 0 };
        struct http_reply reply = { .status = 200 };
        struct step step = { 0 };

        (void) state;
        buf_str(&body, "{\"id\":\"");
        for (int i = 0; i < 201; i++)
                buf_char(&body, 'a');
        buf_str(&body, "\",\"url\":\"https://c.cn/");
        for (int i = 0; i < 2040; i++)
                buf_char(&body, 'a');
        buf_str(&body, "\"}");
        reply.body = buf_text(&body);
        assert_int_equal(judge(DELIVER_PUBLISH, &reply, &step), 0);
        assert_null(step.verdict.reference);
        assert_null(step.verdict.url);
        step_done(&step);
        buf_done(&body);
}

static void what_was_said_once_stays_until_the_withdrawal(void **state) {
        struct delivery delivery = delivery_of(DELIVER_PUBLISH, NULL);
        struct reply reply = { .kind = STEP_HTTP, .http = { .status = 204, .body = "" } };
        struct step step = { 0 };

        (void) state;
        delivery.reference = "m-7";
        delivery.url = "https://m.example.cn/7";
        assert_int_equal(webhook_driver.next(&delivery, &reply, &step), 0);
        assert_string_equal(step.verdict.reference, "m-7");
        assert_string_equal(step.verdict.url, "https://m.example.cn/7");
        step_done(&step);
        delivery.kind = DELIVER_WITHDRAW;
        assert_int_equal(webhook_driver.next(&delivery, &reply, &step), 0);
        assert_string_equal(step.verdict.reference, "m-7");
        assert_null(step.verdict.url);
        step_done(&step);
}

static void a_strangers_words_are_short_and_tame(void **state) {
        static const struct {
                const char *story, *body, *says, *never;
        } rows[] = {
                { "the first line with words", "\r\n\n  拒收：重复 \r\n<hr>", "拒收：重复", "<hr>" },
                { "a byte order mark is no word", "\xef\xbb\xbf" "bad", "bad", "\xef\xbb\xbf" },
                { "colours of a terminal", "\x1b[31mred", "red", "\x1b" },
                { "a line that turns around", "abc\xe2\x80\xae" "def", "abc", "\xe2\x80\xae" },
                { "GBK", "\xbe\xdc\xca\xd5", "\\xbe", "\xbe\xdc" },
                { "only blanks", " \t\r\n ", "没有说明", NULL },
        };

        (void) state;
        for (size_t i = 0; i < ELEMENTS(rows); i++) {
                const struct http_reply reply = { .status = 400, .body = rows[i].body };
                struct step step = { 0 };

                print_message("%s\n", rows[i].story);
                assert_int_equal(judge(DELIVER_PUBLISH, &reply, &step), 0);
                assert_non_null(strstr(step.verdict.sentence, rows[i].says));
                if (rows[i].never)
                        assert_null(strstr(step.verdict.sentence, rows[i].never));
                step_done(&step);
        }
}

static void a_long_answer_is_cut_at_a_character(void **state) {
        struct buf body = { 0 };
        struct http_reply reply = { .status = 400 };
        struct step step = { 0 };
        struct unicode_flaw flaw;
        size_t n;

        (void) state;
        for (int i = 0; i < 21000; i++)
                buf_str(&body, "错");
        reply.body = buf_text(&body);
        assert_int_equal(judge(DELIVER_PUBLISH, &reply, &step), 0);
        assert_true(unicode_check(step.verdict.sentence, strlen(step.verdict.sentence),
                                  UNICODE_TEXT, &n, &flaw));
        assert_in_range(n, 200, 300);
        assert_non_null(strstr(step.verdict.sentence, "错…"));
        step_done(&step);
        buf_done(&body);
}

static void a_test_says_what_came_back(void **state) {
        static const struct {
                const char *story;
                struct http_reply reply;
                enum verdict_kind kind;
                const char *says;
        } rows[] = {
                { "taken", { .status = 200 }, VERDICT_DONE, "200" },
                { "nothing to say", { .status = 204 }, VERDICT_DONE, "204" },
                { "does not know such an event", { .status = 400, SAID("unknown type") },
                  VERDICT_DONE, "unknown type" },
                { "cannot work with it", { .status = 422 }, VERDICT_DONE, "422" },
                { "knows the test's key", { .status = 409 }, VERDICT_DONE, "409" },
                { "does not know us", { .status = 401 }, VERDICT_BLOCKED, "401" },
                { "forbids", { .status = 403 }, VERDICT_BLOCKED, "403" },
                { "a proxy in between", { .status = 407 }, VERDICT_BLOCKED, "407" },
                { "no such address", { .status = 404 }, VERDICT_BLOCKED, "url" },
                { "an address that is gone", { .status = 410 }, VERDICT_BLOCKED, "410" },
                { "too many", { .status = 429 }, VERDICT_LATER, "429" },
                { "moved", { .status = 302 }, VERDICT_LATER, "302" },
                { "broken", { .status = 500 }, VERDICT_LATER, "500" },
                { "nobody there", { .error = "Connection refused" }, VERDICT_LATER,
                  "Connection refused" },
                { "silent", { .sent = true, .error = "timed out" }, VERDICT_UNCERTAIN,
                  "timed out" },
        };

        (void) state;
        for (size_t i = 0; i < ELEMENTS(rows); i++) {
                struct step step = { 0 };

                print_message("%s\n", rows[i].story);
                assert_int_equal(judge(DELIVER_TEST, &rows[i].reply, &step), 0);
                assert_int_equal(step.verdict.kind, rows[i].kind);
                assert_non_null(strstr(step.verdict.sentence, rows[i].says));
                step_done(&step);
        }
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(every_answer_has_one_meaning),
                cmocka_unit_test(retry_after_names_a_moment),
                cmocka_unit_test(too_many_with_a_time_is_no_failure),
                cmocka_unit_test(a_refusal_has_no_second_time),
                cmocka_unit_test(only_a_sound_id_and_url_are_kept),
                cmocka_unit_test(long_ids_and_addresses_are_dropped),
                cmocka_unit_test(what_was_said_once_stays_until_the_withdrawal),
                cmocka_unit_test(a_strangers_words_are_short_and_tame),
                cmocka_unit_test(a_long_answer_is_cut_at_a_character),
                cmocka_unit_test(a_test_says_what_came_back),
        };

        return cmocka_run_group_tests_name("webhook replies", tests, NULL, NULL);
}
