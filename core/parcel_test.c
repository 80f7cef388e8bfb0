#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "core/memory.h"
#include "core/parcel.h"

static const struct one {
        const char *name, *bytes;
        size_t n_bytes;
} three[] = {
        { "urn:gongkai:530581:oa 1", "{\"id\":\"1\"}", 10 },
        { "urn:gongkai:530581:oa 2", "", 0 }, /* only said to be there */
        { "", "a\0b", 3 },
};

/* In memory of just its size, so that a sanitizer sees each byte that is read beyond. */
static char *pack(const struct one *events, size_t n_events, size_t *ret_n) {
        size_t n = PARCEL_HEAD;
        char *data, *at;

        for (size_t i = 0; i < n_events; i++)
                n += parcel_room(strlen(events[i].name), events[i].n_bytes);
        data = malloc(n);
        assert_non_null(data);
        at = parcel_head(data);
        for (size_t i = 0; i < n_events; i++)
                at = parcel_add(at, events[i].name, strlen(events[i].name), events[i].bytes,
                                events[i].n_bytes);
        assert_int_equal(at - data, n);
        *ret_n = n;
        return data;
}

static bool opens(const char *data, size_t n) {
        char *copy freed_by(freep) = malloc(n ? n : 1);
        struct parcel parcel = { 0 };
        bool good;

        assert_non_null(copy);
        if (n)
                memcpy(copy, data, n);
        good = parcel_open(&parcel, copy, n);
        assert_true(good || !parcel.at);
        return good;
}

static void what_was_packed_comes_out_in_its_order_with_a_nul_behind(void **state) {
        size_t n;
        char *data freed_by(freep) = pack(three, ELEMENTS(three), &n);
        struct parcel parcel;
        struct parcel_event event;

        (void) state;
        assert_true(parcel_open(&parcel, data, n));
        for (size_t i = 0; i < ELEMENTS(three); i++) {
                assert_true(parcel_next(&parcel, &event));
                assert_int_equal(event.n_name, strlen(three[i].name));
                assert_string_equal(event.name, three[i].name);
                assert_int_equal(event.n_bytes, three[i].n_bytes);
                assert_memory_equal(event.bytes, three[i].bytes, three[i].n_bytes + 1);
        }
        assert_false(parcel_next(&parcel, &event));
}

static void an_empty_one_has_no_events(void **state) {
        size_t n;
        char *data freed_by(freep) = pack(NULL, 0, &n);
        struct parcel parcel;
        struct parcel_event event;

        (void) state;
        assert_true(parcel_open(&parcel, data, n));
        assert_false(parcel_next(&parcel, &event));
}

static void many_events_come_through(void **state) {
        enum { MANY = 5000 };
        struct one *events freed_by(freep) = calloc(MANY, sizeof(*events));
        char *data freed_by(freep) = NULL;
        struct parcel parcel;
        struct parcel_event event;
        size_t n, n_seen = 0;

        (void) state;
        assert_non_null(events);
        for (size_t i = 0; i < MANY; i++)
                events[i] = three[i % ELEMENTS(three)];
        data = pack(events, MANY, &n);
        assert_true(parcel_open(&parcel, data, n));
        while (parcel_next(&parcel, &event))
                assert_string_equal(event.name, events[n_seen++].name);
        assert_int_equal(n_seen, MANY);
}

static void one_that_ends_too_early_is_none(void **state) {
        size_t n, first = PARCEL_HEAD;
        char *data freed_by(freep) = pack(three, ELEMENTS(three), &n);

        (void) state;
        for (size_t cut = 0, i = 0; cut < n; cut++) {
                /* Where an event has just ended nobody can tell that there was another. */
                if (cut == first) {
                        assert_true(opens(data, cut));
                        first += parcel_room(strlen(three[i].name), three[i].n_bytes);
                        i++;
                        continue;
                }
                assert_false(opens(data, cut));
        }
        assert_true(opens(data, n));
}

static void a_length_that_lies_is_seen(void **state) {
        static const struct {
                const char *story;
                size_t at;
                unsigned char bytes[4];
        } lies[] = {
                { "a name of 4 GiB", PARCEL_HEAD, { 255, 255, 255, 255 } },
                { "a name longer by one", PARCEL_HEAD, { 0, 0, 0, 24 } },
                { "a name shorter by one", PARCEL_HEAD, { 0, 0, 0, 22 } },
                { "a name as long as all the rest", PARCEL_HEAD, { 0, 0, 0, 34 } },
                { "bytes of 4 GiB", PARCEL_HEAD + 4, { 255, 255, 255, 255 } },
                { "bytes of 2 GiB", PARCEL_HEAD + 4, { 128, 0, 0, 0 } },
                { "bytes longer by one", PARCEL_HEAD + 4, { 0, 0, 0, 11 } },
                { "bytes shorter by one", PARCEL_HEAD + 4, { 0, 0, 0, 9 } },
                { "no bytes", PARCEL_HEAD + 4, { 0, 0, 0, 0 } },
                { "another version", 0, { 'g', 'k', 'p', '2' } },
                { "another thing", 0, { '{', '"', 'i', 'd' } },
        };
        size_t n;
        char *data freed_by(freep) = pack(three, 1, &n);

        (void) state;
        assert_true(opens(data, n));
        for (size_t i = 0; i < ELEMENTS(lies); i++) {
                char *lie freed_by(freep) = malloc(n);

                assert_non_null(lie);
                memcpy(lie, data, n);
                memcpy(lie + lies[i].at, lies[i].bytes, sizeof(lies[i].bytes));
                if (opens(lie, n))
                        fail_msg("%s is taken", lies[i].story);
        }
}

static void a_text_without_its_nul_is_seen(void **state) {
        size_t n, n_name = strlen(three[0].name);
        char *data freed_by(freep) = pack(three, 1, &n);

        (void) state;
        data[n - 1] = 'x';
        assert_false(opens(data, n));
        data[n - 1] = '\0';
        data[PARCEL_HEAD + 8 + n_name] = ' ';
        assert_false(opens(data, n));
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(what_was_packed_comes_out_in_its_order_with_a_nul_behind),
                cmocka_unit_test(an_empty_one_has_no_events),
                cmocka_unit_test(many_events_come_through),
                cmocka_unit_test(one_that_ends_too_early_is_none),
                cmocka_unit_test(a_length_that_lies_is_seen),
                cmocka_unit_test(a_text_without_its_nul_is_seen),
        };

        return cmocka_run_group_tests_name("parcel", tests, NULL, NULL);
}
