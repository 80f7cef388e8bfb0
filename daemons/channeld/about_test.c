/* What every driver says of itself to a clerk: its page, where it goes, what it would send. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/files.h"
#include "core/memory.h"
#include "daemons/channeld/channeld.h"
#include "daemons/channeld/options.h"

#define NOON INT64_C(1795320000000) /* 2026-11-22T12:00:00+08:00 */
#define TITLE "关于停水的通告"
#define ENDS "要看对方的答复"
#define HMAC "hmac_key = 0123456789abcdef0123456789abcdef\n"

struct kind {
        const char *driver, *conf, *secret;
        const char *address; /* of these options; NULL: it shows by itself, and goes nowhere */
        const char *last;    /* what its preview ends with, all steps being walked */
};

static const struct kind kinds[] = {
        { "aliyun",
          "signature = 腾冲发布\ntemplate = SMS_1\nparams = title=title\nrecipients = people.csv\n",
          "key_id = LTAI\nkey_secret = s3cret\n" HMAC, "https://dysmsapi.aliyuncs.com", "已发布" },
        { "discard", "", NULL, NULL, "已发布" },
        { "display", "root = /srv/screens\ndisplays = hall\ntitle = 公告\n", NULL, NULL, NULL },
        { "kannel", "signature = 腾冲发布\nrecipients = people.csv, https://oa.example/people\n",
          "username = u\npassword = s3cret\n" HMAC,
          "http://127.0.0.1:13013/cgi-bin/sendsms\nhttps://oa.example/people", ENDS },
        { "kannel", "signature = 腾冲发布\nrecipients = people.csv, more.csv\nbatch = 1\n",
          "username = u\npassword = s3cret\n" HMAC, "http://127.0.0.1:13013/cgi-bin/sendsms", "已发布" },
        { "mas",
          "signature = 腾冲发布\nrecipients = people.csv\nurl = http://112.35.1.155:1992\n"
          "ec_name = 市政府办\nap_id = tc\nsign = wHw\n",
          "secret_key = s3cret\n" HMAC, "http://112.35.1.155:1992", "已发布" },
        { "mqtt", "host = broker.example\nport = 8883\ntls = yes\ngroups = hall\n", "s3cret",
          "mqtts://broker.example:8883", "已发布" },
        { "mqtt", "host = 2001:db8::7\n", NULL, "mqtt://[2001:db8::7]:1883", "已发布" },
        { "onbon", "host = 10.0.0.9\nwidth = 128\nheight = 16\n", NULL, "10.0.0.9:5005", "已发布" },
        { "site", "root = /srv/www\naddress = https://www.example.gov.cn\ntitle = 网站\n", NULL, NULL,
          NULL },
        { "webhook", "url = https://x.example/in\n", NULL, "https://x.example/in", "已发布" },
        { "wechat", "appid = wx0123456789abcdef\ncover = cover.png\n", "s3cret-appsecret",
          "https://api.weixin.qq.com", "wechat/" },
        { "wechat", "appid = wx0123456789abcdef\ncover_media = M1\npush = yes\n", "appsecret = s3cret\n",
          "https://api.weixin.qq.com", "wechat/" },
        { "weibo", "app_key = 123\nsafe_domain = www.example.gov.cn\nrip = 203.0.113.7\n",
          "app_secret = s3cret\naccess_token = 2.00token\n", "https://api.weibo.com",
          "https://weibo.com/1000000001/" },
};

static char folder[64];

static void put(const char *name, const char *bytes, size_t n) {
        char path[160];

        (void) snprintf(path, sizeof(path), "%s/%s", folder, name);
        assert_int_equal(file_write(path, bytes, n, 0600), 0);
}

static int begin(void **state) {
        static const char picture[] = "\x89PNG and some bytes that are none";
        static const char people[] = "号码\n13800138000\n", more[] = "号码\n13900139000\n";

        (void) state;
        (void) snprintf(folder, sizeof(folder), "/tmp/gongkai-about-XXXXXX");
        if (!mkdtemp(folder))
                return -1;
        put("people.csv", people, sizeof(people) - 1);
        put("more.csv", more, sizeof(more) - 1);
        put("cover.png", picture, sizeof(picture));
        return 0;
}

struct stage {
        struct problems problems;
        struct configuration configuration;
        struct channel_config channel;
        struct channeld daemon;
        char *secret;
        void *options;
};

static void stage_begin(struct stage *stage, const struct kind *kind) {
        static char name[] = "new", path[] = "new.conf";

        *stage = (struct stage) { .configuration.main.folder = folder,
                                  .channel = { .name = name, .path = path } };
        stage->daemon = (struct channeld) { .configuration = &stage->configuration,
                                            .channel = &stage->channel,
                                            .driver = driver_find(kind->driver) };
        assert_non_null(stage->daemon.driver);
        assert_int_equal(conf_parse("new.conf", kind->conf, strlen(kind->conf), &stage->problems,
                                    &stage->channel.conf), 0);
        assert_int_equal(options_read(stage->daemon.driver, &stage->channel, &stage->options,
                                      &stage->problems), 0);
        if (stage->problems.n > 0)
                problems_print(&stage->problems, stderr);
        assert_int_equal(stage->problems.n, 0);
        stage->secret = kind->secret ? strdup(kind->secret) : NULL;
        stage->daemon.secret = stage->secret;
        stage->daemon.options = stage->options;
}

static void stage_end(struct stage *stage) {
        options_free(stage->daemon.driver, stage->options);
        (void) conf_free(stage->channel.conf);
        problems_done(&stage->problems);
        free(stage->secret);
}

static const struct kind *kind_of(const struct driver *driver) {
        for (size_t i = 0; i < ELEMENTS(kinds); i++)
                if (strcmp(kinds[i].driver, driver->name) == 0)
                        return &kinds[i];
        return NULL;
}

static void every_driver_with_a_provider_says_what_to_get_ready(void **state) {
        (void) state;
        for (size_t i = 0; drivers[i]; i++) {
                const struct driver *driver = drivers[i];
                const struct kind *kind = kind_of(driver);

                if (!kind)
                        fail_msg("%s has no row in this table", driver->name);
                if (!kind->address)
                        continue;
                if (!driver->about_chinese || !driver->about_english)
                        fail_msg("%s does not say what it is about", driver->name);
                assert_non_null(strstr(driver->about_chinese, "gongkaictl channel test"));
                assert_non_null(strstr(driver->about_english, "gongkaictl channel test"));
                if (driver->secret_parts || driver->secret_more)
                        assert_non_null(strstr(driver->about_chinese, "gongkaictl channel secret"));
        }
}

static void the_way_is_tried_where_the_options_say(void **state) {
        (void) state;
        for (size_t i = 0; i < ELEMENTS(kinds); i++) {
                struct buf address = { 0 };
                struct stage stage;

                if (!kinds[i].address)
                        continue;
                stage_begin(&stage, &kinds[i]);
                stage.daemon.driver->address(stage.options, &address);
                assert_string_equal(buf_text(&address), kinds[i].address);
                buf_done(&address);
                stage_end(&stage);
        }
}

static json_t *sample(void) {
        json_t *event = json_pack("{s:s, s:s, s:{s:s, s:i, s:s, s:s, s:{s:s}, s:{s:s, s:s}}}", "id", "e1",
                                  "source", "urn:gongkai:530581:oa", "data", "document", "oa-1",
                                  "revision", 1, "kind", "notice", "title", TITLE, "publisher", "name",
                                  "腾冲市人民政府", "body", "format", "html", "content",
                                  "<p>11月23日全城停水。</p>");

        assert_non_null(event);
        return event;
}

static char *preview(const struct kind *kind) {
        char path[96], *said;
        int before = dup(STDOUT_FILENO);
        json_t *event = sample(), *stages = json_array();
        struct stage stage;

        stage_begin(&stage, kind);
        (void) snprintf(path, sizeof(path), "%s/said", folder);
        (void) fflush(stdout);
        assert_non_null(freopen(path, "w", stdout));
        assert_int_equal(preview_follow(&stage.daemon, &(struct delivery) {
                .kind = DELIVER_PUBLISH, .channel = "new", .region = "530581", .region_name = "腾冲市",
                .document = "oa-1", .revision = 1, .revision_part = "1",
                .event_id = "01JDB3K6V0T5YQ2N8M4W7XHRCE", .event = event, .stages = stages,
                .document_kind = "notice", .attempt = 1, .key = "530581/oa-1/1/new", .now_ms = NOON,
                .accepted_ms = NOON, .secret = stage.secret, .options = stage.options,
                .after_url = "https://www.example.gov.cn/gk/1.html" }, NULL), 0);
        (void) fflush(stdout);
        assert_true(dup2(before, STDOUT_FILENO) >= 0);
        (void) close(before);
        stage_end(&stage);
        json_decref(event);
        json_decref(stages);
        assert_int_equal(file_read(path, 1 << 20, &said, NULL), 0);
        return said;
}

/* Over a provider, each request up to the one that carries the document, and how it ends. */
static void a_preview_shows_the_document_as_it_leaves_and_walks_to_the_end(void **state) {
        unsigned wrong = 0;

        (void) state;
        for (size_t i = 0; i < ELEMENTS(kinds); i++) {
                const struct kind *kind = &kinds[i];
                char *said freed_by(freep) = preview(kind);

                if ((kind->last && !strstr(said, kind->last)) || strstr(said, "s3cret") ||
                    (kind->address && !strstr(said, TITLE) && strcmp(kind->last, ENDS) != 0)) {
                        print_error("%s, row %zu:\n%s\n", kind->driver, i, said);
                        wrong++;
                }
        }
        assert_int_equal(wrong, 0);
}

int main(void) {
        static const struct CMUnitTest tests[] = {
                cmocka_unit_test(every_driver_with_a_provider_says_what_to_get_ready),
                cmocka_unit_test(the_way_is_tried_where_the_options_say),
                cmocka_unit_test(a_preview_shows_the_document_as_it_leaves_and_walks_to_the_end),
        };

        return cmocka_run_group_tests(tests, begin, NULL);
}
