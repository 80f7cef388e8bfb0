#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>

#include "client/order.h"
#include "core/memory.h"

static void the_second_of_a_document_waits_for_the_first(void **state) {
        struct order order = { 0 };
        struct turn first, second, other;

        (void) state;
        assert_int_equal(order_take(&order, "云保山〔2026〕12号", &first), 0);
        assert_int_equal(order_take(&order, "云保山〔2026〕12号", &second), 0);
        assert_int_equal(order_take(&order, "云保山〔2026〕13号", &other), 0);
        assert_true(turn_has_come(&first));
        assert_false(turn_has_come(&second));
        assert_true(turn_has_come(&other));
        order_give_back(&order, &first);
        assert_true(turn_has_come(&second));
        order_give_back(&order, &second);
        order_give_back(&order, &other);
        order_give_back(&order, &other); /* an empty turn is no turn */
        order_done(&order);
}

static void a_turn_undone_leaves_no_gap(void **state) {
        struct order order = { 0 };
        struct turn first, undone, next;

        (void) state;
        assert_int_equal(order_take(&order, "d", &first), 0);
        assert_int_equal(order_take(&order, "d", &undone), 0);
        order_give_back(&order, &undone);
        assert_int_equal(order_take(&order, "d", &next), 0);
        assert_false(turn_has_come(&next));
        order_give_back(&order, &first);
        assert_true(turn_has_come(&next));
        order_give_back(&order, &next);
        order_done(&order);
}

static void thousands_of_documents_do_not_meet(void **state) {
        static struct turn turns[20000];
        struct order order = { 0 };

        (void) state;
        for (size_t i = 0; i < ELEMENTS(turns); i++) {
                char document[32];

                (void) snprintf(document, sizeof(document), "doc-%zu", i);
                assert_int_equal(order_take(&order, document, &turns[i]), 0);
                assert_true(turn_has_come(&turns[i]));
        }
        for (size_t i = 0; i < ELEMENTS(turns); i++)
                order_give_back(&order, &turns[i]);
        order_done(&order); /* asserts that nobody waits */
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(the_second_of_a_document_waits_for_the_first),
                cmocka_unit_test(a_turn_undone_leaves_no_gap),
                cmocka_unit_test(thousands_of_documents_do_not_meet),
        };

        return cmocka_run_group_tests_name("order", tests, NULL, NULL);
}
