/* Outcomes go to the store in batches: one gk1_settle per region is in flight, what ends meanwhile
 * joins the next. A settle whose reply is lost is sent again: the store knows the lease. */
#include "daemons/channeld/channeld.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core/clock.h"
#include "core/crash.h"
#include "core/log.h"
#include "core/memory.h"
#include "core/row.h"

enum { BATCH = 256, WORTH_A_CALL = 128, PATIENCE_MS = 25, AGAIN_MS = 1000 };

struct settling {
        struct region *region;
        struct outcome *list[BATCH];
        size_t n;
};

static void outcome_free(struct outcome *outcome) {
        lease_free(outcome->lease);
        free(outcome->sentence);
        free(outcome->reference);
        free(outcome->url);
        free(outcome->memo);
        free(outcome);
}

static void put_back(struct region *region, struct outcome *outcome) {
        outcome->next = region->first;
        region->first = outcome;
        if (!region->last)
                region->last = outcome;
        region->n_outcomes++;
}

static void on_settled(struct store *store, const redisReply *reply, int error, const char *reason,
                       void *userdata) {
        struct settling *settling freed_by(freep) = userdata;
        struct region *region = settling->region;
        struct channeld *daemon = region->daemon;

        (void) store;
        region->settling = false;
        if (!error && reply_is(reply, 0, "again")) {
                /* A document has a channel that waits for this one and that we did not name. */
                if (conf_name_is_valid(reply_text(reply, 1)) &&
                    !string_list_has(&region->dependants, reply_text(reply, 1)))
                        (void) string_list_add(&region->dependants, reply_text(reply, 1),
                                               reply_length(reply, 1));
                for (size_t i = settling->n; i-- > 0;)
                        put_back(region, settling->list[i]);
                settle_go(region);
                return;
        }
        if (error || !reply_is(reply, 0, "ok")) {
                /* Its effect is unknown, or there was none: the same again once the store is back.
                 * What was settled answers `already`. */
                trouble_settle(region, error ? reason : reply_text(reply, 0));
                for (size_t i = settling->n; i-- > 0;)
                        put_back(region, settling->list[i]);
                if (!error)
                        region->ready = false;
                /* Redis refuses for now: soon again, before the leases pass, but not in a circle. */
                region->settle_boot_ms = clock_boot_ms() + AGAIN_MS;
                engine_pump(daemon);
                return;
        }
        region->settle_boot_ms = 0;
        trouble_settle(region, NULL);
        crash_point("channeld/settled");
        for (size_t i = 0; i < settling->n; i++) {
                struct outcome *outcome = settling->list[i];

                if (reply_is(reply, 1 + i, "dead"))
                        trouble_dead(region, outcome);
                if (reply_is(reply, 1 + i, "stale"))
                        log_say(LOG_WARNING, MESSAGE_SETTLE_STALE, "channel", daemon->channel->name,
                                "region", region->code, "document", outcome->lease->document, NULL);
                outcome_free(outcome);
        }
        settle_go(region);
        region->next_boot_ms = 0;
        engine_pump(daemon);
}

static bool waits_for(const struct channel_config *channel, const struct string_list *list,
                      const char *name) {
        return channel->after &&
               (strcmp(channel->after, name) == 0 || string_list_has(list, channel->after)) &&
               !string_list_has(list, channel->name);
}

/* The channels that wait for this one, and those that wait for them: their entries may become due by
 * our settle. The nearest come first. */
static size_t add_dependants(const struct channeld *daemon, struct region *region,
                             struct words *words, struct buf *names) {
        const struct configuration *configuration = daemon->configuration;
        struct string_list *list = &region->dependants;
        bool more = !region->dependants_known;

        while (more) {
                more = false;
                for (size_t i = 0; i < configuration->n_channels; i++) {
                        const struct channel_config *other = &configuration->channels[i];

                        if (waits_for(other, list, daemon->channel->name))
                                more |= string_list_add(list, other->name, strlen(other->name)) == 0;
                }
        }
        region->dependants_known = true;
        for (size_t i = 0; i < list->n; i++) {
                words_key(words, region->code, "due:%s", list->items[i]);
                buf_fmt(names, "%s%s", i ? "," : "", list->items[i]);
        }
        return list->n;
}

/* A row as gk1_settle reads it (OUTCOME in core/store_work.lua). */
static void add_outcome(struct words *words, const struct outcome *outcome, const char *worker) {
        struct buf *row = &words->bytes;
        size_t extra;

        row_number(row, outcome->lease->value);
        row_number(row, outcome->revision);
        row_number(row, outcome->level);
        row_text(row, outcome->verdict);
        row_number(row, outcome->sent);
        row_text(row, outcome->reference);
        row_text(row, outcome->url);
        row_text(row, outcome->code);
        row_text(row, outcome->sentence);
        row_number(row, outcome->at_ms);
        row_text(row, outcome->memo ? outcome->memo : outcome->forget_memo ? "" : "-");
        row_number(row, outcome->bound_ms);
        row_number(row, outcome->generation);
        row_text(row, outcome->health);
        row_number(row, outcome->hold_ms);
        row_number(row, outcome->final);
        extra = row_open(row);
        buf_number(row, outcome->started_ms);
        buf_char(row, ' ');
        buf_number(row, outcome->took_ms);
        buf_char(row, ' ');
        buf_str(row, worker[0] ? worker : "-");
        row_close(row, extra);
        words_end(words);
}

/* Those whose lease is being renewed wait: it is not known by which value the store knows it. */
static void pick(struct region *region, struct settling *settling) {
        struct outcome **at = &region->first, *last = NULL;

        while (*at) {
                struct outcome *outcome = *at;

                if (settling->n == BATCH || outcome->lease->proposed) {
                        last = outcome;
                        at = &outcome->next;
                        continue;
                }
                settling->list[settling->n++] = outcome;
                *at = outcome->next;
                region->n_outcomes--;
        }
        region->last = last;
}

void settle_go(struct region *region) {
        struct channeld *daemon = region->daemon;
        const struct channel_config *channel = daemon->channel;
        struct settling *settling;
        struct words words = { 0 }, dependants = { 0 };
        struct buf names = { 0 };
        size_t n_dependants;

        if (region->settling || !region->first || !region->ready || !store_is_up(daemon->store))
                return;
        settling = calloc(1, sizeof(*settling));
        if (!settling)
                return;
        settling->region = region;
        pick(region, settling);
        if (settling->n == 0) {
                free(settling);
                return;
        }
        n_dependants = add_dependants(daemon, region, &dependants, &names);

        words_str(&words, "FCALL");
        words_str(&words, "gk1_settle");
        words_number(&words, (int64_t) (4 + n_dependants + settling->n));
        words_key(&words, region->code, "meta");
        words_key(&words, region->code, "log");
        words_key(&words, region->code, "due:%s", daemon->channel->name);
        words_key(&words, region->code, "gate:%s", daemon->channel->name);
        words_join(&words, &dependants);
        for (size_t i = 0; i < settling->n; i++)
                words_key(&words, region->code, "doc:%s", settling->list[i]->lease->document);
        words_str(&words, region->epoch);
        words_str(&words, daemon->channel->name);
        words_number(&words, (int64_t) n_dependants);
        words_str(&words, buf_text(&names));
        words_fmt(&words, "%lld,%lld,%lld,%lld", (long long) channel->breaker,
                  (long long) channel->breaker_share, (long long) channel->breaker_probe_ms,
                  (long long) channel->breaker_probe_most_ms);
        for (size_t i = 0; i < settling->n; i++)
                add_outcome(&words, settling->list[i], daemon->worker);
        words_done(&dependants);
        buf_done(&names);
        region->settling = true;
        crash_point("channeld/settle-begun");
        if (store_command(daemon->store, &words, on_settled, settling) < 0) {
                region->settling = false;
                for (size_t i = settling->n; i-- > 0;)
                        put_back(region, settling->list[i]);
                free(settling);
        } else
                crash_point_written(daemon->store, "channeld/settle-written");
        words_done(&words);
}

int64_t settle_due(const struct region *region) {
        if (!region->first || region->settling)
                return INT64_MAX;
        if (region->settle_boot_ms > clock_boot_ms())
                return region->settle_boot_ms;
        /* Where the store counts what is under way, only a settle makes room for the next. */
        if (region->n_outcomes >= WORTH_A_CALL || region->daemon->channel->concurrency > 0 ||
            (region->daemon->n_begun == 0 && engine_gap_ms(region->daemon) == 0))
                return 0;
        return region->first_boot_ms + PATIENCE_MS;
}

void settle_add(struct region *region, struct outcome *outcome) {
        outcome->next = NULL;
        if (region->last)
                region->last->next = outcome;
        else
                region->first = outcome;
        region->last = outcome;
        if (region->n_outcomes++ == 0)
                region->first_boot_ms = clock_boot_ms();
        /* The breaker wants to know it now; but of one failure among many good ends it need not, and a call for
         * each would cost a busy channel a third of its rate. */
        if (outcome->health && *outcome->health == '0' &&
            (region->daemon->n_in_a_row > 1 || engine_gap_ms(region->daemon) == 0))
                region->first_boot_ms = 0;
}

void settle_drop(struct region *region) {
        while (region->first) {
                struct outcome *outcome = region->first;

                region->first = outcome->next;
                outcome_free(outcome);
        }
        region->last = NULL;
        string_list_done(&region->dependants);
}
