#include "channels/weibo/fixture.h"
#include "core/moment.h"

static void the_officer_is_sent_to_weibo(void **state) {
        struct buf address = { 0 };

        (void) state;
        assert_int_equal(weibo_driver.login_address(&weibo_options, SECRET, &address), 0);
        assert_string_equal(buf_text(&address),
                            "https://api.weibo.com/oauth2/"
                            "authorize?client_id=1234567890&response_type=code&redirect_uri="
                            "https%3A%2F%2Fwww.example.gov.cn%2Fweibo&forcelogin=true");
        buf_done(&address);
}

static void whatever_is_pasted_the_code_is_found_in_it(void **state) {
        static const struct {
                const char *story, *pasted, *code; /* NULL: the verdict's words */
                const char *says;
        } rows[] = {
                { "the whole address", "https://www.example.gov.cn/weibo?code=a9b216e0", "a9b216e0",
                  NULL },
                { "with more behind it",
                  "https://www.example.gov.cn/weibo?state=x&code=a9b216e0&y=1#z", "a9b216e0",
                  NULL },
                { "an old page's way", "http://www.example.com/response&code=CODE", "CODE", NULL },
                { "escaped", "https://a.cn/?code=a%2Db%5f", "a-b_", NULL },
                { "the code alone", "a9b216e0", "a9b216e0", NULL },
                { "with its name", "code=a9b216e0", "a9b216e0", NULL },
                { "with blanks around it", "  a9b216e0 \r", "a9b216e0", NULL },
                { "an address without a code", "https://www.example.gov.cn/weibo?xcode=1", NULL,
                  "粘贴" },
                { "the address that was to be opened",
                  "https://api.weibo.com/oauth2/authorize?client_id=1&response_type=code", NULL,
                  "粘贴" },
                { "another address", "https://www.example.gov.cn/weibo", NULL, "粘贴" },
                { "nothing", "", NULL, "粘贴" },
                { "refused", "https://a.cn/?error=access_denied&error_code=21330", NULL,
                  "access_denied" },
        };

        (void) state;
        for (size_t i = 0; i < ELEMENTS(rows); i++) {
                struct delivery delivery = delivery_of(DELIVER_TEST, NULL);
                struct step step = { 0 };

                print_message("%s\n", rows[i].story);
                assert_int_equal(weibo_driver.login_begin(&delivery, rows[i].pasted, &step), 0);
                if (rows[i].code) {
                        static const char *const fields[][2] = {
                                { "client_id", "1234567890" },
                                { "client_secret", "s3cret" },
                                { "grant_type", "authorization_code" },
                                { "redirect_uri", "https://www.example.gov.cn/weibo" }
                        };
                        char *code = field(&step, "code");

                        assert_int_equal(step.kind, STEP_HTTP);
                        assert_true(step.http.harmless);
                        assert_string_equal(step.http.method, "POST");
                        assert_string_equal(step.http.url,
                                            "https://api.weibo.com/oauth2/access_token");
                        assert_string_equal(code, rows[i].code);
                        free(code);
                        for (size_t k = 0; k < ELEMENTS(fields); k++) {
                                char *value = field(&step, fields[k][0]);

                                assert_string_equal(value, fields[k][1]);
                                free(value);
                        }
                } else {
                        assert_int_equal(step.kind, STEP_VERDICT);
                        assert_int_not_equal(step.verdict.kind, VERDICT_DONE);
                        assert_non_null(strstr(step.verdict.sentence, rows[i].says));
                }
                step_done(&step);
        }
}

static void without_an_app_secret_there_is_no_login(void **state) {
        static const char *const secrets[] = { NULL, "2.00token", "access_token = 2.00x\n" };

        (void) state;
        for (size_t i = 0; i < ELEMENTS(secrets); i++) {
                struct delivery delivery = delivery_of(DELIVER_TEST, NULL);
                struct step step = { 0 };

                delivery.secret = secrets[i];
                assert_int_equal(weibo_driver.login_begin(&delivery, "code", &step), 0);
                assert_int_equal(step.kind, STEP_VERDICT);
                assert_int_equal(step.verdict.kind, VERDICT_BLOCKED);
                assert_non_null(strstr(step.verdict.sentence, "app_secret"));
                step_done(&step);
        }
}

#define NEW "access_token = 2.00new\nexpires_at = 2026-12-22T12:00:00+08:00\nuid = 99\n"

static void what_is_granted_is_kept_with_what_was_there(void **state) {
        static const struct {
                const char *story, *before, *says, *after; /* NULL: refused */
                long status;
        } rows[] = {
                { "the first time", "app_secret = s\n",
                  "{'access_token':'2.00new','expires_in':2592000,'remind_in':'2592000','uid':'99'"
                  "}",
                  "app_secret = s\n" NEW, 200 },
                { "numbers as strings", "app_secret = s",
                  "{'access_token':'2.00new','expires_in':'2592000','uid':99}",
                  "app_secret = s\n" NEW, 200 },
                { "anew: only what is granted changes",
                  "# 官微\naccess_token=old\nexpires_at =x\n\napp_secret = s\n uid = 1\nnote = "
                  "kept\n",
                  "{'access_token':'2.00new','expires_in':2592000,'uid':'99'}",
                  "# 官微\n\napp_secret = s\nnote = kept\n" NEW, 200 },
                { "no uid", "app_secret = s\n", "{'access_token':'2.00new','expires_in':2592000}",
                  "app_secret = s\naccess_token = 2.00new\nexpires_at = "
                  "2026-12-22T12:00:00+08:00\n",
                  200 },
                { "an old code", "app_secret = s\n",
                  "{'error':'invalid_grant','error_code':21325,'error_description':'x'}", NULL,
                  400 },
                { "another callback", "app_secret = s\n",
                  "{'error':'redirect_uri_mismatch','error_code':21322}", NULL, 400 },
                { "no token", "app_secret = s\n", "{'expires_in':2592000}", NULL, 200 },
                { "no end", "app_secret = s\n", "{'access_token':'2.00new'}", NULL, 200 },
                { "an end before all time", "app_secret = s\n",
                  "{'access_token':'2.00new','expires_in':-9223372036854775807}", NULL, 200 },
                { "a token that would be another line", "app_secret = s\n",
                  "{'access_token':'2\\nx = y','expires_in':2592000}", NULL, 200 },
                { "no JSON", "app_secret = s\n", "<html>", NULL, 502 },
        };

        (void) state;
        for (size_t i = 0; i < ELEMENTS(rows); i++) {
                struct delivery delivery = delivery_of(DELIVER_TEST, NULL);
                struct reply reply = { .kind = STEP_HTTP };
                struct buf secret = { 0 };
                struct step step = { 0 };
                char *body = strdup(rows[i].says);

                print_message("%s\n", rows[i].story);
                for (char *at = body; *at; at++)
                        *at = *at == '\'' ? '"' : *at;
                delivery.secret = rows[i].before;
                reply.http = (struct http_reply) {
                        .status = rows[i].status, .body = body, .n_body = strlen(body), .sent = true
                };
                assert_int_equal(weibo_driver.login_next(&delivery, &reply, &step, &secret), 0);
                assert_int_equal(step.kind, STEP_VERDICT);
                assert_int_equal(step.verdict.kind == VERDICT_DONE, rows[i].after != NULL);
                assert_false(has_hole(step.verdict.sentence));
                assert_null(strstr(step.verdict.sentence, "2.00new"));
                assert_string_equal(buf_text(&secret), rows[i].after ? rows[i].after : "");
                if (rows[i].after)
                        assert_int_equal(weibo_expires(NULL, buf_text(&secret)),
                                         NOON + INT64_C(2592000000));
                free(body);
                buf_done(&secret);
                step_done(&step);
        }
}

static void the_secret_tells_when_it_ends(void **state) {
        static const struct {
                const char *secret;
                int64_t ends_ms;
        } rows[] = {
                { "expires_at = 2026-11-22T12:00:00+08:00\n", NOON },
                { "access_token = x\nexpires_at=2026-11-22T04:00:00Z", NOON },
                { "expires_at = soon", 0 },
                { "2.00token", 0 },
                { NULL, 0 },
        };

        (void) state;
        for (size_t i = 0; i < ELEMENTS(rows); i++)
                assert_int_equal(weibo_driver.expires(&weibo_options, rows[i].secret),
                                 rows[i].ends_ms);
}

static void a_test_tells_how_long_it_is_granted(void **state) {
        static const struct {
                const char *story, *says;
                long status;
                enum verdict_kind kind;
                const char *words[2];
        } rows[] = {
                { "a month",
                  "{'uid':99,'appkey':'1234567890','scope':'all','create_at':1,'expire_in':"
                  "2592000}",
                  200,
                  VERDICT_DONE,
                  { "30", "2026-12-22 12:00" } },
                { "as strings",
                  "{'appkey':1234567890,'scope':'email,all','expire_in':'864000'}",
                  200,
                  VERDICT_DONE,
                  { "10", "email,all" } },
                { "five days",
                  "{'expire_in':432000}",
                  200,
                  VERDICT_DONE,
                  { "5", "gongkaictl channel login weibo" } },
                { "over",
                  "{'expire_in':0}",
                  200,
                  VERDICT_BLOCKED,
                  { "gongkaictl channel login weibo", "21327" } },
                { "longer than anybody grants",
                  "{'expire_in':9223372036854775807}",
                  200,
                  VERDICT_DONE,
                  { "365250", "3026-" } },
                { "over by some time",
                  "{'expire_in':-5}",
                  200,
                  VERDICT_BLOCKED,
                  { "gongkaictl channel login weibo", "21327" } },
                { "of another app",
                  "{'appkey':'77','expire_in':2592000}",
                  200,
                  VERDICT_BLOCKED,
                  { "77", "1234567890" } },
                { "refused",
                  "{'error':'token_expired','error_code':21315}",
                  403,
                  VERDICT_BLOCKED,
                  { "token_expired", "channel login weibo" } },
                { "not Weibo", "<html>", 200, VERDICT_LATER, { "200", "<html>" } },
        };

        (void) state;
        for (size_t i = 0; i < ELEMENTS(rows); i++) {
                struct delivery delivery = delivery_of(DELIVER_TEST, NULL);
                struct reply reply = { .kind = STEP_HTTP };
                struct step step = { 0 }, next = { 0 };
                char *body = strdup(rows[i].says);

                print_message("%s\n", rows[i].story);
                for (char *at = body; *at; at++)
                        *at = *at == '\'' ? '"' : *at;
                assert_int_equal(weibo_driver.begin(&delivery, &step), 0);
                assert_int_equal(step.kind, STEP_HTTP);
                assert_true(step.http.harmless);
                assert_string_equal(step.http.url, "https://api.weibo.com/oauth2/get_token_info");
                reply.http = (struct http_reply) {
                        .status = rows[i].status, .body = body, .n_body = strlen(body), .sent = true
                };
                assert_int_equal(weibo_driver.next(&delivery, &reply, &next), 0);
                assert_int_equal(next.kind, STEP_VERDICT);
                assert_int_equal(next.verdict.kind, rows[i].kind);
                for (size_t k = 0; k < 2; k++)
                        assert_non_null(strstr(next.verdict.sentence, rows[i].words[k]));
                assert_false(has_hole(next.verdict.sentence));
                free(body);
                step_done(&step);
                step_done(&next);
        }
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(the_officer_is_sent_to_weibo),
                cmocka_unit_test(whatever_is_pasted_the_code_is_found_in_it),
                cmocka_unit_test(without_an_app_secret_there_is_no_login),
                cmocka_unit_test(what_is_granted_is_kept_with_what_was_there),
                cmocka_unit_test(the_secret_tells_when_it_ends),
                cmocka_unit_test(a_test_tells_how_long_it_is_granted),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
