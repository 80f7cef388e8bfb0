#include "channels/site/fixture.h"

static void a_page_bears_the_tags_that_inspectors_read(void **state) {
        static const char *const wanted[] = {
                "<title>关于“供水”与《用水》&amp;节水的通知 - 腾冲市人民政府门户网站</title>\n",
                "<meta name=\"SiteName\" content=\"腾冲市人民政府门户网站\">\n",
                "<meta name=\"SiteDomain\" content=\"www.example.gov.cn\">\n",
                "<meta name=\"SiteIDCode\" content=\"5305810001\">\n",
                "<meta name=\"ColumnName\" content=\"公共文化服务\">\n",
                "<meta name=\"ColumnDescription\" content=\"腾冲市公共文化服务政务公开信息\">\n",
                "<meta name=\"ColumnKeywords\" content=\"政务公开,信息公开,腾冲市,公共文化服务\">\n",
                "<meta name=\"ColumnType\" content=\"信息公开\">\n",
                "<meta name=\"ArticleTitle\" content=\"关于“供水”与《用水》&amp;节水的通知\">\n",
                "<meta name=\"PubDate\" content=\"2026-11-22 12:00\">\n",
                "<meta name=\"ContentSource\" content=\"腾冲市水务局、腾冲市财政局\">\n",
                "<meta name=\"Keywords\" content=\"公共文化服务,供水服务,腾冲市水务局、腾冲市财政局\">\n",
                "<meta name=\"Author\" content=\"腾冲市水务局、腾冲市财政局\">\n",
                "<meta name=\"Description\" content=\"停水三天，请蓄水。\">\n",
                "title=\"腾冲市人民政府门户网站\" href=\"../../feed.xml\">\n",
        };
        struct fake_tree tree;
        struct place place;
        struct buf canonical = { 0 };

        (void) state;
        fake_tree_init(&tree);
        deliver_well(&tree, &(struct act) { .title = "关于“供水”与《用水》&节水的通知",
                                            .more = "{\"summary\":\"停水三天，请蓄水。\"}" });
        for (size_t i = 0; i < ELEMENTS(wanted); i++) {
                print_message("%s", wanted[i]);
                assert_non_null(strstr(page(&tree), wanted[i]));
        }
        assert_non_null(strstr(page(&tree), "content=\"default-src 'self'; script-src 'none'; "
                                            "style-src 'self'; img-src 'self' data:"));
        place_of("530581", "oa-1", &place);
        buf_fmt(&canonical, "<meta name=\"Url\" content=\"https://www.example.gov.cn/%s\">",
                place.page);
        assert_non_null(strstr(page(&tree), buf_text(&canonical)));
        buf_reset(&canonical);
        buf_fmt(&canonical, "<link rel=\"canonical\" href=\"https://www.example.gov.cn/%s\">",
                place.page);
        assert_non_null(strstr(page(&tree), buf_text(&canonical)));
        buf_done(&canonical);
        fake_tree_done(&tree);
}

static void each_part_of_the_event_finds_its_place(void **state) {
        static const struct {
                const char *story, *more, *wanted;
        } rows[] = {
                { "document number", "{\"number\":\"腾政发〔2026〕7号\"}",
                  "<dt>文号</dt><dd>腾政发〔2026〕7号</dd>" },
                { "index number", "{\"index\":\"015\"}", "<dt>索引号</dt><dd>015</dd>" },
                { "formed on a day", "{\"dates\":{\"formed\":\"2026-11-01\"}}",
                  "<dt>成文日期</dt><dd>2026-11-01</dd>" },
                { "formed, short form", "{\"formed\":\"2026-11-02\"}",
                  "<dt>成文日期</dt><dd>2026-11-02</dd>" },
                { "formed at a time elsewhere", "{\"formed\":\"2026-11-02T20:00:00Z\"}",
                  "<dt>成文日期</dt><dd>2026-11-03 04:00</dd>" },
                { "no such day stays away", "{\"formed\":\"2026-02-31\"}", "关于供水的通知" },
                { "openness by default", "{}", "<dt>公开类型</dt><dd>主动公开</dd>" },
                { "stages", "{}", "<dt>五公开环节</dt><dd>决策公开</dd>" },
                { "date of publication", "{}", "<dt>发布日期</dt><dd>2026-11-22 12:00</dd>" },
                { "valid", "{\"validity\":{\"status\":\"valid\"}}", "<dt>有效性</dt><dd>有效</dd>" },
                { "abolished", "{\"validity\":{\"status\":\"abolished\",\"on\":\"2026-11-20\","
                               "\"by\":\"腾政发〔2026〕7号\"}}",
                  "本文件已废止，自 2026-11-20 起（依据：腾政发〔2026〕7号）" },
                { "shown until a moment", "{\"show_until\":\"2026-12-01T18:00:00+08:00\"}",
                  "公示期至 2026-12-01 18:00" },
                { "shown for working days", "{\"show_until\":{\"days\":7,\"unit\":\"working\"}}",
                  "公示期 7 个工作日" },
                { "correction", "{\"correction\":{\"note\":\"金额更正\"}}",
                  "<strong>更正说明</strong> 金额更正" },
                { "plain words", "{\"texts\":{\"plain\":\"明天停水。\"}}", "一句话看懂</h2>\n<p>明天停水。</p>" },
                { "a relation by address",
                  "{\"relates\":[{\"rel\":\"reposts\",\"url\":\"https://a.example/x?y=1\"}]}",
                  "转载来源：<a href=\"https://a.example/x?y=1\">a.example</a>" },
                { "a relation that is no web address",
                  "{\"relates\":[{\"rel\":\"reposts\",\"url\":\"javascript:alert(1)\"}]}",
                  "关于供水的通知" },
                { "members of other types than they should have",
                  "{\"number\":5,\"dates\":[],\"validity\":\"x\",\"relates\":{},\"texts\":null,"
                  "\"correction\":[1],\"show_until\":true,\"index\":{}}",
                  "关于供水的通知" },
        };

        (void) state;
        for (size_t i = 0; i < ELEMENTS(rows); i++) {
                struct fake_tree tree;

                print_message("%s\n", rows[i].story);
                fake_tree_init(&tree);
                deliver_well(&tree, &(struct act) { .more = rows[i].more });
                assert_non_null(strstr(page(&tree), rows[i].wanted));
                assert_false(anywhere(&tree, "javascript:"));
                assert_false(anywhere(&tree, "2026-02-31"));
                fake_tree_done(&tree);
        }
}

static void a_relation_by_document_leads_to_its_page(void **state) {
        struct fake_tree tree;
        struct buf link = { 0 };
        struct place place;

        (void) state;
        fake_tree_init(&tree);
        deliver_well(&tree, &(struct act) {
                .more = "{\"relates\":[{\"rel\":\"interprets\",\"document\":\"oa-2\"}]}" });
        place_of("530581", "oa-2", &place);
        buf_fmt(&link, "解读的文件：<a href=\"../../%s\">oa-2</a>", place.page);
        assert_non_null(strstr(page(&tree), buf_text(&link)));
        buf_done(&link);
        fake_tree_done(&tree);
}

static void hostile_words_stay_words(void **state) {
        static const char *const titles[] = {
                "\"><script>alert(1)</script>",
                "</title></head><body onload=alert(1)>",
                "a & b 'c' \"d\" `e` <f>",
                "{{site.address}} {{{body}}} {{> head}}",
                "../../etc/passwd\\..\\x",
                "名\xE2\x80\xAE称\xE2\x80\x8B\xEF\xBB\xBF",
                "一行\n两行\t三\x01行",
                "]]><!--",
        };

        (void) state;
        for (size_t i = 0; i < ELEMENTS(titles); i++) {
                struct fake_tree tree;
                json_t *data = json_object();
                char *text;

                print_message("%s\n", titles[i]);
                json_object_set_new(data, "number", json_string(titles[i]));
                json_object_set_new(data, "summary", json_string(titles[i]));
                json_object_set_new(data, "texts", json_pack("{s:s}", "plain", titles[i]));
                json_object_set_new(data, "correction", json_pack("{s:s}", "note", titles[i]));
                json_object_set_new(data, "publisher", json_pack("{s:s}", "name", titles[i]));
                json_object_set_new(data, "relates", json_pack("[{s:s, s:s}, {s:s, s:s}]", "rel",
                                                               titles[i], "document", titles[i],
                                                               "rel", "corrects", "url",
                                                               titles[i]));
                text = json_dumps(data, 0);
                fake_tree_init(&tree);
                deliver_well(&tree, &(struct act) { .title = titles[i], .more = text,
                                                    .domain = titles[i] });
                assert_false(anywhere(&tree, "<script"));
                assert_false(anywhere(&tree, "<body onload"));
                assert_false(anywhere(&tree, "\xE2\x80\xAE"));
                assert_false(anywhere(&tree, "\x01"));
                assert_int_equal(fake_count_text(page(&tree), "</head>"), 1);
                deliver_well(&tree, &(struct act) { .kind = DELIVER_WITHDRAW, .revision = 1,
                                                    .more = text });
                assert_false(anywhere(&tree, "<script"));
                free(text);
                json_decref(data);
                fake_tree_done(&tree);
        }
}

static void attachments_come_and_go_with_their_page(void **state) {
        const struct attachment both[] = {
                { .name = "供水 台账（样表）.xlsx", .media_type = "application/vnd.ms-excel",
                  .sha256 = DIGEST_A, .size = 262144, .here = true },
                { .name = "现场图.png", .media_type = "image/png", .sha256 = DIGEST_B, .size = 900,
                  .here = true, .role = "cover" },
        };
        const struct attachment away = { .name = "视频.mp4", .media_type = "video/mp4",
                                         .sha256 = DIGEST_A, .size = 3 << 20,
                                         .url = "https://v.example/1.mp4" };
        struct buf one = { 0 }, two = { 0 };
        struct fake_tree tree;
        struct place place;

        (void) state;
        place_of("530581", "oa-1", &place);
        buf_fmt(&one, "%s/aaaaaaaa-供水-台账（样表）.xlsx", place.folder);
        buf_fmt(&two, "%s/bbbbbbbb-现场图.png", place.folder);
        fake_tree_init(&tree);

        deliver_well(&tree, &(struct act) { .attachments = both, .n_attachments = 2 });
        assert_string_equal(fake_file(&tree, buf_text(&one)), "attachment:" DIGEST_A);
        assert_string_equal(fake_file(&tree, buf_text(&two)), "attachment:" DIGEST_B);
        assert_true(has(page(&tree), "download=\"供水 台账（样表）.xlsx\">供水 台账（样表）.xlsx</a>"));
        assert_true(has(page(&tree), "/aaaaaaaa-%E4%BE%9B%E6%B0%B4-%E5%8F%B0"));
        assert_true(has(page(&tree), "Excel 表格，256 KB"));
        assert_true(has(page(&tree), "<code>aaaaaaaa11111111…</code>"));
        assert_true(has(page(&tree), DIGEST_A));
        assert_true(has(page(&tree), "<meta name=\"Image\" content=\"https://www.example.gov.cn/"));
        assert_false(has(page(&tree), ">现场图.png</a>"));

        deliver_well(&tree, &(struct act) { .attachments = both + 1, .n_attachments = 1,
                                            .revision = 2 });
        assert_null(fake_file(&tree, buf_text(&one)));
        assert_non_null(fake_file(&tree, buf_text(&two)));

        deliver_well(&tree, &(struct act) { .attachments = &away, .n_attachments = 1,
                                            .revision = 3 });
        assert_null(fake_file(&tree, buf_text(&two)));
        assert_true(has(page(&tree),
                        "<a href=\"https://v.example/1.mp4\" rel=\"noopener noreferrer\">"));
        assert_true(has(page(&tree), "MP4 视频，3.0 MB"));

        deliver_well(&tree, &(struct act) { .attachments = both, .n_attachments = 2,
                                            .revision = 4 });
        deliver_well(&tree, &(struct act) { .kind = DELIVER_WITHDRAW, .revision = 4 });
        assert_null(fake_file(&tree, buf_text(&one)));
        assert_null(fake_file(&tree, buf_text(&two)));
        buf_done(&one);
        buf_done(&two);
        fake_tree_done(&tree);
}

static void a_body_may_point_at_its_attachments(void **state) {
        const struct attachment picture = { .name = "图一.png", .media_type = "image/png",
                                            .sha256 = DIGEST_B, .size = 900, .here = true,
                                            .role = "inline" };
        struct fake_tree tree;

        (void) state;
        fake_tree_init(&tree);
        deliver_well(&tree, &(struct act) { .body = "![示意图](attachment:图一.png)",
                                            .attachments = &picture, .n_attachments = 1 });
        assert_true(has(page(&tree), "/bbbbbbbb-%E5%9B%BE%E4%B8%80.png\""));
        assert_false(has(page(&tree), "attachment:"));
        fake_tree_done(&tree);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(a_page_bears_the_tags_that_inspectors_read),
                cmocka_unit_test(each_part_of_the_event_finds_its_place),
                cmocka_unit_test(a_relation_by_document_leads_to_its_page),
                cmocka_unit_test(hostile_words_stay_words),
                cmocka_unit_test(attachments_come_and_go_with_their_page),
                cmocka_unit_test(a_body_may_point_at_its_attachments),
        };

        return cmocka_run_group_tests_name("site pages", tests, NULL, NULL);
}
