#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <fcntl.h>
#include <ftw.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/alarm.h"
#include "core/alarm_file.h"
#include "core/files.h"
#include "core/log.h"
#include "core/memory.h"
#include "daemons/ledgerd/alarms_parts.h"

/* A county without daemons: a folder, a program that writes down what it is told, and in the place of
 * publisherd a socket that notes what it is asked. */
static char folder[64];
static int64_t *clock_offset;
static struct configuration configuration;
static struct channel_config channels[] = { { .name = (char[]) { "duty" } },
                                            { .name = (char[]) { "portal" } } };
static sd_event *event;
static struct alarms *alarms;

static const char *in_folder(const char *name) {
        static char path[4][128];
        static unsigned next;

        next = (next + 1) % ELEMENTS(path);
        (void) snprintf(path[next], sizeof(path[next]), "%s/%s", folder, name);
        return path[next];
}

static void put(const char *name, const char *text, mode_t mode) {
        assert_int_equal(file_write(in_folder(name), text, strlen(text), mode), 0);
}

static char *told(void) {
        char *text = NULL;

        if (file_read(in_folder("told"), 1 << 20, &text, NULL) < 0)
                text = strdup("");
        return text;
}

static unsigned times(const char *text, const char *word) {
        unsigned n = 0;

        for (; (text = strstr(text, word)) != NULL; text++)
                n++;
        return n;
}

static unsigned told_times(const char *word) {
        char *text freed_by(freep) = told();

        return times(text, word);
}

/* Turns the loop for so long. */
static void turn(unsigned ms) {
        uint64_t now, end;

        assert_true(sd_event_now(event, CLOCK_MONOTONIC, &now) >= 0);
        for (end = 0; end == 0 || now < end;) {
                struct timespec at;

                assert_true(sd_event_run(event, 10000) >= 0);
                (void) clock_gettime(CLOCK_MONOTONIC, &at);
                now = (uint64_t) at.tv_sec * 1000000 + (uint64_t) at.tv_nsec / 1000;
                if (end == 0)
                        end = now + (uint64_t) ms * 1000;
        }
}

static void until_told(const char *word, unsigned n) {
        for (unsigned i = 0; i < 1000 && told_times(word) < n; i++)
                turn(10);
        if (told_times(word) != n) {
                char *text freed_by(freep) = told();

                print_message("told: %s\n", text);
        }
        assert_int_equal(told_times(word), n);
}

/* What was told is also noted as told: before that the clock must not leap. */
static void until_noted(void) {
        for (unsigned i = 0; i < 1000 && alarms->sendings; i++)
                turn(10);
        assert_null(alarms->sendings);
}

/* -- the socket that stands in for publisherd's -------------------------------------------------------- */

static int control = -1;
static sd_event_source *control_io;
static char asked[1 << 16]; /* every question, one behind the other */
static const char *control_answer;

static int on_question(sd_event_source *source, int fd, uint32_t revents, void *userdata) {
        int client = accept4(fd, NULL, NULL, SOCK_CLOEXEC);
        ssize_t n = recv(client, asked + strlen(asked), sizeof(asked) - strlen(asked) - 1, 0);

        assert_true(n > 0);
        assert_int_equal(send(client, control_answer, strlen(control_answer), MSG_NOSIGNAL),
                         (ssize_t) strlen(control_answer));
        (void) close(client);
        return 0;
}

static void control_listens(void) {
        struct sockaddr_un address = { .sun_family = AF_UNIX };

        (void) snprintf(address.sun_path, sizeof(address.sun_path), "%s", configuration.main.control);
        control = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
        assert_int_equal(bind(control, (struct sockaddr *) &address, sizeof(address)), 0);
        assert_int_equal(listen(control, 8), 0);
        assert_true(sd_event_add_io(event, &control_io, control, EPOLLIN, on_question, NULL) >= 0);
        control_answer = "{\"ok\":true}\n";
        asked[0] = '\0';
}

static void until_asked(const char *word, unsigned n) {
        for (unsigned i = 0; i < 1000 && times(asked, word) < n; i++)
                turn(10);
        assert_int_equal(times(asked, word), n);
}

/* -- fixture ----------------------------------------------------------------------------------------------- */

static void start(void) {
        assert_int_equal(alarm_start(folder), 0);
        assert_int_equal(alarms_open(event, &configuration, &alarms), 0);
}

static void end(void) {
        alarms = alarms_close(alarms);
        alarm_end();
}

static int begin(void **state) {
        (void) state;
        (void) snprintf(folder, sizeof(folder), "/tmp/gongkai-ledgerd-XXXXXX");
        if (!mkdtemp(folder) || sd_event_new(&event) < 0)
                return -1;
        *clock_offset = 0;
        configuration = (struct configuration) { .channels = channels, .n_channels = 2 };
        configuration.main.state_dir = strdup(folder);
        configuration.main.control = strdup(in_folder("control"));
        configuration.main.alarm_repeat_ms = 21600000;
        (void) string_list_add(&configuration.main.regions, "530581 腾冲市", strlen("530581 腾冲市"));
        if (asprintf(&configuration.main.alarm_command, "%s/notify duty ;$(date) \"x", folder) < 0)
                return -1;
        put("notify",
            "#!/bin/sh\n"
            "here=$(dirname \"$0\")\n"
            "read -r input\n"
            "printf '%s|%s|%s|%s|%s|%s|%s|%s|%s\\n' \"$GONGKAI_ALARM_STATE\" \"$GONGKAI_ALARM_CODE\" "
            "\"$GONGKAI_ALARM_SUBJECT\" \"$GONGKAI_ALARM_SEVERITY\" \"$1\" \"$2\" \"$3\" "
            "\"$NOTIFY_SOCKET\" \"$input\" >>\"$here/told\"\n"
            "[ ! -e \"$here/hang\" ] || { sleep 60 & wait; }\n"
            "[ ! -e \"$here/fail\" ] || exit 3\n",
            0700);
        return 0;
}

static int remove_one(const char *path, const struct stat *st, int flag, struct FTW *at) {
        return remove(path);
}

static int all_away(void **state) {
        (void) state;
        for (struct sending *one = alarms ? alarms->sendings : NULL; one; one = one->next)
                if (one->pid > 0)
                        (void) kill(-one->pid, SIGKILL);
        end();
        while (waitpid(-1, NULL, 0) > 0)
                ;
        if (control >= 0)
                (void) close(control);
        control = -1;
        control_io = sd_event_source_disable_unref(control_io);
        event = sd_event_unref(event);
        string_list_done(&configuration.main.regions);
        free(configuration.main.state_dir);
        free(configuration.main.control);
        free(configuration.main.alarm_command);
        return nftw(folder, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

static void raise_one(void) {
        alarm_raise(ALARM_BREAKER_OPEN, "portal", "reason", "504", "for", "6min", NULL);
}

/* -- by a command --------------------------------------------------------------------------------------------- */

static void it_is_told_once_when_it_opens_and_once_when_it_closes(void **state) {
        char *text;

        (void) state;
        (void) setenv("NOTIFY_SOCKET", "/run/systemd/notify", 1);
        start();
        raise_one();
        until_told("opened|breaker-open|portal|error|duty|;$(date)|\"x||{", 1);
        (void) unsetenv("NOTIFY_SOCKET");
        text = told();
        assert_non_null(strstr(text, "\"what_to_do\":\"联系对方"));
        free(text);
        for (int i = 0; i < 3; i++) {
                *clock_offset += 61000;
                raise_one(); /* writes the file anew */
                turn(50);
        }
        assert_int_equal(told_times("breaker-open|"), 1);
        alarm_clear(ALARM_BREAKER_OPEN, "portal");
        until_told("closed|breaker-open|portal|", 1);
        turn(100);
        assert_int_equal(told_times("breaker-open|"), 2);
        assert_int_equal(access(in_folder("alarms/breaker-open--portal.sent"), F_OK), -1);
}

static void it_is_repeated_each_six_hours_until_somebody_acknowledges_it(void **state) {
        (void) state;
        start();
        raise_one();
        until_told("opened|", 1);
        until_noted();
        *clock_offset += 21590000;
        alarms_reload(alarms, &configuration);
        turn(100);
        assert_int_equal(told_times("repeated|"), 0);
        *clock_offset += 11000;
        alarms_reload(alarms, &configuration);
        until_told("repeated|", 1);
        until_noted();
        assert_int_equal(told_times("repeated|"), 1);
        assert_int_equal(alarm_acknowledge(folder, "breaker-open", "portal", "li(1000)", "看到了"), 0);
        *clock_offset += 30000000;
        alarms_reload(alarms, &configuration);
        turn(150);
        assert_int_equal(told_times("repeated|"), 1);
        alarm_clear(ALARM_BREAKER_OPEN, "portal");
        until_told("closed|", 1);
}

static void it_is_repeated_by_itself(void **state) {
        (void) state;
        configuration.main.alarm_repeat_ms = 300;
        start();
        raise_one();
        for (unsigned i = 0; i < 500 && told_times("repeated|") < 3; i++)
                turn(10);
        assert_true(told_times("repeated|") >= 3);
        assert_int_equal(told_times("opened|"), 1);
}

static void a_clock_that_went_far_back_does_not_silence_it(void **state) {
        (void) state;
        *clock_offset = INT64_C(86400000) * 30;
        start();
        raise_one();
        until_told("opened|", 1);
        until_noted();
        *clock_offset = 0;
        alarms_reload(alarms, &configuration);
        until_told("repeated|", 1);
}

static bool is_telling(enum way way) {
        for (const struct sending *one = alarms->sendings; one; one = one->next)
                if (one->way == way)
                        return true;
        return false;
}

/* Until what was told is remembered: killed before that, it is told again. */
static void until_done(enum way way) {
        for (unsigned i = 0; i < 1000 && is_telling(way); i++)
                turn(10);
        assert_false(is_telling(way));
}

/* The program under way and this daemon are killed at once. */
static void both_killed(void) {
        pid_t pid = alarms->sendings->pid;

        assert_int_equal(kill(-pid, SIGKILL), 0);
        end(); /* it has not seen the program end */
        assert_int_equal(waitpid(pid, NULL, 0), pid);
}

static void a_restart_sends_nothing_again(void **state) {
        (void) state;
        start();
        raise_one();
        until_told("opened|", 1);
        until_done(BY_COMMAND);
        end();
        start();
        turn(150);
        assert_int_equal(told_times("|breaker-open|"), 1);
        end();
        /* It closes while nobody looks. */
        assert_int_equal(alarm_start(folder), 0);
        alarm_clear(ALARM_BREAKER_OPEN, "portal");
        start();
        until_told("closed|", 1);
        until_done(BY_COMMAND);
        end();
        start();
        turn(150);
        assert_int_equal(told_times("|breaker-open|"), 2);
}

static void raised_before_the_start_it_is_told(void **state) {
        (void) state;
        assert_int_equal(alarm_start(folder), 0);
        raise_one();
        start();
        until_told("opened|", 1);
        /* Closed and open anew within a moment: a new alarm. */
        alarm_clear(ALARM_BREAKER_OPEN, "portal");
        *clock_offset += 1000;
        raise_one();
        until_told("opened|", 2);
}

static void killed_while_it_is_told_it_is_told_again_and_its_end_in_any_case(void **state) {
        (void) state;
        put("hang", "", 0600);
        start();
        raise_one();
        until_told("opened|", 1);
        both_killed();
        assert_int_equal(unlink(in_folder("hang")), 0);
        start();
        until_told("opened|", 2);
        until_done(BY_COMMAND);
        end();
        put("hang", "", 0600);
        assert_int_equal(alarm_file_remove(in_folder("alarms"), "breaker-open--portal", ".sent"), 0);
        start();
        until_told("opened|", 3);
        both_killed();
        assert_int_equal(unlink(in_folder("hang")), 0);
        assert_int_equal(alarm_start(folder), 0);
        alarm_clear(ALARM_BREAKER_OPEN, "portal");
        start();
        until_told("closed|", 1);
}

static void one_that_nobody_was_told_of_is_not_told_to_be_over(void **state) {
        (void) state;
        start();
        turn(50);
        raise_one();
        alarm_clear(ALARM_BREAKER_OPEN, "portal");
        turn(200);
        assert_int_equal(told_times("|"), 0);
}

/* -- a command that is ill --------------------------------------------------------------------------------------- */

static bool is_open(const char *name) {
        return access(in_folder(name), F_OK) == 0;
}

static void until_open(const char *name) {
        for (unsigned i = 0; i < 500 && !is_open(name); i++)
                turn(10);
        assert_true(is_open(name));
}

static void a_command_that_fails_is_an_alarm_of_its_own_and_is_tried_again(void **state) {
        (void) state;
        put("fail", "", 0600);
        start();
        raise_one();
        until_open("alarms/alarm-command--command.json");
        turn(100);
        assert_int_equal(told_times("opened|breaker-open"), 1); /* not again at once */
        assert_int_equal(told_times("alarm-command"), 0);
        assert_int_equal(unlink(in_folder("fail")), 0);
        alarms->sendings->next_boot_ms = 0;
        alarms_reload(alarms, &configuration);
        until_told("opened|breaker-open", 2);
        for (unsigned i = 0; i < 100 && is_open("alarms/alarm-command--command.json"); i++)
                turn(10);
        assert_false(is_open("alarms/alarm-command--command.json"));
        turn(100);
        assert_int_equal(told_times("|"), told_times("opened|breaker-open") * 8);
}

static void a_program_that_is_not_there_is_an_alarm(void **state) {
        (void) state;
        assert_int_equal(unlink(in_folder("notify")), 0);
        start();
        raise_one();
        until_open("alarms/alarm-command--command.json");
}

static void a_command_that_hangs_is_ended_with_its_children_and_holds_nothing_up(void **state) {
        (void) state;
        put("hang", "", 0600);
        start();
        alarms->patience_ms = 3000;
        raise_one();
        until_told("opened|", 1);
        for (int i = 0; i < 10; i++)
                turn(10);
        /* The loop has turned, and the program still hangs. */
        assert_true(alarms->sendings->under_way);
        assert_false(is_open("alarms/alarm-command--command.json"));
        until_open("alarms/alarm-command--command.json");
        turn(50);
        assert_int_equal(waitpid(-1, NULL, WNOHANG), -1); /* no child is left */
}

static void an_outage_of_everything_starts_few_programs_at_once(void **state) {
        unsigned most = 0;

        (void) state;
        put("hang", "", 0600);
        start();
        for (int i = 0; i < 40; i++) {
                char subject[24];

                (void) snprintf(subject, sizeof(subject), "channel-%d", i);
                alarm_raise(ALARM_SECRET, subject, "reason", "x", NULL);
        }
        for (int i = 0; i < 30; i++) {
                unsigned n = 0;

                turn(10);
                for (struct sending *one = alarms->sendings; one; one = one->next)
                        n += one->under_way;
                most = n > most ? n : most;
        }
        assert_int_equal(most, 4);
        for (struct sending *one = alarms->sendings; one; one = one->next)
                if (one->pid > 0)
                        (void) kill(-one->pid, SIGKILL);
        assert_int_equal(unlink(in_folder("hang")), 0);
        until_told("opened|secret-unreadable|channel-39|", 1);
}

/* -- by a channel -------------------------------------------------------------------------------------------------- */

static void a_channel_is_asked_by_way_of_publisherd(void **state) {
        json_t *question;

        (void) state;
        free(give_away(configuration.main.alarm_command));
        configuration.main.alarm_channel = channels[0].name;
        control_listens();
        start();
        alarm_raise(ALARM_LOG_LONG, "530581", "region", "530581", "count", "9", NULL);
        until_asked("alarm.publish", 1);
        question = json_loads(asked, 0, NULL);
        assert_string_equal(json_string_value(json_object_get(question, "channel")), "duty");
        assert_string_equal(json_string_value(json_object_get(question, "region")), "530581");
        assert_string_equal(json_string_value(json_object_get(json_object_get(question, "alarm"), "state")),
                            "opened");
        json_decref(question);
        until_done(BY_CHANNEL);
        assert_int_equal(times(asked, "alarm.publish"), 1);
        end();
        start();
        turn(100);
        assert_int_equal(times(asked, "alarm.publish"), 1);
        alarm_clear(ALARM_LOG_LONG, "530581");
        until_asked("\"state\":\"closed\"", 1);
}

static void both_ways_are_kept_apart(void **state) {
        (void) state;
        configuration.main.alarm_channel = channels[0].name;
        start(); /* publisherd is not there yet */
        raise_one();
        until_told("opened|", 1);
        until_done(BY_COMMAND);
        control_listens();
        end();
        start();
        until_asked("\"state\":\"opened\"", 1);
        assert_int_equal(told_times("opened|"), 1);
        /* The channel refuses: it is asked again later, the command is not. */
        control_answer = "{\"ok\":false,\"error\":\"busy\"}\n";
        alarm_clear(ALARM_BREAKER_OPEN, "portal");
        until_asked("\"state\":\"closed\"", 1);
        until_told("closed|", 1);
        until_done(BY_COMMAND);
        assert_true(is_open("alarms/breaker-open--portal.sent"));
        control_answer = "{\"ok\":true}\n";
        end();
        start();
        until_asked("\"state\":\"closed\"", 2);
        turn(100);
        assert_int_equal(told_times("closed|"), 1);
        assert_false(is_open("alarms/breaker-open--portal.sent"));
}

/* -- keeping house ---------------------------------------------------------------------------------------------------- */

static void what_a_channel_left_behind_closes_when_it_is_configured_no_more(void **state) {
        (void) state;
        assert_int_equal(alarm_start(folder), 0);
        raise_one();
        alarm_raise(ALARM_BREAKER_OPEN, "weibo", "reason", "504", "for", "6min", NULL);
        alarm_raise(ALARM_DEAD_LETTERS, "weibo", "count", "1", "document", "d", "reason", "x", NULL);
        start();
        assert_false(is_open("alarms/breaker-open--weibo.json"));
        assert_true(is_open("alarms/breaker-open--portal.json"));
        assert_true(is_open("alarms/dead-letters--weibo.json"));
}

static void a_folder_that_goes_away_is_watched_anew(void **state) {
        (void) state;
        start();
        turn(50);
        assert_int_equal(rmdir(in_folder("alarms")), 0);
        turn(50);
        alarms_reload(alarms, &configuration);
        turn(50);
        raise_one();
        until_told("opened|", 1);
}

int main(void) {
#define STORY(test) cmocka_unit_test_setup_teardown(test, begin, all_away)
        const struct CMUnitTest tests[] = {
                STORY(it_is_told_once_when_it_opens_and_once_when_it_closes),
                STORY(it_is_repeated_each_six_hours_until_somebody_acknowledges_it),
                STORY(it_is_repeated_by_itself),
                STORY(a_clock_that_went_far_back_does_not_silence_it),
                STORY(a_restart_sends_nothing_again),
                STORY(raised_before_the_start_it_is_told),
                STORY(killed_while_it_is_told_it_is_told_again_and_its_end_in_any_case),
                STORY(one_that_nobody_was_told_of_is_not_told_to_be_over),
                STORY(a_command_that_fails_is_an_alarm_of_its_own_and_is_tried_again),
                STORY(a_program_that_is_not_there_is_an_alarm),
                STORY(a_command_that_hangs_is_ended_with_its_children_and_holds_nothing_up),
                STORY(an_outage_of_everything_starts_few_programs_at_once),
                STORY(a_channel_is_asked_by_way_of_publisherd),
                STORY(both_ways_are_kept_apart),
                STORY(what_a_channel_left_behind_closes_when_it_is_configured_no_more),
                STORY(a_folder_that_goes_away_is_watched_anew),
        };
        char clock_file[] = "/tmp/gongkai-clock-XXXXXX";
        int fd = mkstemp(clock_file), failed;

        if (fd < 0 || ftruncate(fd, 8) < 0)
                return 1;
        clock_offset = mmap(NULL, 8, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
        (void) setenv("GONGKAI_TEST_CLOCK", clock_file, 1);
        (void) unsetenv("JOURNAL_STREAM");
        log_open("gongkai-test");
        failed = cmocka_run_group_tests_name("alarms", tests, NULL, NULL);
        (void) unlink(clock_file);
        return failed;
}
