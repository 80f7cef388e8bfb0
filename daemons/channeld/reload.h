/* SIGHUP: the channel's file and its secret are read anew. What is wrong is refused, with its place,
 * and the old ones stay in force. What is right waits until no attempt is under way, since these use
 * the old ones to their end; meanwhile none begins. Documents that were taken already begin after. */
#ifndef DAEMONS_CHANNELD_RELOAD_H
#define DAEMONS_CHANNELD_RELOAD_H

#include <signal.h>

#include "daemons/channeld/channeld.h"

int reload_on_signal(sd_event_source *source, const struct signalfd_siginfo *info, void *userdata);
/* Takes what waits, as soon as it may. */
void reload_go(struct channeld *daemon);
void reload_drop(struct channeld *daemon); /* at the end */

#endif
