#include "core/daemon.h"

#include <errno.h>
#include <getopt.h>
#include <malloc.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>

#include "core/log.h"
#include "core/memory.h"

/* Work comes in batches: what a batch frees the next one wants again. To give it to the kernel
 * meanwhile, and to merge small pieces that come back as they were, costs a daemon under load a quarter
 * of its time (docs/measurements.md). What is large is still mapped by itself, and goes back at once. */
static void keep_freed_memory(void) {
        enum { KEPT_BYTES = 2 << 20, LARGE_BYTES = 1 << 20 };

        (void) mallopt(M_TRIM_THRESHOLD, KEPT_BYTES);
        (void) mallopt(M_MMAP_THRESHOLD, LARGE_BYTES);
        (void) mallopt(M_MXFAST, 0);
}

int daemon_start(int argc, char **argv, const char *program, bool wants_name, void (*help)(void),
                 struct daemon_arguments *ret) {
        static const struct option options[] = {
                { "config", required_argument, NULL, 'c' }, { "check", no_argument, NULL, 'k' },
                { "test", no_argument, NULL, 't' },         { "preview", no_argument, NULL, 'p' },
                { "login", no_argument, NULL, 'l' },        { "secret", no_argument, NULL, 's' },
                { "ask", no_argument, NULL, 'a' },           { "describe", no_argument, NULL, 'd' },
                { "json", no_argument, NULL, 'j' },          { "out", required_argument, NULL, 'o' },
                { "help", no_argument, NULL, 'h' },
                { "version", no_argument, NULL, 'v' },      { NULL, 0, NULL, 0 },
        };
        int option;

        keep_freed_memory();
        messages_set_language_from_environment();
        log_open(program);
        *ret = (struct daemon_arguments) { .config = GONGKAI_CONFIG };
        while ((option = getopt_long(argc, argv, "c:h", options, NULL)) != -1) {
                switch (option) {
                case 'c':
                        ret->config = optarg;
                        break;
                case 'k':
                        ret->check = true;
                        break;
                case 't':
                        ret->test = true;
                        break;
                case 'p':
                        ret->preview = true;
                        break;
                case 'l':
                        ret->login = true;
                        break;
                case 's':
                        ret->secret = true;
                        break;
                case 'a':
                        ret->ask = true;
                        break;
                case 'd':
                        ret->describe = true;
                        break;
                case 'j':
                        ret->json = true;
                        break;
                case 'o':
                        ret->out = optarg;
                        break;
                case 'h':
                        help();
                        return 0;
                case 'v':
                        (void) printf("%s %s\n", program, GONGKAI_VERSION);
                        return 0;
                default:
                        return 64;
                }
        }
        if (optind < argc)
                ret->name = argv[optind++];
        if (optind < argc || (ret->name != NULL) != wants_name ||
            ((ret->test || ret->preview || ret->login || ret->secret || ret->ask ||
             ret->describe) &&
             !wants_name)) {
                help();
                return 64;
        }
        (void) signal(SIGPIPE, SIG_IGN); /* hiredis writes with plain write() */
        (void) prctl(PR_SET_DUMPABLE, 0);
        return -1;
}

/* True when one can go on with it. */
static bool is_bearable(const struct problem *problem, const char *channel, bool check) {
        const char *file = problem->file ? strrchr(problem->file, '/') : NULL;
        size_t n = channel ? strlen(channel) : 0, length = file ? strlen(file) : 0;

        if (!file)
                return false;
        if (!check && problem->line > 0 && length > 4 && strcasecmp(file + length - 4, ".csv") == 0)
                return true;
        if (!channel)
                return false;
        if (strstr(problem->file, "/emitters.d/"))
                return true;
        return strstr(problem->file, "/channels.d/") &&
               !(strncmp(file + 1, channel, n) == 0 && strcmp(file + 1 + n, ".conf") == 0);
}

static void say_count(size_t n) {
        char count[24];
        char *text freed_by(freep) = NULL;

        (void) snprintf(count, sizeof(count), "%zu", n);
        text = say(MESSAGE_CONF_PROBLEMS, "count", count, NULL);
        (void) fprintf(stderr, "%s\n", text ? text : "");
}

/* `ret_reason` NULL: at the start, where the count is told too. */
static int load(const char *path, driver_settings_fn *driver_settings, const char *channel, bool check,
                char **ret_reason, struct configuration **ret, struct catalogue **ret_catalogue) {
        struct configuration *configuration freed_by(configuration_freep) = NULL;
        struct catalogue *catalogue freed_by(catalogue_freep) = NULL;
        struct problems problems = { 0 };
        size_t n_ours = 0;
        int r = configuration_load(path, driver_settings, &problems, &configuration);

        if (r >= 0 && strcmp(configuration->main.language, "en") == 0)
                messages_set_language(ENGLISH);
        if (r >= 0)
                r = catalogue_load(configuration->main.catalogue_dir, &problems, &catalogue);
        if (problems.n > 0)
                problems_print(&problems, stderr);
        for (size_t i = 0; i < problems.n; i++) {
                bool ours = !is_bearable(&problems.list[i], channel, check);

                if (ours && n_ours++ == 0 && ret_reason)
                        *ret_reason = problem_text(&problems.list[i]);
        }
        n_ours += problems.more;
        if (n_ours > 0) {
                if (!ret_reason)
                        say_count(n_ours);
                r = r < 0 ? r : -EINVAL;
        } else if (r < 0) {
                (void) fprintf(stderr, "%s: %s\n", path, strerror(-r));
                if (ret_reason && asprintf(ret_reason, "%s: %s", path, strerror(-r)) < 0)
                        *ret_reason = NULL;
        }
        problems_done(&problems);
        if (r < 0)
                return r;
        *ret = give_away(configuration);
        *ret_catalogue = give_away(catalogue);
        return 0;
}

int daemon_load(const char *path, driver_settings_fn *driver_settings, const char *channel,
                bool check, struct configuration **ret, struct catalogue **ret_catalogue) {
        return load(path, driver_settings, channel, check, NULL, ret, ret_catalogue);
}

int daemon_load_anew(const char *path, driver_settings_fn *driver_settings, const char *channel,
                     char **ret_reason, struct configuration **ret,
                     struct catalogue **ret_catalogue) {
        *ret_reason = NULL;
        return load(path, driver_settings, channel, false, ret_reason, ret, ret_catalogue);
}

void daemon_say_config_ok(const char *path) {
        char *text freed_by(freep) = say(MESSAGE_CONF_OK, "path", path, NULL);

        (void) puts(text ? text : "");
}

int daemon_event(sd_event_signal_handler_t stop, sd_event_signal_handler_t reload, void *userdata,
                 sd_event **ret) {
        sigset_t set;
        int r;

        (void) sigemptyset(&set);
        (void) sigaddset(&set, SIGTERM);
        (void) sigaddset(&set, SIGINT);
        (void) sigaddset(&set, SIGHUP);
        if (sigprocmask(SIG_BLOCK, &set, NULL) < 0)
                return -errno;
        r = sd_event_new(ret);
        if (r >= 0)
                r = sd_event_set_watchdog(*ret, true);
        if (r >= 0)
                r = sd_event_add_signal(*ret, NULL, SIGTERM, stop, userdata);
        if (r >= 0)
                r = sd_event_add_signal(*ret, NULL, SIGINT, stop, userdata);
        if (r >= 0)
                r = sd_event_add_signal(*ret, NULL, SIGHUP, reload, userdata);
        return r;
}
