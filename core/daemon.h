/* What every daemon's main() does the same way: arguments, and the configuration with all that is
 * wrong in it said at once. */
#ifndef CORE_DAEMON_H
#define CORE_DAEMON_H

#include <systemd/sd-event.h>

#include "core/config.h"

struct daemon_arguments {
        const char *config;
        const char *name; /* the one argument that is no option, or NULL */
        bool check, test, preview, login, secret;
        bool ask, describe, json; /* channeld's */
        const char *out;          /* a folder, or NULL */
};

/* Sets language and log. Returns -1 to go on, else the exit code (after --help, --version, a wrong
 * option, a missing or surplus NAME). `help` prints the text of --help. */
int daemon_start(int argc, char **argv, const char *program, bool wants_name, void (*help)(void),
                 struct daemon_arguments *ret);

/* Prints every problem to stderr; negative errno then. With `channel`, what is wrong with the files of
 * other channels and of emitters is printed too, and is nothing that this channel stops for. A wrong
 * row of the catalogue is told as well, and stops a daemon only in a `check`: the other rows stand. */
int daemon_load(const char *path, driver_settings_fn *driver_settings, const char *channel,
                bool check, struct configuration **ret, struct catalogue **ret_catalogue);
/* The same while it runs: without "not started", and the first thing to stop for ("FILE:LINE: ...") in
 * *ret_reason, to be freed, which may be NULL. */
int daemon_load_anew(const char *path, driver_settings_fn *driver_settings, const char *channel,
                     char **ret_reason, struct configuration **ret,
                     struct catalogue **ret_catalogue);
/* The event loop, fed to the watchdog, with SIGTERM and SIGINT for `stop`, SIGHUP for `reload`. */
int daemon_event(sd_event_signal_handler_t stop, sd_event_signal_handler_t reload, void *userdata,
                 sd_event **ret);
/* "PATH: no problems" */
void daemon_say_config_ok(const char *path);

#endif
