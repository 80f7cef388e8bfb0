#include "channels/site/fixture.h"
#include "channels/site/samples.h"

#include <libxml/parser.h>
#include <libxml/xpath.h>
#include <libxml/xpathInternals.h>

static unsigned nodes(xmlXPathContext *context, const char *path) {
        xmlXPathObject *found = xmlXPathEvalExpression(BAD_CAST path, context);
        unsigned n = found && found->nodesetval ? (unsigned) found->nodesetval->nodeNr : 0;

        xmlXPathFreeObject(found);
        return n;
}

static void every_list_page_bears_its_column_tags(void **state) {
        static const char *const lists[] = { "index.html", "530581/index.html",
                                             "domain/ggwh/index.html",
                                             "stage/decision/index.html", "archive/2026-11.html",
                                             "530581/2026-11.html", "archive/index.html" };
        static const char *const tags[] = { "ColumnName", "ColumnDescription", "ColumnKeywords",
                                            "ColumnType", "SiteIDCode" };
        struct fake_tree tree;

        (void) state;
        fake_tree_init(&tree);
        deliver_well(&tree, &(struct act) { 0 });
        for (size_t i = 0; i < ELEMENTS(lists); i++)
                for (size_t j = 0; j < ELEMENTS(tags); j++) {
                        struct buf tag = { 0 };

                        print_message("%s: %s\n", lists[i], tags[j]);
                        buf_fmt(&tag, "<meta name=\"%s\" content=\"", tags[j]);
                        assert_true(has(fake_file(&tree, lists[i]), buf_text(&tag)));
                        assert_false(has(fake_file(&tree, lists[i]), "ArticleTitle"));
                        buf_done(&tag);
                }
        fake_tree_done(&tree);
}

static void every_document_stays_within_reach(void **state) {
        enum { N = 2 * SHELF_SIZE + 5 };
        struct fake_tree tree;
        struct buf document = { 0 };

        (void) state;
        fake_tree_init(&tree);
        for (int i = 0; i < N; i++) {
                buf_reset(&document);
                buf_fmt(&document, "oa-%d", i);
                deliver_well(&tree, &(struct act) { .document = buf_text(&document),
                                                    .at_ms = NOON + i * 1000 });
        }
        assert_int_equal(fake_count_text(fake_file(&tree, "index.html"), "<time"), 50);
        assert_int_equal(fake_count_text(fake_file(&tree, "530581/index.html"), "<time"), 50);
        assert_true(has(fake_file(&tree, "530581/index.html"), "共 205 条"));
        assert_true(has(fake_file(&tree, "530581/index.html"), "530581/2026-11.html"));
        assert_true(has(fake_file(&tree, "archive/index.html"), "archive/2026-11.html"));
        for (int i = 0; i < N; i++) {
                static const char *const shelves[2][3] = {
                        { "archive/2026-11.html", "archive/2026-11-2.html",
                          "archive/2026-11-3.html" },
                        { "530581/2026-11.html", "530581/2026-11-2.html", "530581/2026-11-3.html" },
                };
                struct place place;

                buf_reset(&document);
                buf_fmt(&document, "oa-%d", i);
                place_of("530581", buf_text(&document), &place);
                for (int j = 0; j < 2; j++)
                        assert_true(has(fake_file(&tree, shelves[j][i / SHELF_SIZE]), place.page));
        }
        assert_true(has(fake_file(&tree, "530581/2026-11.html"), "/2026-11-2.html\" rel=\"next\""));
        assert_true(has(fake_file(&tree, "530581/2026-11-2.html"),
                        "/2026-11-3.html\" rel=\"next\""));
        assert_true(has(fake_file(&tree, "530581/2026-11-2.html"), "/2026-11.html\" rel=\"prev\""));
        assert_false(has(fake_file(&tree, "530581/2026-11-3.html"), "rel=\"next\""));
        print_message("CPU of the driver per publication: %.2f ms\n",
                      tree.driver_seconds * 1000 / N);
        buf_done(&document);
        fake_tree_done(&tree);
}

static void new_ones_come_first(void **state) {
        struct fake_tree tree;
        const char *home;

        (void) state;
        fake_tree_init(&tree);
        deliver_well(&tree, &(struct act) { .document = "b", .title = "后来的", .at_ms = NOON + DAY });
        deliver_well(&tree, &(struct act) { .document = "a", .title = "先来的",
                                            .first_shown_ms = NOON });
        home = fake_file(&tree, "index.html");
        assert_true(strstr(home, "后来的") < strstr(home, "先来的"));
        assert_true(has(home, "<time datetime=\"2026-11-23\">2026-11-23</time>"));
        fake_tree_done(&tree);
}

static void counties_have_lists_of_their_own(void **state) {
        struct fake_tree tree;

        (void) state;
        fake_tree_init(&tree);
        deliver_well(&tree, &(struct act) { .title = "腾冲的" });
        deliver_well(&tree, &(struct act) { .title = "绥江的", .region = "530626" });
        assert_true(has(fake_file(&tree, "530581/index.html"), "腾冲的"));
        assert_false(has(fake_file(&tree, "530581/index.html"), "绥江的"));
        assert_true(has(fake_file(&tree, "530626/feed.xml"), "绥江的"));
        assert_false(has(fake_file(&tree, "530626/feed.xml"), "腾冲的"));
        assert_true(has(fake_file(&tree, "index.html"), "绥江的"));
        assert_true(has(fake_file(&tree, "index.html"),
                        "<a href=\"./530626/\">腾冲市 <span class=\"count\">1</span></a>"));
        assert_non_null(page_of(&tree, "530626", "oa-1"));
        assert_string_not_equal(page_of(&tree, "530626", "oa-1"), page(&tree));
        fake_tree_done(&tree);
}

static void feeds_are_good_atom(void **state) {
        static const char *const feeds[] = { "feed.xml", "530581/feed.xml" };
        struct fake_tree tree;

        (void) state;
        fake_tree_init(&tree);
        deliver_well(&tree, &(struct act) { .kind = DELIVER_SETUP });
        deliver_well(&tree, &(struct act) { .title = "a & b <c> \"d\" 'e' ]]> \x01 \xEF\xBF\xBE" });
        deliver_well(&tree, &(struct act) { .document = "oa-2", .at_ms = NOON + DAY });
        for (size_t i = 0; i < ELEMENTS(feeds); i++) {
                const char *text = fake_file(&tree, feeds[i]);
                xmlDoc *doc = xmlReadMemory(text, (int) strlen(text), feeds[i], NULL,
                                            XML_PARSE_NONET);
                xmlXPathContext *context;

                print_message("%s\n", feeds[i]);
                assert_non_null(doc);
                context = xmlXPathNewContext(doc);
                xmlXPathRegisterNs(context, BAD_CAST "a", BAD_CAST "http://www.w3.org/2005/Atom");
                assert_int_equal(nodes(context, "/a:feed/a:entry"), 2);
                assert_int_equal(nodes(context, "/a:feed/a:entry/a:id[starts-with(., "
                                                "'tag:www.example.gov.cn,2026-11-2')]"), 2);
                assert_int_equal(nodes(context, "/a:feed/a:entry[a:title and a:updated and "
                                                "a:published and a:author/a:name and a:summary "
                                                "and a:link/@href]"), 2);
                assert_int_equal(nodes(context, "/a:feed[a:id and a:title and a:author/a:name and "
                                                "a:updated='2026-11-23T12:00:00.001+08:00' and "
                                                "a:link[@rel='self']]"), 1);
                xmlXPathFreeContext(context);
                xmlFreeDoc(doc);
        }
        fake_tree_done(&tree);
}

static void a_setup_writes_what_is_always_there(void **state) {
        static const char *const files[] = {
                "index.html", "feed.xml", "robots.txt", "404.html", "assets/style.css",
                "assets/icon.svg", "archive/index.html", "stage/decision/index.html",
                "stage/execution/index.html", "stage/management/index.html",
                "stage/service/index.html", "stage/result/index.html" };
        struct fake_tree tree;

        (void) state;
        fake_tree_init(&tree);
        deliver_well(&tree, &(struct act) { .kind = DELIVER_SETUP });
        for (size_t i = 0; i < ELEMENTS(files); i++) {
                print_message("%s\n", files[i]);
                assert_non_null(fake_file(&tree, files[i]));
        }
        assert_int_equal(json_object_size(tree.files), ELEMENTS(files));
        assert_true(has(fake_file(&tree, "index.html"), "还没有公开信息"));
        assert_true(has(fake_file(&tree, "stage/result/index.html"), "目前没有公开信息"));
        assert_true(has(fake_file(&tree, "404.html"), "href=\"/assets/style.css\""));
        assert_true(has(fake_file(&tree, "404.html"), "noindex"));
        fake_tree_done(&tree);
}

static void a_setup_for_a_county_opens_its_page(void **state) {
        struct fake_tree tree;

        (void) state;
        fake_tree_init(&tree);
        deliver_well(&tree, &(struct act) { .kind = DELIVER_SETUP, .region = "530581" });
        assert_true(has(fake_file(&tree, "530581/index.html"), "目前没有公开信息"));
        assert_true(has(fake_file(&tree, "530581/feed.xml"), "<feed"));
        fake_tree_done(&tree);
}

static void a_setup_renews_every_list(void **state) {
        enum { N = 45 };
        struct fake_tree tree;
        struct buf text = { 0 };

        (void) state;
        fake_tree_init(&tree);
        for (int i = 0; i < N; i++) {
                buf_reset(&text);
                buf_fmt(&text, "领域%d", i);
                deliver_well(&tree, &(struct act) { .document = buf_text(&text),
                                                    .domain = buf_text(&text) });
        }
        json_object_clear(tree.files);
        deliver_well(&tree, &(struct act) { .kind = DELIVER_SETUP });
        for (int i = 0; i < N; i++) {
                char slug[SLUG_TEXT];
                struct buf path = { 0 };

                buf_reset(&text);
                buf_fmt(&text, "领域%d", i);
                domain_slug(buf_text(&text), slug);
                buf_fmt(&path, "domain/%s/index.html", slug);
                assert_true(has(fake_file(&tree, buf_text(&path)), buf_text(&text)));
                buf_done(&path);
        }
        assert_true(has(fake_file(&tree, "530581/index.html"), "腾冲市"));
        assert_non_null(fake_file(&tree, "530581/feed.xml"));
        buf_done(&text);
        fake_tree_done(&tree);
}

/* SITE_DUMP=FOLDER writes this portal there, to be looked at in a browser. */
static void a_sample_portal_can_be_looked_at(void **state) {
        static const struct attachment files[] = {
                { .name = "腾冲市城乡供水水源点台账样表.xlsx", .sha256 = DIGEST_A, .size = 48213,
                  .here = true, .media_type = "application/octet-stream" },
                { .name = "腾冲市今冬明春供水保障应急预案.pdf", .sha256 = DIGEST_B, .size = 2411724,
                  .here = true, .media_type = "application/pdf" },
        };
        const char *folder = getenv("SITE_DUMP");
        struct fake_tree tree;

        (void) state;
        fake_tree_init(&tree);
        deliver_well(&tree, &(struct act) { .kind = DELIVER_SETUP });
        for (size_t i = 0; i < ELEMENTS(samples); i++) {
                const struct sample *sample = &samples[i];
                int64_t at_ms = NOON - (int64_t) sample->days_ago * DAY + (int64_t) i * 780000;
                json_t *stages = json_pack("[s]", sample->stage);
                json_t *data = json_loads(sample->more, 0, NULL);
                json_t *event;
                struct step step;

                assert_non_null(data);
                json_object_set_new(data, "title", json_string(sample->title));
                json_object_set_new(data, "publisher", json_pack("{s:s}", "name",
                                                                 sample->publisher));
                json_object_set_new(data, "body", json_pack("{s:s, s:s}", "format", sample->format,
                                                            "content", sample->body));
                event = json_pack("{s:o}", "data", data);
                for (int revision = 1; revision <= (i == 0 ? 2 : 1); revision++) {
                        fake_deliver(&tree, &site_driver,
                                     (struct delivery) {
                                             .kind = DELIVER_PUBLISH, .region = sample->region,
                                             .region_name = sample->region_name,
                                             .document = sample->document, .revision = revision,
                                             .event_id = revision == 1 ? "a" : "b",
                                             .event = event, .domain = sample->domain,
                                             .item_name = sample->item, .stages = stages,
                                             .document_kind = sample->kind,
                                             .attachments = files, .n_attachments = i == 1 ? 2 : 0,
                                             .now_ms = at_ms + (revision - 1) * 9000000,
                                             .options = &options },
                                     &step);
                        assert_int_equal(step.verdict.kind, VERDICT_DONE);
                        print_message("%s %s\n", step.verdict.reference, sample->title);
                        step_done(&step);
                }
                json_decref(event);
                json_decref(stages);
        }
        deliver_well(&tree, &(struct act) { .document = "w", .title = "关于开展冬季消防安全检查的通知" });
        deliver_well(&tree, &(struct act) { .kind = DELIVER_WITHDRAW, .document = "w",
                                            .more = "{\"reason\":\"附件中的时间安排有误，将另行公布\"}" });
        deliver_well(&tree, &(struct act) { .document = "x", .title = "（错发）" });
        deliver_well(&tree, &(struct act) { .kind = DELIVER_WITHDRAW, .document = "x",
                                            .more = "{\"mode\":\"erase\"}" });
        assert_int_equal(json_object_size(tree.entries), ELEMENTS(samples) + 2);
        assert_true(has(fake_file(&tree, "index.html"), "弥勒市"));
        if (folder)
                fake_dump(&tree, folder);
        fake_tree_done(&tree);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(every_list_page_bears_its_column_tags),
                cmocka_unit_test(every_document_stays_within_reach),
                cmocka_unit_test(new_ones_come_first),
                cmocka_unit_test(counties_have_lists_of_their_own),
                cmocka_unit_test(feeds_are_good_atom),
                cmocka_unit_test(a_setup_writes_what_is_always_there),
                cmocka_unit_test(a_setup_for_a_county_opens_its_page),
                cmocka_unit_test(a_setup_renews_every_list),
                cmocka_unit_test(a_sample_portal_can_be_looked_at),
        };

        return cmocka_run_group_tests_name("site lists", tests, NULL, NULL);
}
