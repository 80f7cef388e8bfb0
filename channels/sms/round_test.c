/* A delivery from begin to end, killed between each pair of steps, with lost replies, at night, at the
 * day's ceiling, with lists that change. */
#include "channels/sms/fixture.h"

static const struct driver *const all[] = { &mas_driver, &aliyun_driver, &kannel_driver };

static void one_notice_reaches_everybody_once(void **state) {
        (void) state;
        for (size_t i = 0; i < ELEMENTS(all); i++) {
                struct world world = world_of(all[i]);
                bool twice;

                print_message("%s\n", all[i]->name);
                world.options.batch = 20;
                put_people(&world, 0, 105);
                deliver(&world);
                assert_int_equal(world.last, VERDICT_DONE);
                assert_int_equal(world.n_attempts, 1);
                assert_int_equal(texted(&world, &twice), 105);
                assert_false(twice);
                assert_int_equal(world.n_sendings, 6);
                assert_string_equal(world.reference, "sent=105,failed=0,doubt=0");
                deliver(&world); /* a second look sends nothing */
                assert_int_equal(world.n_sendings, 6);
                assert_masked(&world);
                world_done(&world);
        }
}

/* Each place at which a process can die, before and after the step had its effect. */
static void a_kill_anywhere_texts_nobody_twice_and_skips_nobody(void **state) {
        (void) state;
        for (size_t i = 0; i < ELEMENTS(all); i++)
                for (int after = 0; after < 2; after++)
                        for (int at = 0;; at++) {
                                struct world world = world_of(all[i]);
                                bool twice, killed;
                                int n;

                                world.options.batch = 4;
                                world.kill_at = at;
                                world.kill_after = after;
                                put_people(&world, 0, 18);
                                deliver(&world);
                                n = texted(&world, &twice);
                                killed = world.killed;
                                if (twice || n + doubt_of(&world) < 18)
                                        print_message("%s killed %s step %d: %d, %s\n", all[i]->name,
                                                      after ? "after" : "before", at, n, world.reference);
                                assert_int_equal(world.last, VERDICT_DONE);
                                assert_false(twice);
                                if (all[i] == &aliyun_driver) {
                                        assert_int_equal(n, 18);
                                        assert_int_equal(doubt_of(&world), 0);
                                } else {
                                        assert_in_range(doubt_of(&world), 0, 4); /* one batch, and named */
                                        assert_in_range(n, 18 - doubt_of(&world), 18);
                                }
                                assert_masked(&world);
                                world_done(&world);
                                if (!killed)
                                        break; /* there are no more steps */
                        }
}

static void a_lost_reply_is_looked_up_or_named(void **state) {
        (void) state;
        for (size_t i = 0; i < ELEMENTS(all); i++)
                for (int repeat = 0; repeat < 2; repeat++) {
                        struct world world = world_of(all[i]);
                        bool twice;
                        int n;

                        print_message("%s %d\n", all[i]->name, repeat);
                        world.options.batch = 4;
                        world.options.in_doubt = repeat ? SMS_REPEAT : SMS_SKIP;
                        world.loses_replies = true;
                        put_people(&world, 0, 18);
                        assert_true(attempt(&world));
                        assert_int_equal(world.last, VERDICT_UNCERTAIN);
                        assert_non_null(strstr(world.sentence, "138****00"));
                        world.delivery.now_ms += 5000;
                        deliver(&world);
                        n = texted(&world, &twice);
                        if (all[i] == &aliyun_driver) {
                                assert_int_equal(n, 18);
                                assert_false(twice);
                                assert_int_equal(world.n_questions, 4);
                        } else {
                                assert_int_equal(n, repeat ? 22 : 18);
                                assert_int_equal(twice, repeat);
                                assert_int_equal(doubt_of(&world), repeat ? 0 : 4);
                                assert_non_null(strstr(buf_text(&world.said), repeat ? "in_doubt = repeat" : "in_doubt = skip"));
                        }
                        assert_masked(&world);
                        world_done(&world);
                }
}

static void what_never_left_is_no_doubt(void **state) {
        struct world world = world_of(&mas_driver);
        bool twice;

        (void) state;
        world.options.batch = 4;
        world.loses_requests = true;
        put_people(&world, 0, 18);
        assert_true(attempt(&world));
        assert_int_equal(world.last, VERDICT_LATER);
        deliver(&world);
        assert_int_equal(texted(&world, &twice), 18);
        assert_string_equal(world.reference, "sent=18,failed=0,doubt=0");
        world_done(&world);
}

/* The carrier that a lost reply came from gets one number first, not a whole batch. */
static void behind_a_doubt_one_number_goes_ahead(void **state) {
        struct world world = world_of(&mas_driver);

        (void) state;
        world.options.batch = 8;
        put_people(&world, 0, 40);
        for (int i = 0; i < 4; i++) {
                world.loses_replies = true;
                (void) attempt(&world); /* lost */
                world.delivery.now_ms += 1000;
                (void) attempt(&world); /* named */
                world.delivery.now_ms += 1000;
        }
        deliver(&world);
        assert_int_equal(doubt_of(&world), 8 + 1 + 1 + 1);
        world_done(&world);
}

static void a_request_that_has_not_come_yet_is_waited_for_and_then_sent_again(void **state) {
        struct world world = world_of(&aliyun_driver);
        bool twice;

        (void) state;
        world.options.batch = 100;
        world.status = 504; /* a gateway's: whether it was taken nobody knows. It was not */
        put_people(&world, 0, 3);
        assert_true(attempt(&world));
        assert_int_equal(world.last, VERDICT_UNCERTAIN);
        world.status = 0;
        world.delivery.doubt = true;
        world.delivery.now_ms += 1000;
        assert_true(attempt(&world));
        assert_int_equal(world.last, VERDICT_ASK);
        assert_int_equal(world.at_ms, NOON + 15000);
        assert_int_equal(world.n_sendings, 1);
        deliver(&world);
        assert_int_equal(texted(&world, &twice), 3);
        assert_false(twice);
        world_done(&world);
}

static void a_bad_number_stands_alone_in_the_end(void **state) {
        struct world world = world_of(&aliyun_driver);
        bool twice;

        (void) state;
        world.options.batch = 64;
        world.bad_number = "13800000077";
        world.bad_answer = "{\"Code\":\"isv.MOBILE_NUMBER_ILLEGAL\",\"Message\":\"13800000077 非法\"}";
        put_people(&world, 0, 200);
        deliver(&world);
        assert_int_equal(world.last, VERDICT_DONE);
        assert_int_equal(texted(&world, &twice), 199);
        assert_false(twice);
        assert_null(json_object_get(world.phones, "13800000077"));
        assert_string_equal(world.reference, "sent=199,failed=1,doubt=0");
        assert_masked(&world);
        world_done(&world);
}

static void at_night_only_what_is_urgent_goes(void **state) {
        struct world world = world_of(&mas_driver);
        bool twice;

        (void) state;
        put_people(&world, 0, 3);
        world.delivery.now_ms = NOON + INT64_C(9) * 3600000; /* 21:00 */
        assert_true(attempt(&world));
        assert_int_equal(world.last, VERDICT_WAIT);
        assert_int_equal(world.at_ms, NOON + INT64_C(20) * 3600000); /* 08:00 */
        assert_int_equal(texted(&world, &twice), 0);
        world.delivery.urgent = true;
        deliver(&world);
        assert_int_equal(texted(&world, &twice), 3);
        world_done(&world);
}

static void the_days_ceiling_holds_and_leaves_its_reserve(void **state) {
        struct world world = world_of(&mas_driver);
        bool twice;

        (void) state;
        world.options.batch = 4;
        world.options.day_limit = 12;
        world.options.day_reserve = 2;
        put_people(&world, 0, 25);
        assert_true(attempt(&world));
        assert_int_equal(world.last, VERDICT_WAIT);
        assert_string_equal(world.code, "sms/ceiling");
        assert_int_equal(texted(&world, &twice), 10); /* 4, 4, and the 2 that were left */
        assert_int_equal(world.at_ms, NOON + INT64_C(20) * 3600000); /* the next day, and not at night */
        world.delivery.urgent = true;
        assert_true(attempt(&world));
        assert_int_equal(texted(&world, &twice), 12);
        world.delivery.urgent = false;
        deliver(&world);
        assert_int_equal(texted(&world, &twice), 25);
        assert_false(twice);
        assert_int_equal((world.delivery.now_ms - NOON) / 86400000, 1);
        world_done(&world);
}

static void a_list_that_changes_between_attempts_is_followed(void **state) {
        struct world world = world_of(&mas_driver);
        bool twice;

        (void) state;
        world.options.batch = 4;
        world.options.day_limit = 8;
        put_people(&world, 0, 12);
        assert_true(attempt(&world));
        assert_int_equal(texted(&world, &twice), 8);
        put_people(&world, 8, 12); /* 0 to 7 are off, 12 to 19 are new */
        world.delivery.now_ms += 86400000;
        world.options.day_limit = 1000;
        deliver(&world);
        for (int i = 8; i < 20; i++) {
                char number[24];

                (void) snprintf(number, sizeof(number), "138%08d", i);
                assert_int_equal(json_array_size(json_object_get(world.phones, number)), 1);
        }
        (void) texted(&world, &twice);
        assert_false(twice);
        world_done(&world);
}

static void revise(struct world *world, int64_t revision, const char *more) {
        json_decref(world->event);
        world->event = notice(more);
        world->delivery.kind = DELIVER_PUBLISH;
        world->delivery.revision = revision;
        world->delivery.level = 0;
        json_decref(give_away(world->memo)); /* the store forgets it */
        deliver(world);
}

static void withdraw(struct world *world, int64_t revision, const char *more) {
        json_t *data = json_loads(more, 0, NULL);

        json_decref(world->event);
        world->event = json_pack("{s:o}", "data", data);
        world->delivery.kind = DELIVER_WITHDRAW;
        world->delivery.revision = revision;
        world->delivery.level = 1;
        deliver(world);
}

static const char *last_text(const struct world *world, const char *number) {
        const json_t *list = json_object_get(world->phones, number);

        return json_string_value(json_object_get(json_array_get(list, json_array_size(list) - 1), "text"));
}

static void a_revision_and_a_withdrawal_send_nothing_unless_configured(void **state) {
        struct world world = world_of(&mas_driver);
        bool twice;

        (void) state;
        put_people(&world, 0, 5);
        deliver(&world);
        put_people(&world, 0, 9); /* who comes onto the list later does not get an old notice's revision */
        revise(&world, 8, NULL);
        withdraw(&world, 8, "{\"reason\":\"有误\"}");
        assert_int_equal(world.last, VERDICT_DONE);
        assert_int_equal(texted(&world, &twice), 5);
        world_done(&world);
}

static void corrections_go_to_those_who_were_texted(void **state) {
        struct world world = world_of(&mas_driver);
        bool twice;

        (void) state;
        world.options.on_revise = world.options.on_withdraw = SMS_CORRECT;
        put_people(&world, 0, 5);
        deliver(&world);
        put_people(&world, 2, 6); /* 0 and 1 are off the list: their numbers are known no more */
        revise(&world, 8, "{\"correction\":{\"note\":\"停水改到24日\"}}");
        assert_int_equal(texted(&world, &twice), 5 + 3);
        assert_string_equal(last_text(&world, "13800000002"), "更正：停水改到24日");
        assert_null(json_object_get(world.phones, "13800000006"));
        withdraw(&world, 8, "{\"reason\":\"停水取消\"}");
        assert_int_equal(texted(&world, &twice), 5 + 3 + 3);
        assert_string_equal(last_text(&world, "13800000003"), "撤回：此前发送的《关于停水的通知》已撤回。停水取消");
        deliver(&world); /* again: nothing */
        assert_int_equal(texted(&world, &twice), 5 + 3 + 3);
        world_done(&world);
}

static void an_erased_text_is_not_repeated_and_forgotten(void **state) {
        struct world world = world_of(&mas_driver);
        char *book;

        (void) state;
        world.options.on_withdraw = SMS_CORRECT;
        put_people(&world, 0, 2);
        deliver(&world);
        withdraw(&world, 7, "{\"reason\":\"写有张三的住址\",\"mode\":\"erase\"}");
        assert_string_equal(last_text(&world, "13800000001"), "撤回：2026-11-22发送的一条通知已撤回，请勿转发。");
        book = json_dumps(world.book, 0);
        assert_null(strstr(book, "停水"));
        free(book);
        world_done(&world);
}

/* A revision that overtakes in the middle: the memo is gone, the book is not. */
static void a_revision_in_the_middle_texts_only_those_who_had_nothing(void **state) {
        (void) state;
        for (int correct = 0; correct < 2; correct++) {
                struct world world = world_of(&mas_driver);
                bool twice;

                world.options.batch = 4;
                world.options.day_limit = 8;
                world.options.on_revise = correct ? SMS_CORRECT : SMS_IGNORE;
                put_people(&world, 0, 20);
                assert_true(attempt(&world));
                assert_int_equal(texted(&world, &twice), 8);
                world.options.day_limit = 0;
                revise(&world, 8, NULL);
                assert_int_equal(world.last, VERDICT_DONE);
                assert_int_equal(texted(&world, &twice), correct ? 28 : 20);
                assert_int_equal(twice, correct);
                world_done(&world);
        }
}

/* What was in doubt of a revision that is overtaken stays in doubt, though no memo tells of it. */
static void a_doubt_outlives_its_revision(void **state) {
        (void) state;
        for (size_t i = 0; i < ELEMENTS(all); i++) {
                struct world world = world_of(all[i]);
                bool twice;

                print_message("%s\n", all[i]->name);
                world.options.batch = 4;
                world.loses_replies = true;
                put_people(&world, 0, 18);
                assert_true(attempt(&world));
                assert_int_equal(world.last, VERDICT_UNCERTAIN);
                revise(&world, 8, NULL);
                assert_int_equal(world.last, VERDICT_DONE);
                assert_int_equal(texted(&world, &twice), 18);
                assert_false(twice);
                world_done(&world);
        }
}

/* One stands still somewhere, its lease passes, another does the rest; then the first goes on. */
static void two_workers_never_share_a_batch(void **state) {
        (void) state;
        for (size_t i = 0; i < ELEMENTS(all); i++)
                for (int at = 0; at < 16; at++) {
                        struct world one = world_of(all[i]), other = world_of(all[i]);
                        bool twice;

                        one.options.batch = other.options.batch = 4;
                        put_people(&one, 0, 18);
                        json_decref(other.book), json_decref(other.phones), json_decref(other.files);
                        other.book = json_incref(one.book);
                        other.phones = json_incref(one.phones);
                        other.files = json_incref(one.files);
                        one.intruder = &other;
                        one.intrudes_at = at;
                        deliver(&one);
                        (void) texted(&one, &twice);
                        if (twice)
                                print_message("%s, at step %d\n", all[i]->name, at);
                        assert_int_equal(other.last, VERDICT_DONE);
                        assert_false(twice);
                        world_done(&other);
                        world_done(&one);
                }
}

static void without_the_store_nothing_is_sent(void **state) {
        struct world world = world_of(&mas_driver);

        (void) state;
        put_people(&world, 0, 3);
        world.book_is_away = true;
        assert_true(attempt(&world));
        assert_int_equal(world.last, VERDICT_LATER);
        assert_string_equal(world.code, "sms/store");
        assert_int_equal(world.n_sendings, 0);
        world_done(&world);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(one_notice_reaches_everybody_once),
                cmocka_unit_test(a_kill_anywhere_texts_nobody_twice_and_skips_nobody),
                cmocka_unit_test(a_lost_reply_is_looked_up_or_named),
                cmocka_unit_test(what_never_left_is_no_doubt),
                cmocka_unit_test(behind_a_doubt_one_number_goes_ahead),
                cmocka_unit_test(a_request_that_has_not_come_yet_is_waited_for_and_then_sent_again),
                cmocka_unit_test(a_bad_number_stands_alone_in_the_end),
                cmocka_unit_test(at_night_only_what_is_urgent_goes),
                cmocka_unit_test(the_days_ceiling_holds_and_leaves_its_reserve),
                cmocka_unit_test(a_list_that_changes_between_attempts_is_followed),
                cmocka_unit_test(a_revision_and_a_withdrawal_send_nothing_unless_configured),
                cmocka_unit_test(corrections_go_to_those_who_were_texted),
                cmocka_unit_test(an_erased_text_is_not_repeated_and_forgotten),
                cmocka_unit_test(a_revision_in_the_middle_texts_only_those_who_had_nothing),
                cmocka_unit_test(a_doubt_outlives_its_revision),
                cmocka_unit_test(two_workers_never_share_a_batch),
                cmocka_unit_test(without_the_store_nothing_is_sent),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
