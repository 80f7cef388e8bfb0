/* What needs a person, and what is tried again by itself. */
#include "daemons/ledgerd/ledgerd.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "core/alarm.h"
#include "core/clock.h"
#include "core/log.h"
#include "core/memory.h"

#define RETRY_USEC UINT64_C(1000000)

enum { BEHIND_LEAST = 100, BEHIND_MS = 60000 };

static int on_retry(sd_event_source *source, uint64_t usec, void *userdata) {
        struct ledgerd *daemon = userdata;
        int r = ledger_open(daemon->path, &daemon->ledger);

        (void) source;
        (void) usec;
        if (r < 0) {
                trouble_ledger(daemon, r);
                return 0;
        }
        /* That it can be opened does not say that it can be written: the next commit does. */
        if (store_is_up(daemon->store))
                regions_look(daemon);
        return 0;
}

void trouble_ledger(struct ledgerd *daemon, int error) {
        const char *words = daemon->ledger ? ledger_words(daemon->ledger) : "";

        if (!daemon->trouble_told) {
                log_say(LOG_ERR, MESSAGE_LEDGER_TROUBLE, "path", daemon->path, "reason",
                        *words ? words : strerror(-error), NULL);
                daemon->trouble_told = true;
        }
        alarm_raise(ALARM_LEDGER_FULL, "ledger", "reason", *words ? words : strerror(-error), NULL);
        regions_forget(daemon);
        daemon->ledger = ledger_free(daemon->ledger);
        if (!daemon->retry) {
                if (sd_event_add_time_relative(daemon->event, &daemon->retry, CLOCK_BOOTTIME, RETRY_USEC, 0,
                                               on_retry, daemon) >= 0)
                        (void) sd_event_source_set_exit_on_failure(daemon->retry, true);
                return;
        }
        (void) sd_event_source_set_time_relative(daemon->retry, RETRY_USEC);
        (void) sd_event_source_set_enabled(daemon->retry, SD_EVENT_ONESHOT);
}

void trouble_over(struct ledgerd *daemon) {
        alarm_clear(ALARM_LEDGER_FULL, "ledger");
        if (!daemon->trouble_told)
                return;
        daemon->trouble_told = false;
        log_say(LOG_INFO, MESSAGE_LEDGER_WELL, NULL);
}

void trouble_gap(const struct region *region, int64_t from, int64_t to) {
        char first[24], last[24];

        (void) snprintf(first, sizeof(first), "%lld", (long long) from);
        (void) snprintf(last, sizeof(last), "%lld", (long long) to);
        alarm_raise(ALARM_LEDGER_GAP, region->code, "from", first, "to", last, NULL);
}

void trouble_followed(const struct region *region) {
        alarm_clear(ALARM_LEDGER_GAP, region->code);
}

void trouble_behind(struct region *region) {
        int64_t behind = region->n_store - region->position.n, now = clock_boot_ms();
        char count[24], minutes[24];

        if (behind <= BEHIND_LEAST || region->position.n > region->n_measured)
                region->behind_since_ms = now; /* it is not far, or it goes on */
        region->n_measured = region->position.n;
        if (now - region->behind_since_ms < BEHIND_MS) {
                alarm_clear(ALARM_LEDGER_BEHIND, region->code);
                return;
        }
        (void) snprintf(count, sizeof(count), "%lld", (long long) behind);
        (void) snprintf(minutes, sizeof(minutes), "%lld min", (long long) (now - region->behind_since_ms) / 60000);
        alarm_raise(ALARM_LEDGER_BEHIND, region->code, "count", count, "for", minutes, NULL);
}

void trouble_chain(struct ledgerd *daemon, int64_t seq) {
        char row[24];

        (void) snprintf(row, sizeof(row), "%lld", (long long) seq);
        log_say(LOG_ERR, MESSAGE_LEDGER_SHORTER, "path", daemon->path, "seq", row, NULL);
        alarm_raise(ALARM_LEDGER_BROKEN, "ledger", "row", row, NULL);
}

void trouble_bytes(const struct region *region, const char *document, const char *reason) {
        char *subject freed_by(freep) = NULL;

        log_say(LOG_ERR, MESSAGE_LEDGER_BYTES, "region", region->code, "document", document, "reason", reason,
                NULL);
        if (asprintf(&subject, "%s/%s", region->code, document) < 0)
                subject = NULL;
        if (subject)
                alarm_raise(ALARM_DAMAGED, subject, "document", document, "region", region->code, "reason", reason,
                            NULL);
}
