#include "daemons/publisherd/rejected_file.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

#include "core/files.h"
#include "core/memory.h"

#define DAY (INT64_C(24) * 3600 * 1000)
#define NOW (20000 * DAY)

static char folder[64];
static struct rejected_file *file;

static int setup(void **state) {
        (void) state;
        (void) snprintf(folder, sizeof(folder), "/tmp/rejected-test-XXXXXX");
        return mkdtemp(folder) ? rejected_file_open(folder, &file) : -1;
}

static int teardown(void **state) {
        static const char *const names[] = { "rejected.db-wal", "rejected.db-shm", "rejected.db",
                                             "rejected.db.damaged", "" };

        (void) state;
        file = rejected_file_close(file);
        for (size_t i = 0; i < ELEMENTS(names); i++) {
                char path[128];

                (void) snprintf(path, sizeof(path), "%s/%s", folder, names[i]);
                (void) remove(path);
        }
        return access(folder, F_OK) == 0 ? -1 : 0;
}

/* The texts are borrowed by the call. */
static void put(const char *emitter, const char *source, const char *id, const char *bytes,
                int64_t at_ms) {
        static char errors[] = "[{\"path\":\"\",\"code\":\"required\",\"message\":\"m\"},"
                               "{\"path\":\"/x\",\"code\":\"required\",\"message\":\"n\"}]";
        char *copies[] = { strdup(emitter), source ? strdup(source) : NULL, id ? strdup(id) : NULL,
                           strdup(bytes) };
        const struct rejected_entry entry = {
                .at_ms = at_ms, .emitter = copies[0], .source = copies[1], .id = copies[2],
                .bytes = copies[3], .n_bytes = strlen(bytes), .n_all = strlen(bytes),
                .errors = errors,
        };

        assert_int_equal(rejected_file_put(file, &entry), 0);
        for (size_t i = 0; i < ELEMENTS(copies); i++)
                free(copies[i]);
}

static json_t *row(size_t i, size_t n) {
        json_t *rows = rejected_file_list(file, 100), *one;

        assert_int_equal(json_array_size(rows), n);
        one = json_incref(json_array_get(rows, i));
        json_decref(rows);
        return one;
}

static int64_t number_of(size_t i, size_t n, const char *member) {
        json_t *one = row(i, n);
        int64_t number = json_integer_value(json_object_get(one, member));

        json_decref(one);
        return number;
}

static void what_is_put_is_found_and_can_go(void **state) {
        struct rejected_entry entry = { 0 };
        int64_t number;
        json_t *one;

        (void) state;
        put("oa", "urn:a", "1", "{}", NOW);
        one = row(0, 1);
        assert_string_equal(json_string_value(json_object_get(one, "emitter")), "oa");
        assert_int_equal(json_array_size(json_object_get(one, "codes")), 1);
        assert_string_equal(json_string_value(json_object_get(one, "error")), "m");
        json_decref(one);
        number = number_of(0, 1, "number");
        assert_int_equal(rejected_file_find(file, number, &entry), 0);
        assert_string_equal(entry.bytes, "{}");
        assert_int_equal(entry.n_bytes, 2);
        assert_string_equal(entry.source, "urn:a");
        assert_null(entry.document);
        rejected_entry_done(&entry);
        assert_int_equal(rejected_file_find(file, number + 1, &entry), -ENOENT);
        assert_int_equal(rejected_file_remove(file, number), 0);
        assert_int_equal(rejected_file_remove(file, number), 0);
        assert_int_equal(rejected_file_find(file, number, &entry), -ENOENT);
}

static void only_emitter_source_and_id_make_the_same_event(void **state) {
        static const struct {
                const char *story, *emitter, *source, *id, *bytes;
                size_t n;
        } rows[] = {
                { "the first", "oa", "urn:a", "1", "one", 1 },
                { "the same, mended in vain", "oa", "urn:a", "1", "two", 1 },
                { "another's", "tax", "urn:a", "1", "one", 2 },
                { "another id", "oa", "urn:a", "2", "one", 3 },
                { "another source", "oa", "urn:b", "1", "one", 4 },
                { "no id", "oa", "urn:a", NULL, "junk", 5 },
                { "the same bytes without an id", "oa", "urn:a", NULL, "junk", 5 },
                { "other bytes without an id", "oa", NULL, NULL, "more junk", 6 },
        };

        (void) state;
        for (size_t i = 0; i < ELEMENTS(rows); i++) {
                print_message("%s\n", rows[i].story);
                put(rows[i].emitter, rows[i].source, rows[i].id, rows[i].bytes, NOW + (int64_t) i);
                assert_int_equal(number_of(0, rows[i].n, "size"), strlen(rows[i].bytes));
        }
        assert_int_equal(number_of(5, 6, "times"), 2); /* the newest first */
        assert_int_equal(number_of(4, 6, "times"), 1);
        assert_int_equal(number_of(1, 6, "times"), 2);
}

static void the_oldest_go_when_it_is_full_also_after_it_was_opened_again(void **state) {
        (void) state;
        for (int i = 0; i < 10; i++) {
                char id[16];

                (void) snprintf(id, sizeof(id), "%d", i);
                put("oa", "urn:a", id, "0123456789", NOW + i);
        }
        assert_int_equal(rejected_file_fit(file, 5 * 1000), 0);
        file = rejected_file_close(file);
        assert_int_equal(rejected_file_open(folder, &file), 0);
        put("oa", "urn:a", "last", "0123456789", NOW + 100);
        assert_int_equal(rejected_file_fit(file, 5 * 1000), 0);
        assert_true(number_of(0, 8, "number") > number_of(7, 8, "number"));
        assert_int_equal(rejected_file_fit(file, 0), 0);
        json_decref(row(0, 0));
}

static void after_35_days_they_go_and_the_counts_too(void **state) {
        json_t *left_out;

        (void) state;
        put("oa", "urn:a", "old", "x", NOW - 36 * DAY);
        put("oa", "urn:a", "young", "x", NOW - 34 * DAY);
        assert_int_equal(rejected_file_count(file, "oa", NOW - 40 * DAY, 7), 0);
        assert_int_equal(rejected_file_count(file, "oa", NOW, 2), 0);
        assert_int_equal(rejected_file_count(file, "oa", NOW, 3), 0);
        assert_int_equal(rejected_file_tidy(file, NOW), 0);
        json_decref(row(0, 1));
        left_out = rejected_file_left_out(file);
        assert_int_equal(json_array_size(left_out), 1);
        assert_int_equal(json_integer_value(json_object_get(json_array_get(left_out, 0), "count")), 5);
        json_decref(left_out);
}

static void what_is_not_committed_is_not_there(void **state) {
        (void) state;
        assert_int_equal(rejected_file_begin(file), 0);
        put("oa", "urn:a", "1", "x", NOW);
        file = rejected_file_close(file);
        assert_int_equal(rejected_file_open(folder, &file), 0);
        json_decref(row(0, 0));
}

static void nobody_else_may_read_it_and_a_damaged_one_is_set_aside(void **state) {
        char path[128];
        struct stat st;

        (void) state;
        (void) snprintf(path, sizeof(path), "%s/rejected.db", folder);
        assert_int_equal(stat(path, &st), 0);
        assert_int_equal(st.st_mode & 0777, 0600);
        put("oa", "urn:a", "1", "x", NOW);
        file = rejected_file_close(file);
        assert_int_equal(file_write(path, "this is no database, is it?", 27, 0600), 0);
        assert_int_equal(rejected_file_open(folder, &file), 0);
        json_decref(row(0, 0));
        (void) snprintf(path, sizeof(path), "%s/rejected.db.damaged", folder);
        assert_int_equal(access(path, F_OK), 0);
}

static void where_there_is_no_folder_it_says_so(void **state) {
        struct rejected_file *none = NULL;

        (void) state;
        assert_int_equal(rejected_file_open("/proc/none", &none), -ENOENT);
        assert_null(none);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test_setup_teardown(what_is_put_is_found_and_can_go, setup, teardown),
                cmocka_unit_test_setup_teardown(only_emitter_source_and_id_make_the_same_event, setup,
                                                teardown),
                cmocka_unit_test_setup_teardown(
                        the_oldest_go_when_it_is_full_also_after_it_was_opened_again, setup, teardown),
                cmocka_unit_test_setup_teardown(after_35_days_they_go_and_the_counts_too, setup,
                                                teardown),
                cmocka_unit_test_setup_teardown(what_is_not_committed_is_not_there, setup, teardown),
                cmocka_unit_test_setup_teardown(
                        nobody_else_may_read_it_and_a_damaged_one_is_set_aside, setup, teardown),
                cmocka_unit_test(where_there_is_no_folder_it_says_so),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
