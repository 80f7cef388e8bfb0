#include "channels/weibo/fixture.h"
#include "core/fit.h"
#include "core/unicode.h"

#define LONG_URL                                                                                   \
        "https://www.example.gov.cn/"                                                              \
        "0123456789012345678901234567890123456789012345678901234567890123456789"                   \
        "01234567890123456789012345678901234567890123456789" /* 147 bytes */

static void a_text_is_as_long_as_weibo_says(void **state) {
        static const struct {
                const char *story, *text;
                size_t halves;
        } rows[] = {
                { "nothing", "", 0 },
                { "the note's check: sixteen characters", "我司CEO与我司吉祥物...好大一坨！", 32 },
                { "U+0080 is the last that counts half", "\xc2\x80\xc2\x81", 3 },
                { "beyond the BMP two units", "𠮷", 4 },
                { "a family", "👨‍👩‍👧", 16 },
                { "an address counts ten characters", "https://www.example.gov.cn/d/1", 20 },
                { "also a short one", "http://a.cn", 20 },
                { "whatever its case", "HTTP://A.CN", 20 },
                { "a Chinese sign ends it", "见https://a.cn。", 24 },
                { "so does a bracket", "(https://a.cn)", 22 },
                { "a full stop is not of it", "https://a.cn.", 21 },
                { "two of them", "https://a.cn https://b.cn", 41 },
                { "what it has over 140 bytes counts", LONG_URL, 27 },
                { "t.cn is text", "http://t.cn/AiYOc4M5", 20 },
                { "t.cn is text, also a short one", "http://t.cn/A", 13 },
                { "weibo.com counts itself", "https://weibo.com/1/abc", 23 },
                { "a page of weibo.cn too", "http://m.weibo.cn/1", 19 },
                { "up to 41 bytes", "https://weibo.com/01234567890123456789012", 41 },
                { "a longer one as all others", "https://weibo.com/012345678901234567890123", 20 },
                { "another that only ends so", "https://notweibo.com/1", 20 },
                { "a scheme alone is text", "http://", 7 },
                { "no scheme, no address", "www.example.gov.cn", 18 },
        };

        (void) state;
        for (size_t i = 0; i < ELEMENTS(rows); i++) {
                print_message("%s\n", rows[i].story);
                assert_int_equal(weibo_halves(rows[i].text), rows[i].halves);
        }
}

#define TEN "关于公布安排的若干通"
#define HUNDRED TEN TEN TEN TEN TEN TEN TEN TEN TEN TEN

static void a_post_says_the_most_important_first(void **state) {
        static const struct {
                const char *story, *data, *text;
                bool ended;
        } rows[] = {
                { "title and summary", "{'title':'停水通告','summary':'明日停水。'}",
                  "【停水通告】明日停水。 " URL, false },
                { "the number goes along",
                  "{'title':'停水通告','number':'腾政发〔2026〕7号','summary':'明日停水。'}",
                  "【停水通告（腾政发〔2026〕7号）】明日停水。 " URL, false },
                { "a number that is in the title is not said twice",
                  "{'title':'7号通告','number':'7号'}", "【7号通告】 " URL, false },
                { "the short text in place of both",
                  "{'title':'停水通告','number':'7号','summary':'x','texts':{'short':'城区明日停水'"
                  "}}",
                  "城区明日停水 " URL, false },
                { "no summary: the body's beginning",
                  "{'title':'停水通告','body':{'format':'html','content':'<p>明日&amp;后日</"
                  "p><p>停水</p>'}}",
                  "【停水通告】明日&后日停水 " URL, false },
                { "a summary that repeats the title", "{'title':'停水通告','summary':'停水通告'}",
                  "【停水通告】 " URL, false },
                { "a correction's note",
                  "{'title':'停水通告','correction':{'note':'时间改为后日'},'summary':'停水。'}",
                  "【更正：停水通告】时间改为后日 停水。 " URL, false },
                { "with a short text",
                  "{'title':'x','correction':{'note':'时间改为后日'},'texts':{'short':'"
                  "城区后日停水'}}",
                  "【更正】城区后日停水 时间改为后日 " URL, false },
                { "a note that begins with the word itself",
                  "{'title':'停水通告','correction':{'note':'更正：时间改为后日'},'summary':'停水。'}",
                  "【更正：停水通告】时间改为后日 停水。 " URL, false },
                { "a short text that does",
                  "{'title':'x','correction':{'note':'更正说明：时间改为后日'},"
                  "'texts':{'short':'更正：城区后日停水'}}",
                  "更正：城区后日停水 时间改为后日 " URL, false },
                { "a title that does", "{'title':'【更正】停水通告','correction':{'note':'时间有误'}}",
                  "【更正】停水通告 时间有误 " URL, false },
                { "over", "{'title':'公示','summary':'名单'}", "【公示已结束：公示】名单 " URL,
                  true },
                { "not in force", "{'title':'办法','validity':{'status':'abolished'}}",
                  "【已废止：办法】 " URL, false },
                { "in force", "{'title':'办法','validity':{'status':'valid'}}", "【办法】 " URL,
                  false },
                { "brackets of its own", "{'title':'【公告】停水','summary':'明日'}",
                  "【公告】停水 明日 " URL, false },
                { "no topic", "{'title':'1#楼、2#楼停水'}", "【1＃楼、2＃楼停水】 " URL, false },
                { "nor across the parts", "{'title':'1#楼停水','summary':'2#楼不停'}",
                  "【1＃楼停水】2＃楼不停 " URL, false },
                { "one alone is none", "{'title':'1#楼停水'}", "【1#楼停水】 " URL, false },
                { "on one line", "{'title':'a','summary':' 第一行\\n\\t第二行 '}",
                  "【a】第一行 第二行 " URL, false },
                { "a long summary is cut",
                  "{'title':'停水通告','summary':'" HUNDRED TEN TEN TEN TEN "'}",
                  "【停水通告】" HUNDRED TEN TEN "关于…"
                  " " URL,
                  false },
                { "never inside a figure",
                  "{'title':'" HUNDRED "','summary':'" TEN TEN "罚款共计128万元整改通知'}",
                  "【" HUNDRED "】" TEN TEN "罚款共计… " URL, false },
                { "of a long title only the title",
                  "{'title':'" HUNDRED TEN TEN TEN "','number':'7号','summary':'明日'}",
                  "【" HUNDRED TEN TEN "关于公布安排…】 " URL, false },
                { "the note has its half",
                  "{'title':'" HUNDRED TEN TEN "','correction':{'note':'" HUNDRED "'}}",
                  "【更正：" TEN TEN TEN TEN TEN "关于公布安排的若干…】" TEN TEN TEN TEN TEN TEN
                  "关于公… " URL,
                  false },
                { "an address in the text stays whole",
                  "{'title':'公示','summary':'见 http://b.cn/x?a=1#z 网页'}",
                  "【公示】见 http://b.cn/x?a=1#z 网页 " URL, false },
                { "or goes as one",
                  "{'title':'" HUNDRED "','summary':'" TEN TEN "见http://b.cn/12网页'}",
                  "【" HUNDRED "】" TEN TEN "见… " URL, false },
        };

        (void) state;
        for (size_t i = 0; i < ELEMENTS(rows); i++) {
                json_t *data = data_of(rows[i].data);
                char *text = weibo_text(data, URL, rows[i].ended);

                print_message("%s\n", rows[i].story);
                assert_string_equal(text, rows[i].text);
                assert_true(weibo_halves(text) <= WEIBO_HALVES);
                free(text);
                json_decref(data);
        }
}

static void a_post_is_known_again(void **state) {
        static const char sent[] = "【停水 & 停电】1<2“明日” " URL;
        static const struct {
                const char *story, *seen;
                bool same;
        } rows[] = {
                { "as it was sent", "【停水 & 停电】1<2“明日” " URL, true },
                { "with a short address", "【停水 & 停电】1<2“明日” http://t.cn/AiYOc4M5", true },
                { "escaped, and something invisible behind it",
                  "【停水 &amp; 停电】1&lt;2“明日”http://t.cn/AiYOc4M5 \xe2\x80\x8b", true },
                { "without its address", "【停水 & 停电】1<2“明日”", true },
                { "of another document",
                  "【停水 & 停电】1<2“明日” https://www.example.gov.cn/d/oa-2.html", false },
                { "other words", "【停水 & 停电】1<2“后日” " URL, false },
                { "more words", "【停水 & 停电】1<2“明日” 转发 " URL, false },
                { "nothing", "", false },
        };

        (void) state;
        for (size_t i = 0; i < ELEMENTS(rows); i++) {
                print_message("%s\n", rows[i].story);
                assert_int_equal(weibo_same_text(sent, rows[i].seen), rows[i].same);
        }
}

static void an_address_is_under_the_safe_domain_or_not(void **state) {
        static const struct {
                const char *url;
                bool sound, under;
        } rows[] = {
                { URL, true, true },
                { "https://zwgk.www.example.gov.cn/1", true, true },
                { "http://WWW.Example.gov.cn:8080/1", true, true },
                { "https://www.example.gov.cn.evil.cn/1", true, false },
                { "https://evilwww.example.gov.cn/1", true, false },
                { "https://evil.cn/www.example.gov.cn", true, false },
                { "https://www.example.gov.cn@evil.cn/1", false, false },
                { "https://www.example.gov.cn/1#2", false, true },
                { "https://www.example.gov.cn/一", false, true },
                { "https://www.example.gov.cn/1 2", false, true },
                { "ftp://www.example.gov.cn/1", false, false },
                { "", false, false },
        };

        (void) state;
        for (size_t i = 0; i < ELEMENTS(rows); i++) {
                print_message("%s\n", rows[i].url);
                assert_int_equal(weibo_url_is_sound(rows[i].url), rows[i].sound);
                assert_int_equal(weibo_url_is_under(rows[i].url, "www.example.gov.cn"),
                                 rows[i].under);
        }
}

/* -- 10,000 documents of any kind -- */

static uint32_t random_state;

static uint32_t below(uint32_t most) {
        random_state = random_state * 1664525u + 1013904223u;
        return (random_state >> 8) % most;
}

static void add_words(struct buf *to, size_t most, bool wild) {
        static const char *const tame[] = { "公", "开", "通告", "12", "3.5", "万元", "2026年",
                                            "，", "。", "a",    "B",  " ",   "（",   "）" };
        static const char *const wilder[] = { "𠮷",
                                              "👨‍👩‍👧",
                                              "é",
                                              "🇨🇳",
                                              "#",
                                              "##",
                                              "@",
                                              "&",
                                              "<",
                                              "%",
                                              "+",
                                              "\n",
                                              "\t",
                                              "\1",
                                              "https://b.cn/1",
                                              "http://t.cn/Abc",
                                              "http://",
                                              "https://weibo.com/1/a",
                                              "https://www.example.gov.cn/一二三四五六",
                                              "क्षि",
                                              "\\",
                                              "【",
                                              "】" };

        for (size_t i = 0, n = below((uint32_t) most); i < n; i++)
                buf_str(to, wild && below(3) == 0 ? wilder[below(ELEMENTS(wilder))]
                                                  : tame[below(ELEMENTS(tame))]);
}

static char *words(size_t most, bool wild) {
        struct buf out = { 0 };

        add_words(&out, most, wild);
        return buf_take(&out);
}

static json_t *document(bool wild) {
        json_t *data = json_object();
        static const char *const keys[] = { "title", "number", "summary" };
        static const size_t mosts[] = { 120, 12, 300 };

        for (size_t i = 0; i < ELEMENTS(keys); i++) {
                char *text = words(mosts[i], wild);

                if (i == 0 || below(3) > 0)
                        (void) json_object_set_new(data, keys[i], json_string(text));
                free(text);
        }
        if (below(4) == 0) {
                char *text = words(80, wild);

                (void) json_object_set_new(data, "texts", json_pack("{s:s}", "short", text));
                free(text);
        }
        if (below(4) == 0) {
                char *text = words(150, wild);

                (void) json_object_set_new(data, "correction", json_pack("{s:s}", "note", text));
                free(text);
        }
        if (below(2) == 0) { /* one in a hundred is very long */
                char *text = words(below(50) == 0 ? 30000 : 60, wild);

                (void) json_object_set_new(data, "body", json_pack("{s:s, s:s}", "format",
                                                                  below(2) ? "markdown" : "text",
                                                                  "content", text));
                free(text);
        }
        return data;
}

/* Up to fifty pictures and other files of all sizes. */
static void add_attachments(struct delivery *delivery) {
        static const char *const types[] = { "image/jpeg", "image/png", "image/gif", "image/webp",
                                             "application/pdf" };
        static const char *const roles[] = { "cover", "inline", NULL };
        static struct attachment attachments[50];

        delivery->attachments = attachments;
        delivery->n_attachments = below(4) > 0 ? 0 : below(10) == 0 ? 50 : below(3);
        for (size_t i = 0; i < delivery->n_attachments; i++)
                attachments[i] = (struct attachment) {
                        .name = "a", .media_type = types[below(5)], .role = roles[below(3)],
                        .sha256 = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef",
                        .size = below(8000000), .here = below(8) > 0,
                };
}

/* The picture is one that Weibo takes, and the form has the text. */
static void assert_form(const struct step *step, const struct delivery *delivery, const char *text) {
        const struct attachment *picture = weibo_picture(delivery);
        char *status = picture ? NULL : field(step, "status");

        if (picture) {
                assert_true(picture->here && picture->size > 0 && picture->size < 5000000);
                assert_int_equal(strncmp(picture->media_type, "image/", 6), 0);
                assert_string_not_equal(picture->media_type, "image/webp");
                assert_non_null(strstr(buf_text(&step->http.body), text));
        } else
                assert_string_equal(status, text);
        assert_int_equal(step->http.upload != NULL, picture != NULL);
        free(status);
}

static size_t n_hashes_outside(const char *text, const char *url) {
        size_t n = 0;

        for (const char *at = text; at < text + strlen(text) - strlen(url); at++)
                n += *at == '#';
        return n;
}

static void ten_thousand_documents_keep_all_limits(void **state) {
        (void) state;
        for (unsigned i = 0; i < 10000; i++) {
                json_t *data, *event;
                struct delivery delivery;
                struct step step = { 0 };
                json_t *memo;
                const char *title;
                const char *status;
                char *full = NULL;
                bool wild = i % 2;

                random_state = 77 + i;
                data = document(wild);
                event = json_pack("{s:O}", "data", data);
                delivery = delivery_of(DELIVER_PUBLISH, event);
                add_attachments(&delivery);
                first_step(&delivery, &memo, &step);
                assert_int_equal(step.kind, STEP_HTTP);
                assert_true(step.checkpoint);
                status = weibo_memo_text(memo, "text");
                assert_form(&step, &delivery, status);
                assert_int_equal(unicode_valid(status, strlen(status)), strlen(status));
                if (weibo_halves(status) > WEIBO_HALVES || n_hashes_outside(status, URL) > 1)
                        fail_msg("seed %u: %zu halves: %s", i, weibo_halves(status), status);
                assert_string_equal(status + strlen(status) - strlen(" " URL), " " URL);
                for (const char *at = status; *at; at++)
                        assert_true((unsigned char) *at >= 0x20);
                /* Nothing is cut that fits. */
                title = json_string_value(json_object_get(data, "title"));
                if (!wild && json_object_size(data) == 3 && json_object_get(data, "summary") &&
                    json_object_get(data, "number") &&
                    !strstr(title, json_string_value(json_object_get(data, "number"))) &&
                    asprintf(&full, "【%s（%s）】%s " URL, title,
                             json_string_value(json_object_get(data, "number")),
                             json_string_value(json_object_get(data, "summary"))) > 0 &&
                    weibo_halves(full) <= WEIBO_HALVES && !strstr(full, "  ") &&
                    !strstr(full, "【 "))
                        assert_null(strstr(status, "…"));
                free(full);
                step_done(&step);
                json_decref(memo);
                json_decref(event);
                json_decref(data);
        }
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(a_text_is_as_long_as_weibo_says),
                cmocka_unit_test(a_post_says_the_most_important_first),
                cmocka_unit_test(a_post_is_known_again),
                cmocka_unit_test(an_address_is_under_the_safe_domain_or_not),
                cmocka_unit_test(ten_thousand_documents_keep_all_limits),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
