#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "core/memory.h"
#include "daemons/channeld/channeld.h"

static void each_wait_comes_once_and_then_none(void **state) {
        static int64_t waits[] = { 1000, 5000, 60000 };
        const struct channel_config channel = { .retry_ms = waits, .n_retry = ELEMENTS(waits) };
        static const struct {
                const char *story;
                unsigned attempt;
                uint32_t random;
                int64_t wait_ms;
        } rows[] = {
                { "after the first", 1, 0, 1000 },
                { "after the second", 2, 0, 5000 },
                { "after the third", 3, 0, 60000 },
                { "the fourth was the last", 4, 0, -1 },
                { "nothing comes after it", 5, 0, -1 },
                { "a number that cannot be", 0, 0, 1000 },
                { "the most of chance is below a tenth", 3, 1023, 65994 },
                { "half of it", 2, 512, 5250 },
                { "chance comes round", 2, 1024, 5000 },
        };

        (void) state;
        for (size_t i = 0; i < ELEMENTS(rows); i++) {
                print_message("%s\n", rows[i].story);
                assert_int_equal(retry_wait_ms(&channel, rows[i].attempt, rows[i].random),
                                 rows[i].wait_ms);
        }
}

static void an_empty_list_is_one_attempt(void **state) {
        const struct channel_config channel = { 0 };

        (void) state;
        assert_int_equal(retry_wait_ms(&channel, 1, 0), -1);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(each_wait_comes_once_and_then_none),
                cmocka_unit_test(an_empty_list_is_one_attempt),
        };

        return cmocka_run_group_tests_name("waits between attempts", tests, NULL, NULL);
}
