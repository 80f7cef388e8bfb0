/* Events that tests start from, and how they change them. Included by tests only. */
#ifndef CORE_EVENT_FIXTURES_H
#define CORE_EVENT_FIXTURES_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "core/event.h"

#define SHA "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"

/* Every member of the contract's table. */
__attribute__((unused)) static const char everything[] =
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

__attribute__((unused)) static const char least[] =
        "{\"specversion\":\"1.0\",\"id\":\"1\",\"source\":\"urn:gongkai:530581:oa\","
        "\"type\":\"cn.gongkai.disclosure.publish.v1\",\"time\":\"2026-11-23T22:00:00+08:00\","
        "\"data\":{\"document\":\"d\",\"item\":\"i\",\"title\":\"t\","
        "\"body\":{\"format\":\"text\",\"content\":\"c\"},\"publisher\":{\"name\":\"p\"}}}";

__attribute__((unused)) static const char withdrawal[] =
        "{\"specversion\":\"1.0\",\"id\":\"2\",\"source\":\"urn:gongkai:530000:oa\","
        "\"type\":\"cn.gongkai.disclosure.withdraw.v1\",\"time\":\"2026-11-23T22:00:00+08:00\","
        "\"data\":{\"document\":\"d\",\"reason\":\"内容有误\"}}";

__attribute__((unused)) static const char query[] =
        "{\"specversion\":\"1.0\",\"id\":\"3\",\"source\":\"urn:gongkai:530581:oa\","
        "\"type\":\"cn.gongkai.query.document.v1\",\"time\":\"2026-11-23T22:00:00+08:00\","
        "\"data\":{\"document\":\"d\"}}";

__attribute__((unused)) static const char receipts[] =
        "{\"specversion\":\"1.0\",\"id\":\"4\",\"source\":\"urn:gongkai:530581:oa\","
        "\"type\":\"cn.gongkai.query.receipts.v1\",\"time\":\"2026-11-23T22:00:00+08:00\","
        "\"data\":{\"after\":17}}";

__attribute__((unused)) static json_t *load(const char *text) {
        struct findings errors = { 0 };
        json_t *json = event_read(text, strlen(text), &errors);

        for (size_t i = 0; i < errors.n; i++)
                print_message("%s: %s\n%s\n", errors.list[i].code, errors.list[i].message, text);
        assert_non_null(json);
        return json;
}

/* Sets the member that a JSON pointer names, or takes it out (value NULL). */
__attribute__((unused)) static void change(json_t *json, const char *pointer, const char *value) {
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

#define X40 "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
#define X120 X40 X40 X40

#endif
