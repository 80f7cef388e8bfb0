/* Whatever a person should hear of a channel is told here, and taken back when it is over. */
#include "daemons/channeld/channeld.h"

#include <string.h>

#include "core/clock.h"
#include "core/log.h"
#include "core/moment.h"

void trouble_blocked(struct channeld *daemon, const char *reason) {
        log_say(LOG_ERR, MESSAGE_CHANNEL_BLOCKED, "channel", daemon->channel->name, "reason",
                reason, NULL);
}

void trouble_went_on(struct channeld *daemon) {
        (void) daemon;
}

void trouble_breaker(struct region *region, bool open, int64_t wait_ms) {
        struct channeld *daemon = region->daemon;
        const char *why = daemon->last_trouble ? daemon->last_trouble : "-";
        bool is_news = open != region->breaker_open;
        char until[MOMENT_TEXT];

        region->breaker_open = open;
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
