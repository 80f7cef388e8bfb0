/* Sends alarms to people: by a command, by a channel, or both; once when an alarm opens, again after
 * each `repeat` while it is open and nobody has acknowledged it, and once when it closes.
 *
 * It watches the folder of alarms, so whoever raised one need not tell. What was sent stands in
 * NAME.sent beside NAME.json: per way the moment, and the alarm itself, which is told once more when
 * its own file is gone. The moment is written when the way has succeeded, so a kill in between sends
 * twice rather than never. Nothing here waits: the command is a child, the channel is asked by way of
 * publisherd's control socket. */
#ifndef DAEMONS_LEDGERD_ALARMS_H
#define DAEMONS_LEDGERD_ALARMS_H

#include <systemd/sd-event.h>

#include "core/config.h"

struct alarms;

/* After alarm_start(). SIGCHLD gets blocked in this thread. The configuration is copied as far as it
 * is needed. Negative errno: the loop cannot be set up. */
int alarms_open(sd_event *event, const struct configuration *configuration, struct alarms **ret);
/* Another configuration from now on. */
int alarms_reload(struct alarms *alarms, const struct configuration *configuration);
/* Commands under way go on without us, and are begun anew by the next start. */
struct alarms *alarms_close(struct alarms *alarms);

#endif
