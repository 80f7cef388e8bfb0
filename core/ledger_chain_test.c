#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>

#include "core/ledger_parts.h"

static void the_chain_is_what_its_comment_says(void **state) {
        static const unsigned char zeros[LEDGER_HASH];
        unsigned char hash[LEDGER_HASH];
        char text[LEDGER_HASH_TEXT];
        struct chain chain;
        struct ledger_row row = {
                .n = 1, .at_ms = 1790000000001, .state = "accepted", .document = "d", .revision = 1, .event = "E",
                .channel = "", .attempt = -1, .code = "", .reference = "", .url = "", .sentence = "",
        };

        (void) state;
        row.seq = 1;
        row.region = "530581";
        row.epoch = "EP";
        row.adoption = "";
        row.alg = "sha256";
        row.extra = "local";
        assert_int_equal(chain_init(&chain), 0);
        assert_int_equal(chain_row(&chain, zeros, &row, hash), 0);
        ledger_hash_text(hash, text);
        /* Computed apart from this code, by Python's hashlib and openssl dgst. */
        assert_string_equal(text, "45c29bd4790b04447e5ca98af9291d6e80b25b90486013e01c0c21301b5426f7");
        row.alg = "sm3";
        assert_int_equal(chain_row(&chain, zeros, &row, hash), 0);
        ledger_hash_text(hash, text);
        assert_string_equal(text, "0b5efc2ac275101282cb801b7831ade206642b1f79c46a1a697bfd27e0cf4566");
        /* GB/T 32905-2016, the first example of its annex. */
        assert_int_equal(chain_bytes(&chain, "sm3", "abc", 3, hash), 0);
        ledger_hash_text(hash, text);
        assert_string_equal(text, "66c7f0f462eeedd9d1f2d46bdc10e4e24167c4875cf2f7a2297da02b8f4ba8e0");
        row.alg = "md5";
        assert_int_equal(chain_row(&chain, zeros, &row, hash), -EPROTONOSUPPORT);
        chain_done(&chain);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(the_chain_is_what_its_comment_says),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
