#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "core/event.h"
#include "core/memory.h"

#define TEN(x) x x x x x x x x x x
#define BYTES(text) text, sizeof(text) - 1

static json_t *read_text(const char *text, struct findings *errors) {
        return event_read(text, strlen(text), errors);
}

/* Our reader against jansson's: the same values, or both refuse. */
static void what_json_is_reads_as_jansson_reads_it(void **state) {
        static const char *const rows[] = {
                "{}",
                "[{}]",
                " \t\r\n{ } \n",
                "{\"a\":1,\"b\":[true,false,null],\"c\":{\"d\":{}},\"e\":[]}",
                "{\"a\":\"\"}",
                "{\"\":\"\"}",
                "{\"a\":\"\\\"\\\\\\/\\b\\f\\n\\r\\t\"}",
                "{\"a\":\"\\u516c\\u5f00\\u0041\\u00e9\"}",
                "{\"a\":\"\\ud83d\\ude00 \\uDBFF\\uDFFF\"}",
                "{\"\\u0061\\n\":\"\\u0062\"}",
                "{\"a\":\"公开，eight bytes and more of ASCII, then 汉字\"}",
                "{\"a\":\"\x7f\xc2\x80\xdf\xbf\xe0\xa0\x80\xed\x9f\xbf\xee\x80\x80\xef\xbf\xbf\"}",
                "{\"a\":\"\xf0\x90\x80\x80\xf4\x8f\xbf\xbf\"}",
                "{\"a\":[0,-0,1,-1,10,9007199254740993,9223372036854775807]}",
                "{\"a\":-9223372036854775808}",
                "{\"a\":[0.5,-0.5,1e3,1E+3,1e-3,1.25e2,1e-400]}",
                "[1]", /* that it should be an event is event_parse()'s to say */
                "[\"a\",{\"b\":1}]",
                /* refused by both */
                "",
                " ",
                "{",
                "}",
                "[",
                "[]]",
                "{}{}",
                "{}x",
                "[{},]",
                "[,{}]",
                "[{} {}]",
                "{\"a\"}",
                "{\"a\":}",
                "{\"a\":1,}",
                "{,\"a\":1}",
                "{\"a\" 1}",
                "{a:1}",
                "{'a':1}",
                "{\"a\":1 \"b\":2}",
                "{\"a\":1]",
                "[{}}",
                "{\"a\":tru}",
                "{\"a\":True}",
                "{\"a\":nul",
                "{\"a\":NaN}",
                "{\"a\":Infinity}",
                "{\"a\":+1}",
                "{\"a\":01}",
                "{\"a\":-}",
                "{\"a\":-01}",
                "{\"a\":1.}",
                "{\"a\":.5}",
                "{\"a\":1e}",
                "{\"a\":1e+}",
                "{\"a\":0x10}",
                "{\"a\":1-2}",
                "{\"a\":9223372036854775808}",
                "{\"a\":-9223372036854775809}",
                "{\"a\":1e400}",
                "{\"a\":\"",
                "{\"a\":\"x",
                "{\"a\":\"\\",
                "{\"a\":\"\\\"}",
                "{\"a\":\"\\x41\"}",
                "{\"a\":\"\\u12\"}",
                "{\"a\":\"\\u12g4\"}",
                "{\"a\":\"\\u0000\"}",
                "{\"\\u0000\":1}",
                "{\"a\":\"\\ud800\"}",
                "{\"a\":\"\\ud800\\u0041\"}",
                "{\"a\":\"\\ud800\\ud800\"}",
                "{\"a\":\"\\udc00\"}",
                "{\"a\":\"line\nbreak\"}",
                "{\"a\":\"tab\tstop\"}",
                "{\"a\":1,\"a\":2}",
                "{\"a\":1,\"\\u0061\":2}",
                "{\"a\":{\"b\":1,\"c\":2,\"b\":3}}",
                "{\"a\":\"\x80\"}",
                "{\"a\":\"\xc0\x80\"}",
                "{\"a\":\"\xc1\xbf\"}",
                "{\"a\":\"\xe0\x9f\xbf\"}",
                "{\"a\":\"\xed\xa0\x80\"}",
                "{\"a\":\"\xf0\x8f\xbf\xbf\"}",
                "{\"a\":\"\xf4\x90\x80\x80\"}",
                "{\"a\":\"\xf5\x80\x80\x80\"}",
                "{\"a\":\"\xff\"}",
                "{\"a\":\"\xe5\x85\"}",
                "{\"a\":\"\xe5",
                "\xe5\x85\xac",
                "// a comment\n{}",
                "{\"a\":1} /* a comment */",
                "\"text\"",
                "1",
                "null",
        };

        (void) state;
        for (size_t i = 0; i < ELEMENTS(rows); i++) {
                struct findings errors = { 0 };
                json_t *ours = read_text(rows[i], &errors);
                json_t *theirs = json_loadb(rows[i], strlen(rows[i]), JSON_REJECT_DUPLICATES, NULL);

                print_message("%s\n", rows[i]);
                assert_int_equal(ours != NULL, theirs != NULL);
                assert_int_equal(errors.n, ours ? 0 : 1);
                if (ours)
                        assert_true(json_equal(ours, theirs));
                json_decref(ours);
                json_decref(theirs);
                findings_done(&errors);
        }
}

/* What is passed over in sixteens against jansson, which looks at each byte: whole and broken
 * sequences at each place of two sixteens, with the string's end close behind and far. */
static void a_sequence_is_read_wherever_it_stands(void **state) {
        static const char *const pieces[] = {
                "", "\x01", "\x1f", " ", "\x7f", "\\n", "\\\"", "\\\\", "\\u516c", "\\x", "\"", "\n",
                "é", "\xc2\x80", "\xdf\xbf", "\xc0\x80", "\xc1\xbf", "\xc2", "\xc2\xc2", "\xc2z",
                "\xe0\xa0\x80", "\xe0\x9f\xbf", "\xe1\x80\x80", "\xed\x9f\xbf", "\xed\xa0\x80",
                "\xee\x80\x80", "\xef\xbf\xbf", "\xe5", "\xe5\x85", "\xe5\x85z", "\xe5zz",
                "\xe5\xe5\x85", "\xe5\x85\xac\xac", "\xe5\x85\xe5\x85\xac", "\x80", "\xbf\xbf",
                "\xf0\x90\x80\x80", "\xf0\x8f\xbf\xbf", "\xf0\x90\x80", "\xf4\x8f\xbf\xbf",
                "\xf4\x90\x80\x80", "\xf5\x80\x80\x80", "\xfe", "\xff\x80\x80", "😀", "“公”", "བོད",
        };
        static const char *const fillers[] = { "a", "é", "公", "😀", "\\t", "a公" };

        (void) state;
        for (size_t i = 0; i < ELEMENTS(pieces) * ELEMENTS(fillers) * 40; i++) {
                const char *filler = fillers[i / 40 % ELEMENTS(fillers)];
                struct findings errors = { 0 };
                struct buf text = { 0 };
                char *exact freed_by(freep) = NULL;
                json_t *ours, *theirs;

                buf_str(&text, "{\"a\":\"");
                for (size_t k = 0; k < i % 40; k++)
                        buf_str(&text, filler);
                buf_str(&text, pieces[i / 40 / ELEMENTS(fillers)]);
                for (size_t k = 0; k < 40; k += 1 + i % 40)
                        buf_str(&text, filler);
                buf_str(&text, "\"}");
                exact = malloc(text.len); /* so that a byte behind it would be seen */
                assert_non_null(exact);
                memcpy(exact, text.data, text.len);

                ours = event_read(exact, text.len, &errors);
                theirs = json_loadb(exact, text.len, JSON_REJECT_DUPLICATES, NULL);
                if (!ours != !theirs || (ours && !json_equal(ours, theirs)))
                        fail_msg("%s", text.data);
                json_decref(ours);
                json_decref(theirs);
                findings_done(&errors);
                buf_done(&text);
        }
}

static void what_is_wrong_is_said_with_its_place(void **state) {
        static const struct {
                const char *story, *bytes;
                size_t n;
                const char *code, *says;
        } rows[] = {
                { "nothing", BYTES(""), "json", "是空的" },
                { "a number", BYTES("42"), "json", "不是 JSON 对象或数组" },
                { "cut off", BYTES("{\"a\":\n  {\"b\":"), "json", "第 2 行第 8 列" },
                { "garbage behind", BYTES("{} x"), "json", "第 1 行第 4 列：JSON 已经结束" },
                { "a comma too many", BYTES("{\"a\":1,}"), "json", "“}”" },
                { "a word", BYTES("{\"a\":yes}"), "json", "第 1 行第 6 列：这里不该出现“y”" },
                { "a control character", BYTES("{\"a\":\x01}"), "json", "U+0001" },
                { "columns are characters", BYTES("{\"公开\":!}"), "json", "第 1 行第 7 列" },
                { "a full-width comma", BYTES("{\"a\":1，\"b\":2}"), "json",
                  "“，”，请改成半角的 ," },
                { "full-width quotes", BYTES("{“a”:1}"), "json", "请改成半角的 \"" },
                { "a bare line break", BYTES("{\"a\":\"x\ny\"}"), "json", "请写成 \\n" },
                { "no such escape", BYTES("{\"a\":\"C:\\dir\"}"), "json",
                  "第 1 行第 9 列：反斜杠" },
                { "half a pair", BYTES("{\"a\":\"\\ud83d\"}"), "json", "成对" },
                { "an escaped NUL", BYTES("{\"a\":\"x\\u0000\"}"), "json", "\\u0000" },
                { "a leading zero", BYTES("{\"a\":012}"), "json", "“012”不是" },
                { "a long number", BYTES("{\"a\":" TEN("1234") "}"), "json", "32 个字符" },
                { "a large number", BYTES("{\"a\":9223372036854775808}"), "json", "太大" },
                { "a large fraction", BYTES("{\"a\":1e999}"), "json", "“1e999”太大" },
                { "a key twice", BYTES("{\"id\":1,\n\"id\":2}"), "json", "第 2 行第 1 列：“id”" },
                { "an escaped key twice", BYTES("{\"id\":1,\"\\u0069d\":2}"), "json", "“id”" },
                { "a raw NUL", BYTES("{\"a\":\"x\0y\"}"), "encoding", "NUL" },
                { "a NUL at the end", BYTES("{\"a\":1}\0"), "encoding", "（第 8 字节）有空字符" },
                { "a NUL at the start", BYTES("\0{}"), "encoding", "NUL" },
                { "a NUL for a value", BYTES("{\"a\":\0}"), "encoding", "NUL" },
                { "Latin-1", BYTES("{\"a\":\"caf\xe9\"}"), "encoding",
                  "第 1 行第 10 列（第 10 字节）不是 UTF-8 编码" },
                { "GBK", BYTES("{\"a\":\"\xb9\xab\xbf\xaa\xcd\xa8\xb8\xe6\"}"), "encoding", "GBK" },
                { "GBK, and syntax earlier",
                  BYTES("{\"a\":x \"\xb9\xab\xbf\xaa\xcd\xa8\xb8\xe6\"}"), "encoding", "GBK" },
                { "GBK alone", BYTES("\xb9\xab\xbf\xaa"), "encoding", "GBK" },
                { "UTF-16", BYTES("\xff\xfe{\0}\0"), "encoding", "UTF-16" },
                { "a surrogate", BYTES("{\"a\":\"\xed\xa0\x80\"}"), "encoding", "不是 UTF-8" },
                { "an empty array", BYTES("[ ]"), "length", "至少要有一个" },
        };

        (void) state;
        for (size_t i = 0; i < ELEMENTS(rows); i++) {
                struct findings errors = { 0 };

                print_message("%s\n", rows[i].story);
                assert_null(event_read(rows[i].bytes, rows[i].n, &errors));
                assert_int_equal(errors.n, 1);
                print_message("  %s %s\n", errors.list[0].code, errors.list[0].message);
                assert_string_equal(errors.list[0].code, rows[i].code);
                assert_string_equal(errors.list[0].path, "");
                assert_non_null(strstr(errors.list[0].message, rows[i].says));
                assert_null(strchr(errors.list[0].message, '{')); /* no hole was left */
                findings_done(&errors);
        }
}

static void a_byte_order_mark_does_no_harm(void **state) {
        struct findings errors = { 0 };
        json_t *json = read_text("\xef\xbb\xbf{\"a\":1}", &errors);

        (void) state;
        assert_non_null(json);
        assert_int_equal(errors.n, 0);
        json_decref(json);
}

/* prefix, n times middle, n times closing */
static char *nested(const char *prefix, const char *opening, const char *closing, size_t n) {
        struct buf buf = { 0 };

        buf_str(&buf, prefix);
        for (size_t i = 0; i < n; i++)
                buf_str(&buf, opening);
        for (size_t i = 0; i < n; i++)
                buf_str(&buf, closing);
        return buf_take(&buf);
}

static void depth_has_a_limit(void **state) {
        static const struct {
                const char *opening, *closing;
        } kinds[] = { { "[", "]" }, { "{\"a\":", "}" } };

        (void) state;
        for (size_t i = 0; i < ELEMENTS(kinds); i++)
                for (size_t depth = 30; depth <= 3000000;
                     depth = depth < 34 ? depth + 1 : depth * 300) {
                        /* the object around it is a level too */
                        struct findings errors = { 0 };
                        char *inner = nested("", kinds[i].opening, "", depth);
                        char *outer = nested("", kinds[i].closing, "", depth);
                        struct buf text = { 0 };
                        json_t *json;

                        buf_fmt(&text, "{\"x\":%s1%s}", inner, outer);
                        json = event_read(text.data, text.len, &errors);
                        assert_int_equal(json != NULL, depth + 1 <= EVENT_MAX_DEPTH);
                        if (!json)
                                assert_string_equal(errors.list[0].code, text.len > EVENT_MAX_BYTES
                                                                                 ? "too_large"
                                                                                 : "too_deep");
                        json_decref(json);
                        findings_done(&errors);
                        buf_done(&text);
                        free(inner);
                        free(outer);
                }
}

static void an_event_of_an_array_is_named_by_its_index(void **state) {
        struct findings errors = { 0 };
        struct buf text = { 0 };

        (void) state;
        buf_str(&text, "[{},{},{\"a\":\"");
        for (int i = 0; i < EVENT_MAX_BYTES / 16; i++)
                buf_str(&text, "sixteen bytes...");
        buf_str(&text, "\"},{}]");
        assert_null(event_read(text.data, text.len, &errors));
        assert_int_equal(errors.n, 1);
        assert_string_equal(errors.list[0].code, "too_large");
        assert_string_equal(errors.list[0].path, "/2");
        findings_done(&errors);
        buf_done(&text);
}

static void size_has_a_limit_per_event_and_not_per_array(void **state) {
        struct buf text = { 0 };

        (void) state;
        for (int n_events = 0; n_events <= 3; n_events++) { /* 0: one object, no array */
                for (int over = 0; over <= 1; over++) {
                        struct findings errors = { 0 };
                        json_t *json;

                        buf_reset(&text);
                        buf_str(&text, n_events ? "[" : "");
                        for (int i = 0; i < (n_events ? n_events : 1); i++) {
                                size_t from = text.len;

                                buf_str(&text, i ? ",{\"a\":\"" : "{\"a\":\"");
                                from += i > 0;
                                while (text.len - from < EVENT_MAX_BYTES - 2)
                                        buf_char(&text, 'x');
                                if (over)
                                        buf_char(&text, 'x');
                                buf_str(&text, "\"}");
                        }
                        buf_str(&text, n_events ? "]" : "");
                        json = event_read(text.data, text.len, &errors);
                        assert_int_equal(json != NULL, !over);
                        if (over)
                                assert_true(findings_have(&errors, "too_large"));
                        json_decref(json);
                        findings_done(&errors);
                }
        }
        buf_done(&text);
}

static void the_number_of_events_has_a_limit(void **state) {
        (void) state;
        for (size_t n = EVENT_MAX_ARRAY; n <= EVENT_MAX_ARRAY + 1; n++) {
                struct findings errors = { 0 };
                struct buf text = { 0 };
                json_t *json;

                buf_str(&text, "[{}");
                for (size_t i = 1; i < n; i++)
                        buf_str(&text, ",{}");
                buf_str(&text, "]");
                json = event_read(text.data, text.len, &errors);
                if (n == EVENT_MAX_ARRAY) {
                        assert_int_equal(json_array_size(json), n);
                } else {
                        assert_null(json);
                        assert_string_equal(errors.list[0].code, "too_large");
                }
                json_decref(json);
                findings_done(&errors);
                buf_done(&text);
        }
}

/* A small message must not become large in memory: an empty array costs us forty times its text. */
static void the_number_of_values_has_a_limit(void **state) {
        (void) state;
        for (int over = 0; over <= 1; over++) {
                struct findings errors = { 0 };
                struct buf text = { 0 };
                json_t *json;

                /* the object and the array are two values */
                buf_str(&text, "{\"a\":[[]");
                for (int i = 1; i < EVENT_MAX_VALUES - 2 + over; i++)
                        buf_str(&text, ",[]");
                buf_str(&text, "]}");
                json = event_read(text.data, text.len, &errors);
                assert_int_equal(json != NULL, !over);
                if (over)
                        assert_string_equal(errors.list[0].code, "too_large");
                json_decref(json);
                findings_done(&errors);
                buf_done(&text);
        }
}

static void a_message_over_the_frame_limit_is_not_looked_at(void **state) {
        struct findings errors = { 0 };

        (void) state;
        assert_null(event_read("{}", (size_t) EVENT_MAX_MESSAGE + 1, &errors));
        assert_string_equal(errors.list[0].code, "too_large");
        findings_done(&errors);
}

/* Runs last: from here on values lie in the room. */
static void values_live_on_whatever_is_read_meanwhile(void **state) {
        struct findings errors = { 0 };
        struct buf large = { 0 }, many = { 0 };
        json_t *kept[3] = { NULL }, *alike;
        char *dumped;

        (void) state;
        event_memory_use();
        buf_str(&large, "{\"a\":\"");
        for (int i = 0; i < 10000; i++)
                buf_str(&large, "公");
        buf_str(&large, "\",\"b\":1}");
        buf_str(&many, "{\"a\":[0");
        for (int i = 0; i < 1500; i++) /* more than there is room for */
                buf_str(&many, ",{\"b\":[1,0.5,\"c\"]}");
        buf_str(&many, "]}");

        for (int round = 0; round < 100; round++) {
                struct buf text = { 0 };

                /* The same as without the room; one is held while two others come and go. */
                buf_fmt(&text, "{\"round\":%d,\"of\":{\"many\":[\"公开\",null,true,%d]}}", round, round);
                json_decref(kept[round % 3]);
                kept[round % 3] = read_text(text.data, &errors);
                assert_non_null(kept[round % 3]);
                alike = json_loads(text.data, 0, NULL);
                assert_true(json_equal(kept[round % 3], alike));
                json_decref(alike);

                alike = read_text(round % 2 ? large.data : many.data, &errors);
                assert_non_null(alike);
                assert_int_equal(json_object_set_new(alike, "round", json_integer(round)), 0);
                dumped = json_dumps(alike, JSON_COMPACT);
                assert_non_null(dumped);
                free(dumped); /* as everywhere: it is malloc()'s */
                json_decref(alike);
                assert_null(read_text("{\"a\":[1,2,{\"b\":}]}", &errors));
                findings_done(&errors);

                dumped = json_dumps(kept[round % 3], JSON_COMPACT);
                assert_string_equal(dumped, text.data);
                free(dumped);
                if (round % 10 == 9) /* nothing is held: the room is empty again */
                        for (size_t i = 0; i < ELEMENTS(kept); i++) {
                                json_decref(kept[i]);
                                kept[i] = NULL;
                        }
                buf_done(&text);
        }
        buf_done(&large);
        buf_done(&many);
}

static void sentences_come_in_english_too(void **state) {
        struct findings errors = { 0 };

        (void) state;
        messages_set_language(ENGLISH);
        assert_null(read_text("{\"a\":1，}", &errors));
        assert_string_equal(errors.list[0].message,
                            "line 1, column 7: the full-width '，' stands where , belongs");
        messages_set_language(CHINESE);
        findings_done(&errors);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(what_json_is_reads_as_jansson_reads_it),
                cmocka_unit_test(a_sequence_is_read_wherever_it_stands),
                cmocka_unit_test(what_is_wrong_is_said_with_its_place),
                cmocka_unit_test(a_byte_order_mark_does_no_harm),
                cmocka_unit_test(depth_has_a_limit),
                cmocka_unit_test(an_event_of_an_array_is_named_by_its_index),
                cmocka_unit_test(size_has_a_limit_per_event_and_not_per_array),
                cmocka_unit_test(the_number_of_events_has_a_limit),
                cmocka_unit_test(the_number_of_values_has_a_limit),
                cmocka_unit_test(a_message_over_the_frame_limit_is_not_looked_at),
                cmocka_unit_test(sentences_come_in_english_too),
                cmocka_unit_test(values_live_on_whatever_is_read_meanwhile),
        };

        return cmocka_run_group_tests_name("event_read", tests, NULL, NULL);
}
