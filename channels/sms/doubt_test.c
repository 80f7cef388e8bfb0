/* What is in doubt, and a carrier that answers questions badly. */
#include "channels/sms/fixture.h"

/* With a question in four unanswered, ten numbers are asked about to the end all the same. */
static void a_question_without_an_answer_keeps_what_is_known(void **state) {
        (void) state;
        for (int came = 0; came < 2; came++) {
                struct world world = world_of(&aliyun_driver);
                bool twice;

                world.options.batch = 10;
                world.questions_fail = 4;
                put_people(&world, 0, 25);
                if (came)
                        world.loses_replies = true;
                else {
                        world.status = 504;
                        world.answer = "";
                }
                assert_true(attempt(&world));
                assert_int_equal(world.last, VERDICT_UNCERTAIN);
                world.status = 0;
                world.answer = NULL;
                deliver(&world);
                assert_int_equal(texted(&world, &twice), 25);
                assert_false(twice);
                assert_string_equal(world.reference, "sent=25,failed=0,doubt=0");
                assert_in_range(world.n_questions, 10, 100); /* nobody is asked about for ever */
                world_done(&world);
        }
}

/* A machine that stood still for longer than the carrier keeps its books. */
static void what_nobody_can_be_asked_about_any_more_is_in_doubt(void **state) {
        struct world world = world_of(&aliyun_driver);
        bool twice;

        (void) state;
        world.options.batch = 10;
        put_people(&world, 0, 25);
        world.loses_replies = true;
        assert_true(attempt(&world));
        world.delivery.now_ms += INT64_C(40) * 86400000;
        deliver(&world);
        assert_int_equal(world.last, VERDICT_DONE);
        assert_string_equal(world.reference, "sent=15,failed=0,doubt=10");
        assert_int_equal(texted(&world, &twice), 25);
        assert_false(twice);
        world_done(&world);
}

/* A platform that knows repeats is one that can be asked: by sending again, number by number. */
static void a_mas_that_refuses_repeats_ends_the_doubt(void **state) {
        (void) state;
        for (int came = 0; came < 2; came++) {
                struct world world = world_of(&mas_driver);
                bool twice;

                world.options.batch = 8;
                world.options.in_doubt = SMS_REPEAT;
                world.refuses_repeats = true;
                world.bad_answer = "{\"rspcod\":\"SameNumberAndContent\",\"success\":false}";
                put_people(&world, 0, 20);
                if (came)
                        world.loses_replies = true;
                else
                        world.status = 504;
                assert_true(attempt(&world));
                assert_int_equal(world.last, VERDICT_UNCERTAIN);
                world.status = 0;
                deliver(&world);
                assert_int_equal(world.last, VERDICT_DONE);
                assert_string_equal(world.reference, "sent=20,failed=0,doubt=0");
                assert_int_equal(texted(&world, &twice), 20);
                assert_false(twice);
                world_done(&world);
        }
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(a_question_without_an_answer_keeps_what_is_known),
                cmocka_unit_test(what_nobody_can_be_asked_about_any_more_is_in_doubt),
                cmocka_unit_test(a_mas_that_refuses_repeats_ends_the_doubt),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
