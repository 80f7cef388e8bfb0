/* What a channel's file says to its driver, and the secret beside it. */
#ifndef DAEMONS_CHANNELD_OPTIONS_H
#define DAEMONS_CHANNELD_OPTIONS_H

#include "channels/driver.h"
#include "core/config.h"

driver_settings_fn options_of_driver;

/* The driver's own options, with its second look at them; to be given to options_free(). What is
 * wrong goes to `problems` and is no error. -ENOMEM. */
int options_read(const struct driver *driver, const struct channel_config *channel, void **ret,
                 struct problems *problems);
void options_free(const struct driver *driver, void *options); /* takes NULL */
void options_forget_secret(char *secret); /* overwrites and frees; takes NULL */

#endif
