/* gongkaictl: the operator's and the channel admin's command. Most commands are one question to
 * publisherd's control socket; keys and the check of the configuration work without it. */
#ifndef CTL_CTL_H
#define CTL_CTL_H

#include <jansson.h>
#include <stdbool.h>

#include "core/config.h"

/* Exit codes, documented in the help. */
enum {
        EXIT_WELL = 0,
        EXIT_REFUSED = 1,   /* not done, not found, or something needs a person; the sentence says */
        EXIT_NO_DAEMON = 3, /* publisherd does not answer */
        EXIT_USAGE = 64,
};

struct ctl {
        const char *config_path;
        struct configuration *configuration; /* loaded when a command asks for it */
        bool json;
        /* options of commands; NULL or 0 where not given */
        const char *region, *reason, *reason_code, *out;
        struct string_list sources, regions;
        const char *channel;
        bool erase, server, all;
        long limit;
        int64_t since;
        char **arguments; /* behind the command's words */
        int n_arguments;
};

/* load.c */
struct configuration *ctl_configuration(struct ctl *ctl); /* NULL: the reason is printed */
/* ask.c: one question to the control socket. Takes the reference of `question`; returns the answer
 * (a new reference), or NULL when nobody answers (said on stderr). */
json_t *ctl_ask(struct ctl *ctl, json_t *question);
/* The same, and when the answer is a failure its sentence is printed and NULL returned with
 * *ret_code set. */
json_t *ctl_ask_well(struct ctl *ctl, json_t *question, int *ret_code);

/* channel.c: the channel's own program, which stands beside this one and knows its driver; with
 * `input` (-1: ours) as its standard input. Returns its exit code. */
int run_channeld(const struct ctl *ctl, const char *option, const char *channel, int input);
/* The same, and what it has to hand over it writes to `output`, its descriptor 3
 * (--ask: to its standard output). */
int run_channeld_for(const struct ctl *ctl, const char *option, const char *channel, int input,
                     int output);
/* key.c: publisherd reads emitters.d and channels.d anew; when it is not running it will when it
 * starts. */
void tell_daemon(struct ctl *ctl);
/* alarm.c: a new reference, NULL when they cannot be read, which was said. */
json_t *open_alarms(struct ctl *ctl, int *ret_code);
void print_alarms(const json_t *alarms);
/* NULL when nobody answers, or not well; nothing is said. */
json_t *ctl_ask_quietly(struct ctl *ctl, json_t *question);

/* ledger.c: records, the oldest first, from the ledger, and behind them what only the log has so far
 * (`question` asks publisherd for it). Of a document, or NULL: the newest events. NULL when there is
 * no ledger and nobody answers; that is said. */
json_t *ctl_records(struct ctl *ctl, json_t *question, const char *document, int *ret_code);

/* ledger.c: opens it; EXIT_REFUSED, and said, when there is none or it cannot be read. */
struct ledger_reader;
int needs_ledger(struct ctl *ctl, struct ledger_reader **ret);

/* screen.c: a record of what a display reported gets a sentence for people; others stay as they are. */
void say_sight(json_t *row);

/* print.c */
struct column {
        const char *key;     /* member of each row */
        enum message title;
};
/* Rows (array of objects) as a table with columns as wide as what is in them, Chinese counted as
 * two; at the end of each row no blanks. */
void print_table(const json_t *rows, const struct column *columns, size_t n);
void print_json(const json_t *json);
__attribute__((sentinel)) void print_line(enum message message, ...);
__attribute__((sentinel)) void print_error(enum message message, ...);
const char *text_member(const json_t *object, const char *name); /* "" when absent or null */

/* The commands, each in the file of its noun; each returns an exit code. */
int command_status(struct ctl *ctl);
int command_switch(struct ctl *ctl, const char *command); /* stop, start */
int command_document_list(struct ctl *ctl);
int command_document_show(struct ctl *ctl);
int command_document_history(struct ctl *ctl);
int command_document_withdraw(struct ctl *ctl);
int command_held_list(struct ctl *ctl);
int command_held_show(struct ctl *ctl);
int command_held_release(struct ctl *ctl);
int command_held_reject(struct ctl *ctl);
int command_rejected_list(struct ctl *ctl);
int command_rejected_show(struct ctl *ctl);
int command_rejected_retry(struct ctl *ctl);
int command_channel_list(struct ctl *ctl);
int command_channel_pause(struct ctl *ctl);
int command_channel_resume(struct ctl *ctl);
int command_channel_test(struct ctl *ctl);
int command_channel_help(struct ctl *ctl);
int command_channel_add(struct ctl *ctl);
int command_channel_secret(struct ctl *ctl);
int command_channel_login(struct ctl *ctl);
int command_channel_preview(struct ctl *ctl);
int command_alarm_list(struct ctl *ctl);
int command_alarm_ack(struct ctl *ctl);
int command_alarm_service(struct ctl *ctl); /* service.c */
int command_dead_list(struct ctl *ctl);
int command_dead_show(struct ctl *ctl);
int command_dead_replay(struct ctl *ctl);
int command_dead_drop(struct ctl *ctl);
int command_screen_list(struct ctl *ctl);
int command_screen_forget(struct ctl *ctl);
int command_screen_history(struct ctl *ctl);
int command_config_check(struct ctl *ctl);
int command_key_new(struct ctl *ctl);
int command_key_list(struct ctl *ctl);
int command_key_revoke(struct ctl *ctl);
int command_store_adopt(struct ctl *ctl);
int command_ledger_verify(struct ctl *ctl);
int command_ledger_export(struct ctl *ctl);

#endif
