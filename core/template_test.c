#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core/memory.h"
#include "core/messages.h"
#include "core/template.h"

static json_t *load(const char *text) {
        json_error_t error;
        json_t *json = json_loads(text, JSON_DECODE_ANY, &error);

        if (!json)
                print_message("%s\n", error.text);
        assert_non_null(json);
        return json;
}

static void json_done(json_t **json) {
        json_decref(*json);
}

/* Partials of the tests: pairs of name and text. */
static const char *find_partial(const char *name, void *userdata) {
        const char *const *pairs = userdata;

        for (; *pairs; pairs += 2)
                if (strcmp(pairs[0], name) == 0)
                        return pairs[1];
        return NULL;
}

static const char *const partials[] = {
        "text",   "片段",
        "value",  "[{{a}}]",
        "line",   "甲\n乙\n",
        "spec",   "|\n{{{content}}}\n|\n",
        "blank",  "甲\n\n乙\n",
        "outer",  "<\n  {{> line}}\n>\n",
        "item",   "{{#item}}{{name}};{{/item}}",
        "a/b.c",  "路径",
        "crlf",   "甲\r\n\r\n乙\r\n",
        "itself", "x{{> itself}}",
        "ping",   "{{#a}}{{> pong}}{{/a}}",
        "pong",   "{{> ping}}",
        "bad",    "一\n二{{#a}}",
        "worse",  "\n\n{{> bad}}",
        "lonely", "{{> nobody}}",
        NULL,
};

struct row {
        const char *story, *template, *context, *output;
};

static void assert_rows(const struct row *rows, size_t n) {
        for (size_t i = 0; i < n; i++) {
                json_t *context freed_by(json_done) = load(rows[i].context);
                struct buf out freed_by(buf_done) = { 0 };
                struct template_error error freed_by(template_error_done) = { 0 };
                const struct template template = {
                        .text = rows[i].template,
                        .escape = ESCAPE_HTML,
                        .partial = find_partial,
                        .userdata = (void *) (uintptr_t) partials,
                };

                print_message("%s\n", rows[i].story);
                assert_int_equal(template_check(&template, &error), 0);
                assert_int_equal(template_render(&template, context, &out, &error), 0);
                assert_null(error.sentence);
                assert_string_equal(buf_text(&out), rows[i].output);
        }
}

static void variables_are_put_in(void **state) {
        static const struct row rows[] = {
                { "no tag", "甲 { } }} {x}", "{}", "甲 { } }} {x}" },
                { "nothing", "", "{}", "" },
                { "a variable", "<{{a}}>", "{\"a\":\"值\"}", "<值>" },
                { "blanks inside the tag", "{{ a }}{{\ta\n}}", "{\"a\":\"x\"}", "xx" },
                { "a Chinese name", "{{标题}}", "{\"标题\":\"x\"}", "x" },
                { "escaped", "{{a}}", "{\"a\":\"<&>\\\"'`\"}", "&lt;&amp;&gt;&quot;&#39;&#96;" },
                { "three braces are raw", "{{{a}}}{{{ a }}}", "{\"a\":\"<\"}", "<<" },
                { "an ampersand is raw", "{{&a}}{{& a }}", "{\"a\":\"<\"}", "<<" },
                { "missing", "[{{a}}][{{{a}}}][{{&a}}]", "{}", "[][][]" },
                { "null", "[{{a}}]", "{\"a\":null}", "[]" },
                { "a whole number", "{{a}}", "{\"a\":-12345678901}", "-12345678901" },
                { "a fraction", "{{a}} {{b}}", "{\"a\":1.21,\"b\":0.1}", "1.21 0.1" },
                { "true and false", "{{a}} {{b}}", "{\"a\":true,\"b\":false}", "true false" },
                { "a list and an object have no text", "[{{a}}{{b}}]", "{\"a\":[1],\"b\":{}}",
                  "[]" },
                { "a value is not a template", "{{a}}", "{\"a\":\"{{b}}\",\"b\":\"x\"}", "{{b}}" },
                { "two in a row", "{{a}}{{b}}", "{\"a\":1,\"b\":2}", "12" },
                { "line ends and blanks around stay", " {{a}} \n {{a}}\n", "{\"a\":1}",
                  " 1 \n 1\n" },
                { "the context itself", "{{.}}", "\"x\"", "x" },
                { "dotted", "{{a.b.c}}", "{\"a\":{\"b\":{\"c\":\"x\"}}}", "x" },
                { "dotted and missing", "[{{a.b.c}}{{a.x}}{{x.y}}]", "{\"a\":{\"b\":{}}}", "[]" },
                { "dotted through a text", "[{{a.b}}]", "{\"a\":\"x\"}", "[]" },
        };

        (void) state;
        assert_rows(rows, ELEMENTS(rows));
}

static void sections_repeat_or_choose(void **state) {
        static const struct row rows[] = {
                { "true", "{{#a}}x{{/a}}", "{\"a\":true}", "x" },
                { "false, null, missing", "[{{#a}}x{{/a}}{{#b}}x{{/b}}{{#c}}x{{/c}}]",
                  "{\"a\":false,\"b\":null}", "[]" },
                { "an object becomes the context", "{{#a}}{{b}}{{/a}}", "{\"a\":{\"b\":\"x\"}}",
                  "x" },
                { "an object without members counts", "{{#a}}x{{/a}}", "{\"a\":{}}", "x" },
                { "a list repeats", "{{#a}}<{{b}}>{{/a}}", "{\"a\":[{\"b\":1},{\"b\":2}]}",
                  "<1><2>" },
                { "a list of values", "{{#a}}{{.}},{{/a}}", "{\"a\":[1,\"<\",true,null]}",
                  "1,&lt;,true,," },
                { "raw values of a list", "{{#a}}{{{.}}}{{&.}}{{/a}}", "{\"a\":[\"<\"]}", "<<" },
                { "an empty list", "[{{#a}}x{{/a}}]", "{\"a\":[]}", "[]" },
                { "a list in a list", "{{#a}}({{#.}}{{.}}{{/.}}){{/a}}", "{\"a\":[[1,2],[3]]}",
                  "(12)(3)" },
                { "a text becomes the context", "{{#a}}{{.}}{{/a}}", "{\"a\":\"x\"}", "x" },
                { "an empty text is nothing", "[{{#a}}x{{/a}}{{^a}}y{{/a}}]", "{\"a\":\"\"}",
                  "[y]" },
                { "a number counts, zero too", "{{#a}}{{.}}{{/a}}{{#b}}{{.}}{{/b}}",
                  "{\"a\":0,\"b\":7}", "07" },
                { "inverted", "{{^a}}x{{/a}}{{^b}}y{{/b}}{{^c}}z{{/c}}",
                  "{\"a\":false,\"b\":[],\"c\":1}", "xy" },
                { "inverted over what is missing", "{{^a}}x{{/a}}", "{}", "x" },
                { "inverted over an object", "[{{^a}}x{{/a}}]", "{\"a\":{\"b\":1}}", "[]" },
                { "both ways", "{{#a}}x{{/a}}{{^a}}y{{/a}}", "{\"a\":true}", "x" },
                { "names are looked for outwards", "{{#a}}{{b}}{{c}}{{/a}}",
                  "{\"a\":{\"b\":1},\"b\":2,\"c\":3}", "13" },
                { "an inner null hides the outer", "[{{#a}}{{b}}{{/a}}]",
                  "{\"a\":{\"b\":null},\"b\":2}", "[]" },
                { "the first part decides where a dotted name is", "[{{#a}}{{b.c}}{{/a}}]",
                  "{\"a\":{\"b\":{}},\"b\":{\"c\":\"x\"}}", "[]" },
                { "a dotted section", "{{#a.b}}{{c}}{{/a.b}}", "{\"a\":{\"b\":{\"c\":\"x\"}}}",
                  "x" },
                { "a dotted inverted section", "{{^a.b}}x{{/a.b}}", "{\"a\":{}}", "x" },
                { "a section in itself", "{{#a}}{{b}}{{#a}}{{b}}{{/a}}{{/a}}",
                  "{\"a\":{\"b\":\"x\",\"a\":{\"b\":\"y\"}}}", "xy" },
                { "a section after a list", "{{#a}}{{b}}{{/a}}{{b}}", "{\"a\":[{\"b\":1}],\"b\":2}",
                  "12" },
                { "blanks in all tags", "{{# a }}{{^ b }}x{{/ b }}{{/ a }}{{ #a }}y{{ /a }}",
                  "{\"a\":true}", "xy" },
                { "deep", "{{#a}}{{#b}}{{#c}}{{x}}{{y}}{{z}}{{/c}}{{/b}}{{/a}}",
                  "{\"a\":{\"x\":1,\"b\":{\"y\":2,\"c\":{\"z\":3}}}}", "123" },
        };

        (void) state;
        assert_rows(rows, ELEMENTS(rows));
}

static void tags_alone_on_a_line_take_it_with_them(void **state) {
        static const struct row rows[] = {
                { "a section", "a\n{{#x}}\nb\n{{/x}}\nc\n", "{\"x\":true}", "a\nb\nc\n" },
                { "indented", "a\n  {{#x}}  \nb\n\t{{/x}}\nc", "{\"x\":true}", "a\nb\nc" },
                { "an inverted section", "{{^x}}\nb\n{{/x}}\n", "{}", "b\n" },
                { "at the end without a line end", "a\n  {{#x}}{{/x}}", "{}", "a\n  " },
                { "at the start and at the end", "{{#x}}\na\n{{/x}}", "{\"x\":true}", "a\n" },
                { "Windows line ends", "a\r\n{{#x}}\r\nb\r\n{{/x}}\r\nc", "{\"x\":true}",
                  "a\r\nb\r\nc" },
                { "two on a line do not", "{{#x}} {{/x}}\nb", "{}", "\nb" },
                { "with text on the line they do not", "a {{#x}}\nb\n{{/x}}", "{\"x\":true}",
                  "a \nb\n" },
                { "a variable never does", " {{a}} \n", "{}", "  \n" },
                { "a raw variable neither", "{{{a}}}\n{{&a}}\n", "{}", "\n\n" },
                { "a comment", "a{{! x }}b", "{}", "ab" },
                { "a comment alone", "a\n {{! x }}\nb", "{}", "a\nb" },
                { "a comment of many lines", "a\n{{!\n x\n }}\nb", "{}", "a\nb" },
                { "a comment that ends in the text", "a {{! x\ny }}b\n", "{}", "a b\n" },
                { "a comment with a brace", "{{! } { }}x", "{}", "x" },
                { "a comment only", "{{!}}", "{}", "" },
        };

        (void) state;
        assert_rows(rows, ELEMENTS(rows));
}

static void partials_are_put_in(void **state) {
        static const struct row rows[] = {
                { "a text", "<{{> text}}>", "{}", "<片段>" },
                { "without a blank and with many", "{{>text}}{{>  text  }}", "{}", "片段片段" },
                { "sees the context", "{{#b}}{{> value}}{{/b}}", "{\"b\":{\"a\":\"<\"}}",
                  "[&lt;]" },
                { "a name like a path", "{{> a/b.c}}", "{}", "路径" },
                { "alone on its line", "a\n{{> line}}\nb", "{}", "a\n甲\n乙\nb" },
                { "indented", "a\n  {{> line}}\nb", "{}", "a\n  甲\n  乙\nb" },
                { "indented without line end", "  {{> line}}", "{}", "  甲\n  乙\n" },
                { "the value's lines are not indented", "\\\n {{> spec}}\n/\n",
                  "{\"content\":\"<\\n->\"}", "\\\n |\n <\n->\n |\n/\n" },
                { "empty lines are not indented", " {{> blank}}\n", "{}", " 甲\n\n 乙\n" },
                { "nor empty lines of Windows", " {{> crlf}}\r\nx", "{}", " 甲\r\n\r\n 乙\r\nx" },
                { "in the text not indented", "  a {{> line}}b", "{}", "  a 甲\n乙\nb" },
                { "indentation adds up", " {{> outer}}\n", "{}", " <\n   甲\n   乙\n >\n" },
                { "the same one twice, indented and not", "{{> line}}\n  {{> line}}\n", "{}",
                  "甲\n乙\n  甲\n  乙\n" },
                { "in a list", "{{#a}}{{> value}}{{/a}}", "{\"a\":[{\"a\":1},{\"a\":2}]}",
                  "[1][2]" },
                { "with sections of its own", "{{> item}}",
                  "{\"item\":[{\"name\":\"甲\"},{\"name\":\"乙\"}]}", "甲;乙;" },
        };

        (void) state;
        assert_rows(rows, ELEMENTS(rows));
}

static void every_kind_of_text_has_its_escapes(void **state) {
        static const struct {
                enum escape escape;
                const char *text, *escaped;
        } rows[] = {
                { ESCAPE_NONE, "<&>\"'`\\\n%公", "<&>\"'`\\\n%公" },
                { ESCAPE_HTML, "", "" },
                { ESCAPE_HTML, "公<b a=\"x\">'`&amp;",
                  "公&lt;b a=&quot;x&quot;&gt;&#39;&#96;&amp;amp;" },
                { ESCAPE_HTML, "a\tb\r\nc\001d\033e", "a\tb\r\ncde" },
                { ESCAPE_JSON, "公a\"b\\c", "公a\\\"b\\\\c" },
                { ESCAPE_JSON, "\b\f\n\r\t\001\037", "\\b\\f\\n\\r\\t\\u0001\\u001f" },
                { ESCAPE_JSON, "</script>&<!--", "\\u003c/script\\u003e\\u0026\\u003c!--" },
                { ESCAPE_JSON, "a\342\200\250b\342\200\251c\342\200\246",
                  "a\\u2028b\\u2029c\342\200\246" },
                { ESCAPE_JSON, "'`/", "'`/" },
                { ESCAPE_URI, "AZaz09-._~", "AZaz09-._~" },
                { ESCAPE_URI, "a b/c?d=e&f#g%+'", "a%20b%2Fc%3Fd%3De%26f%23g%25%2B%27" },
                { ESCAPE_URI, "公@[`{", "%E5%85%AC%40%5B%60%7B" },
        };

        (void) state;
        for (size_t i = 0; i < ELEMENTS(rows); i++) {
                struct buf out freed_by(buf_done) = { 0 };
                json_t *context freed_by(json_done) = json_pack("{s:s}", "a", rows[i].text);
                struct template template = { .text = "{{a}}", .escape = rows[i].escape };
                struct template_error error;

                print_message("%s\n", rows[i].text);
                escape_add(&out, rows[i].escape, rows[i].text, strlen(rows[i].text));
                assert_string_equal(buf_text(&out), rows[i].escaped);

                buf_reset(&out);
                assert_int_equal(template_render(&template, context, &out, &error), 0);
                assert_string_equal(buf_text(&out), rows[i].escaped);
        }
}

/* What is passed over in sixteens: each sign alone, and between runs of what stands as it is. */
static void json_escapes_a_sign_wherever_it_stands(void **state) {
        static const char *const signs[] = { "\"", "\\", "&", "<", ">", "\n", "\x1f", "\u2028",
                                             "\u2029", "\u2026", "/", " " };

        (void) state;
        for (size_t i = 0; i < ELEMENTS(signs) * 40; i++) {
                static const char filler[] = "urn:gongkai:530581:oa 公开 0123456789";
                const char *sign = signs[i / 40];
                int at = (int) (i % 40);
                struct buf whole = { 0 }, pieces = { 0 };
                char text[sizeof(filler) + 4];

                (void) snprintf(text, sizeof(text), "%.*s%s%s", at, filler, sign, filler + at);
                escape_add(&whole, ESCAPE_JSON, text, strlen(text));
                buf_add(&pieces, filler, (size_t) at);
                escape_add(&pieces, ESCAPE_JSON, sign, strlen(sign));
                buf_str(&pieces, filler + at);
                assert_string_equal(buf_text(&whole), buf_text(&pieces));
                buf_done(&whole);
                buf_done(&pieces);
        }
}

static void json_escapes_read_back(void **state) {
        struct buf out freed_by(buf_done) = { 0 };
        json_t *json = NULL;
        char text[256 * 2];
        size_t n = 0;

        (void) state;
        for (unsigned c = 1; c < 0x80; c++)
                text[n++] = (char) c;
        text[n] = '\0';
        buf_str(&out, "\"");
        escape_add(&out, ESCAPE_JSON, text, n);
        buf_str(&out, "\"");
        json = load(buf_text(&out));
        assert_string_equal(json_string_value(json), text);
        json_decref(json);
}

static void a_fraction_is_escaped_too(void **state) {
        static const struct template template = { .text = "{{a}}", .escape = ESCAPE_URI };
        struct buf out freed_by(buf_done) = { 0 };
        json_t *context freed_by(json_done) = load("{\"a\":1e30}");
        struct template_error error;

        (void) state;
        assert_int_equal(template_render(&template, context, &out, &error), 0);
        assert_string_equal(buf_text(&out), "1e%2B30");
}

static void mistakes_are_shown_with_their_line(void **state) {
        static const struct {
                const char *story, *template;
                unsigned line;
                const char *says;
        } rows[] = {
                { "a tag without an end", "a\n{{b", 2, "“{{b”" },
                { "half an end", "{{b}", 1, "没有写完" },
                { "a raw tag with two braces", "\n\n{{{b}}", 3, "没有写完" },
                { "a comment without an end", "{{! x", 1, "没有写完" },
                { "no name", "{{}}", 1, "没有写名称" },
                { "blanks for a name", "a{{#  }}", 1, "没有写名称" },
                { "other delimiters", "{{=<% %>=}}", 1, "不认识的标签“{{=<% %>=}}”" },
                { "a parent", "{{<a}}{{/a}}", 1, "不认识的标签" },
                { "a block", "{{$a}}{{/a}}", 1, "不认识的标签" },
                { "a name with a blank", "{{a b}}", 1, "不能有空格" },
                { "a name with a brace", "{{{a}}}}{{b{}}", 1, "不能有空格" },
                { "a name that starts with a dot", "{{.a}}", 1, "不能有空格" },
                { "a name with two dots", "{{a..b}}", 1, "不能有空格" },
                { "a section without an end", "a\n{{#b}}\n{{#c}}{{/c}}\n", 2, "“b”没有结束" },
                { "an inner section without an end", "{{#b}}\n{{^c}}\n", 2, "“c”没有结束" },
                { "crossed sections", "{{#a}}\n{{#b}}\n{{/a}}{{/b}}", 3, "第 2 行打开的“b”" },
                { "an end of nothing", "a\nb\n c {{/d}}", 3, "“d”前面没有打开过" },
                { "an end with another name", "{{#a.b}}{{/a}}", 1, "“a.b”" },
                { "a partial that is not there", "\n{{> nobody}}", 2, "找不到片段“nobody”" },
                { "a partial in a section that is never shown", "{{#no}}{{> nobody}}{{/no}}", 1,
                  "找不到片段“nobody”" },
                { "a partial that includes itself", "{{> itself}}", 1, "嵌套超过 16 层" },
                { "two that include each other", "\n\n  {{> ping}}\n", 3, "嵌套超过 16 层" },
                { "a mistake in a partial", "\n{{> bad}}", 2, "片段“bad”第 2 行：区块“a”没有结束" },
                { "a mistake in a partial of a partial", "{{> worse}}", 1,
                  "片段“worse”第 3 行：片段“bad”第 2 行" },
                { "a partial of a partial that is not there", "{{> lonely}}", 1,
                  "片段“lonely”第 1 行：找不到片段“nobody”" },
        };

        (void) state;
        messages_set_language(CHINESE);
        for (size_t i = 0; i < ELEMENTS(rows); i++) {
                struct template_error error freed_by(template_error_done) = { 0 };
                struct template_error same freed_by(template_error_done) = { 0 };
                struct buf out freed_by(buf_done) = { 0 };
                json_t *context freed_by(json_done) = load("{}");
                const struct template template = {
                        .text = rows[i].template,
                        .partial = find_partial,
                        .userdata = (void *) (uintptr_t) partials,
                };

                print_message("%s\n", rows[i].story);
                assert_int_equal(template_check(&template, &error), -EINVAL);
                print_message("  %u: %s\n", error.line, error.sentence);
                assert_int_equal(error.line, rows[i].line);
                assert_non_null(strstr(error.sentence, rows[i].says));
                assert_int_equal(template_render(&template, context, &out, &same), -EINVAL);
                assert_int_equal(same.line, error.line);
                assert_string_equal(same.sentence, error.sentence);
                assert_int_equal(out.len, 0);
        }
}

static void mistakes_are_told_in_english_too(void **state) {
        static const struct template template = { .text = "{{#a}}{{/b}}" };
        struct template_error error freed_by(template_error_done) = { 0 };

        (void) state;
        messages_set_language(ENGLISH);
        assert_int_equal(template_check(&template, &error), -EINVAL);
        assert_string_equal(error.sentence,
                            "this closes 'b', but 'a' of line 1 has to be closed first");
        messages_set_language(CHINESE);
}

static void no_partials_at_all_is_a_mistake_to_use_one(void **state) {
        static const struct template template = { .text = "{{> a}}" };
        struct template_error error freed_by(template_error_done) = { 0 };

        (void) state;
        assert_int_equal(template_check(&template, &error), -EINVAL);
}

/* Partial "17" includes "16" and so on to "1", which is a text. */
static const char *next_partial(const char *name, void *userdata) {
        static char text[17][40];
        int number = (int) strtol(name, NULL, 10);

        (void) userdata;
        if (number < 1 || number > 17)
                return NULL;
        if (number == 1)
                return "底";
        (void) snprintf(text[number - 1], sizeof(text[0]), "{{> %d}}{{> %d}}", number - 1,
                        number - 1);
        return text[number - 1];
}

static void partials_nest_sixteen_deep(void **state) {
        struct template template = { .text = "{{> 16}}", .partial = next_partial };
        struct template_error error freed_by(template_error_done) = { 0 };

        (void) state;
        /* Each is read once although there are 32,768 ways to it. */
        assert_int_equal(template_check(&template, &error), 0);
        template.text = "{{> 17}}";
        assert_int_equal(template_check(&template, &error), -EINVAL);
        template_error_done(&error);
        template.text = "{{> 15}}{{> 16}}{{> 17}}";
        assert_int_equal(template_check(&template, &error), -EINVAL);
}

static void nested(struct buf *buf, unsigned n) {
        for (unsigned i = 0; i < n; i++)
                buf_str(buf, "{{#a}}");
        buf_str(buf, "x");
        for (unsigned i = 0; i < n; i++)
                buf_str(buf, "{{/a}}");
}

static void sections_nest_sixty_four_deep(void **state) {
        struct buf text freed_by(buf_done) = { 0 }, out freed_by(buf_done) = { 0 };
        struct template_error error freed_by(template_error_done) = { 0 };
        struct template template = { 0 };
        json_t *context freed_by(json_done) = load("{\"a\":true}");

        (void) state;
        nested(&text, 64);
        template.text = buf_text(&text);
        assert_int_equal(template_render(&template, context, &out, &error), 0);
        assert_string_equal(buf_text(&out), "x");
        buf_reset(&text);
        nested(&text, 100000);
        template.text = buf_text(&text);
        assert_int_equal(template_check(&template, &error), -EINVAL);
        assert_non_null(strstr(error.sentence, "64"));
}

static void the_buffer_has_the_last_word(void **state) {
        static const struct template template = { .text = "{{#a}}{{#a}}{{#a}}0123456789{{/a}}"
                                                          "{{/a}}{{/a}}" };
        struct buf out freed_by(buf_done) = buf_init_max(100);
        struct template_error error = { 0 };
        json_t *context freed_by(json_done) = load("{\"a\":[1,2,3,4,5,6,7,8,9]}");

        (void) state;
        assert_int_equal(template_render(&template, context, &out, &error), -E2BIG);
        assert_null(error.sentence);
}

static void long_names_and_long_texts_are_no_trouble(void **state) {
        struct buf text freed_by(buf_done) = { 0 }, out freed_by(buf_done) = { 0 };
        struct template_error error freed_by(template_error_done) = { 0 };
        struct template template = { 0 };
        json_t *context freed_by(json_done) = load("{\"a\":1}");

        (void) state;
        buf_str(&text, "{{a");
        for (unsigned i = 0; i < 100000; i++)
                buf_str(&text, "啊");
        buf_str(&text, "}}");
        for (unsigned i = 0; i < 100000; i++)
                buf_str(&text, "{{a}} \n{{! }}\n");
        template.text = buf_text(&text);
        assert_int_equal(template_render(&template, context, &out, &error), 0);
        assert_int_equal(out.len, 300000);

        buf_str(&text, "{{#a");
        for (unsigned i = 0; i < 100000; i++)
                buf_str(&text, "啊");
        template.text = buf_text(&text);
        assert_int_equal(template_check(&template, &error), -EINVAL);
        assert_true(strlen(error.sentence) < 300);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(variables_are_put_in),
                cmocka_unit_test(sections_repeat_or_choose),
                cmocka_unit_test(tags_alone_on_a_line_take_it_with_them),
                cmocka_unit_test(partials_are_put_in),
                cmocka_unit_test(every_kind_of_text_has_its_escapes),
                cmocka_unit_test(json_escapes_a_sign_wherever_it_stands),
                cmocka_unit_test(json_escapes_read_back),
                cmocka_unit_test(a_fraction_is_escaped_too),
                cmocka_unit_test(mistakes_are_shown_with_their_line),
                cmocka_unit_test(mistakes_are_told_in_english_too),
                cmocka_unit_test(no_partials_at_all_is_a_mistake_to_use_one),
                cmocka_unit_test(partials_nest_sixteen_deep),
                cmocka_unit_test(sections_nest_sixty_four_deep),
                cmocka_unit_test(the_buffer_has_the_last_word),
                cmocka_unit_test(long_names_and_long_texts_are_no_trouble),
        };

        return cmocka_run_group_tests_name("template", tests, NULL, NULL);
}
