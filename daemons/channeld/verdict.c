/* The end of an attempt: what the driver's verdict means for the document and the channel. */
#include "daemons/channeld/channeld.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "core/clock.h"
#include "core/crash.h"
#include "core/log.h"
#include "core/memory.h"
#include "core/moment.h"

/* The pause holds back what is blocked; the wait is for the moment until it is in force. A carrier
 * may hold the whole channel for a day at most. */
enum { BLOCKED_MS = 2000, HOLD_MOST_MS = 24 * 3600 * 1000, TOLD_PER_SECOND = 20 };

void verdict_end(struct attempt *attempt, struct outcome *outcome) {
        struct channeld *daemon = attempt->daemon;
        bool leads;

        if (attempt->refreshes) {
                free(outcome);
                refresh_ended(attempt);
                return;
        }
        if (attempt->previous)
                attempt->previous->next = attempt->next;
        else
                daemon->attempts = attempt->next;
        if (attempt->next)
                attempt->next->previous = attempt->previous;
        daemon->n_attempts--;
        daemon->n_ended++;
        leads = daemon->account_leader == attempt;
        if (attempt->begun)
                daemon->n_begun--;
        attempt->lease->attempt = NULL;
        if (outcome) {
                outcome->lease = give_away(attempt->lease);
                outcome->revision = attempt->revision;
                outcome->level = attempt->level;
                outcome->generation = attempt->generation;
                outcome->sent = attempt->sent;
                outcome->started_ms = attempt->started_ms;
                if (attempt->started_boot_ms > 0)
                        outcome->took_ms = clock_boot_ms() - attempt->started_boot_ms;
                settle_add(attempt->region, outcome);
        }
        attempt_free(attempt);
        engine_pump(daemon);
        if (leads)
                account_left(daemon);
}

static uint32_t random_number(void) {
        uint32_t number = 0;

        (void) !getrandom(&number, sizeof(number), 0);
        return number;
}

/* The channel can pass nothing until somebody acts: it pauses, and holds what is due. */
static void pause_channel(struct attempt *attempt, const char *sentence) {
        struct channeld *daemon = attempt->daemon;
        struct buf what freed_by(buf_done) = { 0 };
        struct buf why freed_by(buf_done) = { 0 };
        char moment[MOMENT_TEXT];

        trouble_blocked(daemon, sentence);
        buf_fmt(&what, "pause:%s", daemon->channel->name);
        buf_fmt(&why, "%s channeld %s", moment_write_minute(clock_now_ms(), moment), sentence);
        for (size_t i = 0; i < daemon->n_regions; i++) {
                const struct region *region = &daemon->regions[i];

                if (region->ready)
                        (void) store_control(daemon->store, region->code, region->epoch,
                                             buf_text(&what), buf_text(&why), "channeld",
                                             engine_ignore_reply, NULL);
                crash_point_written(daemon->store, "channeld/pause-written");
        }
}

/* Behind the list's last wait comes none: `at_ms` is then for a document that is parked after all,
 * because it is the endpoint that is away. */
static void back_off(const struct attempt *attempt, struct outcome *outcome,
                     const struct verdict *verdict) {
        const struct channel_config *channel = attempt->daemon->channel;
        int64_t wait = retry_wait_ms(channel, attempt->delivery.attempt, random_number());

        outcome->final = wait < 0;
        if (wait < 0)
                wait = channel->n_retry > 0 ? channel->retry_ms[channel->n_retry - 1] : 1000;
        outcome->at_ms = clock_now_ms() + wait;
        if (verdict->at_ms > outcome->at_ms)
                outcome->at_ms = verdict->at_ms;
}

/* A busy channel would fill the journal with what went well; each of it stands in the ledger. */
static bool is_told(struct channeld *daemon) {
        if (daemon->n_told < TOLD_PER_SECOND) {
                daemon->n_told++;
                return true;
        }
        daemon->n_untold++;
        return false;
}

void verdict_tell_rest(struct channeld *daemon) {
        char count[24];

        if (daemon->n_untold > 0) {
                (void) snprintf(count, sizeof(count), "%u", daemon->n_untold);
                log_say(LOG_INFO, MESSAGE_ATTEMPTS_DONE, "channel", daemon->channel->name, "count",
                        count, NULL);
        }
        daemon->n_told = daemon->n_untold = 0;
}

/* Shown, and yet there is something to be told of it. */
static void log_remark(const struct attempt *attempt, const char *remark) {
        log_say(LOG_WARNING, MESSAGE_ATTEMPT_REMARK, "channel", attempt->daemon->channel->name,
                "region", attempt->region->code, "document", attempt->lease->document, "revision",
                attempt->revision_part ? attempt->revision_part : "", "reason", remark, NULL);
}

static void log_outcome(const struct attempt *attempt, const struct verdict *verdict,
                        const struct outcome *outcome) {
        char number[24], took[24];
        bool bad = verdict->kind != VERDICT_DONE;

        if (!bad && verdict->sentence)
                log_remark(attempt, verdict->sentence);
        if (!bad && !is_told(attempt->daemon))
                return;
        (void) snprintf(number, sizeof(number), "%u", attempt->delivery.attempt);
        (void) snprintf(took, sizeof(took), "%lld",
                        (long long) (clock_boot_ms() - attempt->started_boot_ms));
        log_say(bad ? LOG_WARNING : LOG_INFO, bad ? MESSAGE_ATTEMPT_FAILED : MESSAGE_ATTEMPT_DONE,
                "channel", attempt->daemon->channel->name, "region", attempt->region->code,
                "document", attempt->lease->document, "revision",
                attempt->revision_part ? attempt->revision_part : "", "event", attempt->event_id,
                "attempt", number, "took", took, "state", outcome->verdict, "code",
                verdict->code ? verdict->code : "", "reason",
                verdict->sentence ? verdict->sentence : "", "url", verdict->url ? verdict->url : "",
                NULL);
}

/* Whether the endpoint answered as one that lives: a refusal is an answer, too many says nothing. */
static const char *health_of(const struct attempt *attempt, const struct verdict *verdict) {
        if (verdict->ill)
                return "0";
        if (!attempt->spoke || attempt->status == 429)
                return "";
        return attempt->status == 0 || attempt->status >= 500 ? "0" : "1";
}

/* What the carrier names a time for by 429 or 503 holds for the whole channel. */
static int64_t hold_of(const struct attempt *attempt, const struct verdict *verdict) {
        int64_t latest = clock_now_ms() + HOLD_MOST_MS;

        if ((attempt->status != 429 && attempt->status != 503) || verdict->at_ms <= 0)
                return 0;
        return verdict->at_ms < latest ? verdict->at_ms : latest;
}

static const char *judge(struct attempt *attempt, const struct verdict *verdict,
                         struct outcome *outcome) {
        enum verdict_kind kind = verdict->kind;

        outcome->at_ms = verdict->at_ms;
        if (kind == VERDICT_BLOCKED) {
                outcome->at_ms = clock_now_ms() + BLOCKED_MS;
                pause_channel(attempt, verdict->sentence ? verdict->sentence : "");
        }
        /* A driver that calls it something else forgets that it may have been done. */
        if (attempt->unclear && kind != VERDICT_DONE)
                kind = VERDICT_UNCERTAIN;
        switch (kind) {
        case VERDICT_DONE:
                outcome->forget_memo = true;
                return attempt->removes || attempt->marks ? "ended" : "done";
        case VERDICT_ASK:
                return "ask";
        case VERDICT_WAIT:
        case VERDICT_BLOCKED:
                return "wait";
        case VERDICT_LATER:
        case VERDICT_UNCERTAIN:
                back_off(attempt, outcome, verdict);
                return kind == VERDICT_LATER ? "later" : "uncertain";
        case VERDICT_REFUSED:
                return "dead";
        }
        return "later";
}

static void remember_trouble(struct channeld *daemon, const struct verdict *verdict) {
        if (!verdict->sentence)
                return;
        free(daemon->last_trouble);
        daemon->last_trouble = strdup(verdict->sentence);
}

void verdict_conclude(struct attempt *attempt) {
        struct channeld *daemon = attempt->daemon;
        const struct driver *driver = daemon->driver;
        struct verdict *verdict = &attempt->step.verdict;
        struct outcome *outcome;

        tree_rollback(daemon);
        if (attempt->refreshes) {
                refresh_ended(attempt);
                return;
        }
        crash_point("channeld/verdict");
        outcome = calloc(1, sizeof(*outcome));
        if (!outcome) {
                verdict_end(attempt, NULL);
                return;
        }
        outcome->code = verdict->code;
        outcome->sentence = verdict->sentence ? strdup(verdict->sentence) : NULL;
        outcome->reference = verdict->reference ? strdup(verdict->reference) : NULL;
        outcome->url = verdict->url ? strdup(verdict->url) : NULL;
        outcome->verdict = judge(attempt, verdict, outcome);
        outcome->health = health_of(attempt, verdict);
        outcome->hold_ms = hold_of(attempt, verdict);
        if (*outcome->health)
                daemon->n_in_a_row = *outcome->health == '0' ? daemon->n_in_a_row + 1 : 0;
        /* Of one that shows by itself nothing is left half done. */
        if (!driver->local && (attempt->step.memo || attempt->memo_moved))
                outcome->memo = json_dumps(attempt->step.memo ? attempt->step.memo : attempt->memo,
                                           JSON_COMPACT);
        if (verdict->kind == VERDICT_DONE) {
                attempt->sent = true;
                /* Done under doubt: what is unknown may still come, so it is looked at once more. */
                if (attempt->delivery.doubt && driver->looks && driver->looks(daemon->options))
                        outcome->bound_ms = daemon->channel->late_effect_ms;
                daemon->n_done++;
                trouble_done(attempt->region, attempt->lease->document);
        } else {
                daemon->n_failed++;
                remember_trouble(daemon, verdict);
                trouble_deadline(attempt);
                trouble_still(attempt, strcmp(outcome->verdict, "ask") == 0);
        }
        log_outcome(attempt, verdict, outcome);
        verdict_end(attempt, outcome);
}
