#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "core/event_fixtures.h"
#include "core/memory.h"

static void an_event_with_every_member_is_understood(void **state) {
        struct findings errors = { 0 }, warnings = { 0 };
        json_t *json = load(everything);
        struct event *event = event_parse(json, &errors, &warnings);

        (void) state;
        for (size_t i = 0; i < errors.n; i++)
                print_message("%s %s\n", errors.list[i].path, errors.list[i].message);
        assert_non_null(event);
        assert_int_equal(errors.n, 0);
        assert_int_equal(event->type, EVENT_PUBLISH);
        assert_string_equal(event->id, "oa-2026-000123-r1");
        assert_string_equal(event->source, "urn:gongkai:530581:oa");
        assert_string_equal(event->region, "530581");
        assert_string_equal(event->system, "oa");
        assert_string_equal(event->time, "2026-11-23T22:00:00+08:00");
        assert_int_equal(event->time_ms, 1795442400000);
        assert_false(event->dry_run);
        assert_string_equal(event->document, "腾市监罚〔2026〕12号");
        assert_int_equal(event->revision, 3);
        assert_string_equal(event->item, "SPYP-05-001");
        assert_string_equal(event->title, "关于某食品有限公司的行政处罚决定");
        assert_string_equal(event->number, "腾市监罚〔2026〕12号");
        assert_string_equal(event->summary, "罚款五千元。");
        assert_int_equal(event->body_format, CONTENT_MARKDOWN);
        assert_string_equal(event->body, "# 决定\n\n\t罚款 **5000** 元。");
        assert_int_equal(event->n_body, strlen(event->body));
        assert_int_equal(event->publish_at_ms, 1795478400000);
        assert_int_equal(event->expires_ms, 1827014400000);
        assert_string_equal(event->openness, "proactive");
        assert_true(event->urgent);
        assert_null(event->mode);
        assert_int_equal(event->n_attachments, 2);
        assert_string_equal(event->attachments[0].name, "决定书.pdf");
        assert_string_equal(event->attachments[0].media_type, "application/pdf");
        assert_string_equal(event->attachments[0].role, "original");
        assert_string_equal(event->attachments[0].url, "https://oa.example.gov.cn/1.pdf");
        assert_string_equal(event->attachments[0].sha256, SHA);
        assert_int_equal(event->attachments[0].size, 1234);
        assert_null(event->attachments[1].role);
        assert_null(event->attachments[1].url);
        assert_int_equal(strlen(event->digest), 64);

        /* "decided" has no offset, and that is all there is to say */
        assert_int_equal(warnings.n, 1);
        assert_string_equal(warnings.list[0].code, "assumed_zone");
        assert_string_equal(warnings.list[0].path, "/data/dates/decided");

        json_decref(json); /* the event holds its own */
        assert_string_equal(event->title, "关于某食品有限公司的行政处罚决定");
        event_free(event);
        findings_done(&warnings);
}

static void the_least_events_are_enough(void **state) {
        static const char *const texts[] = { least, withdrawal, query, receipts };

        (void) state;
        for (size_t i = 0; i < ELEMENTS(texts); i++) {
                struct findings errors = { 0 }, warnings = { 0 };
                json_t *json = load(texts[i]);
                struct event *event = event_parse(json, &errors, &warnings);

                assert_non_null(event);
                assert_int_equal(errors.n + warnings.n, 0);
                assert_int_equal(event->type, i);
                assert_int_equal(event->revision, 0);
                assert_string_equal(event->openness, "proactive");
                assert_int_equal(event->n_attachments, 0);
                if (i == 0)
                        assert_int_equal(event->body_format, CONTENT_TEXT);
                if (i == 1) {
                        assert_string_equal(event->mode, "mark");
                        assert_string_equal(event->reason, "内容有误");
                        assert_null(event->body);
                }
                if (i == 3)
                        assert_int_equal(event->after, 17);
                else
                        assert_string_equal(event->document, "d");
                event_free(event);
                json_decref(json);
        }
}

static void an_event_that_is_no_object_is_an_error(void **state) {
        static const char *const rows[] = { "[]", "1", "\"x\"", "null", "true" };

        (void) state;
        for (size_t i = 0; i < ELEMENTS(rows); i++) {
                struct findings errors = { 0 }, warnings = { 0 };
                json_t *json = json_loads(rows[i], JSON_DECODE_ANY, NULL);

                assert_null(event_parse(json, &errors, &warnings));
                assert_int_equal(errors.n, 1);
                assert_string_equal(errors.list[0].code, "type");
                assert_string_equal(errors.list[0].path, "");
                findings_done(&errors);
                json_decref(json);
        }
}

static void all_errors_come_at_once_and_in_order(void **state) {
        static const char *const expected[][2] = {
                { "/specversion", "required" },    { "/id", "required" },
                { "/source", "format" },           { "/time", "required" },
                { "/data/document", "length" },    { "/data/item", "required" },
                { "/data/kind", "format" },        { "/data/title", "required" },
                { "/data/body/format", "format" }, { "/data/body/content", "required" },
                { "/data/publisher", "required" }, { "/data/areas/0", "format" },
                { "/data/urgent", "type" },
        };
        struct findings errors = { 0 }, warnings = { 0 };
        json_t *json = load("{\"type\":\"cn.gongkai.disclosure.publish.v1\",\"source\":\"x\","
                            "\"data\":{\"urgent\":1,\"body\":{\"format\":\"x\"},\"kind\":\"x\","
                            "\"areas\":[\"x\"],\"document\":\"" X120 X120 "\"}}");
        json_t *list;

        (void) state;
        assert_null(event_parse(json, &errors, &warnings));
        assert_int_equal(errors.n, ELEMENTS(expected));
        for (size_t i = 0; i < ELEMENTS(expected); i++) {
                assert_string_equal(errors.list[i].path, expected[i][0]);
                assert_string_equal(errors.list[i].code, expected[i][1]);
        }
        assert_true(findings_have(&errors, "length"));
        assert_false(findings_have(&errors, "too_old"));

        list = findings_json(&errors);
        assert_int_equal(json_array_size(list), errors.n);
        assert_string_equal(json_string_value(json_object_get(json_array_get(list, 4), "path")),
                            "/data/document");
        assert_string_equal(json_string_value(json_object_get(json_array_get(list, 4), "message")),
                            "“document”有 240 个字符，最多 128 个，请缩短");
        json_decref(list);
        findings_done(&errors);
        json_decref(json);
}

static void an_unknown_type_still_gets_the_rest_checked(void **state) {
        struct findings errors = { 0 }, warnings = { 0 };
        json_t *json = load(everything);

        (void) state;
        change(json, "/type", "\"cn.gongkai.disclosure.publish\"");
        change(json, "/data/title", "1");
        assert_null(event_parse(json, &errors, &warnings));
        assert_int_equal(errors.n, 2);
        assert_string_equal(errors.list[0].path, "/type");
        assert_non_null(strstr(errors.list[0].message, "cn.gongkai.disclosure.withdraw.v1"));
        assert_string_equal(errors.list[1].path, "/data/title");
        findings_done(&errors);
        findings_done(&warnings);
        json_decref(json);
}

static void what_is_unusual_and_allowed_passes(void **state) {
        static const struct {
                const char *story, *base, *change, *value;
        } rows[] = {
                { "a charset behind the type", least, "/datacontenttype",
                  "\"application/json; charset=utf-8\"" },
                { "a title of 200 Han", least, "/data/title", "\"" X120 X40 X40 "\"" },
                { "formed on the event's day", least, "/data/formed", "\"2026-11-23\"" },
                { "formed the day after", least, "/data/formed", "\"2026-11-24\"" },
                { "formed at a time with zone", least, "/data/formed", "\"2026-11-23T09:00:00Z\"" },
                { "one stage", least, "/data/stage", "\"decision\"" },
                { "a first half-year", least, "/data/period", "\"2026-H1\"" },
                { "a month", least, "/data/period", "\"2026-10\"" },
                { "a year", least, "/data/period", "\"2026\"" },
                { "no attachment", least, "/data/attachments", "[]" },
                { "everybody", least, "/data/audience", "\"public\"" },
                { "an empty number", least, "/data/number", "\"\"" },
                { "an empty code", least, "/data/publisher/code", "\"\"" },
                { "a directional mark in the body", least, "/data/body/content", "\"a\\u200eb\"" },
                { "an emoji in the body", least, "/data/body/content",
                  "\"\\ud83d\\ude00\\ufe0f\"" },
                { "a rare character in the title", least, "/data/title", "\"\\ud840\\udc00\"" },
                { "the greatest revision", least, "/data/revision", "2147483648" },
                { "an end with a moment", everything, "/data/show_until",
                  "\"2026-11-24T08:00:01+08:00\"" },
                { "calendar days", everything, "/data/show_until/unit", "\"calendar\"" },
                { "a digest in capitals", everything, "/data/attachments/0/sha256",
                  "\"BA7816BF8F01CFEA414140DE5DAE2223B00361A396177A9CB410FF61F20015AD\"" },
                { "an extension", least, "/traceparent", "\"00-1-2-01\"" },
                { "an erasure with its code", withdrawal, "/data/reason_code", "\"court\"" },
                { "a query by id", query, "/data/id", "\"oa-1\"" },
        };

        (void) state;
        for (size_t i = 0; i < ELEMENTS(rows); i++) {
                struct findings errors = { 0 }, warnings = { 0 };
                json_t *json = load(rows[i].base);
                struct event *event;

                print_message("%s\n", rows[i].story);
                change(json, rows[i].change, rows[i].value);
                event = event_parse(json, &errors, &warnings);
                for (size_t k = 0; k < errors.n; k++)
                        print_message("  %s %s\n", errors.list[k].path, errors.list[k].message);
                assert_non_null(event);
                for (size_t k = 0; k < event->n_attachments; k++)
                        assert_string_equal(event->attachments[k].sha256, SHA);
                event_free(event);
                findings_done(&warnings);
                json_decref(json);
        }
}

static void a_dry_run_is_seen(void **state) {
        struct findings errors = { 0 }, warnings = { 0 };
        json_t *json = load(least);
        struct event *event;

        (void) state;
        change(json, "/gkdryrun", "true");
        event = event_parse(json, &errors, &warnings);
        assert_non_null(event);
        assert_true(event->dry_run);
        event_free(event);
        json_decref(json);
}

static void the_body_may_have_half_a_mebibyte(void **state) {
        (void) state;
        for (int over = 0; over <= 1; over++) {
                struct findings errors = { 0 }, warnings = { 0 };
                json_t *json = load(least);
                char *content = malloc(EVENT_MAX_BODY + 2);
                struct event *event;

                assert_non_null(content);
                memset(content, 'x', (size_t) EVENT_MAX_BODY + (size_t) over);
                content[EVENT_MAX_BODY + over] = '\0';
                json_object_set_new(json_object_get(json_object_get(json, "data"), "body"),
                                    "content", json_string(content));
                event = event_parse(json, &errors, &warnings);
                assert_int_equal(event != NULL, !over);
                if (over) {
                        assert_string_equal(errors.list[0].code, "too_large");
                        assert_string_equal(errors.list[0].path, "/data/body/content");
                }
                event_free(event);
                findings_done(&errors);
                json_decref(json);
                free(content);
        }
}

static void sixty_four_attachments_are_enough(void **state) {
        (void) state;
        for (size_t n = EVENT_MAX_ATTACHMENTS; n <= EVENT_MAX_ATTACHMENTS + 1; n++) {
                struct findings errors = { 0 }, warnings = { 0 };
                json_t *json = load(least), *list = json_array();
                struct event *event;

                for (size_t i = 0; i < n; i++) {
                        char name[32];

                        (void) snprintf(name, sizeof(name), "%zu.pdf", i);
                        json_array_append_new(list, json_pack("{s:s, s:s, s:s, s:i}", "name", name,
                                                              "media_type", "a/b", "sha256", SHA,
                                                              "size", 1));
                }
                json_object_set_new(json_object_get(json, "data"), "attachments", list);
                event = event_parse(json, &errors, &warnings);
                assert_int_equal(event != NULL, n == EVENT_MAX_ATTACHMENTS);
                if (event) {
                        assert_int_equal(event->n_attachments, n);
                } else {
                        assert_int_equal(errors.n, 1);
                        assert_string_equal(errors.list[0].code, "too_large");
                        assert_string_equal(errors.list[0].path, "/data/attachments");
                }
                event_free(event);
                findings_done(&errors);
                json_decref(json);
        }
}

static void unknown_members_are_kept_and_named(void **state) {
        struct findings errors = { 0 }, warnings = { 0 };
        json_t *json = load(least);
        struct event *event;

        (void) state;
        change(json, "/data/titel", "\"x\"");
        change(json, "/data/reason", "\"only a withdrawal has one\"");
        change(json, "/data/body/lang", "\"zh\""); /* in members, nobody asks */
        json_object_set_new(json_object_get(json, "data"), "a/b~c", json_null());
        event = event_parse(json, &errors, &warnings);
        assert_non_null(event);
        assert_int_equal(warnings.n, 3);
        for (size_t i = 0; i < warnings.n; i++)
                assert_string_equal(warnings.list[i].code, "unknown_member");
        assert_string_equal(warnings.list[0].path, "/data/titel");
        assert_string_equal(warnings.list[1].path, "/data/reason");
        assert_string_equal(warnings.list[2].path, "/data/a~1b~0c");
        assert_string_equal(json_string_value(json_object_get(event->data, "titel")), "x");
        event_free(event);
        findings_done(&warnings);
        json_decref(json);
}

static void a_flood_of_findings_is_cut(void **state) {
        struct findings errors = { 0 }, warnings = { 0 };
        json_t *json = load(least), *areas = json_array();
        char name[32];

        (void) state;
        for (int i = 0; i < 200; i++) {
                (void) snprintf(name, sizeof(name), "unknown-%d", i);
                json_object_set_new(json_object_get(json, "data"), name, json_null());
                json_array_append_new(areas, json_string("x"));
        }
        json_object_set_new(json_object_get(json, "data"), "areas", areas);
        assert_null(event_parse(json, &errors, &warnings));
        assert_int_equal(errors.n, FINDINGS_MAX);
        assert_int_equal(warnings.n, 20);
        findings_done(&errors);
        findings_done(&warnings);
        json_decref(json);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(an_event_with_every_member_is_understood),
                cmocka_unit_test(the_least_events_are_enough),
                cmocka_unit_test(an_event_that_is_no_object_is_an_error),
                cmocka_unit_test(all_errors_come_at_once_and_in_order),
                cmocka_unit_test(an_unknown_type_still_gets_the_rest_checked),
                cmocka_unit_test(what_is_unusual_and_allowed_passes),
                cmocka_unit_test(a_dry_run_is_seen),
                cmocka_unit_test(the_body_may_have_half_a_mebibyte),
                cmocka_unit_test(sixty_four_attachments_are_enough),
                cmocka_unit_test(unknown_members_are_kept_and_named),
                cmocka_unit_test(a_flood_of_findings_is_cut),
        };

        return cmocka_run_group_tests_name("event", tests, NULL, NULL);
}
