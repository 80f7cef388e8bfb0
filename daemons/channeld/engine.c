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
enum { FALLBACK_MS = 30000, LIVELY_MS = 500, LIVELY_FOR_MS = 600000, PAUSED_MS = 2000, RETRY_MS = 1000, SETUP_RETRY_MS = 10000 };

void engine_ignore_reply(struct store *store, const redisReply *reply, int error, const char *reason,
                         void *userdata) {
        (void) store;
        (void) reply;
        (void) error;
        (void) reason;
        (void) userdata;
}

static void region_later(struct region *region, int64_t wait_ms) {
        region->next_boot_ms = clock_boot_ms() + wait_ms;
        engine_pump(region->daemon);
}

/* -- one take: due documents, what is to be shown of them, and its bytes --------------------------- */

struct take {
        struct region *region;
        int64_t deadline_boot_ms;
        bool stopped; /* only withdrawals leave */
        struct attempt **attempts; /* NULL where one has ended already */
        size_t n;
};

static void take_free(struct take *take) {
        free(take->attempts);
        free(take);
}

static void take_freep(struct take **take) {
        if (*take)
                take_free(*take);
}

static void take_release(struct take *take) {
        for (size_t i = 0; i < take->n; i++)
                if (take->attempts[i])
                        attempt_release(take->attempts[i]);
        take_free(take);
}

static void on_bytes(struct store *store, const redisReply *reply, int error, const char *reason,
                     void *userdata) {
        struct take *take freed_by(take_freep) = userdata;
        size_t at = 0;

        (void) store;
        for (size_t i = 0; i < take->n; i++) {
                struct attempt *attempt = take->attempts[i];

                if (!attempt)
                        continue;
                if (error) {
                        log_say(LOG_WARNING, MESSAGE_BYTES_MISSING, "channel",
                                take->region->daemon->channel->name, "region", take->region->code,
                                "document", attempt->document, "reason", reason, NULL);
                        attempt_release(attempt);
                } else /* none at all are broken ones too: released, they would be due at once */
                        attempt_begin(attempt, reply_text(reply, at), reply_length(reply, at));
                at++;
        }
}

/* What a nudge brought is begun at once; the rest is fetched. */
static void take_bytes(struct take *take) {
        struct region *region = take->region;
        struct channeld *daemon = region->daemon;
        struct words words = { 0 }, keys = { 0 };

        for (size_t i = 0; i < take->n; i++) {
                struct attempt *attempt = take->attempts[i];
                char *bytes freed_by(freep) = NULL;
                size_t n_bytes;

                if (!attempt)
                        continue;
                bytes = nudge_take(daemon, region->code, attempt->evid, &n_bytes);
                if (bytes) {
                        take->attempts[i] = NULL;
                        attempt_begin(attempt, bytes, n_bytes);
                } else
                        words_key(&keys, region->code, "body:%s", attempt->event_id);
        }
        if (keys.n == 0) {
                words_done(&keys);
                take_free(take);
                return;
        }
        words_str(&words, "MGET");
        words_join(&words, &keys);
        words_done(&keys);
        if (store_command(daemon->store, &words, on_bytes, take) < 0)
                take_release(take);
        words_done(&words);
}

static char *copy_or_null(const redisReply *reply, size_t i) {
        return *reply_text(reply, i) ? strdup(reply_text(reply, i)) : NULL;
}

/* The fields of gk_load: "work" rev lvl kind ulid evid accepted reference url first-shown attempts
 * doubt memo after-url shown-rev shown-lvl in-doubt-since digest class. False: nothing is to be
 * done. */
static bool attempt_load(struct attempt *attempt, const redisReply *loaded) {
        if (!reply_is(loaded, 0, "work"))
                return false;
        attempt->revision = reply_number(loaded, 1);
        attempt->level = (unsigned) reply_number(loaded, 2);
        attempt->kind = reply_text(loaded, 3)[0];
        attempt->event_id = strdup(reply_text(loaded, 4));
        attempt->evid = strdup(reply_text(loaded, 5));
        attempt->delivery.accepted_ms = reply_number(loaded, 6);
        attempt->reference = copy_or_null(loaded, 7);
        attempt->url = copy_or_null(loaded, 8);
        attempt->delivery.first_shown_ms = reply_number(loaded, 9);
        attempt->delivery.attempt = (unsigned) reply_number(loaded, 10) + 1;
        attempt->doubt = reply_is(loaded, 11, "1");
        if (*reply_text(loaded, 12))
                attempt->memo = json_loads(reply_text(loaded, 12), 0, NULL);
        attempt->after_url = copy_or_null(loaded, 13);
        if (reply_length(loaded, 17) == sizeof(attempt->digest))
                memcpy(attempt->digest, reply_text(loaded, 17), sizeof(attempt->digest));
        attempt->delivery.urgent = attempt->kind == 'P' && reply_is(loaded, 18, "1");
        /* More than one: those behind the first were left by stale attempts. */
        if (attempt->reference && strchr(attempt->reference, ' ')) {
                char *blank = strchr(attempt->reference, ' ');

                attempt->surplus = strdup(blank + 1);
                *blank = '\0';
        }
        return attempt->event_id && attempt->evid;
}

static void on_loaded(struct store *store, const redisReply *reply, int error, const char *reason,
                      void *userdata) {
        struct take *take = userdata;
        struct region *region = take->region;

        (void) store;
        if (error || !reply_is(reply, 0, "ok")) {
                log_say(LOG_WARNING, MESSAGE_TAKE_FAILED, "channel", region->daemon->channel->name,
                        "region", region->code, "reason", error ? reason : reply_text(reply, 0), NULL);
                region->ready = region->ready && error != 0;
                take_release(take);
                return;
        }
        for (size_t i = 0; i < take->n; i++) {
                if (attempt_load(take->attempts[i], reply_at(reply, 2 + i)) &&
                    (!take->stopped || take->attempts[i]->level > 0))
                        continue;
                if (reply_is(reply_at(reply, 2 + i), 0, "stale"))
                        attempt_drop(take->attempts[i]); /* somebody else has it */
                else
                        attempt_release(take->attempts[i]);
                take->attempts[i] = NULL;
        }
        take_bytes(take);
}

static void take_load(struct take *take) {
        struct region *region = take->region;
        struct channeld *daemon = region->daemon;
        struct words words = { 0 };

        words_str(&words, "FCALL");
        words_str(&words, "gk1_load");
        words_number(&words, (int64_t) take->n + 3);
        words_key(&words, region->code, "meta");
        words_key(&words, region->code, "log");
        words_key(&words, region->code, "due:%s", daemon->channel->name);
        for (size_t i = 0; i < take->n; i++)
                words_key(&words, region->code, "doc:%s", take->attempts[i]->document);
        words_str(&words, region->epoch);
        words_str(&words, daemon->channel->name);
        for (size_t i = 0; i < take->n; i++) {
                words_str(&words, take->attempts[i]->lease);
                words_str(&words, take->attempts[i]->passed ? "1" : "0");
        }
        if (store_command(daemon->store, &words, on_loaded, take) < 0)
                take_release(take);
        words_done(&words);
}

static struct attempt *attempt_new(struct region *region, const char *document, const char *lease,
                                   bool passed, int64_t deadline_boot_ms) {
        struct channeld *daemon = region->daemon;
        struct attempt *attempt = calloc(1, sizeof(*attempt));

        if (!attempt)
                return NULL;
        attempt->daemon = daemon;
        attempt->region = region;
        attempt->document = strdup(document);
        attempt->lease = strdup(lease);
        attempt->passed = passed;
        attempt->deadline_boot_ms = deadline_boot_ms;
        if (!attempt->document || !attempt->lease) {
                attempt_free(attempt);
                return NULL;
        }
        attempt->next = daemon->attempts;
        daemon->attempts = attempt;
        daemon->n_attempts++;
        return attempt;
}

static void set_paused(struct channeld *daemon, const char *why) {
        bool changed = (why == NULL) != (daemon->paused == NULL);

        free(daemon->paused);
        daemon->paused = why ? strdup(why) : NULL;
        if (changed)
                log_say(LOG_NOTICE, why ? MESSAGE_CHANNEL_PAUSED : MESSAGE_CHANNEL_RESUMED, "channel",
                        daemon->channel->name, "reason", why ? why : "", NULL);
}

static void on_taken(struct store *store, const redisReply *reply, int error, const char *reason,
                     void *userdata) {
        struct take *take = userdata;
        struct region *region = take->region;
        struct channeld *daemon = region->daemon;
        int64_t wait;
        size_t n;

        (void) store;
        region->taking = false;
        if (error) {
                if (store_is_up(daemon->store))
                        log_say(LOG_WARNING, MESSAGE_TAKE_FAILED, "channel", daemon->channel->name,
                                "region", region->code, "reason", reason, NULL);
                take_free(take);
                region_later(region, RETRY_MS);
                return;
        }
        if (reply_is(reply, 0, "paused")) {
                set_paused(daemon, reply_text(reply, 1));
                take_free(take);
                region_later(region, PAUSED_MS);
                return;
        }
        set_paused(daemon, NULL);
        wait = reply_number(reply, 1); /* ms until something is due; -1 = nothing is */
        if (wait < 0 || wait > FALLBACK_MS)
                wait = FALLBACK_MS;
        /* What waits for another channel becomes due by that one's settle, which nobody tells us:
         * for a while after something came it is looked for often. */
        if (daemon->channel->after && wait > LIVELY_MS &&
            clock_boot_ms() < region->lively_until_boot_ms)
                wait = LIVELY_MS;
        take->stopped = reply_is(reply, 0, "stopped");
        if (take->stopped && wait > PAUSED_MS)
                wait = PAUSED_MS;
        n = reply && reply->elements > 2 ? (reply->elements - 2) / 3 : 0;
        if (n == 0) {
                take_free(take);
                region_later(region, wait);
                return;
        }
        take->attempts = calloc(n, sizeof(*take->attempts));
        for (size_t i = 0; take->attempts && i < n; i++) {
                take->attempts[take->n] =
                        attempt_new(region, reply_text(reply, 2 + 3 * i),
                                    reply_text(reply, 3 + 3 * i), reply_is(reply, 4 + 3 * i, "1"),
                                    take->deadline_boot_ms);
                take->n += take->attempts[take->n] != NULL;
        }
        region->next_boot_ms = clock_boot_ms() + wait;
        if (take->n > 0)
                take_load(take);
        else
                take_free(take);
        engine_pump(daemon);
}

static void region_take(struct region *region, size_t room) {
        struct channeld *daemon = region->daemon;
        struct take *take = calloc(1, sizeof(*take));
        struct words words = { 0 };

        if (!take)
                return;
        take->region = region;
        take->deadline_boot_ms = clock_boot_ms() + daemon->channel->lease_ms;
        words_str(&words, "FCALL");
        words_str(&words, "gk1_take");
        words_number(&words, 5);
        words_key(&words, region->code, "due:%s", daemon->channel->name);
        words_key(&words, region->code, "lease:%s", daemon->channel->name);
        words_key(&words, region->code, "ctl");
        words_key(&words, region->code, "gate:%s", daemon->channel->name);
        words_key(&words, region->code, "mine:%s:", daemon->channel->name);
        words_str(&words, daemon->channel->name);
        words_number(&words, (int64_t) room);
        words_number(&words, daemon->channel->lease_ms);
        words_str(&words, "");
        words_str(&words, "0,0,0,0,0");
        region->taking = true;
        if (store_command(daemon->store, &words, on_taken, take) < 0) {
                region->taking = false;
                take_free(take);
        }
        words_done(&words);
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
                region_later(region, RETRY_MS);
                return;
        }
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
                if (strcmp(daemon->regions[i].code, code) != 0)
                        continue;
                daemon->regions[i].next_boot_ms = 0;
                daemon->regions[i].lively_until_boot_ms = clock_boot_ms() + LIVELY_FOR_MS;
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
        if (attempt_run_special(daemon, DELIVER_SETUP, &sentence) < 0) {
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

int engine_on_timer(sd_event_source *source, uint64_t usec, void *userdata) {
        struct channeld *daemon = userdata;
        int64_t now = clock_boot_ms(), next = now + FALLBACK_MS;
        size_t room;

        (void) usec;
        if (daemon->stopping || !store_is_up(daemon->store))
                return 0;
        if (setup_if_due(daemon, now) > 0)
                next = daemon->setup_boot_ms;
        for (size_t i = 0; i < daemon->n_regions; i++) {
                struct region *region = &daemon->regions[i];
                size_t concurrency = (size_t) daemon->channel->concurrency;

                room = daemon->n_attempts < concurrency ? concurrency - daemon->n_attempts : 0;
                /* Outcomes that the store has not taken are work too: no more than it can hold. */
                if (!daemon->set_up || region->taking || region->greeting || room == 0 ||
                    region->n_outcomes > 4 * concurrency + 64)
                        continue;
                if (region->next_boot_ms > now) {
                        next = region->next_boot_ms < next ? region->next_boot_ms : next;
                        continue;
                }
                region->next_boot_ms = now + FALLBACK_MS;
                if (!region->ready)
                        region_hello(region);
                else
                        region_take(region, room);
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
