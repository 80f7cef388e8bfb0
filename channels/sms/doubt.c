/* Batches that were claimed, and of which nobody knows whether they left and arrived.
 *
 * Not in doubt is one of this very rank whose number the memo does not name as sent: the memo is on
 * disk before a request leaves. Nor one that it names when the engine knows of no doubt: then the
 * request was put off. A memo of another rank is gone, so theirs are. */
#include "channels/sms/round.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "core/memory.h"
#include "core/moment.h"

enum { MOST_PUT = 60 /* notes in one step, beside the head */ };

/* Aliyun tells of the last 30 days; one less, for a second day that is asked about. */
static const int64_t known_ms = INT64_C(29) * 86400000;

static bool may_have_left(const struct round *round, int64_t k, const struct sms_note *note) {
        const json_t *sent = json_object_get(round->memo, "sent");

        return sms_rank_compare(note->rank, round->rank) != 0 ||
               (round->delivery->doubt && sent && json_integer_value(sent) == k);
}

static bool note_of(const struct round *round, int64_t k, struct sms_note *ret) {
        return sms_note_read(json_string_value(json_array_get(json_object_get(round->memo, "notes"),
                                                              (size_t) k)), ret);
}

/* The note as it is from now on, in the memo and in what is put. */
static int change(struct round *round, json_t *put, int64_t k, enum sms_state state,
                  const struct sms_note *note, const char *members) {
        char *text = sms_note_write(state, note->rank, note->ms, "", members);
        json_t *notes = json_object_get(round->memo, "notes");
        int r = text ? 0 : -ENOMEM;

        if (r == 0 && (size_t) k < json_array_size(notes))
                r = json_array_set_new(notes, (size_t) k, json_string(text));
        else if (r == 0)
                r = json_array_append_new(notes, json_string(text));
        if (r < 0) {
                free(text);
                return -ENOMEM;
        }
        return round_put_note(round, put, k, text, false);
}

/* -- providers that cannot be asked -- */

static int tell_later(struct round *round, int64_t k, const struct sms_note *note) {
        struct buf sample freed_by(buf_done) = { 0 };
        char batch[24], count[24];

        (void) snprintf(batch, sizeof(batch), "%lld", (long long) k + 1);
        (void) snprintf(count, sizeof(count), "%zu", note->n);
        round_sample(round, note->members, &sample);
        return round_set(round->head, "tell",
                         json_pack("{s:I, s:s, s:s, s:s}", "k", (json_int_t) k, "batch", batch, "count", count,
                                   "numbers", buf_text(&sample)));
}

/* It stands in the head until the memo, which is kept together with the verdict, says that it was told: who
 * dies in between tells it again. */
static int tell(struct round *round, const json_t *told) {
        bool repeat = round->options->in_doubt == SMS_REPEAT;

        if (round_set(round->memo, "told", json_integer(round_number(told, "k"))) < 0)
                return -ENOMEM;
        return step_verdict(round->ret, VERDICT_ASK, "sms/doubt", round->delivery->now_ms,
                            repeat ? MESSAGE_SMS_DOUBT_REPEATED : MESSAGE_SMS_DOUBT_SKIPPED, "batch",
                            round_text(told, "batch"), "count", round_text(told, "count"), "numbers",
                            round_text(told, "numbers"), "carrier", round->provider->name, NULL);
}

/* 1 with a verdict, or 0. */
static int tell_anew(struct round *round) {
        const json_t *untold = json_object_get(round->head, "tell"), *told = json_object_get(round->memo, "told");

        if (untold && !(told && json_integer_value(told) == round_number(untold, "k")))
                return tell(round, untold) < 0 ? -ENOMEM : 1;
        (void) json_object_del(round->head, "tell");
        return 0;
}

static int settle(struct round *round, json_t *put, int64_t k, const struct sms_note *note) {
        char members_of_none[] = "";
        int r;

        if (!may_have_left(round, k, note))
                return change(round, put, k, SMS_FREE, note, members_of_none);
        r = tell_later(round, k, note);
        /* Where one request was not answered the next may not be either: one number goes ahead. */
        r |= round_set(round->head, "limit", json_integer(1));
        if (round->options->in_doubt == SMS_REPEAT)
                r |= round_set(round->head, "repeats", json_true());
        if (round->options->in_doubt == SMS_REPEAT)
                return r < 0 ? -ENOMEM : change(round, put, k, SMS_FREE, note, members_of_none);
        r |= round_add(round->head, "doubt", (int64_t) note->n);
        return r < 0 ? -ENOMEM : change(round, put, k, SMS_DOUBTFUL, note, note->members);
}

/* -- a provider that can: number by number -- */

static int ask_one(struct round *round) {
        const char *members = round_text(round->memo, "members");
        int64_t ms = round_number(round->memo, "ms"), late = round->delivery->late_effect_ms;
        size_t n = strlen(members) / SMS_HASH;
        char number[SMS_NUMBER], day[9];

        for (;;) {
                size_t i = (size_t) round_number(round->memo, "i");
                const char *hash = members + i * SMS_HASH;
                struct buf lost freed_by(buf_done) = { 0 };
                int r;

                if (i >= n)
                        return 0;
                if (round->delivery->now_ms - ms < known_ms &&
                    sms_account_number(round->delivery->account, hash, number))
                        break;
                /* Not on the lists any more, or too old: it cannot be asked about, nor is it sent to again. */
                buf_str(&lost, round_text(round->memo, "lost"));
                buf_add(&lost, hash, SMS_HASH);
                r = lost.error | round_set(round->memo, "lost", json_string(buf_text(&lost)));
                r |= round_set(round->memo, "i", json_integer((json_int_t) i + 1));
                if (r < 0)
                        return -ENOMEM;
        }
        /* Sent just before midnight, it may be on the books of the next day. */
        sms_day(round_number(round->memo, "second_day") ? ms + late : ms, day);
        if (round_set(round->memo, "stage", json_string("ask")) < 0)
                return -ENOMEM;
        return round->provider->ask(round->delivery, number, day, (unsigned) round_number(round->memo, "page"),
                                    round->ret) < 0
                       ? -ENOMEM
                       : 1;
}

/* All are asked, or all up to one that got no answer: found is sent; lost is in doubt; the others are
 * free once they can come no more. What is left is asked about when the next attempt begins. */
static int settle_asked(struct round *round) {
        const char *rest = round_text(round->memo, "members") + round_number(round->memo, "i") * SMS_HASH;
        const char *found = round_text(round->memo, "found"), *missing = round_text(round->memo, "missing");
        const char *lost = round_text(round->memo, "lost");
        int64_t k = round_number(round->memo, "k"), n = round_number(round->head, "n");
        json_t *put freed_by(json_decrefp) = json_object();
        int64_t at = round_number(round->memo, "ms") + round->delivery->late_effect_ms;
        bool wait = *missing && round->delivery->now_ms < at;
        struct buf left freed_by(buf_done) = { 0 };
        struct sms_note note;
        int r = put ? 0 : -ENOMEM;

        if (!note_of(round, k, &note))
                return 0;
        note.members = NULL; /* the text that it is in is replaced below */
        buf_fmt(&left, "%s%s", wait ? missing : "", rest);
        r |= left.error;
        if (wait)
                r |= round_set(round->memo, "not_yet", json_integer(at));
        r |= round_add(round->head, "sent", (int64_t) (strlen(found) / SMS_HASH));
        r |= round_add(round->head, "doubt", (int64_t) (strlen(lost) / SMS_HASH));
        if (*found && left.len > 0)
                r |= change(round, put, n++, SMS_SENT, &note, found);
        if (*lost)
                r |= change(round, put, n++, SMS_DOUBTFUL, &note, lost);
        r |= left.len > 0 ? change(round, put, k, SMS_CLAIMED, &note, buf_text(&left))
             : *found     ? change(round, put, k, SMS_SENT, &note, found)
                          : change(round, put, k, SMS_FREE, &note, "");
        r |= round_set(round->head, "n", json_integer(n));
        if (r < 0)
                return -ENOMEM;
        return round_book(round, "fix", give_away(put), NULL, NULL) < 0 ? -ENOMEM : 1;
}

static int begin_asking(struct round *round, int64_t k, const struct sms_note *note) {
        int r = round_set(round->memo, "k", json_integer(k));

        r |= round_set(round->memo, "ms", json_integer(note->ms));
        r |= round_set(round->memo, "members", json_string(note->members));
        r |= round_set(round->memo, "i", json_integer(0));
        r |= round_set(round->memo, "page", json_integer(1));
        r |= round_set(round->memo, "second_day", json_integer(0));
        r |= round_set(round->memo, "found", json_string(""));
        r |= round_set(round->memo, "missing", json_string(""));
        r |= round_set(round->memo, "lost", json_string(""));
        if (r < 0)
                return -ENOMEM;
        r = ask_one(round);
        return r != 0 ? r : settle_asked(round);
}

int doubt_begin(struct round *round) {
        json_t *put freed_by(json_decrefp) = json_object();
        int64_t n = round_number(round->head, "n");
        struct sms_note note;
        int r = put ? tell_anew(round) : -ENOMEM;

        if (r != 0)
                return r;
        for (int64_t k = 0; k < n && r == 0; k++) {
                if (!note_of(round, k, &note) || note.state != SMS_CLAIMED)
                        continue;
                if (round->provider->ask && may_have_left(round, k, &note)) {
                        if (json_object_size(put) == 0)
                                return begin_asking(round, k, &note);
                        break; /* first what needs no asking */
                }
                r = settle(round, put, k, &note);
                if (json_object_get(round->head, "tell") || json_object_size(put) >= MOST_PUT)
                        break; /* what is in doubt one at a time, each with a sentence of its own */
        }
        if (r < 0 || json_object_size(put) == 0)
                return r;
        return round_book(round, "fix", give_away(put), NULL, NULL) < 0 ? -ENOMEM : 1;
}

/* -- replies -- */

static int keep_answer(struct round *round, const char *key) {
        const char *members = round_text(round->memo, "members");
        size_t i = (size_t) round_number(round->memo, "i");
        struct buf list freed_by(buf_done) = { 0 };
        int r;

        buf_str(&list, round_text(round->memo, key));
        buf_add(&list, members + i * SMS_HASH, SMS_HASH);
        r = list.error | round_set(round->memo, key, json_string(buf_text(&list)));
        r |= round_set(round->memo, "i", json_integer((json_int_t) i + 1));
        r |= round_set(round->memo, "page", json_integer(1));
        r |= round_set(round->memo, "second_day", json_integer(0));
        return r < 0 ? -ENOMEM : 0;
}

/* A question that got no answer ends the attempt, but what is known by then is kept. That the
 * question is refused says nothing of the notice: somebody has to look. */
static int no_answer(struct round *round, const struct sms_answer *answer) {
        enum sms_class class = answer->class == SMS_UNSURE  ? SMS_BUSY
                               : answer->class == SMS_CONTENT || answer->class == SMS_SPLIT ? SMS_ODD
                                                                                            : answer->class;
        int r = round_set(round->memo, "then", json_pack("{s:i, s:I, s:s}", "class", (int) class, "at",
                                                         (json_int_t) answer->at_ms, "words",
                                                         buf_text(&answer->words)));

        if (r < 0)
                return -ENOMEM;
        r = settle_asked(round);
        return r < 0 ? r : r > 0 ? 0 : sms_verdict(round->provider, class, answer->at_ms, buf_text(&answer->words), round->ret);
}

static bool has_second_day(const struct round *round) {
        int64_t ms = round_number(round->memo, "ms");
        char one[9], other[9];

        sms_day(ms, one);
        sms_day(ms + round->delivery->late_effect_ms, other);
        return strcmp(one, other) != 0;
}

int doubt_next_ask(struct round *round, const struct http_reply *reply) {
        struct sms_answer answer freed_by(sms_answer_done) = { 0 };
        unsigned page = (unsigned) round_number(round->memo, "page");
        bool found = false, more = false;
        char id[64];
        int r;

        sms_book_name(round->delivery, round_number(round->memo, "k"), id);
        round->provider->judge_ask(round->delivery, reply, id, page, &found, &more, &answer);
        if (answer.class == SMS_RECIPIENT) /* no such number, but it was on the lists when it was sent to */
                r = keep_answer(round, "lost");
        else if (answer.class != SMS_OK)
                return no_answer(round, &answer);
        else if (found)
                r = keep_answer(round, "found");
        else if (more)
                r = round_set(round->memo, "page", json_integer(page + 1));
        else if (has_second_day(round) && !round_number(round->memo, "second_day"))
                r = round_set(round->memo, "page", json_integer(1)) |
                    round_set(round->memo, "second_day", json_integer(1));
        else
                r = keep_answer(round, "missing");
        if (r == 0)
                r = ask_one(round);
        if (r == 0)
                r = settle_asked(round);
        return r < 0 ? r : round_keep(round);
}

int doubt_next_fix(struct round *round) {
        const json_t *untold = json_object_get(round->head, "tell"), *then = json_object_get(round->memo, "then");
        int64_t at = round_number(round->memo, "not_yet");
        char batch[24], count[24], minute[MOMENT_TEXT];

        if (untold)
                return tell(round, untold);
        if (then)
                return sms_verdict(round->provider, (enum sms_class) round_number(then, "class"),
                                   round_number(then, "at"), round_text(then, "words"), round->ret);
        if (at == 0)
                return round_load(round);
        (void) snprintf(batch, sizeof(batch), "%lld", (long long) round_number(round->memo, "k") + 1);
        (void) snprintf(count, sizeof(count), "%zu", strlen(round_text(round->memo, "missing")) / SMS_HASH);
        return step_verdict(round->ret, VERDICT_ASK, "sms/not-yet", at, MESSAGE_SMS_NOT_YET, "batch", batch,
                            "count", count, "at", moment_write_minute(at, minute), NULL);
}
