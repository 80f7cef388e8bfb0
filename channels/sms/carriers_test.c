/* What each carrier is sent, and what its answers mean. */
#include "channels/sms/fixture.h"

#include "channels/sms/acs3.h"
#include "core/moment.h"

/* By hand with openssl: the canonical request's sha256, then
 * printf 'ACS3-HMAC-SHA256\n%s' HASH | openssl dgst -sha256 -hmac example-secret. */
static void the_signature_is_that_of_aliyun(void **state) {
        json_t *params = json_pack("{s:s, s:s, s:s, s:s}", "TemplateParam", "{\"title\":\"x\"}", "SignName", "腾冲发布",
                                   "PhoneNumbers", "13800138000,13900139000", "Action2", "关于 a*b~/&");
        struct step step = { .kind = STEP_HTTP };
        const struct acs3 acs3 = { .key_id = "LTAIexample", .key_secret = "example-secret", .url = "http://127.0.0.1:5551",
                                   .action = "SendSms", .version = "2017-05-25", .params = params, .now_ms = NOON + 123,
                                   .nonce = "00112233445566778899aabbccddeeff" };

        (void) state;
        assert_int_equal(acs3_request(&acs3, &step.http), 0);
        assert_string_equal(step.http.url,
                            "http://127.0.0.1:5551/?Action2=%E5%85%B3%E4%BA%8E%20a%2Ab~%2F%26&PhoneNumbers=13800138000"
                            "%2C13900139000&SignName=%E8%85%BE%E5%86%B2%E5%8F%91%E5%B8%83&TemplateParam=%7B%22title%22"
                            "%3A%22x%22%7D");
        assert_string_equal(header(&step.http, "Authorization"),
                            "ACS3-HMAC-SHA256 Credential=LTAIexample,SignedHeaders=content-type;host;x-acs-action;"
                            "x-acs-content-sha256;x-acs-date;x-acs-signature-nonce;x-acs-version,Signature="
                            "60de449445facf9d96cee02df041b2699af2054deb98d1298cc2a993a1b625c5");
        assert_string_equal(header(&step.http, "x-acs-date"), "2026-11-22T04:00:00Z");
        assert_string_equal(step.http.method, "POST");
        assert_int_equal(step.http.body.len, 0);
        json_decref(params);
        step_done(&step);
}

static void the_host_is_signed_as_it_is_sent(void **state) {
        static const char *const rows[][2] = {
                { "https://dysmsapi.aliyuncs.com", "dysmsapi.aliyuncs.com" }, { "https://a.cn:443", "a.cn" },
                { "http://a.cn:80/x", "a.cn" }, { "https://a.cn:80", "a.cn:80" }, { "http://127.0.0.1:5551/", "127.0.0.1:5551" },
        };

        (void) state;
        for (size_t i = 0; i < ELEMENTS(rows); i++) {
                struct buf host = { 0 };

                sms_url_host(rows[i][0], &host);
                assert_string_equal(buf_text(&host), rows[i][1]);
                buf_done(&host);
        }
}

/* With printf ... | openssl dgst -md5 over the parts in their order. */
static void the_mac_of_the_mas_is_over_its_parts_in_order(void **state) {
        struct world world = world_of(&mas_driver);
        char *params[] = { (char *) "title" };
        json_t *body;

        (void) state;
        put_file(&world, "people.csv", "number\n13800138000\n");
        json_decref(world.event);
        world.event = json_pack("{s:{s:s}}", "data", "title", "关于停水");
        deliver(&world);
        assert_string_equal(world.last_url, "http://127.0.0.1:5552/sms/norsubmit");
        assert_non_null(world.last_body);
        world.delivery.document = "oa-2";
        world.options.template = (char *) "T9";
        world.options.params = (struct string_list) { params, 1 };
        deliver(&world);
        assert_string_equal(world.last_url, "http://127.0.0.1:5552/sms/tmpsubmit");
        {
                struct http_request sent = { 0 };

                buf_str(&sent.body, world.last_body);
                body = mas_body(&sent);
                buf_done(&sent.body);
        }
        assert_string_equal(json_string_value(json_object_get(body, "params")), "[\"关于停水\"]");
        assert_string_equal(json_string_value(json_object_get(body, "mac")), "9d436930e6b58c2a14c9c248c5684520");
        assert_null(json_object_get(body, "content"));
        assert_null(json_object_get(body, "secretKey"));
        json_decref(body);
        world_done(&world);
}

static void nonces_differ_from_request_to_request(void **state) {
        struct world world = world_of(&aliyun_driver);
        struct step one = { 0 }, other = { 0 };

        (void) state;
        world.delivery.kind = DELIVER_TEST;
        world.delivery.options = &world.options;
        world.delivery.account = json_loads("{\"sorted\":\"\",\"at\":1795320000000,\"people\":{\"a\":\"b\"}}", 0, NULL);
        assert_int_equal(aliyun_driver.next(&world.delivery, &(struct reply) { .kind = STEP_ACCOUNT }, &one), 0);
        world.delivery.now_ms++;
        assert_int_equal(aliyun_driver.next(&world.delivery, &(struct reply) { .kind = STEP_ACCOUNT }, &other), 0);
        assert_string_not_equal(header(&one.http, "x-acs-signature-nonce"), header(&other.http, "x-acs-signature-nonce"));
        step_done(&one), step_done(&other);
        json_decref((json_t *) world.delivery.account);
        world_done(&world);
}

/* -- answers -- */

#define ALI(code, message) "{\"Code\":\"" code "\",\"Message\":\"" message "\",\"RequestId\":\"r\"}"

struct answer_row {
        const struct driver *driver;
        long status;
        const char *body;
        enum verdict_kind kind;
        const char *code, *at; /* Shanghai, or NULL */
};

static const struct answer_row answers[] = {
        { &aliyun_driver, 200, ALI("isv.BUSINESS_LIMIT_CONTROL", "触发分钟级流控Permits:1"), VERDICT_WAIT, "sms/quota", "2026-11-22 12:01" },
        { &aliyun_driver, 200, ALI("isv.BUSINESS_LIMIT_CONTROL", "触发小时级流控Permits:5"), VERDICT_WAIT, "sms/quota", "2026-11-22 13:00" },
        { &aliyun_driver, 200, ALI("isv.BUSINESS_LIMIT_CONTROL", "触发天级流控Permits:10"), VERDICT_WAIT, "sms/quota", "2026-11-23 08:00" },
        { &aliyun_driver, 200, ALI("isv.DAY_LIMIT_CONTROL", "超出日限"), VERDICT_WAIT, "sms/quota", "2026-11-23 08:00" },
        { &aliyun_driver, 200, ALI("isv.MONTH_LIMIT_CONTROL", "超出月限"), VERDICT_WAIT, "sms/quota", "2026-12-01 08:00" },
        { &aliyun_driver, 429, ALI("Throttling.User", "slow"), VERDICT_WAIT, "sms/quota", "2026-11-22 12:00" },
        { &aliyun_driver, 200, ALI("isp.SYSTEM_ERROR", "x"), VERDICT_UNCERTAIN, "sms/unclear", NULL },
        { &aliyun_driver, 503, ALI("ServiceUnavailable", "x"), VERDICT_UNCERTAIN, "sms/unclear", NULL },
        { &aliyun_driver, 500, "<html>", VERDICT_UNCERTAIN, "sms/unclear", NULL },
        { &aliyun_driver, 200, "no json", VERDICT_UNCERTAIN, "sms/unclear", NULL },
        { &aliyun_driver, 503, "busy", VERDICT_LATER, "sms/busy", NULL },
        { &aliyun_driver, 400, ALI("InvalidTimeStamp.Expired", "x"), VERDICT_BLOCKED, "sms/clock", NULL },
        { &aliyun_driver, 400, ALI("SignatureNonceUsed", "x"), VERDICT_BLOCKED, "sms/clock", NULL },
        { &aliyun_driver, 403, ALI("SignatureDoesNotMatch", "x"), VERDICT_BLOCKED, "sms/login", NULL },
        { &aliyun_driver, 404, ALI("InvalidAccessKeyId.NotFound", "x"), VERDICT_BLOCKED, "sms/login", NULL },
        { &aliyun_driver, 200, ALI("isv.AMOUNT_NOT_ENOUGH", "余额不足"), VERDICT_BLOCKED, "sms/login", NULL },
        { &aliyun_driver, 200, ALI("isv.SMS_TEMPLATE_ILLEGAL", "x"), VERDICT_BLOCKED, "sms/login", NULL },
        { &aliyun_driver, 200, ALI("isv.TEMPLATE_PARAMS_ILLEGAL", "x"), VERDICT_REFUSED, "sms/content", NULL },
        { &aliyun_driver, 200, ALI("isv.PARAM_LENGTH_LIMIT", "x"), VERDICT_REFUSED, "sms/content", NULL },
        { &aliyun_driver, 200, ALI("isv.SMS_CONTENT_ILLEGAL", "13800000000"), VERDICT_REFUSED, "sms/content", NULL },
        { &aliyun_driver, 200, ALI("isv.SOMETHING_NEW", "x"), VERDICT_BLOCKED, "sms/odd", NULL },
        { &aliyun_driver, 200, ALI("isv.MOBILE_NUMBER_ILLEGAL", "x"), VERDICT_DONE, "done", NULL },
        { &aliyun_driver, 200, ALI("isv.BLACK_KEY_CONTROL_LIMIT", "x"), VERDICT_DONE, "done", NULL },
        { &aliyun_driver, 200, ALI("isv.MOBILE_COUNT_OVER_LIMIT", "x"), VERDICT_REFUSED, "sms/content", NULL },
        { &mas_driver, 200, "{\"rspcod\":\"IllegalMac\",\"success\":false,\"msgGroup\":\"\"}", VERDICT_BLOCKED, "sms/login", NULL },
        { &mas_driver, 200, "{\"rspcod\":\"InvalidUsrOrPwd\",\"success\":false}", VERDICT_BLOCKED, "sms/login", NULL },
        { &mas_driver, 200, "{\"rspcod\":\"NoSignId\",\"success\":false}", VERDICT_BLOCKED, "sms/login", NULL },
        { &mas_driver, 200, "{\"rspcod\":\"IllegalSignId\",\"success\":false}", VERDICT_BLOCKED, "sms/login", NULL },
        { &mas_driver, 200, "{\"rspcod\":\"InvalidMessage\",\"success\":false}", VERDICT_REFUSED, "sms/content", NULL },
        { &mas_driver, 200, "{\"rspcod\":\"TooManyMobiles\",\"success\":false}", VERDICT_REFUSED, "sms/content", NULL },
        { &mas_driver, 200, "{\"rspcod\":\"Whatever\",\"success\":false}", VERDICT_BLOCKED, "sms/odd", NULL },
        { &mas_driver, 200, "{\"rspcod\":\"success\",\"success\":false}", VERDICT_BLOCKED, "sms/odd", NULL },
        { &mas_driver, 200, "", VERDICT_UNCERTAIN, "sms/unclear", NULL },
        { &mas_driver, 502, "bad gateway", VERDICT_UNCERTAIN, "sms/unclear", NULL },
        { &mas_driver, 503, "busy", VERDICT_LATER, "sms/busy", NULL },
        { &mas_driver, 408, "too slow", VERDICT_LATER, "sms/busy", NULL },
        { &mas_driver, 425, "too early", VERDICT_LATER, "sms/busy", NULL },
        { &mas_driver, 200, "{\"rspcod\":\"SameNumberAndContent\",\"success\":false}", VERDICT_REFUSED, "sms/content", NULL },
        { &mas_driver, 200, "{\"rspcod\":\"NoMobile\",\"success\":false}", VERDICT_BLOCKED, "sms/odd", NULL },
        { &mas_driver, 404, "no such page", VERDICT_BLOCKED, "sms/login", NULL },
        { &mas_driver, 302, "elsewhere", VERDICT_BLOCKED, "sms/login", NULL },
        { &kannel_driver, 202, "3: Queued for later delivery", VERDICT_DONE, "done", NULL },
        { &kannel_driver, 403, "Authorization failed for sendsms", VERDICT_BLOCKED, "sms/login", NULL },
        { &kannel_driver, 400, "Sender missing and no global set, rejected", VERDICT_REFUSED, "sms/content", NULL },
        { &kannel_driver, 503, "Temporal failure, try again later.", VERDICT_LATER, "sms/busy", NULL },
        { &kannel_driver, 500, "", VERDICT_UNCERTAIN, "sms/unclear", NULL },
        { &kannel_driver, 200, "Sent.", VERDICT_BLOCKED, "sms/odd", NULL },
};

static void every_answer_has_one_meaning(void **state) {
        (void) state;
        for (size_t i = 0; i < ELEMENTS(answers); i++) {
                const struct answer_row *row = answers + i;
                struct world world = world_of(row->driver);
                char minute[MOMENT_TEXT];
                bool twice;

                print_message("%s %ld %s\n", row->driver->name, row->status, row->body);
                put_people(&world, 0, 1);
                world.status = row->status;
                world.answer = row->body;
                assert_true(attempt(&world));
                assert_int_equal(world.last, row->kind);
                assert_string_equal(world.code, row->code);
                assert_true(row->kind == VERDICT_DONE || strlen(world.sentence) > 10);
                if (row->at)
                        assert_string_equal(moment_write_minute(world.at_ms, minute), row->at);
                /* What was not taken is sent once the trouble is over; what was perhaps taken is not. */
                world.status = 0;
                world.answer = NULL;
                if (row->kind != VERDICT_DONE) {
                        world.delivery.now_ms = world.at_ms > NOON ? world.at_ms : NOON + 1000;
                        deliver(&world);
                        assert_int_equal(world.last, VERDICT_DONE);
                        assert_int_equal(texted(&world, &twice),
                                         row->kind != VERDICT_UNCERTAIN || row->driver == &aliyun_driver);
                }
                assert_masked(&world);
                world_done(&world);
        }
}

static void a_clock_that_is_off_is_signed_anew_once(void **state) {
        struct world world = world_of(&aliyun_driver);

        (void) state;
        put_people(&world, 0, 1);
        world.answer = ALI("InvalidTimeStamp.Expired", "x");
        world.status = 400;
        assert_true(attempt(&world));
        assert_int_equal(world.n_sendings, 2);
        assert_false(world.nonce_twice); /* though the clock says the same */
        assert_int_equal(world.last, VERDICT_BLOCKED);
        world_done(&world);
}

static void a_variable_with_an_address_is_not_even_sent(void **state) {
        static const struct {
                const char *text;
                bool address;
        } rows[] = {
                { "见 https://x.cn/1", true }, { "见WWW.x.y", true }, { "详见tengchong.gov.cn。", true },
                { "详见 Tengchong.Com", true }, { "电价0.5元，第1.2.3条", false }, { "用 Node.js 写的", false },
                { "a.cnn", false }, { ".cn 域名", false },
        };

        (void) state;
        for (size_t i = 0; i < ELEMENTS(rows); i++) {
                struct world world = world_of(&aliyun_driver);

                print_message("%s\n", rows[i].text);
                put_people(&world, 0, 1);
                json_decref(world.event);
                world.event = json_pack("{s:{s:s}}", "data", "title", rows[i].text);
                assert_true(attempt(&world));
                assert_int_equal(world.last, rows[i].address ? VERDICT_REFUSED : VERDICT_DONE);
                if (rows[i].address)
                        assert_string_equal(world.code, "sms/address");
                assert_int_equal(world.n_sendings, !rows[i].address);
                world_done(&world);
        }
}

static void kannel_gets_sign_numbers_and_where_to_report(void **state) {
        struct world world = world_of(&kannel_driver);
        const json_t *texts;

        (void) state;
        put_people(&world, 0, 2);
        world.delivery.after_url = "https://x.cn/1";
        deliver(&world);
        texts = json_object_get(world.phones, "13800000001");
        assert_string_equal(json_string_value(json_object_get(json_array_get(texts, 0), "text")),
                            "【腾冲发布】11月23日8时至18时城区停水，请提前储水 https://x.cn/1");
        assert_null(strchr(world.last_url, '?')); /* no number, no password in an address */
        world_done(&world);
}

/* -- the test of a channel -- */

static void a_test_texts_nobody_unless_a_number_is_named(void **state) {
        static const struct {
                const struct driver *driver;
                const char *number;
                long status;
                const char *body;
                enum verdict_kind kind;
                const char *says;
        } rows[] = {
                { &aliyun_driver, NULL, 0, NULL, VERDICT_DONE, "账号能用" },
                { &mas_driver, NULL, 0, NULL, VERDICT_DONE, "不发一条短信无法知道" },
                { &kannel_driver, NULL, 400, "Missing receiver(s) number(s), rejected", VERDICT_DONE, "账号能用" },
                { &kannel_driver, NULL, 403, "Authorization failed for sendsms", VERDICT_BLOCKED, "密钥" },
                { &mas_driver, "13911112222", 0, NULL, VERDICT_DONE, "139****2222" },
                { &mas_driver, "13911112222", 200, "{\"rspcod\":\"IllegalMac\"}", VERDICT_BLOCKED, "IllegalMac" },
                { &aliyun_driver, "13911112222", 0, NULL, VERDICT_DONE, "139****2222" },
        };

        (void) state;
        for (size_t i = 0; i < ELEMENTS(rows); i++) {
                struct world world = world_of(rows[i].driver);
                bool twice;

                print_message("%s %s\n", rows[i].driver->name, rows[i].says);
                json_decref(give_away(world.event));
                world.delivery.kind = DELIVER_TEST;
                world.delivery.document = NULL;
                world.delivery.region = "";
                world.options.test_number = (char *) rows[i].number;
                put_people(&world, 0, 3);
                put_file(&world, world.options.url, ""); /* a GET of the MAS */
                world.status = rows[i].status;
                world.answer = rows[i].body;
                assert_true(attempt(&world));
                assert_int_equal(world.last, rows[i].kind);
                assert_non_null(strstr(world.sentence, rows[i].says));
                if (rows[i].kind == VERDICT_DONE)
                        assert_non_null(strstr(world.sentence, "名单 3 人"));
                assert_int_equal(texted(&world, &twice), rows[i].number && rows[i].kind == VERDICT_DONE);
                assert_null(strstr(world.sentence, "13911112222"));
                world_done(&world);
        }
}

static void a_secret_that_lacks_a_part_stops_the_channel(void **state) {
        static const char *const secrets[] = { NULL, "", "secret_key = x", "hmac_key = short\nsecret_key = x",
                                               "hmac_key = 0123456789abcdef" };

        (void) state;
        for (size_t i = 0; i < ELEMENTS(secrets); i++) {
                struct world world = world_of(&mas_driver);

                put_people(&world, 0, 1);
                world.delivery.secret = secrets[i];
                assert_true(attempt(&world));
                assert_int_equal(world.last, VERDICT_BLOCKED);
                assert_string_equal(world.code, "sms/secret");
                world_done(&world);
        }
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(the_signature_is_that_of_aliyun),
                cmocka_unit_test(the_host_is_signed_as_it_is_sent),
                cmocka_unit_test(the_mac_of_the_mas_is_over_its_parts_in_order),
                cmocka_unit_test(nonces_differ_from_request_to_request),
                cmocka_unit_test(every_answer_has_one_meaning),
                cmocka_unit_test(a_clock_that_is_off_is_signed_anew_once),
                cmocka_unit_test(a_variable_with_an_address_is_not_even_sent),
                cmocka_unit_test(kannel_gets_sign_numbers_and_where_to_report),
                cmocka_unit_test(a_test_texts_nobody_unless_a_number_is_named),
                cmocka_unit_test(a_secret_that_lacks_a_part_stops_the_channel),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
