#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "channels/correction.h"
#include "core/memory.h"

static void a_note_does_not_say_again_what_it_is(void **state) {
        static const struct {
                const char *note, *wanted;
        } rows[] = {
                { "更正：日期有误", "日期有误" },
                { "更正: 日期有误", "日期有误" },
                { "更正说明：日期有误", "日期有误" },
                { "更正，日期有误", "日期有误" },
                { "更正日期为11月24日", "更正日期为11月24日" }, /* a verb */
                { "日期更正：11月24日", "日期更正：11月24日" },
                { "更正：", "更正：" }, /* all that it says */
                { "更正： ", "更正： " },
                { "", "" },
        };

        (void) state;
        for (size_t i = 0; i < ELEMENTS(rows); i++) {
                json_t *data = json_pack("{s:{s:s}}", "correction", "note", rows[i].note);

                print_message("%s\n", rows[i].note);
                assert_string_equal(correction_note(data), rows[i].wanted);
                json_decref(data);
        }
        assert_string_equal(correction_note(NULL), "");
}

static void a_title_may_say_it_itself(void **state) {
        (void) state;
        assert_true(correction_is_said("更正公告"));
        assert_true(correction_is_said("【更正】停水通告"));
        assert_false(correction_is_said("停水通告（更正）"));
        assert_false(correction_is_said(""));
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(a_note_does_not_say_again_what_it_is),
                cmocka_unit_test(a_title_may_say_it_itself),
        };

        return cmocka_run_group_tests_name("correction", tests, NULL, NULL);
}
