/* A batch: claimed in the book, sent, and what became of it recorded; then the next one. */
#include "channels/sms/round.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "core/fit.h"
#include "core/memory.h"
#include "core/moment.h"

enum { TITLE = 40 /* UTF-16 units kept of the first message's */, STORE_MS = 5000, POSTPONED_MOST = 8 };

/* -- claim: a batch and its share of the day -- */

static bool hurries(const struct round *round) {
        return round->delivery->urgent;
}

static int64_t day_limit(const struct round *round) {
        bool reserve = hurries(round) || round_number(round->memo, "round") != SMS_FIRST;

        return round->options->day_limit - (reserve ? 0 : round->options->day_reserve);
}

/* What opens at night does so in the morning. */
static int64_t opens_at(const struct round *round, int64_t at_ms) {
        int64_t opens = hurries(round) ? 0 : sms_opens_ms(round->options->hours, at_ms);

        return opens > 0 ? opens : at_ms;
}

/* What was not taken has used up nothing of the day; but only as long as it is the same day. */
static int64_t credit_of(const struct round *round) {
        char day[9];

        sms_day(round->delivery->now_ms, day);
        return strcmp(round_text(round->head, "day"), day) == 0 ? round_number(round->head, "credit") : 0;
}

static int set_credit(struct round *round, int64_t credit) {
        char day[9];

        sms_day(round->delivery->now_ms, day);
        return round_set(round->head, "day", json_string(day)) | round_set(round->head, "credit", json_integer(credit));
}

static int wait_for(struct round *round, int64_t at_ms, enum message message, const char *code) {
        char minute[MOMENT_TEXT], limit[24];

        (void) snprintf(limit, sizeof(limit), "%lld", (long long) day_limit(round));
        return step_verdict(round->ret, VERDICT_WAIT, code, at_ms, message, "hours", round->options->hours,
                            "limit", limit, "at", moment_write_minute(at_ms, minute), NULL);
}

static int64_t batch_size(const struct round *round, int64_t most) {
        int64_t limit = round_number(round->head, "limit"), size = round->options->batch;

        if (limit > 0 && limit < size)
                size = limit;
        return most > 0 && most < size ? most : size;
}

static int remember_first(struct round *round) {
        const char *title = round_text(json_object_get(round->delivery->event, "data"), "title");
        char *kept freed_by(freep) = NULL;

        if (round_number(round->head, "ms") > 0 || round->delivery->kind != DELIVER_PUBLISH)
                return 0;
        kept = fit_text(title, FIT_UTF16, TITLE, NULL);
        if (!kept || round_set(round->head, "title", json_string(kept)) < 0)
                return -ENOMEM;
        return round_set(round->head, "ms", json_integer(round->delivery->now_ms));
}

static int put_claim(struct round *round, int64_t k, int64_t n) {
        int64_t credit = credit_of(round), paid = credit < n ? credit : n;
        json_t *put = json_object(), *spend = NULL, *get;
        char name[64];
        int r;

        sms_book_name(round->delivery, k, name);
        get = json_pack("[s]", name);
        r = round_set(round->memo, "k", json_integer(k)) | round_set(round->head, "n", json_integer(k + 1));
        r |= round_put_note(round, put, k, sms_note_write(SMS_CLAIMED, round->rank, round->delivery->now_ms, "",
                                                          round_text(round->memo, "members")), true);
        if (round->options->day_limit > 0) {
                spend = json_pack("[{s:s, s:I, s:I}]", "name", "day", "amount", (json_int_t) (n - paid), "limit",
                                  (json_int_t) day_limit(round));
                r |= spend ? 0 : -ENOMEM;
                r |= round_set(round->memo, "paid", json_integer(paid)) | set_credit(round, credit - paid);
        }
        r |= put && get ? round_book(round, "claim", json_incref(put), spend, json_incref(get)) : -ENOMEM;
        json_decref(put);
        json_decref(get);
        return r < 0 ? -ENOMEM : 0;
}

int round_claim(struct round *round, int64_t most) {
        const struct delivery *delivery = round->delivery;
        int64_t opens = hurries(round) ? 0 : sms_opens_ms(round->options->hours, delivery->now_ms), n;
        char sent[24];
        int r = plan_pick(round, (size_t) batch_size(round, most));

        if (r < 0)
                return r;
        n = (int64_t) (strlen(round_text(round->memo, "members")) / SMS_HASH);
        if (n == 0)
                return round_finish(round);
        if (opens > 0)
                return wait_for(round, opens, MESSAGE_SMS_QUIET, "sms/quiet");
        if (delivery->now_ms - round_number(round->memo, "since") > SMS_ATTEMPT_MS) {
                (void) snprintf(sent, sizeof(sent), "%lld", (long long) round_number(round->head, "sent"));
                return step_verdict(round->ret, VERDICT_ASK, "sms/goes-on", delivery->now_ms,
                                    MESSAGE_SMS_GOES_ON, "sent", sent, NULL);
        }
        r = remember_first(round);
        return r < 0 ? r : put_claim(round, round_number(round->head, "n"), n);
}

static int send_batch(struct round *round, bool again);

int round_next_claim(struct round *round, const struct book_reply *reply) {
        int64_t k = round_number(round->memo, "k"), left;
        bool counts = round->options->day_limit > 0;
        char name[64];

        sms_book_name(round->delivery, k, name);
        if (reply->error)
                return round_store_failed(round, reply->error, VERDICT_LATER);
        if (reply->spent)
                return send_batch(round, false);
        if (json_object_get(reply->values, name))
                return step_verdict(round->ret, VERDICT_ASK, "sms/elsewhere", round->delivery->now_ms + STORE_MS,
                                    MESSAGE_SMS_ELSEWHERE, NULL);
        /* Nothing was put, nor spent. */
        if (round_set(round->head, "n", json_integer(k)) < 0 ||
            (counts && set_credit(round, credit_of(round) + round_number(round->memo, "paid")) < 0))
                return -ENOMEM;
        left = day_limit(round) - round_number(reply->counts, "day");
        left = (left > 0 ? left : 0) + credit_of(round);
        if (left > 0 && left < (int64_t) (strlen(round_text(round->memo, "members")) / SMS_HASH))
                return round_claim(round, left);
        return wait_for(round, opens_at(round, reply->opens_ms), MESSAGE_SMS_CEILING, "sms/ceiling");
}

/* -- send: the batch -- */

static int record(struct round *round, enum sms_state state, json_t *then);

/* The numbers of those who are still on the lists, and their hashes. */
static int numbers_of(struct round *round, struct buf *ret) {
        struct buf members freed_by(buf_done) = { 0 };
        char number[SMS_NUMBER];

        for (const char *at = round_text(round->memo, "members"); *at; at += SMS_HASH) {
                if (!sms_account_number(round->delivery->account, at, number))
                        continue;
                buf_fmt(ret, "%s%s", ret->len > 0 ? "," : "", number);
                buf_add(&members, at, SMS_HASH);
        }
        if (ret->error || members.error)
                return -ENOMEM;
        return round_set(round->memo, "members", json_string(buf_text(&members)));
}

static int send_batch(struct round *round, bool again) {
        struct buf numbers freed_by(buf_done) = { 0 };
        char *text freed_by(freep) = NULL, id[64];
        struct sms_batch batch = { .round = (enum sms_round) round_number(round->memo, "round"),
                                   .k = round_number(round->memo, "k"), .id = id, .again = again };
        int r = numbers_of(round, &numbers);

        if (r < 0)
                return r;
        if (numbers.len == 0)
                return record(round, SMS_FREE, NULL);
        sms_book_name(round->delivery, batch.k, id);
        batch.numbers = buf_text(&numbers);
        batch.n = strlen(round_text(round->memo, "members")) / SMS_HASH;
        batch.title = round_text(round->head, "title");
        if (!round->options->template) {
                text = sms_text(round->delivery, batch.round, batch.title, round_number(round->head, "ms"));
                if (!text)
                        return -ENOMEM;
        }
        batch.text = text;
        r = round_set(round->memo, "stage", json_string("send")) | round_set(round->memo, "sent", json_integer(batch.k));
        if (r < 0)
                return -ENOMEM;
        r = round->provider->send(round->delivery, &batch, round->ret);
        if (r < 0 && r != -EINVAL)
                return r;
        if (round->ret->kind == STEP_HTTP)
                round->ret->checkpoint = true;
        else
                (void) json_object_del(round->memo, "sent"); /* it cannot be built: nothing left */
        return 0;
}

/* -- record: what became of it -- */

static int record(struct round *round, enum sms_state state, json_t *then) {
        int64_t n = (int64_t) (strlen(round_text(round->memo, "members")) / SMS_HASH);
        int64_t limit = round_number(round->head, "limit");
        json_t *put freed_by(json_decrefp) = json_object();
        char text[2] = { (char) state, '\0' };
        int r = put ? 0 : -ENOMEM;

        r |= round_put_note(round, put, round_number(round->memo, "k"),
                            sms_note_write(state, round->rank, round->delivery->now_ms,
                                           state == SMS_SENT ? round_text(round->memo, "of") : "",
                                           state == SMS_FREE ? "" : round_text(round->memo, "members")), false);
        if (state == SMS_SENT && limit > 0)
                r |= round_set(round->head, "limit", json_integer(2 * limit < round->options->batch ? 2 * limit : 0));
        if (state == SMS_SENT)
                r |= round_add(round->head, "sent", n);
        if (state == SMS_FAILED)
                r |= round_add(round->head, "failed", n);
        if (state == SMS_FREE && round->options->day_limit > 0)
                r |= set_credit(round, credit_of(round) + n);
        if (state != SMS_FREE || n == 0 || json_object_get(round->memo, "skip"))
                r |= plan_advance(round);
        if (then)
                r |= round_set(round->memo, "then", then);
        r |= round_set(round->memo, "state", json_string(text));
        return r < 0 ? -ENOMEM : round_book(round, "record", give_away(put), NULL, NULL);
}

static int unclear(struct round *round) {
        const char *members = round_text(round->memo, "members");
        struct buf sample freed_by(buf_done) = { 0 };
        char batch[24], count[24];

        (void) snprintf(batch, sizeof(batch), "%lld", (long long) round_number(round->memo, "k") + 1);
        (void) snprintf(count, sizeof(count), "%zu", strlen(members) / SMS_HASH);
        round_sample(round, members, &sample);
        return step_verdict(round->ret, VERDICT_UNCERTAIN, "sms/unclear", 0, MESSAGE_SMS_DOUBT, "batch", batch,
                            "count", count, "numbers", buf_text(&sample), "carrier", round->provider->name,
                            NULL);
}

/* Smaller and smaller batches, until the number that fails all stands alone. */
static int halve(struct round *round, int64_t n) {
        if (round_set(round->head, "limit", json_integer(n / 2)) < 0)
                return -ENOMEM;
        return record(round, SMS_FREE, NULL);
}

/* It waits, the others go on; a plan that is made later finds it among those who had nothing. */
static int postpone(struct round *round, const struct sms_answer *answer) {
        int64_t at = round_number(round->memo, "postponed");
        int r = round_add(round->memo, "n_postponed", 1) | round_set(round->memo, "skip", json_true());

        if (at == 0 || answer->at_ms < at)
                r |= round_set(round->memo, "postponed", json_integer(opens_at(round, answer->at_ms)));
        r |= round_set(round->memo, "postponed_words", json_string(buf_text(&answer->words)));
        return r < 0 ? -ENOMEM : record(round, SMS_FREE, NULL);
}

/* Of one that was sent again after a doubt: it had arrived. Else two notices say the same. */
static bool was_repeated(const struct round *round, const struct sms_answer *answer) {
        return answer->class == SMS_REPEATED && json_is_true(json_object_get(round->head, "repeats"));
}

int round_next_send(struct round *round, const struct http_reply *reply) {
        struct sms_answer answer freed_by(sms_answer_done) = { 0 };
        int64_t n = (int64_t) (strlen(round_text(round->memo, "members")) / SMS_HASH);

        round->provider->judge(round->delivery, reply, &answer);
        if (answer.class == SMS_OK || (was_repeated(round, &answer) && n == 1))
                return round_set(round->memo, "of", json_string(answer.of)) < 0 ? -ENOMEM : record(round, SMS_SENT, NULL);
        if (answer.class == SMS_UNSURE)
                return unclear(round);
        if (answer.class == SMS_RECIPIENT && n == 1)
                return record(round, SMS_FAILED, NULL);
        if ((answer.class == SMS_RECIPIENT || answer.class == SMS_SPLIT || was_repeated(round, &answer)) && n > 1)
                return halve(round, n);
        if (answer.class == SMS_WAIT && answer.of_number && n == 1 &&
            round_number(round->memo, "n_postponed") < POSTPONED_MOST)
                return postpone(round, &answer);
        if (answer.class == SMS_RESIGN && !json_object_get(round->memo, "resigned")) {
                int r = round_set(round->memo, "resigned", json_true());

                return r < 0 ? r : send_batch(round, true);
        }
        if (answer.class == SMS_WAIT)
                answer.at_ms = opens_at(round, answer.at_ms);
        return record(round, SMS_FREE, json_pack("{s:i, s:I, s:s}", "class", (int) answer.class, "at",
                                                 (json_int_t) answer.at_ms, "words", buf_text(&answer.words)));
}

int round_next_record(struct round *round, const struct book_reply *reply) {
        const json_t *then = json_object_get(round->memo, "then");
        bool free = *round_text(round->memo, "state") == SMS_FREE;

        /* What was sent and is not noted so is in doubt. */
        if (reply->error)
                return round_store_failed(round, reply->error, free ? VERDICT_LATER : VERDICT_UNCERTAIN);
        (void) json_object_del(round->memo, "resigned");
        (void) json_object_del(round->memo, "skip");
        if (then)
                return sms_verdict(round->provider, (enum sms_class) round_number(then, "class"),
                                   round_number(then, "at"), round_text(then, "words"), round->ret);
        return round_claim(round, 0);
}
