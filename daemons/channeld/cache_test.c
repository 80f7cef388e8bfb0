#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "core/memory.h"
#include "core/parcel.h"
#include "daemons/channeld/cache.h"

/* A message of events "urn:x FIRST" and on, of `n_bytes` times the letter x each. */
static void message(zmq_msg_t *ret, unsigned first, unsigned n_events, size_t n_bytes) {
        static char bytes[CACHE_BYTES];
        size_t n = PARCEL_HEAD;
        char name[32], *at;

        memset(bytes, 'x', sizeof(bytes));
        for (unsigned i = first; i < first + n_events; i++)
                n += parcel_room((size_t) snprintf(name, sizeof(name), "urn:x %u", i), n_bytes);
        assert_int_equal(zmq_msg_init_size(ret, n), 0);
        at = parcel_head(zmq_msg_data(ret));
        for (unsigned i = first; i < first + n_events; i++) {
                int n_name = snprintf(name, sizeof(name), "urn:x %u", i);

                at = parcel_add(at, name, (size_t) n_name, bytes, n_bytes);
        }
}

static bool put(struct cache *cache, const char *region, unsigned first, unsigned n_events,
                size_t n_bytes, int64_t now) {
        zmq_msg_t one;
        bool good;

        message(&one, first, n_events, n_bytes);
        good = cache_put(cache, region, &one, now);
        assert_int_equal(zmq_msg_close(&one), 0);
        return good;
}

/* How many bytes it had, 0: it is not there. */
static size_t take(struct cache *cache, const char *region, unsigned number, struct held **ret) {
        char name[32], *bytes;
        size_t n = 0;

        (void) snprintf(name, sizeof(name), "urn:x %u", number);
        bytes = cache_take(cache, region, name, &n, ret);
        if (!bytes)
                return 0;
        assert_int_equal(bytes[n], '\0');
        assert_int_equal(strspn(bytes, "x"), n);
        return n;
}

static bool is_there(struct cache *cache, const char *region, unsigned number) {
        struct held *held = NULL;

        if (take(cache, region, number, &held) == 0)
                return false;
        cache_give_back(held);
        return true;
}

static void each_event_is_handed_out_once_in_its_region(void **state) {
        struct cache *cache = cache_new();

        (void) state;
        assert_true(put(cache, "530581", 0, 300, 100, 0));
        assert_true(put(cache, "530582", 7, 1, 5, 0)); /* short: it stands in the message itself */
        for (unsigned i = 0; i < 300; i += 2)
                assert_true(is_there(cache, "530581", i));
        assert_false(is_there(cache, "530581", 0));
        assert_false(is_there(cache, "530581", 300));
        assert_false(is_there(cache, "530582", 1));
        assert_true(is_there(cache, "530582", 7));
        assert_true(is_there(cache, "530581", 7));
        cache_free(cache);
}

static void memory_goes_with_the_last_that_is_given_back(void **state) {
        struct cache *cache = cache_new();
        struct held *first = NULL, *second = NULL;

        (void) state;
        assert_true(put(cache, "530581", 0, 2, 50000, 0));
        assert_in_range(cache_bytes(cache), 100000, 101000);
        assert_int_equal(take(cache, "530581", 1, &second), 50000);
        cache_give_back(second);
        assert_int_equal(take(cache, "530581", 0, &first), 50000);
        assert_in_range(cache_bytes(cache), 100000, 101000);
        cache_give_back(first);
        assert_int_equal(cache_bytes(cache), 0);
        cache_free(cache);
}

static void what_is_held_by_one_slow_attempt_counts(void **state) {
        enum { PARCELS = CACHE_BYTES / (4 * 50000 + 1000) };
        struct cache *cache = cache_new();
        struct held *slow[PARCELS];

        (void) state;
        for (unsigned i = 0; i < PARCELS; i++) {
                assert_true(put(cache, "530581", 10 * i, 4, 50000, 0));
                for (unsigned k = 1; k < 4; k++)
                        assert_true(is_there(cache, "530581", 10 * i + k));
                assert_int_equal(take(cache, "530581", 10 * i, &slow[i]), 50000);
        }
        assert_true(put(cache, "530581", 5, 4, 50000, 0));
        assert_false(is_there(cache, "530581", 5));
        cache_give_back(slow[3]);
        assert_true(put(cache, "530581", 5, 4, 50000, 0));
        assert_true(is_there(cache, "530581", 5));
        for (unsigned i = 0; i < PARCELS; i++)
                if (i != 3)
                        cache_give_back(slow[i]);
        cache_free(cache);
}

static void a_full_cache_lets_new_ones_go_by_until_the_old_ones_are_over(void **state) {
        static const struct {
                const char *story;
                unsigned n_events, n_fit;
                size_t n_bytes;
        } rows[] = {
                { "by number", 128, 2048, 10 },
                { "by bytes", 8, 64, 60000 },
                { "one by one", 1, 2048, 10 },
        };

        (void) state;
        for (size_t row = 0; row < ELEMENTS(rows); row++) {
                struct cache *cache = cache_new();
                unsigned n = 0;

                while (n <= CACHE_EVENTS) {
                        size_t before = cache_bytes(cache);

                        assert_true(put(cache, "530581", n, rows[row].n_events, rows[row].n_bytes,
                                        100000));
                        if (cache_bytes(cache) == before)
                                break;
                        n += rows[row].n_events;
                }
                if (n != rows[row].n_fit || cache_bytes(cache) > CACHE_BYTES)
                        fail_msg("%s: %u", rows[row].story, n);
                assert_true(put(cache, "530581", n, rows[row].n_events, rows[row].n_bytes,
                                100000 + CACHE_KEPT_MS - 1));
                assert_false(is_there(cache, "530581", n));
                assert_true(put(cache, "530581", n, rows[row].n_events, rows[row].n_bytes,
                                101000 + CACHE_KEPT_MS));
                assert_true(is_there(cache, "530581", n));
                assert_false(is_there(cache, "530581", 1));
                cache_free(cache);
        }
}

static void what_is_taken_outlasts_the_sweep(void **state) {
        struct cache *cache = cache_new();
        struct held *held = NULL;

        (void) state;
        assert_true(put(cache, "530581", 0, 64, 4000, 0));
        assert_int_equal(take(cache, "530581", 3, &held), 4000);
        for (unsigned i = 1; i < 32; i++)
                assert_true(put(cache, "530581", 100 * i, 64, 4000, 0));
        assert_true(put(cache, "530581", 9000, 64, 4000, 2 * CACHE_KEPT_MS));
        assert_false(is_there(cache, "530581", 4));
        assert_true(is_there(cache, "530581", 9000));
        assert_true(cache_bytes(cache) > 2 * 64 * 4000);
        cache_give_back(held);
        assert_true(cache_bytes(cache) < 2 * 64 * 4000);
        cache_free(cache);
}

static void what_is_no_parcel_is_told(void **state) {
        struct cache *cache = cache_new();
        zmq_msg_t one;

        (void) state;
        assert_int_equal(zmq_msg_init(&one), 0);
        assert_false(cache_put(cache, "530581", &one, 0));
        message(&one, 1, 3, 100);
        ((char *) zmq_msg_data(&one))[zmq_msg_size(&one) - 1] = '!';
        assert_false(cache_put(cache, "530581", &one, 0));
        assert_false(is_there(cache, "530581", 1));
        assert_int_equal(zmq_msg_close(&one), 0);
        cache_free(cache);
}

static void an_event_without_bytes_and_a_huge_one_are_not_kept(void **state) {
        struct cache *cache = cache_new();

        (void) state;
        assert_true(put(cache, "530581", 1, 3, 0, 0));
        assert_true(put(cache, "530581", 5, 1, CACHE_BYTES / 8, 0));
        assert_false(is_there(cache, "530581", 1));
        assert_false(is_there(cache, "530581", 5));
        assert_int_equal(cache_bytes(cache), 0);
        cache_free(cache);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(each_event_is_handed_out_once_in_its_region),
                cmocka_unit_test(memory_goes_with_the_last_that_is_given_back),
                cmocka_unit_test(what_is_held_by_one_slow_attempt_counts),
                cmocka_unit_test(a_full_cache_lets_new_ones_go_by_until_the_old_ones_are_over),
                cmocka_unit_test(what_is_taken_outlasts_the_sweep),
                cmocka_unit_test(what_is_no_parcel_is_told),
                cmocka_unit_test(an_event_without_bytes_and_a_huge_one_are_not_kept),
        };

        return cmocka_run_group_tests_name("cache", tests, NULL, NULL);
}
