#include "core/clock.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

/* Looked for once: a daemon asks for the time several times per event. */
static const int64_t *test_offset(void) {
        static const int64_t *offset;
        static int looked;
        const char *path;
        struct stat status;
        void *map;
        int fd;

        if (looked)
                return offset;
        looked = 1;

        path = secure_getenv("GONGKAI_TEST_CLOCK");
        if (!path || !*path)
                return NULL;

        fd = open(path, O_RDONLY | O_CLOEXEC);
        if (fd < 0)
                return NULL;
        /* A shorter file would be a SIGBUS at the first look. */
        if (fstat(fd, &status) == 0 && status.st_size >= (off_t) sizeof(int64_t)) {
                map = mmap(NULL, sizeof(int64_t), PROT_READ, MAP_SHARED, fd, 0);
                if (map != MAP_FAILED)
                        offset = map;
        }
        (void) close(fd);
        return offset;
}

static int64_t read_ms(clockid_t id) {
        struct timespec now;

        if (clock_gettime(id, &now) < 0)
                abort(); /* a kernel without these clocks is none that we run on */
        return (int64_t) now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

int64_t clock_now_ms(void) {
        const int64_t *offset = test_offset();

        return read_ms(CLOCK_REALTIME) + (offset ? __atomic_load_n(offset, __ATOMIC_RELAXED) : 0);
}

int64_t clock_boot_ms(void) {
        return read_ms(CLOCK_BOOTTIME);
}
