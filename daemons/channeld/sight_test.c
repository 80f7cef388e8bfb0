#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "core/memory.h"
#include "daemons/channeld/channeld.h"

#define A64 "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
#define DRAW(region, document, revision, digest)                                                   \
        "{\"player\":\"hall\",\"draws\":[{\"region\":" region ",\"document\":" document ",\"revision\":" revision  \
        ",\"digest\":" digest "}]}"

static void only_what_the_store_can_take_is_a_heartbeat(void **state) {
        static const struct {
                const char *story, *sight;
                bool sound;
        } rows[] = {
                { "one document", DRAW("\"530581\"", "\"腾政\"", "7", "\"" A64 "\""), true },
                { "a document with a blank", DRAW("\"530581\"", "\"a b\"", "7", "\"" A64 "\""), true },
                { "a region that nobody serves", DRAW("\"999999\"", "\"a\"", "7", "\"" A64 "\""), true },
                { "nothing is drawn", "{\"player\":\"hall\",\"draws\":[]}", true },
                { "no list", "{\"player\":\"hall\"}", false },
                { "nobody", "{\"draws\":[]}", false },
                { "no name", "{\"player\":\"\",\"draws\":[]}", false },
                { "a name with a blank", "{\"player\":\"the hall\",\"draws\":[]}", false },
                { "a name with a tab", "{\"player\":\"the\\thall\",\"draws\":[]}", false },
                { "a name that is too long", "{\"player\":\"" A64 A64 "\",\"draws\":[]}", false },
                { "a document with a tab", DRAW("\"530581\"", "\"a\\tb\"", "7", "\"" A64 "\""), false },
                { "a document with a line end", DRAW("\"530581\"", "\"a\\nb\"", "7", "\"" A64 "\""), false },
                { "no region", DRAW("null", "\"a\"", "7", "\"" A64 "\""), false },
                { "a revision in words", DRAW("\"530581\"", "\"a\"", "\"7\"", "\"" A64 "\""), false },
                { "a negative revision", DRAW("\"530581\"", "\"a\"", "-1", "\"" A64 "\""), false },
                { "a revision that no document has", DRAW("\"530581\"", "\"a\"", "4294967296", "\"" A64 "\""), false },
                { "a short digest", DRAW("\"530581\"", "\"a\"", "7", "\"abc\""), false },
                { "a digest with capitals", DRAW("\"530581\"", "\"a\"", "7", "\"A123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef\""), false },
        };

        (void) state;
        for (size_t i = 0; i < ELEMENTS(rows); i++) {
                json_t *sight = json_loads(rows[i].sight, 0, NULL);

                print_message("%s\n", rows[i].story);
                assert_non_null(sight);
                assert_int_equal(sight_is_sound(sight), rows[i].sound);
                json_decref(sight);
        }
}

static void so_many_documents_and_no_more(void **state) {
        json_t *one = json_loads(DRAW("\"530581\"", "\"a\"", "7", "\"" A64 "\""), 0, NULL);
        json_t *draws = json_object_get(one, "draws");

        (void) state;
        while (json_array_size(draws) < 1000)
                (void) json_array_append(draws, json_array_get(draws, 0));
        assert_true(sight_is_sound(one));
        (void) json_array_append(draws, json_array_get(draws, 0));
        assert_false(sight_is_sound(one));
        json_decref(one);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(only_what_the_store_can_take_is_a_heartbeat),
                cmocka_unit_test(so_many_documents_and_no_more),
        };

        return cmocka_run_group_tests_name("heartbeats", tests, NULL, NULL);
}
