/* DELIVER_SETUP again and again, for carriers that forget: a card that lost its power, a broker that
 * lost its file. It is an attempt as any other, but of no document: it has a lease that nobody gave
 * it, is in no list, and its verdict is for the log. */
#include "daemons/channeld/channeld.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core/clock.h"
#include "core/log.h"
#include "core/memory.h"

enum { AGAIN_MS = 10000, AGAIN_MOST_MS = 600000 };

void refresh_soon(struct channeld *daemon) {
        daemon->refresh_boot_ms = daemon->setup_ms = 0;
        daemon->refresh_again = daemon->refresh != NULL; /* it began before that: not enough */
}

static int64_t period_ms(const struct channeld *daemon) {
        return daemon->driver->refresh_ms ? daemon->driver->refresh_ms(daemon->options) : 0;
}

static void plan(struct channeld *daemon, bool well) {
        int64_t wait_ms = AGAIN_MS, period = period_ms(daemon);

        if (daemon->refresh_again || well) {
                daemon->refresh_failures = 0;
                wait_ms = period;
        } else
                for (unsigned i = 0; i < daemon->refresh_failures && wait_ms < AGAIN_MOST_MS; i++)
                        wait_ms *= 2;
        if (period > 0 && wait_ms > period)
                wait_ms = period;
        if (!well)
                daemon->refresh_failures++;
        daemon->refresh_boot_ms = daemon->refresh_again ? 0
                                  : well && period == 0 ? INT64_MAX
                                                        : clock_boot_ms() + wait_ms;
        daemon->refresh_again = false;
}

void refresh_ended(struct attempt *attempt) {
        struct channeld *daemon = attempt->daemon;
        const struct verdict *verdict = &attempt->step.verdict;
        bool well = attempt->step.kind == STEP_VERDICT && verdict->kind == VERDICT_DONE;

        if (!well && daemon->refresh_failures == 0)
                log_say(LOG_WARNING, MESSAGE_REFRESH_FAILED, "channel", daemon->channel->name,
                        "reason", attempt->step.kind == STEP_VERDICT && verdict->sentence
                                          ? verdict->sentence
                                          : "", NULL);
        if (!well)
                daemon->setup_ms = 0;
        else if (!verdict->code || strcmp(verdict->code, "alive") != 0)
                daemon->setup_ms = clock_now_ms();
        if (well && verdict->sight)
                (void) sight_take(daemon, verdict->sight, NULL, NULL);
        daemon->refresh = NULL;
        plan(daemon, well);
        attempt_free(attempt);
        if (daemon->reload) /* it may have waited for this */
                engine_pump(daemon);
}

static struct attempt *refresh_new(struct channeld *daemon) {
        struct attempt *attempt = calloc(1, sizeof(*attempt));

        if (!attempt)
                return NULL;
        attempt->daemon = daemon;
        attempt->refreshes = true;
        attempt->started_boot_ms = clock_boot_ms();
        attempt->lease = lease_new(&daemon->regions[0], "", 0, attempt->started_boot_ms);
        if (!attempt->lease) {
                free(attempt);
                return NULL;
        }
        special_fill(daemon, DELIVER_SETUP, &attempt->delivery);
        attempt->delivery.setup_ms = daemon->setup_ms;
        return attempt;
}

void refresh_tend(struct channeld *daemon) {
        struct attempt *attempt;

        if ((!daemon->driver->refresh_ms && !daemon->mqtt) || daemon->refresh || !daemon->goes ||
            daemon->stopping || daemon->reload || daemon->n_regions == 0 || clock_boot_ms() < daemon->refresh_boot_ms)
                return;
        attempt = refresh_new(daemon);
        if (!attempt)
                return;
        daemon->refresh = attempt;
        if (daemon->driver->begin(&attempt->delivery, &attempt->step) < 0)
                refresh_ended(attempt);
        else
                attempt_go(attempt);
}

void refresh_close(struct channeld *daemon) {
        struct attempt *attempt = daemon->refresh;

        if (!attempt)
                return;
        if (attempt->talk)
                (void) tcp_cut(attempt);
        if (attempt->job)
                (void) mqtt_cut(attempt);
        daemon->refresh = NULL;
        attempt_free(attempt);
}
