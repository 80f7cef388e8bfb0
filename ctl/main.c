#include "ctl/ctl.h"

#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/memory.h"

static int command_stop(struct ctl *ctl) {
        return command_switch(ctl, "stop");
}

static int command_start(struct ctl *ctl) {
        return command_switch(ctl, "start");
}

static const struct {
        const char *noun, *verb; /* verb NULL: a command of one word */
        int (*run)(struct ctl *ctl);
} commands[] = {
        { "status", NULL, command_status },
        { "stop", NULL, command_stop },
        { "start", NULL, command_start },
        { "document", "list", command_document_list },
        { "document", "show", command_document_show },
        { "document", "history", command_document_history },
        { "document", "withdraw", command_document_withdraw },
        { "held", "list", command_held_list },
        { "held", "show", command_held_show },
        { "held", "release", command_held_release },
        { "held", "reject", command_held_reject },
        { "dead", "list", command_dead_list },
        { "dead", "show", command_dead_show },
        { "dead", "replay", command_dead_replay },
        { "dead", "drop", command_dead_drop },
        { "alarm", "list", command_alarm_list },
        { "alarm", "ack", command_alarm_ack },
        { "alarm", "service", command_alarm_service },
        { "rejected", "list", command_rejected_list },
        { "rejected", "show", command_rejected_show },
        { "rejected", "retry", command_rejected_retry },
        { "channel", "list", command_channel_list },
        { "channel", "add", command_channel_add },
        { "channel", "secret", command_channel_secret },
        { "channel", "login", command_channel_login },
        { "channel", "preview", command_channel_preview },
        { "channel", "pause", command_channel_pause },
        { "channel", "resume", command_channel_resume },
        { "channel", "test", command_channel_test },
        { "channel", "help", command_channel_help },
        { "screen", "list", command_screen_list },
        { "screen", "forget", command_screen_forget },
        { "screen", "history", command_screen_history },
        { "config", "check", command_config_check },
        { "key", "new", command_key_new },
        { "key", "list", command_key_list },
        { "key", "revoke", command_key_revoke },
        { "store", "adopt", command_store_adopt },
        { "ledger", "verify", command_ledger_verify },
        { "ledger", "export", command_ledger_export },
};

static void help(FILE *to) {
        char *text freed_by(freep) = say(MESSAGE_CTL_HELP, "config", GONGKAI_CONFIG, NULL);

        (void) fprintf(to, "%s\n", text ? text : "");
}

static int dispatch(struct ctl *ctl, char **words, int n) {
        if (n == 1 && strcmp(words[0], "help") == 0) {
                help(stdout);
                return EXIT_WELL;
        }
        for (size_t i = 0; i < ELEMENTS(commands); i++) {
                int used = commands[i].verb ? 2 : 1;

                if (n < used || strcmp(commands[i].noun, words[0]) != 0 ||
                    (commands[i].verb && strcmp(commands[i].verb, words[1]) != 0))
                        continue;
                ctl->arguments = words + used;
                ctl->n_arguments = n - used;
                return commands[i].run(ctl);
        }
        if (n > 0)
                print_error(MESSAGE_CTL_UNKNOWN_COMMAND, "command", words[0], NULL);
        help(stderr);
        return EXIT_USAGE;
}

static bool read_number(const char *text, int64_t *ret) {
        char *end;

        errno = 0;
        *ret = strtoll(text, &end, 10);
        return *text && !*end && errno == 0 && *ret >= 0;
}

static int bad_number(const char *option, const char *text) {
        print_error(MESSAGE_CTL_BAD_NUMBER, "option", option, "argument", text, NULL);
        return EXIT_USAGE;
}

int main(int argc, char **argv) {
        enum { REGION = 256, REASON, REASON_CODE, OUT, SOURCE, ERASE, SERVER, LIMIT, SINCE, JSON, CHANNEL, ALL };
        static const struct option options[] = {
                { "config", required_argument, NULL, 'c' },
                { "json", no_argument, NULL, JSON },
                { "region", required_argument, NULL, REGION },
                { "reason", required_argument, NULL, REASON },
                { "reason-code", required_argument, NULL, REASON_CODE },
                { "out", required_argument, NULL, OUT },
                { "source", required_argument, NULL, SOURCE },
                { "erase", no_argument, NULL, ERASE },
                { "server", no_argument, NULL, SERVER },
                { "limit", required_argument, NULL, LIMIT },
                { "channel", required_argument, NULL, CHANNEL },
                { "all", no_argument, NULL, ALL },
                { "since", required_argument, NULL, SINCE },
                { "help", no_argument, NULL, 'h' },
                { "version", no_argument, NULL, 'v' },
                { NULL, 0, NULL, 0 },
        };
        struct ctl ctl = { .config_path = GONGKAI_CONFIG };
        int64_t number;
        int option, code;

        messages_set_language_from_environment();
        (void) signal(SIGPIPE, SIG_DFL);
        while ((option = getopt_long(argc, argv, "c:h", options, NULL)) != -1) {
                switch (option) {
                case 'c':
                        ctl.config_path = optarg;
                        break;
                case JSON:
                        ctl.json = true;
                        break;
                case REGION:
                        ctl.region = optarg;
                        (void) string_list_add(&ctl.regions, optarg, strlen(optarg));
                        break;
                case REASON:
                        ctl.reason = optarg;
                        break;
                case REASON_CODE:
                        ctl.reason_code = optarg;
                        break;
                case OUT:
                        ctl.out = optarg;
                        break;
                case SOURCE:
                        (void) string_list_add(&ctl.sources, optarg, strlen(optarg));
                        break;
                case ERASE:
                        ctl.erase = true;
                        break;
                case SERVER:
                        ctl.server = true;
                        break;
                case LIMIT:
                        if (!read_number(optarg, &number))
                                return bad_number("--limit", optarg);
                        ctl.limit = (long) number;
                        break;
                case CHANNEL:
                        ctl.channel = optarg;
                        break;
                case ALL:
                        ctl.all = true;
                        break;
                case SINCE:
                        if (!read_number(optarg, &ctl.since))
                                return bad_number("--since", optarg);
                        break;
                case 'h':
                        help(stdout);
                        return EXIT_WELL;
                case 'v':
                        (void) puts("gongkaictl " GONGKAI_VERSION);
                        return EXIT_WELL;
                default: /* getopt has said which option */
                        return EXIT_USAGE;
                }
        }
        code = dispatch(&ctl, argv + optind, argc - optind);
        string_list_done(&ctl.sources);
        string_list_done(&ctl.regions);
        (void) configuration_free(ctl.configuration);
        return code;
}
