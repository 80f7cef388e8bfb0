#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include <zmq.h>

#include "client/gongkai.h"
#include "client/spool_file.h"
#include "core/crash.h"
#include "core/memory.h"

#define EVENT(id)                                                                                  \
        "{\"source\":\"urn:gongkai:530581:oa\",\"id\":\"" id "\",\"data\":{\"document\":\"d\"}}"

static char folder[] = "/tmp/gk-spool-XXXXXX";
static char spool_path[64], door[64];

static void empty(const char *path) {
        DIR *list = opendir(path);
        struct dirent *entry;

        while (list && (entry = readdir(list)) != NULL) {
                char child[512];

                if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
                        continue;
                (void) snprintf(child, sizeof(child), "%s/%s", path, entry->d_name);
                if (unlink(child) < 0) {
                        empty(child);
                        (void) rmdir(child);
                }
        }
        if (list)
                (void) closedir(list);
}

static int set_up(void **state) {
        (void) state;
        empty(folder);
        return 0;
}

static size_t files_in(const char *name) {
        char path[128];
        size_t n = 0;
        struct dirent *entry;
        DIR *list;

        (void) snprintf(path, sizeof(path), "%s/%s", spool_path, name);
        list = opendir(path);
        assert_non_null(list);
        while ((entry = readdir(list)) != NULL)
                n += entry->d_type == DT_REG && strncmp(entry->d_name, "lock", 4) != 0;
        (void) closedir(list);
        return n;
}

static struct gongkai_spool *open_spool(void) {
        struct gongkai_spool *spool = NULL;

        assert_int_equal(gongkai_spool_open(&spool, spool_path), 0);
        return spool;
}

static int put(struct gongkai_spool *spool, const char *event) {
        const struct gongkai_part part = { "attached", 8 };

        return gongkai_spool_put(spool, event, strlen(event), &part, 1);
}

/* -- crashes -- */

static unsigned die_at;

#ifdef GONGKAI_CRASHPOINTS
static unsigned steps_done;

static void die_in_time(const char *point) {
        if (strncmp(point, "emitter/spool-", 14) == 0 && ++steps_done == die_at)
                _exit(7);
}
#endif

/* Runs `act` in a child that dies after its n-th step. False when it came to its end instead. */
static bool crashes(unsigned n, int (*act)(void), void (*meanwhile)(pid_t child)) {
        int status;
        pid_t child = fork();

        assert_true(child >= 0);
        if (child == 0) {
                die_at = n;
#ifdef GONGKAI_CRASHPOINTS
                crash_on_point = die_in_time;
#endif
                _exit(act() == 0 ? 0 : 1);
        }
        if (meanwhile)
                meanwhile(child);
        assert_int_equal(waitpid(child, &status, 0), child);
        assert_true(WIFEXITED(status));
        assert_true(WEXITSTATUS(status) == 0 || WEXITSTATUS(status) == 7);
        return WEXITSTATUS(status) == 7;
}

static int put_two(void) {
        struct gongkai_spool *spool = NULL;
        int r = gongkai_spool_open(&spool, spool_path);

        if (r == 0)
                r = put(spool, EVENT("1"));
        if (r == 0)
                r = put(spool, EVENT("2"));
        gongkai_spool_close(spool);
        return r;
}

static void a_crash_while_putting_leaves_whole_messages_only(void **state) {
        unsigned n = 1;

        (void) state;
#ifndef GONGKAI_CRASHPOINTS
        skip(); /* only test builds can crash on purpose */
#endif
        for (bool crashed = true; crashed; n++) {
                struct spooled spooled;
                struct gongkai_spool *spool;
                char name[40];
                int64_t count;
                int at;

                empty(folder);
                crashed = crashes(n, put_two, NULL);
                spool = open_spool();
                count = gongkai_spool_count(spool);
                /* Three steps each: written, renamed, synced. */
                assert_int_equal(count, !crashed ? 2 : n >= 5 ? 2 : n >= 2 ? 1 : 0);
                assert_int_equal(put(spool, EVENT("3")), 0);
                assert_int_equal(gongkai_spool_count(spool), count + 1);
                assert_int_equal(files_in("new"), 0); /* swept */

                at = open(spool_path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
                for (int64_t i = 1; i <= count + 1; i++) {
                        char last[] = EVENT("?");

                        (void) snprintf(name, sizeof(name), "%020lld.msg", (long long) i);
                        if (i == count + 1 && crashed && (n == 1 || n == 4)) /* number was given */
                                (void) snprintf(name, sizeof(name), "%020lld.msg",
                                                (long long) i + 1);
                        print_message("step %u: %s\n", n, name);
                        assert_int_equal(spool_file_read(at, name, &spooled), 0);
                        *strchr(last, '?') = (char) (i == count + 1 ? '3' : '0' + i);
                        assert_memory_equal(spooled.event, last, spooled.n_event);
                        assert_int_equal(spooled.n_parts, 1);
                        assert_memory_equal(spooled.parts[0].bytes, "attached", 8);
                        spooled_done(&spooled);
                }
                (void) close(at);
                gongkai_spool_close(spool);
        }
        assert_int_equal(n - 1, 7); /* every step was one to die at */
}

static int drain_all(void) {
        struct gongkai_spool *spool = NULL;
        struct gongkai_emitter *emitter = NULL;
        int r = gongkai_spool_open(&spool, spool_path);

        if (r == 0)
                r = gongkai_emitter_new(&emitter);
        if (r == 0)
                r = gongkai_emitter_set_door(emitter, door);
        if (r == 0)
                r = gongkai_spool_drain(spool, emitter, 20000, NULL, NULL);
        gongkai_emitter_free(emitter);
        gongkai_spool_close(spool);
        return r;
}

static unsigned published[10];
static char order_of_publication[16];

/* The door: remembers whom it has accepted; the event with id 2 it refuses. */
static void serve(pid_t child) {
        void *context = zmq_ctx_new(), *router = zmq_socket(context, ZMQ_ROUTER);
        siginfo_t ended = { 0 };
        int linger = 0;

        assert_int_equal(zmq_setsockopt(router, ZMQ_LINGER, &linger, sizeof(linger)), 0);
        assert_int_equal(zmq_bind(router, door), 0);
        while (waitid(P_PID, (id_t) child, &ended, WEXITED | WNOHANG | WNOWAIT) == 0 &&
               ended.si_pid == 0) {
                zmq_pollitem_t item = { .socket = router, .events = ZMQ_POLLIN };
                char peer[256], frame[512], reply[128];
                const char *status = "accepted", *id;
                int n_peer, n;

                if (zmq_poll(&item, 1, 5) < 1)
                        continue;
                n_peer = zmq_recv(router, peer, sizeof(peer), 0);
                assert_true(n_peer > 0);
                assert_int_equal(zmq_recv(router, frame, sizeof(frame), 0), 0);
                n = zmq_recv(router, frame, sizeof(frame) - 1, 0);
                assert_true(n > 0 && n < (int) sizeof(frame));
                frame[n] = '\0';
                id = strstr(frame, "\"id\":\"") + 6;
                assert_int_equal(zmq_recv(router, reply, sizeof(reply), 0), 8); /* attachment */
                if (*id == '2')
                        status = "rejected";
                else if (published[*id - '0']++ > 0)
                        status = "duplicate";
                else
                        strncat(order_of_publication, id, 1);
                (void) snprintf(reply, sizeof(reply),
                                "{\"source\":\"urn:gongkai:530581:oa\",\"id\":\"%c\","
                                "\"status\":\"%s\"}",
                                *id, status);
                (void) zmq_send(router, peer, (size_t) n_peer, ZMQ_SNDMORE);
                (void) zmq_send(router, "", 0, ZMQ_SNDMORE);
                (void) zmq_send(router, reply, strlen(reply), 0);
        }
        (void) zmq_close(router);
        (void) zmq_ctx_term(context);
}

static void a_crash_while_draining_publishes_once_and_forgets_nothing(void **state) {
        unsigned n = 1;

        (void) state;
#ifndef GONGKAI_CRASHPOINTS
        skip(); /* only test builds can crash on purpose */
#endif
        for (bool crashed = true; crashed; n++) {
                struct gongkai_spool *spool;

                empty(folder);
                memset(published, 0, sizeof(published));
                order_of_publication[0] = '\0';
                spool = open_spool();
                assert_int_equal(put(spool, EVENT("1")), 0);
                assert_int_equal(put(spool, EVENT("2")), 0);
                assert_int_equal(put(spool, EVENT("3")), 0);
                gongkai_spool_close(spool);

                crashed = crashes(n, drain_all, serve);
                print_message("step %u: %s\n", n, crashed ? "crashed" : "came to the end");
                if (crashed)
                        assert_false(crashes(UINT32_MAX, drain_all, serve));
                assert_string_equal(order_of_publication, "13");
                assert_int_equal(files_in("."), 0);
                assert_int_equal(files_in("damaged"), 0);
                assert_int_equal(files_in("refused"), 2); /* the message and its reply */
        }
        assert_int_equal(n - 1, 10); /* answered and settled three times, three more to refuse */
}

/* -- the rest -- */

static void what_is_not_as_written_is_told_apart(void **state) {
        static const struct {
                const char *story;
                long at;  /* from the end when negative */
                int with; /* -1: cut the file there */
        } rows[] = {
                { "empty", 0, -1 },
                { "only the first line", 16, -1 },
                { "cut in the header", 40, -1 },
                { "cut in the last attachment", -1, -1 },
                { "another format", 14, '2' },
                { "a wrong digit in a digest", 20, 'x' },
                { "a length that is no number", 82, 'x' },
                { "a length that is too long", 81, '9' },
                { "a rotten byte in the event", -20, '#' },
                { "a rotten byte in the attachment", -1, '#' },
        };

        (void) state;
        for (size_t i = 0; i < ELEMENTS(rows); i++) {
                struct gongkai_spool *spool;
                struct spooled spooled;
                char path[128];
                struct stat status;
                long at;
                int fd, where;

                empty(folder);
                spool = open_spool();
                assert_int_equal(put(spool, EVENT("1")), 0);
                gongkai_spool_close(spool);
                where = open(spool_path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
                (void) snprintf(path, sizeof(path), "%s/%020d.msg", spool_path, 1);
                fd = open(path, O_RDWR | O_CLOEXEC);
                assert_return_code(fstat(fd, &status), errno);
                at = rows[i].at < 0 ? status.st_size + rows[i].at : rows[i].at;
                print_message("%s\n", rows[i].story);
                if (rows[i].with < 0)
                        assert_return_code(ftruncate(fd, at), errno);
                else
                        assert_int_equal(pwrite(fd, &(char) { (char) rows[i].with }, 1, at), 1);
                (void) close(fd);
                assert_int_equal(spool_file_read(where, path + strlen(spool_path) + 1, &spooled),
                                 -EBADMSG);
                (void) close(where);
        }
}

static void a_number_is_never_given_twice(void **state) {
        struct gongkai_spool *mine = open_spool(), *other = open_spool();
        char path[128];

        (void) state;
        assert_int_equal(put(mine, EVENT("1")), 0);
        assert_int_equal(put(other, EVENT("2")), 0);
        assert_int_equal(put(other, EVENT("3")), 0);
        /* Another process has sent all three meanwhile. */
        for (int i = 1; i <= 3; i++) {
                (void) snprintf(path, sizeof(path), "%s/%020d.msg", spool_path, i);
                assert_return_code(unlink(path), errno);
        }
        assert_int_equal(put(mine, EVENT("4")), 0);
        (void) snprintf(path, sizeof(path), "%s/%020d.msg", spool_path, 4);
        assert_return_code(access(path, F_OK), errno);
        gongkai_spool_close(mine);
        gongkai_spool_close(other);
}

static void one_process_drains_at_a_time(void **state) {
        struct gongkai_spool *mine = open_spool(), *other = open_spool();
        struct gongkai_emitter *emitter = NULL;

        (void) state;
        assert_int_equal(gongkai_emitter_new(&emitter), 0);
        assert_int_equal(gongkai_emitter_set_door(emitter, door), 0);
        assert_int_equal(put(mine, EVENT("1")), 0);
        assert_int_equal(gongkai_spool_drain(mine, emitter, 0, NULL, NULL), -ETIMEDOUT);
        assert_int_equal(gongkai_spool_drain(other, emitter, 0, NULL, NULL), -EBUSY);
        assert_int_equal(put(other, EVENT("2")), 0);

        /* Giving up ends the drain and frees the place; nothing is lost. */
        assert_int_equal(gongkai_emitter_set_try_for(emitter, 0), 0);
        assert_int_equal(gongkai_spool_drain(mine, emitter, -1, NULL, NULL), GONGKAI_SPOOL_LEFT);
        assert_int_equal(gongkai_spool_drain(other, emitter, -1, NULL, NULL), GONGKAI_SPOOL_LEFT);
        assert_int_equal(gongkai_spool_count(mine), 2);
        gongkai_spool_close(other);
        gongkai_emitter_free(emitter);
        gongkai_spool_close(mine);
}

static void a_spool_closed_before_its_emitter_keeps_its_messages(void **state) {
        struct gongkai_spool *spool = open_spool();
        struct gongkai_emitter *emitter = NULL;

        (void) state;
        assert_int_equal(gongkai_emitter_new(&emitter), 0);
        assert_int_equal(gongkai_emitter_set_door(emitter, door), 0);
        assert_int_equal(put(spool, EVENT("1")), 0);
        assert_int_equal(gongkai_spool_drain(spool, emitter, 0, NULL, NULL), -ETIMEDOUT);
        gongkai_spool_close(spool);
        gongkai_emitter_free(emitter);
        assert_int_equal(files_in("."), 1);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test_setup(a_crash_while_putting_leaves_whole_messages_only, set_up),
                cmocka_unit_test_setup(a_crash_while_draining_publishes_once_and_forgets_nothing,
                                       set_up),
                cmocka_unit_test_setup(what_is_not_as_written_is_told_apart, set_up),
                cmocka_unit_test_setup(a_number_is_never_given_twice, set_up),
                cmocka_unit_test_setup(one_process_drains_at_a_time, set_up),
                cmocka_unit_test_setup(a_spool_closed_before_its_emitter_keeps_its_messages,
                                       set_up),
        };
        int failed;

        if (!mkdtemp(folder))
                return 1;
        (void) snprintf(spool_path, sizeof(spool_path), "%s/spool", folder);
        (void) snprintf(door, sizeof(door), "ipc://%s/door", folder);
        failed = cmocka_run_group_tests_name("spool", tests, NULL, NULL);
        empty(folder);
        (void) rmdir(folder);
        return failed;
}
