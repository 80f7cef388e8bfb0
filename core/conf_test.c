#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/conf.h"
#include "core/memory.h"

static struct conf *parse(const char *bytes, size_t n, struct problems *problems) {
        struct conf *conf = NULL;

        assert_int_equal(conf_parse("x.conf", bytes, n, problems, &conf), 0);
        assert_non_null(conf);
        return conf;
}

static void a_file_is_sections_keys_and_values(void **state) {
        static const char text[] = "\xef\xbb\xbf# 说明\r\n"
                                   "top = 1\r\n"
                                   "\r\n"
                                   "[redis]\r\n"
                                   "\t socket =\t/run/a b=c \r\n"
                                   "　timeout　=　5s　\r\n"
                                   " [ publisherd ] \r\n"
                                   "title = “三公”经费，公开\r\n"
                                   "last = x";
        static const struct conf_entry rows[] = {
                { (char *) "", (char *) "top", (char *) "1", 2 },
                { (char *) "redis", (char *) "socket", (char *) "/run/a b=c", 5 },
                { (char *) "redis", (char *) "timeout", (char *) "5s", 6 },
                { (char *) "publisherd", (char *) "title", (char *) "“三公”经费，公开", 8 },
                { (char *) "publisherd", (char *) "last", (char *) "x", 9 },
        };
        struct problems problems = { 0 };
        struct conf *conf = parse(text, sizeof(text) - 1, &problems);

        assert_int_equal(problems.n, 0);
        assert_int_equal(conf->n, ELEMENTS(rows));
        for (size_t i = 0; i < ELEMENTS(rows); i++) {
                assert_string_equal(conf->entries[i].section, rows[i].section);
                assert_string_equal(conf->entries[i].key, rows[i].key);
                assert_string_equal(conf->entries[i].value, rows[i].value);
                assert_int_equal(conf->entries[i].line, rows[i].line);
        }
        conf_free(conf);
}

static void a_bad_line_is_named_with_its_place(void **state) {
        static const struct {
                const char *story, *text;
                unsigned line;
                const char *says;
        } rows[] = {
                { "a Chinese input method was on", "a = 1\ntitle ＝ 腾冲", 2, "全角的“＝”" },
                { "the sign to write is named", "title＝腾冲", 1, "半角的“=”" },
                { "a comment typed in Chinese", "\n＃ 注释", 2, "全角的“＃”" },
                { "a section in Chinese brackets", "［redis］\n", 1, "全角的“［”" },
                { "lenticular brackets", "【redis】\n", 1, "全角的“【”" },
                { "only the closing one is wide", "[redis］\n", 1, "全角的“］”" },
                { "a section that is not closed", "[redis\n", 1, "分节名" },
                { "words behind a section", "[redis] # 缓存\n", 1, "分节名" },
                { "an empty section name", "a=1\n\n[]\n", 3, "分节名" },
                { "brackets twice", "[[redis]]\n", 1, "分节名" },
                { "a sentence", "just words\n", 1, "没有“=”" },
                { "a colon for the equals sign", "timeout: 5s\n", 1, "没有“=”" },
                { "a C++ comment", "// a\n", 1, "注释要以 #" },
                { "a value of nothing's", "= 5s\n", 1, "没有键名" },
                { "straight quotes", "title = \"腾冲\"\n", 1, "不要加引号" },
                { "single quotes", "title = '腾冲'\n", 1, "不要加引号" },
                { "Chinese quotes", "title = “腾冲”\n", 1, "不要加引号" },
                { "quotes twisted by the keyboard", "title = ”腾冲”\n", 1, "“title”" },
                { "full-width quotes", "title = ＂腾冲＂\n", 1, "不要加引号" },
                { "a control character", "a = 1\nb = \x1b[2J\n", 2, "控制字符" },
                { "an old Mac's line end", "a = 1\rb = 2\n", 1, "控制字符" },
                { "a byte of another encoding", "a = 1\n# \xff\xfe\n", 2, "不是 UTF-8" },
                { "half a character", "a = 腾\xe8\x85", 1, "不是 UTF-8" },
                { "an overlong slash", "a = \xe0\x80\xaf", 1, "不是 UTF-8" },
                { "a surrogate", "a = \xed\xa0\x80", 1, "不是 UTF-8" },
                { "Notepad's Unicode", "\xff\xfe" "a", 0, "不是 UTF-8" },
                { "GBK: 腾冲", "a = 1\nb = 2\ntitle = \xcc\xda\xb3\xe5\n", 3,
                  "请另存为 UTF-8" },
                { "four bytes of GB18030", "t = \xcc\xda\x81\x30\x81\x30\n", 1,
                  "GB18030" },
        };

        for (size_t i = 0; i < ELEMENTS(rows); i++) {
                struct problems problems = { 0 };
                struct conf *conf = parse(rows[i].text, strlen(rows[i].text), &problems);

                print_message("%s\n", rows[i].story);
                assert_true(problems.n >= 1);
                assert_string_equal(problems.list[0].file, "x.conf");
                assert_int_equal(problems.list[0].line, rows[i].line);
                assert_non_null(strstr(problems.list[0].text, rows[i].says));
                conf_free(conf);
                problems_done(&problems);
        }
}

static void what_was_meant_is_read_all_the_same(void **state) {
        static const char text[] = "［redis］\ntimeout ＝ “5s”\n";
        struct problems problems = { 0 };
        struct conf *conf = parse(text, strlen(text), &problems);

        assert_int_equal(problems.n, 4); /* two brackets, the sign, the quotes */
        assert_int_equal(conf->n, 1);
        assert_string_equal(conf->entries[0].section, "redis");
        assert_string_equal(conf->entries[0].key, "timeout");
        assert_string_equal(conf->entries[0].value, "5s");
        conf_free(conf);
        problems_done(&problems);
}

static void no_text_is_refused_as_a_whole(void **state) {
        static const char nul[] = "a = 1\nb = \0 2\n";
        struct problems problems = { 0 };
        char *big = malloc((1 << 20) + 1);
        struct conf *conf;

        conf = parse(nul, sizeof(nul) - 1, &problems);
        assert_int_equal(conf->n, 0);
        assert_int_equal(problems.list[0].line, 2);
        assert_non_null(strstr(problems.list[0].text, "NUL"));
        conf_free(conf);

        memset(big, '#', (1 << 20) + 1);
        conf = parse(big, (1 << 20) + 1, &problems);
        assert_int_equal(problems.n, 2);
        assert_non_null(strstr(problems.list[1].text, "1 MiB"));
        conf_free(conf);
        free(big);
        problems_done(&problems);
}

static void a_file_that_cannot_be_read_is_a_problem(void **state) {
        char folder[] = "/var/tmp/conf_test_XXXXXX", pipe_path[64];
        struct problems problems = { 0 };
        struct conf *conf = NULL;

        assert_non_null(mkdtemp(folder));
        (void) snprintf(pipe_path, sizeof(pipe_path), "%s/pipe.conf", folder);
        assert_int_equal(mkfifo(pipe_path, 0600), 0);
        assert_int_equal(conf_read("/nonexistent.conf", &problems, &conf), -ENOENT);
        assert_int_equal(conf_read(folder, &problems, &conf), -EISDIR);
        assert_int_equal(conf_read(pipe_path, &problems, &conf), -EINVAL); /* and does not wait */
        assert_null(conf);
        assert_int_equal(problems.n, 3);
        problems_done(&problems);
        (void) unlink(pipe_path);
        (void) rmdir(folder);
}

static void problems_have_a_cap_and_say_what_is_left_out(void **state) {
        struct problems problems = { 0 };
        char *shown = NULL;
        size_t n_shown;
        FILE *to = open_memstream(&shown, &n_shown);

        for (unsigned i = 0; i < PROBLEMS_MAX + 7; i++)
                problems_add(&problems, "a.conf", i, MESSAGE_CONF_NO_EQUALS, NULL);
        problems_print(&problems, to);
        (void) fclose(to);
        assert_int_equal(problems.n, PROBLEMS_MAX);
        assert_int_equal(problems.more, 7);
        assert_non_null(strstr(shown, "a.conf: 这一行"));
        assert_non_null(strstr(shown, "a.conf:1: 这一行"));
        assert_non_null(strstr(shown, "另有 7 处"));
        free(shown);
        problems_done(&problems);
}

static void a_problem_cannot_act_on_a_terminal(void **state) {
        struct problems problems = { 0 };

        problems_add(&problems, "a.conf", 1, MESSAGE_CONF_UNKNOWN_KEY, "key",
                     "\x1b[2J\n\xe2\x80\xae\xff", "near", "", NULL);
        assert_string_equal(problems.list[0].text, "不认识的设置“\\x1b[2J\\n<U+202E>\\xff”");
        problems_done(&problems);
}

static void names_of_channels_are_plain(void **state) {
        static const struct {
                const char *name;
                int valid;
        } rows[] = {
                { "portal", 1 }, { "display-hall", 1 }, { "x", 1 }, { "96128", 1 }, { "", 0 },
                { "Portal", 0 }, { "a_b", 0 }, { "a.b", 0 }, { "../x", 0 }, { "门户", 0 },
                { "a b", 0 }, { "abcdefghijklmnopqrstuvwxyz012345", 1 },
                { "abcdefghijklmnopqrstuvwxyz0123456", 0 },
        };

        for (size_t i = 0; i < ELEMENTS(rows); i++)
                assert_int_equal(conf_name_is_valid(rows[i].name), rows[i].valid);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(a_file_is_sections_keys_and_values),
                cmocka_unit_test(a_bad_line_is_named_with_its_place),
                cmocka_unit_test(what_was_meant_is_read_all_the_same),
                cmocka_unit_test(no_text_is_refused_as_a_whole),
                cmocka_unit_test(a_file_that_cannot_be_read_is_a_problem),
                cmocka_unit_test(problems_have_a_cap_and_say_what_is_left_out),
                cmocka_unit_test(a_problem_cannot_act_on_a_terminal),
                cmocka_unit_test(names_of_channels_are_plain),
        };

        return cmocka_run_group_tests_name("conf", tests, NULL, NULL);
}
