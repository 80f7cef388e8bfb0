#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "client/emit.h"
#include "core/memory.h"

static void values_are_told_apart_however_they_are_laid_out(void **state) {
        static const struct {
                const char *story, *text;
                size_t n_messages, n_events;
                const char *first, *last, *place_of_last;
        } rows[] = {
                { "one object", "{\"a\":1}", 1, 1, "{\"a\":1}", "{\"a\":1}", "f:1" },
                { "one over several lines", "{\n \"a\":\n 1\n}\n", 1, 1, "{\n \"a\":\n 1\n}",
                  "{\n \"a\":\n 1\n}", "f:1" },
                { "lines", "{\"a\":1}\n{\"b\":2}\n\n{\"c\":3}", 3, 3, "{\"a\":1}", "{\"c\":3}",
                  "f:4" },
                { "lines from Windows", "{\"a\":1}\r\n{\"b\":2}\r\n", 2, 2, "{\"a\":1}",
                  "{\"b\":2}", "f:2" },
                { "nothing between", "{}{}[{}]", 3, 3, "{}", "[{}]", "f:1" },
                { "an array", "[{\"a\":1},\n{\"b\":2}]", 1, 2, "[{\"a\":1},\n{\"b\":2}]",
                  "[{\"a\":1},\n{\"b\":2}]", "f:1" },
                { "characters of several bytes", "{\"公\":\"开\"}\n{\"b\":2}", 2, 2,
                  "{\"公\":\"开\"}", "{\"b\":2}", "f:2" },
                { "only white space", " \r\n\t", 0, 0, NULL, NULL, NULL },
                { "an empty array is the door's to refuse", "[]", 1, 0, "[]", "[]", "f:1" },
        };

        (void) state;
        for (size_t i = 0; i < ELEMENTS(rows); i++) {
                struct emit_messages messages = { 0 };
                struct buf problem = { 0 };

                print_message("%s\n", rows[i].story);
                assert_int_equal(input_split("f", rows[i].text, strlen(rows[i].text), false,
                                             &messages, &problem),
                                 0);
                assert_int_equal(messages.n, rows[i].n_messages);
                assert_int_equal(messages.n_events, rows[i].n_events);
                if (messages.n > 0) {
                        assert_string_equal(messages.list[0].bytes, rows[i].first);
                        assert_string_equal(messages.list[messages.n - 1].bytes, rows[i].last);
                        assert_string_equal(messages.list[messages.n - 1].place,
                                            rows[i].place_of_last);
                }
                messages_done(&messages);
                buf_done(&problem);
        }
}

static void what_is_no_json_is_named_by_its_line(void **state) {
        static const struct {
                const char *story, *text, *says;
                int result;
        } rows[] = {
                { "text", "hello", "f, line 1,", -EBADMSG },
                { "the third line", "{}\n{}\n{\"a\":\n", "f, line 4,", -ENODATA },
                { "cut off", "{\"a\":[1,2", "f, line 1,", -ENODATA },
                { "cut off in a text", "{\"a\":\"b", "f, line 1,", -ENODATA },
                { "a key twice", "\n\n{\"a\":1,\"a\":2}", "f, line 3,", -EBADMSG },
                { "a bare word between", "{}\nx\n{}", "f, line 2,", -EBADMSG },
        };

        (void) state;
        messages_set_language(ENGLISH);
        for (size_t i = 0; i < ELEMENTS(rows); i++) {
                struct emit_messages messages = { 0 };
                struct buf problem = { 0 };

                print_message("%s\n", rows[i].story);
                assert_int_equal(input_split("f", rows[i].text, strlen(rows[i].text), false,
                                             &messages, &problem),
                                 rows[i].result);
                print_message("  %s\n", buf_text(&problem));
                assert_non_null(strstr(buf_text(&problem), rows[i].says));
                messages_done(&messages);
                buf_done(&problem);
        }
}

static void a_long_array_becomes_messages_that_the_door_takes(void **state) {
        static const struct {
                const char *story;
                size_t n_events, n_bytes_each, n_messages;
        } rows[] = {
                { "as many as the door takes", 256, 10, 1 },
                { "one more", 257, 10, 2 },
                { "few, but large together", 10, 300 << 10, 4 },
                { "one that is too large alone is the door's to refuse", 1, 2 << 20, 1 },
        };

        (void) state;
        for (size_t i = 0; i < ELEMENTS(rows); i++) {
                struct emit_messages messages = { 0 };
                struct buf text = { 0 }, problem = { 0 };
                size_t n = 0;

                print_message("%s\n", rows[i].story);
                for (size_t k = 0; k < rows[i].n_events; k++) {
                        char *room;

                        buf_str(&text, k ? ", {\"x\": \"" : "[ {\"x\": \"");
                        room = buf_room(&text, rows[i].n_bytes_each);
                        memset(room, 'x', rows[i].n_bytes_each);
                        buf_grown(&text, rows[i].n_bytes_each);
                        buf_str(&text, "\"}");
                }
                buf_str(&text, "]");
                assert_int_equal(
                        input_split("f", buf_text(&text), text.len, true, &messages, &problem), 0);
                assert_int_equal(messages.n, rows[i].n_messages);
                for (size_t k = 0; k < messages.n; k++) {
                        json_t *json = json_loadb(messages.list[k].bytes, messages.list[k].n_bytes,
                                                  0, NULL);

                        assert_int_equal(json_array_size(json), messages.list[k].n_events);
                        assert_true(messages.n == 1 || messages.list[k].n_bytes <= 1 << 20);
                        n += json_array_size(json);
                        json_decref(json);
                }
                assert_int_equal(n, rows[i].n_events);
                messages_done(&messages);
                buf_done(&text);
        }
}

static void a_dry_run_marks_every_event(void **state) {
        static const char text[] = "{\"a\":1} [{\"b\":2},{\"c\":3,\"gkdryrun\":false},7]";
        struct emit_messages messages = { 0 };
        struct buf problem = { 0 };

        (void) state;
        assert_int_equal(input_split("f", text, strlen(text), true, &messages, &problem), 0);
        assert_int_equal(messages_make_dry(&messages), 0);
        assert_string_equal(messages.list[0].bytes, "{\"a\":1,\"gkdryrun\":true}");
        assert_string_equal(messages.list[1].bytes,
                            "[{\"b\":2,\"gkdryrun\":true},{\"c\":3,\"gkdryrun\":true},7]");
        messages_done(&messages);
}

static void every_encoding_of_windows_becomes_utf8(void **state) {
        static const struct {
                const char *story, *bytes;
                size_t n;
                int result;
                const char *utf8, *from;
        } rows[] = {
                { "UTF-8", "公开", 6, 0, "公开", NULL },
                { "with a mark", "\xef\xbb\xbf公开", 9, 0, "公开", NULL },
                { "GBK", "\xb9\xab\xbf\xaa", 4, 0, "公开", "GB18030" },
                { "four bytes of GB18030", "\x95\x32\x82\x36", 4, 0, "𠀀", "GB18030" },
                { "UTF-16 little end first", "\xff\xfe\x6c\x51\x00\x5f", 6, 0, "公开", "UTF-16" },
                { "UTF-16 big end first", "\xfe\xff\x51\x6c\x5f\x00", 6, 0, "公开", "UTF-16" },
                { "half a character of UTF-16", "\xff\xfe\x6c", 3, -EILSEQ, NULL, NULL },
                { "neither", "ab\xff\xff", 4, -EILSEQ, NULL, NULL },
                { "cut off in GBK", "\xb9\xab\xbf", 3, -EILSEQ, NULL, NULL },
                { "nothing", "", 0, 0, "", NULL },
        };

        (void) state;
        for (size_t i = 0; i < ELEMENTS(rows); i++) {
                struct buf text = { 0 };
                const char *from = NULL;
                size_t at = 99;

                print_message("%s\n", rows[i].story);
                buf_add(&text, rows[i].bytes, rows[i].n);
                assert_int_equal(input_decode(&text, &from, &at), rows[i].result);
                if (rows[i].result == 0) {
                        assert_string_equal(buf_text(&text), rows[i].utf8);
                        assert_int_equal(text.len, strlen(rows[i].utf8));
                        assert_true(rows[i].from ? strcmp(from, rows[i].from) == 0 : !from);
                } else {
                        assert_int_not_equal(at, 99);
                }
                buf_done(&text);
        }
}

static void a_time_needs_its_unit(void **state) {
        static const struct {
                const char *text;
                int result;
                int64_t ms;
        } rows[] = {
                { "500ms", 0, 500 },   { "30s", 0, 30000 },           { "5min", 0, 300000 },
                { "2h", 0, 7200000 },  { "1d", 0, 86400000 },         { "0s", 0, 0 },
                { "10", -EINVAL, 0 },  { "s", -EINVAL, 0 },           { "", -EINVAL, 0 },
                { "-1s", -EINVAL, 0 }, { "1.5s", -EINVAL, 0 },        { "10 s", -EINVAL, 0 },
                { "1m", -EINVAL, 0 },  { "9999999999s", -EINVAL, 0 },
        };

        (void) state;
        for (size_t i = 0; i < ELEMENTS(rows); i++) {
                int64_t ms = 0;

                print_message("'%s'\n", rows[i].text);
                assert_int_equal(emit_duration(rows[i].text, &ms), rows[i].result);
                assert_int_equal(ms, rows[i].ms);
        }
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(values_are_told_apart_however_they_are_laid_out),
                cmocka_unit_test(what_is_no_json_is_named_by_its_line),
                cmocka_unit_test(a_long_array_becomes_messages_that_the_door_takes),
                cmocka_unit_test(a_dry_run_marks_every_event),
                cmocka_unit_test(every_encoding_of_windows_becomes_utf8),
                cmocka_unit_test(a_time_needs_its_unit),
        };

        return cmocka_run_group_tests_name("emit_input", tests, NULL, NULL);
}
