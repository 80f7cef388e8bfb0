/* What daemons/ledgerd/alarms*.c share among themselves. */
#ifndef DAEMONS_LEDGERD_ALARMS_PARTS_H
#define DAEMONS_LEDGERD_ALARMS_PARTS_H

#include <jansson.h>
#include <stdbool.h>
#include <sys/types.h>

#include "core/buf.h"
#include "daemons/ledgerd/alarms.h"

enum way { BY_COMMAND, BY_CHANNEL, N_WAYS };
enum { PATIENCE_MS = 30000 }; /* of one sending */

struct alarms {
        sd_event *event;
        char *folder;
        char **argv;      /* of the command, NULL-terminated; NULL = no command */
        char *channel;    /* or NULL */
        char *control;    /* publisherd's socket */
        char region[7];   /* of alarms that belong to none */
        struct string_list regions, channels;
        int64_t repeat_ms, patience_ms;
        sd_event_source *watch, *timer;
        struct sending *sendings;
        bool channel_told; /* the log knows that the channel fails */
};

/* One alarm on one way: under way, or waiting to be tried again. */
struct sending {
        struct alarms *alarms;
        struct sending *next;
        char *name; /* of the alarm's file */
        enum way way;
        const char *what; /* opened repeated closed */
        json_t *alarm;
        bool under_way, wanted;
        unsigned failures;
        int64_t next_boot_ms; /* not before is it tried again */
        sd_event_source *timer, *io, *child;
        pid_t pid;
        int fd;
        struct buf in;
};

/* Each starts; sending_done() is called later, exactly once, when 0 was returned. */
int send_by_command(struct sending *sending);
int send_by_channel(struct sending *sending);
/* NULL: it is sent. Ends what is under way. */
void sending_done(struct sending *sending, const char *failure);
/* Ends what is under way and says nothing. */
void sending_stop(struct sending *sending);

#endif
