#include "channels/webhook/fixture.h"

#include <errno.h>

/* Each signature here was computed apart from our code, by
 *     printf '%s' "$ID.$TIME.$BODY" |
 *         openssl dgst -sha256 -mac HMAC -macopt hexkey:$KEY -binary | base64
 * and again by Python's hmac. The first is also the published vector of Standard Webhooks. */
static const char published[] = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=";
static const char by_text[] = "v1,6gYXYZrpH0n38tMSdcGevSClInasEaSO8OfmMrheni0=";
static const char by_bytes[] = "v1,kBFw2umsIe6WX/wssXGVPC5BFaDjXBu+r0sO8MN90KU=";
static const char our_body[] = "{\"specversion\":\"1.0\",\"id\":\"e1\",\"data\":{\"title\":"
                               "\"关于停水的通知\"}}";

static int sign(const char *secrets, struct buf *ret, unsigned *ret_line) {
        return webhook_sign(secrets, EVENT_ID "-7-media", 1795320000, our_body, strlen(our_body),
                            ret, ret_line);
}

static void the_published_vector_comes_out(void **state) {
        static const char body[] = "{\"test\": 2432232314}";
        struct buf signature = { 0 };
        unsigned line = 0;

        (void) state;
        assert_int_equal(webhook_sign("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
                                      "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, body,
                                      strlen(body), &signature, &line), 0);
        assert_string_equal(buf_text(&signature), published);
        buf_done(&signature);
}

static void every_form_of_a_secret_signs(void **state) {
        static const struct {
                const char *story, *secrets, *first, *second;
        } rows[] = {
                { "any text is a key as it stands", "腾冲 key", by_text, NULL },
                { "its line may end, also as in Windows", "腾冲 key\r\n", by_text, NULL },
                { "blanks around it are none of it", "  腾冲 key\t\n\n", by_text, NULL },
                { "base64 behind whsec_ is bytes, any byte", "whsec_+/8AAQI=", by_bytes, NULL },
                { "its padding may be missing", "whsec_+/8AAQI", by_bytes, NULL },
                { "two secrets while keys change: two signatures",
                  "whsec_+/8AAQI=\n腾冲 key\n", by_bytes, by_text },
                { "in the order of the file, empty lines skipped",
                  "\n\n腾冲 key\n\nwhsec_+/8AAQI=", by_text, by_bytes },
        };

        (void) state;
        for (size_t i = 0; i < ELEMENTS(rows); i++) {
                struct buf signature = { 0 }, wanted = { 0 };
                unsigned line = 0;

                print_message("%s\n", rows[i].story);
                buf_str(&wanted, rows[i].first);
                if (rows[i].second)
                        buf_fmt(&wanted, " %s", rows[i].second);
                assert_int_equal(sign(rows[i].secrets, &signature, &line), 0);
                assert_string_equal(buf_text(&signature), buf_text(&wanted));
                buf_done(&signature);
                buf_done(&wanted);
        }
}

static void a_bad_secret_is_named_by_its_line(void **state) {
        static const struct {
                const char *story, *secrets;
                int error;
                unsigned line;
        } rows[] = {
                { "nothing", "", -ENODATA, 0 },
                { "only empty lines", " \n\r\n\t", -ENODATA, 0 },
                { "whsec_ and nothing behind", "whsec_", -EINVAL, 1 },
                { "whsec_ and only padding", "whsec_====", -EINVAL, 1 },
                { "a character that base64 has not", "whsec_ab!d", -EINVAL, 1 },
                { "the URL alphabet is another one", "whsec_-_8AAQI=", -EINVAL, 1 },
                { "a length that cannot be", "whsec_abcde", -EINVAL, 1 },
                { "padding in the middle", "whsec_ab==cdef", -EINVAL, 1 },
                { "a blank within", "whsec_ab cd", -EINVAL, 1 },
                { "the second line", "good\nwhsec_?\n", -EINVAL, 2 },
                { "the fourth, empty ones counted", "good\n\n\nwhsec_?", -EINVAL, 4 },
                { "nine of them", "a\nb\nc\nd\ne\nf\ng\nh\ni\n", -EINVAL, 9 },
        };

        (void) state;
        for (size_t i = 0; i < ELEMENTS(rows); i++) {
                struct buf signature = { 0 };
                unsigned line = 0;

                print_message("%s\n", rows[i].story);
                assert_int_equal(sign(rows[i].secrets, &signature, &line), rows[i].error);
                assert_int_equal(line, rows[i].line);
                buf_done(&signature);
        }
}

static void a_secret_longer_than_any_is_refused(void **state) {
        char *secret = malloc(5001);
        struct buf signature = { 0 };
        unsigned line = 0;

        (void) state;
        memset(secret, 'A', 5000);
        secret[5000] = '\0';
        assert_int_equal(sign(secret, &signature, &line), -EINVAL);
        memcpy(secret, "whsec_", 6);
        assert_int_equal(sign(secret, &signature, &line), -EINVAL);
        buf_done(&signature);
        free(secret);
}

static void every_part_of_the_text_counts(void **state) {
        struct buf first = { 0 }, second = { 0 };
        unsigned line;

        (void) state;
        assert_int_equal(webhook_sign("k", "a", 1, "body", 4, &first, &line), 0);
        assert_int_equal(webhook_sign("k", "b", 1, "body", 4, &second, &line), 0);
        assert_string_not_equal(buf_text(&first), buf_text(&second));
        buf_reset(&second);
        assert_int_equal(webhook_sign("k", "a", 2, "body", 4, &second, &line), 0);
        assert_string_not_equal(buf_text(&first), buf_text(&second));
        buf_reset(&second);
        assert_int_equal(webhook_sign("k", "a", 1, "bodz", 4, &second, &line), 0);
        assert_string_not_equal(buf_text(&first), buf_text(&second));
        buf_reset(&second);
        assert_int_equal(webhook_sign("k", "a", 1, "body", 3, &second, &line), 0);
        assert_string_not_equal(buf_text(&first), buf_text(&second));
        buf_done(&first);
        buf_done(&second);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(the_published_vector_comes_out),
                cmocka_unit_test(every_form_of_a_secret_signs),
                cmocka_unit_test(a_bad_secret_is_named_by_its_line),
                cmocka_unit_test(a_secret_longer_than_any_is_refused),
                cmocka_unit_test(every_part_of_the_text_counts),
        };

        return cmocka_run_group_tests_name("webhook signatures", tests, NULL, NULL);
}
