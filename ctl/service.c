/* alarm service UNIT: run by systemd after each end of a service (ExecStopPost=), which tells how it
 * ended in the environment (systemd.exec(5)). systemd's OnFailure= is of no use here: a service that is
 * started again for ever never counts as failed. The configuration may be what is wrong: of it only the
 * state folder is needed, and nothing is said of the rest. */
#include "ctl/ctl.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "core/alarm.h"
#include "core/log.h"
#include "core/memory.h"

/* What ends by itself finds the same cause again: one try a second is enough. What was killed or hung is
 * started at once. */
enum { AGAIN_S = 1 };

static const char *told(const char *name) {
        const char *value = getenv(name);

        return value ? value : "";
}

static char *reason_of(const char *result) {
        if (strcmp(result, "exit-code") == 0)
                return say(MESSAGE_SERVICE_EXITED, "status", told("EXIT_STATUS"), NULL);
        if (strcmp(result, "watchdog") == 0)
                return say(MESSAGE_SERVICE_HUNG, NULL);
        if (strcmp(result, "signal") == 0 || strcmp(result, "core-dump") == 0)
                return say(MESSAGE_SERVICE_KILLED, "status", told("EXIT_STATUS"), NULL);
        if (strcmp(result, "timeout") == 0)
                return say(MESSAGE_SERVICE_SLOW, NULL);
        return say(MESSAGE_SERVICE_OTHER, "result", result, NULL);
}

int command_alarm_service(struct ctl *ctl) {
        const struct configuration *configuration;
        const char *result = told("SERVICE_RESULT");
        char *unit freed_by(freep) = NULL;
        char *reason freed_by(freep) = NULL;
        size_t n;
        int r;

        if (ctl->n_arguments != 1 || !*result) {
                print_error(MESSAGE_CTL_NAME_SERVICE, NULL);
                return EXIT_USAGE;
        }
        configuration = ctl_configuration(ctl);
        n = strlen(ctl->arguments[0]);
        if (n > 8 && strcmp(ctl->arguments[0] + n - 8, ".service") == 0)
                n -= 8;
        unit = strndup(ctl->arguments[0], n);
        log_open("gongkaictl");
        r = configuration ? alarm_start(configuration->main.state_dir) : -EINVAL;
        if (strcmp(result, "success") == 0) {
                if (r == 0)
                        alarm_clear(ALARM_SERVICE, unit);
                return EXIT_WELL;
        }
        reason = reason_of(result);
        alarm_raise(ALARM_SERVICE, unit, "reason", reason, NULL); /* without a folder: the journal */
        alarm_end();
        if (strcmp(result, "exit-code") == 0)
                (void) nanosleep(&(struct timespec) { .tv_sec = AGAIN_S }, NULL);
        return EXIT_WELL;
}
