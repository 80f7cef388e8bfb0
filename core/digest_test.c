#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "core/digest.h"
#include "core/memory.h"

static void digests_agree_with_the_published_ones(void **state) {
        /* FIPS 180-4's examples, as NIST lists them. */
        static const struct {
                const char *text, *digest;
        } rows[] = {
                { "", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855" },
                { "abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad" },
                { "abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
                  "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1" },
        };

        (void) state;
        for (int again = 0; again < 2; again++) /* the context is used twice */
                for (size_t i = 0; i < ELEMENTS(rows); i++) {
                        char digest[DIGEST_TEXT];

                        digest_bytes(rows[i].text, strlen(rows[i].text), digest);
                        assert_string_equal(digest, rows[i].digest);
                }
}

static void a_sum_sees_every_bit_and_the_length(void **state) {
        unsigned char sum[DIGEST_SUM], other[DIGEST_SUM];
        char text[43] = "{\"specversion\":\"1.0\",\"id\":\"t-1\",\"x\":0}";

        (void) state;
        digest_sum(text, 40, sum);
        for (size_t bit = 0; bit < 8 * 40; bit++) {
                text[bit / 8] ^= (char) (1 << bit % 8);
                digest_sum(text, 40, other);
                assert_memory_not_equal(sum, other, DIGEST_SUM);
                text[bit / 8] ^= (char) (1 << bit % 8);
        }
        digest_sum(text, 40, other);
        assert_memory_equal(sum, other, DIGEST_SUM);
        digest_sum(text, 39, other);
        assert_memory_not_equal(sum, other, DIGEST_SUM);
        digest_sum("{\"specversion\":\"1.0\"}", 21, sum); /* stored and compared: it stays what it is */
        assert_memory_equal(sum, "\x3a\x4c\x2f\xaa\x8a\x5d\x59\x99", DIGEST_SUM);
        digest_sum("\0", 1, sum);
        digest_sum("", 0, other);
        assert_memory_not_equal(sum, other, DIGEST_SUM);
}

static void a_mark_tells_key_text_and_bytes_apart(void **state) {
        static const struct {
                const char *key, *text, *bytes;
        } rows[] = {
                { "01KQ4W0000ABCDEFGHJKMNPQRS", "title", "body" },
                { "01KQ4W0000ABCDEFGHJKMNPQRT", "title", "body" },
                { "01KQ4W0000ABCDEFGHJKMNPQRS", "titl", "ebody" },
                { "01KQ4W0000ABCDEFGHJKMNPQRS", "titlebody", "" },
                { "01KQ4W0000ABCDEFGHJKMNPQRS", "", "titlebody" },
                { "01KQ4W0000ABCDEFGHJKMNPQRS", "title", "Body" },
                { "", "title", "body" },
        };
        unsigned char marks[ELEMENTS(rows)][DIGEST_MARK];

        (void) state;
        for (size_t i = 0; i < ELEMENTS(rows); i++) {
                digest_mark(rows[i].key, rows[i].text, rows[i].bytes, strlen(rows[i].bytes), marks[i]);
                for (size_t k = 0; k < i; k++)
                        assert_memory_not_equal(marks[i], marks[k], DIGEST_MARK);
        }
        /* openssl mac -macopt hexkey:(SHA-256 of the key) POLY1305: it is stored. */
        assert_memory_equal(marks[0], "\xcc\x03\x4d\x40\x6f\x0b\x5a\x44\x87\x0a\xcf\x08\xf0\x77\x53\x93", DIGEST_MARK);
        /* Another key in between, which begins alike. */
        digest_mark("01KQ4W0000ABCDEFGHJKMNPQR", "title", "body", 4, marks[1]);
        assert_memory_not_equal(marks[1], marks[0], DIGEST_MARK);
        digest_mark(rows[0].key, "title", "body", 4, marks[1]);
        assert_memory_equal(marks[1], marks[0], DIGEST_MARK);
}

static void identifiers_tell_their_time(void **state) {
        char id[ULID_TEXT];

        (void) state;
        ulid_new(1469918176385, id); /* the specification's own example */
        assert_int_equal(strlen(id), 26);
        assert_memory_equal(id, "01ARYZ6S41", 10);
        assert_int_equal(strspn(id, "0123456789ABCDEFGHJKMNPQRSTVWXYZ"), 26);
}

static void later_identifiers_sort_later(void **state) {
        static const int64_t base = 1795000000000;
        char last[ULID_TEXT], id[ULID_TEXT];

        (void) state;
        ulid_new(base, last);
        for (int i = 0; i < 100000; i++) {
                /* the same millisecond, the next one, and a clock that steps back */
                int64_t now = base + i / 1000 - (i % 7 == 0 ? 50 : 0);

                ulid_new(now, id);
                assert_true(strcmp(last, id) < 0);
                memcpy(last, id, sizeof(last));
        }
}

static void identifiers_of_two_milliseconds_share_no_random_part(void **state) {
        char a[ULID_TEXT], b[ULID_TEXT];

        (void) state;
        ulid_new(1796000000000, a);
        ulid_new(1796000000001, b);
        assert_memory_not_equal(a + 10, b + 10, 16);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(digests_agree_with_the_published_ones),
                cmocka_unit_test(a_sum_sees_every_bit_and_the_length),
                cmocka_unit_test(a_mark_tells_key_text_and_bytes_apart),
                cmocka_unit_test(identifiers_tell_their_time),
                cmocka_unit_test(later_identifiers_sort_later),
                cmocka_unit_test(identifiers_of_two_milliseconds_share_no_random_part),
        };

        return cmocka_run_group_tests_name("digest", tests, NULL, NULL);
}
