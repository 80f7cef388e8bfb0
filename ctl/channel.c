/* status, stop, start, channel ..., store adopt, config check. */
#include "ctl/ctl.h"

#include <errno.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/daemon.h"
#include "core/memory.h"

extern char **environ;

static const struct column channel_columns[] = {
        { "region", MESSAGE_CTL_COLUMN_REGION },   { "channel", MESSAGE_CTL_COLUMN_CHANNEL },
        { "title", MESSAGE_CTL_COLUMN_TITLE },     { "driver", MESSAGE_CTL_COLUMN_DRIVER },
        { "waiting", MESSAGE_CTL_COLUMN_WAITING }, { "now", MESSAGE_CTL_COLUMN_NOW },
        { "paused", MESSAGE_CTL_COLUMN_PAUSED },
};

/* All channels of all regions, each with its region. */
static json_t *channel_rows(const json_t *answer) {
        json_t *rows = json_array();
        size_t i, k;
        json_t *region, *channel;

        json_array_foreach(json_object_get(answer, "rows"), i, region) {
                json_array_foreach(json_object_get(region, "channels"), k, channel) {
                        (void) json_object_set(channel, "region", json_object_get(region, "region"));
                        (void) json_array_append(rows, channel);
                }
        }
        return rows;
}

static void print_status(const json_t *answer) {
        static const char *const counts[] = { "pid", "accepted", "rejected", "busy", "pending" };
        char numbers[ELEMENTS(counts)][24];
        json_t *channels = channel_rows(answer);
        size_t i;
        const json_t *region;

        for (i = 0; i < ELEMENTS(counts); i++)
                (void) snprintf(numbers[i], sizeof(numbers[i]), "%lld",
                                (long long) json_integer_value(json_object_get(answer, counts[i])));
        print_line(MESSAGE_CTL_STATUS, "version", text_member(answer, "version"), "pid", numbers[0],
                   "accepted", numbers[1], "rejected", numbers[2], "busy", numbers[3], "pending",
                   numbers[4], NULL);
        json_array_foreach(json_object_get(answer, "rows"), i, region) {
                char held[24], number[24];

                (void) snprintf(held, sizeof(held), "%lld",
                                (long long) json_integer_value(json_object_get(region, "held")));
                (void) snprintf(number, sizeof(number), "%lld",
                                (long long) json_integer_value(json_object_get(region, "number")));
                print_line(json_is_true(json_object_get(region, "ready"))
                                   ? MESSAGE_CTL_REGION_READY
                                   : MESSAGE_CTL_REGION_NOT_READY,
                           "region", text_member(region, "region"), "name",
                           text_member(region, "name"), "number", number, "held", held, "reason",
                           text_member(region, "reason"), NULL);
                if (*text_member(region, "stop"))
                        print_line(MESSAGE_CTL_STOPPED_SINCE, "region",
                                   text_member(region, "region"), "stop", text_member(region, "stop"),
                                   NULL);
        }
        (void) putchar('\n');
        print_table(channels, channel_columns, ELEMENTS(channel_columns));
        json_decref(channels);
}

/* Something that a person should look at. */
static bool needs_a_person(const json_t *answer) {
        size_t i, k;
        const json_t *region, *channel;

        json_array_foreach(json_object_get(answer, "rows"), i, region) {
                if (!json_is_true(json_object_get(region, "ready")) || *text_member(region, "stop"))
                        return true;
                json_array_foreach(json_object_get(region, "channels"), k, channel) {
                        if (*text_member(channel, "paused") ||
                            (json_is_false(json_object_get(channel, "configured")) &&
                             json_integer_value(json_object_get(channel, "waiting")) > 0))
                                return true;
                }
        }
        return false;
}

/* Alarms come first, and also when nobody answers: then they may say why. */
int command_status(struct ctl *ctl) {
        int code;
        json_t *alarms = open_alarms(ctl, &code), *answer;
        bool any = json_array_size(alarms) > 0;

        if (any && !ctl->json) {
                print_alarms(alarms);
                (void) putchar('\n');
                (void) fflush(stdout);
        }
        answer = ctl_ask_well(ctl, json_pack("{s:s}", "do", "status"), &code);
        if (answer && ctl->json) {
                (void) json_object_set(answer, "alarms", alarms);
                print_json(answer);
        } else if (answer) {
                print_status(answer);
        }
        if (answer && (!alarms || any || needs_a_person(answer))) /* unread alarms are no good news */
                code = EXIT_REFUSED;
        json_decref(answer);
        json_decref(alarms);
        return code;
}

int command_channel_list(struct ctl *ctl) {
        int code;
        json_t *answer = ctl_ask_well(ctl, json_pack("{s:s}", "do", "status"), &code);
        json_t *rows = answer ? channel_rows(answer) : NULL;

        if (rows && ctl->json)
                print_json(rows);
        else if (rows)
                print_table(rows, channel_columns, ELEMENTS(channel_columns));
        json_decref(rows);
        json_decref(answer);
        return code;
}

static int simple(struct ctl *ctl, json_t *question, enum message done, const char *channel) {
        int code;
        json_t *answer = ctl_ask_well(ctl, question, &code);

        if (answer && ctl->json)
                print_json(answer);
        else if (answer)
                print_line(done, "channel", channel, NULL);
        json_decref(answer);
        return code;
}

static int switch_channel(struct ctl *ctl, const char *command, enum message done) {
        json_t *question;

        if (ctl->n_arguments != 1) {
                print_error(MESSAGE_CTL_NAME_CHANNEL, NULL);
                return EXIT_USAGE;
        }
        question = json_pack("{s:s, s:s, s:s}", "do", command, "channel", ctl->arguments[0], "reason",
                             ctl->reason ? ctl->reason : "");
        return simple(ctl, question, done, ctl->arguments[0]);
}

int command_channel_pause(struct ctl *ctl) {
        return switch_channel(ctl, "channel.pause", MESSAGE_CTL_PAUSED);
}

int command_channel_resume(struct ctl *ctl) {
        return switch_channel(ctl, "channel.resume", MESSAGE_CTL_RESUMED);
}

int command_switch(struct ctl *ctl, const char *command) {
        bool stop = strcmp(command, "stop") == 0;

        return simple(ctl,
                      json_pack("{s:s, s:s}", "do", command, "reason", ctl->reason ? ctl->reason : ""),
                      stop ? MESSAGE_CTL_STOPPED : MESSAGE_CTL_STARTED, "");
}

int command_store_adopt(struct ctl *ctl) {
        return simple(ctl, json_pack("{s:s}", "do", "store.adopt"), MESSAGE_CTL_ADOPTED, "");
}

/* What of our own options it wants: `--json`, and `--out` for a preview. */
static int add_options(const struct ctl *ctl, const char *option, const char **argv, int at) {
        if (ctl->json && strcmp(option, "--test") == 0)
                argv[at++] = "--json";
        if (ctl->out && strcmp(option, "--preview") == 0) {
                argv[at++] = "--out";
                argv[at++] = ctl->out;
        }
        return at;
}

int run_channeld(const struct ctl *ctl, const char *option, const char *channel, int input) {
        return run_channeld_for(ctl, option, channel, input, -1);
}

int run_channeld_for(const struct ctl *ctl, const char *option, const char *channel, int input,
                     int output) {
        posix_spawn_file_actions_t actions;
        char self[4096];
        ssize_t n = readlink("/proc/self/exe", self, sizeof(self) - 1);
        char *program freed_by(freep) = NULL;
        const char *slash;
        const char *argv[10] = { "gongkai-channeld" };
        int at = 1, status, r;
        pid_t pid;

        if (n < 0)
                return EXIT_REFUSED;
        self[n] = '\0';
        slash = strrchr(self, '/');
        if (asprintf(&program, "%.*s/gongkai-channeld", slash ? (int) (slash - self) : 0, self) < 0) {
                program = NULL;
                return EXIT_REFUSED;
        }
        argv[at++] = option;
        at = add_options(ctl, option, argv, at);
        if (channel) {
                argv[at++] = "--config";
                argv[at++] = ctl->config_path;
                argv[at++] = channel;
        }
        argv[at] = NULL;
        (void) fflush(stdout);
        if (posix_spawn_file_actions_init(&actions) != 0)
                return EXIT_REFUSED;
        if (input >= 0)
                (void) posix_spawn_file_actions_adddup2(&actions, input, STDIN_FILENO);
        if (output >= 0) /* also where it is 3 itself: then it is not closed there */
                (void) posix_spawn_file_actions_adddup2(
                        &actions, output, strcmp(option, "--ask") == 0 ? STDOUT_FILENO : 3);
        r = posix_spawn(&pid, program, &actions, NULL, (char *const *) argv, environ);
        (void) posix_spawn_file_actions_destroy(&actions);
        if (r != 0) {
                print_error(MESSAGE_CTL_NO_PROGRAM, "path", program, NULL);
                return EXIT_REFUSED;
        }
        while (waitpid(pid, &status, 0) < 0)
                if (errno != EINTR)
                        return EXIT_REFUSED;
        return WIFEXITED(status) ? WEXITSTATUS(status) : EXIT_REFUSED;
}

int command_channel_test(struct ctl *ctl) {
        if (ctl->n_arguments != 1) {
                print_error(MESSAGE_CTL_NAME_CHANNEL, NULL);
                return EXIT_USAGE;
        }
        return run_channeld(ctl, "--test", ctl->arguments[0], -1);
}

int command_channel_help(struct ctl *ctl) {
        if (ctl->n_arguments == 1)
                return run_channeld(ctl, "--describe", ctl->arguments[0], -1);
        return run_channeld(ctl, "--help", NULL, -1);
}

int command_config_check(struct ctl *ctl) {
        struct configuration *configuration freed_by(configuration_freep) = NULL;
        struct catalogue *catalogue freed_by(catalogue_freep) = NULL;
        int code = EXIT_WELL;

        if (daemon_load(ctl->config_path, NULL, NULL, true, &configuration, &catalogue) < 0)
                return EXIT_REFUSED;
        daemon_say_config_ok(ctl->config_path);
        for (size_t i = 0; i < configuration->n_channels; i++)
                if (run_channeld(ctl, "--check", configuration->channels[i].name, -1) != 0)
                        code = EXIT_REFUSED;
        return code;
}
