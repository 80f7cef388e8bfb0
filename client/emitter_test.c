#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <zmq.h>

#include "client/gongkai.h"
#include "core/clock.h"
#include "core/memory.h"

/* The door in the same process: a ROUTER that the tests read and answer step by step. */
static void *context, *router;
static char door[64];

static int set_up(void **state) {
        int linger = 0;

        (void) state;
        context = zmq_ctx_new();
        router = zmq_socket(context, ZMQ_ROUTER);
        (void) zmq_setsockopt(router, ZMQ_LINGER, &linger, sizeof(linger));
        (void) snprintf(door, sizeof(door), "ipc:///tmp/gk-emitter-%d", (int) getpid());
        return zmq_bind(router, door);
}

static int tear_down(void **state) {
        (void) state;
        (void) zmq_close(router);
        (void) zmq_ctx_term(context);
        (void) unlink(door + strlen("ipc://"));
        return 0;
}

static struct gongkai_emitter *new_emitter(void) {
        struct gongkai_emitter *emitter = NULL;

        assert_int_equal(gongkai_emitter_new(&emitter), 0);
        assert_int_equal(gongkai_emitter_set_door(emitter, door), 0);
        return emitter;
}

/* Answers each request that is there with the status; returns how many. */
static unsigned answer_all(const char *status) {
        unsigned n = 0;

        for (;; n++) {
                char peer[256], frame[1024], reply[256];
                int n_peer = zmq_recv(router, peer, sizeof(peer), ZMQ_DONTWAIT), n_frame;

                if (n_peer < 0)
                        return n;
                assert_int_equal(zmq_recv(router, frame, sizeof(frame), 0), 0);
                n_frame = zmq_recv(router, frame, sizeof(frame) - 1, 0);
                assert_true(n_frame > 0);
                frame[n_frame] = '\0';
                (void) snprintf(reply, sizeof(reply), "{\"source\":\"s\",\"id\":\"%d\",%s}",
                                (int) strtol(strstr(frame, "\"id\":\"") + 6, NULL, 10), status);
                (void) zmq_send(router, peer, (size_t) n_peer, ZMQ_SNDMORE);
                (void) zmq_send(router, "", 0, ZMQ_SNDMORE);
                (void) zmq_send(router, reply, strlen(reply), 0);
        }
}

struct heard {
        unsigned answered, gave_up, taken;
        uint64_t last_number;
        struct gongkai_emitter *emit_again;
};

static void on_answer(void *userdata, const struct gongkai_answer *answer) {
        struct heard *heard = userdata;

        heard->answered += answer->result == GONGKAI_ANSWERED;
        heard->gave_up += answer->result != GONGKAI_ANSWERED;
        heard->taken += (unsigned) answer->n_taken;
        heard->last_number = answer->number;
        if (heard->emit_again)
                assert_int_equal(gongkai_emit(heard->emit_again, "{}", 2, NULL, 0, NULL, NULL),
                                 -ESHUTDOWN);
}

static int emit(struct gongkai_emitter *emitter, unsigned id, struct heard *heard) {
        char event[128];

        (void) snprintf(event, sizeof(event),
                        "{\"source\":\"s\",\"id\":\"%u\",\"data\":{\"document\":\"d-%u\"}}", id,
                        id);
        return gongkai_emit(emitter, event, strlen(event), NULL, 0, on_answer, heard);
}

static void a_foreign_loop_needs_only_the_descriptor_and_the_timeout(void **state) {
        struct gongkai_emitter *emitter = new_emitter();
        struct heard heard = { 0 };
        int fd = gongkai_emitter_fd(emitter);
        int64_t until_ms = clock_boot_ms() + 20000;

        (void) state;
        assert_int_equal(gongkai_emitter_timeout_ms(emitter), -1); /* nothing to do */
        for (unsigned i = 0; i < 500; i++)
                assert_int_equal(emit(emitter, i, &heard), 0);
        assert_int_equal(gongkai_emitter_timeout_ms(emitter), 0);
        while (gongkai_emitter_pending(emitter) > 0) {
                struct pollfd item = { .fd = fd, .events = gongkai_emitter_events(emitter) };
                int wait_ms = gongkai_emitter_timeout_ms(emitter);

                assert_true(wait_ms >= 0 && wait_ms <= 100);
                assert_return_code(poll(&item, 1, wait_ms < 5 ? wait_ms : 5), errno);
                assert_int_equal(gongkai_emitter_dispatch(emitter), 0);
                (void) answer_all("\"status\":\"accepted\"");
                assert_true(clock_boot_ms() < until_ms);
        }
        assert_int_equal(heard.answered, 500);
        assert_int_equal(heard.taken, 500);
        assert_int_equal(heard.last_number, 500);
        assert_int_equal(gongkai_emitter_fd(emitter), fd);
        assert_int_equal(gongkai_emitter_timeout_ms(emitter), -1);
        gongkai_emitter_free(emitter);
}

static void freeing_tells_everybody_and_does_not_wait(void **state) {
        struct gongkai_emitter *emitter = new_emitter();
        struct heard heard = { .emit_again = emitter };
        int64_t before_ms;

        (void) state;
        for (unsigned i = 0; i < 100; i++)
                assert_int_equal(emit(emitter, i, &heard), 0);
        assert_int_equal(gongkai_emitter_run(emitter, 200), 100);
        before_ms = clock_boot_ms();
        gongkai_emitter_free(emitter);
        assert_true(clock_boot_ms() - before_ms < 2000);
        assert_int_equal(heard.gave_up, 100);
        assert_null(gongkai_emitter_free(NULL));
}

static void run_keeps_to_its_time_whoever_is_silent(void **state) {
        struct gongkai_emitter *emitter = new_emitter();
        struct heard heard = { 0 };
        int64_t before_ms = clock_boot_ms(), took_ms;

        (void) state;
        assert_int_equal(emit(emitter, 1, &heard), 0);
        assert_int_equal(gongkai_emitter_run(emitter, 150), 1);
        took_ms = clock_boot_ms() - before_ms;
        assert_true(took_ms >= 150 && took_ms < 2000);
        assert_int_equal(gongkai_emitter_was_connected(emitter), 1);
        gongkai_emitter_free(emitter);
}

static void after_giving_up_the_next_message_goes_its_own_way(void **state) {
        struct gongkai_emitter *emitter = new_emitter();
        struct heard first = { 0 }, second = { 0 };
        int64_t until_ms = clock_boot_ms() + 20000;

        (void) state;
        assert_int_equal(gongkai_emitter_set_try_for(emitter, 100), 0);
        assert_int_equal(emit(emitter, 1, &first), 0);
        assert_int_equal(gongkai_emitter_run(emitter, -1), 0);
        assert_int_equal(first.gave_up, 1);

        assert_int_equal(gongkai_emitter_set_try_for(emitter, -1), 0);
        assert_int_equal(emit(emitter, 2, &second), 0);
        while (gongkai_emitter_run(emitter, 5) > 0) {
                (void) answer_all("\"status\":\"held\""); /* the first one's answer comes too */
                assert_true(clock_boot_ms() < until_ms);
        }
        assert_int_equal(second.taken, 1);
        assert_int_equal(first.answered, 0);
        gongkai_emitter_free(emitter);
}

static void the_queue_is_bounded(void **state) {
        struct gongkai_emitter *emitter = new_emitter();
        char *large = calloc(1, (size_t) 60 << 20);
        const struct gongkai_part part = { large, (size_t) 60 << 20 };
        struct heard heard = { 0 };
        unsigned n = 0;

        (void) state;
        assert_non_null(large);
        while (gongkai_emit(emitter, "{}", 2, &part, 1, on_answer, &heard) == 0)
                n++;
        assert_int_equal(n, 4); /* of 60 MiB each in 256 MiB */
        assert_int_equal(gongkai_emit(emitter, "{}", 2, &part, 1, on_answer, &heard), -ENOBUFS);
        free(large);
        gongkai_emitter_free(emitter);
        assert_int_equal(heard.gave_up, 4);
}

static void what_is_no_endpoint_or_key_is_told_at_once(void **state) {
        struct gongkai_emitter *emitter = new_emitter();
        char public_key[41], secret_key[41];

        (void) state;
        assert_int_equal(zmq_curve_keypair(public_key, secret_key), 0);
        assert_int_equal(gongkai_emitter_set_keys(emitter, public_key, public_key, "short"),
                         -EINVAL);
        assert_int_equal(gongkai_emitter_set_keys(emitter, public_key, public_key, secret_key), 0);
        assert_int_equal(gongkai_emitter_set_window(emitter, 0), -EINVAL);
        assert_int_equal(gongkai_emitter_set_window(emitter, 1025), -EINVAL);
        assert_int_equal(gongkai_emitter_set_patience(emitter, 0), -EINVAL);
        assert_int_equal(gongkai_emitter_set_door(emitter, ""), -EINVAL);
        assert_int_equal(gongkai_emitter_set_door(emitter, "nonsense"), 0);
        assert_int_equal(gongkai_emit(emitter, "{}", 2, NULL, 0, NULL, NULL), 0);
        assert_int_equal(gongkai_emitter_run(emitter, 1000), -EINVAL);
        assert_int_equal(gongkai_emitter_set_door(emitter, "smtp://x:1"), 0);
        assert_int_equal(gongkai_emitter_run(emitter, 1000), -EPROTONOSUPPORT);
        gongkai_emitter_free(emitter);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test_setup_teardown(
                        a_foreign_loop_needs_only_the_descriptor_and_the_timeout, set_up,
                        tear_down),
                cmocka_unit_test_setup_teardown(freeing_tells_everybody_and_does_not_wait, set_up,
                                                tear_down),
                cmocka_unit_test_setup_teardown(run_keeps_to_its_time_whoever_is_silent, set_up,
                                                tear_down),
                cmocka_unit_test_setup_teardown(after_giving_up_the_next_message_goes_its_own_way,
                                                set_up, tear_down),
                cmocka_unit_test_setup_teardown(the_queue_is_bounded, set_up, tear_down),
                cmocka_unit_test_setup_teardown(what_is_no_endpoint_or_key_is_told_at_once, set_up,
                                                tear_down),
        };

        return cmocka_run_group_tests_name("emitter", tests, NULL, NULL);
}
