#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <string.h>

#include "client/letter.h"
#include "core/memory.h"

#define ONE "{\"source\":\"s\",\"id\":\"1\",\"data\":{\"document\":\"d\"}}"
#define TWO "{\"source\":\"s\",\"id\":\"2\",\"data\":{\"document\":\"d\"}}"
#define SAYS(id, status) "{\"source\":\"s\",\"id\":\"" id "\",\"status\":\"" status "\"}"

static struct letter *letter_of(const char *event, struct order *order) {
        struct letter *letter = NULL;

        assert_int_equal(letter_new(event, strlen(event), NULL, 0, order, &letter), 0);
        return letter;
}

static void a_reply_finds_whom_it_is_for(void **state) {
        static const struct {
                const char *story, *event, *reply;
                enum letter_match match;
        } rows[] = {
                { "its own", ONE, SAYS("1", "accepted"), MATCH_IDENTITY },
                { "another's", ONE, SAYS("2", "accepted"), MATCH_NONE },
                { "nobody's, as the door writes for bytes it cannot read", ONE,
                  "{\"source\":null,\"id\":null,\"status\":\"rejected\"}", MATCH_ORDER },
                { "half of an identity", ONE, "{\"source\":\"s\",\"status\":\"x\"}", MATCH_ORDER },
                { "an array for an object", ONE, "[" SAYS("1", "accepted") "]", MATCH_NONE },
                { "no object", ONE, "7", MATCH_NONE },
                { "anybody's for bytes that are no JSON", "{", SAYS("1", "accepted"), MATCH_ORDER },
                { "its own array", "[" ONE "," TWO "]",
                  "[" SAYS("1", "accepted") "," SAYS("2", "held") "]", MATCH_IDENTITY },
                { "its array in another order", "[" ONE "," TWO "]",
                  "[" SAYS("2", "accepted") "," SAYS("1", "held") "]", MATCH_NONE },
                { "a shorter array", "[" ONE "," TWO "]", "[" SAYS("1", "accepted") "]",
                  MATCH_NONE },
                { "an array with rubbish in it", "[" ONE "," TWO "]",
                  "[" SAYS("1", "accepted") ",7]", MATCH_NONE },
                { "one refusal for the whole array", "[" ONE "," TWO "]",
                  "{\"source\":null,\"id\":null,\"status\":\"rejected\"}", MATCH_ORDER },
                { "one event's answer to a whole array", "[" ONE "," TWO "]", SAYS("1", "accepted"),
                  MATCH_NONE },
                { "an empty array is refused as an array", "[]", "[{\"status\":\"rejected\"}]",
                  MATCH_ORDER },
        };

        (void) state;
        for (size_t i = 0; i < ELEMENTS(rows); i++) {
                struct order order = { 0 };
                struct letter *letter = letter_of(rows[i].event, &order);
                json_t *reply = json_loads(rows[i].reply, JSON_DECODE_ANY, NULL);

                print_message("%s\n", rows[i].story);
                assert_non_null(reply);
                assert_int_equal(letter_matches(letter, reply), rows[i].match);
                json_decref(reply);
                letter_free(letter, &order);
                order_done(&order);
        }
}

static void on_answer(void *userdata, const struct gongkai_answer *answer) {
        struct gongkai_answer *heard = userdata;

        *heard = *answer;
}

static void what_the_door_says_is_final_or_busy(void **state) {
        static const struct {
                const char *story, *event, *replies[2];
                int result[2];
                int64_t after_ms;
                size_t n_taken, n_refused;
                const char *text;
        } rows[] = {
                { "accepted",
                  ONE,
                  { SAYS("1", "accepted") },
                  { 0 },
                  0,
                  1,
                  0,
                  SAYS("1", "accepted") },
                { "rejected",
                  ONE,
                  { SAYS("1", "rejected") },
                  { 0 },
                  0,
                  0,
                  1,
                  SAYS("1", "rejected") },
                { "a word from the future",
                  ONE,
                  { SAYS("1", "pondered") },
                  { 0 },
                  0,
                  0,
                  1,
                  SAYS("1", "pondered") },
                { "no status",
                  ONE,
                  { "{\"source\":\"s\",\"id\":\"1\"}" },
                  { -EBADMSG },
                  0,
                  0,
                  0,
                  NULL },
                { "busy, without a time",
                  ONE,
                  { SAYS("1", "busy") },
                  { LETTER_BUSY },
                  1000,
                  0,
                  0,
                  SAYS("1", "busy") },
                { "busy, with an absurd time",
                  ONE,
                  { "{\"status\":\"busy\",\"retry_after_ms\":99999999999}" },
                  { LETTER_BUSY },
                  60000,
                  0,
                  0,
                  "{\"status\":\"busy\",\"retry_after_ms\":99999999999}" },
                { "busy with a negative time",
                  ONE,
                  { "{\"status\":\"busy\",\"retry_after_ms\":-5}" },
                  { LETTER_BUSY },
                  20,
                  0,
                  0,
                  "{\"status\":\"busy\",\"retry_after_ms\":-5}" },
                { "half an array busy; the rest keeps its first answer",
                  "[" ONE "," TWO "]",
                  { "[" SAYS("1", "accepted") ",{\"status\":\"busy\",\"retry_after_ms\":40}]",
                    "[" SAYS("1", "duplicate") "," SAYS("2", "rejected") "]" },
                  { LETTER_BUSY, LETTER_FINAL },
                  40,
                  1,
                  1,
                  "[" SAYS("1", "accepted") "," SAYS("2", "rejected") "]" },
                { "busy again for what was accepted before",
                  "[" ONE "," TWO "]",
                  { "[" SAYS("1", "accepted") ",{\"status\":\"busy\",\"retry_after_ms\":40}]",
                    "[{\"status\":\"busy\"}," SAYS("2", "held") "]" },
                  { LETTER_BUSY, LETTER_FINAL },
                  40,
                  2,
                  0,
                  "[" SAYS("1", "accepted") "," SAYS("2", "held") "]" },
                { "a whole array refused in one word",
                  "[" ONE "," TWO "]",
                  { "{\"status\":\"rejected\"}" },
                  { 0 },
                  0,
                  0,
                  2,
                  "{\"status\":\"rejected\"}" },
        };

        (void) state;
        for (size_t i = 0; i < ELEMENTS(rows); i++) {
                struct order order = { 0 };
                struct letter *letter = letter_of(rows[i].event, &order);
                struct gongkai_answer heard = { 0 };
                int64_t after_ms = 0;

                print_message("%s\n", rows[i].story);
                for (size_t k = 0; k < 2 && rows[i].replies[k]; k++) {
                        json_t *reply = json_loads(rows[i].replies[k], 0, NULL);

                        assert_non_null(reply);
                        assert_int_equal(letter_hear(letter, reply, &after_ms), rows[i].result[k]);
                        json_decref(reply);
                }
                assert_int_equal(after_ms, rows[i].after_ms);
                letter->answered = on_answer;
                letter->userdata = &heard;
                letter_tell(letter, GONGKAI_ANSWERED);
                assert_int_equal(heard.n_taken, rows[i].n_taken);
                assert_int_equal(heard.n_refused, rows[i].n_refused);
                if (rows[i].text)
                        assert_string_equal(heard.reply, rows[i].text);
                else
                        assert_null(heard.reply);
                letter_free(letter, &order);
                order_done(&order);
        }
}

static void one_letter_takes_one_turn_per_document(void **state) {
        struct order order = { 0 };
        struct letter *both = letter_of("[" ONE "," TWO "]", &order);
        struct letter *later = letter_of(TWO, &order);

        (void) state;
        assert_true(letter_may_leave(both));
        assert_false(letter_may_leave(later));
        letter_free(both, &order);
        assert_true(letter_may_leave(later));
        letter_free(later, &order);
        order_done(&order);
}

static void no_letter_is_larger_than_the_door(void **state) {
        const struct gongkai_part large = { "", LETTER_MAX_PART };
        const struct gongkai_part too_large = { "", LETTER_MAX_PART + 1 };
        const struct gongkai_part two[] = { large, large };

        (void) state;
        assert_int_equal(letter_check_size(0, NULL, 0), -EINVAL);
        assert_int_equal(letter_check_size(1, &large, 1), 0);
        assert_int_equal(letter_check_size(1, &too_large, 1), -EMSGSIZE);
        assert_int_equal(letter_check_size(1, two, 2), -EMSGSIZE);
        assert_int_equal(letter_check_size(SIZE_MAX, &large, 1), -EMSGSIZE);
        assert_int_equal(letter_check_size(1, two, LETTER_MAX_PARTS + 1), -EMSGSIZE);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(a_reply_finds_whom_it_is_for),
                cmocka_unit_test(what_the_door_says_is_final_or_busy),
                cmocka_unit_test(one_letter_takes_one_turn_per_document),
                cmocka_unit_test(no_letter_is_larger_than_the_door),
        };

        return cmocka_run_group_tests_name("letter", tests, NULL, NULL);
}
