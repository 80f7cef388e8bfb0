/* Between the control socket (control.c) and its commands (control_*.c). */
#ifndef DAEMONS_PUBLISHERD_CONTROL_H
#define DAEMONS_PUBLISHERD_CONTROL_H

#include "daemons/publisherd/publisherd.h"

struct client;

/* Answers one question, now or later, by exactly one control_reply() or control_fail(). `question`
 * is borrowed for the call. */
void control_command(struct publisherd *daemon, struct client *client, json_t *question);

/* "login(uid)" of the asker. */
const char *control_who(const struct client *client);
/* Takes the reference; {"ok":true,...} for a success. */
void control_reply(struct client *client, json_t *json);
__attribute__((sentinel)) void control_fail(struct client *client, enum message message, ...);
/* What the log will say when the answer is a success; for commands that change something. */
void control_audit(struct client *client, const char *what);

/* control_withdraw.c */
void control_withdraw(struct publisherd *daemon, struct client *client, json_t *question);

#endif
