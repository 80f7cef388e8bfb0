/* When to take what: a nudge, a timer, or an attempt that made room. Every region has its own due
 * set; a take asks for as much as there is room, and its reply says when the next is due. */
#include "daemons/channeld/channeld.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/clock.h"
#include "core/log.h"
#include "core/memory.h"

/* Without any word the store is asked so often: a nudge may be lost. */
enum { FALLBACK_MS = 30000, LIVELY_FOR_MS = 600000, RETRY_MS = 1000, SETUP_RETRY_MS = 10000 };

/* Of the library: what its functions take and answer. */
static const char our_format[] = "1";

void engine_ignore_reply(struct store *store, const redisReply *reply, int error, const char *reason,
                         void *userdata) {
        (void) store;
        (void) reply;
        (void) error;
        (void) reason;
        (void) userdata;
}

void engine_later(struct region *region, int64_t wait_ms) {
        region->next_boot_ms = clock_boot_ms() + wait_ms;
        engine_pump(region->daemon);
}

/* -- the region's store ------------------------------------------------------------------------------ */

static void on_hello(struct store *store, const redisReply *reply, int error, const char *reason,
                     void *userdata) {
        struct region *region = userdata;
        struct channeld *daemon = region->daemon;

        (void) store;
        (void) reason;
        region->greeting = false;
        if (error || !*reply_text(reply, 0) || strlen(reply_text(reply, 0)) >= sizeof(region->epoch)) {
                /* The publisher has not founded it yet, or has not loaded the library. */
                engine_later(region, RETRY_MS);
                return;
        }
        if (!reply_is(reply, 2, our_format)) {
                trouble_format(region, reply_text(reply, 2));
                engine_later(region, 10 * RETRY_MS);
                return;
        }
        trouble_format(region, NULL);
        memcpy(region->epoch, reply_text(reply, 0), strlen(reply_text(reply, 0)) + 1);
        region->ready = true;
        region->next_boot_ms = 0;
        region->lively_until_boot_ms = clock_boot_ms() + LIVELY_FOR_MS;
        settle_go(region);
        engine_pump(daemon);
}

static void region_hello(struct region *region) {
        region->greeting = true;
        if (store_hello(region->daemon->store, region->code, "-", false, on_hello, region) < 0)
                region->greeting = false;
}

void engine_on_state(struct store *store, bool up, const char *reason, void *userdata) {
        struct channeld *daemon = userdata;
        static bool told;

        (void) store;
        if (!up) {
                if (!told)
                        log_say(LOG_WARNING, MESSAGE_REDIS_AWAY, "address",
                                daemon->configuration->main.redis_socket, "reason", reason, NULL);
                told = true;
                for (size_t i = 0; i < daemon->n_regions; i++)
                        daemon->regions[i].ready = false;
                return;
        }
        told = false;
        log_say(LOG_INFO, MESSAGE_REDIS_BACK, "address", daemon->configuration->main.redis_socket,
                NULL);
        for (size_t i = 0; i < daemon->n_regions; i++)
                daemon->regions[i].next_boot_ms = 0;
        engine_pump(daemon);
}

void engine_nudged(struct channeld *daemon, const char *code) {
        for (size_t i = 0; i < daemon->n_regions; i++) {
                struct region *region = &daemon->regions[i];
                int64_t now = clock_boot_ms();

                if (strcmp(region->code, code) != 0)
                        continue;
                region->lively_until_boot_ms = now + LIVELY_FOR_MS;
                if (region->open_until_boot_ms > now)
                        continue;
                region->next_boot_ms = 0;
                engine_pump(daemon);
        }
}

/* -- the pump ----------------------------------------------------------------------------------------- */

static int64_t setup_if_due(struct channeld *daemon, int64_t now) {
        char *sentence freed_by(freep) = NULL;

        if (daemon->set_up)
                return 0;
        if (now < daemon->setup_boot_ms)
                return daemon->setup_boot_ms;
        if (special_run(daemon, DELIVER_SETUP, &sentence) < 0) {
                log_say(LOG_ERR, MESSAGE_SETUP_FAILED, "channel", daemon->channel->name, "reason",
                        sentence ? sentence : "", NULL);
                daemon->setup_boot_ms = now + SETUP_RETRY_MS;
                return daemon->setup_boot_ms;
        }
        daemon->set_up = true;
        return 0;
}

/* Called from anywhere, so it only arms a source: the work is done from the loop, where nothing of
 * an attempt is on the stack. */
void engine_pump(struct channeld *daemon) {
        (void) sd_event_source_set_time(daemon->timer, 0);
        (void) sd_event_source_set_enabled(daemon->timer, SD_EVENT_ONESHOT);
}

/* Does what is to be done for a region now; when to look again otherwise. */
static int64_t region_go(struct region *region, int64_t now) {
        struct channeld *daemon = region->daemon;
        size_t concurrency = (size_t) daemon->channel->concurrency, room;

        /* What has ended makes room in the store too, which counts over all workers. */
        settle_go(region);
        room = daemon->n_attempts < concurrency ? concurrency - daemon->n_attempts : 0;
        /* Outcomes that the store has not taken are work as well: no more than it can hold. */
        if (!daemon->set_up || region->taking || region->greeting || room == 0 ||
            region->n_outcomes > 4 * concurrency + 64)
                return INT64_MAX;
        if (region->next_boot_ms > now)
                return region->next_boot_ms;
        region->next_boot_ms = now + FALLBACK_MS;
        if (!region->ready)
                region_hello(region);
        else if (!region->reclaimed)
                lease_reclaim(region);
        else
                take_go(region, room);
        return INT64_MAX;
}

int engine_on_timer(sd_event_source *source, uint64_t usec, void *userdata) {
        struct channeld *daemon = userdata;
        int64_t now = clock_boot_ms(), next = now + FALLBACK_MS;

        (void) usec;
        if (daemon->stopping || !store_is_up(daemon->store))
                return 0;
        if (setup_if_due(daemon, now) > 0)
                next = daemon->setup_boot_ms;
        for (size_t i = 0; i < daemon->n_regions; i++) {
                int64_t at = region_go(&daemon->regions[i], now);

                next = at < next ? at : next;
        }
        (void) sd_event_source_set_time(source, (uint64_t) next * 1000);
        return sd_event_source_set_enabled(source, SD_EVENT_ONESHOT);
}

int engine_on_flush(sd_event_source *source, void *userdata) {
        struct channeld *daemon = userdata;

        (void) source;
        for (size_t i = 0; i < daemon->n_regions; i++)
                settle_go(&daemon->regions[i]);
        return 0;
}

bool engine_is_idle(const struct channeld *daemon) {
        for (size_t i = 0; i < daemon->n_regions; i++)
                if (daemon->regions[i].first || daemon->regions[i].settling ||
                    daemon->regions[i].taking)
                        return false;
        return daemon->n_attempts == 0;
}
