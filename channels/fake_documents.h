/* For the tests of all drivers: events as departments write them, the same ones for a seed. */
#ifndef CHANNELS_FAKE_DOCUMENTS_H
#define CHANNELS_FAKE_DOCUMENTS_H

#include <jansson.h>
#include <stdint.h>
#include <stdio.h>

#include "core/buf.h"
#include "core/memory.h"

static inline unsigned fake_random(uint64_t *seed, unsigned below) {
        *seed = *seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
        return (unsigned) (*seed >> 33) % below;
}

/* A clause with a figure in it, of a kind that must not be cut. */
static inline void fake_clause(uint64_t *seed, struct buf *ret) {
        unsigned a = 1 + fake_random(seed, 9999), day = 1 + fake_random(seed, 28);

        switch (fake_random(seed, 9)) {
        case 0:
                buf_fmt(ret, "罚款%u,%03u.50元", a % 90 + 10, a % 1000);
                break;
        case 1:
                buf_fmt(ret, "总投资%u亿%04u万元", a % 9 + 1, a);
                break;
        case 2:
                buf_fmt(ret, "自2026年11月%u日起施行", day);
                break;
        case 3:
                buf_fmt(ret, "截止时间2026-12-%02u", day);
                break;
        case 4:
                buf_fmt(ret, "依据腾政发〔2026〕%u号", a % 300 + 1);
                break;
        case 5:
                buf_fmt(ret, "共%u户%u人", a % 500 + 1, a);
                break;
        case 6:
                buf_fmt(ret, "完成年度计划的%u.%u%%", a % 100, a % 10);
                break;
        case 7:
                buf_fmt(ret, "咨询电话0875-%07u", 100000 + a);
                break;
        default:
                buf_str(ret, "请有关单位和群众相互转告");
        }
}

static inline json_t *fake_clauses(uint64_t *seed, const char *head, unsigned n,
                                   const char *between, const char *tail) {
        struct buf text = { 0 };
        json_t *string;

        buf_str(&text, head);
        for (unsigned i = 0; i < n; i++) {
                buf_str(&text, i > 0 ? between : "");
                fake_clause(seed, &text);
        }
        buf_str(&text, tail);
        string = json_string(buf_text(&text));
        buf_done(&text);
        return string;
}

static inline json_t *fake_body(uint64_t *seed, unsigned i) {
        static const struct {
                const char *format, *head, *between, *tail;
        } kinds[] = {
                { "text", "", "。\n\n", "。" },
                { "markdown",
                  "## 一、总体情况\n\n| 项目 | 金额 |\n| --- | ---: |\n| 补贴 | 12,000.50元 "
                  "|\n\n**",
                  "。**\n\n1. **", "。**" },
                { "text", "", "并", "" }, /* no place to stop at */
                { "html", "<h2>有关事项</h2><p>", "。</p><p><strong>第一</strong>，", "。</p>" },
        };
        unsigned kind = i % 4, n = i % 60 == 7 ? 1500 : 5 + fake_random(seed, 40);

        return json_pack(
                "{s:s, s:o}", "format", kinds[kind].format, "content",
                fake_clauses(seed, kinds[kind].head, n, kinds[kind].between, kinds[kind].tail));
}

static inline json_t *fake_publisher(uint64_t *seed) {
        static const char *const names[] = { "腾冲市人民政府办公室", "国家税务总局腾冲市税务局",
                                             "腾冲市住房和城乡建设局（腾冲市国防动员办公室）",
                                             "五合乡人民政府" };
        json_t *list = json_array();
        unsigned n = fake_random(seed, 4);

        for (unsigned i = 0; i < n; i++)
                json_array_append_new(list, json_pack("{s:s}", "name", names[(n + i) % 4]));
        if (n > 0)
                return list;
        json_decref(list);
        return json_pack("{s:s}", "name", names[fake_random(seed, 4)]);
}

#define ACCENTS "e\u0301e\u0301e\u0301e\u0301e\u0301e\u0301e\u0301e\u0301"

/* Document i of a corpus. */
static inline json_t *fake_document(unsigned i) {
        static const char *const heads[] = { "腾冲市人民政府关于", "关于",
                                             "公告：", /* a family; combining accents */
                                             "\U0001f468\u200d\U0001f469\u200d\U0001f467家庭补贴",
                                             ACCENTS ACCENTS ACCENTS };
        static const char *const formed[] = { "2026-11-12", "2026-11-20T09:30:00+08:00" };
        uint64_t seed = i + 1;
        json_t *data, *event;
        char name[24], number[48];

        (void) snprintf(name, sizeof(name), "xxgk-%06u", i);
        (void) snprintf(number, sizeof(number), "腾政发〔2026〕%u号", 1 + fake_random(&seed, 400));
        data = json_pack("{s:s, s:s, s:s}", "document", name, "item", "ssgl.0402", "kind",
                         "notice");
        json_object_set_new(data, "title",
                            fake_clauses(&seed, heads[fake_random(&seed, 5)],
                                         1 + fake_random(&seed, i % 5 ? 4 : 16), "、", "的公告"));
        json_object_set_new(data, "publisher", fake_publisher(&seed));
        json_object_set_new(data, "body", fake_body(&seed, i));
        if (fake_random(&seed, 3))
                json_object_set_new(data, "number", json_string(number));
        if (fake_random(&seed, 3) == 0)
                json_object_set_new(data, "summary",
                                    fake_clauses(&seed, "", 1 + fake_random(&seed, 9), "，", "。"));
        if (fake_random(&seed, 3) == 0)
                json_object_set_new(
                        data, "texts",
                        json_pack("{s:o}", "short",
                                  fake_clauses(&seed, "请注意：", 1 + fake_random(&seed, 12), "；",
                                               "。")));
        if (fake_random(&seed, 4))
                json_object_set_new(data, "dates",
                                    json_pack("{s:s}", "formed", formed[fake_random(&seed, 2)]));
        if (fake_random(&seed, 8) == 0)
                json_object_set_new(data, "correction",
                                    json_pack("{s:s, s:o}", "kind", "content", "note",
                                              fake_clauses(&seed, "更正：", 3, "；", "。")));
        event = json_pack("{s:s, s:s, s:s, s:s, s:s, s:o}", "specversion", "1.0", "id", name,
                          "source", "urn:gongkai:530581:oa", "type",
                          "cn.gongkai.disclosure.publish.v1", "time", "2026-11-22T10:00:00+08:00",
                          "data", data);
        return event;
}

#endif
