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
#include <sys/uio.h>
#include <unistd.h>

#include "core/log.h"
#include "core/memory.h"

/* Stands in for libsystemd's function: what would have gone to the journal. */
static char sent[16][256];
static int n_sent, journal_answer;

int sd_journal_sendv(const struct iovec *parts, int n);
int sd_journal_sendv(const struct iovec *parts, int n) {
        n_sent = n;
        for (int i = 0; i < n; i++)
                (void) snprintf(sent[i], sizeof(sent[i]), "%.*s", (int) parts[i].iov_len,
                                (char *) parts[i].iov_base);
        return journal_answer;
}

static int has_sent(const char *field) {
        for (int i = 0; i < n_sent; i++)
                if (strcmp(sent[i], field) == 0)
                        return 1;
        return 0;
}

/* stderr goes to a file of its own while `tell` speaks; what it said is given back. */
static char *heard(void (*tell)(void)) {
        FILE *file = tmpfile();
        int kept = dup(STDERR_FILENO);
        char *text = calloc(1, 32768);
        struct stat st;
        char stream[64];

        assert_true(dup2(fileno(file), STDERR_FILENO) >= 0);
        assert_int_equal(fstat(STDERR_FILENO, &st), 0);
        (void) snprintf(stream, sizeof(stream), "%ju:%ju", (uintmax_t) st.st_dev,
                        (uintmax_t) st.st_ino);
        assert_int_equal(setenv("TEST_STREAM", stream, 1), 0);
        tell();
        assert_true(dup2(kept, STDERR_FILENO) >= 0);
        rewind(file);
        assert_true(fread(text, 1, 32767, file) < 32767);
        (void) close(kept);
        (void) fclose(file);
        return text;
}

static void say_one(void) {
        errno = E2BIG;
        log_say(LOG_NOTICE, MESSAGE_REDIS_AWAY, "address", "unix:\x1b[2J\nx", "reason", "没有",
                "channel", "portal", "document", "云政办发〔2017〕90号", NULL);
        assert_int_equal(errno, E2BIG);
}

static void say_to_terminal(void) {
        (void) unsetenv("JOURNAL_STREAM");
        log_open("gongkai-publisherd");
        say_one();
        log_say(LOG_DEBUG, MESSAGE_REDIS_BACK, "address", "not heard", NULL);
        log_set_level(LOG_DEBUG);
        log_say(LOG_DEBUG, MESSAGE_REDIS_BACK, "address", "heard", NULL);
        log_set_level(LOG_INFO);
}

static void a_line_says_when_who_and_what(void **state) {
        char *text = heard(say_to_terminal), *second = strchr(text, '\n') + 1;

        print_message("%s", text);
        assert_int_equal(text[4], '-');
        assert_int_equal(text[10], 'T');
        assert_memory_equal(text + 19, "+08:00 gongkai-publisherd notice: ", 34);
        assert_non_null(strstr(text, "连不上 Redis（unix:\\x1b[2J\\nx）：没有\n"));
        assert_non_null(strstr(second, " debug: "));
        assert_null(strstr(text, "not heard"));
        assert_null(strchr(strchr(second, '\n') + 1, '\n'));
        free(text);
}

static void say_to_journal(void) {
        assert_int_equal(setenv("JOURNAL_STREAM", getenv("TEST_STREAM"), 1), 0);
        log_open("gongkai-channeld");
        say_one();
}

static void the_journal_gets_fields(void **state) {
        char *text, id[LOG_MESSAGE_ID], field[64];

        journal_answer = 0;
        n_sent = 0;
        text = heard(say_to_journal);
        assert_string_equal(text, "");
        assert_true(has_sent("MESSAGE=连不上 Redis（unix:\\x1b[2J\\nx）：没有"));
        assert_true(has_sent("PRIORITY=5"));
        assert_true(has_sent("SYSLOG_IDENTIFIER=gongkai-channeld"));
        assert_true(has_sent("GONGKAI_CHANNEL=portal"));
        assert_true(has_sent("GONGKAI_DOCUMENT=云政办发〔2017〕90号"));
        (void) snprintf(field, sizeof(field), "MESSAGE_ID=%s",
                        log_message_id(MESSAGE_REDIS_AWAY, id));
        assert_true(has_sent(field));
        assert_int_equal(n_sent, 6);
        free(text);
}

static void a_journal_that_is_away_leaves_the_line(void **state) {
        char *text;

        journal_answer = -ENOENT;
        text = heard(say_to_journal);
        assert_non_null(strstr(text, "gongkai-channeld notice: 连不上"));
        free(text);
}

static void say_elsewhere(void) {
        assert_int_equal(setenv("JOURNAL_STREAM", "1:1", 1), 0);
        log_open("gongkai-channeld");
        say_one();
}

static void a_stderr_that_was_sent_elsewhere_is_no_journal(void **state) {
        char *text;

        n_sent = 0;
        text = heard(say_elsewhere);
        assert_int_equal(n_sent, 0);
        assert_non_null(strstr(text, "连不上"));
        free(text);
}

static void message_ids_never_change(void **state) {
        char one[LOG_MESSAGE_ID], other[LOG_MESSAGE_ID];

        /* printf gongkai.REDIS_AWAY | sha256sum: operators' filters hang on it. */
        assert_string_equal(log_message_id(MESSAGE_REDIS_AWAY, one), "1564638bf0455dd1e731f946d5413ecb");
        assert_string_not_equal(one, log_message_id(MESSAGE_REDIS_BACK, other));
}

static void say_much(void) {
        char *much = malloc(100001);

        memset(much, 'x', 100000);
        much[100000] = '\0';
        (void) unsetenv("JOURNAL_STREAM");
        log_open("gongkai-publisherd");
        log_say(LOG_ERR, MESSAGE_REDIS_BACK, "address", much, NULL);
        free(much);
}

static void a_strangers_flood_is_cut(void **state) {
        char *text = heard(say_much);

        assert_in_range(strlen(text), 8000, 9000);
        assert_non_null(strstr(text, " ...\n"));
        free(text);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(a_line_says_when_who_and_what),
                cmocka_unit_test(the_journal_gets_fields),
                cmocka_unit_test(a_journal_that_is_away_leaves_the_line),
                cmocka_unit_test(a_stderr_that_was_sent_elsewhere_is_no_journal),
                cmocka_unit_test(message_ids_never_change),
                cmocka_unit_test(a_strangers_flood_is_cut),
        };

        return cmocka_run_group_tests_name("log", tests, NULL, NULL);
}
