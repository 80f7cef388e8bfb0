/* `--test`: whether the channel works, step by step, and for what does not, what to mend. */
#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "channels/secret.h"
#include "core/memory.h"
#include "daemons/channeld/channeld.h"
#include "daemons/channeld/report.h"

enum { CONNECT_MS = 5000 }; /* as http.c waits for a connection */

/* -- as whom ----------------------------------------------------------------------------------------- */

/* Root may read and write what the daemon cannot, and would leave files that the daemon cannot write:
 * so root becomes the daemon's user, the owner of the data folder. */
static int become_service(const char *state_dir) {
        struct stat about;
        const struct passwd *user;

        if (geteuid() != 0 || stat(state_dir, &about) < 0 || about.st_uid == 0)
                return 0;
        user = getpwuid(about.st_uid);
        if (user ? initgroups(user->pw_name, user->pw_gid) < 0 : setgroups(1, &about.st_gid) < 0)
                return -errno;
        if (setgid(user ? user->pw_gid : about.st_gid) < 0 || setuid(about.st_uid) < 0)
                return -errno;
        return 0;
}

/* -- the secret ---------------------------------------------------------------------------------------- */

static void add_word(struct buf *list, const char *word) {
        buf_fmt(list, "%s%s", list->len ? ", " : "", word);
}

static void list_words(const char *const *words, struct buf *ret) {
        for (; words && *words; words++)
                add_word(ret, *words);
}

/* Names of parts, never what they are. */
static void look_for_parts(const char *const *parts, const char *secret, struct buf *ret_there,
                           struct buf *ret_missing) {
        for (size_t i = 0; parts[i]; i++) {
                char *part freed_by(secret_part_freep) = secret_part(secret, parts[i], i == 0);

                add_word(part ? ret_there : ret_missing, parts[i]);
        }
}

static size_t count_lines(const char *text) {
        size_t n = 0;

        for (const char *at = text; *at;) {
                size_t length = strcspn(at, "\n");

                n += strspn(at, " \t\r") < length;
                at += length + (at[length] == '\n');
        }
        return n;
}

static bool without_file(struct channeld *daemon, struct report *report) {
        const struct driver *driver = daemon->driver;
        /* What is granted by a login is kept there as well. */
        const char *const *parts = driver->secret_parts    ? driver->secret_parts
                                   : driver->login_address ? driver->secret_more
                                                           : NULL;
        struct buf names freed_by(buf_done) = { 0 };

        list_words(parts, &names);
        report_step(report, "secret", MESSAGE_DIAGNOSE_SECRET,
                    parts ? DIAGNOSIS_FAILED : DIAGNOSIS_WELL, NULL,
                    parts ? MESSAGE_DIAGNOSE_SECRET_UNSET : MESSAGE_DIAGNOSE_NO_SECRET, "parts",
                    buf_text(&names), "channel", daemon->channel->name, NULL);
        return !parts;
}

static bool look_at_secret(struct channeld *daemon, struct report *report) {
        const char *path = daemon->channel->secret_file;
        const char *const *parts = daemon->driver->secret_parts;
        struct buf there freed_by(buf_done) = { 0 }, missing freed_by(buf_done) = { 0 };
        char mode[16] = "-", count[24];
        struct stat about;
        int r;

        if (!path)
                return without_file(daemon, report);
        r = secret_read(path, &daemon->secret);
        if (r < 0) {
                char *reason freed_by(freep) = secret_error(path, r);

                report_step(report, "secret", MESSAGE_DIAGNOSE_SECRET, DIAGNOSIS_FAILED, NULL,
                            MESSAGE_DIAGNOSE_SECRET_FAILED, "reason", reason ? reason : strerror(-r),
                            "channel", daemon->channel->name, NULL);
                return false;
        }
        if (stat(path, &about) == 0)
                (void) snprintf(mode, sizeof(mode), "%03o", (unsigned) about.st_mode & 0777);
        if (parts)
                look_for_parts(parts, daemon->secret, &there, &missing);
        (void) snprintf(count, sizeof(count), "%zu", count_lines(daemon->secret));
        report_step(report, "secret", MESSAGE_DIAGNOSE_SECRET,
                    missing.len ? DIAGNOSIS_FAILED : DIAGNOSIS_WELL,
                    json_pack("{s:s, s:s, s:s}", "path", path, "mode", mode, "parts",
                              buf_text(&there)),
                    missing.len ? MESSAGE_DIAGNOSE_SECRET_LACKS
                    : parts     ? MESSAGE_DIAGNOSE_SECRET_PARTS
                                : MESSAGE_DIAGNOSE_SECRET_WELL,
                    "path", path, "mode", mode, "count", count, "parts",
                    missing.len ? buf_text(&missing) : buf_text(&there), "channel",
                    daemon->channel->name, NULL);
        return missing.len == 0;
}

/* -- the way, and the driver's own word ------------------------------------------------------------------ */

static bool walk_all(struct channeld *daemon, struct report *report) {
        struct buf addresses freed_by(buf_done) = { 0 };
        int64_t wait_ms = daemon->channel->timeout_ms < CONNECT_MS ? daemon->channel->timeout_ms
                                                                   : CONNECT_MS;
        bool well = true;
        char *rest = NULL;

        if (daemon->driver->address)
                daemon->driver->address(daemon->options, &addresses);
        if (addresses.len == 0)
                return true;
        for (char *address = strtok_r(addresses.data, "\n", &rest); address;
             address = strtok_r(NULL, "\n", &rest))
                well &= way_walk(report, address, wait_ms);
        return well;
}

static void tell_http(const struct channeld *daemon, struct report *report) {
        char status[24], took[24];
        bool well = daemon->tried.status > 0;

        if (!daemon->tried.any)
                return;
        (void) snprintf(status, sizeof(status), "%ld", daemon->tried.status);
        (void) snprintf(took, sizeof(took), "%lld", (long long) daemon->tried.took_ms);
        report_step(report, "http", MESSAGE_DIAGNOSE_HTTP, well ? DIAGNOSIS_WELL : DIAGNOSIS_FAILED,
                    json_pack("{s:I, s:I}", "status", (json_int_t) daemon->tried.status, "took_ms",
                              (json_int_t) daemon->tried.took_ms),
                    well ? MESSAGE_DIAGNOSE_HTTP_WELL : MESSAGE_DIAGNOSE_HTTP_FAILED, "status", status,
                    "ms", took, "reason", daemon->tried.error ? daemon->tried.error : "", NULL);
}

static int ask_driver(struct channeld *daemon, struct report *report, char **ret_sentence) {
        int r = tree_open_index(daemon);

        if (r >= 0)
                r = special_run(daemon, DELIVER_TEST, ret_sentence);
        tell_http(daemon, report);
        report_step(report, "driver", MESSAGE_DIAGNOSE_DRIVER, r < 0 ? DIAGNOSIS_FAILED : DIAGNOSIS_WELL,
                    NULL, r < 0 ? MESSAGE_DIAGNOSE_DRIVER_FAILED : MESSAGE_DIAGNOSE_DRIVER_WELL, "reason",
                    *ret_sentence ? *ret_sentence : r < 0 ? strerror(-r) : "", NULL);
        return r;
}

static void conclude(struct report *report, const char *channel, const char *sentence) {
        if (report->json) {
                json_t *whole = json_pack("{s:s, s:b, s:O}", "channel", channel, "well",
                                          report->failure == NULL, "steps", report->steps);
                char *text freed_by(freep) = json_dumps(whole, JSON_INDENT(2));

                (void) puts(text ? text : "");
                json_decref(whole);
        } else {
                char *text freed_by(freep) =
                        say(report->failure ? MESSAGE_CHANNEL_TEST_FAILED : MESSAGE_CHANNEL_TEST_WELL,
                            "channel", channel, "reason", report->failure ? report->failure : "", "url",
                            sentence ? sentence : "", NULL);

                (void) puts(text ? text : "");
        }
        report_done(report);
}

int diagnose_run(struct channeld *daemon, bool json) {
        const struct channel_config *channel = daemon->channel;
        struct report report = { .json = json };
        char *sentence freed_by(freep) = NULL;
        int r = become_service(daemon->configuration->main.state_dir);
        bool well;

        report_step(&report, "configuration", MESSAGE_DIAGNOSE_CONFIG,
                    r < 0 ? DIAGNOSIS_FAILED : DIAGNOSIS_WELL, NULL,
                    r < 0 ? MESSAGE_DIAGNOSE_USER : MESSAGE_DIAGNOSE_CONFIG_WELL, "path",
                    r < 0 ? daemon->configuration->main.state_dir : channel->path, "driver",
                    channel->driver, "reason", strerror(r < 0 ? -r : 0), NULL);
        well = look_at_secret(daemon, &report) && r >= 0;
        well &= walk_all(daemon, &report); /* also without the secret: all that is wrong at once */
        if (well)
                well = ask_driver(daemon, &report, &sentence) >= 0;
        else
                report_step(&report, "driver", MESSAGE_DIAGNOSE_DRIVER, DIAGNOSIS_SKIPPED, NULL,
                            MESSAGE_DIAGNOSE_DRIVER_SKIPPED, NULL);
        conclude(&report, channel->name, sentence);
        return well ? 0 : -EIO;
}

void diagnose_bad_configuration(const char *name, bool json) {
        struct report report = { .json = json };

        report_step(&report, "configuration", MESSAGE_DIAGNOSE_CONFIG, DIAGNOSIS_FAILED, NULL,
                    MESSAGE_DIAGNOSE_CONFIG_FAILED, NULL);
        conclude(&report, name, NULL);
}
