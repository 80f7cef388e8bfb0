#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "channels/driver.h"

static void documents_of_one_name_in_two_regions_have_two_digests(void **state) {
        struct delivery one = { .region = "530581", .document = "notice-1" };
        struct delivery other = { .region = "530626", .document = "notice-1" };
        char digest[65], again[65], elsewhere[65];

        (void) state;
        delivery_document_digest(&one, digest);
        delivery_document_digest(&one, again);
        delivery_document_digest(&other, elsewhere);
        assert_int_equal(strlen(digest), 64);
        assert_string_equal(digest, again);
        assert_string_not_equal(digest, elsewhere);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(documents_of_one_name_in_two_regions_have_two_digests),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
