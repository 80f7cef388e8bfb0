/* What the ledger and the alarms say of the whole. */
#include "daemons/consoled/consoled.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/alarm.h"
#include "core/clock.h"
#include "core/memory.h"
#include "daemons/consoled/pulse.h"

enum { KEPT_MS = 1000 };

int consoled_ledger(const struct consoled *daemon, struct ledger_reader **ret) {
        return ledger_reader_open(daemon->ledger_path, ret);
}

static void clear(struct standing *standing) {
        free(standing->behind);
        free(standing->sums);
        json_decref(standing->alarms);
        *standing = (struct standing){ .n_behind = -1 };
}

void standing_done(struct standing *standing) {
        clear(standing);
}

static int add_sum(const struct ledger_sum *sum, void *userdata) {
        struct standing *standing = userdata;
        struct standing_sum *sums = realloc(standing->sums, (standing->n_sums + 1) * sizeof(*sums)),
                            *one;

        if (!sums)
                return -ENOMEM;
        standing->sums = sums;
        one = &sums[standing->n_sums++];
        *one = (struct standing_sum){ .count = sum->count, .since_ms = sum->since_ms };
        (void) snprintf(one->channel, sizeof(one->channel), "%s", sum->channel);
        (void) snprintf(one->state, sizeof(one->state), "%s", sum->state);
        return 0;
}

/* Records that the store has and the ledger has not. */
static int look_behind(struct consoled *daemon, struct ledger_reader *reader,
                       struct standing *standing) {
        const struct pulse_facts *facts = pulse_facts(daemon->pulse);

        standing->n_regions = facts->n_regions;
        standing->behind = calloc(facts->n_regions + 1, sizeof(*standing->behind));
        if (!standing->behind)
                return -ENOMEM;
        if (!facts->store)
                return 0;
        standing->n_behind = 0;
        for (size_t i = 0; i < facts->n_regions; i++) {
                struct ledger_position position = { 0 };
                int r = ledger_read_position(reader, facts->regions[i].code, &position);

                if (r < 0 && r != -ENOENT)
                        return r;
                if (facts->regions[i].n > position.n)
                        standing->behind[i] = facts->regions[i].n - position.n;
                standing->n_behind += standing->behind[i];
        }
        return 0;
}

static int look(struct consoled *daemon, struct standing *standing) {
        struct ledger_reader *reader freed_by(ledger_reader_freep) = NULL;
        struct ledger_head head;
        int r = consoled_ledger(daemon, &reader);

        if (r < 0) {
                (void) snprintf(standing->words, sizeof(standing->words), "%s", strerror(-r));
                return r;
        }
        r = ledger_read_head(reader, &head);
        if (r == 0)
                standing->n_rows = head.seq;
        if (r == 0)
                r = ledger_sum_trouble(reader, add_sum, standing);
        if (r == 0)
                r = look_behind(daemon, reader, standing);
        if (r < 0)
                (void) snprintf(standing->words, sizeof(standing->words), "%s",
                                ledger_reader_words(reader));
        return r;
}

const struct standing *standing_now(struct consoled *daemon) {
        struct standing *standing = &daemon->standing;
        int64_t now = clock_boot_ms();

        if (standing->boot_ms > 0 && now - standing->boot_ms < KEPT_MS &&
            standing->language == messages_language())
                return standing;
        clear(standing);
        standing->boot_ms = now;
        standing->language = messages_language();
        standing->error = look(daemon, standing);
        standing->alarms = alarm_list(daemon->configuration->main.state_dir, NULL);
        return standing;
}

int64_t standing_count(const struct standing *standing, const char *channel, const char *state) {
        int64_t n = 0;

        for (size_t i = 0; i < standing->n_sums; i++)
                if ((!channel || strcmp(standing->sums[i].channel, channel) == 0) &&
                    (!state || strcmp(standing->sums[i].state, state) == 0))
                        n += standing->sums[i].count;
        return n;
}

int64_t standing_owed(const struct standing *standing, const char *channel) {
        int64_t since = 0;

        for (size_t i = 0; i < standing->n_sums; i++) {
                const struct standing_sum *sum = &standing->sums[i];

                if (strcmp(sum->channel, channel) == 0 && strcmp(sum->state, "dead") != 0 &&
                    strcmp(sum->state, "deferred") != 0 && (since == 0 || sum->since_ms < since))
                        since = sum->since_ms;
        }
        return since;
}
