/* One take: due documents, what is to be shown of them, and its bytes. */
#include "daemons/channeld/channeld.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/clock.h"
#include "core/crash.h"
#include "core/log.h"
#include "core/memory.h"

/* Without any word the store is asked so often: a nudge may be lost. */
enum { FALLBACK_MS = 30000, LIVELY_MS = 500, PAUSED_MS = 2000, RETRY_MS = 1000 };

struct take {
        struct region *region;
        int64_t since_boot_ms;
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

/* -- the bytes ------------------------------------------------------------------------------------- */

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
                                "document", attempt->lease->document, "reason", reason, NULL);
                        attempt_release(attempt);
                } else if (reply_length(reply, at) == 0) {
                        attempt_without_bytes(attempt);
                } else {
                        crash_point("channeld/bytes-read");
                        attempt_begin(attempt, reply_text(reply, at), reply_length(reply, at));
                }
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

/* -- what is to be shown ---------------------------------------------------------------------------- */

static char *copy_or_null(const redisReply *reply, size_t i) {
        return *reply_text(reply, i) ? strdup(reply_text(reply, i)) : NULL;
}

/* More than one reference: those behind the first were left by stale attempts. */
static void part_surplus(struct attempt *attempt) {
        char *blank = attempt->reference ? strchr(attempt->reference, ' ') : NULL;

        if (!blank)
                return;
        attempt->surplus = strdup(blank + 1);
        *blank = '\0';
}

/* The fields of gk1_load: "work" rev lvl kind ulid evid accepted reference url first-shown attempts
 * doubt memo after-url shown-rev shown-lvl in-doubt-since digest class generation end deadline.
 * False: nothing is to be done. */
static bool attempt_load(struct attempt *attempt, const redisReply *loaded) {
        if (!reply_is(loaded, 0, "work"))
                return false;
        attempt->lease->loaded = true;
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
        attempt->delivery.shown = *reply_text(loaded, 14) &&
                                  reply_number(loaded, 14) == attempt->revision &&
                                  reply_number(loaded, 15) == (int64_t) attempt->level;
        attempt->doubt_since_ms = reply_number(loaded, 16);
        if (reply_length(loaded, 17) == sizeof(attempt->digest))
                memcpy(attempt->digest, reply_text(loaded, 17), sizeof(attempt->digest));
        attempt->delivery.urgent = attempt->kind == 'P' && reply_is(loaded, 18, "1");
        attempt->generation = reply_number(loaded, 19);
        attempt->removes = reply_is(loaded, 20, "remove");
        attempt->marks = reply_is(loaded, 20, "mark");
        attempt->deadline_ms = reply_number(loaded, 21);
        part_surplus(attempt);
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
                struct attempt *attempt = take->attempts[i];
                const redisReply *loaded = reply_at(reply, 2 + i);

                if (attempt_load(attempt, loaded) && (!take->stopped || attempt->level > 0))
                        continue;
                if (reply_is(loaded, 0, "poison"))
                        trouble_poison(region, attempt->lease->document);
                if (reply_is(loaded, 0, "stale"))
                        attempt_drop(attempt); /* somebody else has it */
                else
                        attempt_release(attempt);
                take->attempts[i] = NULL;
        }
        crash_point("channeld/loaded");
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
                words_key(&words, region->code, "doc:%s", take->attempts[i]->lease->document);
        words_str(&words, region->epoch);
        words_str(&words, daemon->channel->name);
        for (size_t i = 0; i < take->n; i++) {
                words_number(&words, take->attempts[i]->lease->value);
                words_str(&words, "");
        }
        if (store_command(daemon->store, &words, on_loaded, take) < 0)
                take_release(take);
        crash_point_written(daemon->store, "channeld/load-written");
        words_done(&words);
}

static struct attempt *attempt_new(struct region *region, const char *document, int64_t lease,
                                   int64_t since_boot_ms) {
        struct channeld *daemon = region->daemon;
        struct attempt *attempt = calloc(1, sizeof(*attempt));

        if (!attempt)
                return NULL;
        attempt->daemon = daemon;
        attempt->region = region;
        attempt->lease = lease_new(region, document, lease, since_boot_ms);
        if (!attempt->lease) {
                attempt_free(attempt);
                return NULL;
        }
        attempt->lease->attempt = attempt;
        attempt->next = daemon->attempts;
        daemon->attempts = attempt;
        daemon->n_attempts++;
        return attempt;
}

/* -- due documents ----------------------------------------------------------------------------------- */

static void set_paused(struct channeld *daemon, const char *why) {
        bool changed = (why == NULL) != (daemon->paused == NULL);

        free(daemon->paused);
        daemon->paused = why ? strdup(why) : NULL;
        if (!changed)
                return;
        log_say(LOG_NOTICE, why ? MESSAGE_CHANNEL_PAUSED : MESSAGE_CHANNEL_RESUMED, "channel",
                daemon->channel->name, "reason", why ? why : "", NULL);
        if (!why)
                trouble_went_on(daemon);
}

/* When to look again, from what the store says: ms until something is due or may go, -1 = nothing. */
static int64_t next_look(const struct take *take, int64_t wait) {
        const struct region *region = take->region;

        if (wait < 0 || wait > FALLBACK_MS)
                wait = FALLBACK_MS;
        /* What waits for another channel becomes due by that one's settle, which nobody tells us:
         * for a while after something came it is looked for often. */
        if (region->daemon->channel->after && wait > LIVELY_MS &&
            clock_boot_ms() < region->lively_until_boot_ms)
                wait = LIVELY_MS;
        return take->stopped && wait > PAUSED_MS ? PAUSED_MS : wait;
}

static void take_attempts(struct take *take, const redisReply *reply, size_t n) {
        take->attempts = calloc(n, sizeof(*take->attempts));
        for (size_t i = 0; take->attempts && i < n; i++) {
                take->attempts[take->n] =
                        attempt_new(take->region, reply_text(reply, 2 + 3 * i),
                                    reply_number(reply, 3 + 3 * i), take->since_boot_ms);
                take->n += take->attempts[take->n] != NULL;
        }
}

static void on_taken(struct store *store, const redisReply *reply, int error, const char *reason,
                     void *userdata) {
        struct take *take = userdata;
        struct region *region = take->region;
        struct channeld *daemon = region->daemon;
        size_t n = reply && reply->elements > 2 ? (reply->elements - 2) / 3 : 0;
        int64_t wait;

        (void) store;
        region->taking = false;
        if (error || reply_is(reply, 0, "paused")) {
                if (error && store_is_up(daemon->store))
                        log_say(LOG_WARNING, MESSAGE_TAKE_FAILED, "channel", daemon->channel->name,
                                "region", region->code, "reason", reason, NULL);
                if (!error)
                        set_paused(daemon, reply_text(reply, 1));
                take_free(take);
                engine_later(region, error ? RETRY_MS : PAUSED_MS);
                return;
        }
        set_paused(daemon, NULL);
        take->stopped = reply_is(reply, 0, "stopped");
        wait = reply_number(reply, 1);
        if (!take->stopped)
                trouble_breaker(region, reply_is(reply, 0, "open") || reply_is(reply, 0, "probe"),
                                wait);
        wait = next_look(take, wait);
        region->next_boot_ms = clock_boot_ms() + wait;
        region->open_until_boot_ms = reply_is(reply, 0, "open") ? region->next_boot_ms : 0;
        if (n > 0) {
                crash_point("channeld/taken");
                take_attempts(take, reply, n);
        }
        if (take->n > 0)
                take_load(take);
        else
                take_free(take);
        engine_pump(daemon);
}

void take_go(struct region *region, size_t room) {
        struct channeld *daemon = region->daemon;
        const struct channel_config *channel = daemon->channel;
        struct take *take = calloc(1, sizeof(*take));
        struct words words = { 0 };

        if (!take)
                return;
        take->region = region;
        take->since_boot_ms = clock_boot_ms();
        words_str(&words, "FCALL");
        words_str(&words, "gk1_take");
        words_number(&words, 5);
        words_key(&words, region->code, "due:%s", channel->name);
        words_key(&words, region->code, "lease:%s", channel->name);
        words_key(&words, region->code, "ctl");
        words_key(&words, region->code, "gate:%s", channel->name);
        words_key(&words, region->code, "mine:%s:%s", channel->name, daemon->worker);
        words_str(&words, channel->name);
        words_number(&words, (int64_t) room);
        words_number(&words, channel->lease_ms);
        words_str(&words, daemon->worker);
        words_fmt(&words, "%lld,%lld,%lld,%lld,%lld", (long long) channel->per_second,
                  (long long) channel->per_minute, (long long) channel->per_day,
                  (long long) channel->quota_reserve, (long long) channel->concurrency);
        region->taking = true;
        if (store_command(daemon->store, &words, on_taken, take) < 0) {
                region->taking = false;
                take_free(take);
        }
        crash_point_written(daemon->store, "channeld/take-written");
        words_done(&words);
}
