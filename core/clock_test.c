#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "core/clock.h"

static char path[] = "/tmp/gongkai-clock-XXXXXX";
static int fd;

static int64_t real_ms(void) {
        struct timespec now;

        assert_int_equal(clock_gettime(CLOCK_REALTIME, &now), 0);
        return (int64_t) now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static void set_offset(int64_t ms) {
        assert_int_equal(pwrite(fd, &ms, sizeof(ms), 0), sizeof(ms));
}

static void the_wall_clock_moves_with_the_test_file(void **state) {
        static const int64_t offsets[] = { 0, 172800000, -3600000, 0 };

        (void) state;
        for (size_t i = 0; i < sizeof(offsets) / sizeof(offsets[0]); i++) {
                int64_t apart;

                set_offset(offsets[i]);
                apart = clock_now_ms() - real_ms() - offsets[i];
                assert_in_range(apart + 5000, 0, 10000); /* two looks, on a busy machine */
        }
}

static void the_boot_clock_does_not_move(void **state) {
        int64_t before, after;

        (void) state;
        set_offset(0);
        before = clock_boot_ms();
        set_offset(172800000);
        after = clock_boot_ms();
        assert_true(after >= before);
        assert_true(after - before < 5000);
}

static int make_file(void **state) {
        static const int64_t zero;

        (void) state;
        fd = mkstemp(path);
        if (fd < 0 || write(fd, &zero, sizeof(zero)) != sizeof(zero))
                return -1;
        return setenv("GONGKAI_TEST_CLOCK", path, 1);
}

static int remove_file(void **state) {
        (void) state;
        (void) close(fd);
        return unlink(path);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(the_wall_clock_moves_with_the_test_file),
                cmocka_unit_test(the_boot_clock_does_not_move),
        };

        return cmocka_run_group_tests_name("clock", tests, make_file, remove_file);
}
