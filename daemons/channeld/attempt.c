/* One attempt: from a loaded document to a verdict. */
#include "daemons/channeld/channeld.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core/clock.h"
#include "core/crash.h"
#include "core/log.h"
#include "core/memory.h"
#include "daemons/channeld/cache.h"

/* Broken bytes do not mend themselves; an attempt of so many requests' time goes on in another. */
enum { BROKEN_MS = 3600000, LIMIT_REQUESTS = 20 };

void attempt_free(struct attempt *attempt) {
        if (!attempt)
                return;
        step_done(&attempt->step);
        lease_free(attempt->lease);
        if (attempt->held)
                cache_give_back(attempt->held);
        else
                free(attempt->bytes);
        free(attempt->row);
        free(attempt->key);
        free(attempt->revision_part);
        free(attempt->attachments);
        json_decref(attempt->memo);
        json_decref(attempt->screens);
        json_decref(attempt->withdrawal);
        json_decref(attempt->delivery.stages);
        (void) event_free(attempt->event);
        free(attempt);
}

void attempt_release(struct attempt *attempt) {
        struct outcome *outcome = calloc(1, sizeof(*outcome));

        if (outcome)
                outcome->verdict = "release";
        verdict_end(attempt, outcome); /* without one the lease passes by itself */
}

void attempt_drop(struct attempt *attempt) {
        verdict_end(attempt, NULL);
}

static void attempt_failed_here(struct attempt *attempt, int error) {
        step_done(&attempt->step);
        if (step_verdict(&attempt->step, VERDICT_LATER, "machine", 0, MESSAGE_MACHINE_FAILED, "reason",
                         strerror(-error), NULL) < 0)
                attempt->step.kind = STEP_VERDICT;
        verdict_conclude(attempt);
}

/* Nothing more may be sent with this lease, or in this attempt: what has been done so far is kept,
 * and the next one goes on from there. */
static void attempt_put_off(struct attempt *attempt, enum verdict_kind kind) {
        if (!attempt->sent) {
                attempt_release(attempt);
                return;
        }
        step_done(&attempt->step);
        if (step_verdict(&attempt->step, kind, "attempt/interrupted", clock_now_ms(),
                         MESSAGE_ATTEMPT_INTERRUPTED, NULL) < 0)
                attempt_release(attempt);
        else
                verdict_conclude(attempt);
}

void attempt_not_sent(struct attempt *attempt) {
        attempt_put_off(attempt, VERDICT_WAIT);
}

/* A request that only looks leaves nothing in doubt, nor does one that citizens never see. */
static bool attempt_changes(const struct attempt *attempt) {
        const struct step *step = &attempt->step;

        if (attempt->makes_account)
                return false;
        if (step->kind == STEP_TCP)
                return !step->tcp.harmless;
        if (step->kind == STEP_MQTT)
                return step->mqtt.n > 0;
        return step->kind == STEP_HTTP && !step->http.harmless &&
               strcmp(step->http.method, "GET") != 0 && strcmp(step->http.method, "HEAD") != 0;
}

void attempt_cut(struct attempt *attempt) {
        bool sent;

        if (attempt->waits || attempt->awaits_account || attempt->resumes) {
                attempt->waits = attempt->awaits_account = attempt->resumes = false;
                attempt_put_off(attempt, VERDICT_WAIT);
                return;
        }
        if (!attempt->transfer && !attempt->talk && !attempt->job) /* it asks before its next request */
                return;
        sent = attempt->transfer ? http_cut(attempt)
               : attempt->talk   ? tcp_cut(attempt)
                                 : mqtt_cut(attempt);
        if (sent && attempt_changes(attempt)) {
                attempt->sent = true;
                attempt->unclear = true;
                step_done(&attempt->step);
                if (step_verdict(&attempt->step, VERDICT_UNCERTAIN, "attempt/cut", 0,
                                 MESSAGE_ATTEMPT_CUT, NULL) == 0) {
                        verdict_conclude(attempt);
                        return;
                }
        }
        attempt_put_off(attempt, VERDICT_WAIT);
}

static void on_checkpoint(struct store *store, const redisReply *reply, int error,
                          const char *reason, void *userdata);

static void attempt_checkpoint(struct attempt *attempt) {
        struct channeld *daemon = attempt->daemon;
        char *memo freed_by(freep) = json_dumps(attempt->step.memo, JSON_COMPACT);
        struct words words = { 0 };

        words_str(&words, "FCALL");
        words_str(&words, "gk1_checkpoint");
        words_number(&words, 3);
        words_key(&words, attempt->region->code, "meta");
        words_key(&words, attempt->region->code, "due:%s", daemon->channel->name);
        words_key(&words, attempt->region->code, "doc:%s", attempt->lease->document);
        words_str(&words, attempt->region->epoch);
        words_str(&words, daemon->channel->name);
        words_number(&words, attempt->lease->value);
        words_str(&words, memo ? memo : "");
        words_number(&words, attempt->revision);
        words_number(&words, attempt->level);
        if (!memo || store_command(daemon->store, &words, on_checkpoint, attempt) < 0)
                attempt_put_off(attempt, VERDICT_WAIT);
        crash_point_written(daemon->store, "channeld/checkpoint-written");
        words_done(&words);
}

/* An attempt of many steps must not go on for ever. */
static bool is_too_long(const struct attempt *attempt) {
        return clock_boot_ms() - attempt->started_boot_ms >
               LIMIT_REQUESTS * attempt->daemon->channel->timeout_ms;
}

static void attempt_takes(struct attempt *attempt, struct step *next) {
        step_done(&attempt->step);
        attempt->step = *next;
}

/* The driver's answer to a reply; false: the attempt has ended. */
static bool attempt_next(struct attempt *attempt, const struct reply *reply) {
        const struct driver *driver = attempt->daemon->driver;
        struct step next = { 0 };
        int r;

        account_show(attempt);
        r = attempt->makes_account ? driver->account_next(&attempt->delivery, reply, &next)
                                   : driver->next(&attempt->delivery, reply, &next);
        attempt_takes(attempt, &next);
        if (r < 0)
                attempt_failed_here(attempt, r);
        return r >= 0;
}

/* Whether a request may leave now; else the attempt waits or has ended. */
static bool attempt_may_send(struct attempt *attempt) {
        struct step *step = &attempt->step;

        if (attempt->refreshes && !is_too_long(attempt)) {
                attempt->lease->since_boot_ms = clock_boot_ms(); /* nobody else has it */
                return true;
        }
        if (attempt->lease->proposed) {
                attempt->waits = true; /* which of the two leases is it? */
                return false;
        }
        /* One of many requests ends between two of them when the process is to stop. */
        if (attempt->daemon->stopping && attempt->sent) {
                attempt_put_off(attempt, VERDICT_WAIT);
                return false;
        }
        if (is_too_long(attempt) || !lease_may_send(attempt->lease)) {
                attempt_put_off(attempt, is_too_long(attempt) ? VERDICT_LATER : VERDICT_WAIT);
                return false;
        }
        if (step->checkpoint && step->memo) {
                step->checkpoint = false;
                attempt_checkpoint(attempt);
                return false;
        }
        crash_point("channeld/request-begun");
        return true;
}

/* Starts the step's request. 0: it is under way; 1: *ret is the reply already; negative errno. */
static int attempt_start(struct attempt *attempt, struct reply *ret) {
        struct step *step = &attempt->step;
        int r;

        if (step->kind == STEP_BOOK)
                return book_start(attempt);
        if (step->kind == STEP_TCP)
                return tcp_start(attempt, &step->tcp);
        if (step->kind == STEP_MQTT)
                return mqtt_start(attempt, &step->mqtt);
        r = local_upload(attempt->daemon, &step->http);
        if (r == 0)
                return http_start(attempt, &step->http);
        ret->http.error = strerror(-r);
        return r == -ENOMEM ? r : 1;
}

/* The verdict on the account, or on the document. False: the attempt has ended. */
static bool attempt_judged(struct attempt *attempt) {
        struct step *step = &attempt->step;
        json_t *account = step->account;

        if (!attempt->makes_account) {
                verdict_conclude(attempt);
                return false;
        }
        if (step->verdict.kind != VERDICT_DONE || !account) {
                account_refused(attempt, &step->verdict);
                verdict_conclude(attempt);
                return false;
        }
        account_made(attempt, account);
        return attempt_next(attempt, &(struct reply) { .kind = STEP_ACCOUNT });
}

/* False: it waits, or has ended. */
static bool attempt_step(struct attempt *attempt) {
        struct channeld *daemon = attempt->daemon;
        struct step *step = &attempt->step;
        struct step next = { 0 };
        struct reply reply = { .kind = step->kind };
        bool goes_on;
        int r;

        switch (step->kind) {
        case STEP_VERDICT:
                return attempt_judged(attempt);
        case STEP_HTTP:
        case STEP_TCP:
        case STEP_MQTT:
        case STEP_BOOK:
                if (!attempt_may_send(attempt))
                        return false;
                r = attempt_start(attempt, &reply);
                if (r < 0)
                        attempt_failed_here(attempt, r);
                if (r <= 0)
                        return false;
                break;
        case STEP_ACCOUNT:
                if (!account_join(attempt))
                        break;
                if (attempt->awaits_account)
                        return false;
                account_show(attempt);
                r = daemon->driver->account_begin(&attempt->delivery, &next);
                attempt_takes(attempt, &next);
                if (r < 0)
                        attempt_failed_here(attempt, r);
                return r >= 0;
        case STEP_FILE:
                local_file(daemon, step->file.path, &reply.file);
                goes_on = attempt_next(attempt, &reply);
                local_file_done(&reply.file);
                return goes_on;
        case STEP_TREE_OPEN:
                tree_open_entry(daemon, attempt->region ? attempt->region->code : "",
                                attempt->lease->document, &step->tree_open, &reply.tree);
                crash_point("channeld/tree-indexed");
                break;
        case STEP_TREE_COMMIT:
                tree_commit_files(daemon, &step->tree_commit, &reply.tree);
                break;
        }
        return attempt_next(attempt, &reply);
}

void attempt_go(struct attempt *attempt) {
        bool goes_on = true;

        while (goes_on) {
                struct step *step = &attempt->step;

                if (step->memo && step->memo != attempt->memo) {
                        json_decref(attempt->memo);
                        attempt->memo = json_incref(step->memo);
                        attempt->delivery.memo = attempt->memo;
                        attempt->memo_moved = true;
                }
                if (step->kind != STEP_TREE_OPEN && step->kind != STEP_TREE_COMMIT)
                        tree_rollback(attempt->daemon);
                goes_on = attempt_step(attempt);
        }
}

static void on_checkpoint(struct store *store, const redisReply *reply, int error,
                          const char *reason, void *userdata) {
        struct attempt *attempt = userdata;

        (void) store;
        (void) reason;
        crash_point("channeld/checkpoint-kept");
        if (error || !reply_is(reply, 0, "ok"))
                attempt_put_off(attempt, VERDICT_WAIT);
        else
                attempt_go(attempt);
}

/* What a reply says of what has been done at the carrier. */
static void attempt_heard(struct attempt *attempt, const struct reply *reply) {
        if (reply->kind == STEP_TCP || reply->kind == STEP_MQTT) {
                bool mqtt = reply->kind == STEP_MQTT;
                bool whole = mqtt ? reply->mqtt.whole : reply->tcp.whole;

                attempt->spoke = true;
                attempt->status = whole ? 200 : 0;
                if ((mqtt ? reply->mqtt.sent : reply->tcp.sent) && attempt_changes(attempt)) {
                        attempt->sent = true;
                        attempt->unclear = !whole;
                }
        }
        if (reply->kind != STEP_HTTP)
                return;
        attempt->spoke = true;
        attempt->status = reply->http.status;
        if (reply->http.sent && attempt_changes(attempt)) {
                attempt->sent = true;
                attempt->unclear = reply->http.status == 0;
        } else if (reply->http.status / 100 == 2 || reply->http.status == 404)
                attempt->unclear = false; /* it has looked, and was told */
}

void attempt_replied(struct attempt *attempt, const struct reply *reply) {
        attempt_heard(attempt, reply);
        attempt->delivery.now_ms = clock_now_ms();
        if (attempt_next(attempt, reply))
                attempt_go(attempt);
}

void attempt_renewed(struct attempt *attempt) {
        if (!attempt->waits)
                return;
        attempt->waits = false;
        attempt_go(attempt);
}

/* -- the begin -------------------------------------------------------------------------------------- */

static bool hex_is(const char *hex, const char *raw) {
        static const char digits[] = "0123456789abcdef";

        for (size_t i = 0; i < 32; i++)
                if (hex[2 * i] != digits[(unsigned char) raw[i] >> 4] ||
                    hex[2 * i + 1] != digits[(unsigned char) raw[i] & 15])
                        return false;
        return true;
}

/* The append-only file has no checksum: a flipped bit must not be published. The sum over the bytes
 * tells it without reading them as JSON, which costs more than to post them. */
static bool attempt_read(struct attempt *attempt) {
        struct findings errors = { 0 }, warnings = { 0 };
        unsigned char sum[DIGEST_SUM];
        json_t *json;

        if (!attempt->bytes)
                return false;
        if (attempt->has_sum) {
                digest_sum(attempt->bytes, attempt->n_bytes, sum);
                if (memcmp(sum, attempt->sum, sizeof(sum)) != 0)
                        return false;
                if (attempt->daemon->driver->raw)
                        return true;
        }
        json = event_read(attempt->bytes, attempt->n_bytes, &errors);
        if (json)
                attempt->event = event_parse(json, &errors, &warnings);
        json_decref(json);
        findings_done(&errors);
        findings_done(&warnings);
        return attempt->event && hex_is(attempt->event->digest, attempt->digest);
}

void attempt_begin(struct attempt *attempt) {
        struct channeld *daemon = attempt->daemon;
        int r = 0;

        attempt->started_boot_ms = clock_boot_ms();
        attempt->started_ms = clock_now_ms();
        if (!lease_may_send(attempt->lease)) {
                attempt_release(attempt);
                return;
        }
        if (!attempt_read(attempt)) {
                trouble_damaged(attempt->region, attempt->lease->document);
                if (step_verdict(&attempt->step, VERDICT_WAIT, "store/bytes",
                                 clock_now_ms() + BROKEN_MS,
                                 MESSAGE_BYTES_BROKEN, "channel", daemon->channel->name, "region",
                                 attempt->region->code, "document", attempt->lease->document, NULL) < 0) {
                        attempt_release(attempt);
                        return;
                }
                (void) delivery_make_key(attempt);
                verdict_conclude(attempt);
                return;
        }
        r = delivery_fill(attempt);
        if (r == 0)
                r = daemon->driver->begin(&attempt->delivery, &attempt->step);
        if (r < 0)
                attempt_failed_here(attempt, r);
        else
                attempt_go(attempt);
}

/* The slot of the document, or NULL; its sum. */
static struct byteless *byteless_of(struct attempt *attempt, unsigned char ret_sum[static DIGEST_SUM]) {
        struct channeld *daemon = attempt->daemon;
        struct buf name freed_by(buf_done) = { 0 };

        buf_fmt(&name, "%s/%s", attempt->region->code, attempt->lease->document);
        digest_sum(name.data, name.len, ret_sum);
        for (size_t i = 0; i < BYTELESS; i++)
                if (daemon->byteless[i].times > 0 &&
                    memcmp(daemon->byteless[i].sum, ret_sum, DIGEST_SUM) == 0)
                        return &daemon->byteless[i];
        return NULL;
}

void attempt_got_bytes(struct attempt *attempt) {
        unsigned char sum[DIGEST_SUM];
        struct byteless *slot = attempt->daemon->byteless_at > 0 ? byteless_of(attempt, sum) : NULL;

        if (slot)
                slot->times = 0;
}

/* How long to wait until the bytes may be there: at first a moment, for the ledger puts them back. */
static int64_t missing_wait_ms(struct attempt *attempt) {
        static const int64_t waits_ms[] = { 200, 1000, 5000, 30000 };
        struct channeld *daemon = attempt->daemon;
        unsigned char sum[DIGEST_SUM];
        struct byteless *slot = byteless_of(attempt, sum);
        unsigned times;

        if (!slot) {
                slot = &daemon->byteless[daemon->byteless_at++ % BYTELESS];
                *slot = (struct byteless) { 0 };
                memcpy(slot->sum, sum, sizeof(sum));
        }
        times = slot->times++;
        return waits_ms[times < ELEMENTS(waits_ms) ? times : ELEMENTS(waits_ms) - 1];
}

void attempt_without_bytes(struct attempt *attempt) {
        struct channeld *daemon = attempt->daemon;
        const char *document = attempt->lease->document;

        attempt->started_boot_ms = clock_boot_ms();
        attempt->started_ms = clock_now_ms();
        if (delivery_make_key(attempt) < 0 ||
            step_verdict(&attempt->step, VERDICT_ASK, "bytes/gone",
                         clock_now_ms() + missing_wait_ms(attempt), MESSAGE_BYTES_MISSING,
                         "channel", daemon->channel->name, "region", attempt->region->code,
                         "document", document, "reason", "-", NULL) < 0)
                attempt_release(attempt);
        else
                verdict_conclude(attempt);
}
