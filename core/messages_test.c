#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "core/messages.h"

/* Adds up the names of a text's holes, so that two texts can be compared whatever their order. */
static unsigned long holes(const char *text, unsigned *count) {
        unsigned long sum = 0;

        *count = 0;
        for (const char *at = text; (at = strchr(at, '{')) != NULL; at++) {
                unsigned long word = 5381;

                for (const char *c = at + 1; *c && *c != '}'; c++)
                        word = word * 33 + (unsigned char) *c;
                sum += word;
                ++*count;
        }
        return sum;
}

static void every_message_has_both_languages(void **state) {
        (void) state;
        for (enum message i = 0; i < N_MESSAGES; i++) {
                const char *chinese = message_template(i, CHINESE);
                const char *english = message_template(i, ENGLISH);
                unsigned n_chinese, n_english;
                int has_han = 0;

                print_message("%s\n", message_name(i));
                assert_non_null(chinese);
                assert_non_null(english);
                assert_true(strlen(chinese) > 1);
                assert_true(strlen(english) > 1);
                for (const char *c = chinese; *c; c++)
                        has_han |= (unsigned char) *c >= 0xe3;
                assert_true(has_han);
                assert_int_equal(holes(chinese, &n_chinese), holes(english, &n_english));
                assert_int_equal(n_chinese, n_english);
        }
}

static void holes_are_filled_by_name(void **state) {
        char *text;

        (void) state;
        messages_set_language(CHINESE);
        text = say(MESSAGE_CONF_FULLWIDTH, "right", "=", "wrong", "＝", NULL);
        assert_string_equal(text, "这里用了全角的“＝”，请改成半角的“=”");
        free(text);
        messages_set_language(ENGLISH);
        text = say(MESSAGE_CONF_FULLWIDTH, "wrong", "＝", NULL);
        assert_string_equal(text, "this is the full-width '＝'; write '{right}'");
        free(text);
        messages_set_language(CHINESE);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(every_message_has_both_languages),
                cmocka_unit_test(holes_are_filled_by_name),
        };

        return cmocka_run_group_tests_name("messages", tests, NULL, NULL);
}
