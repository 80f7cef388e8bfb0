#include "daemons/ledgerd/alarms.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/inotify.h>

#include "core/alarm.h"
#include "core/alarm_file.h"
#include "core/clock.h"
#include "core/files.h"
#include "core/log.h"
#include "core/memory.h"
#include "core/moment.h"
#include "daemons/ledgerd/alarms_parts.h"

enum {
        LOOK_MS = 10000,  /* also without news: for what is to be repeated */
        SOON_MS = 20,     /* what comes together is looked at together */
        MOST_AT_ONCE = 4, /* an outage of everything starts no hundred programs */
        AGAIN_MS = 15000, /* after a failure, doubled each time */
        AGAIN_MOST_MS = 600000,
        SERVICE_QUIET_MS = 600000, /* a service that did not fail for so long runs well */
};

static const char *const way_names[N_WAYS] = { "command", "channel" };

static bool is_used(const struct alarms *alarms, enum way way, const json_t *alarm) {
        const char *code = json_string_value(json_object_get(alarm, "code"));

        if (way == BY_CHANNEL)
                return alarms->channel;
        /* That the command fails is not told by the command. */
        return alarms->argv && !(code && strcmp(code, alarm_code(ALARM_COMMAND)) == 0);
}

static void look_in(struct alarms *alarms, int64_t wait_ms) {
        (void) sd_event_source_set_time_relative(alarms->timer, (uint64_t) wait_ms * 1000);
        (void) sd_event_source_set_enabled(alarms->timer, SD_EVENT_ONESHOT);
}

/* -- what was sent ----------------------------------------------------------------------------------- */

/* The record of an alarm's NAME.sent: {"first", "alarm", "command":{"at","what"}, "channel":{...}}. Empty
 * when nothing was sent of the alarm that is open now. A new reference. */
static json_t *sent_of(const struct alarms *alarms, const char *name, const json_t *alarm) {
        json_t *sent = NULL;

        if (alarm_file_read(alarms->folder, name, ".sent", &sent) < 0)
                return json_object();
        if (alarm && !json_equal(json_object_get(sent, "first"), json_object_get(alarm, "first"))) {
                json_decref(sent); /* of one that closed and is open anew: a new alarm */
                return json_object();
        }
        return sent;
}

static bool is_what(const struct sending *sending, const char *what) {
        return strcmp(sending->what, what) == 0;
}

/* What became of a sending: at_ms is the moment that it was told, 0 that its telling has begun (should
 * we be killed now, its end is to be told all the same), -1 that nobody is to be told any more. */
static void remember(const struct sending *sending, int64_t at_ms) {
        struct alarms *alarms = sending->alarms;
        json_t *sent = sent_of(alarms, sending->name,
                               is_what(sending, "closed") ? NULL : sending->alarm);
        bool left = false;

        if (at_ms < 0) {
                (void) json_object_del(sent, way_names[sending->way]);
        } else {
                (void) json_object_set(sent, "first", json_object_get(sending->alarm, "first"));
                (void) json_object_set(sent, "alarm", sending->alarm);
                (void) json_object_set_new(sent, way_names[sending->way],
                                           json_pack("{s:I, s:s}", "at", (json_int_t) at_ms, "what",
                                                     sending->what));
        }
        for (enum way way = 0; way < N_WAYS; way++)
                left = left || json_object_get(sent, way_names[way]);
        if (left)
                (void) alarm_file_write(alarms->folder, sending->name, ".sent", sent, false);
        else
                (void) alarm_file_remove(alarms->folder, sending->name, ".sent");
        json_decref(sent);
}

/* -- one sending -------------------------------------------------------------------------------------- */

static void sending_free(struct sending *sending) {
        struct sending **at = &sending->alarms->sendings;

        while (*at != sending)
                at = &(*at)->next;
        *at = sending->next;
        sending_stop(sending);
        json_decref(sending->alarm);
        free(sending->name);
        free(sending);
}

void sending_done(struct sending *sending, const char *failure) {
        struct alarms *alarms = sending->alarms;
        int64_t wait_ms = AGAIN_MS;

        sending_stop(sending);
        sending->under_way = false;
        look_in(alarms, SOON_MS);
        if (!failure) {
                if (sending->way == BY_COMMAND)
                        alarm_clear(ALARM_COMMAND, "command");
                else
                        alarms->channel_told = false;
                remember(sending, is_what(sending, "closed") ? -1 : clock_now_ms());
                sending_free(sending);
                return;
        }
        if (is_what(sending, "opened"))
                remember(sending, -1);
        for (unsigned i = 0; i < sending->failures && wait_ms < AGAIN_MOST_MS; i++)
                wait_ms *= 2;
        sending->failures++;
        sending->next_boot_ms = clock_boot_ms() + wait_ms;
        if (sending->way == BY_COMMAND) {
                alarm_raise(ALARM_COMMAND, "command", "reason", failure, NULL);
        } else if (!alarms->channel_told) {
                log_say(LOG_WARNING, MESSAGE_ALARM_NOT_SENT, "channel", alarms->channel, "reason",
                        failure, NULL);
                alarms->channel_told = true;
        }
}

static struct sending *sending_find(struct alarms *alarms, const char *name, enum way way) {
        for (struct sending *one = alarms->sendings; one; one = one->next)
                if (one->way == way && strcmp(one->name, name) == 0)
                        return one;
        return NULL;
}

static unsigned n_under_way(const struct alarms *alarms) {
        unsigned n = 0;

        for (const struct sending *one = alarms->sendings; one; one = one->next)
                n += one->under_way;
        return n;
}

/* Begins, unless it is under way already or was tried a moment ago. */
static void want(struct alarms *alarms, const char *name, enum way way, const char *what,
                 const json_t *alarm, int64_t previous_ms) {
        struct sending *sending = sending_find(alarms, name, way);
        int r;

        if (!sending) {
                sending = calloc(1, sizeof(*sending));
                if (!sending)
                        return;
                *sending = (struct sending) { .alarms = alarms, .next = alarms->sendings, .way = way,
                                              .name = strdup(name), .fd = -1 };
                alarms->sendings = sending;
                if (!sending->name) {
                        sending_free(sending);
                        return;
                }
        }
        sending->wanted = true;
        if (sending->under_way || sending->next_boot_ms > clock_boot_ms() ||
            n_under_way(alarms) >= MOST_AT_ONCE)
                return;
        json_decref(sending->alarm);
        sending->alarm = json_deep_copy(alarm);
        sending->what = what;
        if (!sending->alarm)
                return;
        (void) json_object_set_new(sending->alarm, "state", json_string(what));
        /* Tells one repetition from the next, and is the same when this one is tried again. */
        (void) json_object_set_new(sending->alarm, "previous", json_integer((json_int_t) previous_ms));
        sending->under_way = true;
        if (is_what(sending, "opened"))
                remember(sending, 0);
        r = way == BY_COMMAND ? send_by_command(sending) : send_by_channel(sending);
        if (r < 0)
                sending_done(sending, strerror(-r));
}

/* -- looking ------------------------------------------------------------------------------------------- */

/* That a service failed is told by systemd; that it runs well since, nobody tells. */
static bool is_long_over(const json_t *alarm) {
        const char *code = json_string_value(json_object_get(alarm, "code"));
        const char *last = json_string_value(json_object_get(alarm, "last"));
        int64_t last_ms;

        return code && strcmp(code, alarm_code(ALARM_SERVICE)) == 0 &&
               (!last || moment_parse(last, &last_ms, NULL) < 0 ||
                clock_now_ms() - last_ms >= SERVICE_QUIET_MS);
}

static int look_at_open(const char *name, void *userdata) {
        struct alarms *alarms = userdata;
        json_t *alarm = NULL, *ack = NULL, *sent;
        bool acked;

        if (alarm_file_read(alarms->folder, name, ".json", &alarm) < 0)
                return 0; /* just gone: its .sent comes next; or broken: who raised it writes it anew */
        if (is_long_over(alarm)) {
                alarm_clear_of_others(ALARM_SERVICE,
                                      json_string_value(json_object_get(alarm, "subject")));
                json_decref(alarm);
                return 0;
        }
        acked = alarm_file_read(alarms->folder, name, ".ack", &ack) == 0 &&
                json_equal(json_object_get(ack, "first"), json_object_get(alarm, "first"));
        sent = sent_of(alarms, name, alarm);
        for (enum way way = 0; way < N_WAYS; way++) {
                const json_t *before = json_object_get(sent, way_names[way]);
                int64_t at = json_integer_value(json_object_get(before, "at")), now = clock_now_ms();

                if (!is_used(alarms, way, alarm))
                        continue;
                if (!before || at == 0)
                        want(alarms, name, way, "opened", alarm, 0);
                else if (!acked && (now - at >= alarms->repeat_ms || at > now + alarms->repeat_ms))
                        want(alarms, name, way, "repeated", alarm, at);
        }
        json_decref(sent);
        json_decref(ack);
        json_decref(alarm);
        return 0;
}

static int look_at_sent(const char *name, void *userdata) {
        struct alarms *alarms = userdata;
        json_t *sent = NULL, *open = NULL;
        bool left = false;
        int r = alarm_file_read(alarms->folder, name, ".json", &open);

        json_decref(open);
        if (r != -ENOENT)
                return 0;
        r = alarm_file_read(alarms->folder, name, ".sent", &sent);
        for (enum way way = 0; r == 0 && way < N_WAYS; way++) {
                const json_t *alarm = json_object_get(sent, "alarm");

                if (!json_object_get(sent, way_names[way]) || !is_used(alarms, way, alarm))
                        continue;
                left = true;
                want(alarms, name, way, "closed", alarm, 0);
        }
        json_decref(sent);
        if (!left && r != -ENOENT) /* nobody to tell, or broken */
                (void) alarm_file_remove(alarms->folder, name, ".sent");
        return 0;
}

static void look(struct alarms *alarms) {
        for (struct sending *one = alarms->sendings; one; one = one->next)
                one->wanted = one->under_way;
        (void) alarm_file_each(alarms->folder, ".json", look_at_open, alarms);
        (void) alarm_file_each(alarms->folder, ".sent", look_at_sent, alarms);
        for (struct sending *one = alarms->sendings, *next; one; one = next) {
                next = one->next;
                if (!one->wanted)
                        sending_free(one);
        }
}

static int on_news(sd_event_source *source, const struct inotify_event *news, void *userdata) {
        struct alarms *alarms = userdata;

        (void) source;
        if (news->mask & (IN_IGNORED | IN_DELETE_SELF | IN_UNMOUNT)) /* the folder went away */
                alarms->watch = sd_event_source_disable_unref(alarms->watch);
        else
                look_in(alarms, SOON_MS);
        return 0;
}

static int on_timer(sd_event_source *source, uint64_t usec, void *userdata) {
        struct alarms *alarms = userdata;

        (void) source;
        (void) usec;
        if (!alarms->watch) {
                (void) folder_make(alarms->folder, 0750);
                (void) sd_event_add_inotify(alarms->event, &alarms->watch, alarms->folder,
                                            IN_MOVED_TO | IN_CREATE | IN_DELETE | IN_ONLYDIR, on_news,
                                            alarms);
        }
        look_in(alarms, alarms->repeat_ms < LOOK_MS ? alarms->repeat_ms : LOOK_MS);
        look(alarms);
        return 0;
}

/* -- begin and end --------------------------------------------------------------------------------------- */

static char **split(const char *command) {
        char **argv = calloc(strlen(command) / 2 + 2, sizeof(*argv));
        size_t n = 0;

        for (const char *at = command; argv && *(at += strspn(at, " \t"));) {
                size_t length = strcspn(at, " \t");

                argv[n] = strndup(at, length);
                if (!argv[n++])
                        return argv; /* shorter: the program will say so */
                at += length;
        }
        return argv;
}

static void forget_configuration(struct alarms *alarms) {
        for (char **word = alarms->argv; word && *word; word++)
                free(*word);
        free(give_away(alarms->argv));
        free(give_away(alarms->channel));
        free(give_away(alarms->control));
        string_list_done(&alarms->regions);
        string_list_done(&alarms->channels);
        alarms->regions = alarms->channels = (struct string_list) { 0 };
}

/* A channel that is no more has nobody who would clear its alarms. */
static void clear_of_lost_channels(const struct alarms *alarms, const char *state_dir) {
        static const enum alarm of_channels[] = { ALARM_CHANNEL_BLOCKED, ALARM_BREAKER_OPEN };
        json_t *open = alarm_list(state_dir, NULL), *alarm;
        size_t i;

        json_array_foreach(open, i, alarm) {
                const char *code = json_string_value(json_object_get(alarm, "code"));
                const char *subject = json_string_value(json_object_get(alarm, "subject"));

                for (size_t k = 0; code && subject && k < ELEMENTS(of_channels); k++)
                        if (strcmp(code, alarm_code(of_channels[k])) == 0 &&
                            !string_list_has(&alarms->channels, subject))
                                alarm_clear(of_channels[k], subject);
        }
        json_decref(open);
}

int alarms_reload(struct alarms *alarms, const struct configuration *configuration) {
        const struct config *config = &configuration->main;
        int r = 0;

        forget_configuration(alarms);
        if (config->alarm_command && *config->alarm_command) {
                alarms->argv = split(config->alarm_command);
                r = alarms->argv ? 0 : -ENOMEM;
        } else {
                alarm_clear(ALARM_COMMAND, "command");
        }
        if (r == 0 && config->alarm_channel && !(alarms->channel = strdup(config->alarm_channel)))
                r = -ENOMEM;
        if (r == 0 && !(alarms->control = strdup(config->control)))
                r = -ENOMEM;
        for (size_t i = 0; r == 0 && i < config->regions.n; i++)
                r = string_list_add(&alarms->regions, config->regions.items[i], 6);
        for (size_t i = 0; r == 0 && i < configuration->n_channels; i++)
                r = string_list_add(&alarms->channels, configuration->channels[i].name,
                                    strlen(configuration->channels[i].name));
        if (r < 0)
                return r;
        (void) snprintf(alarms->region, sizeof(alarms->region), "%s",
                        alarms->regions.n > 0 ? alarms->regions.items[0] : "");
        alarms->repeat_ms = config->alarm_repeat_ms;
        clear_of_lost_channels(alarms, config->state_dir);
        look_in(alarms, SOON_MS);
        return 0;
}

int alarms_open(sd_event *event, const struct configuration *configuration, struct alarms **ret) {
        struct alarms *alarms = calloc(1, sizeof(*alarms));
        sigset_t child;
        int r;

        if (!alarms)
                return -ENOMEM;
        /* sd_event_add_child() asks for it, also where it watches by pidfd. */
        (void) sigemptyset(&child);
        (void) sigaddset(&child, SIGCHLD);
        alarms->event = sd_event_ref(event);
        alarms->patience_ms = PATIENCE_MS;
        alarms->folder = alarm_folder(configuration->main.state_dir);
        r = sigprocmask(SIG_BLOCK, &child, NULL) < 0 ? -errno : alarms->folder ? 0 : -ENOMEM;
        if (r == 0)
                r = sd_event_add_time_relative(event, &alarms->timer, CLOCK_BOOTTIME, 0, 0, on_timer,
                                               alarms);
        if (r >= 0)
                r = sd_event_source_set_exit_on_failure(alarms->timer, true);
        if (r >= 0)
                r = alarms_reload(alarms, configuration);
        if (r < 0) {
                (void) alarms_close(alarms);
                return r;
        }
        alarm_file_sweep(alarms->folder);
        *ret = alarms;
        return 0;
}

struct alarms *alarms_close(struct alarms *alarms) {
        if (!alarms)
                return NULL;
        while (alarms->sendings)
                sending_free(alarms->sendings);
        (void) sd_event_source_disable_unref(alarms->watch);
        (void) sd_event_source_disable_unref(alarms->timer);
        (void) sd_event_unref(alarms->event);
        forget_configuration(alarms);
        free(alarms->folder);
        free(alarms);
        return NULL;
}
