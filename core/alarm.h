/* An alarm is something that a person must do. Whoever finds its cause raises it, again and again if
 * it likes, and clears it when the cause is gone:
 *
 *         alarm_raise(ALARM_STORE_FULL, "redis", "reason", reason, NULL);
 *         ...
 *         alarm_clear(ALARM_STORE_FULL, "redis");
 *
 * An open alarm is the file STATE/alarms/CODE--SUBJECT.json, so that it works while Redis and the
 * ledger are down, and outlives the process:
 *
 *         {"code":"store-full","severity":"critical","subject":"redis","first":"2026-11-24T...",
 *          "last":"...","count":17,"sentence":"...","what_to_do":"...","fields":{"reason":"..."}}
 *
 * The journal hears of it once when it opens and once when it closes (MESSAGE_ID of ALARM_OPENED and
 * ALARM_CLOSED, fields GONGKAI_ALARM, GONGKAI_SUBJECT and those of the pairs that log_say() knows);
 * with a full disk only the journal. Both calls are cheap when nothing changes: while an alarm is
 * open its file is written at most once a minute, and clearing what is not open is a look into
 * memory after the first time. So call them wherever the cause is looked at, and clear once at the
 * start: a run before may have left the alarm open. Neither blocks longer than a write to disk.
 *
 * Two processes may raise the same alarm; who clears it closes it, and if it is still so for the
 * other, that one opens it anew within a minute. Counts are then at least what happened.
 *
 * Who sends alarms to people is gongkai-ledgerd; what it has sent, and who acknowledged one, stand in
 * files beside (.sent, .ack), each written by one program only. */
#ifndef CORE_ALARM_H
#define CORE_ALARM_H

#include <jansson.h>
#include <stdbool.h>

#include "core/messages.h"

enum alarm {
#define ALARM(name, code, severity, chinese, english, chinese_do, english_do) ALARM_##name,
#include "core/alarms.def"
#undef ALARM
        N_ALARMS,
};

enum alarm_severity { ALARM_WARNING, ALARM_ERROR, ALARM_CRITICAL };

/* Where alarms are kept; makes the folder. Without this call (commands, tests) alarms are said in
 * the log only. Negative errno: the alarms go to the log only until the folder can be made. */
int alarm_start(const char *state_dir);
/* Forgets what is in memory; the files stay. For tests and the end of a program. */
void alarm_end(void);

/* `subject` says whose alarm it is: a channel, a region, "redis"; the code and it are the alarm's
 * identity. The pairs fill the holes of its sentences. Strings may be anything; NULL is "". */
__attribute__((sentinel)) void alarm_raise(enum alarm alarm, const char *subject, ...);
void alarm_clear(enum alarm alarm, const char *subject);
/* The same for an alarm that other processes raise: looks at the disk each time. */
void alarm_clear_of_others(enum alarm alarm, const char *subject);

/* -- reading ----------------------------------------------------------------------------------- */

/* All open alarms, the gravest first, then the oldest: an array of the objects above, with sentences
 * in this process' language, and "acked":{"by","at","reason"} where somebody did. A new reference;
 * NULL when memory is short. A folder that is not there is no alarm. -EACCES and the like go to
 * *ret_error (may be NULL), 0 else. */
json_t *alarm_list(const char *state_dir, int *ret_error);
/* Marks it as known to a person: it is not sent again. 0, -ENOENT when no such alarm is open. */
int alarm_acknowledge(const char *state_dir, const char *code, const char *subject,
                      const char *who, const char *reason);

const char *alarm_code(enum alarm alarm);          /* "store-full" */
enum alarm_severity alarm_severity(enum alarm alarm);
const char *alarm_severity_name(enum alarm_severity severity); /* "critical" */
/* A sentence with holes; what_to_do or what is so. */
const char *alarm_template(enum alarm alarm, enum language language, bool what_to_do);
/* N_ALARMS when there is none, or `code` is NULL. */
enum alarm alarm_by_code(const char *code);

/* "CODE--SUBJECT", without anything that a path could stumble over; to be freed. */
char *alarm_file_name(const char *code, const char *subject);
/* Fills an alarm's sentences anew, in this process' language; what is unknown stays as it is. */
void alarm_say(json_t *alarm);

#endif
