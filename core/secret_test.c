#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/config.h"
#include "core/files.h"
#include "core/memory.h"

static void a_secret_is_read_only_from_a_closed_file(void **state) {
        static const struct {
                const char *story, *content;
                unsigned mode;
                int r;
                const char *secret;
        } rows[] = {
                { "one line", "s3cret\n", 0600, 0, "s3cret" },
                { "Windows' line end", "s3cret\r\n", 0640, 0, "s3cret" },
                { "only one line end goes", " s3cret \n\n", 0400, 0, " s3cret \n" },
                { "everybody may read it", "s3cret\n", 0644, -EPERM, NULL },
                { "everybody may write it", "s3cret\n", 0602, -EPERM, NULL },
                { "empty", "\n", 0600, -ENODATA, NULL },
        };
        char folder[] = "/var/tmp/secret_test_XXXXXX", path[96], *secret = NULL, *sentence;

        (void) state;
        assert_non_null(mkdtemp(folder));
        (void) snprintf(path, sizeof(path), "%s/secret", folder);
        for (size_t i = 0; i < ELEMENTS(rows); i++) {
                print_message("%s\n", rows[i].story);
                assert_int_equal(file_write(path, rows[i].content, strlen(rows[i].content), 0600), 0);
                assert_int_equal(chmod(path, rows[i].mode), 0);
                assert_int_equal(secret_read(path, &secret), rows[i].r);
                if (rows[i].r == 0) {
                        assert_string_equal(secret, rows[i].secret);
                        free(secret);
                        secret = NULL;
                } else {
                        sentence = secret_error(path, rows[i].r);
                        assert_non_null(strstr(sentence, path));
                        assert_null(strstr(sentence, "s3cret"));
                        free(sentence);
                }
        }
        assert_int_equal(secret_read(folder, &secret), -EISDIR);
        (void) unlink(path);
        assert_int_equal(secret_read(path, &secret), -ENOENT);
        assert_null(secret);
        (void) rmdir(folder);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(a_secret_is_read_only_from_a_closed_file),
        };

        return cmocka_run_group_tests_name("secrets", tests, NULL, NULL);
}
