#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "daemons/channeld/show.h"

static void a_secret_is_seen_in_none_of_its_spellings(void **state) {
        static const struct {
                const char *story, *secret, *text, *wanted;
        } rows[] = {
                { "none", NULL, "nothing to hide", "nothing to hide" },
                { "the whole file", "s3cr3t-key", "a s3cr3t-key b", "a ****** b" },
                { "each line", "first-key\nsecond-key\n", "second-key first-key", "****** ******" },
                { "the value of a part, without blanks", "appid = wx123456\nsecret =  abc/def \n",
                  "GET /t?appid=wx123456&secret=abc%2Fdef", "GET /t?appid=******&secret=******" },
                { "in a form", "app_key = a b&c=d/e", "k=a%20b%26c%3Dd%2Fe", "k=******" },
                { "in JSON", "key = say \"yes\" \\o/", "{\"k\":\"say \\\"yes\\\" \\\\o/\"}",
                  "{\"k\":\"******\"}" },
                { "beyond ASCII", "密钥 = 一把新的密钥", "用一把新的密钥开门", "用******开门" },
                { "a value that has '=' in it", "key = QUJDRA==", "k=QUJDRA== k2=QUJDRA%3D%3D",
                  "k=****** k2=******" },
                { "too short to be told from other words", "pin = 12", "12 o'clock", "12 o'clock" },
                { "a comment is no secret", "# hello world\nkey = value99", "hello world value99",
                  "hello world ******" },
                { "the longer of two", "abcd\nabcdefgh", "abcdefgh", "******" },
                { "cut off at the end", "longsecret", "a longsecre", "a longsecre" },
        };

        (void) state;
        for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
                struct string_list masks = { 0 };
                struct buf text = { 0 };

                assert_int_equal(mask_fill(&masks, rows[i].secret), 0);
                mask_text(&masks, rows[i].text, strlen(rows[i].text), &text);
                if (strcmp(buf_text(&text), rows[i].wanted) != 0)
                        print_error("%s: %s\n", rows[i].story, buf_text(&text));
                assert_string_equal(buf_text(&text), rows[i].wanted);
                buf_done(&text);
                string_list_done(&masks);
        }
}

static void a_recipient_is_not_seen_and_what_the_event_says_is(void **state) {
        static const struct {
                const char *story, *text, *open, *wanted;
        } rows[] = {
                { "a recipient", "mobiles=13800138000", "", "mobiles=138****8000" },
                { "several", "13800138000,8619912345678", "", "138****8000,86199****5678" },
                { "the county's own telephone", "咨询 13800138000", "{\"title\":\"咨询 13800138000\"}",
                  "咨询 13800138000" },
                { "no mobile number", "12345678901 1380013800 138001380001", "",
                  "12345678901 1380013800 138001380001" },
                { "a time in ms", "1795320000000", "", "1795320000000" },
                { "none", "", "", "" },
        };

        (void) state;
        for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
                struct buf text = { 0 };

                buf_str(&text, rows[i].text);
                mask_numbers(&text, rows[i].open, strlen(rows[i].open));
                if (strcmp(buf_text(&text), rows[i].wanted) != 0)
                        print_error("%s\n", rows[i].story);
                assert_string_equal(buf_text(&text), rows[i].wanted);
                buf_done(&text);
        }
}

int main(void) {
        static const struct CMUnitTest tests[] = {
                cmocka_unit_test(a_secret_is_seen_in_none_of_its_spellings),
                cmocka_unit_test(a_recipient_is_not_seen_and_what_the_event_says_is),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
