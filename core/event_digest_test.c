#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "core/event_fixtures.h"
#include "core/memory.h"

static void digest_of(const char *text, const char *pointer, const char *value,
                      char ret[static DIGEST_TEXT]) {
        struct findings errors = { 0 }, warnings = { 0 };
        json_t *json = load(text);
        struct event *event;

        if (pointer)
                change(json, pointer, value);
        event = event_parse(json, &errors, &warnings);
        for (size_t i = 0; i < errors.n; i++)
                print_message("%s %s\n", errors.list[i].path, errors.list[i].message);
        assert_non_null(event);
        memcpy(ret, event->digest, DIGEST_TEXT);
        event_free(event);
        findings_done(&warnings);
        json_decref(json);
}

static void the_digest_covers_what_is_said(void **state) {
        /* Another value for each member, all allowed. */
        static const struct {
                const char *pointer, *value;
        } rows[] = {
                { "/type", "\"cn.gongkai.disclosure.withdraw.v1\"" },
                { "/data/document", "\"x\"" },
                { "/data/item", "\"x\"" },
                { "/data/kind", "\"notice\"" },
                { "/data/stage", "\"result\"" },
                { "/data/stage", "[\"result\",\"execution\"]" },
                { "/data/title", "\"关于某食品有限公司的行政处罚决定 \"" },
                { "/data/number", "\"x\"" },
                { "/data/number", NULL },
                { "/data/index", "\"x\"" },
                { "/data/summary", "\"x\"" },
                { "/data/body/format", "\"text\"" },
                { "/data/body/content", "\"x\"" },
                { "/data/texts/short", "\"x\"" },
                { "/data/publisher/0/name", "\"x\"" },
                { "/data/dates/formed", "\"2026-11-21\"" },
                { "/data/publish_at", "\"2026-11-24T08:00:01+08:00\"" },
                { "/data/publish_at", NULL },
                { "/data/show_until/days", "8" },
                { "/data/expires", NULL },
                { "/data/validity/status", "\"valid\"" },
                { "/data/correction/note", "\"x\"" },
                { "/data/attachments/0/name", "\"x\"" },
                { "/data/attachments/0/sha256",
                  "\"0a7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad\"" },
                { "/data/attachments/0/role", "\"file\"" },
                { "/data/attachments/0/role", NULL },
                { "/data/attachments", NULL },
                { "/data/matter", "\"x\"" },
                { "/data/relates/0/document", "\"x\"" },
                { "/data/period", "\"2026\"" },
                { "/data/areas/0", "\"530626\"" },
                { "/data/audience", "\"public\"" },
                { "/data/openness", "\"closed\"" },
                { "/data/channels/0", "\"wechat\"" },
                { "/data/carriers/0", "\"短信\"" },
                { "/data/urgent", "false" },
                { "/data/review/by", "\"李四\"" },
                { "/data/unknown", "1" },
                { "/data/unknown", "1.0" },
                { "/data/unknown", "\"1\"" },
                { "/data/unknown", "null" },
                { "/data/unknown", "[1]" },
                { "/data/unknown", "true" },
                { "/data/unknown", "false" },
                { "/data/unknown", "-1" },
                { "/data/unknown", "\"\\\"\"" },
                { "/data/unknown", "\"\\\\\"" },
                { "/data/unknown", "\"\\u0001\"" },
        };
        char digests[ELEMENTS(rows) + 1][DIGEST_TEXT];

        (void) state;
        digest_of(everything, NULL, NULL, digests[ELEMENTS(rows)]);
        for (size_t i = 0; i < ELEMENTS(rows); i++) {
                const char *text = everything;
                char *withdrawn freed_by(freep) = NULL;

                print_message("%s = %s\n", rows[i].pointer, rows[i].value ? rows[i].value : "-");
                if (i == 0) { /* a withdrawal needs its reason: compare two that differ in type */
                        json_t *json = load(everything);

                        change(json, "/data/reason", "\"x\"");
                        withdrawn = json_dumps(json, 0);
                        text = withdrawn;
                        digest_of(text, NULL, NULL, digests[ELEMENTS(rows)]);
                        json_decref(json);
                }
                digest_of(text, rows[i].pointer, rows[i].value, digests[i]);
                assert_string_not_equal(digests[i], digests[ELEMENTS(rows)]);
                if (i == 0)
                        digest_of(everything, NULL, NULL, digests[ELEMENTS(rows)]);
                for (size_t k = 1; k < i; k++)
                        assert_string_not_equal(digests[i], digests[k]);
        }
}

static void the_digest_covers_nothing_else(void **state) {
        static const struct {
                const char *pointer, *value;
        } rows[] = {
                { "/id", "\"x\"" },
                { "/source", "\"urn:gongkai:530626:x\"" },
                { "/time", "\"2026-11-23T23:00:00+08:00\"" },
                { "/subject", "\"x\"" },
                { "/data/revision", "4" },
                { "/data/revision", NULL },
                { "/data/attachments/0/url", NULL },
                { "/data/attachments/0/size", "1" },
                { "/data/attachments/0/media_type", "\"x/y\"" },
                { "/data/attachments/0/sha256",
                  "\"BA7816BF8F01CFEA414140DE5DAE2223B00361A396177A9CB410FF61F20015AD\"" },
        };
        char first[DIGEST_TEXT], other[DIGEST_TEXT];

        (void) state;
        digest_of(everything, NULL, NULL, first);
        for (size_t i = 0; i < ELEMENTS(rows); i++) {
                print_message("%s\n", rows[i].pointer);
                digest_of(everything, rows[i].pointer, rows[i].value, other);
                assert_string_equal(first, other);
        }
}

static void the_digest_does_not_see_how_json_is_written(void **state) {
        static const size_t flags[] = { JSON_COMPACT, JSON_INDENT(4), JSON_ENSURE_ASCII,
                                        JSON_SORT_KEYS | JSON_ESCAPE_SLASH };
        char first[DIGEST_TEXT], other[DIGEST_TEXT];
        json_t *json = load(everything), *data, *reversed = json_object();
        const char *keys[64];
        size_t n = 0;

        (void) state;
        digest_of(everything, NULL, NULL, first);
        for (size_t i = 0; i < ELEMENTS(flags); i++) {
                char *text = json_dumps(json, flags[i]);

                digest_of(text, NULL, NULL, other);
                assert_string_equal(first, other);
                free(text);
        }

        data = json_object_get(json, "data");
        for (void *at = json_object_iter(data); at; at = json_object_iter_next(data, at))
                keys[n++] = json_object_iter_key(at);
        while (n-- > 0)
                json_object_set(reversed, keys[n], json_object_get(data, keys[n]));
        json_object_set_new(json, "data", reversed);
        {
                char *text = json_dumps(json, 0);

                digest_of(text, NULL, NULL, other);
                assert_string_equal(first, other);
                free(text);
        }
        json_decref(json);
}

/* The form is part of the store's memory: a change of it makes every old event look new. */
static void the_canonical_form_stays_what_it_is(void **state) {
        static const char canonical[] = "cn.gongkai.disclosure.publish.v1\n"
                                        "{\"body\":{\"content\":\"c\",\"format\":\"text\"},"
                                        "\"document\":\"d\",\"item\":\"i\","
                                        "\"publisher\":{\"name\":\"p\"},\"title\":\"t\"}";
        char expected[DIGEST_TEXT], digest[DIGEST_TEXT];

        (void) state;
        digest_bytes(canonical, sizeof(canonical) - 1, expected);
        digest_of(least, NULL, NULL, digest);
        assert_string_equal(digest, expected);
}

static void documents_are_compared_in_their_composed_form(void **state) {
        static const struct {
                const char *pointer, *decomposed, *composed;
        } rows[] = {
                { "/data/document", "\"cafe\\u0301\"", "\"caf\\u00e9\"" },
                { "/data/document", "\"\\uf900\"", "\"\\u8c48\"" }, /* a compatibility Han */
                { "/data/document", "\"\\u1112\\u1161\\u11ab\"", "\"\\ud55c\"" },
                { "/data/matter", "\"e\\u0301\"", "\"\\u00e9\"" },
                { "/data/relates/0/document", "\"e\\u0301\"", "\"\\u00e9\"" },
        };
        struct findings errors = { 0 }, warnings = { 0 };
        struct event *event;
        json_t *json;

        (void) state;
        for (size_t i = 0; i < ELEMENTS(rows); i++) {
                char a[DIGEST_TEXT], b[DIGEST_TEXT];

                digest_of(everything, rows[i].pointer, rows[i].decomposed, a);
                digest_of(everything, rows[i].pointer, rows[i].composed, b);
                assert_string_equal(a, b);
        }

        json = load(least);
        change(json, "/data/document", "\"cafe\\u0301\"");
        event = event_parse(json, &errors, &warnings);
        assert_non_null(event);
        assert_string_equal(event->document, "café");
        assert_string_equal(json_string_value(json_object_get(event->data, "document")), "café");
        event_free(event);
        json_decref(json);
}

static void what_is_written_reads_back_equal(void **state) {
        static const char *const texts[] = {
                everything, least,
                "{\"a\":[1,-1,0,9223372036854775807,-9223372036854775808,0.1,1e300,true,false,null,"
                "\"\\\"\\\\\\/\\b\\f\\n\\r\\t\\u0001\\u007f公开\\ud83d\\ude00\",{},[],{\"\":{}}]}"
        };

        (void) state;
        for (size_t i = 0; i < ELEMENTS(texts); i++) {
                json_t *json = load(texts[i]), *back;
                struct buf buf = { 0 };

                event_write(json, &buf);
                assert_int_equal(buf.error, 0);
                back = json_loadb(buf.data, buf.len, JSON_REJECT_DUPLICATES, NULL);
                assert_non_null(back);
                assert_true(json_equal(json, back));
                json_decref(back);
                json_decref(json);
                buf_done(&buf);
        }
}

/* The bytes between runs of what stands as it is, at each place of two sixteens. */
static void each_sign_is_written_in_its_one_way(void **state) {
        static const struct {
                char sign;
                const char *written;
        } rows[] = {
                { '"', "\\\"" },   { '\\', "\\\\" },  { '\n', "\\n" },   { '\r', "\\r" },
                { '\t', "\\t" },   { '\b', "\\u0008" }, { '\x01', "\\u0001" },
                { '\x1f', "\\u001f" }, { ' ', " " },     { '!', "!" },      { '#', "#" },
                { '/', "/" },      { '[', "[" },      { ']', "]" },      { '\x7f', "\x7f" },
        };

        (void) state;
        for (size_t i = 0; i < ELEMENTS(rows) * 40; i++) {
                static const char filler[] = "公开 and more, 各乡镇人民政府，市直各部门 0123456789";
                char text[sizeof(filler) + 2], wanted[sizeof(filler) + 16];
                size_t at = i % 40;
                struct buf buf = { 0 };
                json_t *json;

                (void) snprintf(text, sizeof(text), "%.*s%c%s", (int) at, filler,
                                rows[i / 40].sign, filler + at);
                (void) snprintf(wanted, sizeof(wanted), "\"%.*s%s%s\"", (int) at, filler,
                                rows[i / 40].written, filler + at);
                json = json_stringn_nocheck(text, strlen(text));
                event_write(json, &buf);
                assert_string_equal(buf_text(&buf), wanted);
                buf_done(&buf);
                json_decref(json);
        }
}

/* Objects of more members than are sorted in place. */
static void many_members_are_sorted_too(void **state) {
        char a[DIGEST_TEXT], b[DIGEST_TEXT];
        struct buf up = { 0 }, down = { 0 };

        (void) state;
        for (int i = 0; i < 500; i++) {
                buf_fmt(&up, "%s\"k%03d\":%d", i ? "," : "{", i, i);
                buf_fmt(&down, "%s\"k%03d\":%d", i ? "," : "{", 499 - i, 499 - i);
        }
        buf_str(&up, "}");
        buf_str(&down, "}");
        digest_of(least, "/data/unknown", up.data, a);
        digest_of(least, "/data/unknown", down.data, b);
        assert_string_equal(a, b);
        buf_done(&up);
        buf_done(&down);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(the_digest_covers_what_is_said),
                cmocka_unit_test(the_digest_covers_nothing_else),
                cmocka_unit_test(the_digest_does_not_see_how_json_is_written),
                cmocka_unit_test(the_canonical_form_stays_what_it_is),
                cmocka_unit_test(documents_are_compared_in_their_composed_form),
                cmocka_unit_test(what_is_written_reads_back_equal),
                cmocka_unit_test(each_sign_is_written_in_its_one_way),
                cmocka_unit_test(many_members_are_sorted_too),
        };

        return cmocka_run_group_tests_name("event_digest", tests, NULL, NULL);
}
