#include "channels/wechat/fixture.h"

#include "core/fit.h"
#include "core/moment.h"
#include "core/template.h"

#define HTML_LIMIT 20000

/* The article of an event, as the platform gets it. */
static json_t *article_with(struct world *world, const json_t *urls, const char *template) {
        struct template_error wrong = { 0 };
        json_t *body = NULL, *article;

        world->delivery.options = &world->options;
        assert_int_equal(wechat_article(&world->delivery, urls, "THUMB", template, &body, &wrong),
                         0);
        article = json_incref(json_array_get(json_object_get(body, "articles"), 0));
        json_decref(body);
        template_error_done(&wrong);
        return article;
}

static size_t units(const char *text) {
        return fit_length(text, strlen(text), FIT_UTF16);
}

/* Every element that is opened is closed, in its order. */
static void assert_well_formed(const char *html) {
        char open[100][16];
        size_t depth = 0;

        for (const char *at = html; (at = strchr(at, '<')) != NULL;) {
                bool closes = at[1] == '/';
                const char *name = at + 1 + closes;
                size_t n = strcspn(name, " >");

                assert_true(n > 0 && n < 16);
                at = strchr(at, '>');
                assert_non_null(at);
                if (strncmp(name, "br", n) == 0 || strncmp(name, "hr", n) == 0 ||
                    strncmp(name, "img", n) == 0)
                        continue;
                if (closes) {
                        assert_true(depth > 0);
                        assert_true(strlen(open[--depth]) == n &&
                                    memcmp(open[depth], name, n) == 0);
                } else {
                        assert_true(depth < 100);
                        (void) snprintf(open[depth++], 16, "%.*s", (int) n, name);
                }
        }
        assert_int_equal(depth, 0);
}

static void assert_within_limits(const json_t *article) {
        const char *content = wechat_text(article, "content");
        char *text = json_dumps(article, JSON_COMPACT);

        assert_true(units(wechat_text(article, "title")) <= 32);
        assert_true(*wechat_text(article, "title") != '\0');
        assert_true(units(wechat_text(article, "author")) <= 16);
        assert_true(units(wechat_text(article, "digest")) <= 128);
        assert_true(units(content) < HTML_LIMIT);
        assert_true(*content != '\0' && strlen(content) < 1 << 20);
        assert_true(strlen(wechat_text(article, "content_source_url")) <= 1024);
        assert_non_null(text); /* NULL where it is not UTF-8: nothing was cut within a character */
        assert_null(strstr(text, "\\u")); /* 40033 */
        assert_well_formed(content);
        free(text);
}

static void each_field_comes_from_where_it_is_written_by_hand_first(void **state) {
        struct world world;
        json_t *urls = json_object(), *article;

        (void) state;
        world_init(&world, "{\"number\":\"腾政发〔2026〕12号\",\"summary\":\"摘要\",\"texts\":{"
                           "\"short\":\"短文\"},"
                           "\"dates\":{\"formed\":\"2026-11-20\"},\"correction\":{\"note\":"
                           "\"更正：金额改为12.50万元\"},"
                           "\"validity\":{\"status\":\"abolished\"}}");
        world.delivery.after_url = "https://www.example.gov.cn/a/1.html";
        article = article_with(&world, urls, NULL);
        assert_within_limits(article);
        assert_string_equal(wechat_text(article, "title"), "关于停水的通知");
        assert_string_equal(wechat_text(article, "author"), "腾冲市人民政府");
        assert_string_equal(wechat_text(article, "digest"), "短文");
        assert_string_equal(wechat_text(article, "content_source_url"),
                            "https://www.example.gov.cn/a/1.html");
        assert_string_equal(wechat_text(article, "thumb_media_id"), "THUMB");
        for (size_t i = 0; i < 6; i++)
                assert_non_null(strstr(
                        wechat_text(article, "content"),
                        (const char *[]){ "腾政发〔2026〕12号", "更正说明：金额改为12.50万元",
                                          "本文件已废止", "<p>11月23日全城停水。</p>",
                                          "腾冲市人民政府<br>2026-11-20", "公开编号：GK" }[i]));
        assert_null(strstr(wechat_text(article, "content"), "全文较长"));
        json_decref(article);
        world.options.author = (char *) "腾冲发布";
        world.delivery.ended = true;
        article = article_with(&world, urls, "<p>{{title}}</p>{{{body}}}");
        assert_string_equal(wechat_text(article, "author"), "腾冲发布");
        assert_int_equal(
                strncmp(wechat_text(article, "content"), "<p>关于停水的通知</p><p>11月23日", 30),
                0);
        assert_non_null(strstr(wechat_text(article, "content"),
                               "公开编号：GK")); /* whatever the template */
        json_decref(article);
        json_decref(urls);
        world_done(&world);
}

static void a_long_title_is_cut_and_stands_whole_in_the_text(void **state) {
        static const char title[] = "腾冲市人民政府关于印发腾冲市2026年度第一批城乡居民基本医疗保险"
                                    "财政补助资金分配方案的通知";
        struct world world;
        json_t *urls = json_object(), *article;
        char data[400];

        (void) state;
        (void) snprintf(data, sizeof(data), "{\"title\":\"%s\"}", title);
        world_init(&world, data);
        article = article_with(&world, urls, NULL);
        assert_within_limits(article);
        assert_non_null(strstr(wechat_text(article, "title"), "…"));
        assert_non_null(strstr(wechat_text(article, "content"), title));
        json_decref(article);
        json_decref(urls);
        world_done(&world);
}

static void what_is_too_long_ends_with_a_block_and_says_where_the_rest_is(void **state) {
        static const struct {
                const char *format, *block, *end;
        } rows[] = {
                { "html", "<p>第一条 各单位应当在收到本通知之日起十个工作日内完成整改。</p>",
                  "整改。</p>" },
                { "html",
                  "<ul><li>一</li><li>二</li></ul><table><tr><td>甲</td><td>1</td></tr></table>",
                  ">" },
                { "text", "没有段落的长文，", "…</p>" },
        };

        (void) state;
        for (size_t i = 0; i < ELEMENTS(rows); i++) {
                struct world world;
                struct buf source = { 0 };
                json_t *urls = json_object(), *article;
                const char *content, *at;

                for (int k = 0; k < 4000; k++)
                        buf_str(&source, rows[i].block);
                world_init(&world, "{}");
                world.delivery.after_url = "https://www.example.gov.cn/a/1.html";
                (void) json_object_set_new(json_object_get((json_t *) world.delivery.event, "data"),
                                           "body",
                                           json_pack("{s:s, s:s}", "format", rows[i].format,
                                                     "content", buf_text(&source)));
                article = article_with(&world, urls, NULL);
                assert_within_limits(article);
                content = wechat_text(article, "content");
                assert_true(units(content) > HTML_LIMIT * 9 / 10); /* no more is cut than must be */
                at = strstr(content, "<p>（全文较长");
                assert_non_null(at);
                while (at[-1] == '\n')
                        at--;
                assert_memory_equal(at - strlen(rows[i].end), rows[i].end, strlen(rows[i].end));
                assert_non_null(strstr(content, "全文：https://www.example.gov.cn/a/1.html"));
                json_decref(article);
                json_decref(urls);
                buf_done(&source);
                world_done(&world);
        }
}

static void pictures_become_addresses_and_the_rest_is_named(void **state) {
        const struct attachment attachments[] = {
                { "a.png", "image/png", "inline", SHA_A, 1000, NULL, true },
                { "b.webp", "image/webp", "inline", SHA_B, 1000, NULL, true },
                { "表.xlsx", "application/vnd.ms-excel", NULL,
                  "cccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccc", 3 << 20,
                  "https://www.example.gov.cn/f/1.xlsx", true },
                { "封面.jpg", "image/jpeg", "cover",
                  "dddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddd", 1000, NULL,
                  true },
        };
        struct world world;
        json_t *urls, *article, *pictures;

        (void) state;
        world_init(&world, "{\"body\":{\"format\":\"markdown\",\"content\":\"![图一](attachment:a."
                           "png) ![图二](attachment:b.webp)\"}}");
        world.delivery.attachments = attachments;
        world.delivery.n_attachments = ELEMENTS(attachments);
        assert_int_equal(wechat_pictures(&world.delivery, &pictures), 0);
        assert_int_equal(json_array_size(pictures), 1);
        json_decref(pictures);
        assert_string_equal(wechat_cover(&world.delivery)->name, "封面.jpg");
        urls = json_pack("{s:s}", SHA_A, "http://mmbiz.qpic.cn/a?x=1&y=2");
        article = article_with(&world, urls, NULL);
        assert_within_limits(article);
        assert_non_null(strstr(wechat_text(article, "content"),
                               "<img src=\"http://mmbiz.qpic.cn/a?x=1&amp;y=2\" alt=\"图一\">"));
        assert_non_null(strstr(wechat_text(article, "content"), "图二"));
        assert_non_null(strstr(wechat_text(article, "content"),
                               "表.xlsx（3.0 MB） https://www.example.gov.cn/f/1.xlsx"));
        assert_non_null(strstr(wechat_text(article, "content"), "b.webp（1 KB）"));
        assert_null(strstr(wechat_text(article, "content"), "封面.jpg"));
        json_decref(article);
        json_decref(urls);
        world_done(&world);
}

static void a_wrong_template_is_told_with_its_line(void **state) {
        static const struct {
                const char *template;
                int r;
        } rows[] = { { "<p>\n{{#body}}</p>", -EINVAL }, { "{{{body}}}{{{body}}}", 0 } };

        (void) state;
        for (size_t i = 0; i < ELEMENTS(rows); i++) {
                struct template_error wrong = { 0 };
                struct world world;
                json_t *urls = json_object(), *body = NULL;

                world_init(&world, "{}");
                assert_int_equal(
                        wechat_article(&world.delivery, urls, "T", rows[i].template, &body, &wrong),
                        rows[i].r);
                if (rows[i].r < 0)
                        assert_int_equal(wrong.line, 2);
                template_error_done(&wrong);
                json_decref(body);
                json_decref(urls);
                world_done(&world);
        }
}

/* -- documents of every kind, by a seed -- */

static unsigned long long seed = 20261129;

static unsigned draw(unsigned most) {
        seed = seed * 6364136223846793005ull + 1442695040888963407ull;
        return (unsigned) (seed >> 33) % most;
}

static void add_words(struct buf *text, unsigned n) {
        static const char *const words[] = {
                "公",
                "开",
                "通知",
                "𠮷",
                "𬱟",
                "👨‍👩‍👧‍👦",
                "🇨🇳",
                "e\xcc\x81",
                "罚款12.50万元",
                "2026年11月20日",
                "，",
                "。",
                "a",
                " ",
                "<",
                "&",
                "\"",
                "'",
                "〔2026〕12号",
                "ज़",
                "👍🏽",
                "一百二十万元",
                "https://e.cn/?a=1&b=2",
                "\xe2\x80\x8d",
                "ﷺ",
        };

        for (unsigned i = 0; i < n; i++)
                buf_str(text, words[draw(ELEMENTS(words))]);
}

static json_t *words_of(unsigned least, unsigned most) {
        struct buf text = { 0 };
        json_t *json;

        add_words(&text, least + draw(most - least + 1));
        json = json_string(buf_text(&text));
        buf_done(&text);
        return json;
}

/* `length`: 0 short, 1 a paragraph or more that alone is too long, 2 a hundred kilobytes. */
static json_t *random_body(unsigned n_pictures, unsigned length) {
        static const char *const formats[] = { "text", "markdown", "html" };
        static const char *const blocks[] = { "p", "li", "h2", "blockquote", "td" };
        const char *format = formats[draw(3)];
        unsigned n = length > 1 ? 4000 : draw(draw(4) ? 8 : 40);
        struct buf source = { 0 };
        json_t *body;

        for (unsigned i = 0; i < n && source.len < 100000; i++) {
                const char *block = blocks[draw(ELEMENTS(blocks))];

                if (*format == 'h')
                        buf_fmt(&source, "%s<%s>", *block == 't' ? "<table><tr>" : "", block);
                add_words(&source, draw(length == 1 && draw(4) == 0 ? 6000 : 30));
                if (n_pictures > 0 && draw(3) == 0)
                        buf_fmt(&source,
                                *format == 'h' ? "<img src=\"attachment:%u.png\" alt=\"图\">"
                                               : "![图](attachment:%u.png)",
                                draw(n_pictures));
                if (*format == 'h')
                        buf_fmt(&source, "</%s>%s", block, *block == 't' ? "</tr></table>" : "");
                else
                        buf_str(&source, draw(2) ? "\n\n" : "\n- ");
        }
        buf_str(&source, "完");
        body = json_pack("{s:s, s:s}", "format", format, "content", buf_text(&source));
        buf_done(&source);
        return body;
}

static void random_document(struct world *world, struct attachment *attachments, char (*names)[16],
                            char (*digests)[DIGEST_TEXT]) {
        unsigned n = draw(20) == 0 ? 50 : draw(3);
        json_t *data;

        world_init(world, "{}");
        data = json_object_get((json_t *) world->delivery.event, "data");
        (void) json_object_set_new(data, "title", words_of(1, draw(2) ? 12 : 100));
        (void) json_object_set_new(data, "body", random_body(n, draw(100) == 0 ? 2 : draw(50) == 0));
        (void) json_object_set_new(
                data, "publisher",
                json_pack("[{s:o}, {s:o}]", "name", words_of(1, 10), "name", words_of(0, 40)));
        if (draw(2))
                (void) json_object_set_new(data, "number", json_string("腾政发〔2026〕12号"));
        if (draw(3) == 0)
                (void) json_object_set_new(data, "summary", words_of(1, 200));
        if (draw(3) == 0)
                (void) json_object_set_new(data, "texts",
                                           json_pack("{s:o}", "short", words_of(1, 40)));
        if (draw(4) == 0)
                (void) json_object_set_new(data, "correction",
                                           json_pack("{s:o}", "note", words_of(1, 3000)));
        (void) json_object_set_new(data, "dates", json_pack("{s:s}", "formed", "2026-11-20"));
        for (unsigned i = 0; i < n; i++) {
                (void) snprintf(names[i], 16, "%u.png", i);
                digest_bytes(&i, sizeof(i), digests[i]);
                attachments[i] = (struct attachment) {
                        names[i],          draw(8) ? "image/png" : "application/pdf",
                        "inline",          digests[i],
                        1 + draw(1 << 21), NULL,
                        draw(10) > 0
                };
        }
        world->delivery.attachments = attachments;
        world->delivery.n_attachments = n;
        if (draw(2))
                world->delivery.after_url = "https://www.example.gov.cn/a/1.html";
}

static void ten_thousand_documents_keep_all_limits_and_say_the_same(void **state) {
        static struct attachment attachments[64];
        static char names[64][16], digests[64][DIGEST_TEXT];
        size_t n_cut = 0, n_pictures = 0;

        (void) state;
        for (int i = 0; i < 10000; i++) {
                struct world world;
                json_t *urls = json_object(), *pictures = NULL, *article, *picture;
                const char *title, *number, *content;
                struct buf escaped = { 0 };
                size_t k;

                random_document(&world, attachments, names, digests);
                assert_int_equal(wechat_pictures(&world.delivery, &pictures), 0);
                assert_true(json_array_size(pictures) <= WECHAT_PICTURES);
                json_array_foreach (pictures, k, picture) {
                        const struct attachment *attachment =
                                &attachments[atol(json_string_value(picture))];

                        assert_true(attachment->size < 1 << 20 && attachment->here);
                        (void) json_object_set_new(
                                urls, attachment->sha256,
                                json_string(
                                        "http://mmbiz.qpic.cn/mmbiz_png/abcdefgh/0?from=appmsg"));
                        n_pictures++;
                }
                article = article_with(&world, urls, NULL);
                assert_within_limits(article);
                title = wechat_text(json_object_get(world.delivery.event, "data"), "title");
                number = wechat_text(json_object_get(world.delivery.event, "data"), "number");
                content = wechat_text(article, "content");
                if (units(title) <= 32) {
                        assert_string_equal(wechat_text(article, "title"), title);
                } else {
                        escape_add(&escaped, ESCAPE_HTML, title, strlen(title));
                        if (units(title) < 400)
                                assert_non_null(strstr(content, buf_text(&escaped)));
                }
                assert_non_null(strstr(content, number));
                assert_non_null(strstr(content, "2026-11-20"));
                if (strstr(content, "全文较长"))
                        n_cut++;
                else
                        assert_non_null(strstr(content, "完"));
                json_decref(pictures);
                json_decref(article);
                json_decref(urls);
                buf_done(&escaped);
                world_done(&world);
        }
        print_message("%zu were cut, %zu pictures\n", n_cut, n_pictures);
        assert_true(n_cut > 100 && n_cut < 5000 && n_pictures > 1000);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(each_field_comes_from_where_it_is_written_by_hand_first),
                cmocka_unit_test(a_long_title_is_cut_and_stands_whole_in_the_text),
                cmocka_unit_test(what_is_too_long_ends_with_a_block_and_says_where_the_rest_is),
                cmocka_unit_test(pictures_become_addresses_and_the_rest_is_named),
                cmocka_unit_test(a_wrong_template_is_told_with_its_line),
                cmocka_unit_test(ten_thousand_documents_keep_all_limits_and_say_the_same),
        };

        return cmocka_run_group_tests_name("wechat: article", tests, NULL, NULL);
}
