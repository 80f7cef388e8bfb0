#include "channels/display/fixture.h"

static void an_entry_says_what_the_document_says(void **state) {
        struct wall wall;
        const struct act act = {
                .title = "关于公布停水安排的通告",
                .document = "腾政〔2026〕7号",
                .revision = 3,
                .after_url = "https://www.example.gov.cn/a.html",
                .more = "{\"number\":\"腾政发〔2026〕7号\",\"publisher\":[{\"name\":\"水务局\"},"
                        "{\"code\":\"x\"},{\"name\":\"财政局\"}],\"dates\":{\"formed\":"
                        "\"2026-11-20T23:30:00Z\"},\"texts\":{\"short\":\"停水三天\"},"
                        "\"publish_at\":\"2026-11-22T08:00:00+08:00\",\"body\":{\"format\":\"html\","
                        "\"content\":\"<p>正文<b>加粗</b></p>\"}}",
        };
        json_t *item;

        (void) state;
        wall_init(&wall);
        deliver_well(&wall, &act);
        item = first_of(&wall, "hall");
        assert_string_equal(string_of(item, "document"), "腾政〔2026〕7号");
        assert_int_equal(number_of(item, "revision"), 3);
        assert_string_equal(string_of(item, "kind"), "notice");
        assert_string_equal(string_of(item, "title"), "关于公布停水安排的通告");
        assert_string_equal(string_of(item, "number"), "腾政发〔2026〕7号");
        assert_string_equal(string_of(item, "publisher"), "水务局、财政局");
        assert_string_equal(string_of(item, "date"), "2026-11-21"); /* in Shanghai */
        assert_string_equal(string_of(item, "short"), "停水三天");
        assert_string_equal(string_of(item, "start"), "2026-11-22T08:00:00+08:00");
        assert_string_equal(string_of(item, "end"), "2026-12-07T00:00:00+08:00");
        assert_string_equal(string_of(item, "url"), "https://www.example.gov.cn/a.html");
        assert_non_null(strstr(string_of(item, "html"), "<b>加粗</b>"));
        assert_string_equal(string_of(item, "text"), "");
        assert_true(json_is_false(json_object_get(item, "urgent")));
        json_decref(item);
        wall_done(&wall);
}

static void hostile_titles_stay_titles(void **state) {
        static const char *const titles[] = {
                "\"},{\"document\":\"x\",\"title\":\"假公告\"",
                "\\\"\\\\",
                "</script><script>alert(1)</script>",
                "<img src=x onerror=alert(1)>",
                "行分隔\xe2\x80\xa8符与段分隔\xe2\x80\xa9符",
                "{{title}} %s %n $(reboot)",
                "𠮷野家🀄",
                "../../etc/passwd",
                "\t 前后有空白 ",
                "\x7f\x01",
        };

        (void) state;
        for (size_t i = 0; i < ELEMENTS(titles); i++) {
                const struct act act = { .title = titles[i], .document = titles[i] };
                struct wall wall;
                json_t *item;

                print_message("%s\n", titles[i]);
                wall_init(&wall);
                deliver_well(&wall, &act);
                item = first_of(&wall, "hall");
                assert_string_equal(string_of(item, "title"), titles[i]);
                assert_int_equal(json_object_size(wall.files), 1);
                json_decref(item);
                wall_done(&wall);
        }
}

static void hostile_bodies_are_cleaned(void **state) {
        static const struct {
                const char *story, *body, *never;
        } rows[] = {
                { "a script", "{\"format\":\"html\",\"content\":\"<p>a<script>b()</script>\"}",
                  "<script" },
                { "a handler", "{\"format\":\"html\",\"content\":\"<p onclick=b()>a\"}",
                  "onclick" },
                { "a picture of elsewhere",
                  "{\"format\":\"html\",\"content\":\"<img src=javascript:b() alt=c>\"}",
                  "javascript" },
                { "HTML within markdown",
                  "{\"format\":\"markdown\",\"content\":\"a <script>b()</script>\"}",
                  "<script" },
                { "a text that looks like HTML",
                  "{\"format\":\"text\",\"content\":\"<script>b()</script>\"}", "<script" },
                { "no format that we know", "{\"format\":\"rtf\",\"content\":\"<script>\"}",
                  "<script" },
                { "no body at all", "{}", "<script" },
                { "a body of another kind", "[1]", "<script" },
        };

        (void) state;
        for (size_t i = 0; i < ELEMENTS(rows); i++) {
                struct buf more = { 0 };
                struct act act = { 0 };
                struct wall wall;
                json_t *item;

                print_message("%s\n", rows[i].story);
                buf_fmt(&more, "{\"body\":%s}", rows[i].body);
                act.more = buf_text(&more);
                wall_init(&wall);
                deliver_well(&wall, &act);
                item = first_of(&wall, "hall");
                assert_null(strstr(string_of(item, "html"), rows[i].never));
                json_decref(item);
                wall_done(&wall);
                buf_done(&more);
        }
}

static void a_day_is_found_whatever_the_event_says_of_it(void **state) {
        static const struct {
                const char *more, *date;
        } rows[] = {
                { "{}", "2026-11-22" },
                { "{\"formed\":\"2026-11-01\"}", "2026-11-01" },
                { "{\"dates\":{\"formed\":\"2026-11-02\"},\"formed\":\"2026-11-01\"}",
                  "2026-11-02" },
                { "{\"dates\":{\"decided\":\"2026-11-02\"}}", "2026-11-22" },
                { "{\"formed\":\"2026-11-31\"}", "2026-11-22" },
                { "{\"formed\":20261101}", "2026-11-22" },
        };

        (void) state;
        for (size_t i = 0; i < ELEMENTS(rows); i++) {
                const struct act act = { .more = rows[i].more };
                struct wall wall;
                json_t *item;

                print_message("%s\n", rows[i].more);
                wall_init(&wall);
                deliver_well(&wall, &act);
                item = first_of(&wall, "hall");
                assert_string_equal(string_of(item, "date"), rows[i].date);
                json_decref(item);
                wall_done(&wall);
        }
}

/* -- pictures -- */

#define PICTURE(file, type, what, bytes, sha)                                                      \
        { .name = file, .media_type = type, .role = what, .size = bytes, .sha256 = sha,            \
          .here = true }
static const char with_picture[] = "{\"body\":{\"format\":\"markdown\",\"content\":\"前。\\n\\n"
                                   "![示意图](attachment:a.png)\\n\\n后。\"}}";

static void a_small_picture_comes_along(void **state) {
        static const struct attachment picture =
                PICTURE("a.png", "image/png", "inline", 200 * 1024, SHA_A);
        const struct act act = { .more = with_picture, .attachments = &picture,
                                 .n_attachments = 1 };
        struct wall wall;
        json_t *item;

        (void) state;
        wall_init(&wall);
        deliver_well(&wall, &act);
        item = first_of(&wall, "hall");
        assert_non_null(strstr(string_of(item, "html"), "src=\"a/aaaaaaaa11111111.png\""));
        assert_string_equal(string_of(wall.files, "hall/a/aaaaaaaa11111111.png"), SHA_A);
        json_decref(item);
        wall_done(&wall);
}

static void any_other_picture_is_told_by_its_words(void **state) {
        static const struct {
                const char *story;
                struct attachment attachment;
        } rows[] = {
                { "too large", PICTURE("a.png", "image/png", "inline", 200 * 1024 + 1, SHA_A) },
                { "empty", PICTURE("a.png", "image/png", "inline", 0, SHA_A) },
                { "a vector graphic can hold a script",
                  PICTURE("a.png", "image/svg+xml", "inline", 99, SHA_A) },
                { "no picture", PICTURE("a.png", "text/html", "inline", 99, SHA_A) },
                { "a file for downloading", PICTURE("a.png", "image/png", "file", 99, SHA_A) },
                { "without a role", PICTURE("a.png", "image/png", NULL, 99, SHA_A) },
                { "not with us", { .name = "a.png", .media_type = "image/png", .role = "inline",
                                   .size = 99, .sha256 = SHA_A } },
                { "another name", PICTURE("b.png", "image/png", "inline", 99, SHA_A) },
        };

        (void) state;
        for (size_t i = 0; i < ELEMENTS(rows); i++) {
                const struct act act = { .more = with_picture, .attachments = &rows[i].attachment,
                                         .n_attachments = 1 };
                struct wall wall;
                json_t *item;

                print_message("%s\n", rows[i].story);
                wall_init(&wall);
                deliver_well(&wall, &act);
                item = first_of(&wall, "hall");
                assert_null(strstr(string_of(item, "html"), "<img"));
                assert_non_null(strstr(string_of(item, "html"), "示意图"));
                assert_int_equal(json_object_size(wall.files), 1);
                json_decref(item);
                wall_done(&wall);
        }
}

static void a_picture_goes_with_the_last_document_that_shows_it(void **state) {
        static const struct attachment picture =
                PICTURE("a.png", "image/png", "inline", 99, SHA_A);
        struct act act = { .more = with_picture, .attachments = &picture, .n_attachments = 1,
                           .document = "oa-1" };
        struct wall wall;

        (void) state;
        wall_init(&wall);
        deliver_well(&wall, &act);
        act.document = "oa-2";
        deliver_well(&wall, &act);
        deliver_well(&wall, &(struct act) { .kind = DELIVER_WITHDRAW, .document = "oa-1" });
        assert_true(anywhere(&wall, "hall/a/aaaaaaaa11111111.png"));
        deliver_well(&wall, &(struct act) { .kind = DELIVER_WITHDRAW, .document = "oa-2" });
        assert_false(anywhere(&wall, "aaaaaaaa11111111"));
        wall_done(&wall);
}

static void a_revision_without_its_picture_takes_it_away(void **state) {
        static const struct attachment picture =
                PICTURE("a.png", "image/png", "inline", 99, SHA_A);
        const struct act first = { .more = with_picture, .attachments = &picture,
                                   .n_attachments = 1 };
        struct wall wall;

        (void) state;
        wall_init(&wall);
        deliver_well(&wall, &first);
        deliver_well(&wall, &(struct act) { .revision = 2 });
        assert_false(anywhere(&wall, "aaaaaaaa11111111"));
        wall_done(&wall);
}

/* -- size -- */

static char *body_of(const char *unit, size_t n) {
        struct buf more = { 0 };

        buf_str(&more, "{\"body\":{\"format\":\"text\",\"content\":\"");
        for (size_t i = 0; i < n; i++)
                buf_str(&more, unit);
        buf_str(&more, "\"}}");
        return buf_take(&more);
}

static void what_is_too_long_for_a_wall_is_shown_by_its_beginning(void **state) {
        char *more = body_of("停水通知", 11000); /* 132,000 bytes */
        const struct act act = { .more = more };
        struct wall wall;
        json_t *item;

        (void) state;
        wall_init(&wall);
        deliver_well(&wall, &act);
        item = first_of(&wall, "hall");
        assert_string_equal(string_of(item, "html"), "");
        assert_non_null(strstr(string_of(item, "text"), "停水通知停水通知"));
        assert_non_null(strstr(string_of(item, "text"), "全文较长"));
        assert_in_range(strlen(string_of(item, "text")), 6000, 6500);
        json_decref(item);
        wall_done(&wall);
        free(more);
}

static void the_longest_hostile_body_still_fits(void **state) {
        char *more = body_of("&<>&", (512 << 10) / 4); /* five bytes of each once escaped */
        const struct act act = { .more = more };
        struct wall wall;
        json_t *item;

        (void) state;
        wall_init(&wall);
        deliver_well(&wall, &act);
        item = first_of(&wall, "hall");
        assert_string_equal(string_of(item, "html"), "");
        json_decref(item);
        wall_done(&wall);
        free(more);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(an_entry_says_what_the_document_says),
                cmocka_unit_test(hostile_titles_stay_titles),
                cmocka_unit_test(hostile_bodies_are_cleaned),
                cmocka_unit_test(a_day_is_found_whatever_the_event_says_of_it),
                cmocka_unit_test(a_small_picture_comes_along),
                cmocka_unit_test(any_other_picture_is_told_by_its_words),
                cmocka_unit_test(a_picture_goes_with_the_last_document_that_shows_it),
                cmocka_unit_test(a_revision_without_its_picture_takes_it_away),
                cmocka_unit_test(what_is_too_long_for_a_wall_is_shown_by_its_beginning),
                cmocka_unit_test(the_longest_hostile_body_still_fits),
        };

        return cmocka_run_group_tests_name("displays: entries", tests, NULL, NULL);
}
