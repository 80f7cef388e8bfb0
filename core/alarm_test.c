#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/alarm.h"
#include "core/alarm_file.h"
#include "core/clock.h"
#include "core/log.h"
#include "core/memory.h"

static char state_dir[] = "/tmp/gongkai-alarm-XXXXXX";
static char *folder;
static int64_t *clock_offset; /* of this process' wall clock */

/* -- table ---------------------------------------------------------------------------------------------- */

static unsigned long holes(const char *text) {
        unsigned long sum = 0;

        for (const char *at = text; (at = strchr(at, '{')) != NULL; at++) {
                unsigned long word = 5381;

                assert_non_null(strchr(at, '}'));
                for (const char *c = at + 1; *c != '}'; c++)
                        word = word * 33 + (unsigned char) *c;
                sum += word;
        }
        return sum;
}

static bool has_han(const char *text) {
        for (; *text; text++)
                if ((unsigned char) *text >= 0xe3)
                        return true;
        return false;
}

static void every_code_says_what_is_so_and_what_to_do_in_both_languages(void **state) {
        (void) state;
        for (enum alarm i = 0; i < N_ALARMS; i++) {
                print_message("%s\n", alarm_code(i));
                assert_in_range(strlen(alarm_code(i)), 3, 32);
                assert_int_equal(strspn(alarm_code(i), "abcdefghijklmnopqrstuvwxyz-"),
                                 strlen(alarm_code(i)));
                assert_null(strstr(alarm_code(i), "--"));
                assert_int_equal(alarm_by_code(alarm_code(i)), i); /* no code stands twice */
                for (int what_to_do = 0; what_to_do < 2; what_to_do++) {
                        const char *chinese = alarm_template(i, CHINESE, what_to_do);
                        const char *english = alarm_template(i, ENGLISH, what_to_do);

                        assert_true(strlen(chinese) > 10);
                        assert_true(strlen(english) > 10);
                        assert_true(has_han(chinese));
                        assert_false(has_han(english));
                        assert_int_equal(holes(chinese), holes(english));
                }
        }
        assert_int_equal(alarm_by_code("no-such-code"), N_ALARMS);
}

/* -- fixture ---------------------------------------------------------------------------------------------- */

/* What `body` wrote to stderr; to be freed. */
static char *heard(void (*body)(void)) {
        int pipe_fds[2], saved = dup(STDERR_FILENO);
        char *text = calloc(1, 65536);
        ssize_t n;

        assert_int_equal(pipe(pipe_fds), 0);
        assert_true(fcntl(pipe_fds[1], F_SETPIPE_SZ, 65536) > 0);
        assert_true(dup2(pipe_fds[1], STDERR_FILENO) >= 0);
        body();
        assert_true(dup2(saved, STDERR_FILENO) >= 0);
        (void) close(saved);
        (void) close(pipe_fds[1]);
        n = read(pipe_fds[0], text, 65535);
        (void) close(pipe_fds[0]);
        assert_true(n >= 0);
        return text;
}

static unsigned times(const char *text, const char *word) {
        unsigned n = 0;

        while ((text = strstr(text, word)) != NULL) {
                n++;
                text++;
        }
        return n;
}

static int nothing_open(void **state) {
        (void) state;
        messages_set_language(CHINESE);
        *clock_offset = 0;
        return alarm_start(state_dir);
}

static int remove_one(const char *name, void *userdata) {
        return alarm_file_remove(folder, name, userdata);
}

static int all_away(void **state) {
        static char json[] = ".json", ack[] = ".ack";

        (void) state;
        alarm_end();
        (void) alarm_file_each(folder, json, remove_one, json);
        (void) alarm_file_each(folder, ack, remove_one, ack);
        return 0;
}

/* The only open alarm. A new reference. */
static json_t *the_alarm(void) {
        json_t *rows = alarm_list(state_dir, NULL), *row;

        assert_int_equal(json_array_size(rows), 1);
        row = json_incref(json_array_get(rows, 0));
        json_decref(rows);
        return row;
}

static size_t n_open(void) {
        json_t *rows = alarm_list(state_dir, NULL);
        size_t n = json_array_size(rows);

        json_decref(rows);
        return n;
}

static const char *text_in(const json_t *json, const char *name) {
        const char *text = json_string_value(json_object_get(json, name));

        return text ? text : "";
}

static void store_is_full(void) {
        alarm_raise(ALARM_STORE_FULL, "redis", "reason", "OOM command not allowed", "code", "OOM", NULL);
}

static void store_is_well(void) {
        alarm_clear(ALARM_STORE_FULL, "redis");
}

/* -- opening, counting, closing ------------------------------------------------------------------------------ */

static void an_alarm_opens_counts_and_closes(void **state) {
        char *text = heard(store_is_full);
        json_t *alarm = the_alarm();

        (void) state;
        assert_int_equal(times(text, "critical: 警报（store-full）：存储（Redis）的内存已到上限"), 1);
        assert_non_null(strstr(text, "处理：看台账服务"));
        free(text);
        assert_string_equal(text_in(alarm, "code"), "store-full");
        assert_string_equal(text_in(alarm, "severity"), "critical");
        assert_string_equal(text_in(alarm, "subject"), "redis");
        assert_non_null(strstr(text_in(alarm, "sentence"), "OOM command not allowed"));
        assert_non_null(strstr(text_in(alarm, "what_to_do"), "maxmemory"));
        assert_string_equal(text_in(alarm, "first"), text_in(alarm, "last"));
        assert_int_equal(json_integer_value(json_object_get(alarm, "count")), 1);
        json_decref(alarm);

        text = heard(store_is_well);
        assert_int_equal(times(text, "notice: 警报解除（store-full"), 1);
        free(text);
        assert_int_equal(n_open(), 0);
        text = heard(store_is_well);
        assert_string_equal(text, "");
        free(text);
}

static void many_times(void) {
        for (int i = 0; i < 10000; i++)
                store_is_full();
}

static ino_t inode(void) {
        char *path freed_by(freep) = NULL;
        struct stat st;

        assert_true(asprintf(&path, "%s/store-full--redis.json", folder) > 0);
        assert_int_equal(stat(path, &st), 0);
        return st.st_ino;
}

static void raised_again_it_is_written_once_a_minute_and_said_once(void **state) {
        char *text = heard(many_times);
        ino_t first = inode();
        json_t *alarm;

        (void) state;
        assert_int_equal(times(text, "警报（"), 1);
        free(text);
        *clock_offset += 59000;
        store_is_full();
        assert_int_equal(inode(), first); /* not written anew */
        *clock_offset += 2000;
        text = heard(store_is_full);
        assert_string_equal(text, "");
        free(text);
        alarm = the_alarm();
        assert_int_equal(json_integer_value(json_object_get(alarm, "count")), 10002);
        assert_true(strcmp(text_in(alarm, "first"), text_in(alarm, "last")) < 0);
        json_decref(alarm);
        /* The clock goes back by an hour: what is raised is still written. */
        *clock_offset -= 3600000;
        first = inode();
        store_is_full();
        alarm = the_alarm();
        assert_int_equal(json_integer_value(json_object_get(alarm, "count")), 10003);
        json_decref(alarm);
}

static void a_restarted_process_goes_on_with_it_and_may_close_it(void **state) {
        char *text;
        json_t *alarm;

        (void) state;
        store_is_full();
        assert_int_equal(alarm_start(state_dir), 0);
        text = heard(store_is_full);
        assert_string_equal(text, ""); /* it is open already: the journal knows */
        free(text);
        alarm = the_alarm();
        assert_int_equal(json_integer_value(json_object_get(alarm, "count")), 2);
        json_decref(alarm);
        assert_int_equal(alarm_start(state_dir), 0);
        text = heard(store_is_well);
        assert_int_equal(times(text, "警报解除"), 1);
        free(text);
        assert_int_equal(n_open(), 0);
}

static void two_at_once(void) {
        pid_t pids[4];

        for (size_t i = 0; i < ELEMENTS(pids); i++) {
                pids[i] = fork();
                assert_true(pids[i] >= 0);
                if (pids[i] == 0) {
                        alarm_end();
                        (void) alarm_start(state_dir);
                        store_is_full();
                        alarm_end();
                        _exit(0);
                }
        }
        for (size_t i = 0; i < ELEMENTS(pids); i++) {
                int status;

                assert_int_equal(waitpid(pids[i], &status, 0), pids[i]);
                assert_int_equal(status, 0);
        }
}

static void two_processes_raise_the_same_one_and_the_journal_hears_it_once(void **state) {
        (void) state;
        for (int round = 0; round < 20; round++) {
                char *text = heard(two_at_once);

                assert_int_equal(times(text, "警报（store-full"), 1);
                free(text);
                assert_int_equal(n_open(), 1);
                assert_int_equal(alarm_start(state_dir), 0);
                store_is_well();
                assert_int_equal(n_open(), 0);
        }
}

static void cleared_by_another_it_is_opened_anew_when_it_is_still_so(void **state) {
        char *text;

        (void) state;
        store_is_full();
        assert_int_equal(alarm_file_remove(folder, "store-full--redis", ".json"), 0);
        *clock_offset += 61000;
        text = heard(store_is_full);
        assert_int_equal(times(text, "警报（store-full"), 1);
        free(text);
        assert_int_equal(n_open(), 1);
}

/* -- trouble ------------------------------------------------------------------------------------------------- */

static void no_room(rlim_t bytes) {
        struct rlimit limit;

        assert_int_equal(getrlimit(RLIMIT_FSIZE, &limit), 0);
        limit.rlim_cur = bytes;
        assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
}

static void a_full_disk_leaves_the_journal(void **state) {
        char *text;

        (void) state;
        (void) signal(SIGXFSZ, SIG_IGN);
        no_room(10); /* every write of a file fails from here */
        text = heard(many_times);
        assert_int_equal(times(text, "警报（store-full"), 1);
        free(text);
        assert_int_equal(n_open(), 0);
        no_room(RLIM_INFINITY);
        *clock_offset += 11000;
        text = heard(store_is_full); /* now it has its file, and was said */
        assert_string_equal(text, "");
        free(text);
        assert_int_equal(n_open(), 1);
        text = heard(store_is_well);
        assert_int_equal(times(text, "警报解除"), 1);
        free(text);

        no_room(10);
        text = heard(store_is_full);
        free(text);
        text = heard(store_is_well); /* it never had a file: still it closes */
        assert_int_equal(times(text, "警报解除"), 1);
        assert_non_null(strstr(text, "OOM command not allowed"));
        free(text);
        no_room(RLIM_INFINITY);
}

static void a_file_that_a_power_cut_broke_is_written_anew(void **state) {
        char *path freed_by(freep) = NULL;
        FILE *file;
        json_t *alarm;

        (void) state;
        assert_true(asprintf(&path, "%s/store-full--redis.json", folder) > 0);
        file = fopen(path, "w");
        assert_non_null(file);
        assert_int_equal(fclose(file), 0);
        assert_int_equal(n_open(), 0);
        store_is_full();
        alarm = the_alarm();
        assert_int_equal(json_integer_value(json_object_get(alarm, "count")), 1);
        json_decref(alarm);
        file = fopen(path, "w");
        assert_non_null(file);
        assert_int_equal(fclose(file), 0);
        assert_int_equal(alarm_start(state_dir), 0);
        store_is_well();
        assert_int_equal(access(path, F_OK), -1);
}

static void a_folder_that_was_taken_away_is_made_again(void **state) {
        (void) state;
        assert_int_equal(rmdir(folder), 0);
        store_is_full();
        assert_int_equal(n_open(), 1);
}

static void hostile_subjects_stay_inside_the_folder(void **state) {
        static const char *const subjects[] = {
                "../../../etc/passwd", "/etc/passwd", ".", "..", "", "a\nb\x1b[2J", "云政办发〔2017〕90号",
                "\xff\xfe\x80", "portal/2026\xe2\x80\xae",
        };
        char long_subject[4000];

        (void) state;
        for (size_t i = 0; i < ELEMENTS(subjects); i++) {
                char *name freed_by(freep) = alarm_file_name("breaker-open", subjects[i]);

                print_message("%s\n", name);
                assert_null(strchr(name, '/'));
                assert_int_equal(strncmp(name, "breaker-open--", 14), 0);
                alarm_raise(ALARM_BREAKER_OPEN, subjects[i], "reason", subjects[i], "for", NULL, NULL);
                assert_int_equal(n_open(), i + 1);
        }
        memset(long_subject, 'x', sizeof(long_subject) - 1);
        long_subject[sizeof(long_subject) - 1] = '\0';
        for (int i = 0; i < 2; i++) {
                alarm_raise(ALARM_BREAKER_OPEN, long_subject, "reason", long_subject, NULL);
                assert_int_equal(n_open(), ELEMENTS(subjects) + 1 + (size_t) i); /* two of them */
                long_subject[sizeof(long_subject) - 2] = 'y';
        }
}

static void a_thousand(void) {
        char subject[24];

        for (int i = 0; i < 1000; i++) {
                (void) snprintf(subject, sizeof(subject), "document-%d", i);
                alarm_raise(ALARM_DAMAGED, subject, "document", subject, NULL);
        }
}

static void a_flood_is_cut_and_said(void **state) {
        static char text[1 << 20];
        char name[] = "/tmp/gongkai-flood-XXXXXX";
        int fd = mkstemp(name), saved = dup(STDERR_FILENO);

        (void) state;
        assert_true(fd >= 0);
        (void) unlink(name);
        assert_true(dup2(fd, STDERR_FILENO) >= 0);
        a_thousand();
        assert_true(dup2(saved, STDERR_FILENO) >= 0);
        assert_true(pread(fd, text, sizeof(text) - 1, 0) > 0);
        (void) close(fd);
        (void) close(saved);
        assert_int_equal(n_open(), 301);
        assert_int_equal(times(text, "警报（too-many-alarms"), 1);
        assert_int_equal(times(text, "警报（bytes-damaged"), 1000); /* the journal has each */
        for (int i = 0; i < 1000; i++) {
                char subject[24];

                (void) snprintf(subject, sizeof(subject), "document-%d", i);
                alarm_clear(ALARM_DAMAGED, subject);
        }
        assert_int_equal(n_open(), 0);
}

/* -- reading ------------------------------------------------------------------------------------------------ */

static void the_list_is_by_gravity_and_age_and_in_the_readers_language(void **state) {
        json_t *rows;

        (void) state;
        alarm_raise(ALARM_LOG_LONG, "530581", "count", "500000", NULL);
        alarm_raise(ALARM_BREAKER_OPEN, "portal", "reason", "504", "for", "6min", NULL);
        *clock_offset += 1000;
        alarm_raise(ALARM_STORE_FULL, "redis", "reason", "OOM", NULL);
        *clock_offset -= 2000;
        alarm_raise(ALARM_BREAKER_OPEN, "weibo", "reason", "504", "for", "6min", NULL);
        messages_set_language(ENGLISH);
        rows = alarm_list(state_dir, NULL);
        assert_int_equal(json_array_size(rows), 4);
        assert_string_equal(text_in(json_array_get(rows, 0), "code"), "store-full");
        assert_string_equal(text_in(json_array_get(rows, 1), "subject"), "weibo");
        assert_string_equal(text_in(json_array_get(rows, 2), "subject"), "portal");
        assert_string_equal(text_in(json_array_get(rows, 3), "code"), "log-long");
        assert_string_equal(text_in(json_array_get(rows, 3), "sentence"),
                            "the log of 530581 has grown to 500000 entries and fills Redis' memory");
        json_decref(rows);
}

static void an_acknowledgement_names_who_and_ends_with_its_alarm(void **state) {
        json_t *alarm, *ack;

        (void) state;
        assert_int_equal(alarm_acknowledge(state_dir, "store-full", "redis", "li(1000)", ""), -ENOENT);
        store_is_full();
        assert_int_equal(alarm_acknowledge(state_dir, "store-full", "redis", "li(1000)", "知道了"), 0);
        alarm = the_alarm();
        ack = json_object_get(alarm, "acked");
        assert_string_equal(text_in(ack, "by"), "li(1000)");
        assert_string_equal(text_in(ack, "reason"), "知道了");
        json_decref(alarm);
        store_is_well();
        *clock_offset += 5000;
        store_is_full();
        alarm = the_alarm();
        assert_null(json_object_get(alarm, "acked"));
        json_decref(alarm);
        /* An ack that was on its way while the alarm closed is not one of the next. */
        assert_int_equal(alarm_acknowledge(state_dir, "store-full", "redis", "li(1000)", ""), 0);
        assert_int_equal(alarm_file_remove(folder, "store-full--redis", ".json"), 0);
        *clock_offset += 61000;
        store_is_full();
        alarm = the_alarm();
        assert_null(json_object_get(alarm, "acked"));
        json_decref(alarm);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(every_code_says_what_is_so_and_what_to_do_in_both_languages),
#define WITH_FOLDER(test) cmocka_unit_test_setup_teardown(test, nothing_open, all_away)
                WITH_FOLDER(an_alarm_opens_counts_and_closes),
                WITH_FOLDER(raised_again_it_is_written_once_a_minute_and_said_once),
                WITH_FOLDER(a_restarted_process_goes_on_with_it_and_may_close_it),
                WITH_FOLDER(two_processes_raise_the_same_one_and_the_journal_hears_it_once),
                WITH_FOLDER(cleared_by_another_it_is_opened_anew_when_it_is_still_so),
                WITH_FOLDER(a_full_disk_leaves_the_journal),
                WITH_FOLDER(a_file_that_a_power_cut_broke_is_written_anew),
                WITH_FOLDER(a_folder_that_was_taken_away_is_made_again),
                WITH_FOLDER(hostile_subjects_stay_inside_the_folder),
                WITH_FOLDER(a_flood_is_cut_and_said),
                WITH_FOLDER(the_list_is_by_gravity_and_age_and_in_the_readers_language),
                WITH_FOLDER(an_acknowledgement_names_who_and_ends_with_its_alarm),
        };
        char clock_file[] = "/tmp/gongkai-clock-XXXXXX";
        int fd = mkstemp(clock_file), failed;

        if (fd < 0 || ftruncate(fd, 8) < 0 || !mkdtemp(state_dir))
                return 1;
        clock_offset = mmap(NULL, 8, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
        (void) setenv("GONGKAI_TEST_CLOCK", clock_file, 1);
        (void) unsetenv("JOURNAL_STREAM");
        log_open("gongkai-test");
        folder = alarm_folder(state_dir);
        failed = cmocka_run_group_tests_name("alarm", tests, NULL, NULL);
        (void) rmdir(folder);
        (void) rmdir(state_dir);
        free(folder);
        (void) unlink(clock_file);
        return failed;
}
