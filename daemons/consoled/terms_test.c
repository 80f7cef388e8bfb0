#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "core/memory.h"
#include "daemons/consoled/terms.h"

static void a_text_is_found_by_its_pairs_and_words(void **state) {
        static const struct {
                const char *story, *text, *terms;
        } rows[] = {
                { "Chinese", "腾政发", "腾政 政发 发" },
                { "a document's number", "腾政发〔2026〕12号", "腾政 政发 发 2026 12 号" },
                { "an id", "OA-2026-0012", "oa 2026 0012" },
                { "signs part", "关于《规划》的通告", "关于 于 规划 划 的通 通告 告" },
                { "one character", "令", "令" },
                { "other letters", "Straße Ж", "straße Ж" },
                { "quotes and stars are no letters", "\"a\" OR b*", "a or b" },
                { "what is no UTF-8 is left out",
                  "a\xff\xfe"
                  "b",
                  "a b" },
                { "nothing", "", "" },
        };

        (void) state;
        for (size_t i = 0; i < ELEMENTS(rows); i++) {
                struct buf buf = { 0 };

                terms_of(rows[i].text, &buf);
                if (strcmp(buf_text(&buf), rows[i].terms) != 0)
                        fail_msg("%s: '%s'", rows[i].story, buf_text(&buf));
                buf_done(&buf);
        }
}

static void what_is_typed_becomes_phrases(void **state) {
        static const struct {
                const char *story, *typed, *query;
        } rows[] = {
                { "a part of a title", "政发", "\"政发\"" },
                { "longer", "征收土地", "\"征收 收土 土地\"" },
                { "several pieces", "征收 2026", "\"征收\" \"2026\"" },
                { "an ideographic blank", "征收\u3000公告", "\"征收\" \"公告\"" },
                { "within a number", "政发〔2026〕12号", "\"政发 发 2026 12\"" },
                { "a lone character first", "发〔2026", "\"发 2026\"" },
                { "an operator is a word", "a\" OR \"b", "\"a\" \"or\" \"b\"" },
                { "one character is too little", "公", NULL },
                { "no letters at all", "〔〕*\"", NULL },
                { "nothing", "  ", NULL },
        };

        (void) state;
        for (size_t i = 0; i < ELEMENTS(rows); i++) {
                struct buf buf = { 0 };
                bool good = terms_query(rows[i].typed, &buf);

                if (good != (rows[i].query != NULL) ||
                    (good && strcmp(buf_text(&buf), rows[i].query) != 0))
                        fail_msg("%s: %s", rows[i].story, buf_text(&buf));
                buf_done(&buf);
        }
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(a_text_is_found_by_its_pairs_and_words),
                cmocka_unit_test(what_is_typed_becomes_phrases),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
