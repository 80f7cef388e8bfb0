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
#include "core/row.h"

/* Without any word the store is asked so often: a nudge may be lost. */
enum { FALLBACK_MS = 30000, LIVELY_MS = 500, PAUSED_MS = 2000, RETRY_MS = 1000 };

struct take {
        struct region *region;
        int64_t since_boot_ms;
        bool stopped; /* only withdrawals leave */
        struct attempt **attempts;
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

/* -- the bytes ------------------------------------------------------------------------------------- */

static void on_bytes(struct store *store, const redisReply *reply, int error, const char *reason,
                     void *userdata) {
        struct take *take freed_by(take_freep) = userdata;

        (void) store;
        for (size_t i = 0; i < take->n; i++) {
                struct attempt *attempt = take->attempts[i];

                attempt->n_bytes = reply_length(reply, i);
                if (error) {
                        log_say(LOG_WARNING, MESSAGE_BYTES_MISSING, "channel",
                                take->region->daemon->channel->name, "region", take->region->code,
                                "document", attempt->lease->document, "reason", reason, NULL);
                        attempt_release(attempt);
                } else if (attempt->n_bytes == 0) {
                        attempt_without_bytes(attempt);
                } else {
                        crash_point("channeld/bytes-read");
                        attempt_got_bytes(attempt);
                        attempt->bytes = malloc(attempt->n_bytes + 1);
                        if (attempt->bytes)
                                memcpy(attempt->bytes, reply_text(reply, i), attempt->n_bytes + 1);
                        engine_ready(attempt);
                }
        }
}

/* What a nudge brought is ready at once; the rest is fetched. */
static void take_bytes(struct take *take) {
        struct region *region = take->region;
        struct words words = { 0 };
        size_t n = 0;

        words_str(&words, "MGET");
        for (size_t i = 0; i < take->n; i++) {
                struct attempt *attempt = take->attempts[i];

                attempt->bytes = nudge_take(region->daemon, region->code, attempt->evid,
                                            &attempt->n_bytes, &attempt->held);
                if (attempt->bytes) {
                        engine_ready(attempt);
                        continue;
                }
                words_key(&words, region->code, "body:%s", attempt->event_id);
                take->attempts[n++] = attempt;
        }
        take->n = n;
        if (n == 0 || store_command(region->daemon->store, &words, on_bytes, take) < 0) {
                for (size_t i = 0; i < n; i++)
                        attempt_release(take->attempts[i]);
                take_free(take);
        }
        words_done(&words);
}

/* -- what is to be shown ---------------------------------------------------------------------------- */

/* More than one reference: those behind the first were left by stale attempts. */
static void part_surplus(struct attempt *attempt) {
        char *blank = attempt->reference ? strchr(attempt->reference, ' ') : NULL;

        if (!blank)
                return;
        attempt->surplus = blank + 1;
        *blank = '\0';
}

static char *text_or_null(struct row *row) {
        char *text = row_read_text(row, NULL);

        /* Its NUL is written when the next value is read. */
        return row->open == text ? NULL : text;
}

/* The rest of a row that says "work" (WORK in core/store_work.lua). */
static bool attempt_load(struct attempt *attempt, struct row *row) {
        int64_t shown_revision, shown_level;
        const char *memo, *over, *digest, *sum, *kind;
        size_t n_digest, n_sum;

        attempt->lease->loaded = true;
        attempt->revision = row_read_number(row);
        attempt->level = (unsigned) row_read_number(row);
        kind = row_read_text(row, NULL);
        attempt->event_id = row_read_text(row, NULL);
        attempt->evid = row_read_text(row, NULL);
        attempt->delivery.accepted_ms = row_read_number(row);
        attempt->reference = text_or_null(row);
        attempt->url = text_or_null(row);
        attempt->delivery.first_shown_ms = row_read_number(row);
        attempt->delivery.attempt = (unsigned) row_read_number(row) + 1;
        attempt->doubt = row_read_number(row) == 1;
        memo = text_or_null(row);
        attempt->after_url = text_or_null(row);
        shown_revision = row_read_number(row);
        shown_level = row_read_number(row);
        attempt->doubt_since_ms = row_read_number(row);
        digest = row_read_text(row, &n_digest);
        attempt->delivery.urgent = row_read_number(row) == 1;
        attempt->generation = row_read_number(row);
        over = row_read_text(row, NULL);
        attempt->deadline_ms = row_read_number(row);
        sum = row_read_text(row, &n_sum);
        attempt->older_sent = row_read_number(row) == 1;
        attempt->look_ms = row_read_number(row);
        if (!row_read_end(row))
                return false;
        attempt->kind = *kind;
        attempt->delivery.urgent &= attempt->kind == 'P';
        attempt->delivery.shown = shown_revision == attempt->revision &&
                                  shown_level == (int64_t) attempt->level;
        attempt->removes = strcmp(over, "remove") == 0;
        attempt->marks = strcmp(over, "mark") == 0;
        if (memo)
                attempt->memo = json_loads(memo, 0, NULL);
        if (n_digest == sizeof(attempt->digest))
                memcpy(attempt->digest, digest, sizeof(attempt->digest));
        attempt->has_sum = n_sum == sizeof(attempt->sum);
        if (attempt->has_sum)
                memcpy(attempt->sum, sum, sizeof(attempt->sum));
        part_surplus(attempt);
        return true;
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
        if (attempt->next)
                attempt->next->previous = attempt;
        daemon->attempts = attempt;
        daemon->n_attempts++;
        return attempt;
}

/* -- due documents ----------------------------------------------------------------------------------- */

static void set_paused(struct channeld *daemon, const char *why) {
        bool changed = (why == NULL) != (daemon->paused == NULL);

        free(daemon->paused);
        daemon->paused = why ? strdup(why) : NULL;
        if (!why && !daemon->goes)
                trouble_goes(daemon);
        daemon->goes = why == NULL;
        if (!changed)
                return;
        log_say(LOG_NOTICE, why ? MESSAGE_CHANNEL_PAUSED : MESSAGE_CHANNEL_RESUMED, "channel",
                daemon->channel->name, "reason", why ? why : "", NULL);
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
        if (region->anew_boot_ms > clock_boot_ms() && wait > region->anew_boot_ms - clock_boot_ms())
                wait = region->anew_boot_ms - clock_boot_ms();
        return take->stopped && wait > PAUSED_MS ? PAUSED_MS : wait;
}

/* A lease of our own that passed under us, as when the store's clock leaps: the attempt that had it
 * must not speak beside the new one. Cutting ends attempts, so the list is looked at from its start. */
static void cut_own_before(const struct attempt *attempt) {
        struct channeld *daemon = attempt->daemon;
        struct attempt *other = daemon->attempts;

        while (other) {
                if (other != attempt && other->region == attempt->region && !other->lease->lost &&
                    strcmp(other->lease->document, attempt->lease->document) == 0) {
                        other->lease->lost = true;
                        attempt_cut(other);
                        other = daemon->attempts;
                } else {
                        other = other->next;
                }
        }
}

/* One row of what was taken; an attempt with work joins the take, the rest goes back. */
static void take_row(struct take *take, const redisReply *reply, size_t i) {
        struct region *region = take->region;
        size_t n = reply_length(reply, i);
        char *bytes = malloc(n + 1);
        struct row row = { .at = bytes, .end = bytes ? bytes + n : NULL };
        struct attempt *attempt;
        const char *document, *mark, *word;
        int64_t lease;
        bool passed, works;

        if (!bytes)
                return; /* the lease passes by itself */
        memcpy(bytes, reply_text(reply, i), n);
        document = row_read_text(&row, NULL);
        lease = row_read_number(&row);
        mark = row_read_text(&row, NULL);
        word = row_read_text(&row, NULL);
        works = row.open == word + 4 && memcmp(word, "work", 4) == 0;
        passed = *mark == '1';
        attempt = row.broken ? NULL : attempt_new(region, document, lease, take->since_boot_ms);
        if (!attempt) {
                free(bytes);
                return;
        }
        attempt->row = bytes;
        if (passed)
                cut_own_before(attempt);
        if (works && attempt_load(attempt, &row) && (!take->stopped || attempt->level > 0)) {
                take->attempts[take->n++] = attempt;
                return;
        }
        if (!works)
                (void) row_read_end(&row);
        if (strcmp(word, "poison") == 0)
                trouble_poison(region, attempt->lease->document);
        if (strcmp(word, "stale") == 0)
                attempt_drop(attempt); /* somebody else has it */
        else
                attempt_release(attempt);
}

/* What the store says of the channel as a whole; false: nothing was handed out. */
static bool heed(struct take *take, const redisReply *taken, int error, const char *reason) {
        struct region *region = take->region;
        struct channeld *daemon = region->daemon;
        const char *state = reply_text(taken, 0);
        bool open = strcmp(state, "open") == 0, probe = strcmp(state, "probe") == 0;

        take->stopped = strcmp(state, "stopped") == 0;
        if (error || (!open && !probe && !take->stopped && strcmp(state, "ok") != 0 &&
                      strcmp(state, "paused") != 0)) {
                if (!error)
                        region->ready = false;
                if (store_is_up(daemon->store))
                        log_say(LOG_WARNING, MESSAGE_TAKE_FAILED, "channel", daemon->channel->name,
                                "region", region->code, "reason", error ? reason : state, NULL);
                region->next_boot_ms = clock_boot_ms() + RETRY_MS;
                return false;
        }
        if (strcmp(state, "paused") == 0) {
                set_paused(daemon, reply_text(taken, 1));
                trouble_paused(region, reply_text(taken, 1));
                engine_release_ready(region, false);
                region->next_boot_ms = clock_boot_ms() + PAUSED_MS;
                return false;
        }
        set_paused(daemon, NULL);
        daemon->n_in_a_row = 0;
        region->pause_seen = true; /* a pause from now on is not of an earlier configuration */
        if (!take->stopped)
                trouble_breaker(region, open || probe, reply_number(taken, 1));
        if (open || take->stopped)
                engine_release_ready(region, take->stopped);
        return true;
}

static void on_work(struct store *store, const redisReply *reply, int error, const char *reason,
                    void *userdata) {
        struct take *take = userdata;
        struct region *region = take->region;

        (void) store;
        region->taking = false;
        if (heed(take, reply, error, reason)) {
                int64_t wait = next_look(take, reply_number(reply, 1));

                region->next_boot_ms = clock_boot_ms() + wait;
                region->open_until_boot_ms = reply_is(reply, 0, "open") ? region->next_boot_ms : 0;
                if (reply->elements > 2)
                        take->attempts = calloc(reply->elements - 2, sizeof(*take->attempts));
                for (size_t i = 2; take->attempts && i < reply->elements; i++)
                        take_row(take, reply, i);
                if (take->n > 0)
                        crash_point("channeld/taken");
                /* A nudge that came while this was under way may speak of what it did not see. */
                if (region->nudged)
                        region->next_boot_ms = 0;
        }
        engine_pump(region->daemon);
        take_bytes(take);
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
        words_str(&words, "gk1_work");
        words_number(&words, 7);
        words_key(&words, region->code, "due:%s", channel->name);
        words_key(&words, region->code, "lease:%s", channel->name);
        words_key(&words, region->code, "ctl");
        words_key(&words, region->code, "gate:%s", channel->name);
        words_key(&words, region->code, "hand:%s:%s", channel->name, daemon->worker);
        words_key(&words, region->code, "meta");
        words_key(&words, region->code, "log");
        words_str(&words, region->epoch);
        words_str(&words, channel->name);
        words_number(&words, (int64_t) room);
        words_number(&words, channel->lease_ms);
        words_str(&words, daemon->worker);
        words_fmt(&words, "%lld,%lld,%lld,%lld,%lld", (long long) channel->per_second,
                  (long long) channel->per_minute, (long long) channel->per_day,
                  (long long) channel->quota_reserve, (long long) channel->concurrency);
        region->taking = true;
        region->nudged = false;
        if (store_command(daemon->store, &words, on_work, take) < 0) {
                region->taking = false;
                take_free(take);
        }
        crash_point_written(daemon->store, "channeld/take-written");
        words_done(&words);
}
