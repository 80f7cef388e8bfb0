/* Ceilings, quotas and nights: what is counted, and until when one waits, wherever the machine's clock
 * thinks that it is. */
#include "channels/sms/fixture.h"

#include <time.h>

#include "core/moment.h"

#define HOUR INT64_C(3600000)
#define ALI(code, message) "{\"Code\":\"" code "\",\"Message\":\"" message "\"}"

static int64_t ms_of(const char *text) {
        int64_t ms = 0;

        assert_int_equal(moment_parse(text, &ms, NULL), 0);
        return ms;
}

/* Ten requests that the carrier turned away are not ten batches of the day's messages. */
static void what_was_not_taken_does_not_use_up_the_day(void **state) {
        struct world world = world_of(&mas_driver);
        bool twice;

        (void) state;
        world.options.batch = 10;
        world.options.day_limit = 20;
        put_people(&world, 0, 20);
        world.status = 503;
        for (int i = 0; i < 10; i++) {
                assert_true(attempt(&world));
                assert_int_equal(world.last, VERDICT_LATER);
                world.delivery.now_ms += 1000;
        }
        world.status = 0;
        deliver(&world);
        assert_int_equal(texted(&world, &twice), 20);
        assert_true(world.delivery.now_ms < NOON + HOUR);
        world_done(&world);
}

static void a_batch_that_is_cut_in_two_is_counted_once(void **state) {
        struct world world = world_of(&aliyun_driver);
        bool twice;

        (void) state;
        world.options.batch = 16;
        world.options.day_limit = 16;
        world.bad_number = "13800000005";
        world.bad_answer = ALI("isv.MOBILE_NUMBER_ILLEGAL", "x");
        put_people(&world, 0, 16);
        deliver(&world);
        assert_string_equal(world.reference, "sent=15,failed=1,doubt=0");
        assert_int_equal(texted(&world, &twice), 15);
        assert_true(world.delivery.now_ms < NOON + HOUR);
        world_done(&world);
}

/* What one day did not use is not the next day's. */
static void a_ceiling_is_never_passed_whatever_was_refused(void **state) {
        struct world world = world_of(&mas_driver);
        bool twice;

        (void) state;
        world.options.batch = 10;
        world.options.day_limit = 10;
        put_people(&world, 0, 25);
        world.status = 503;
        assert_true(attempt(&world));
        world.status = 0;
        for (int day = 1; day < 4; day++) {
                world.delivery.now_ms = NOON + day * 24 * HOUR;
                assert_true(attempt(&world));
                assert_int_equal(texted(&world, &twice), day < 3 ? 10 * day : 25);
        }
        assert_int_equal(world.last, VERDICT_DONE);
        world_done(&world);
}

/* A number that had its messages of the day is the only one that waits. */
static void a_number_over_its_own_limit_does_not_keep_the_others(void **state) {
        struct world world = world_of(&aliyun_driver);
        bool twice;

        (void) state;
        world.options.batch = 1;
        world.bad_number = "13800000002";
        world.bad_answer = ALI("isv.BUSINESS_LIMIT_CONTROL", "触发天级流控Permits:50");
        put_people(&world, 0, 6);
        assert_true(attempt(&world));
        assert_int_equal(texted(&world, &twice), 5);
        assert_int_equal(world.last, VERDICT_WAIT);
        assert_string_equal(world.code, "sms/quota");
        assert_int_equal(world.at_ms, NOON + 20 * HOUR);
        world.bad_number = NULL;
        deliver(&world);
        assert_string_equal(world.reference, "sent=6,failed=0,doubt=0");
        assert_int_equal(texted(&world, &twice), 6);
        assert_false(twice);
        world_done(&world);
}

/* Where all are over it, not each of ten thousand is asked for. */
static void where_all_are_over_their_limit_all_wait(void **state) {
        struct world world = world_of(&aliyun_driver);

        (void) state;
        world.options.batch = 1;
        world.answer = ALI("isv.BUSINESS_LIMIT_CONTROL", "触发小时级流控Permits:5");
        put_people(&world, 0, 100);
        assert_true(attempt(&world));
        assert_int_equal(world.last, VERDICT_WAIT);
        assert_int_equal(world.at_ms, NOON + HOUR);
        assert_in_range(world.n_sendings, 1, 10);
        world_done(&world);
}

static void who_asks_to_wait_is_waited_for(void **state) {
        static const struct {
                const char *retry_after;
                int64_t at_ms;
        } rows[] = { { NULL, 0 }, { "120", NOON + 120000 }, { "soon", 0 }, { "999999999999999999999", NOON + 24 * HOUR } };

        (void) state;
        for (size_t i = 0; i < ELEMENTS(rows); i++) {
                struct world world = world_of(&mas_driver);

                put_people(&world, 0, 1);
                world.status = 429;
                world.answer = "";
                world.retry_after = rows[i].retry_after;
                assert_true(attempt(&world));
                assert_int_equal(world.last, VERDICT_LATER);
                assert_int_equal(world.at_ms, rows[i].at_ms);
                world_done(&world);
        }
}

/* -- the right minute, on a machine anywhere --------------------------------------------------------- */

static const struct {
        const char *story, *now, *says; /* the aliyun's message; NULL: our own hours or ceiling */
        int64_t day_limit;
        const char *at;
} moments[] = {
        { "in the evening", "2026-11-22T21:00:00+08:00", NULL, 0, "2026-11-23T08:00:00+08:00" },
        { "a millisecond before the hours begin", "2026-11-23T07:59:59.999+08:00", NULL, 0, "2026-11-23T08:00:00+08:00" },
        { "at midnight", "2026-11-23T00:00:00+08:00", NULL, 0, "2026-11-23T08:00:00+08:00" },
        { "at New Year's Eve", "2026-12-31T23:59:59+08:00", NULL, 0, "2027-01-01T08:00:00+08:00" },
        { "on the day before a leap day", "2028-02-28T22:30:00+08:00", NULL, 0, "2028-02-29T08:00:00+08:00" },
        { "where it is yesterday in Greenwich", "2026-11-22T21:30:00Z", NULL, 0, "2026-11-23T08:00:00+08:00" },
        { "at the ceiling, in the morning", "2026-11-22T08:00:00+08:00", NULL, 3, "2026-11-23T08:00:00+08:00" },
        { "at the ceiling, when Greenwich has the next day", "2026-11-22T08:30:00+08:00", NULL, 3, "2026-11-23T08:00:00+08:00" },
        { "at the ceiling, in New York's repeated hour", "2026-11-01T13:30:00+08:00", NULL, 3, "2026-11-02T08:00:00+08:00" },
        { "at the ceiling, at the end of a month", "2027-02-28T20:59:59+08:00", NULL, 3, "2027-03-01T08:00:00+08:00" },
        { "the minute's quota", "2026-11-22T12:34:56.789+08:00", "触发分钟级流控Permits:1", 0, "2026-11-22T12:35:00+08:00" },
        { "the minute's quota, in the last minute", "2026-11-22T20:59:30+08:00", "触发分钟级流控Permits:1", 0, "2026-11-23T08:00:00+08:00" },
        { "the hour's quota", "2026-11-22T12:34:56+08:00", "触发小时级流控Permits:5", 0, "2026-11-22T13:00:00+08:00" },
        { "the day's quota", "2026-11-22T08:00:00+08:00", "触发天级流控Permits:10", 0, "2026-11-23T08:00:00+08:00" },
        { "the day's quota in a leap year", "2028-02-28T20:00:00+08:00", "触发天级流控Permits:10", 0, "2028-02-29T08:00:00+08:00" },
        { "the month's quota", "2026-12-31T20:00:00+08:00", "触发月级流控", 0, "2027-01-01T08:00:00+08:00" },
};

static void one_waits_until_the_right_minute_of_shanghai(void **state) {
        static const char *const zones[] = { "UTC", "America/New_York", "Asia/Kathmandu", "Pacific/Kiritimati", ":no/such" };
        char text[MOMENT_TEXT], answer[256];

        (void) state;
        for (size_t z = 0; z < ELEMENTS(zones); z++) {
                assert_int_equal(setenv("TZ", zones[z], 1), 0);
                tzset();
                for (size_t i = 0; i < ELEMENTS(moments); i++) {
                        struct world world = world_of(&aliyun_driver);
                        bool twice;

                        print_message("%s, %s\n", zones[z], moments[i].story);
                        put_people(&world, 0, 5);
                        world.delivery.now_ms = ms_of(moments[i].now);
                        world.options.day_limit = moments[i].day_limit;
                        (void) snprintf(answer, sizeof(answer), ALI("isv.BUSINESS_LIMIT_CONTROL", "%s"),
                                        moments[i].says ? moments[i].says : "");
                        world.answer = moments[i].says ? answer : NULL;
                        assert_true(attempt(&world));
                        assert_int_equal(world.last, VERDICT_WAIT);
                        assert_string_equal(moment_write(world.at_ms, text), moments[i].at);
                        assert_int_equal(texted(&world, &twice), moments[i].day_limit);
                        /* It is open at that very moment. */
                        world.answer = NULL;
                        world.delivery.now_ms = world.at_ms;
                        assert_true(attempt(&world));
                        assert_int_equal(world.last, VERDICT_DONE);
                        assert_int_equal(texted(&world, &twice), 5);
                        world_done(&world);
                }
        }
        assert_int_equal(unsetenv("TZ"), 0);
        tzset();
}

/* What is urgent waits for no night, but for the carrier's day. */
static void an_urgent_one_waits_for_midnight_only(void **state) {
        struct world world = world_of(&aliyun_driver);
        char text[MOMENT_TEXT];

        (void) state;
        put_people(&world, 0, 5);
        world.delivery.urgent = true;
        world.delivery.now_ms = ms_of("2026-11-22T23:30:00+08:00");
        world.answer = ALI("isv.DAY_LIMIT_CONTROL", "x");
        assert_true(attempt(&world));
        assert_string_equal(moment_write(world.at_ms, text), "2026-11-23T00:00:00+08:00");
        world_done(&world);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(what_was_not_taken_does_not_use_up_the_day),
                cmocka_unit_test(a_batch_that_is_cut_in_two_is_counted_once),
                cmocka_unit_test(a_ceiling_is_never_passed_whatever_was_refused),
                cmocka_unit_test(a_number_over_its_own_limit_does_not_keep_the_others),
                cmocka_unit_test(where_all_are_over_their_limit_all_wait),
                cmocka_unit_test(who_asks_to_wait_is_waited_for),
                cmocka_unit_test(one_waits_until_the_right_minute_of_shanghai),
                cmocka_unit_test(an_urgent_one_waits_for_midnight_only),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
