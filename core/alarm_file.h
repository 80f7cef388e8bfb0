/* The files of alarms: STATE/alarms/CODE--SUBJECT{.json,.ack,.sent}. Between core/alarm*.c and who
 * sends alarms on. */
#ifndef CORE_ALARM_FILE_H
#define CORE_ALARM_FILE_H

#include <jansson.h>
#include <stdbool.h>

#define ALARM_FILE_MAX ((size_t) 64 << 10)

/* STATE/alarms, to be freed. */
char *alarm_folder(const char *state_dir);
/* The object of folder/name + kind. -ENOENT, -EBADMSG when it is no JSON object. */
int alarm_file_read(const char *folder, const char *name, const char *kind, json_t **ret);
/* Whole or not at all, and on disk when it returns. `only_new`: -EEXIST when it is there. */
int alarm_file_write(const char *folder, const char *name, const char *kind, const json_t *json,
                     bool only_new);
int alarm_file_remove(const char *folder, const char *name, const char *kind);
/* How many alarms are open. */
unsigned alarm_file_count(const char *folder);
/* Calls `each` with the name (without kind) of every file of this kind; a stop when it returns not
 * 0, which is returned then. Negative errno when the folder cannot be read. */
int alarm_file_each(const char *folder, const char *kind,
                    int (*each)(const char *name, void *userdata), void *userdata);
/* Takes away what kills have left half written. */
void alarm_file_sweep(const char *folder);

#endif
