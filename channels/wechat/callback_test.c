/* Vectors: the sample that the platform gives away with its message crypt (key, token, appid and
 * sealed text are found in its samples for C++, Python, Java and PHP). */
#include "channels/wechat/fixture.h"

#include <openssl/evp.h>

#define KEY "abcdefghijklmnopqrstuvwxyz0123456789ABCDEFG"
#define SEALED                                                                                     \
        "hyzAe4OzmOMbd6TvGdIOO6uBmdJoD0Fk53REIHvxYtJlE2B655HuD0m8KUePWB3+"                         \
        "LrPXo87wzQ1QLvbeUgmBM4x6F8PGHQHFVAFmOD2L"                                                 \
        "dJF9FrXpbUAh0B5GIItb52sn896wVsMSHGuPE328HnRGBcrS7C41IzDWyWNlZkyyXwon8T332jisa+"           \
        "h6tEDYsVticbSnyU8dKOIbgU6u"                                                               \
        "x5VTjg3yt+WGzjlpKn6NPhRjpA912xMezR4kw6KWwMrCVKSVCZciVGCgavjIQ6X8tCOp3yZbGpy0VxpAe+"       \
        "77TszTfRd5RJSVO/HTnifJ"                                                                   \
        "pXgCSUdUue1v6h0EIBYYI1BD1DlD+C0CR8e6OewpusjZ4uBl9FyJvnhvQl+"                              \
        "q5rv1ixrcpCumEPo5MJSgM9ehVsNPfUM669WuMyVWQLCz"                                            \
        "pu9GhglF2PE="
#define SECRET "appsecret = s\ntoken = spamtest\n"
#define SAFE SECRET "aes_key = " KEY "\n"
#define AT INT64_C(1409735669000)

static const struct wechat_options options = { .appid = (char *) "wx2c2769f8efd9abc2" };

#define EVENT                                                                                      \
        "<xml><ToUserName><![CDATA[gh_4d00ed8d6399]]></"                                           \
        "ToUserName><FromUserName><![CDATA[oV5Crj]]></FromUserName>"                               \
        "<CreateTime>1481013459</CreateTime><MsgType><![CDATA[event]]></MsgType>"                  \
        "<Event><![CDATA[PUBLISHJOBFINISH]]></Event><PublishEventInfo><publish_id>2247503051</"    \
        "publish_id>"                                                                              \
        "<publish_status>0</"                                                                      \
        "publish_status><article_id><![CDATA[b5O2OUs25HBxRceL7hfReg-U9QGeq9zQjiDvyWP4Hq4]]>"       \
        "</article_id><article_detail><count>1</count><item><idx>1</idx><article_url>"             \
        "<![CDATA[http://mp.weixin.qq.com/s?a=1&b=2]]></article_url></item></article_detail></"    \
        "PublishEventInfo></xml>"

static void the_platforms_own_samples_are_understood(void **state) {
        const char *texts[] = { "spamtest", "1409735669", "1320562132", SEALED };
        char signature[41];
        struct buf plain = { 0 };

        (void) state;
        wechat_signature(texts, 4, signature);
        assert_string_equal(signature, "5d197aaffba7e9b25a30732f161a50dee96bd5fa");
        assert_int_equal(wechat_open(SEALED, strlen(SEALED), KEY, "wx2c2769f8efd9abc2", &plain), 0);
        assert_non_null(strstr(buf_text(&plain), "<Content><![CDATA[abcdteT]]></Content>"));
        buf_reset(&plain);
        assert_int_equal(wechat_open(SEALED, strlen(SEALED), KEY, "wx2c2769f8efd9abc3", &plain),
                         -EACCES);
        assert_int_equal(
                wechat_open(
                        "jn1L23DB+6ELqJ+6bruv21Y6MD7KeIfP82D6gU39rmkgczbWwt5+3bnyg5K55bgVtVzd832WzZ"
                        "GMhkP72vVOfg==",
                        88, KEY, "wxb11529c136998cb6", &plain),
                0);
        assert_string_equal(buf_text(&plain), "我是中文abcd123");
        buf_done(&plain);
}

static void seal(const char *text, const char *appid, char *to) {
        unsigned char plain[8192] = "0123456789abcdef", sealed[8192 + 32], key[36];
        size_t n = 16, n_text = strlen(text);
        int n_out = 0;
        EVP_CIPHER_CTX *context = EVP_CIPHER_CTX_new();

        plain[n++] = 0, plain[n++] = 0, plain[n++] = (unsigned char) (n_text >> 8),
        plain[n++] = (unsigned char) n_text;
        memcpy(plain + n, text, n_text), n += n_text;
        memcpy(plain + n, appid, strlen(appid)), n += strlen(appid);
        for (size_t pad = 32 - n % 32, i = 0; i < pad; i++)
                plain[n++] = (unsigned char) pad;
        assert_int_equal(EVP_DecodeBlock(key, (const unsigned char *) KEY "=", 44), 33);
        assert_int_equal(EVP_EncryptInit_ex(context, EVP_aes_256_cbc(), NULL, key, key), 1);
        (void) EVP_CIPHER_CTX_set_padding(context, 0);
        assert_int_equal(EVP_EncryptUpdate(context, sealed, &n_out, plain, (int) n), 1);
        EVP_CIPHER_CTX_free(context);
        (void) EVP_EncodeBlock((unsigned char *) to, sealed, n_out);
}

/* A call as the platform makes it: signed by its token at `seconds`. */
static json_t *query_of(const char *seconds, const char *sealed) {
        const char *texts[] = { "spamtest", seconds, "n0nce", sealed };
        char plain[41], over[41];

        wechat_signature(texts, 3, plain);
        wechat_signature(texts, sealed ? 4 : 3, over);
        return json_pack("{s:s, s:s, s:s, s:s, s:s}", "timestamp", seconds, "nonce", "n0nce",
                         "signature", plain, "echostr", "echo-123",
                         sealed ? "msg_signature" : "openid", sealed ? over : "o");
}

static void call_of(const char *method, json_t *query, const char *body, const char *secret,
                    int64_t now_ms, struct call_answer *ret) {
        struct call call = {
                .method = method, .path = "/", .query = query, .body = body, .n_body = strlen(body)
        };

        *ret = (struct call_answer) { 0 };
        assert_int_equal(wechat_callback(&call, &options, secret, now_ms, ret), 0);
        json_decref(query);
}

static void an_address_is_verified_by_its_echo(void **state) {
        static const struct {
                const char *seconds, *secret;
                int64_t now_ms;
                unsigned status;
        } rows[] = {
                { "1409735669", SECRET, AT, 200 },
                { "1409735669", SECRET, AT + MINUTES(5) - 1, 200 },
                { "1409735669", SECRET, AT + MINUTES(5), 403 },
                { "1409735669", SECRET, AT - MINUTES(5), 403 },
                { "1409735669", "token = other\n", AT, 403 },
                { "1409735669", "appsecret = s\n", AT, 503 },
                { "x", SECRET, AT, 403 },
                { "999999999999999999", SECRET, AT, 403 },
        };

        (void) state;
        for (size_t i = 0; i < ELEMENTS(rows); i++) {
                struct call_answer answer;

                call_of("GET", query_of(rows[i].seconds, NULL), "", rows[i].secret, rows[i].now_ms,
                        &answer);
                assert_int_equal(answer.status, rows[i].status);
                assert_string_equal(buf_text(&answer.body),
                                    rows[i].status == 200 ? "echo-123" : "");
                assert_int_equal(answer.trouble == NULL, rows[i].status == 200);
                assert_null(answer.put);
                call_answer_done(&answer);
        }
}

static json_t *note_of(const struct call_answer *answer, const char *name) {
        return json_loads(wechat_text(json_object_get(answer->put, name), "value"), 0, NULL);
}

static void a_result_is_noted_by_its_number_and_wakes_its_document(void **state) {
        char sealed[12000], body[13000];

        (void) state;
        seal(EVENT, options.appid, sealed);
        for (int safe = 0; safe < 2; safe++) {
                struct call_answer answer;
                const char *name;
                json_t *told, *value;
                size_t n_new = 0;

                (void) snprintf(body, sizeof(body),
                                "<xml><ToUserName><![CDATA[gh]]></"
                                "ToUserName><Encrypt><![CDATA[%s]]></Encrypt></xml>",
                                sealed);
                call_of("POST", query_of("1409735669", safe ? sealed : NULL), safe ? body : EVENT,
                        safe ? SAFE : SECRET, AT, &answer);
                assert_int_equal(answer.status, 200);
                assert_string_equal(buf_text(&answer.body), "success");
                assert_string_equal(answer.wake_key, "job.publish.2247503051");
                told = note_of(&answer, "done.publish.2247503051");
                assert_int_equal(wechat_number(told, "status"), 0);
                assert_string_equal(wechat_text(told, "article"),
                                    "b5O2OUs25HBxRceL7hfReg-U9QGeq9zQjiDvyWP4Hq4");
                assert_string_equal(wechat_text(told, "url"), "http://mp.weixin.qq.com/s?a=1&b=2");
                assert_int_equal(json_is_true(json_object_get(told, "hint")), !safe);
                json_object_foreach (answer.put, name, value)
                        n_new += json_is_true(json_object_get(value, "new"));
                assert_int_equal(n_new, 2); /* this request, this event: once */
                json_decref(told);
                call_answer_done(&answer);
        }
}

static void a_push_that_ended_is_noted_too(void **state) {
        static const struct {
                const char *status;
                int number;
        } rows[] = { { "send success", 0 }, { "send fail", 7 }, { "err(20001)", 7 } };

        (void) state;
        for (size_t i = 0; i < ELEMENTS(rows); i++) {
                struct call_answer answer;
                char body[800];
                json_t *told;

                (void) snprintf(body, sizeof(body),
                                "<xml><FromUserName>f</FromUserName><CreateTime>1</"
                                "CreateTime><Event><![CDATA[MASSSENDJOBFINISH]]>"
                                "</Event><MsgID>300</MsgID><Status><![CDATA[%s]]></"
                                "Status><ArticleUrlResult><Count>1</Count>"
                                "<ResultList><item><ArticleIdx>1</"
                                "ArticleIdx><ArticleUrl><![CDATA[http://m]]></ArticleUrl></item>"
                                "</ResultList></ArticleUrlResult></xml>",
                                rows[i].status);
                call_of("POST", query_of("1409735669", NULL), body, SECRET, AT, &answer);
                told = note_of(&answer, "done.push.300");
                assert_int_equal(wechat_number(told, "status"), rows[i].number);
                assert_string_equal(wechat_text(told, "article"), "mass:300");
                assert_string_equal(wechat_text(told, "url"), "http://m");
                assert_string_equal(answer.wake_key, "job.push.300");
                json_decref(told);
                call_answer_done(&answer);
        }
}

static void what_is_not_the_platforms_is_not_let_in(void **state) {
        char good[12000], other[12000], body[13000];
        struct call_answer answer;
        json_t *query;

        (void) state;
        seal(EVENT, options.appid, good);
        seal(EVENT, "wx0000000000000000", other);
        for (int i = 0; i < 9; i++) {
                const char *sealed = i == 1 ? other : i == 2 ? "AAAA" : good;
                bool plain = i == 3 || i >= 6;

                (void) snprintf(body, sizeof(body), "<xml><Encrypt><![CDATA[%s]]></Encrypt></xml>",
                                sealed);
                query = query_of(i == 4 ? "1409730000" : "1409735669", plain ? NULL : sealed);
                if (i == 0) /* another text under the same signature */
                        body[30] = body[30] == 'A' ? 'B' : 'A';
                if (i == 5)
                        (void) json_object_set_new(query, "msg_signature", json_string(""));
                if (i == 7)
                        (void) json_object_set_new(query, "signature", json_string("5d197aaf"));
                call_of("POST", query,
                        i == 6             ? "<!DOCTYPE x [<!ENTITY a \"b\">]><xml/>"
                        : i == 8           ? "<xml>"
                        : i == 3 || i == 7 ? EVENT
                                           : body,
                        i >= 6 ? SECRET : SAFE, AT, &answer);
                print_message("%d: %s\n", i, answer.trouble ? answer.trouble : "-");
                assert_int_equal(answer.status, 403);
                assert_null(answer.put);
                assert_null(answer.wake_key);
                assert_non_null(answer.trouble);
                call_answer_done(&answer);
        }
        call_of("PUT", query_of("1409735669", NULL), EVENT, SECRET, AT, &answer);
        assert_int_equal(answer.status, 405);
        call_answer_done(&answer);
        /* What a follower writes is thanked for and forgotten. */
        call_of("POST", query_of("1409735669", NULL), "<xml><MsgType>text</MsgType></xml>", SECRET,
                AT, &answer);
        assert_int_equal(answer.status, 200);
        assert_null(answer.put);
        call_answer_done(&answer);
}

static void xml_is_elements_cdata_and_text_only(void **state) {
        static const struct {
                const char *xml;
                int r;
        } rows[] = {
                { "<xml><a>1</a></xml>", 0 },
                { "<?xml version=\"1.0\"?>\n<xml><a>&lt;&amp;</a></xml>\n", 0 },
                { "<xml><a>1</b></xml>", -EINVAL },
                { "<xml><a>1</a>", -EINVAL },
                { "<xml></xml><xml></xml>", -EINVAL },
                { "<!DOCTYPE xml><xml></xml>", -EINVAL },
                { "<xml><!DOCTYPE a></xml>", -EINVAL },
                { "<xml><!-- c --></xml>", -EINVAL },
                { "<xml><?php ?></xml>", -EINVAL },
                { "<xml>&nbsp;</xml>", -EINVAL },
                { "<xml>&#65;</xml>", -EINVAL },
                { "<xml a=\"1\"></xml>", -EINVAL },
                { "<xml><![CDATA[x</xml>", -EINVAL },
                { "<xml><a></xml></a>", -EINVAL },
                { "text", -EINVAL },
                { "", -EINVAL },
                { "<a><a><a><a><a><a><a><a><a><a><a>", -EINVAL },
                { "<xml>\xff</xml>", -EINVAL },
        };

        (void) state;
        for (size_t i = 0; i < ELEMENTS(rows); i++) {
                json_t *found = NULL;

                print_message("%s\n", rows[i].xml);
                assert_int_equal(wechat_xml(rows[i].xml, strlen(rows[i].xml), &found), rows[i].r);
                if (i == 1)
                        assert_string_equal(wechat_text(found, "xml/a"), "<&");
                json_decref(found);
        }
}

/* Mutants of good input: whatever comes out, nothing is read that is not there (under ASan). */
static void no_mutant_does_harm(void **state) {
        char sealed[12000];
        unsigned seed = 7;
        size_t n_good = 0;

        (void) state;
        seal(EVENT, options.appid, sealed);
        for (int i = 0; i < 20000; i++) {
                const char *from = i % 2 ? sealed : EVENT;
                size_t n = strlen(from);
                char *copy = malloc(n + 1); /* of its very size: ASan sees one byte more */
                struct buf plain = { 0 };
                json_t *found = NULL;

                memcpy(copy, from, n + 1);
                for (int k = 0; k < 1 + i % 5; k++) {
                        seed = seed * 1103515245u + 12345u;
                        copy[(seed >> 8) % n] = (char) (seed >> 16);
                }
                if (i % 3 == 0)
                        n = (seed >> 7) % n;
                n_good += i % 2 ? wechat_open(copy, n, KEY, options.appid, &plain) == 0
                                : wechat_xml(copy, n, &found) == 0;
                json_decref(found);
                buf_done(&plain);
                free(copy);
        }
        print_message("%zu mutants were good\n", n_good);
        assert_true(n_good > 100 && n_good < 15000);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(the_platforms_own_samples_are_understood),
                cmocka_unit_test(an_address_is_verified_by_its_echo),
                cmocka_unit_test(a_result_is_noted_by_its_number_and_wakes_its_document),
                cmocka_unit_test(a_push_that_ended_is_noted_too),
                cmocka_unit_test(what_is_not_the_platforms_is_not_let_in),
                cmocka_unit_test(xml_is_elements_cdata_and_text_only),
                cmocka_unit_test(no_mutant_does_harm),
        };

        return cmocka_run_group_tests_name("wechat: callback", tests, NULL, NULL);
}
