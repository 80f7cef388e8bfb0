/* Named places where a test may end or freeze the process: every step after which a crash leaves
 * something half done. Test builds (SANITIZE=1) have them, in others nothing of them is left.
 *
 *         crash_point("publisherd/commit-answered");
 *
 * $GONGKAI_CRASH=NAME[:N][:kill|stop] raises SIGKILL (or SIGSTOP) at the Nth time that the process
 * comes by NAME; the first line of the file $GONGKAI_CRASH_SEEN says that it did. Each program has
 * `--list-crashpoints`, which --help does not speak of. A name stands in one place only. */
#ifndef CORE_CRASH_H
#define CORE_CRASH_H

#ifdef GONGKAI_CRASHPOINTS

#define crash_point(name)                                                                          \
        do {                                                                                       \
                crash_name(here, name);                                                            \
                crash_passed(here);                                                                \
        } while (0)

/* Enters a name in the program's list; for other kinds of points (core/store.h). */
#define crash_name(variable, name)                                                                 \
        static const char *const variable __attribute__((section("crash_points"), used)) = (name)

void crash_passed(const char *name);
/* Called at every point, before it takes effect: for unit tests. */
extern void (*crash_on_point)(const char *name);

#else

#define crash_point(name) ((void) 0)

#endif

#endif
