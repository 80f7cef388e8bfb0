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

/* A command that asks each region in turn and joins what comes (control_tour.c). */
struct tour {
        struct publisherd *daemon;
        struct client *client;
        size_t region; /* index of the one being asked */
        size_t channel; /* and of its channel, where one after the other is */
        size_t most;   /* rows wanted of each region, 0 = all */
        size_t n_before; /* rows of the regions before this one */
        json_t *reply, *rows;
        char *document, *from, *states, *value, *what, *who;
        int (*ask)(struct tour *tour);
};

/* NULL when memory is short. `ask` asks tour->region, and its reply calls tour_next() or
 * tour_fail(); the tour answers the client at its end by itself. */
struct tour *tour_new(struct publisherd *daemon, struct client *client, const json_t *question,
                      int (*ask)(struct tour *tour));
void tour_next(struct tour *tour);
void tour_fail(struct tour *tour, const char *reason);
/* Ends it with a sentence of the channel (`value`) and the player (`what`). */
void tour_refuse(struct tour *tour, enum message message);

/* The region that the question names, or the only one; false when it was refused. */
bool control_region(struct publisherd *daemon, struct client *client, const json_t *question,
                    const char **ret);
/* A member of the question, "" when it is not there. */
const char *control_text(const json_t *question, const char *name);
json_t *control_moment(int64_t ms); /* null for 0 */
/* The due keys of all channels that a document of the region may have, and their names by index. */
size_t control_due_keys(const struct publisherd *daemon, const struct region *region,
                        struct words *words);
const char *control_due_name(const struct publisherd *daemon, const struct region *region, size_t i);

/* control_held.c */
void control_held_list(struct publisherd *daemon, struct client *client, json_t *question);
void control_held_one(struct publisherd *daemon, struct client *client, json_t *question);
/* control_rejected.c */
void control_rejected_list(struct publisherd *daemon, struct client *client, json_t *question);
void control_rejected_show(struct publisherd *daemon, struct client *client, json_t *question);
void control_rejected_retry(struct publisherd *daemon, struct client *client, json_t *question);
/* control_withdraw.c */
void control_withdraw(struct publisherd *daemon, struct client *client, json_t *question);
/* What an event of our own may: everything. */
extern const struct emitter_config control_rights;
/* control_alarm.c */
void control_alarm_publish(struct publisherd *daemon, struct client *client, json_t *question);
void control_alarm_ack(struct publisherd *daemon, struct client *client, json_t *question);
/* control_screen.c */
void control_screen_list(struct publisherd *daemon, struct client *client, json_t *question);
void control_screen_forget(struct publisherd *daemon, struct client *client, json_t *question);
/* control_dead.c: dead.replay, dead.drop */
void control_dead(struct publisherd *daemon, struct client *client, json_t *question);

#endif
