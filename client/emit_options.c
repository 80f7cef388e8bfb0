#include <errno.h>
#include <getopt.h>
#include <stdlib.h>
#include <string.h>

#include "client/emit.h"
#include "core/memory.h"

enum {
        OPTION_STATUS = 256,
        OPTION_RECEIPTS,
        OPTION_SOURCE,
        OPTION_REGION,
        OPTION_SPOOL,
        OPTION_WATCH,
        OPTION_DOOR,
        OPTION_SERVER_KEY,
        OPTION_KEY,
        OPTION_TIMEOUT,
        OPTION_TRY_FOR,
        OPTION_WINDOW,
        OPTION_JSON,
        OPTION_VERSION,
};

static const struct option long_options[] = {
        { "attach", required_argument, NULL, 'a' },
        { "check", no_argument, NULL, 'c' },
        { "status", required_argument, NULL, OPTION_STATUS },
        { "receipts", required_argument, NULL, OPTION_RECEIPTS },
        { "source", required_argument, NULL, OPTION_SOURCE },
        { "region", required_argument, NULL, OPTION_REGION },
        { "spool", required_argument, NULL, OPTION_SPOOL },
        { "watch", required_argument, NULL, OPTION_WATCH },
        { "door", required_argument, NULL, OPTION_DOOR },
        { "server-key", required_argument, NULL, OPTION_SERVER_KEY },
        { "key", required_argument, NULL, OPTION_KEY },
        { "timeout", required_argument, NULL, OPTION_TIMEOUT },
        { "try-for", required_argument, NULL, OPTION_TRY_FOR },
        { "window", required_argument, NULL, OPTION_WINDOW },
        { "json", no_argument, NULL, OPTION_JSON },
        { "help", no_argument, NULL, 'h' },
        { "version", no_argument, NULL, OPTION_VERSION },
        { NULL, 0, NULL, 0 },
};

int emit_duration(const char *text, int64_t *ret_ms) {
        static const struct {
                const char *unit;
                int64_t ms;
        } units[] = {
                { "ms", 1 }, { "s", 1000 }, { "min", 60000 }, { "h", 3600000 }, { "d", 86400000 },
        };
        int64_t number = 0;
        size_t n_digits = strspn(text, "0123456789");

        if (n_digits == 0 || n_digits > 9)
                return -EINVAL;
        for (size_t i = 0; i < n_digits; i++)
                number = number * 10 + (text[i] - '0');
        for (size_t i = 0; i < ELEMENTS(units); i++)
                if (strcmp(text + n_digits, units[i].unit) == 0) {
                        *ret_ms = number * units[i].ms;
                        return 0;
                }
        return -EINVAL;
}

static bool parse_number(const char *text, int64_t most, int64_t *ret) {
        size_t n_digits = strspn(text, "0123456789");
        int64_t number = 0;

        if (n_digits == 0 || n_digits > 18 || text[n_digits])
                return false;
        for (size_t i = 0; i < n_digits; i++)
                number = number * 10 + (text[i] - '0');
        if (number > most)
                return false;
        *ret = number;
        return true;
}

static bool is_region(const char *text) {
        return strlen(text) == 6 && strspn(text, "0123456789") == 6;
}

static bool wrong_value(const char *option, const char *value, const char *example) {
        tell(MESSAGE_EMIT_BAD_VALUE, "option", option, "value", value, "example", example, NULL);
        return false;
}

static bool take_duration(const char *option, const char *value, int64_t *ret) {
        if (emit_duration(value, ret) < 0 || *ret < 1)
                return wrong_value(option, value, "30s");
        return true;
}

static bool take_option(int option, const char *value, struct emit_options *options) {
        int64_t number;

        switch (option) {
        case 'a':
                options->attach[options->n_attach++] = value;
                return true;
        case 'c':
                options->check = true;
                return true;
        case OPTION_STATUS:
                options->status_of = value;
                return *value || wrong_value("--status", value, "oa-2026-0012");
        case OPTION_RECEIPTS:
                options->asks_receipts = true;
                return parse_number(value, INT64_MAX, &options->receipts_after) ||
                       wrong_value("--receipts", value, "0");
        case OPTION_SOURCE:
                options->source = value;
                return true;
        case OPTION_REGION:
                options->region = value;
                return is_region(value) || wrong_value("--region", value, "530581");
        case OPTION_SPOOL:
                options->spool = value;
                return *value || wrong_value("--spool", value, "/var/spool/gongkai-emit");
        case OPTION_WATCH:
                options->watch = value;
                return *value || wrong_value("--watch", value, "/srv/gongkai");
        case OPTION_DOOR:
                options->door = value;
                return *value || wrong_value("--door", value, "tcp://127.0.0.1:5590");
        case OPTION_SERVER_KEY:
                options->server_key = value;
                return true;
        case OPTION_KEY:
                options->key_file = value;
                return true;
        case OPTION_TIMEOUT:
                return take_duration("--timeout", value, &options->timeout_ms);
        case OPTION_TRY_FOR:
                if (strcmp(value, "forever") == 0) {
                        options->try_for_ms = -1;
                        return true;
                }
                return take_duration("--try-for", value, &options->try_for_ms);
        case OPTION_WINDOW:
                if (!parse_number(value, 1024, &number) || number < 1)
                        return wrong_value("--window", value, "64");
                options->window = (unsigned) number;
                return true;
        default: /* --json is how it is anyway */
                return true;
        }
}

static bool not_together(const char *one, const char *other) {
        tell(MESSAGE_EMIT_NOT_TOGETHER, "one", one, "other", other, NULL);
        return false;
}

static bool fit_together(const struct emit_options *options) {
        bool asks = options->status_of || options->asks_receipts;
        const char *asking = options->status_of ? "--status" : "--receipts";

        if (options->status_of && options->asks_receipts)
                return not_together("--status", "--receipts");
        if (asks && options->watch)
                return not_together(asking, "--watch");
        if (asks && options->spool)
                return not_together(asking, "--spool");
        if (asks && options->n_attach > 0)
                return not_together(asking, "--attach");
        if (asks && options->check)
                return not_together(asking, "--check");
        if (options->check && options->spool)
                return not_together("--check", "--spool");
        if (options->check && options->watch)
                return not_together("--check", "--watch");
        if (options->watch && options->spool)
                return not_together("--watch", "--spool");
        if (options->watch && options->n_attach > 0)
                return not_together("--watch", "--attach");
        if ((asks || options->watch) && options->n_files > 0)
                return not_together(asks ? asking : "--watch", options->files[0]);
        if (asks && !options->source && !options->region) {
                tell(MESSAGE_EMIT_NEEDS_SOURCE, "option", asking, NULL);
                return false;
        }
        if (!options->server_key != !options->key_file) {
                tell(MESSAGE_EMIT_KEYS_TOGETHER, NULL);
                return false;
        }
        return true;
}

static bool complain_of_option(int argc, char **argv, int letter) {
        const char *given = optind > 0 && optind <= argc ? argv[optind - 1] : "";
        char short_option[3] = { '-', (char) optopt, '\0' };

        if (optopt > 0 && optopt < 256 && strncmp(given, "--", 2) != 0)
                given = short_option;
        tell(letter == ':' ? MESSAGE_EMIT_OPTION_NEEDS_VALUE : MESSAGE_EMIT_UNKNOWN_OPTION,
             "option", given, NULL);
        return false;
}

static void print_help(FILE *to) {
        char *help freed_by(freep) = say(MESSAGE_EMIT_HELP, "door", GONGKAI_DEFAULT_DOOR, NULL);

        (void) fputs(help ? help : "", to);
}

bool options_read(int argc, char **argv, struct emit_options *options, int *ret_exit) {
        bool good = true;
        int letter;

        *options = (struct emit_options) { .timeout_ms = 10000, .try_for_ms = 30000 };
        *ret_exit = EMIT_SYSTEM;
        options->attach = calloc((size_t) argc + 1, sizeof(*options->attach));
        if (!options->attach)
                return false;
        opterr = 0;
        while (good && (letter = getopt_long(argc, argv, ":a:ch", long_options, NULL)) != -1) {
                if (letter == 'h') {
                        *ret_exit = EMIT_TAKEN;
                        print_help(stdout);
                        return false;
                }
                if (letter == OPTION_VERSION) {
                        *ret_exit = EMIT_TAKEN;
                        (void) printf("gongkai-emit %s\n", GONGKAI_VERSION);
                        return false;
                }
                good = letter == '?' || letter == ':' ? complain_of_option(argc, argv, letter)
                                                      : take_option(letter, optarg, options);
        }
        if (good) {
                options->files = argv + optind;
                options->n_files = (size_t) (argc - optind);
                good = fit_together(options);
        }
        if (!good) {
                tell(MESSAGE_EMIT_SEE_HELP, NULL);
                *ret_exit = EMIT_USAGE;
        }
        return good;
}

void options_done(struct emit_options *options) {
        free(options->attach);
        options->attach = NULL;
}
