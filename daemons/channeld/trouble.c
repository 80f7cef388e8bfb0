/* Whatever a person should hear of a channel is told here, and taken back when it is over. */
#include "daemons/channeld/channeld.h"

#include <stdio.h>
#include <string.h>

#include "core/alarm.h"
#include "core/clock.h"
#include "core/log.h"
#include "core/memory.h"
#include "core/moment.h"

enum { BREAKER_MS = 300000 }; /* so long an endpoint may be away before a person hears of it */

/* Alarms of documents that may be open; clearing one per delivery would be dear. */
static const enum alarm of_documents[] = { ALARM_DEADLINE_MISSED, ALARM_POISON, ALARM_DAMAGED };

static bool is_of_document(const char *code) {
        for (size_t i = 0; i < ELEMENTS(of_documents); i++)
                if (strcmp(code, alarm_code(of_documents[i])) == 0)
                        return true;
        return false;
}

void trouble_begin(struct channeld *daemon) {
        json_t *open, *alarm;
        size_t i;

        (void) alarm_start(daemon->configuration->main.state_dir); /* else in the log only */
        open = alarm_list(daemon->configuration->main.state_dir, NULL);
        json_array_foreach(open, i, alarm) {
                const char *code = json_string_value(json_object_get(alarm, "code"));

                daemon->knows_alarms = daemon->knows_alarms || (code && is_of_document(code));
        }
        json_decref(open);
        alarm_clear(ALARM_SECRET, daemon->channel->name); /* it could be read */
}

static char *subject_of(enum alarm alarm, const struct region *region, const char *document) {
        const char *first = alarm == ALARM_DAMAGED ? region->code : region->daemon->channel->name;
        char *subject;

        return asprintf(&subject, "%s/%s", first, document) < 0 ? NULL : subject;
}

static void raise_document(enum alarm alarm, const struct region *region, const char *document,
                           const char *reason, const char *due) {
        char *subject freed_by(freep) = subject_of(alarm, region, document);

        region->daemon->knows_alarms = true;
        alarm_raise(alarm, subject, "channel", region->daemon->channel->name, "region", region->code,
                    "document", document, "reason", reason, "due", due, NULL);
}

void trouble_shown(const struct attempt *attempt) {
        if (!attempt->daemon->knows_alarms)
                return;
        for (size_t i = 0; i < ELEMENTS(of_documents); i++) {
                char *subject freed_by(freep) =
                        subject_of(of_documents[i], attempt->region, attempt->lease->document);

                alarm_clear(of_documents[i], subject);
        }
}

void trouble_bytes(const struct attempt *attempt) {
        const struct channel_config *channel = attempt->daemon->channel;
        const char *document = attempt->lease->document;

        log_say(LOG_ERR, MESSAGE_BYTES_BROKEN, "channel", channel->name, "region",
                attempt->region->code, "document", document, NULL);
        raise_document(ALARM_DAMAGED, attempt->region, document,
                       message_template(MESSAGE_ALARM_OTHER_BYTES, messages_language()), NULL);
}

/* The breaker is asked for by each look into the store, the time it stays open each second. */
void trouble_tick(struct channeld *daemon) {
        const struct region *longest = NULL;
        int64_t now = clock_boot_ms();
        char text[24];

        for (size_t i = 0; i < daemon->n_regions; i++) {
                const struct region *region = &daemon->regions[i];

                if (region->breaker_open && now - region->breaker_boot_ms >= BREAKER_MS &&
                    (!longest || region->breaker_boot_ms < longest->breaker_boot_ms))
                        longest = region;
        }
        if (!longest)
                return;
        (void) snprintf(text, sizeof(text), "%lld min",
                        (long long) (now - longest->breaker_boot_ms) / 60000);
        alarm_raise(ALARM_BREAKER_OPEN, daemon->channel->name, "channel", daemon->channel->name,
                    "region", longest->code, "for", text, "reason",
                    daemon->last_trouble ? daemon->last_trouble : "-", NULL);
}

static void breaker_is_shut(const struct channeld *daemon) {
        for (size_t i = 0; i < daemon->n_regions; i++)
                if (daemon->regions[i].breaker_open)
                        return;
        alarm_clear(ALARM_BREAKER_OPEN, daemon->channel->name);
}

void trouble_blocked(struct channeld *daemon, const char *reason) {
        alarm_raise(ALARM_CHANNEL_BLOCKED, daemon->channel->name, "channel", daemon->channel->name,
                    "reason", reason, NULL);
        log_say(LOG_ERR, MESSAGE_CHANNEL_BLOCKED, "channel", daemon->channel->name, "reason",
                reason, NULL);
}

void trouble_went_on(struct channeld *daemon) {
        alarm_clear(ALARM_CHANNEL_BLOCKED, daemon->channel->name);
}

void trouble_breaker(struct region *region, bool open, int64_t wait_ms) {
        struct channeld *daemon = region->daemon;
        const char *why = daemon->last_trouble ? daemon->last_trouble : "-";
        bool is_news = open != region->breaker_open;
        char until[MOMENT_TEXT];

        region->breaker_open = open;
        if (is_news)
                region->breaker_boot_ms = clock_boot_ms();
        if (!open)
                breaker_is_shut(daemon);
        region->open_until_ms = clock_now_ms() + (wait_ms > 0 ? wait_ms : 0);
        if (!is_news)
                return;
        if (open)
                log_say(LOG_WARNING, MESSAGE_BREAKER_OPEN, "channel", daemon->channel->name,
                        "region", region->code, "until",
                        moment_write(region->open_until_ms, until), "reason", why, NULL);
        else
                log_say(LOG_NOTICE, MESSAGE_BREAKER_CLOSED, "channel", daemon->channel->name,
                        "region", region->code, NULL);
}

void trouble_dead(struct region *region, const struct outcome *outcome) {
        log_say(LOG_ERR, MESSAGE_DOCUMENT_DEAD, "channel", region->daemon->channel->name, "region",
                region->code, "document", outcome->lease->document, "reason",
                outcome->sentence ? outcome->sentence : "", NULL);
}

void trouble_poison(struct region *region, const char *document) {
        const char *why = region->daemon->last_trouble;

        raise_document(ALARM_POISON, region, document, why ? why : "-", NULL);
        log_say(LOG_ERR, MESSAGE_DOCUMENT_POISON, "channel", region->daemon->channel->name, "region",
                region->code, "document", document, NULL);
}

/* An attempt has failed; a missed deadline ends nothing. */
void trouble_deadline(const struct attempt *attempt) {
        const char *reason = attempt->step.verdict.sentence;
        char due[MOMENT_TEXT];

        if (attempt->deadline_ms <= 0 || attempt->kind != 'P' ||
            clock_now_ms() <= attempt->deadline_ms)
                return;
        log_say(LOG_ERR, MESSAGE_DEADLINE_MISSED, "channel", attempt->daemon->channel->name,
                "region", attempt->region->code, "document", attempt->lease->document, "due",
                moment_write(attempt->deadline_ms, due), "reason", reason ? reason : "", NULL);
        raise_document(ALARM_DEADLINE_MISSED, attempt->region, attempt->lease->document, reason, due);
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
