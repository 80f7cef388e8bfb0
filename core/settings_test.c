#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core/memory.h"
#include "core/settings.h"

struct target {
        char *title, *token, *language;
        bool durable;
        int64_t workers, timeout_ms, memory;
        int mode;
        struct string_list regions;
};

static const char *const modes[] = { "mark", "erase", NULL };
static const char *const languages[] = { "zh", "en", NULL };

#define AT(member) offsetof(struct target, member)
static const struct setting settings[] = {
        { "", "title", SETTING_STRING, AT(title), .required = true, .chinese = "名称",
          .english = "the title" },
        { "", "token", SETTING_STRING, AT(token), .secret = true, .choices = modes,
          .chinese = "口令", .english = "the token" },
        { "", "language", SETTING_STRING, AT(language), .fallback = "zh", .choices = languages,
          .chinese = "语言", .english = "the language" },
        { "redis", "durability", SETTING_BOOL, AT(durable), .fallback = "yes", .chinese = "落盘",
          .english = "on disk" },
        { "redis", "timeout", SETTING_DURATION, AT(timeout_ms), .fallback = "5s", .least = 100,
          .most = 60000, .chinese = "最长等待", .english = "the longest wait" },
        { "redis", "memory", SETTING_SIZE, AT(memory), .fallback = "1GiB", .chinese = "内存",
          .english = "memory" },
        { "work", "workers", SETTING_NUMBER, AT(workers), .fallback = "8", .least = -1, .most = 64,
          .chinese = "并发", .english = "at once" },
        { "work", "mode", SETTING_CHOICE, AT(mode), .fallback = "erase", .choices = modes,
          .chinese = "方式", .english = "the way" },
        { "work", "regions", SETTING_LIST, AT(regions), .fallback = "530581, 530626",
          .chinese = "区划", .english = "regions" },
};

static int apply(const char *text, struct target *target, struct problems *problems) {
        struct settings_part part = { settings, ELEMENTS(settings), target };
        struct conf *conf freed_by(conf_freep) = NULL;

        if (!text)
                return settings_apply(&part, 1, NULL, problems);
        assert_int_equal(conf_parse("a.conf", text, strlen(text), problems, &conf), 0);
        return settings_apply(&part, 1, conf, problems);
}

static void release(struct target *target) {
        settings_release(settings, ELEMENTS(settings), target);
}

static void fallbacks_stand_where_nothing_is_written(void **state) {
        struct problems problems = { 0 };
        struct target target = { 0 };

        assert_int_equal(apply(NULL, &target, &problems), 0);
        assert_int_equal(problems.n, 0);
        assert_null(target.title);
        assert_string_equal(target.language, "zh");
        assert_true(target.durable);
        assert_int_equal(target.workers, 8);
        assert_int_equal(target.timeout_ms, 5000);
        assert_int_equal(target.memory, 1 << 30);
        assert_int_equal(target.mode, 1);
        assert_int_equal(target.regions.n, 2);
        assert_true(string_list_has(&target.regions, "530626"));
        release(&target);
}

static void the_file_wins(void **state) {
        struct problems problems = { 0 };
        struct target target = { 0 };

        assert_int_equal(apply("title = 腾冲市人民政府门户网站\nlanguage = en\n"
                               "[redis]\ndurability = no\ntimeout = 1 min\nmemory = 16KiB\n"
                               "[work]\nworkers = -1\nmode = mark\nregions = ,532301 , 楚雄市,\n",
                               &target, &problems),
                         0);
        assert_int_equal(problems.n, 0);
        assert_string_equal(target.title, "腾冲市人民政府门户网站");
        assert_string_equal(target.language, "en");
        assert_false(target.durable);
        assert_int_equal(target.timeout_ms, 60000);
        assert_int_equal(target.memory, 16384);
        assert_int_equal(target.workers, -1);
        assert_int_equal(target.mode, 0);
        assert_int_equal(target.regions.n, 2);
        assert_string_equal(target.regions.items[0], "532301");
        assert_string_equal(target.regions.items[1], "楚雄市");
        release(&target);
}

static void a_wrong_setting_is_named(void **state) {
        static const struct {
                const char *story, *text;
                unsigned line;
                const char *says;
        } rows[] = {
                { "no title", "[redis]\ntimeout = 5s\n", 0, "缺少必须的设置“title”：名称" },
                { "a number without unit", "title=a\n[redis]\ntimeout = 5\n", 3, "要带单位" },
                { "a unit nobody has", "title=a\n[redis]\ntimeout = 5 sec\n", 3, "要带单位" },
                { "minutes are min", "title=a\n[redis]\ntimeout = 1m\n", 3, "min" },
                { "a fraction", "title=a\n[redis]\ntimeout = 1.5s\n", 3, "要带单位" },
                { "a negative time", "title=a\n[redis]\ntimeout = -5s\n", 3, "要带单位" },
                { "full-width digits", "title=a\n[redis]\ntimeout = ５s\n", 3, "半角的“5”" },
                { "too short", "title=a\n[redis]\ntimeout = 99ms\n", 3, "100ms 到 1min 之间" },
                { "too long", "title=a\n[redis]\ntimeout = 61s\n", 3, "现在是“61s”" },
                { "longer than can be counted", "title=a\n[redis]\ntimeout = 99999999999999999999d",
                  3, "之间" },
                { "a size without unit", "title=a\n[redis]\nmemory = 5\n", 3, "KiB" },
                { "a size in another unit", "title=a\n[redis]\nmemory = 5MB\n", 3, "KiB" },
                { "a size past all bounds", "title=a\n[redis]\nmemory = 9999999999GiB\n", 3, "之间" },
                { "yes in Chinese", "title=a\n[redis]\ndurability = 是\n", 3, "yes 或 no" },
                { "true", "title=a\n[redis]\ndurability = true\n", 3, "现在是“true”" },
                { "a number with letters", "title=a\n[work]\nworkers = 8x\n", 3, "整数" },
                { "a hexadecimal number", "title=a\n[work]\nworkers = 0x8\n", 3, "整数" },
                { "a number out of bounds", "title=a\n[work]\nworkers = 65\n", 3, "-1 到 64" },
                { "a choice that is none", "title=a\n[work]\nmode = delete\n", 3, "mark | erase" },
                { "a word that is none", "title=a\nlanguage = fr\n", 2, "zh | en" },
                { "a Chinese comma", "title=a\n[work]\nregions = 530581，530626\n", 3,
                  "全角的“，”" },
                { "a Chinese enumeration comma", "title=a\n[work]\nregions = 530581、530626\n", 3,
                  "半角逗号" },
                { "no value", "title =\n", 1, "“title”没有写值" },
                { "written twice", "title = a\ntitle = b\n", 2, "第 1 行已经写过" },
                { "a slip of the hand", "title=a\n[redis]\ntiemout = 5s\n", 3,
                  "是不是“timeout”" },
                { "three slips", "title=a\n[redis]\nduribilyti = yes\n", 3, "是不是“durability”" },
                { "a key in the wrong section", "title=a\ntimeout = 5s\n", 2,
                  "是不是“[redis] timeout”" },
                { "a key that nothing is like", "title=a\nzzz = 1\n", 2, "不认识的设置“zzz”" },
                { "a section that is none", "title=a\n[Redis]\ntimeout = 5s\n", 3,
                  "不认识的分节 [Redis]，是不是“[redis]”" },
        };

        for (size_t i = 0; i < ELEMENTS(rows); i++) {
                struct problems problems = { 0 };
                struct target target = { 0 };

                print_message("%s\n", rows[i].story);
                assert_int_equal(apply(rows[i].text, &target, &problems), 0);
                assert_int_equal(problems.n, 1);
                print_message("    %s\n", problems.list[0].text);
                assert_string_equal(problems.list[0].file, "a.conf");
                assert_int_equal(problems.list[0].line, rows[i].line);
                assert_non_null(strstr(problems.list[0].text, rows[i].says));
                release(&target);
                problems_done(&problems);
        }
}

static void all_that_is_wrong_is_said_at_once(void **state) {
        struct problems problems = { 0 };
        struct target target = { 0 };

        assert_int_equal(apply("nme = a\n[redis]\ntimeout = 5\nmemory = x\n[other]\na = 1\nb = 2\n",
                               &target, &problems),
                         0);
        assert_int_equal(problems.n, 5); /* nme, timeout, memory, [other] once, title missing */
        assert_int_equal(target.timeout_ms, 5000); /* what was wrong left the fallback */
        release(&target);
        problems_done(&problems);
}

static void a_secret_is_never_shown(void **state) {
        struct problems problems = { 0 };
        struct target target = { 0 };

        assert_int_equal(apply("title = a\ntoken = hunter2\n", &target, &problems), 0);
        assert_int_equal(problems.n, 1);
        assert_null(strstr(problems.list[0].text, "hunter2"));
        problems_done(&problems);
        assert_int_equal(apply("title = a\ntoken = \"hunter2\"\n", &target, &problems), 0);
        for (size_t i = 0; i < problems.n; i++)
                assert_null(strstr(problems.list[i].text, "hunter2"));
        release(&target);
        problems_done(&problems);
}

static void durations_have_units(void **state) {
        static const struct {
                const char *text;
                int r;
                int64_t ms;
        } rows[] = {
                { "0s", 0, 0 },       { "250ms", 0, 250 },     { "5s", 0, 5000 },
                { "5 min", 0, 300000 }, { "2h", 0, 7200000 }, { "35d", 0, 3024000000 },
                { "", -EINVAL, 0 },   { "5", -EINVAL, 0 },     { "s", -EINVAL, 0 },
                { "5 s ", -EINVAL, 0 }, { "5S", -EINVAL, 0 },  { "+5s", -EINVAL, 0 },
                { "1h30min", -EINVAL, 0 }, { "106751991168d", -ERANGE, 0 },
                { "106751991167d", 0, INT64_C(9223372036828800000) },
        };

        for (size_t i = 0; i < ELEMENTS(rows); i++) {
                int64_t ms = 0;

                print_message("'%s'\n", rows[i].text);
                assert_int_equal(duration_parse(rows[i].text, &ms), rows[i].r);
                assert_true(ms == rows[i].ms);
        }
}

static char *printed(void (*print)(const struct setting *, size_t, FILE *)) {
        char *text = NULL;
        size_t n;
        FILE *to = open_memstream(&text, &n);

        print(settings, ELEMENTS(settings), to);
        (void) fclose(to);
        return text;
}

static void help_names_every_row(void **state) {
        char *help = printed(settings_help), *manual = printed(settings_manual);

        for (size_t i = 0; i < ELEMENTS(settings); i++) {
                assert_non_null(strstr(help, settings[i].key));
                assert_non_null(strstr(help, settings[i].chinese));
                assert_non_null(strstr(manual, settings[i].key));
        }
        assert_non_null(strstr(help, "[redis]\n"));
        assert_non_null(strstr(help, "默认：5s。 范围：100ms 到 1min。"));
        assert_non_null(strstr(help, "language = zh | en"));
        assert_non_null(strstr(manual, ".SS [redis]\n.TP\n\\fBdurability\\fR"));
        free(help);
        free(manual);
}

static const char good[] = "# 腾冲\ntitle = 腾冲市\nlanguage = zh\n[redis]\ndurability = yes\n"
                           "timeout = 5s\nmemory = 1GiB\n[work]\nworkers = 8\nmode = mark\n"
                           "regions = 530581, 530626\n";

/* A fixed generator: the same run on every machine. */
static uint32_t draw(uint32_t *seed) {
        *seed = *seed * 1664525u + 1013904223u;
        return *seed >> 8;
}

static void no_mutation_of_a_file_is_too_much(void **state) {
        static const char *const signs[] = { "＝", "，", "［", "\"", "=", "[", "]", "\n", "#", "\xff",
                                             "\xe3\x80", "99999999999999999999", "“", "　" };
        uint32_t seed = 530581;
        unsigned n_wrong = 0;

        for (int round = 0; round < 2000; round++) {
                struct buf text = { 0 };
                struct problems problems = { 0 };
                struct target target = { 0 };
                struct settings_part part = { settings, ELEMENTS(settings), &target };
                struct conf *conf = NULL;

                buf_add(&text, good, sizeof(good) - 1);
                for (uint32_t n = 1 + draw(&seed) % 4; n > 0; n--) {
                        size_t at = draw(&seed) % text.len, i = draw(&seed) % ELEMENTS(signs);

                        if (draw(&seed) % 3 == 0) {
                                text.data[at] = (char) draw(&seed);
                        } else if (draw(&seed) % 3 == 0) {
                                text.len = at + 1;
                        } else {
                                char *rest = strndup(text.data + at, text.len - at);

                                text.len = at;
                                buf_str(&text, signs[i]);
                                buf_str(&text, rest);
                                free(rest);
                        }
                }
                assert_int_equal(conf_parse("m.conf", text.data, text.len, &problems, &conf), 0);
                assert_int_equal(settings_apply(&part, 1, conf, &problems), 0);
                n_wrong += problems.n > 0;
                for (size_t i = 0; i < problems.n; i++)
                        assert_true(problems.list[i].text[0]);
                release(&target);
                conf_free(conf);
                problems_done(&problems);
                buf_done(&text);
        }
        assert_in_range(n_wrong, 1000, 2000);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(fallbacks_stand_where_nothing_is_written),
                cmocka_unit_test(the_file_wins),
                cmocka_unit_test(a_wrong_setting_is_named),
                cmocka_unit_test(all_that_is_wrong_is_said_at_once),
                cmocka_unit_test(a_secret_is_never_shown),
                cmocka_unit_test(durations_have_units),
                cmocka_unit_test(help_names_every_row),
                cmocka_unit_test(no_mutation_of_a_file_is_too_much),
        };

        return cmocka_run_group_tests_name("settings", tests, NULL, NULL);
}
