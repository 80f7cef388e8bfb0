/* What core/config*.c share among themselves. */
#ifndef CORE_CONFIG_PARTS_H
#define CORE_CONFIG_PARTS_H

#include "core/config.h"

#define RUN_DIR "/run/gongkai"

/* Reads FOLDER/SUB/NAME.conf, sorted by name; a missing folder is empty. Files that cannot be read
 * and names that cannot be used are problems, and skipped. `each` owns conf. -ENOMEM. */
typedef int config_file_fn(struct configuration *configuration, const char *name, const char *path,
                           struct conf *conf, void *userdata, struct problems *problems);
int config_read_folder(struct configuration *configuration, const char *sub, config_file_fn *each,
                       void *userdata, struct problems *problems);

int config_read_channels(struct configuration *configuration, driver_settings_fn *driver_settings,
                         struct problems *problems);
int config_read_emitters(struct configuration *configuration, struct problems *problems);
int config_read_delivery(struct channel_config *channel, struct problems *problems);
void config_check_gate(const struct config *config, const struct conf *conf,
                       struct problems *problems);
void channel_config_done(struct channel_config *channel);
void emitter_config_done(struct emitter_config *emitter);

/* "530581 腾冲市" at the start: six digits, then nothing or a blank. */
bool config_region_is_valid(const char *text);
/* Cuts the names off a file's `regions`; says which are no codes and which are not served here. */
void config_check_regions(const struct configuration *configuration, const struct conf *conf,
                          struct string_list *regions, struct problems *problems);
/* `path` below `folder` unless it is absolute; NULL when memory is short. */
char *config_path(const char *folder, const char *path);
/* Replaces *path (may be NULL) by the systemd credential of that name, or by config_path(). */
int config_secret_path(const char *folder, char **path);

#endif
