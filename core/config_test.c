#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/config.h"
#include "core/memory.h"

#define KEY_A "rq:rM>}U?@Lns47E1%kR.o@n%FcmmsL/@{H8]yf7"
#define KEY_B "JTKVSB%%)wK0E.X)V>+}o?pNmC{O&4W4b!Ni{Lh6"

/* A folder of configuration for one test. */
static char folder[64];

static void put(const char *name, const char *text) {
        char path[160];
        FILE *file;

        (void) snprintf(path, sizeof(path), "%s/%s", folder, name);
        file = fopen(path, "w");
        assert_non_null(file);
        (void) fputs(text, file);
        assert_int_equal(fclose(file), 0);
}

static int begin(void **state) {
        char path[96];

        (void) snprintf(folder, sizeof(folder), "/var/tmp/config_test_XXXXXX");
        if (!mkdtemp(folder))
                return -1;
        (void) snprintf(path, sizeof(path), "%s/channels.d", folder);
        (void) mkdir(path, 0700);
        (void) snprintf(path, sizeof(path), "%s/emitters.d", folder);
        (void) mkdir(path, 0700);
        put("gongkai.conf", "[county]\nregions = 530581 腾冲市, 530626\n");
        return 0;
}

static int remove_one(const char *path, const struct stat *st, int flag, struct FTW *at) {
        return remove(path);
}

static int end(void **state) {
        messages_set_language(CHINESE);
        return nftw(folder, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

static const struct setting hook_settings[] = {
        { "", "url", SETTING_STRING, 0, .required = true, .chinese = "地址", .english = "url" },
        { "", "title", SETTING_STRING, 8, .required = true, .chinese = "站名", .english = "site" },
        { "", "verify_every", SETTING_DURATION, 16, .fallback = "1h", .chinese = "核对",
          .english = "verify" },
};

static const struct setting *drivers(const char *driver, size_t *ret_n) {
        *ret_n = strcmp(driver, "hook") == 0 ? ELEMENTS(hook_settings) : 0;
        return strcmp(driver, "hook") == 0 || strcmp(driver, "nothing") == 0 ? hook_settings : NULL;
}

static struct configuration *load(struct problems *problems) {
        struct configuration *configuration = NULL;
        char path[96];

        (void) snprintf(path, sizeof(path), "%s/gongkai.conf", folder);
        assert_int_equal(configuration_load(path, drivers, problems, &configuration), 0);
        assert_non_null(configuration);
        return configuration;
}

static void what_is_not_written_has_a_good_default(void **state) {
        struct problems problems = { 0 };
        struct configuration *c = load(&problems);
        char path[96];

        assert_int_equal(problems.n, 0);
        assert_string_equal(c->main.language, "zh");
        (void) snprintf(path, sizeof(path), "%s/catalogue", folder);
        assert_string_equal(c->main.catalogue_dir, path);
        assert_string_equal(c->main.state_dir, "/var/lib/gongkai");
        assert_string_equal(c->main.redis_socket, "/run/gongkai/redis.sock");
        assert_int_equal(c->main.redis_timeout_ms, 5000);
        assert_true(c->main.redis_durability);
        assert_int_equal(c->main.listen.n, 2);
        assert_string_equal(c->main.listen.items[0], "ipc:///run/gongkai/publish");
        assert_string_equal(c->main.listen.items[1], "tcp://127.0.0.1:5590");
        assert_string_equal(c->main.events, "ipc:///run/gongkai/events");
        assert_string_equal(c->main.control, "/run/gongkai/control");
        assert_string_equal(c->main.control_group, "gongkai");
        assert_int_equal(c->main.max_message, 128 << 20);
        assert_true(c->main.dedup_window_ms == INT64_C(35) * 86400000);
        assert_int_equal(c->main.drain_ms, 10000);
        assert_false(c->main.hold_same_content);
        assert_null(c->main.curve_secret_file);
        assert_true(configuration_has_region(c, "530626"));
        assert_false(configuration_has_region(c, "53062"));
        assert_false(configuration_has_region(c, "530581 腾冲市"));
        assert_string_equal(configuration_region_name(c, "530581"), "腾冲市");
        assert_string_equal(configuration_region_name(c, "110000"), "110000");
        configuration_free(c);
}

static void sockets_follow_the_run_folder(void **state) {
        struct problems problems = { 0 };
        struct configuration *c;
        char path[96];

        put("gongkai.conf", "[county]\nregions = 530581\n[paths]\nrun = sockets\n"
                            "[publisherd]\nevents = ipc:///run/gongkai/other\n");
        c = load(&problems);
        assert_int_equal(problems.n, 0);
        (void) snprintf(path, sizeof(path), "%s/sockets/redis.sock", folder);
        assert_string_equal(c->main.redis_socket, path);
        (void) snprintf(path, sizeof(path), "ipc://%s/sockets/publish", folder);
        assert_string_equal(c->main.listen.items[0], path);
        assert_string_equal(c->main.listen.items[1], "tcp://127.0.0.1:5590");
        assert_string_equal(c->main.events, "ipc:///run/gongkai/other"); /* it was written */
        configuration_free(c);
}

static void a_channel_is_read_with_its_drivers_options(void **state) {
        struct problems problems = { 0 };
        struct configuration *c;
        const struct channel_config *channel;
        struct {
                char *url;
                char *title;
                int64_t verify_ms;
        } options = { 0 };
        char path[96];

        put("channels.d/portal.conf",
            "driver = hook\ntitle = 门户网站\ncarrier = 政府网站, 门户首页专题\nregions = 530581\n"
            "timeout = 20s\nretry = 0, 1s*3, 2min\nconcurrency = 2\nsecret_file = portal.key\n"
            "url = http://127.0.0.1/\nverify_every = 2h\n");
        put("channels.d/second.conf", "driver = nothing\nafter = portal\nenabled = no\n"
                                      "lease = 1min\n");
        put("channels.d/third.conf.example", "driver = none\n");
        put("channels.d/.#portal.conf", "driver = none\n");
        c = load(&problems);
        assert_int_equal(problems.n, 0);
        assert_int_equal(c->n_channels, 2);
        channel = configuration_channel(c, "portal");
        assert_string_equal(channel->driver, "hook");
        assert_string_equal(channel->title, "门户网站");
        assert_string_equal(channel->language, "zh");
        assert_int_equal(channel->carriers.n, 2);
        assert_true(channel->carrier_bits == (UINT64_C(1) << carrier_find("政府网站") |
                                              UINT64_C(1) << carrier_find("门户首页专题")));
        assert_int_equal(channel->lease_ms, 8000);
        assert_int_equal(channel->n_retry, 4);
        assert_int_equal(channel->retry_ms[3], 120000);
        (void) snprintf(path, sizeof(path), "%s/portal.key", folder);
        assert_string_equal(channel->secret_file, path);
        assert_true(channel_serves(channel, "530581"));
        assert_false(channel_serves(channel, "530626"));
        assert_int_equal(channel_options(channel, hook_settings, ELEMENTS(hook_settings), &options,
                                         &problems), 0);
        assert_int_equal(problems.n, 0);
        assert_string_equal(options.url, "http://127.0.0.1/");
        assert_string_equal(options.title, "门户网站"); /* the common key fills the driver's row too */
        assert_int_equal(options.verify_ms, 7200000);
        settings_release(hook_settings, ELEMENTS(hook_settings), &options);

        channel = configuration_channel(c, "second");
        assert_string_equal(channel->title, "second");
        assert_int_equal(channel->n_retry, 10);
        assert_int_equal(channel->retry_ms[9], 86400000);
        assert_int_equal(channel->concurrency, 0);
        assert_int_equal(channel->lease_ms, 60000);
        assert_int_equal(channel->breaker, 5);
        assert_int_equal(channel->breaker_probe_ms, 5000);
        assert_int_equal(channel->breaker_probe_most_ms, 300000);
        assert_int_equal(channel->per_second, 0);
        assert_string_equal(channel->on_end, "keep");
        assert_false(channel->enabled);
        assert_true(channel_serves(channel, "530626"));
        assert_null(configuration_channel(c, "third"));
        configuration_free(c);
}

static void without_rows_a_drivers_options_are_left_alone(void **state) {
        struct configuration *c = NULL;
        struct problems problems = { 0 };
        char path[96];

        put("channels.d/portal.conf", "driver = whatever\nanything = 1\n[deep]\na = b\n");
        (void) snprintf(path, sizeof(path), "%s/gongkai.conf", folder);
        assert_int_equal(configuration_load(path, NULL, &problems, &c), 0);
        assert_int_equal(problems.n, 0);
        assert_int_equal(c->n_channels, 1);
        configuration_free(c);
}

static void an_emitter_is_read(void **state) {
        struct problems problems = { 0 };
        struct configuration *c;
        const struct emitter_config *emitter;

        put("emitters.d/oa.conf",
            "key = " KEY_A "\nsources = urn:gongkai:530581:oa, urn:gongkai:530581:web-*\n"
            "regions = 530581\nitems = CXGH-*, AQSC-01\nmay_revise = urn:gongkai:5305*\n"
            "may_urgent = yes\nfetch_from = oa.tengchong.gov.cn, 10.0.0.5:8080\n");
        put("emitters.d/local.conf", "sources = urn:gongkai:*\nmay_backfill = yes\nenabled = no\n");
        c = load(&problems);
        problems_print(&problems, stdout);
        assert_int_equal(problems.n, 0);
        assert_int_equal(c->n_emitters, 2);
        emitter = c->emitters;
        assert_string_equal(emitter->name, "local");
        assert_null(emitter->key);
        assert_false(emitter->enabled);
        assert_true(emitter->may_backfill);
        emitter++;
        assert_string_equal(emitter->key, KEY_A);
        assert_int_equal(emitter->sources.n, 2);
        assert_true(emitter->enabled && emitter->may_urgent && !emitter->may_backfill);
        assert_string_equal(emitter->fetch_from.items[1], "10.0.0.5:8080");
        configuration_free(c);
}

static void every_wrong_thing_is_named_with_its_file_and_line(void **state) {
        static const struct {
                const char *story, *file, *text;
                unsigned line;
                const char *says;
        } rows[] = {
                { "no region at all", "gongkai.conf", "[redis]\ntimeout = 5s\n", 0, "regions" },
                { "a name for a code", "gongkai.conf", "[county]\nregions = 腾冲市\n", 2, "6 位数字" },
                { "a township's code", "gongkai.conf", "[county]\nregions = 530581101\n", 2,
                  "6 位数字" },
                { "the code grown together with the name", "gongkai.conf",
                  "[county]\nregions = 530581腾冲市\n", 2, "6 位数字" },
                { "a region twice", "gongkai.conf",
                  "[county]\nregions = 530581 腾冲市, 530581 腾冲县\n", 2, "写了两次" },
                { "only a comma", "gongkai.conf", "[county]\nregions = ,\n", 2, "没有写值" },
                { "a Chinese comma", "gongkai.conf", "[county]\nregions = 530581，530626\n", 2,
                  "全角的“，”" },
                { "open to the network without keys", "gongkai.conf",
                  "[county]\nregions = 530581\n[publisherd]\nlisten = tcp://0.0.0.0:5590\n", 4,
                  "[curve]" },
                { "all addresses", "gongkai.conf",
                  "[county]\nregions = 530581\n[publisherd]\nlisten = tcp://*:5590\n", 4,
                  "[curve]" },
                { "a name that only looks like the loopback", "gongkai.conf",
                  "[county]\nregions = 530581\n[publisherd]\nlisten = tcp://127.gov.cn:5590\n", 4,
                  "[curve]" },
                { "an address of another kind", "gongkai.conf",
                  "[county]\nregions = 530581\n[publisherd]\nlisten = http://127.0.0.1:5590\n", 4,
                  "ipc:///路径" },
                { "no port", "gongkai.conf",
                  "[county]\nregions = 530581\n[publisherd]\nlisten = tcp://127.0.0.1\n", 4,
                  "tcp://地址:端口" },
                { "a port that is none", "gongkai.conf",
                  "[county]\nregions = 530581\n[publisherd]\nlisten = tcp://127.0.0.1:65536\n", 4,
                  "tcp://地址:端口" },
                { "a socket with a name too long", "gongkai.conf",
                  "[county]\nregions = 530581\n[publisherd]\ncontrol = /run/"
                  "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
                  "xxxxxxxxxxxxxxxxxxxxxxxx\n", 4, "107" },
                { "a language that we lack", "gongkai.conf",
                  "[county]\nregions = 530581\nlanguage = fr\n", 3, "zh | en" },
                { "more than the protocol allows", "gongkai.conf",
                  "[county]\nregions = 530581\n[publisherd]\nmax_message = 1GiB\n", 4, "128MiB" },

                { "an alarm to a channel that is not there", "gongkai.conf",
                  "[county]\nregions = 530581\n[alarms]\nchannel = duty\n", 4, "没有 duty.conf" },
                { "an alarm by a program of no known place", "gongkai.conf",
                  "[county]\nregions = 530581\n[alarms]\ncommand = notify duty\n", 4, "完整路径" },
                { "an alarm that comes too often", "gongkai.conf",
                  "[county]\nregions = 530581\n[alarms]\nrepeat = 10ms\n", 4, "1s" },

                { "a name that cannot be one", "channels.d/Portal.conf", "driver = nothing\n", 0,
                  "文件名“Portal”" },
                { "no driver", "channels.d/a.conf", "title = a\n", 0, "driver" },
                { "a driver that does not exist", "channels.d/a.conf", "title = a\ndriver = fax\n", 2,
                  "没有名叫“fax”的驱动程序" },
                { "a driver's option that is missing", "channels.d/a.conf",
                  "driver = hook\ntitle = a\n", 0, "“url”：地址" },
                { "a driver that demands a title", "channels.d/a.conf", "driver = hook\nurl = x\n",
                  0, "“title”：站名" },
                { "a key of both, without a value", "channels.d/a.conf",
                  "driver = hook\nurl = x\ntitle =\n", 3, "没有写值" },
                { "a key of both, twice", "channels.d/a.conf",
                  "driver = hook\nurl = x\ntitle = a\ntitle = b\n", 4, "第 3 行" },
                { "a slip in a driver's option", "channels.d/a.conf",
                  "driver = hook\nurl = x\ntitle = a\nverify_evry = 1h\n", 4, "verify_every" },
                { "a driver's option without unit", "channels.d/a.conf",
                  "driver = hook\nurl = x\ntitle = a\nverify_every = 1\n", 4, "要带单位" },
                { "a carrier that nobody knows", "channels.d/a.conf",
                  "driver = nothing\ncarrier = 政府网站, 飞鸽\n", 2, "“飞鸽”" },
                { "a region that is not served here", "channels.d/a.conf",
                  "driver = nothing\nregions = 532301\n", 2, "不在 gongkai.conf" },
                { "after a channel that is not there", "channels.d/a.conf",
                  "driver = nothing\nafter = portal\n", 2, "没有 portal.conf" },
                { "after itself", "channels.d/a.conf", "driver = nothing\nafter = a\n", 2,
                  "等回到自己" },
                { "a wait without unit", "channels.d/a.conf",
                  "driver = nothing\nretry = 5s, 30\n", 2, "“30”" },
                { "no wait at all", "channels.d/a.conf", "driver = nothing\nretry = ,\n", 2,
                  "没有写值" },
                { "an option that comes later", "channels.d/a.conf",
                  "driver = nothing\nverify = 1h\n", 2, "不认识的设置“verify”" },

                { "no source", "emitters.d/a.conf", "may_urgent = yes\n", 0, "sources" },
                { "a source that is no name", "emitters.d/a.conf", "sources = oa\n", 1,
                  "urn:gongkai:530581:oa" },
                { "a source without a region", "emitters.d/a.conf", "sources = urn:gongkai:oa\n", 1,
                  "“urn:gongkai:oa”" },
                { "a star in the middle", "emitters.d/a.conf",
                  "sources = urn:gongkai:*:oa\n", 1, "urn:gongkai" },
                { "everything there is", "emitters.d/a.conf", "sources = *\n", 1, "“*”" },
                { "a key of the wrong length", "emitters.d/a.conf",
                  "sources = urn:gongkai:530581:oa\nkey = abc\n", 2, "CURVE 公钥" },
                { "a key with a sign that Z85 lacks", "emitters.d/a.conf",
                  "sources = urn:gongkai:530581:oa\nkey = rq:rM>}U?@Lns47E1%kR.o@n%FcmmsL/@{H8]yf~"
                  "\n", 2, "40 个字符" },
                { "a star before the end", "emitters.d/a.conf",
                  "sources = urn:gongkai:530581:oa\nitems = *-01\n", 2, "末尾" },
        };

        for (size_t i = 0; i < ELEMENTS(rows); i++) {
                struct problems problems = { 0 };
                struct configuration *c;
                char path[160];

                print_message("%s\n", rows[i].story);
                put(rows[i].file, rows[i].text);
                c = load(&problems);
                problems_print(&problems, stdout);
                assert_int_equal(problems.n, 1);
                (void) snprintf(path, sizeof(path), "%s/%s", folder, rows[i].file);
                assert_string_equal(problems.list[0].file, path);
                assert_int_equal(problems.list[0].line, rows[i].line);
                assert_non_null(strstr(problems.list[0].text, rows[i].says));
                configuration_free(c);
                problems_done(&problems);
                (void) unlink(path);
                if (strcmp(rows[i].file, "gongkai.conf") == 0)
                        put("gongkai.conf", "[county]\nregions = 530581 腾冲市, 530626\n");
        }
}

static void a_door_with_keys_may_be_open(void **state) {
        struct problems problems = { 0 };
        struct configuration *c;
        char path[96];

        put("gongkai.conf", "[county]\nregions = 530581\n[publisherd]\n"
                            "listen = tcp://*:5590, tcp://[::1]:5590\n[curve]\n"
                            "secret_file = curve.key\n");
        c = load(&problems);
        assert_int_equal(problems.n, 0);
        (void) snprintf(path, sizeof(path), "%s/curve.key", folder);
        assert_string_equal(c->main.curve_secret_file, path);
        assert_true(endpoint_is_open("tcp://*:5590"));
        assert_true(endpoint_is_open("tcp://[fe80::1]:5590"));
        assert_false(endpoint_is_open("tcp://127.0.0.2:5590"));
        assert_false(endpoint_is_open("tcp://[::1]:5590"));
        assert_false(endpoint_is_open("ipc:///run/x"));
        configuration_free(c);
}

static void a_circle_of_after_is_said_once(void **state) {
        struct problems problems = { 0 };
        struct configuration *c;

        put("channels.d/a.conf", "driver = nothing\nafter = b\n");
        put("channels.d/b.conf", "driver = nothing\nafter = c\n");
        put("channels.d/c.conf", "driver = nothing\nafter = b\n");
        put("channels.d/d.conf", "driver = nothing\nafter = a\n");
        c = load(&problems);
        assert_int_equal(problems.n, 1);
        assert_non_null(strstr(problems.list[0].file, "b.conf"));
        assert_int_equal(problems.list[0].line, 2);
        configuration_free(c);
        problems_done(&problems);
}

static void two_emitters_need_two_keys(void **state) {
        struct problems problems = { 0 };
        struct configuration *c;

        put("emitters.d/a.conf", "sources = urn:gongkai:530581:a\nkey = " KEY_A "\n");
        put("emitters.d/b.conf", "sources = urn:gongkai:530581:b\nkey = " KEY_B "\n");
        put("emitters.d/c.conf", "sources = urn:gongkai:530581:c\nkey = " KEY_A "\n");
        c = load(&problems);
        assert_int_equal(problems.n, 1);
        assert_non_null(strstr(problems.list[0].file, "/c.conf"));
        assert_int_equal(problems.list[0].line, 2);
        assert_non_null(strstr(problems.list[0].text, "/a.conf 也在用"));
        configuration_free(c);
        problems_done(&problems);
}

static void english_problems_for_an_english_installation(void **state) {
        struct problems problems = { 0 };
        struct configuration *c;

        put("gongkai.conf", "[county]\nregions = 530581\nlanguage = en\n[redis]\ntimeout = 5\n");
        c = load(&problems);
        assert_int_equal(problems.n, 1);
        assert_non_null(strstr(problems.list[0].text, "needs a unit"));
        configuration_free(c);
        problems_done(&problems);
}

static void no_gongkai_conf_is_an_error(void **state) {
        struct problems problems = { 0 };
        struct configuration *c = NULL;

        assert_int_equal(configuration_load("/nonexistent/gongkai.conf", drivers, &problems, &c),
                         -ENOENT);
        assert_null(c);
        assert_int_equal(problems.n, 1);
        problems_done(&problems);
}

static void a_credential_of_systemd_comes_first(void **state) {
        struct problems problems = { 0 };
        struct configuration *c;
        char path[96];

        put("credential", "s3cret\n");
        put("channels.d/a.conf", "driver = nothing\nsecret_file = credential\n");
        put("channels.d/b.conf", "driver = nothing\nsecret_file = sub/credential\n");
        (void) snprintf(path, sizeof(path), "%s/channels.d/..", folder);
        assert_int_equal(setenv("CREDENTIALS_DIRECTORY", path, 1), 0);
        c = load(&problems);
        (void) unsetenv("CREDENTIALS_DIRECTORY");
        assert_int_equal(problems.n, 0);
        (void) snprintf(path, sizeof(path), "%s/channels.d/../credential", folder);
        assert_string_equal(c->channels[0].secret_file, path);
        (void) snprintf(path, sizeof(path), "%s/sub/credential", folder);
        assert_string_equal(c->channels[1].secret_file, path);
        configuration_free(c);
}

/* The shipped file with every "#key = value" made real, so that what it shows can be trusted. */
static char *uncommented(const char *path) {
        char *line = NULL;
        size_t room = 0;
        struct buf text = { 0 };
        FILE *file = fopen(path, "r");

        assert_non_null(file);
        while (getline(&line, &room, file) > 0) {
                size_t n = line[0] == '#' ?
                                   strspn(line + 1, "abcdefghijklmnopqrstuvwxyz_") : 0;

                buf_str(&text, n > 0 && strncmp(line + 1 + n, " = ", 3) == 0 ? line + 1 : line);
        }
        (void) fclose(file);
        free(line);
        return buf_take(&text);
}

static void assert_shows(const char *text, const struct setting *row) {
        struct buf line = { 0 };

        buf_fmt(&line, "\n%s = %s", row->key, row->fallback ? row->fallback : "");
        if (row->fallback)
                buf_char(&line, '\n');
        if (!strstr(text, buf_text(&line)))
                fail_msg("the file does not show: %s", buf_text(&line));
        buf_done(&line);
}

/* Run from the root of the tree, as tests/run does. */
static void the_shipped_files_show_every_setting_with_its_default(void **state) {
        static const char *const examples[][2] = {
                { "conf/channels.d/portal.conf.example", "channels.d/portal.conf" },
                { "conf/channels.d/display-hall.conf.example", "channels.d/display-hall.conf" },
                { "conf/channels.d/webhook.conf.example", "channels.d/webhook.conf" },
                { "conf/channels.d/wechat.conf.example", "channels.d/wechat.conf" },
                { "conf/emitters.d/oa.conf.example", "emitters.d/oa.conf" },
        };
        struct configuration *c = NULL;
        struct problems problems = { 0 };
        char path[96], *text;

        if (access("conf/gongkai.conf", R_OK) < 0)
                skip();
        text = uncommented("conf/gongkai.conf");
        for (size_t i = 0; i < n_config_settings; i++)
                assert_shows(text, config_settings + i);
        put("gongkai.conf", text);
        free(text);
        for (size_t i = 0; i < ELEMENTS(examples); i++) {
                text = uncommented(examples[i][0]);
                put(examples[i][1], text);
                for (size_t j = 0; i + 1 == ELEMENTS(examples) && j < n_emitter_settings; j++)
                        assert_shows(text, emitter_settings + j);
                free(text);
        }
        (void) snprintf(path, sizeof(path), "%s/gongkai.conf", folder);
        assert_int_equal(configuration_load(path, NULL, &problems, &c), 0);
        problems_print(&problems, stdout);
        assert_int_equal(problems.n, 0);
        assert_int_equal(c->n_channels, ELEMENTS(examples) - 1);
        assert_int_equal(c->n_emitters, 1);
        for (size_t i = 0; i < c->n_channels; i++)
                assert_true(c->channels[i].carrier_bits != 0);
        configuration_free(c);
}

static void the_tables_are_whole(void **state) {
        const struct {
                const struct setting *settings;
                size_t n;
        } tables[] = { { config_settings, n_config_settings },
                       { channel_settings, n_channel_settings },
                       { emitter_settings, n_emitter_settings } };

        for (size_t i = 0; i < ELEMENTS(tables); i++)
                for (size_t j = 0; j < tables[i].n; j++) {
                        const struct setting *row = tables[i].settings + j;

                        assert_true(strlen(row->chinese) > 3 && strlen(row->english) > 3);
                        for (size_t k = 0; k < j; k++)
                                assert_false(strcmp(row->key, row[-1 - (int) k].key) == 0 &&
                                             strcmp(row->section, row[-1 - (int) k].section) == 0);
                }
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test_setup_teardown(what_is_not_written_has_a_good_default, begin, end),
                cmocka_unit_test_setup_teardown(sockets_follow_the_run_folder, begin, end),
                cmocka_unit_test_setup_teardown(a_channel_is_read_with_its_drivers_options, begin,
                                                end),
                cmocka_unit_test_setup_teardown(without_rows_a_drivers_options_are_left_alone,
                                                begin, end),
                cmocka_unit_test_setup_teardown(an_emitter_is_read, begin, end),
                cmocka_unit_test_setup_teardown(every_wrong_thing_is_named_with_its_file_and_line,
                                                begin, end),
                cmocka_unit_test_setup_teardown(a_door_with_keys_may_be_open, begin, end),
                cmocka_unit_test_setup_teardown(a_circle_of_after_is_said_once, begin, end),
                cmocka_unit_test_setup_teardown(two_emitters_need_two_keys, begin, end),
                cmocka_unit_test_setup_teardown(english_problems_for_an_english_installation,
                                                begin, end),
                cmocka_unit_test(no_gongkai_conf_is_an_error),
                cmocka_unit_test_setup_teardown(a_credential_of_systemd_comes_first, begin, end),
                cmocka_unit_test(the_tables_are_whole),
                cmocka_unit_test_setup_teardown(
                        the_shipped_files_show_every_setting_with_its_default, begin, end),
        };

        return cmocka_run_group_tests_name("config", tests, NULL, NULL);
}
