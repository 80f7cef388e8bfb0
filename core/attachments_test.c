#include "core/attachments.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

#include "core/files.h"
#include "core/memory.h"

#define DIGEST "943603153c4992d61cc0d0856a8ea25530f4785a69f18e5bb631a9d603025688"

#define TRUE_DIGEST "5994471abb01112afcc18159f6cc74b4f511b99806da59b3caf5a9c173cacfc5" /* of 12345 */

static char folder[64];

static int setup(void **state) {
        (void) state;
        (void) snprintf(folder, sizeof(folder), "/tmp/attachments-test-XXXXXX");
        return mkdtemp(folder) ? attachments_open(folder) : -1;
}

static void remove_all(const char *const *names, size_t n) {
        for (size_t i = 0; i < n; i++) {
                char path[256];

                (void) snprintf(path, sizeof(path), "%s/%s", folder, names[i]);
                (void) remove(path);
        }
}

static int teardown(void **state) {
        static const char *const names[] = { ("94/" DIGEST), "94", ("59/" TRUE_DIGEST), "59",
                                             "unfinished/left", "unfinished", "" };

        (void) state;
        remove_all(names, ELEMENTS(names));
        return access(folder, F_OK) == 0 ? -1 : 0;
}

static void an_attachment_that_was_put_is_here_in_its_size(void **state) {
        char *path freed_by(freep) = attachment_path(folder, DIGEST);
        char *bytes freed_by(freep) = NULL;
        size_t n = 0;

        (void) state;
        assert_false(attachment_is_here(folder, DIGEST, 5));
        assert_int_equal(attachment_put(folder, DIGEST, "12345", 5), 0);
        assert_true(attachment_is_here(folder, DIGEST, 5));
        assert_false(attachment_is_here(folder, DIGEST, 4));
        assert_int_equal(file_read(path, 100, &bytes, &n), 0);
        assert_int_equal(n, 5);
        assert_memory_equal(bytes, "12345", 5);
}

static void one_that_is_here_is_not_written_again(void **state) {
        char *path freed_by(freep) = attachment_path(folder, DIGEST);
        char *bytes freed_by(freep) = NULL;

        (void) state;
        assert_int_equal(attachment_put(folder, DIGEST, "12345", 5), 0);
        assert_int_equal(attachment_put(folder, DIGEST, "other", 5), 0);
        assert_int_equal(attachment_sync(folder, DIGEST), 0);
        assert_int_equal(file_read(path, 100, &bytes, NULL), 0);
        assert_string_equal(bytes, "12345");
}

static void one_of_another_size_is_written_anew(void **state) {
        (void) state;
        assert_int_equal(attachment_put(folder, DIGEST, "123", 3), 0);
        assert_int_equal(attachment_put(folder, DIGEST, "12345", 5), 0);
        assert_true(attachment_is_here(folder, DIGEST, 5));
}

static void what_a_kill_left_unfinished_goes_at_the_next_start_and_nothing_else(void **state) {
        char path[256];

        (void) state;
        assert_int_equal(attachment_put(folder, DIGEST, "12345", 5), 0);
        (void) snprintf(path, sizeof(path), "%s/unfinished/left", folder);
        assert_int_equal(file_write(path, "half", 4, 0640), 0);
        assert_int_equal(attachments_open(folder), 0);
        assert_int_not_equal(access(path, F_OK), 0);
        assert_true(attachment_is_here(folder, DIGEST, 5));
}

static void one_that_comes_in_pieces_shows_only_when_it_is_proved(void **state) {
        char *path freed_by(freep) = attachment_path(folder, TRUE_DIGEST);
        char *bytes freed_by(freep) = NULL;
        struct attachment_file *file;

        (void) state;
        assert_int_equal(attachment_begin(folder, &file), 0);
        assert_int_equal(attachment_add(file, "12", 2), 0);
        assert_int_equal(attachment_add(file, "", 0), 0);
        assert_int_equal(attachment_add(file, "345", 3), 0);
        assert_int_equal(attachment_size(file), 5);
        assert_false(attachment_is_here(folder, TRUE_DIGEST, 5));
        assert_int_equal(attachment_finish(file, TRUE_DIGEST), 0);
        assert_true(attachment_is_here(folder, TRUE_DIGEST, 5));
        assert_int_equal(file_read(path, 100, &bytes, NULL), 0);
        assert_string_equal(bytes, "12345");
}

static void of_other_pieces_nothing_is_kept(void **state) {
        struct attachment_file *file;

        (void) state;
        assert_int_equal(attachment_begin(folder, &file), 0);
        assert_int_equal(attachment_add(file, "12346", 5), 0);
        assert_int_equal(attachment_finish(file, TRUE_DIGEST), ATTACHMENT_OTHER);
        assert_false(attachment_is_here(folder, TRUE_DIGEST, 5));
        assert_int_equal(attachment_begin(folder, &file), 0);
        assert_int_equal(attachment_add(file, "123", 3), 0);
        assert_null(attachment_drop(file)); /* teardown looks that the folder is empty */
        assert_null(attachment_drop(NULL));
}

static void where_no_folder_can_be_made_it_says_so(void **state) {
        struct attachment_file *file;

        (void) state;
        assert_int_equal(attachments_open("/proc/attachments"), -ENOENT);
        assert_int_equal(attachment_put("/proc/attachments", DIGEST, "12345", 5), -ENOENT);
        assert_int_equal(attachment_sync("/proc/attachments", DIGEST), -ENOENT);
        assert_int_equal(attachment_begin("/proc/attachments", &file), -ENOENT);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test_setup_teardown(an_attachment_that_was_put_is_here_in_its_size, setup,
                                                teardown),
                cmocka_unit_test_setup_teardown(one_that_is_here_is_not_written_again, setup, teardown),
                cmocka_unit_test_setup_teardown(one_of_another_size_is_written_anew, setup, teardown),
                cmocka_unit_test_setup_teardown(
                        what_a_kill_left_unfinished_goes_at_the_next_start_and_nothing_else, setup,
                        teardown),
                cmocka_unit_test_setup_teardown(one_that_comes_in_pieces_shows_only_when_it_is_proved,
                                                setup, teardown),
                cmocka_unit_test_setup_teardown(of_other_pieces_nothing_is_kept, setup, teardown),
                cmocka_unit_test(where_no_folder_can_be_made_it_says_so),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
