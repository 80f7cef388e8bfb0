#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "core/event.h"
#include "core/memory.h"

#define SHA "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"

/* Every member of the contract's table. */
static const char everything[] =
        "{\"specversion\":\"1.0\",\"id\":\"oa-2026-000123-r1\",\"source\":\"urn:gongkai:530581:"
        "oa\","
        "\"type\":\"cn.gongkai.disclosure.publish.v1\",\"time\":\"2026-11-23T22:00:00+08:00\","
        "\"datacontenttype\":\"application/json\",\"subject\":\"penalties\",\"gkdryrun\":false,"
        "\"data\":{\"document\":\"腾市监罚〔2026〕12号\",\"revision\":3,\"item\":\"SPYP-05-001\","
        "\"kind\":\"penalty\",\"stage\":[\"execution\",\"result\"],"
        "\"title\":\"关于某食品有限公司的行政处罚决定\",\"number\":\"腾市监罚〔2026〕12号\","
        "\"index\":\"58735799-9-/2026-1123001\",\"summary\":\"罚款五千元。\","
        "\"body\":{\"format\":\"markdown\",\"content\":\"# 决定\\n\\n\\t罚款 **5000** 元。\"},"
        "\"texts\":{\"short\":\"罚款五千元\",\"spoken\":\"罚款五千元。\",\"plain\":"
        "\"罚了五千元。\"},"
        "\"publisher\":[{\"name\":\"腾冲市市场监督管理局\",\"code\":\"115305909999000548\"},"
        "{\"name\":\"腾冲市公安局\"}],"
        "\"dates\":{\"formed\":\"2026-11-20\",\"decided\":\"2026-11-19T10:00:00\","
        "\"obtained\":\"2026-11-01\",\"approved\":\"2026-11-19\",\"printed\":\"2026-11-21\","
        "\"event\":\"2026-10-01\",\"applied\":\"2026-09-01\"},\"formed\":\"2026-11-20\","
        "\"publish_at\":\"2026-11-24T08:00:00+08:00\","
        "\"show_until\":{\"days\":7,\"unit\":\"working\"},\"expires\":\"2027-11-24T00:00:00Z\","
        "\"validity\":{\"status\":\"amended\",\"on\":\"2026-11-20\",\"by\":\"腾政发〔2026〕1号\"},"
        "\"correction\":{\"note\":\"改正了金额\"},"
        "\"attachments\":[{\"name\":\"决定书.pdf\",\"media_type\":\"application/pdf\","
        "\"sha256\":\"" SHA "\",\"size\":1234,\"url\":\"https://oa.example.gov.cn/1.pdf\","
        "\"role\":\"original\"},{\"name\":\"b.png\",\"media_type\":\"image/png\","
        "\"sha256\":\"" SHA "\",\"size\":0}],"
        "\"matter\":\"2026-某食品\",\"relates\":[{\"rel\":\"result-of\",\"document\":\"d-1\"},"
        "{\"rel\":\"reposts\",\"url\":\"https://www.gov.cn/x\"}],\"period\":\"2026-Q4\","
        "\"areas\":[\"530581\",\"530581001\",\"530581001001\"],"
        "\"audience\":{\"groups\":[\"村干部\"]},\"openness\":\"proactive\","
        "\"channels\":[\"portal\"],\"carriers\":[\"政务微信\"],\"urgent\":true,"
        "\"review\":{\"secrecy\":\"passed\",\"by\":\"张三\",\"on\":\"2026-11-22\"}}}";

static const char least[] =
        "{\"specversion\":\"1.0\",\"id\":\"1\",\"source\":\"urn:gongkai:530581:oa\","
        "\"type\":\"cn.gongkai.disclosure.publish.v1\",\"time\":\"2026-11-23T22:00:00+08:00\","
        "\"data\":{\"document\":\"d\",\"item\":\"i\",\"title\":\"t\","
        "\"body\":{\"format\":\"text\",\"content\":\"c\"},\"publisher\":{\"name\":\"p\"}}}";

static const char withdrawal[] =
        "{\"specversion\":\"1.0\",\"id\":\"2\",\"source\":\"urn:gongkai:530000:oa\","
        "\"type\":\"cn.gongkai.disclosure.withdraw.v1\",\"time\":\"2026-11-23T22:00:00+08:00\","
        "\"data\":{\"document\":\"d\",\"reason\":\"内容有误\"}}";

static const char query[] =
        "{\"specversion\":\"1.0\",\"id\":\"3\",\"source\":\"urn:gongkai:530581:oa\","
        "\"type\":\"cn.gongkai.query.document.v1\",\"time\":\"2026-11-23T22:00:00+08:00\","
        "\"data\":{\"document\":\"d\"}}";

static const char receipts[] =
        "{\"specversion\":\"1.0\",\"id\":\"4\",\"source\":\"urn:gongkai:530581:oa\","
        "\"type\":\"cn.gongkai.query.receipts.v1\",\"time\":\"2026-11-23T22:00:00+08:00\","
        "\"data\":{\"after\":17}}";

static json_t *load(const char *text) {
        struct findings errors = { 0 };
        json_t *json = event_read(text, strlen(text), &errors);

        for (size_t i = 0; i < errors.n; i++)
                print_message("%s: %s\n%s\n", errors.list[i].code, errors.list[i].message, text);
        assert_non_null(json);
        return json;
}

/* Sets the member that a JSON pointer names, or takes it out (value NULL). */
static void change(json_t *json, const char *pointer, const char *value) {
        json_t *in = json, *new_value = value ? json_loads(value, JSON_DECODE_ANY, NULL) : NULL;
        char name[128];

        assert_true(!value || new_value);
        for (;;) {
                const char *end = strchrnul(++pointer, '/');

                memcpy(name, pointer, (size_t) (end - pointer));
                name[end - pointer] = '\0';
                if (*end == '\0')
                        break;
                in = json_is_array(in) ? json_array_get(in, (size_t) atol(name))
                                       : json_object_get(in, name);
                assert_non_null(in);
                pointer = end;
        }
        if (json_is_array(in))
                assert_int_equal(
                        json_array_set_new(in, (size_t) strtoul(name, NULL, 10), new_value), 0);
        else if (new_value)
                assert_int_equal(json_object_set_new(in, name, new_value), 0);
        else
                assert_int_equal(json_object_del(in, name), 0);
}

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

#define X40 "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
#define X120 X40 X40 X40

static void every_error_has_its_code_and_its_path(void **state) {
        static const struct {
                const char *story, *base, *change, *value, *code, *path;
        } rows[] = {
                { "no specversion", least, "/specversion", NULL, "required", "/specversion" },
                { "a specversion to come", least, "/specversion", "\"2.0\"", "format",
                  "/specversion" },
                { "a specversion as number", least, "/specversion", "1.0", "type", "/specversion" },
                { "no id", least, "/id", NULL, "required", "/id" },
                { "an empty id", least, "/id", "\"\"", "required", "/id" },
                { "a number for an id", least, "/id", "12", "type", "/id" },
                { "a long id", least, "/id", "\"" X120 X120 "12345678901234567\"", "length",
                  "/id" },
                { "an id with a line break", least, "/id", "\"a\\nb\"", "format", "/id" },
                { "no source", least, "/source", NULL, "required", "/source" },
                { "another kind of source", least, "/source", "\"https://x/\"", "format",
                  "/source" },
                { "five digits", least, "/source", "\"urn:gongkai:53058:oa\"", "format",
                  "/source" },
                { "seven digits", least, "/source", "\"urn:gongkai:5305811:oa\"", "format",
                  "/source" },
                { "no system", least, "/source", "\"urn:gongkai:530581:\"", "format", "/source" },
                { "a system in capitals", least, "/source", "\"urn:gongkai:530581:OA\"", "format",
                  "/source" },
                { "a long system", least, "/source", "\"urn:gongkai:530581:" X40 "\"", "format",
                  "/source" },
                { "a source with more", least, "/source", "\"urn:gongkai:530581:oa:1\"", "format",
                  "/source" },
                { "no type", least, "/type", NULL, "required", "/type" },
                { "an unknown type", least, "/type", "\"cn.gongkai.disclosure.publish.v2\"",
                  "format", "/type" },
                { "no time", least, "/time", NULL, "required", "/time" },
                { "a day for a time", least, "/time", "\"2026-11-23\"", "format", "/time" },
                { "seconds for a time", least, "/time", "1795442400", "type", "/time" },
                { "a clock of 1970", least, "/time", "\"1970-01-01T00:00:00Z\"", "format",
                  "/time" },
                { "a clock of 2126", least, "/time", "\"2126-01-01T00:00:00Z\"", "format",
                  "/time" },
                { "XML", least, "/datacontenttype", "\"text/xml\"", "format", "/datacontenttype" },
                { "a dry run in quotes", least, "/gkdryrun", "\"true\"", "type", "/gkdryrun" },
                { "no data", least, "/data", NULL, "required", "/data" },
                { "data as text", least, "/data", "\"{}\"", "type", "/data" },
                { "data as array", least, "/data", "[]", "type", "/data" },
                { "no document", least, "/data/document", NULL, "required", "/data/document" },
                { "a null document", least, "/data/document", "null", "type", "/data/document" },
                { "a document of spaces", least, "/data/document", "\" \\u3000 \"", "required",
                  "/data/document" },
                { "a long document", least, "/data/document", "\"" X120 "123456789\"", "length",
                  "/data/document" },
                { "a document that turns around", least, "/data/document", "\"a\\u202eb\"",
                  "format", "/data/document" },
                { "revision zero", everything, "/data/revision", "0", "format", "/data/revision" },
                { "a revision past 2^31", everything, "/data/revision", "2147483649", "format",
                  "/data/revision" },
                { "a revision in quotes", everything, "/data/revision", "\"1\"", "type",
                  "/data/revision" },
                { "a revision and a half", everything, "/data/revision", "1.5", "type",
                  "/data/revision" },
                { "no item", least, "/data/item", NULL, "required", "/data/item" },
                { "an unknown kind", everything, "/data/kind", "\"news\"", "format", "/data/kind" },
                { "an unknown stage", everything, "/data/stage", "\"end\"", "format",
                  "/data/stage" },
                { "an unknown stage among others", everything, "/data/stage/1", "\"end\"", "format",
                  "/data/stage/1" },
                { "no stage at all", everything, "/data/stage", "[]", "length", "/data/stage" },
                { "no title", least, "/data/title", NULL, "required", "/data/title" },
                { "a blank title", least, "/data/title", "\" \\t\"", "format", "/data/title" },
                { "a title of spaces", least, "/data/title", "\"   \"", "required", "/data/title" },
                { "a long title", least, "/data/title", "\"" X120 X40 X40 "x\"", "length",
                  "/data/title" },
                { "a title on two lines", least, "/data/title", "\"a\\u2028b\"", "format",
                  "/data/title" },
                { "a title with a zero width", least, "/data/title", "\"a\\u200bb\"", "format",
                  "/data/title" },
                { "a title with private use", least, "/data/title", "\"a\\ue000b\"", "format",
                  "/data/title" },
                { "a title with a tag", least, "/data/title", "\"a\\udb40\\udc41b\"", "format",
                  "/data/title" },
                { "a number with a BOM", everything, "/data/number", "\"\\ufeff1\"", "format",
                  "/data/number" },
                { "an index with a soft hyphen", everything, "/data/index", "\"a\\u00adb\"",
                  "format", "/data/index" },
                { "a long summary", everything, "/data/summary", "\"" X120 X120 X120 X120 X40 "\"",
                  "length", "/data/summary" },
                { "a summary that turns around", everything, "/data/summary", "\"\\u2066x\"",
                  "format", "/data/summary" },
                { "no body", least, "/data/body", NULL, "required", "/data/body" },
                { "a body as text", least, "/data/body", "\"text\"", "type", "/data/body" },
                { "a body without format", least, "/data/body/format", NULL, "required",
                  "/data/body/format" },
                { "a body in Word", least, "/data/body/format", "\"docx\"", "format",
                  "/data/body/format" },
                { "a body without content", least, "/data/body/content", NULL, "required",
                  "/data/body/content" },
                { "an empty body", least, "/data/body/content", "\"\\n\\n\"", "required",
                  "/data/body/content" },
                { "a body with a bell", least, "/data/body/content", "\"ding\\u0007\"", "format",
                  "/data/body/content" },
                { "a body that turns around", least, "/data/body/content", "\"\\u202d1\"", "format",
                  "/data/body/content" },
                { "a body with U+FFFE", least, "/data/body/content", "\"\\ufffe\"", "format",
                  "/data/body/content" },
                { "a long short text", everything, "/data/texts/short",
                  "\"" X40 "1234567890123456789012345678901\"", "length", "/data/texts/short" },
                { "a spoken number", everything, "/data/texts/spoken", "1", "type",
                  "/data/texts/spoken" },
                { "no publisher", least, "/data/publisher", NULL, "required", "/data/publisher" },
                { "a publisher as text", least, "/data/publisher", "\"局\"", "type",
                  "/data/publisher" },
                { "no publisher in the array", least, "/data/publisher", "[]", "length",
                  "/data/publisher" },
                { "a publisher without name", least, "/data/publisher/name", NULL, "required",
                  "/data/publisher/name" },
                { "a second one without name", everything, "/data/publisher/1/name", NULL,
                  "required", "/data/publisher/1/name" },
                { "a long publisher", least, "/data/publisher/name", "\"" X120 "\"", "length",
                  "/data/publisher/name" },
                { "a credit code miscopied", everything, "/data/publisher/0/code",
                  "\"115305909999000549\"", "format", "/data/publisher/0/code" },
                { "a short credit code", everything, "/data/publisher/0/code", "\"1153059\"",
                  "format", "/data/publisher/0/code" },
                { "dates as text", everything, "/data/dates", "\"2026-11-23\"", "type",
                  "/data/dates" },
                { "no such day", everything, "/data/dates/printed", "\"2026-11-31\"", "format",
                  "/data/dates/printed" },
                { "a day in Chinese", everything, "/data/dates/event", "\"2026年11月3日\"",
                  "format", "/data/dates/event" },
                { "a decision after the event", everything, "/data/dates/formed", "\"2026-11-25\"",
                  "date_order", "/data/dates/formed" },
                { "the same in the short form", everything, "/data/formed", "\"2027-11-20\"",
                  "date_order", "/data/formed" },
                { "an embargo of a day", everything, "/data/publish_at", "\"2026-11-24\"", "format",
                  "/data/publish_at" },
                { "an embargo of a century", least, "/data/publish_at",
                  "\"2099-01-01T00:00:00+08:00\"", "date_order", "/data/publish_at" },
                { "an end of a day", everything, "/data/show_until", "\"2026-12-24\"", "format",
                  "/data/show_until" },
                { "an end before the start", everything, "/data/show_until",
                  "\"2026-11-24T07:59:59+08:00\"", "date_order", "/data/show_until" },
                { "an end without days", everything, "/data/show_until/days", NULL, "required",
                  "/data/show_until/days" },
                { "an end of no days", everything, "/data/show_until/days", "0", "format",
                  "/data/show_until/days" },
                { "an end of a millennium", everything, "/data/show_until/days", "365000", "format",
                  "/data/show_until/days" },
                { "an end without unit", everything, "/data/show_until/unit", NULL, "required",
                  "/data/show_until/unit" },
                { "an end in weeks", everything, "/data/show_until/unit", "\"weeks\"", "format",
                  "/data/show_until/unit" },
                { "an end as number", everything, "/data/show_until", "7", "type",
                  "/data/show_until" },
                { "an expiry before the start", everything, "/data/expires",
                  "\"2026-11-24T00:00:00Z\"", "date_order", "/data/expires" },
                { "a validity without status", everything, "/data/validity/status", NULL,
                  "required", "/data/validity/status" },
                { "an unknown status", everything, "/data/validity/status", "\"gone\"", "format",
                  "/data/validity/status" },
                { "a validity on no day", everything, "/data/validity/on", "\"soon\"", "format",
                  "/data/validity/on" },
                { "a correction without note", everything, "/data/correction", "{}", "required",
                  "/data/correction/note" },
                { "attachments as object", everything, "/data/attachments", "{}", "type",
                  "/data/attachments" },
                { "an attachment as text", everything, "/data/attachments/1", "\"a.pdf\"", "type",
                  "/data/attachments/1" },
                { "an attachment without name", everything, "/data/attachments/1/name", NULL,
                  "required", "/data/attachments/1/name" },
                { "a name with a path", everything, "/data/attachments/1/name", "\"../etc/passwd\"",
                  "format", "/data/attachments/1/name" },
                { "a name with a backslash", everything, "/data/attachments/1/name", "\"a\\\\b\"",
                  "format", "/data/attachments/1/name" },
                { "the folder above", everything, "/data/attachments/1/name", "\"..\"", "format",
                  "/data/attachments/1/name" },
                { "a name with a NUL's kin", everything, "/data/attachments/1/name", "\"a\\u0001\"",
                  "format", "/data/attachments/1/name" },
                { "a name that hides its end", everything, "/data/attachments/1/name",
                  "\"a\\u202efdp.exe\"", "format", "/data/attachments/1/name" },
                { "a name twice", everything, "/data/attachments/1/name", "\"决定书.pdf\"",
                  "format", "/data/attachments/1/name" },
                { "an attachment without type", everything, "/data/attachments/0/media_type", NULL,
                  "required", "/data/attachments/0/media_type" },
                { "a suffix for a type", everything, "/data/attachments/0/media_type", "\"pdf\"",
                  "format", "/data/attachments/0/media_type" },
                { "a type with a header", everything, "/data/attachments/0/media_type",
                  "\"a/b\\r\\nX: y\"", "format", "/data/attachments/0/media_type" },
                { "a type with a parameter", everything, "/data/attachments/0/media_type",
                  "\"a/b; c=d\"", "format", "/data/attachments/0/media_type" },
                { "an attachment without digest", everything, "/data/attachments/0/sha256", NULL,
                  "required", "/data/attachments/0/sha256" },
                { "a digest of MD5", everything, "/data/attachments/0/sha256",
                  "\"900150983cd24fb0d6963f7d28e17f72\"", "format", "/data/attachments/0/sha256" },
                { "an attachment without size", everything, "/data/attachments/0/size", NULL,
                  "required", "/data/attachments/0/size" },
                { "a size below zero", everything, "/data/attachments/0/size", "-1", "format",
                  "/data/attachments/0/size" },
                { "a size in quotes", everything, "/data/attachments/0/size", "\"1\"", "type",
                  "/data/attachments/0/size" },
                { "a size of 64 MiB and one", everything, "/data/attachments/0/size", "67108865",
                  "too_large", "/data/attachments/0/size" },
                { "an address of a file", everything, "/data/attachments/0/url",
                  "\"file:///etc/passwd\"", "format", "/data/attachments/0/url" },
                { "an address without host", everything, "/data/attachments/0/url",
                  "\"https:///x\"", "format", "/data/attachments/0/url" },
                { "an address with a space", everything, "/data/attachments/0/url",
                  "\"https://x/ y\"", "format", "/data/attachments/0/url" },
                { "an unknown role", everything, "/data/attachments/0/role", "\"main\"", "format",
                  "/data/attachments/0/role" },
                { "a long matter", everything, "/data/matter", "\"" X120 X40 "\"", "length",
                  "/data/matter" },
                { "no relation", everything, "/data/relates", "[]", "length", "/data/relates" },
                { "an unknown relation", everything, "/data/relates/0/rel", "\"likes\"", "format",
                  "/data/relates/0/rel" },
                { "a relation to nothing", everything, "/data/relates/0/document", NULL, "required",
                  "/data/relates/0" },
                { "a relation to a script", everything, "/data/relates/1/url",
                  "\"javascript:alert(1)\"", "format", "/data/relates/1/url" },
                { "a quarter too many", everything, "/data/period", "\"2026-Q5\"", "format",
                  "/data/period" },
                { "a month too many", everything, "/data/period", "\"2026-13\"", "format",
                  "/data/period" },
                { "a period as number", everything, "/data/period", "2026", "type",
                  "/data/period" },
                { "an area as number", everything, "/data/areas/0", "530581", "type",
                  "/data/areas/0" },
                { "an area of ten digits", everything, "/data/areas/2", "\"5305810010\"", "format",
                  "/data/areas/2" },
                { "an audience of somebody", everything, "/data/audience", "\"somebody\"", "format",
                  "/data/audience" },
                { "an audience without groups", everything, "/data/audience", "{}", "required",
                  "/data/audience/groups" },
                { "an audience of a number", everything, "/data/audience/groups/0", "1", "type",
                  "/data/audience/groups/0" },
                { "a third openness", everything, "/data/openness", "\"secret\"", "format",
                  "/data/openness" },
                { "channels as text", everything, "/data/channels", "\"portal\"", "type",
                  "/data/channels" },
                { "a channel without name", everything, "/data/channels/0", "\"\"", "required",
                  "/data/channels/0" },
                { "no carriers", everything, "/data/carriers", "[]", "length", "/data/carriers" },
                { "urgent in words", everything, "/data/urgent", "\"yes\"", "type",
                  "/data/urgent" },
                { "a review without result", everything, "/data/review/secrecy", NULL, "required",
                  "/data/review/secrecy" },
                { "a review that failed", everything, "/data/review/secrecy", "\"failed\"",
                  "format", "/data/review/secrecy" },
                { "a withdrawal without document", withdrawal, "/data/document", NULL, "required",
                  "/data/document" },
                { "a withdrawal without reason", withdrawal, "/data/reason", NULL, "required",
                  "/data/reason" },
                { "a withdrawal in a third way", withdrawal, "/data/mode", "\"hide\"", "format",
                  "/data/mode" },
                { "an erasure without code", withdrawal, "/data/mode", "\"erase\"", "required",
                  "/data/reason_code" },
                { "an unknown reason code", withdrawal, "/data/reason_code", "\"shame\"", "format",
                  "/data/reason_code" },
                { "a withdrawal with a bad title", withdrawal, "/data/title", "1", "type",
                  "/data/title" },
                { "a query for nothing", query, "/data/document", NULL, "required",
                  "/data/document" },
                { "a query by a bad id", query, "/data/id", "7", "type", "/data/id" },
                { "receipts after nothing", receipts, "/data/after", NULL, "required",
                  "/data/after" },
                { "receipts before the first", receipts, "/data/after", "-1", "format",
                  "/data/after" },
                { "receipts after a text", receipts, "/data/after", "\"0\"", "type",
                  "/data/after" },
        };

        (void) state;
        for (size_t i = 0; i < ELEMENTS(rows); i++) {
                struct findings errors = { 0 }, warnings = { 0 };
                json_t *json = load(rows[i].base);

                print_message("%s\n", rows[i].story);
                change(json, rows[i].change, rows[i].value);
                assert_null(event_parse(json, &errors, &warnings));
                for (size_t k = 0; k < errors.n; k++)
                        print_message("  %s %s %s\n", errors.list[k].path, errors.list[k].code,
                                      errors.list[k].message);
                assert_int_equal(errors.n, 1);
                assert_string_equal(errors.list[0].code, rows[i].code);
                assert_string_equal(errors.list[0].path, rows[i].path);
                assert_non_null(errors.list[0].message);
                assert_null(strchr(errors.list[0].message, '{')); /* no hole was left open */
                findings_done(&errors);
                findings_done(&warnings);
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
                cmocka_unit_test(an_event_with_every_member_is_understood),
                cmocka_unit_test(the_least_events_are_enough),
                cmocka_unit_test(every_error_has_its_code_and_its_path),
                cmocka_unit_test(an_event_that_is_no_object_is_an_error),
                cmocka_unit_test(all_errors_come_at_once_and_in_order),
                cmocka_unit_test(an_unknown_type_still_gets_the_rest_checked),
                cmocka_unit_test(what_is_unusual_and_allowed_passes),
                cmocka_unit_test(a_dry_run_is_seen),
                cmocka_unit_test(the_body_may_have_half_a_mebibyte),
                cmocka_unit_test(sixty_four_attachments_are_enough),
                cmocka_unit_test(unknown_members_are_kept_and_named),
                cmocka_unit_test(a_flood_of_findings_is_cut),
                cmocka_unit_test(the_digest_covers_what_is_said),
                cmocka_unit_test(the_digest_covers_nothing_else),
                cmocka_unit_test(the_digest_does_not_see_how_json_is_written),
                cmocka_unit_test(the_canonical_form_stays_what_it_is),
                cmocka_unit_test(documents_are_compared_in_their_composed_form),
                cmocka_unit_test(what_is_written_reads_back_equal),
                cmocka_unit_test(many_members_are_sorted_too),
        };

        return cmocka_run_group_tests_name("event", tests, NULL, NULL);
}
