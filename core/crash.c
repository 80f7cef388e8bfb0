#include "core/crash.h"

#ifdef GONGKAI_CRASHPOINTS

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Where the linker puts the points of all objects of a program. */
extern const char *const __start_crash_points[] __attribute__((weak));
extern const char *const __stop_crash_points[] __attribute__((weak));

void (*crash_on_point)(const char *name);

static struct {
        char name[64];
        unsigned long left; /* how often it is still to come by */
        int signal;
} aim;

/* A plain write: what comes next is a SIGKILL, and nothing is flushed then. */
static void leave_mark(const char *name) {
        const char *path = getenv("GONGKAI_CRASH_SEEN");
        char line[80];
        int n = snprintf(line, sizeof(line), "%s\n", name);
        int fd = path ? open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600) : -1;

        if (fd < 0)
                return;
        if (write(fd, line, (size_t) n) != n)
                abort();
        (void) close(fd);
}

void crash_passed(const char *name) {
        if (crash_on_point)
                crash_on_point(name);
        if (aim.left == 0 || strcmp(name, aim.name) != 0 || --aim.left > 0)
                return;
        leave_mark(name);
        (void) raise(aim.signal);
}

static void take_aim(void) {
        const char *aimed = getenv("GONGKAI_CRASH");
        const char *colon = aimed ? strchr(aimed, ':') : NULL;

        if (!aimed)
                return;
        (void) snprintf(aim.name, sizeof(aim.name), "%.*s",
                        (int) (colon ? colon - aimed : (long) strlen(aimed)), aimed);
        aim.left = colon ? strtoul(colon + 1, NULL, 10) : 1;
        if (aim.left == 0)
                aim.left = 1;
        aim.signal = colon && strstr(colon, ":stop") ? SIGSTOP : SIGKILL;
}

/* Before main, so that no program has to know of it. */
__attribute__((constructor)) static void crash_begin(int argc, char **argv) {
        take_aim();
        if (argc != 2 || strcmp(argv[1], "--list-crashpoints") != 0)
                return;
        for (const char *const *point = __start_crash_points; point < __stop_crash_points; point++)
                (void) puts(*point);
        (void) fflush(stdout);
        _exit(0);
}

#endif
