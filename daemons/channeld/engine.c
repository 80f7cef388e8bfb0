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
#include "daemons/channeld/reload.h"

/* Without any word the store is asked so often: a nudge may be lost. */
enum { WIRE = 32, AHEAD_MOST = 320, AHEAD_BYTES = 4 << 20, TURN = 64, LOCAL_TURN = 8 }; /* attempts */
enum { BUSY_RATE = 700, WORTH_A_TAKE = 96, GAP_MOST_MS = 20 };
enum { FALLBACK_MS = 30000, ANEW_MS = 500, LIVELY_FOR_MS = 600000, RETRY_MS = 1000, SETUP_RETRY_MS = 10000 };

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
        if (!reply_is(reply, 2, STORE_FORMAT)) {
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
                region->nudged = true;
                if (region->open_until_boot_ms > now)
                        continue;
                region->next_boot_ms = 0;
                engine_pump(daemon);
        }
}

/* What was published while nobody listened did not nudge us; and a subscription takes a moment to
 * arrive at the other end. */
void engine_subscribed(struct channeld *daemon) {
        for (size_t i = 0; i < daemon->n_regions; i++) {
                daemon->regions[i].anew_boot_ms = clock_boot_ms() + ANEW_MS;
                daemon->regions[i].nudged = true;
                daemon->regions[i].next_boot_ms = 0;
        }
        engine_pump(daemon);
}

/* -- the pump ----------------------------------------------------------------------------------------- */

static int64_t setup_if_due(struct channeld *daemon, int64_t now) {
        char *sentence freed_by(freep) = NULL;

        if (daemon->set_up)
                return 0;
        if (daemon->driver->refresh_ms || daemon->mqtt) { /* on the loop: refresh.c */
                daemon->set_up = true;
                return 0;
        }
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
        (void) sd_event_source_set_enabled(daemon->pump, SD_EVENT_ONESHOT);
}

/* A timer that goes off too early costs a look, one that is moved at each turn a system call. */
static int look_at(struct channeld *daemon, int64_t boot_ms) {
        int r;

        if (daemon->timer_boot_ms <= boot_ms)
                return 0;
        daemon->timer_boot_ms = boot_ms;
        r = sd_event_source_set_time(daemon->timer, (uint64_t) boot_ms * 1000);
        return r < 0 ? r : sd_event_source_set_enabled(daemon->timer, SD_EVENT_ONESHOT);
}

/* -- what is ready ------------------------------------------------------------------------------------ */

void engine_ready(struct attempt *attempt) {
        struct channeld *daemon = attempt->daemon;

        /* What an event's bytes are of late: a large one counts at once, and is forgotten slowly. */
        daemon->bytes_each = attempt->n_bytes > daemon->bytes_each
                                     ? attempt->n_bytes
                                     : daemon->bytes_each - (daemon->bytes_each - attempt->n_bytes) / 64;
        attempt->ready = true;
        attempt->next_ready = NULL;
        if (daemon->ready_last)
                daemon->ready_last->next_ready = attempt;
        else
                daemon->ready_first = attempt;
        daemon->ready_last = attempt;
        daemon->n_ready++;
        engine_pump(daemon);
}

/* Takes the first ready one out of the list, or NULL. */
static struct attempt *ready_pop(struct channeld *daemon) {
        struct attempt *attempt = daemon->ready_first;

        if (!attempt)
                return NULL;
        daemon->ready_first = attempt->next_ready;
        if (!daemon->ready_first)
                daemon->ready_last = NULL;
        daemon->n_ready--;
        attempt->ready = false;
        return attempt;
}

void engine_release_ready(struct region *region, bool publications) {
        struct channeld *daemon = region->daemon;

        for (size_t i = daemon->n_ready; i > 0; i--) {
                struct attempt *attempt = ready_pop(daemon);

                if (attempt->region == region && (attempt->level == 0 || !publications))
                        attempt_release(attempt);
                else
                        engine_ready(attempt);
        }
}

/* On the wire at once, and taken ahead of it: what a quarter of a second does, so that a slow
 * endpoint has no backlog here, where a withdrawal would have to wait behind it. A limit over all
 * workers leaves nothing to be taken ahead. */
static size_t wire(const struct channeld *daemon) {
        return daemon->channel->concurrency > 0 ? (size_t) daemon->channel->concurrency : WIRE;
}

static size_t rate_of(const struct channeld *daemon) {
        return daemon->n_ended > daemon->n_ended_last ? daemon->n_ended : daemon->n_ended_last;
}

int64_t engine_gap_ms(const struct channeld *daemon) {
        size_t rate = rate_of(daemon);

        if (rate < BUSY_RATE)
                return 0;
        return WORTH_A_TAKE * 1000 / rate < GAP_MOST_MS ? (int64_t) (WORTH_A_TAKE * 1000 / rate)
                                                        : GAP_MOST_MS;
}

static size_t ahead(const struct channeld *daemon) {
        size_t most = AHEAD_BYTES / (daemon->bytes_each + 1), rate = rate_of(daemon);

        if (daemon->channel->concurrency > 0)
                return 0;
        if (most > AHEAD_MOST)
                most = AHEAD_MOST;
        return rate / 4 < most ? rate / 4 : most;
}

void engine_count(struct channeld *daemon) {
        daemon->n_ended_last = daemon->n_ended;
        daemon->n_ended = 0;
}

/* So many failures that the breaker may be open: the store says, before more is sent. */
static bool may_be_open(const struct channeld *daemon) {
        return daemon->channel->breaker > 0 && daemon->n_in_a_row >= daemon->channel->breaker;
}

/* What a driver does here and now (a file tree) ends before it returns: a few in each turn. */
static void begin_ready(struct channeld *daemon) {
        unsigned turn = daemon->driver->local ? LOCAL_TURN : TURN;

        if (may_be_open(daemon) || daemon->reload) /* which waits for those under way to end */
                return;
        for (unsigned i = 0; i < turn && daemon->n_begun < wire(daemon); i++) {
                struct attempt *attempt = daemon->stopping ? NULL : ready_pop(daemon);

                if (!attempt)
                        return;
                attempt->begun = true;
                daemon->n_begun++;
                attempt_begin(attempt);
        }
}

/* Does what is to be done for a region now; when to look again otherwise. */
static int64_t region_go(struct region *region, int64_t now) {
        struct channeld *daemon = region->daemon;
        size_t most = wire(daemon) + ahead(daemon);
        size_t room = daemon->n_attempts < most ? most - daemon->n_attempts : 0;

        if (may_be_open(daemon) && room == 0)
                room = 1;
        if (!daemon->set_up || daemon->stopping || region->taking || region->greeting || room == 0 ||
            (daemon->n_ready > ahead(daemon) / 2 && !may_be_open(daemon)) ||
            region->n_outcomes > 4 * most)
                return INT64_MAX;
        if (region->next_boot_ms > now)
                return region->next_boot_ms;
        if (region->taken_boot_ms + engine_gap_ms(daemon) > now)
                return region->taken_boot_ms + engine_gap_ms(daemon);
        region->taken_boot_ms = now;
        region->next_boot_ms = now + FALLBACK_MS;
        if (!region->ready)
                region_hello(region);
        else if (!region->reclaimed)
                lease_reclaim(region);
        else
                take_go(region, room);
        return INT64_MAX;
}

/* What has ended is settled before more is taken: it makes room in the store, which counts over all
 * workers, and both go out in one write. */
int engine_on_pump(sd_event_source *source, void *userdata) {
        struct channeld *daemon = userdata;
        int64_t now = clock_boot_ms(), next = now + FALLBACK_MS;

        (void) source;
        account_tend(daemon);
        reload_go(daemon);
        if (!store_is_up(daemon->store))
                return 0;
        if (setup_if_due(daemon, now) > 0)
                next = daemon->setup_boot_ms;
        begin_ready(daemon);
        for (size_t i = 0; i < daemon->n_regions; i++) {
                struct region *region = &daemon->regions[i];
                int64_t settle = settle_due(region), take;

                if (settle <= now) {
                        settle_go(region);
                        settle = INT64_MAX;
                }
                take = region_go(region, now);
                next = settle < next ? settle : next;
                next = take < next ? take : next;
        }
        if (daemon->n_ready > 0 && daemon->n_begun < wire(daemon) && !may_be_open(daemon) &&
            !daemon->reload)
                engine_pump(daemon);
        return look_at(daemon, next);
}

int engine_on_timer(sd_event_source *source, uint64_t usec, void *userdata) {
        struct channeld *daemon = userdata;

        (void) source;
        (void) usec;
        daemon->timer_boot_ms = INT64_MAX;
        engine_pump(daemon);
        return 0;
}

bool engine_is_idle(const struct channeld *daemon) {
        for (size_t i = 0; i < daemon->n_regions; i++)
                if (daemon->regions[i].first || daemon->regions[i].settling ||
                    daemon->regions[i].taking)
                        return false;
        return daemon->n_attempts == 0;
}
