#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/alarm.h"
#include "core/clock.h"
#include "core/log.h"
#include "daemons/channeld/channeld.h"

static char folder[64];
static struct configuration configuration;
static struct channel_config channel = { .name = (char[]) { "portal" } };
static struct channeld daemon_here;
static struct region regions[2];
static int64_t granted_until_ms;

static int64_t expires(const void *options, const char *secret) {
        return granted_until_ms;
}

static int call(const struct call *call, const void *options, const char *secret, int64_t now_ms,
                struct call_answer *ret) {
        return 0;
}

static const struct driver granted = { .name = "granted", .expires = expires, .call = call };

static bool is_open(const char *name) {
        char path[160];

        (void) snprintf(path, sizeof(path), "%s/alarms/%s.json", folder, name);
        return access(path, F_OK) == 0;
}

static int begin(void **state) {
        (void) state;
        (void) snprintf(folder, sizeof(folder), "/tmp/gongkai-trouble-XXXXXX");
        if (!mkdtemp(folder))
                return -1;
        configuration = (struct configuration) { .main.state_dir = folder };
        daemon_here = (struct channeld) { .configuration = &configuration, .channel = &channel,
                                          .driver = &granted, .regions = regions,
                                          .n_regions = 2 };
        for (size_t i = 0; i < 2; i++)
                regions[i] = (struct region) { .daemon = &daemon_here, .code = "530581" };
        trouble_start(&daemon_here);
        return 0;
}

static int remove_one(const char *path, const struct stat *st, int flag, struct FTW *at) {
        return remove(path);
}

static int end(void **state) {
        (void) state;
        json_decref(daemon_here.raised);
        json_decref(daemon_here.stills);
        alarm_end();
        return nftw(folder, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

static void an_endpoint_needs_a_person_after_five_minutes(void **state) {
        (void) state;
        trouble_breaker(&regions[0], true, 1000);
        assert_false(is_open("breaker-open--portal"));
        regions[0].open_since_boot_ms -= 299000;
        trouble_breaker(&regions[0], true, 1000); /* no news: the time goes on */
        assert_false(is_open("breaker-open--portal"));
        regions[0].open_since_boot_ms -= 2000;
        trouble_breaker(&regions[1], true, 1000);
        assert_true(is_open("breaker-open--portal"));
        trouble_breaker(&regions[0], false, 0);
        assert_true(is_open("breaker-open--portal")); /* the other region's is open yet */
        trouble_breaker(&regions[1], false, 0);
        assert_false(is_open("breaker-open--portal"));
        /* Open anew: it is counted from now. */
        trouble_breaker(&regions[0], true, 1000);
        assert_false(is_open("breaker-open--portal"));
}

static void what_was_said_of_a_document_is_over_when_it_is_shown(void **state) {
        struct lease lease = { .document = (char[]) { "doc-1" } };
        struct attempt attempt = { .daemon = &daemon_here, .region = &regions[0], .lease = &lease,
                                   .kind = 'P' };

        (void) state;
        attempt.deadline_ms = clock_now_ms() + 60000;
        trouble_deadline(&attempt);
        assert_false(is_open("deadline-missed--portal%2Fdoc-1"));
        attempt.deadline_ms = clock_now_ms() - 60000;
        trouble_deadline(&attempt);
        trouble_poison(&regions[0], "doc-1");
        trouble_damaged(&regions[0], "doc-1");
        assert_true(is_open("deadline-missed--portal%2Fdoc-1"));
        assert_true(is_open("poison--portal%2Fdoc-1"));
        assert_true(is_open("bytes-damaged--530581%2Fdoc-1"));
        alarm_end(); /* another run finds them open, and closes them */
        json_decref(daemon_here.raised);
        daemon_here.raised = NULL;
        trouble_start(&daemon_here);
        trouble_done(&regions[0], "doc-1");
        assert_false(is_open("deadline-missed--portal%2Fdoc-1"));
        assert_false(is_open("poison--portal%2Fdoc-1"));
        assert_false(is_open("bytes-damaged--530581%2Fdoc-1"));
}

/* What is said of a withdrawal, and what is open behind it. */
static void players_that_have_not_confirmed_are_an_alarm_after_a_minute(void **state) {
        static const struct {
                const char *story;
                enum delivery_kind kind;
                enum verdict_kind verdict;
                bool names;
                int64_t age_s, first_shown_ms;
                bool is_open;
        } rows[] = {
                { "a moment ago", DELIVER_WITHDRAW, VERDICT_ASK, true, 59, 1, false },
                { "a minute is over", DELIVER_WITHDRAW, VERDICT_ASK, true, 62, 1, true },
                { "the broker is away", DELIVER_WITHDRAW, VERDICT_LATER, false, 70, 1, true },
                { "all have confirmed", DELIVER_WITHDRAW, VERDICT_DONE, false, 80, 1, false },
                { "again", DELIVER_WITHDRAW, VERDICT_ASK, true, 90, 1, true },
                { "it waits, but for none of them", DELIVER_WITHDRAW, VERDICT_ASK, false, 90, 1, false },
                { "again", DELIVER_WITHDRAW, VERDICT_ASK, true, 90, 1, true },
                { "it is put back", DELIVER_PUBLISH, VERDICT_ASK, true, 0, 1, false },
                { "again", DELIVER_WITHDRAW, VERDICT_ASK, true, 90, 1, true },
                { "it is dead", DELIVER_WITHDRAW, VERDICT_REFUSED, false, 90, 1, false },
                { "an expiry counts from when it was asked", DELIVER_EXPIRE, VERDICT_ASK, true, 9000, 1, false },
        };
        static char hall[] = "hall";
        struct attempt attempt = { .daemon = &daemon_here, .region = &regions[0] };

        (void) state;
        attempt.delivery.document = "doc-1";
        for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
                print_message("%s\n", rows[i].story);
                attempt.delivery.kind = rows[i].kind;
                attempt.delivery.first_shown_ms = rows[i].first_shown_ms;
                attempt.delivery.accepted_ms = clock_now_ms() - rows[i].age_s * 1000;
                attempt.step.verdict = (struct verdict) {
                        .kind = rows[i].verdict, .still = rows[i].names ? hall : NULL
                };
                trouble_still(&attempt, rows[i].verdict == VERDICT_ASK);
                assert_int_equal(is_open("withdrawal-unconfirmed--portal%2Fdoc-1"), rows[i].is_open);
        }
        (void) json_object_set_new(daemon_here.stills, "doc-1", json_integer(clock_now_ms() - 61000));
        trouble_still(&attempt, true);
        assert_true(is_open("withdrawal-unconfirmed--portal%2Fdoc-1"));
        alarm_end(); /* another worker hears of the end */
        trouble_start(&daemon_here);
        attempt.step.verdict = (struct verdict) { .kind = VERDICT_DONE };
        trouble_still(&attempt, false);
        assert_false(is_open("withdrawal-unconfirmed--portal%2Fdoc-1"));
}

static void a_blocked_channel_is_an_alarm_until_it_goes_on(void **state) {
        (void) state;
        trouble_blocked(&daemon_here, "401 Unauthorized");
        assert_true(is_open("channel-blocked--portal"));
        trouble_goes(&daemon_here);
        assert_false(is_open("channel-blocked--portal"));
}

static void what_is_granted_ends_with_an_alarm_seven_days_before(void **state) {
        static const int64_t day_ms = 86400000;
        static const struct {
                int64_t days;
                bool is_open;
        } rows[] = { { 8, false }, { 6, true }, { 0, true }, { -3, true }, { 30, false } };

        (void) state;
        for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
                granted_until_ms = clock_now_ms() + rows[i].days * day_ms;
                daemon_here.expiry_boot_ms = 0; /* a day has gone by */
                trouble_expiry(&daemon_here);
                assert_int_equal(is_open("token-expires--portal"), rows[i].is_open);
        }
        granted_until_ms = clock_now_ms(); /* looked at once a day */
        trouble_expiry(&daemon_here);
        assert_false(is_open("token-expires--portal"));
        granted_until_ms = 0; /* nobody knows */
        daemon_here.expiry_boot_ms = 0;
        trouble_expiry(&daemon_here);
        assert_false(is_open("token-expires--portal"));
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test_setup_teardown(an_endpoint_needs_a_person_after_five_minutes, begin, end),
                cmocka_unit_test_setup_teardown(what_was_said_of_a_document_is_over_when_it_is_shown,
                                                begin, end),
                cmocka_unit_test_setup_teardown(players_that_have_not_confirmed_are_an_alarm_after_a_minute,
                                                begin, end),
                cmocka_unit_test_setup_teardown(a_blocked_channel_is_an_alarm_until_it_goes_on, begin,
                                                end),
                cmocka_unit_test_setup_teardown(what_is_granted_ends_with_an_alarm_seven_days_before,
                                                begin, end),
        };

        (void) unsetenv("JOURNAL_STREAM");
        log_open("gongkai-test");
        return cmocka_run_group_tests_name("trouble", tests, NULL, NULL);
}
