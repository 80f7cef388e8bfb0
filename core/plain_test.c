#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "core/buf.h"
#include "core/memory.h"
#include "core/plain.h"

#define UNSEEN "\xe2\x80\x8b"

static void markup_becomes_what_a_reader_sees(void **state) {
        static const struct {
                const char *story, *text, *plain;
        } rows[] = {
                { "no markup", "公告 第一条", "公告 第一条" },
                { "a block ends a line", "<p>一</p><P class='x'>二</P>", "\n一\n\n二\n" },
                { "a cell too", "<td>1</td><td>2</td>", "\n1\n\n2\n" },
                { "emphasis is nothing that is seen", "138<b>0013</b>8000",
                  "138" UNSEEN "0013" UNSEEN "8000" },
                { "a comment with a sign in it", "1<!-- > -->2", "1" UNSEEN "2" },
                { "no tag", "三 < 五 > 二", "三 < 五 > 二" },
                { "one that never ends", "1<b 2", "1<b 2" },
                { "a reference", "&#49;&#x33;&#X38;&#9312;&#178;&#65297;", "138①²１" },
                { "names", "1&nbsp;3&zwj;8&shy;0&sup2;&ndash;", "1 380²-" },
                { "no reference", "&#12 &#1114112; &#x99999999; &amp; &", "&#12   &#x99999999; &amp; &" },
                { "a surrogate", "&#xd800;", " " },
                { "Markdown", "**1**`2`~~3~~|4|", "123\n4\n" },
                { "beyond the BMP", "&#x1d7ce;&#120783;", "𝟎𝟏" },
        };

        (void) state;
        for (size_t i = 0; i < ELEMENTS(rows); i++) {
                size_t n;
                char *plain freed_by(freep) = plain_text(rows[i].text, strlen(rows[i].text), &n);

                print_message("%s\n", rows[i].story);
                assert_string_equal(plain, rows[i].plain);
                assert_int_equal(n, strlen(plain));
        }
}

/* Whatever is cut off, and wherever: it never writes or reads too far, and never grows. */
static void pieces_of_markup_do_no_harm(void **state) {
        static const char text[] = "<p a='>'>1<!-- x --><b/>&#x1d7ce;&nbsp;&ZeroWidthSpace;&#49;|*`</p><!><?x?><";

        (void) state;
        for (size_t from = 0; from < sizeof(text); from++)
                for (size_t to = from; to < sizeof(text); to++) {
                        size_t n, n_bytes = to - from;
                        char *exact freed_by(freep) = malloc(n_bytes ? n_bytes : 1);
                        char *plain freed_by(freep) = NULL;

                        memcpy(exact, text + from, n_bytes);
                        plain = plain_text(exact, n_bytes, &n);
                        assert_true(n <= n_bytes);
                }
}

static void it_takes_linear_time(void **state) {
        static const char *const pieces[] = { "<!--", "<a ", "&#", "<", "&", "</", "<b>" };

        (void) state;
        for (size_t i = 0; i < ELEMENTS(pieces); i++) {
                struct buf text freed_by(buf_done) = { 0 };
                size_t n;
                char *plain freed_by(freep) = NULL;

                while (text.len < (2 << 20))
                        buf_str(&text, pieces[i]);
                plain = plain_text(text.data, text.len, &n);
                assert_non_null(plain);
        }
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(markup_becomes_what_a_reader_sees),
                cmocka_unit_test(pieces_of_markup_do_no_harm),
                cmocka_unit_test(it_takes_linear_time),
        };

        return cmocka_run_group_tests_name("plain", tests, NULL, NULL);
}
