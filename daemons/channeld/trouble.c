/* Whatever a person should hear of a channel is told here, and taken back when it is over. */
#include "daemons/channeld/channeld.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "core/alarm.h"
#include "core/clock.h"
#include "core/log.h"
#include "core/memory.h"
#include "core/moment.h"

/* A breaker that is open for so long is somebody's affair. */
enum { PATIENCE_MS = 5 * 60 * 1000, STILL_MS = 60 * 1000, DAY_MS = 24 * 3600 * 1000, EXPIRY_DAYS = 7 };

/* -- alarms of single documents: which are open, so that the one that comes through ends its own ----- */

static char *subject_of(const char *first, const char *document) {
        char *subject;

        return asprintf(&subject, "%s/%s", first, document) < 0 ? NULL : subject;
}

static void raised(struct channeld *daemon, const char *subject) {
        if (!daemon->raised)
                daemon->raised = json_object();
        (void) json_object_set_new(daemon->raised, subject, json_true());
}

/* `alarms` end in N_ALARMS: several may be open of one subject. */
static void clear_document(struct channeld *daemon, const enum alarm *alarms, const char *first,
                           const char *document) {
        char *subject freed_by(freep) = subject_of(first, document);

        if (!subject || !json_object_get(daemon->raised, subject))
                return;
        for (; *alarms < N_ALARMS; alarms++)
                alarm_clear(*alarms, subject);
        (void) json_object_del(daemon->raised, subject);
}

void trouble_start(struct channeld *daemon) {
        const char *state_dir = daemon->configuration->main.state_dir;
        json_t *alarms, *alarm;
        size_t i;

        (void) alarm_start(state_dir);
        alarms = alarm_list(state_dir, NULL);
        json_array_foreach(alarms, i, alarm) {
                enum alarm code =
                        alarm_by_code(json_string_value(json_object_get(alarm, "code")));

                if (code == ALARM_POISON || code == ALARM_DAMAGED || code == ALARM_DEADLINE_MISSED ||
                    code == ALARM_WITHDRAWAL_UNCONFIRMED)
                        raised(daemon, json_string_value(json_object_get(alarm, "subject")));
        }
        json_decref(alarms);
        alarm_clear(ALARM_SECRET, daemon->channel->name);
        trouble_expiry(daemon);
}

void trouble_expiry(struct channeld *daemon) {
        const char *channel = daemon->channel->name;
        int64_t ends_ms, left_ms;
        char until[MOMENT_TEXT], days[24];

        if (!daemon->driver->expires || clock_boot_ms() < daemon->expiry_boot_ms)
                return;
        daemon->expiry_boot_ms = clock_boot_ms() + DAY_MS;
        ends_ms = daemon->driver->expires(daemon->options, daemon->secret);
        left_ms = ends_ms - clock_now_ms();
        if (ends_ms <= 0 || left_ms >= (int64_t) EXPIRY_DAYS * DAY_MS) {
                alarm_clear(ALARM_TOKEN_EXPIRES, channel);
                return;
        }
        (void) snprintf(days, sizeof(days), "%lld", (long long) (left_ms > 0 ? left_ms / DAY_MS : 0));
        alarm_raise(ALARM_TOKEN_EXPIRES, channel, "until", moment_write_minute(ends_ms, until), "days",
                    days, NULL);
}

void trouble_secret(struct channeld *daemon, const char *reason) {
        (void) alarm_start(daemon->configuration->main.state_dir);
        alarm_raise(ALARM_SECRET, daemon->channel->name, "reason", reason, NULL);
}

void trouble_done(struct region *region, const char *document) {
        static const enum alarm of_channel[] = { ALARM_POISON, ALARM_DEADLINE_MISSED,
                                                   ALARM_WITHDRAWAL_UNCONFIRMED, N_ALARMS };
        static const enum alarm of_region[] = { ALARM_DAMAGED, N_ALARMS };
        struct channeld *daemon = region->daemon;

        if (daemon->stills)
                (void) json_object_del(daemon->stills, document);
        if (json_object_size(daemon->raised) == 0)
                return;
        clear_document(daemon, of_channel, daemon->channel->name, document);
        clear_document(daemon, of_region, region->code, document);
}

void trouble_damaged(struct region *region, const char *document) {
        struct channeld *daemon = region->daemon;
        char *subject freed_by(freep) = subject_of(region->code, document);
        char *reason freed_by(freep) = say(MESSAGE_BYTES_BROKEN, "channel", daemon->channel->name,
                                           "region", region->code, "document", document, NULL);

        log_say(LOG_ERR, MESSAGE_BYTES_BROKEN, "channel", daemon->channel->name, "region",
                region->code, "document", document, NULL);
        if (!subject)
                return;
        raised(daemon, subject);
        alarm_raise(ALARM_DAMAGED, subject, "document", document, "region", region->code, "reason",
                    reason, NULL);
}

/* -- the channel as a whole ------------------------------------------------------------------------- */

void trouble_blocked(struct channeld *daemon, const char *reason) {
        log_say(LOG_ERR, MESSAGE_CHANNEL_BLOCKED, "channel", daemon->channel->name, "reason",
                reason, NULL);
        alarm_raise(ALARM_CHANNEL_BLOCKED, daemon->channel->name, "reason", reason, NULL);
}

static int64_t changed_ms(const char *path) {
        struct stat about;

        return path && stat(path, &about) == 0
                       ? (int64_t) about.st_mtim.tv_sec * 1000 + about.st_mtim.tv_nsec / 1000000
                       : 0;
}

/* A pause that we made ourselves ends when this process is the first to run with another
 * configuration: "2026-11-24 10:40 channeld WHY", in minutes, so the minute itself counts as later;
 * what is still blocked pauses again. */
void trouble_paused(struct region *region, const char *why) {
        struct channeld *daemon = region->daemon;
        const struct channel_config *channel = daemon->channel;
        char moment[] = "0000-00-00T00:00:00+08:00";
        struct buf what freed_by(buf_done) = { 0 };
        int64_t at_ms;

        if (region->pause_seen)
                return;
        region->pause_seen = true;
        if (strlen(why) < 26 || strncmp(why + 16, " channeld ", 10) != 0)
                return;
        memcpy(moment, why, 10);
        memcpy(moment + 11, why + 11, 5);
        if (moment_parse(moment, &at_ms, NULL) < 0 ||
            (changed_ms(channel->path) < at_ms && changed_ms(channel->secret_file) < at_ms))
                return;
        log_say(LOG_NOTICE, MESSAGE_CHANNEL_CHANGED, "channel", channel->name, "region",
                region->code, NULL);
        buf_fmt(&what, "pause:%s", channel->name);
        (void) store_control(daemon->store, region->code, region->epoch, buf_text(&what), "",
                             "channeld", engine_ignore_reply, NULL);
}

void trouble_goes(struct channeld *daemon) {
        alarm_clear(ALARM_CHANNEL_BLOCKED, daemon->channel->name);
}

/* "7 min": how long, for people. */
static const char *minutes(int64_t ms, char ret[static 32]) {
        (void) snprintf(ret, 32, "%lld min", (long long) (ms / 60000));
        return ret;
}

/* One channel may be open in one region and closed in another; the alarm is the channel's. */
static void tell_alarm(struct channeld *daemon, const char *why) {
        int64_t now = clock_boot_ms(), longest = -1;
        char text[32];

        for (size_t i = 0; i < daemon->n_regions; i++) {
                const struct region *region = &daemon->regions[i];

                if (region->breaker_open && now - region->open_since_boot_ms > longest)
                        longest = now - region->open_since_boot_ms;
        }
        if (longest < 0)
                alarm_clear(ALARM_BREAKER_OPEN, daemon->channel->name);
        else if (longest >= PATIENCE_MS)
                alarm_raise(ALARM_BREAKER_OPEN, daemon->channel->name, "reason", why, "for",
                            minutes(longest, text), NULL);
}

void trouble_breaker(struct region *region, bool open, int64_t wait_ms) {
        struct channeld *daemon = region->daemon;
        const char *why = daemon->last_trouble ? daemon->last_trouble : "-";
        bool is_news = open != region->breaker_open;
        char until[MOMENT_TEXT];

        region->breaker_open = open;
        region->open_until_ms = clock_now_ms() + (wait_ms > 0 ? wait_ms : 0);
        if (is_news)
                region->open_since_boot_ms = clock_boot_ms();
        if (is_news && open)
                log_say(LOG_WARNING, MESSAGE_BREAKER_OPEN, "channel", daemon->channel->name,
                        "region", region->code, "until",
                        moment_write(region->open_until_ms, until), "reason", why, NULL);
        else if (is_news)
                log_say(LOG_NOTICE, MESSAGE_BREAKER_CLOSED, "channel", daemon->channel->name,
                        "region", region->code, NULL);
        if (open || is_news || !region->breaker_told)
                tell_alarm(daemon, why);
        region->breaker_told = true;
}

void trouble_dead(struct region *region, const struct outcome *outcome) {
        log_say(LOG_ERR, MESSAGE_DOCUMENT_DEAD, "channel", region->daemon->channel->name, "region",
                region->code, "document", outcome->lease->document, "reason",
                outcome->sentence ? outcome->sentence : "", NULL);
}

void trouble_poison(struct region *region, const char *document) {
        struct channeld *daemon = region->daemon;
        const char *channel = daemon->channel->name;
        char *subject freed_by(freep) = subject_of(channel, document);
        char *reason freed_by(freep) = say(MESSAGE_DOCUMENT_POISON, "channel", channel, "region",
                                           region->code, "document", document, NULL);

        log_say(LOG_ERR, MESSAGE_DOCUMENT_POISON, "channel", channel, "region", region->code,
                "document", document, NULL);
        if (!subject)
                return;
        raised(daemon, subject);
        alarm_raise(ALARM_POISON, subject, "channel", channel, "document", document, "reason",
                    reason, NULL);
}

/* An attempt has failed; a missed deadline ends nothing. */
void trouble_deadline(const struct attempt *attempt) {
        const char *reason = attempt->step.verdict.sentence;
        char *subject freed_by(freep) = NULL;
        char due[MOMENT_TEXT];

        if (attempt->deadline_ms <= 0 || attempt->kind != 'P' ||
            clock_now_ms() <= attempt->deadline_ms)
                return;
        log_say(LOG_ERR, MESSAGE_DEADLINE_MISSED, "channel", attempt->daemon->channel->name,
                "region", attempt->region->code, "document", attempt->lease->document, "due",
                moment_write(attempt->deadline_ms, due), "reason", reason ? reason : "", NULL);
        subject = subject_of(attempt->daemon->channel->name, attempt->lease->document);
        if (!subject)
                return;
        raised(attempt->daemon, subject);
        alarm_raise(ALARM_DEADLINE_MISSED, subject, "channel", attempt->daemon->channel->name, "region",
                    attempt->region->code, "document", attempt->lease->document, "due", due, "reason",
                    reason, NULL);
}

/* Since when players have been asked to take it down; an expiry was never accepted. */
static int64_t still_since(struct channeld *daemon, const struct delivery *delivery) {
        int64_t now = clock_now_ms();
        const json_t *known;

        if (delivery->kind == DELIVER_WITHDRAW)
                return delivery->accepted_ms;
        if (!daemon->stills)
                daemon->stills = json_object();
        known = json_object_get(daemon->stills, delivery->document);
        if (known)
                return json_integer_value(known);
        (void) json_object_set_new(daemon->stills, delivery->document, json_integer(now));
        return now;
}

/* It waits for players that show it still; or it does not any more: it is to be shown again, none is
 * named, or it is dead, which is told by itself. Any other failure leaves that as it was. */
void trouble_still(const struct attempt *attempt, bool asks) {
        struct channeld *daemon = attempt->daemon;
        const struct delivery *delivery = &attempt->delivery;
        const struct verdict *verdict = &attempt->step.verdict;
        bool publishes = delivery->kind == DELIVER_PUBLISH;
        char *subject freed_by(freep) = NULL;

        if (asks && verdict->still && !publishes) {
                if (clock_now_ms() - still_since(daemon, delivery) <= STILL_MS)
                        return;
                subject = subject_of(daemon->channel->name, delivery->document);
                if (!subject)
                        return;
                raised(daemon, subject);
                alarm_raise(ALARM_WITHDRAWAL_UNCONFIRMED, subject, "channel", daemon->channel->name,
                            "document", delivery->document, "names", verdict->still, NULL);
        } else if (asks || publishes || verdict->kind == VERDICT_REFUSED) {
                if (daemon->stills)
                        (void) json_object_del(daemon->stills, delivery->document);
                subject = json_object_size(daemon->raised) > 0
                                  ? subject_of(daemon->channel->name, delivery->document)
                                  : NULL;
                if (subject && json_object_get(daemon->raised, subject))
                        alarm_clear(ALARM_WITHDRAWAL_UNCONFIRMED, subject);
        }
}

void trouble_settle(struct region *region, const char *reason) {
        const char *channel = region->daemon->channel->name;

        if (reason)
                log_say(LOG_WARNING, MESSAGE_SETTLE_FAILED, "channel", channel, "region",
                        region->code, "reason", reason, NULL);
        else if (region->settle_told)
                log_say(LOG_NOTICE, MESSAGE_SETTLE_WORKS, "channel", channel, "region", region->code,
                        NULL);
        region->settle_told = reason != NULL;
}

void trouble_format(struct region *region, const char *format) {
        if (format && !region->format_told)
                log_say(LOG_ERR, MESSAGE_CHANNELD_FORMAT, "channel", region->daemon->channel->name,
                        "region", region->code, "format", *format ? format : "-", "ours", "1", NULL);
        region->format_told = format != NULL;
}
