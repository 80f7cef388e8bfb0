/* Two faults that a process cannot tell from the world's, preloaded into it:
 *
 *         $FAULT_CLOCK  a file whose first eight bytes are milliseconds, added to the time of day
 *                       (the daemons read such a file by themselves; this is for Redis)
 *         $FAULT_DISK   a file whose first eight bytes say whether the disk is full: then every write
 *                       to a file is answered ENOSPC, and the second eight bytes count them
 *
 * Both files are mapped, so that a test changes the world of a running process by one store. System
 * calls are made directly and nothing is allocated: jemalloc asks for the time before it is ready. */
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

static int64_t nothing[2];

static int64_t *look_for(const char *variable) {
        const char *path = getenv(variable);
        long fd = path ? syscall(SYS_openat, AT_FDCWD, path, O_RDWR | O_CLOEXEC) : -1;
        void *map = MAP_FAILED;

        if (fd >= 0) {
                map = mmap(NULL, sizeof(nothing), PROT_READ | PROT_WRITE, MAP_SHARED, (int) fd, 0);
                (void) syscall(SYS_close, fd);
        }
        return map == MAP_FAILED ? nothing : map;
}

/* -- the clock -- */

static int64_t offset_ms(void) {
        static int64_t *clock;

        if (!clock)
                clock = look_for("FAULT_CLOCK");
        return __atomic_load_n(clock, __ATOMIC_RELAXED);
}

static void shift(struct timespec *time) {
        int64_t ms = offset_ms();

        time->tv_sec += ms / 1000;
        time->tv_nsec += ms % 1000 * 1000000;
        if (time->tv_nsec >= 1000000000) {
                time->tv_nsec -= 1000000000;
                time->tv_sec++;
        } else if (time->tv_nsec < 0) {
                time->tv_nsec += 1000000000;
                time->tv_sec--;
        }
}

int clock_gettime(clockid_t id, struct timespec *time) {
        if (syscall(SYS_clock_gettime, id, time) < 0)
                return -1;
        if (id == CLOCK_REALTIME || id == CLOCK_REALTIME_COARSE)
                shift(time);
        return 0;
}

int gettimeofday(struct timeval *restrict time, void *restrict zone) {
        struct timespec now;

        (void) zone;
        if (clock_gettime(CLOCK_REALTIME, &now) < 0)
                return -1;
        *time = (struct timeval) { .tv_sec = now.tv_sec, .tv_usec = now.tv_nsec / 1000 };
        return 0;
}

time_t time(time_t *ret) {
        struct timespec now;

        if (clock_gettime(CLOCK_REALTIME, &now) < 0)
                return -1;
        if (ret)
                *ret = now.tv_sec;
        return now.tv_sec;
}

/* -- the disk -- */

/* What the daemon says on its standard error is not meant. */
static int is_full(int fd) {
        static int64_t *disk;
        struct stat status;
        int error = errno;

        if (!disk)
                disk = look_for("FAULT_DISK");
        if (fd <= STDERR_FILENO || !__atomic_load_n(&disk[0], __ATOMIC_RELAXED))
                return 0;
        if (fstat(fd, &status) < 0 || !S_ISREG(status.st_mode)) {
                errno = error;
                return 0;
        }
        (void) __atomic_add_fetch(&disk[1], 1, __ATOMIC_RELAXED);
        errno = ENOSPC;
        return 1;
}

ssize_t write(int fd, const void *bytes, size_t n) {
        return is_full(fd) ? -1 : syscall(SYS_write, fd, bytes, n);
}

ssize_t writev(int fd, const struct iovec *parts, int n) {
        return is_full(fd) ? -1 : syscall(SYS_writev, fd, parts, n);
}

ssize_t pwrite(int fd, const void *bytes, size_t n, off_t at) {
        return is_full(fd) ? -1 : syscall(SYS_pwrite64, fd, bytes, n, at);
}

ssize_t pwrite64(int fd, const void *bytes, size_t n, off64_t at) {
        return is_full(fd) ? -1 : syscall(SYS_pwrite64, fd, bytes, n, at);
}

int posix_fallocate(int fd, off_t at, off_t n) {
        return is_full(fd) ? ENOSPC : syscall(SYS_fallocate, fd, 0, at, n) < 0 ? errno : 0;
}

int fallocate(int fd, int mode, off_t at, off_t n) {
        return is_full(fd) ? -1 : (int) syscall(SYS_fallocate, fd, mode, at, n);
}
