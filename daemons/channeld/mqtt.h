/* What mqtt.c and mqtt_link.c share. */
#ifndef DAEMONS_CHANNELD_MQTT_H
#define DAEMONS_CHANNELD_MQTT_H

#include <mosquitto.h>

#include "core/resolve.h"
#include "daemons/channeld/channeld.h"

/* One step that waits for the broker. */
struct job {
        struct job *next;
        struct attempt *attempt; /* NULL: `--test` */
        const struct mqtt_step *step;
        int *mids; /* of its messages; 0 = confirmed */
        size_t n_left;
        bool published;
        int reason; /* why the broker did not take one of them: MQTT 5, or -1: too large; 0 none */
        int64_t until_boot_ms;
};

enum mqtt_state { MQTT_AWAY, MQTT_LOOKING_UP, MQTT_CONNECTING, MQTT_UP };

struct mqtt {
        struct channeld *daemon;
        sd_event *event;
        struct mqtt_link link;
        enum mqtt_state state;
        struct mosquitto *client; /* one for each connection: see mqtt_link.c */
        struct resolver *resolver;
        struct query *query;
        sd_event_source *io, *timer, *soon;
        struct job *jobs;
        bool seen_whole;  /* it has what was retained under the watch */
        bool broken, refused;
        bool told;        /* that it is away */
        bool greeted;     /* what comes with a new connection is done */
        unsigned failures; /* in a row */
        int64_t next_boot_ms, since_boot_ms; /* the next try; the last one */
        char *error; /* why it is away */
        json_t *seen;
        void (*on_test)(struct mqtt *mqtt, const struct reply *reply); /* the job's without attempt */
        void *test;
};

/* mqtt_link.c: one connection, from the look-up to its end. */
void mqtt_connect(struct mqtt *mqtt);
void mqtt_hang_up(struct mqtt *mqtt); /* without a word; takes what is half built */
void mqtt_break(struct mqtt *mqtt, const char *reason); /* it is over: mqtt_soon() ends it */
void mqtt_watch_socket(struct mqtt *mqtt); /* as libmosquitto wants it now */

/* mqtt.c */
void mqtt_soon(struct mqtt *mqtt); /* looks at everything, from the loop */
void mqtt_confirmed(struct mqtt *mqtt, int mid, int reason);

#endif
