/* STEP_MQTT: which step waits for what, and when to connect again. */
#include "daemons/channeld/mqtt.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/clock.h"
#include "core/crash.h"
#include "core/log.h"
#include "core/memory.h"

enum { BUSY_MS = 200, IDLE_MS = 1000, AGAIN_MS = 1000, AGAIN_MOST_MS = 60000 };

/* Under a prefix that nobody has: its answer comes behind what is retained under the watch. */
static const char nothing[] = "gongkai-nothing/here";

/* -- jobs --------------------------------------------------------------------------------------------- */

static void job_unlink(struct mqtt *mqtt, struct job *job) {
        struct job **at = &mqtt->jobs;

        while (*at && *at != job)
                at = &(*at)->next;
        if (*at)
                *at = job->next;
        if (job->attempt)
                job->attempt->job = NULL;
}

static void job_free(struct job *job) {
        free(job->mids);
        free(job);
}

/* Tells whoever waits, which may begin the next job, and frees it. `error` NULL: all is confirmed. */
static void job_end(struct mqtt *mqtt, struct job *job, const char *error, bool refused) {
        char *reason freed_by(freep) = error ? strdup(error) : NULL;
        struct reply reply = {
                .kind = STEP_MQTT,
                .mqtt = { .whole = !error, .refused = refused, .seen = mqtt->seen,
                          .sent = job->published && job->step->n > 0,
                          .error = reason ? reason : error },
        };
        struct attempt *attempt = job->attempt;

        job_unlink(mqtt, job);
        job_free(job);
        if (attempt)
                attempt_replied(attempt, &reply);
        else
                mqtt->on_test(mqtt, &reply);
}

void mqtt_confirmed(struct mqtt *mqtt, int mid, int reason) {
        for (struct job *job = mqtt->jobs; job; job = job->next)
                for (size_t i = 0; job->published && i < job->step->n; i++) {
                        if (job->mids[i] != mid)
                                continue;
                        job->mids[i] = 0;
                        job->n_left--;
                        if (reason >= 0x80)
                                job->reason = reason;
                        crash_point("channeld/mqtt-puback");
                        mqtt_soon(mqtt);
                        return;
                }
}

static void job_publish(struct mqtt *mqtt, struct job *job) {
        const struct mqtt_step *step = job->step;

        job->published = true;
        for (size_t i = 0; i < step->n && !mqtt->broken && job->reason == 0; i++) {
                const struct mqtt_message *message = &step->messages[i];
                int r = mosquitto_publish(mqtt->client, &job->mids[i], message->topic,
                                          (int) message->payload.len, message->payload.data, 1, true);

                if (i + 1 < step->n)
                        crash_point("channeld/mqtt-half-published");
                if (r == MOSQ_ERR_OVERSIZE_PACKET || r == MOSQ_ERR_PAYLOAD_SIZE)
                        job->reason = -1;
                else if (r != MOSQ_ERR_SUCCESS)
                        mqtt_break(mqtt, mosquitto_strerror(r));
                else
                        job->n_left++;
        }
        crash_point("channeld/mqtt-published");
}

/* False: there was none to be published. */
static bool publish_next(struct mqtt *mqtt) {
        for (struct job *job = mqtt->jobs; job; job = job->next) {
                struct attempt *attempt = job->attempt;

                if (job->published)
                        continue;
                if (attempt && !attempt->refreshes && !lease_may_send(attempt->lease)) {
                        job_unlink(mqtt, job);
                        job_free(job);
                        attempt_not_sent(attempt);
                } else
                        job_publish(mqtt, job);
                return true;
        }
        return false;
}

/* Not authorised, too large, no retained messages: until somebody acts. The rest passes. */
static bool is_refusal(int reason) {
        return reason == -1 || reason == 0x87 || reason == 0x95 || reason == 0x9a || reason == 0x9b;
}

/* False: none has ended. */
static bool end_next(struct mqtt *mqtt) {
        int64_t now = clock_boot_ms();
        char seconds[24];

        for (struct job *job = mqtt->jobs; job; job = job->next) {
                bool whole = job->published && job->n_left == 0;

                if (whole && job->reason == 0 && (job->step->n > 0 || mqtt->seen_whole)) {
                        crash_point("channeld/mqtt-confirmed");
                        job_end(mqtt, job, NULL, false);
                        return true;
                }
                if ((whole && job->reason > 0) || job->reason < 0) {
                        job_end(mqtt, job, job->reason < 0 ? mosquitto_strerror(MOSQ_ERR_OVERSIZE_PACKET)
                                                           : mosquitto_reason_string(job->reason),
                                is_refusal(job->reason));
                        return true;
                }
                if (job->until_boot_ms <= now) {
                        char *text freed_by(freep) = NULL;

                        (void) snprintf(seconds, sizeof(seconds), "%lld",
                                        (long long) mqtt->daemon->channel->timeout_ms / 1000);
                        text = say(MESSAGE_MQTT_TIMED_OUT, "seconds", seconds, NULL);
                        job_end(mqtt, job, text ? text : seconds, false);
                        return true;
                }
        }
        return false;
}

/* -- the connection's coming and going ------------------------------------------------------------------ */

static void tell_away(struct mqtt *mqtt) {
        if (!mqtt->told && !mqtt->on_test)
                log_say(LOG_WARNING, MESSAGE_MQTT_LOST, "channel", mqtt->daemon->channel->name, "host",
                        mqtt->link.host, "reason", mqtt->error ? mqtt->error : "", NULL);
        mqtt->told = true;
}

/* What waited is told; what begins meanwhile waits for the next connection. */
static void hang_up(struct mqtt *mqtt) {
        char *error freed_by(freep) = mqtt->error ? strdup(mqtt->error) : NULL;
        struct job *jobs = give_away(mqtt->jobs);
        bool refused = mqtt->refused;
        int64_t wait_ms = AGAIN_MS;

        mqtt_hang_up(mqtt);
        mqtt->broken = false;
        for (unsigned i = 0; i < mqtt->failures && wait_ms < AGAIN_MOST_MS; i++)
                wait_ms *= 2;
        mqtt->failures++;
        mqtt->next_boot_ms = clock_boot_ms() + (wait_ms < AGAIN_MOST_MS ? wait_ms : AGAIN_MOST_MS);
        tell_away(mqtt);
        while (jobs) {
                struct job *job = jobs;

                jobs = job->next;
                job_end(mqtt, job, error ? error : mosquitto_strerror(MOSQ_ERR_CONN_LOST), refused);
        }
}

static void greet(struct mqtt *mqtt) {
        struct buf watch freed_by(buf_done) = { 0 };
        int r;

        mqtt->greeted = true;
        mqtt->failures = 0;
        crash_point("channeld/mqtt-connected");
        buf_fmt(&watch, "%s/%s", mqtt->link.prefix, mqtt->link.watch);
        r = mosquitto_subscribe(mqtt->client, NULL, buf_text(&watch), 0);
        if (r == MOSQ_ERR_SUCCESS)
                r = mosquitto_unsubscribe(mqtt->client, NULL, nothing);
        if (r != MOSQ_ERR_SUCCESS)
                mqtt_break(mqtt, mosquitto_strerror(r));
        if (mqtt->on_test)
                return;
        log_say(LOG_INFO, MESSAGE_MQTT_CONNECTED, "channel", mqtt->daemon->channel->name, "host",
                mqtt->link.host, NULL);
        mqtt->told = false;
        refresh_soon(mqtt->daemon);
}

static void look(struct mqtt *mqtt) {
        int64_t now = clock_boot_ms();

        if (mqtt->state == MQTT_AWAY && !mqtt->broken && now >= mqtt->next_boot_ms)
                mqtt_connect(mqtt);
        for (bool more = true; more;) {
                if (mqtt->broken) {
                        hang_up(mqtt);
                        continue;
                }
                if (mqtt->state == MQTT_UP && !mqtt->greeted)
                        greet(mqtt);
                more = (mqtt->state == MQTT_UP && publish_next(mqtt)) || end_next(mqtt) || mqtt->broken;
        }
        if (mqtt->client)
                mqtt_watch_socket(mqtt);
}

static int on_soon(sd_event_source *source, void *userdata) {
        (void) source;
        look(userdata);
        return 0;
}

void mqtt_soon(struct mqtt *mqtt) {
        (void) sd_event_source_set_enabled(mqtt->soon, SD_EVENT_ONESHOT);
}

static int on_time(sd_event_source *source, uint64_t usec, void *userdata) {
        struct mqtt *mqtt = userdata;
        int64_t now = clock_boot_ms();
        bool connecting = mqtt->state == MQTT_LOOKING_UP || mqtt->state == MQTT_CONNECTING;
        int r;

        (void) usec;
        if (connecting && now - mqtt->since_boot_ms > mqtt->daemon->channel->timeout_ms)
                mqtt_break(mqtt, strerror(ETIMEDOUT));
        else if (mqtt->state == MQTT_UP && !mqtt->broken) {
                r = mosquitto_loop_misc(mqtt->client);
                if (r != MOSQ_ERR_SUCCESS)
                        mqtt_break(mqtt, mosquitto_strerror(r));
        }
        look(mqtt);
        r = sd_event_source_set_time_relative(source, (mqtt->jobs ? BUSY_MS : IDLE_MS) * UINT64_C(1000));
        return r < 0 ? r : sd_event_source_set_enabled(source, SD_EVENT_ONESHOT);
}

/* -- the engine's side ----------------------------------------------------------------------------------- */

static struct mqtt *mqtt_free(struct mqtt *mqtt) {
        if (!mqtt)
                return NULL;
        mqtt_hang_up(mqtt);
        while (mqtt->jobs) {
                struct job *job = mqtt->jobs;

                job_unlink(mqtt, job);
                job_free(job);
        }
        (void) resolver_free(mqtt->resolver);
        (void) sd_event_source_disable_unref(mqtt->timer);
        (void) sd_event_source_disable_unref(mqtt->soon);
        json_decref(mqtt->seen);
        free(mqtt->error);
        free(mqtt);
        (void) mosquitto_lib_cleanup();
        return NULL;
}

static int mqtt_new(struct channeld *daemon, sd_event *event, struct mqtt **ret) {
        struct mqtt *mqtt = calloc(1, sizeof(*mqtt));
        int r = mqtt ? 0 : -ENOMEM;

        if (r < 0)
                return r;
        (void) mosquitto_lib_init();
        *mqtt = (struct mqtt) { .daemon = daemon, .event = event, .seen = json_object() };
        r = sd_event_add_defer(event, &mqtt->soon, on_soon, mqtt);
        if (r >= 0)
                r = sd_event_source_set_exit_on_failure(mqtt->soon, true);
        if (r >= 0)
                r = sd_event_add_time_relative(event, &mqtt->timer, CLOCK_BOOTTIME,
                                               IDLE_MS * UINT64_C(1000), 0, on_time, mqtt);
        if (r >= 0)
                r = sd_event_source_set_exit_on_failure(mqtt->timer, true);
        if (r < 0 || !mqtt->seen) {
                (void) mqtt_free(mqtt);
                return r < 0 ? r : -ENOMEM;
        }
        *ret = mqtt;
        return 0;
}

static int job_add(struct mqtt *mqtt, struct attempt *attempt, const struct mqtt_step *step,
                   struct job **ret) {
        struct job *job = calloc(1, sizeof(*job)), **last = &mqtt->jobs;
        int64_t now = clock_boot_ms();

        if (!job)
                return -ENOMEM;
        *job = (struct job) { .attempt = attempt, .step = step,
                              .until_boot_ms = now + mqtt->daemon->channel->timeout_ms };
        job->mids = calloc(step->n + 1, sizeof(*job->mids));
        if (!job->mids) {
                free(job);
                return -ENOMEM;
        }
        while (*last) /* in their order */
                last = &(*last)->next;
        *last = job;
        *ret = job;
        /* Somebody waits: no longer than a second after the last try. */
        if (mqtt->state == MQTT_AWAY && mqtt->next_boot_ms > mqtt->since_boot_ms + AGAIN_MS)
                mqtt->next_boot_ms = mqtt->since_boot_ms + AGAIN_MS;
        (void) sd_event_source_set_time_relative(mqtt->timer, BUSY_MS * UINT64_C(1000));
        mqtt_soon(mqtt);
        return 0;
}

int mqtt_open(struct channeld *daemon) {
        int r = daemon->driver->mqtt ? mqtt_new(daemon, daemon->event, &daemon->mqtt) : 0;

        if (daemon->mqtt)
                mqtt_soon(daemon->mqtt);
        return r;
}

void mqtt_close(struct channeld *daemon) {
        daemon->mqtt = mqtt_free(daemon->mqtt);
}

int mqtt_start(struct attempt *attempt, const struct mqtt_step *step) {
        struct mqtt *mqtt = attempt->daemon->mqtt;

        return mqtt ? job_add(mqtt, attempt, step, &attempt->job) : -EINVAL;
}

bool mqtt_cut(struct attempt *attempt) {
        struct job *job = attempt->job;
        bool sent = job->published && job->step->n > 0;

        job_unlink(attempt->daemon->mqtt, job);
        job_free(job);
        return sent;
}

/* -- for `--test`, which has no loop --------------------------------------------------------------------- */

struct trial {
        const struct delivery *delivery;
        step_next_fn *next;
        struct step *ret;
        int r;
        bool over;
};

static void on_test(struct mqtt *mqtt, const struct reply *reply) {
        struct trial *trial = mqtt->test;

        trial->r = trial->next(trial->delivery, reply, trial->ret);
        trial->over = true;
}

int mqtt_run(struct channeld *daemon, const struct mqtt_step *step, const struct delivery *delivery,
             step_next_fn *next, struct step *ret) {
        struct trial trial = { .delivery = delivery, .next = next, .ret = ret };
        struct mqtt *mqtt = NULL;
        sd_event *event = NULL;
        struct job *job;
        int r = sd_event_new(&event);

        if (r >= 0)
                r = mqtt_new(daemon, event, &mqtt);
        if (r >= 0) {
                mqtt->on_test = on_test;
                mqtt->test = &trial;
                r = job_add(mqtt, NULL, step, &job);
        }
        while (r >= 0 && !trial.over)
                r = sd_event_run(event, UINT64_MAX);
        (void) mqtt_free(mqtt);
        (void) sd_event_unref(event);
        return r < 0 ? r : trial.r;
}
