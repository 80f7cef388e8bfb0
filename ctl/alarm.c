/* alarm list, ack. The list reads the files, so that it works when nothing else does. */
#include "ctl/ctl.h"

#include <stdio.h>
#include <string.h>

#include "core/alarm.h"
#include "core/memory.h"

json_t *open_alarms(struct ctl *ctl, int *ret_code) {
        const struct configuration *configuration = ctl_configuration(ctl);
        json_t *alarms;
        int error = 0;

        *ret_code = EXIT_REFUSED;
        if (!configuration)
                return NULL;
        alarms = alarm_list(configuration->main.state_dir, &error);
        if (error < 0) {
                print_error(MESSAGE_CTL_NO_ALARM_FOLDER, "path", configuration->main.state_dir,
                            "reason", strerror(-error), NULL);
                json_decref(alarms);
                return NULL;
        }
        *ret_code = EXIT_WELL;
        return alarms;
}

static enum message severity_word(const json_t *alarm) {
        const char *severity = text_member(alarm, "severity");

        return strcmp(severity, "critical") == 0 ? MESSAGE_CTL_SEVERITY_CRITICAL
               : strcmp(severity, "error") == 0  ? MESSAGE_CTL_SEVERITY_ERROR
                                                 : MESSAGE_CTL_SEVERITY_WARNING;
}

/* "2026-11-24 10:18" of a moment as it is written. */
static void minute_of(const json_t *alarm, const char *name, char ret[static 17]) {
        (void) snprintf(ret, 17, "%.16s", text_member(alarm, name));
        if (ret[0] && strlen(ret) > 10)
                ret[10] = ' ';
}

void print_alarms(const json_t *alarms) {
        size_t i;
        const json_t *alarm;

        json_array_foreach(alarms, i, alarm) {
                const json_t *ack = json_object_get(alarm, "acked");
                char *severity freed_by(freep) = say(severity_word(alarm), NULL);
                char first[17], last[17], count[24];

                minute_of(alarm, "first", first);
                minute_of(alarm, "last", last);
                (void) snprintf(count, sizeof(count), "%lld",
                                (long long) json_integer_value(json_object_get(alarm, "count")));
                print_line(MESSAGE_CTL_ALARM, "severity", severity, "code", text_member(alarm, "code"),
                           "subject", text_member(alarm, "subject"), "first", first, "last", last,
                           "count", count, "sentence", text_member(alarm, "sentence"), "do",
                           text_member(alarm, "what_to_do"), NULL);
                if (ack)
                        print_line(MESSAGE_CTL_ALARM_ACKED, "who", text_member(ack, "by"), "reason",
                                   text_member(ack, "reason"), NULL);
        }
}

int command_alarm_list(struct ctl *ctl) {
        int code;
        json_t *alarms = open_alarms(ctl, &code);

        if (!alarms)
                return code;
        if (ctl->json)
                print_json(alarms);
        else if (json_array_size(alarms) == 0)
                print_line(MESSAGE_CTL_NO_ALARMS, NULL);
        else
                print_alarms(alarms);
        json_decref(alarms);
        return code;
}

static int ack_one(struct ctl *ctl, const json_t *alarm) {
        int code;
        json_t *answer = ctl_ask_well(
                ctl,
                json_pack("{s:s, s:s, s:s, s:s}", "do", "alarm.ack", "code", text_member(alarm, "code"),
                          "subject", text_member(alarm, "subject"), "reason",
                          ctl->reason ? ctl->reason : ""),
                &code);

        if (answer)
                print_line(MESSAGE_CTL_ACKED, "alarm", text_member(alarm, "code"), "subject",
                           text_member(alarm, "subject"), NULL);
        json_decref(answer);
        return code;
}

/* alarm ack CODE [SUBJECT]: one, or all that have this code. */
int command_alarm_ack(struct ctl *ctl) {
        json_t *alarms, *alarm;
        size_t i, n = 0;
        int code;

        if (ctl->n_arguments < 1 || ctl->n_arguments > 2) {
                print_error(MESSAGE_CTL_NAME_ALARM, NULL);
                return EXIT_USAGE;
        }
        alarms = open_alarms(ctl, &code);
        json_array_foreach(alarms, i, alarm) {
                if (strcmp(text_member(alarm, "code"), ctl->arguments[0]) != 0 ||
                    (ctl->n_arguments == 2 &&
                     strcmp(text_member(alarm, "subject"), ctl->arguments[1]) != 0))
                        continue;
                n++;
                code = ack_one(ctl, alarm);
                if (code != EXIT_WELL)
                        break;
        }
        if (alarms && n == 0) {
                print_error(MESSAGE_CONTROL_NO_ALARM, "alarm", ctl->arguments[0], "subject",
                            ctl->n_arguments == 2 ? ctl->arguments[1] : "", NULL);
                code = EXIT_REFUSED;
        }
        json_decref(alarms);
        return code;
}
