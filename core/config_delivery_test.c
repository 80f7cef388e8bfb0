#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "core/config_parts.h"
#include "core/memory.h"

/* A channel's file that says nothing but this, read as far as it is about trying. */
static void read_channel(const char *text, struct channel_config *channel,
                         struct problems *problems) {
        struct settings_part part = { channel_settings, n_channel_settings, channel };

        *channel = (struct channel_config) { .name = strdup("a"), .path = strdup("a.conf") };
        assert_int_equal(conf_parse("a.conf", text, strlen(text), problems, &channel->conf), 0);
        assert_int_equal(settings_apply(&part, 1, channel->conf, problems), 0);
        assert_int_equal(config_read_delivery(channel, problems), 0);
}

static void what_cannot_be_is_said_with_its_line(void **state) {
        static const struct {
                const char *story, *line, *says;
        } rows[] = {
                { "a wait without unit", "retry = 5s, 30", "“30”" },
                { "no wait between attempts", "retry = 5s, 0s", "“0s”" },
                { "a wait that is repeated and does not say how often", "retry = 5s*", "“5s*”" },
                { "a wait that is repeated never", "retry = 5s*0", "“5s*0”" },
                { "a wait that is repeated so and so often", "retry = 5s*3x", "“5s*3x”" },
                { "a wait that is repeated for ever", "retry = 5s*600, 6s*400", "少于 1000" },
                { "a wait of a year", "retry = 365d", "30d" },
                { "a rate without a unit", "rate = 10", "10/s" },
                { "a rate in hours", "rate = 10/h", "“10/h”" },
                { "two rates a second", "rate = 10/s, 20/s", "“20/s”" },
                { "a rate of nothing", "rate = 0/min", "“0/min”" },
                { "a rate of more than can be", "rate = 1000001/s", "1000000" },
                { "a quota of a minute", "quota = 100/min", "100/day" },
                { "a reserve of no quota", "quota_reserve = 1", "没有 quota" },
                { "a reserve of everything", "quota_reserve = 5\nquota = 5/day", "比 quota 小" },
                { "a share of more than all", "breaker_share = 101%", "100%" },
                { "a share of something", "breaker_share = 50", "50%" },
                { "a share of nothing", "breaker_share = 0%", "1%" },
                { "an end that nobody knows", "on_end = burn", "remove" },
                { "too many at once", "concurrency = 65", "0 到 64" },
                { "a lease that nobody can renew in time", "lease = 900ms", "1s 到" },
        };

        (void) state;
        for (size_t i = 0; i < ELEMENTS(rows); i++) {
                struct problems problems = { 0 };
                struct channel_config channel;
                struct buf text = { 0 };

                print_message("%s\n", rows[i].story);
                buf_fmt(&text, "driver = site\n%s\n", rows[i].line);
                read_channel(buf_text(&text), &channel, &problems);
                assert_int_equal(problems.n, 1);
                assert_int_equal(problems.list[0].line, 2);
                assert_non_null(strstr(problems.list[0].text, rows[i].says));
                buf_done(&text);
                problems_done(&problems);
                channel_config_done(&channel);
        }
}

static void a_list_of_waits_is_as_long_as_it_says(void **state) {
        static const struct {
                const char *story, *retry;
                size_t n;
                int64_t first_ms, last_ms;
        } rows[] = {
                { "a zero is the first try", "0, 5s, 30s", 2, 5000, 30000 },
                { "and may have a unit", "0s, 5s", 1, 5000, 5000 },
                { "the first try needs no zero", "5s, 30s", 2, 5000, 30000 },
                { "never again", "0", 0, 0, 0 },
                { "fifty times", "100ms*50", 50, 100, 100 },
                { "blanks around", "1s * 3, 2min", 4, 1000, 120000 },
                { "the shortest, the longest", "10ms, 30d", 2, 10, INT64_C(2592000000) },
        };

        (void) state;
        for (size_t i = 0; i < ELEMENTS(rows); i++) {
                struct problems problems = { 0 };
                struct channel_config channel;
                struct buf text = { 0 };

                print_message("%s\n", rows[i].story);
                buf_fmt(&text, "driver = webhook\nretry = %s\n", rows[i].retry);
                read_channel(buf_text(&text), &channel, &problems);
                assert_int_equal(problems.n, 0);
                assert_int_equal(channel.n_retry, rows[i].n);
                if (rows[i].n > 0) {
                        assert_int_equal(channel.retry_ms[0], rows[i].first_ms);
                        assert_int_equal(channel.retry_ms[rows[i].n - 1], rows[i].last_ms);
                }
                buf_done(&text);
                problems_done(&problems);
                channel_config_done(&channel);
        }
}

static void the_end_of_a_display_is_as_the_carrier_is(void **state) {
        static const char *const rows[][3] = {
                { "driver = site\n", "mark", "a record" },
                { "driver = display\n", "remove", "of the moment" },
                { "driver = onbon\n", "remove", "of the moment" },
                { "driver = mqtt\n", "remove", "of the moment" },
                { "driver = webhook\n", "keep", "another's affair" },
                { "driver = site\non_end = keep\n", "keep", "unless it is said" },
        };

        (void) state;
        for (size_t i = 0; i < ELEMENTS(rows); i++) {
                struct problems problems = { 0 };
                struct channel_config channel;

                print_message("%s\n", rows[i][2]);
                read_channel(rows[i][0], &channel, &problems);
                assert_string_equal(channel.on_end, rows[i][1]);
                assert_int_equal(problems.n, 0);
                channel_config_done(&channel);
        }
}

static void a_card_gets_one_connection_at_a_time(void **state) {
        static const struct {
                const char *text;
                int64_t concurrency;
        } rows[] = {
                { "driver = onbon\n", 1 },
                { "driver = onbon\nconcurrency = 4\n", 4 },
                { "driver = mqtt\n", 0 },
        };

        (void) state;
        for (size_t i = 0; i < ELEMENTS(rows); i++) {
                struct problems problems = { 0 };
                struct channel_config channel;

                read_channel(rows[i].text, &channel, &problems);
                assert_int_equal(channel.concurrency, rows[i].concurrency);
                channel_config_done(&channel);
        }
}

static void pace_is_counted_by_its_unit(void **state) {
        static const char text[] = "driver = site\nrate = 10/s, 300 / min\nquota = 2000/d\n"
                                   "quota_reserve = 100\ntimeout = 3s\nbreaker_probe = 10min\n";
        struct problems problems = { 0 };
        struct channel_config channel;

        (void) state;
        read_channel(text, &channel, &problems);
        assert_int_equal(problems.n, 0);
        assert_int_equal(channel.per_second, 10);
        assert_int_equal(channel.per_minute, 300);
        assert_int_equal(channel.per_day, 2000);
        assert_int_equal(channel.quota_reserve, 100);
        assert_int_equal(channel.late_effect_ms, 3000); /* as the timeout */
        assert_int_equal(channel.screen_silent_ms, INT64_C(72) * 3600000);
        assert_int_equal(channel.breaker_share, 50);
        assert_int_equal(channel.breaker_probe_most_ms, 600000); /* never below the first */
        channel_config_done(&channel);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(what_cannot_be_is_said_with_its_line),
                cmocka_unit_test(a_list_of_waits_is_as_long_as_it_says),
                cmocka_unit_test(the_end_of_a_display_is_as_the_carrier_is),
                cmocka_unit_test(a_card_gets_one_connection_at_a_time),
                cmocka_unit_test(pace_is_counted_by_its_unit),
        };

        return cmocka_run_group_tests_name("how hard a channel tries", tests, NULL, NULL);
}
