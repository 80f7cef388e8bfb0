#include "channels/site/fixture.h"

struct chapter {
        const char *story;
        struct act act;
        const char *page_has, *page_lacks;
        bool listed;
};

static void live_through(const struct chapter *chapters, size_t n) {
        static const char *const lists[] = { "index.html",
                                             "530581/index.html",
                                             "domain/ggwh/index.html",
                                             "stage/decision/index.html",
                                             "archive/2026-11.html",
                                             "530581/2026-11.html",
                                             "feed.xml",
                                             "530581/feed.xml" };
        struct fake_tree tree;
        struct place place;

        place_of("530581", "oa-1", &place);
        fake_tree_init(&tree);
        for (size_t i = 0; i < n; i++) {
                print_message("%s\n", chapters[i].story);
                deliver_well(&tree, &chapters[i].act);
                assert_true(has(page(&tree), chapters[i].page_has));
                if (chapters[i].page_lacks)
                        assert_false(has(page(&tree), chapters[i].page_lacks));
                assert_true(has(page(&tree), "noindex") == !chapters[i].listed);
                for (size_t j = 0; j < ELEMENTS(lists); j++) {
                        assert_non_null(fake_file(&tree, lists[j]));
                        assert_true(has(fake_file(&tree, lists[j]), place.page) ==
                                    chapters[i].listed);
                }
                if (!chapters[i].listed)
                        assert_true(has(fake_file(&tree, "index.html"), "还没有公开信息"));
        }
        fake_tree_done(&tree);
}

static void a_document_lives_dies_and_returns(void **state) {
        static const struct chapter life[] = {
                { "published", { .title = "甲版标题" }, "<h1>甲版标题</h1>", "更新时间", true },
                { "published once more, the same",
                  { .title = "甲版标题", .at_ms = NOON + DAY, .revision = 1 },
                  "2026-11-22 12:00", "更新时间", true },
                { "revised the next day: the first date stays",
                  { .title = "乙版标题", .revision = 2, .at_ms = NOON + DAY },
                  "首发时间：<time datetime=\"2026-11-22 12:00\">", "甲版标题", true },
                { "and says when it changed",
                  { .title = "乙版标题", .revision = 2, .at_ms = NOON + DAY },
                  "更新时间：<time datetime=\"2026-11-23 12:00\">", "甲版标题", true },
                { "withdrawn with a mark",
                  { .kind = DELIVER_WITHDRAW, .revision = 2, .at_ms = NOON + 2 * DAY,
                    .more = "{\"reason\":\"数据有误\"}" },
                  "已撤回", "正文第一段", false },
                { "the mark names title, time and reason",
                  { .kind = DELIVER_WITHDRAW, .revision = 2, .at_ms = NOON + 3 * DAY,
                    .more = "{\"reason\":\"数据有误\"}" },
                  "<h1>乙版标题</h1>", "2026-11-25", false },
                { "published again",
                  { .title = "丙版标题", .revision = 3, .at_ms = NOON + 4 * DAY },
                  "<meta name=\"PubDate\" content=\"2026-11-22 12:00\">", "已撤回", true },
                { "the end of its display stands on the page, which stays",
                  { .title = "丙版标题", .revision = 3, .at_ms = NOON + 5 * DAY, .ended = true,
                    .more = "{\"show_until\":\"2026-11-27T00:00:00+08:00\"}" },
                  "<strong>公示已结束</strong> 公示期至 2026-11-27 00:00", "已撤回", true },
                { "expired", { .kind = DELIVER_EXPIRE, .revision = 3 }, "已到期", "正文第一段", false },
                { "and published again", { .revision = 4 }, "正文第一段", "已到期", true },
                { "erased",
                  { .kind = DELIVER_WITHDRAW, .revision = 4,
                    .more = "{\"mode\":\"erase\",\"reason\":\"泄露某人\"}" },
                  "此信息已被移除", "泄露", false },
                { "published after an erasure", { .title = "丁版标题", .revision = 5 },
                  "<meta name=\"PubDate\" content=\"2026-11-22 12:00\">", "移除", true },
        };

        (void) state;
        live_through(life, ELEMENTS(life));
}

static void a_withdrawal_of_what_was_never_here_leaves_a_mark(void **state) {
        struct fake_tree tree;

        (void) state;
        fake_tree_init(&tree);
        deliver_well(&tree, &(struct act) { .kind = DELIVER_WITHDRAW,
                                            .more = "{\"reason\":\"误发\"}" });
        assert_true(has(page(&tree), "<h1>此信息已撤回</h1>"));
        assert_true(has(page(&tree), "误发"));
        fake_tree_done(&tree);
}

static void erasing_leaves_no_word_anywhere(void **state) {
        static const char *const words[] = { "机密项目", "不该公开的话", "原因也不说", "腾密〔2026〕1号",
                                             "名单.pdf", "一句话漏底" };
        const struct attachment attachment = { .name = "名单.pdf", .media_type = "application/pdf",
                                               .size = 10, .here = true,
                                               .sha256 = "0123456789abcdef0123456789abcdef"
                                                         "0123456789abcdef0123456789abcdef" };
        struct fake_tree tree;
        char *index;

        (void) state;
        for (int marked_first = 0; marked_first < 2; marked_first++) {
                fake_tree_init(&tree);
                deliver_well(&tree, &(struct act) {
                        .title = "机密项目", .body = "不该公开的话",
                        .more = "{\"number\":\"腾密〔2026〕1号\",\"texts\":{\"plain\":\"一句话漏底\"}}",
                        .attachments = &attachment, .n_attachments = 1 });
                deliver_well(&tree, &(struct act) { .document = "oa-2", .title = "另一件" });
                for (size_t i = 0; i < ELEMENTS(words); i++)
                        assert_true(i == 2 || anywhere(&tree, words[i]));
                if (marked_first)
                        deliver_well(&tree, &(struct act) { .kind = DELIVER_WITHDRAW,
                                                            .more = "{\"reason\":\"原因也不说\"}" });
                deliver_well(&tree, &(struct act) {
                        .kind = DELIVER_WITHDRAW, .event_id = "the-erasure",
                        .more = "{\"mode\":\"erase\",\"reason\":\"原因也不说\"}" });
                index = json_dumps(tree.entries, 0);
                for (size_t i = 0; i < ELEMENTS(words); i++) {
                        print_message("%s\n", words[i]);
                        assert_false(anywhere(&tree, words[i]));
                        assert_false(has(index, words[i]));
                }
                assert_true(anywhere(&tree, "另一件"));
                assert_true(has(page(&tree), "2026-11-22"));
                free(index);
                fake_tree_done(&tree);
        }
}

static void the_first_date_never_moves(void **state) {
        static const struct {
                const char *story;
                int64_t first_shown_ms, at_ms;
                bool indexed;
                const char *wanted;
        } rows[] = {
                { "new", 0, NOON, false, "2026-11-22 12:00" },
                { "shown before, by a portal whose index was lost", NOON - 40 * DAY, NOON, false,
                  "2026-10-13 12:00" },
                { "the engine's figure came a minute later", NOON + 90000, NOON + DAY, true,
                  "2026-11-22 12:00" },
                { "an attempt whose answer was lost", 0, NOON + DAY, true, "2026-11-22 12:00" },
        };

        (void) state;
        for (size_t i = 0; i < ELEMENTS(rows); i++) {
                struct buf tag = { 0 };
                struct fake_tree tree;

                print_message("%s\n", rows[i].story);
                fake_tree_init(&tree);
                if (rows[i].indexed)
                        deliver_well(&tree, &(struct act) { .at_ms = NOON });
                deliver_well(&tree, &(struct act) { .at_ms = rows[i].at_ms, .revision = 2,
                                                    .first_shown_ms = rows[i].first_shown_ms });
                buf_fmt(&tag, "<meta name=\"PubDate\" content=\"%s\">", rows[i].wanted);
                assert_true(has(page(&tree), buf_text(&tag)));
                buf_done(&tag);
                fake_tree_done(&tree);
        }
}

static void a_change_of_tags_clears_the_old_lists(void **state) {
        struct fake_tree tree;
        struct place place;

        (void) state;
        place_of("530581", "oa-1", &place);
        fake_tree_init(&tree);
        deliver_well(&tree, &(struct act) { .domain = "城乡规划",
                                            .stages = "[\"decision\",\"execution\"]" });
        assert_true(has(fake_file(&tree, "domain/cxgh/index.html"), place.page));
        assert_true(has(fake_file(&tree, "stage/execution/index.html"), place.page));
        deliver_well(&tree, &(struct act) { .domain = "安全生产", .revision = 2,
                                            .stages = "[\"result\",\"execution\"]" });
        assert_false(has(fake_file(&tree, "domain/cxgh/index.html"), place.page));
        assert_false(has(fake_file(&tree, "stage/decision/index.html"), place.page));
        assert_true(has(fake_file(&tree, "domain/aqsc/index.html"), place.page));
        assert_true(has(fake_file(&tree, "stage/result/index.html"), place.page));
        assert_true(has(fake_file(&tree, "stage/execution/index.html"), place.page));
        assert_false(has(fake_file(&tree, "index.html"), "domain/cxgh/"));
        assert_true(has(fake_file(&tree, "index.html"), "domain/aqsc/"));
        fake_tree_done(&tree);
}

static void a_test_leaves_nothing_behind(void **state) {
        struct fake_tree tree;
        struct step step;

        (void) state;
        fake_tree_init(&tree);
        deliver(&tree, &(struct act) { .kind = DELIVER_TEST }, &step);
        assert_int_equal(step.verdict.kind, VERDICT_DONE);
        assert_string_equal(step.verdict.url, "https://www.example.gov.cn/");
        assert_int_equal(tree.requests, 2);
        assert_int_equal(json_object_size(tree.files), 0);
        step_done(&step);
        fake_tree_done(&tree);
}

static void a_failed_test_says_so(void **state) {
        struct fake_tree tree;
        struct step step;

        (void) state;
        fake_tree_init(&tree);
        tree.refuse_with = TREE_FAILED;
        deliver(&tree, &(struct act) { .kind = DELIVER_TEST }, &step);
        assert_int_equal(step.verdict.kind, VERDICT_LATER);
        step_done(&step);
        fake_tree_done(&tree);
}

static void every_answer_of_the_tree_has_one_meaning(void **state) {
        static const struct {
                enum tree_status status;
                enum verdict_kind kind;
                const char *code, *sentence;
        } rows[] = {
                { TREE_BUSY, VERDICT_LATER, "site/busy", "占用" },
                { TREE_FAILED, VERDICT_LATER, "site/failed", "No space left on device" },
                { TREE_NEWER, VERDICT_DONE, "done", NULL },
        };

        (void) state;
        for (size_t i = 0; i < ELEMENTS(rows); i++)
                for (unsigned after = 0; after < 3; after++) { /* at claim, put, commit */
                        struct fake_tree tree;
                        struct step step;

                        fake_tree_init(&tree);
                        tree.refuse_with = rows[i].status;
                        tree.refuse_after = after;
                        deliver(&tree, &(struct act) { 0 }, &step);
                        print_message("%s at request %u\n", rows[i].code, after + 1);
                        assert_int_equal(step.verdict.kind, rows[i].kind);
                        assert_string_equal(step.verdict.code, rows[i].code);
                        if (rows[i].sentence)
                                assert_non_null(strstr(step.verdict.sentence, rows[i].sentence));
                        assert_int_equal(json_object_size(tree.files), 0);
                        assert_int_equal(json_object_size(tree.entries), 0);
                        step_done(&step);
                        fake_tree_done(&tree);
                }
}

static void an_old_delivery_changes_nothing(void **state) {
        struct fake_tree tree;
        struct step step;

        (void) state;
        fake_tree_init(&tree);
        deliver_well(&tree, &(struct act) { .title = "新的", .revision = 5 });
        deliver(&tree, &(struct act) { .title = "旧的", .revision = 4 }, &step);
        assert_int_equal(step.verdict.kind, VERDICT_DONE);
        assert_non_null(step.verdict.url);
        assert_false(anywhere(&tree, "旧的"));
        step_done(&step);

        deliver_well(&tree, &(struct act) { .kind = DELIVER_WITHDRAW, .revision = 5 });
        deliver(&tree, &(struct act) { .title = "新的", .revision = 5 }, &step);
        assert_true(has(page(&tree), "已撤回"));
        step_done(&step);
        fake_tree_done(&tree);
}

static void a_region_that_is_no_number_is_refused(void **state) {
        struct fake_tree tree;
        struct step step;

        (void) state;
        fake_tree_init(&tree);
        deliver(&tree, &(struct act) { .region = "../x" }, &step);
        assert_int_equal(step.verdict.kind, VERDICT_REFUSED);
        assert_int_equal(json_object_size(tree.files), 0);
        step_done(&step);
        fake_tree_done(&tree);
}

static void wrong_options_are_told(void **state) {
        static const struct {
                const char *story;
                struct site_options options;
                size_t n_problems;
        } rows[] = {
                { "all is well", { .root = (char *) "/srv/w", .address = (char *) "http://a.cn",
                                   .id_code = (char *) "bm84000001", .domain = (char *) "a.cn" },
                  0 },
                { "nothing set", { 0 }, 0 },
                { "a relative folder", { .root = (char *) "srv/w" }, 1 },
                { "a slash at the end", { .address = (char *) "http://a.cn/" }, 1 },
                { "no scheme", { .address = (char *) "www.a.cn" }, 1 },
                { "nine characters", { .id_code = (char *) "530581000" }, 1 },
                { "an odd character", { .id_code = (char *) "53058100-1" }, 1 },
                { "a domain with a scheme", { .domain = (char *) "http://a.cn" }, 1 },
        };

        (void) state;
        for (size_t i = 0; i < ELEMENTS(rows); i++) {
                struct problems problems = { 0 };

                print_message("%s\n", rows[i].story);
                site_driver.check(&rows[i].options, "portal.conf", &problems);
                assert_int_equal(problems.n, rows[i].n_problems);
                problems_done(&problems);
        }
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(a_document_lives_dies_and_returns),
                cmocka_unit_test(a_withdrawal_of_what_was_never_here_leaves_a_mark),
                cmocka_unit_test(erasing_leaves_no_word_anywhere),
                cmocka_unit_test(the_first_date_never_moves),
                cmocka_unit_test(a_change_of_tags_clears_the_old_lists),
                cmocka_unit_test(a_test_leaves_nothing_behind),
                cmocka_unit_test(a_failed_test_says_so),
                cmocka_unit_test(every_answer_of_the_tree_has_one_meaning),
                cmocka_unit_test(an_old_delivery_changes_nothing),
                cmocka_unit_test(a_region_that_is_no_number_is_refused),
                cmocka_unit_test(wrong_options_are_told),
        };

        return cmocka_run_group_tests_name("site", tests, NULL, NULL);
}
