#include "channels/sms/round.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "channels/secret.h"
#include "core/memory.h"
#include "core/moment.h"

enum { NAMES = 63, KEY_LEAST = 16, STORE_MS = 5000 };

/* -- the memo -- */

int64_t round_number(const json_t *object, const char *key) {
        return json_integer_value(json_object_get(object, key));
}

const char *round_text(const json_t *object, const char *key) {
        const char *text = json_string_value(json_object_get(object, key));

        return text ? text : "";
}

int round_set(json_t *object, const char *key, json_t *value) {
        return json_object_set_new(object, key, value) < 0 ? -ENOMEM : 0;
}

int round_add(json_t *object, const char *key, int64_t more) {
        return round_set(object, key, json_integer(round_number(object, key) + more));
}

static void rank_write(struct sms_rank rank, char ret[static 40]) {
        (void) snprintf(ret, 40, "%lld.%u", (long long) rank.revision, rank.level);
}

static struct sms_rank rank_read(const char *text) {
        struct sms_rank rank = { 0 };
        long long revision;

        if (sscanf(text, "%lld.%u", &revision, &rank.level) == 2)
                rank.revision = revision;
        return rank;
}

/* A copy of what the steps before left; of an earlier attempt, only what was last about to leave. */
static int round_init(struct round *round, const struct delivery *delivery,
                      const struct sms_provider *provider, bool anew, struct step *ret) {
        json_t *sent = NULL, *told = NULL;
        char rank[40];
        int r = 0;

        *round = (struct round) { .delivery = delivery, .options = delivery->options, .provider = provider,
                                  .rank = { delivery->revision, delivery->level }, .ret = ret };
        rank_write(round->rank, rank);
        *ret = (struct step) { .kind = STEP_VERDICT };
        if (strcmp(round_text(delivery->memo, "rank"), rank) == 0) {
                sent = json_object_get(delivery->memo, "sent");
                told = json_object_get(delivery->memo, "told");
        }
        round->memo = anew ? json_object() : json_copy((json_t *) delivery->memo);
        r |= round_set(round->memo, "rank", json_string(rank));
        if (sent)
                r |= round_set(round->memo, "sent", json_incref(sent));
        if (told)
                r |= round_set(round->memo, "told", json_incref(told));
        if (anew)
                r |= round_set(round->memo, "since", json_integer(delivery->now_ms)) |
                     round_set(round->memo, "head", json_object()) |
                     round_set(round->memo, "notes", json_array());
        else
                r |= round_set(round->memo, "head", json_deep_copy(json_object_get(round->memo, "head")));
        if (json_object_get(round->memo, "notes"))
                r |= round_set(round->memo, "notes", json_copy(json_object_get(round->memo, "notes")));
        round->head = json_object_get(round->memo, "head");
        return r < 0 ? -ENOMEM : 0;
}

static void round_release(struct round *round) {
        json_decref(round->memo);
}

/* With a verdict only what was last about to leave goes, and what was told. */
int round_keep(struct round *round) {
        json_t *sent = json_object_get(round->memo, "sent"), *told = json_object_get(round->memo, "told");

        if (round->ret->kind != STEP_VERDICT) {
                round->ret->memo = json_incref(round->memo);
                return 0;
        }
        round->ret->memo = json_object();
        if (!round->ret->memo ||
            round_set(round->ret->memo, "rank", json_incref(json_object_get(round->memo, "rank"))) < 0 ||
            (sent && round_set(round->ret->memo, "sent", json_incref(sent)) < 0) ||
            (told && round_set(round->ret->memo, "told", json_incref(told)) < 0))
                return -ENOMEM;
        return 0;
}

void round_sample(const struct round *round, const char *members, struct buf *ret) {
        char number[SMS_NUMBER];
        unsigned told = 0;

        for (const char *at = members; *at && told < 3; at += SMS_HASH) {
                if (!sms_account_number(round->delivery->account, at, number))
                        continue;
                buf_str(ret, told++ > 0 ? "、" : "");
                sms_number_mask(number, ret);
        }
        if (strlen(members) > (size_t) told * SMS_HASH)
                buf_str(ret, "……");
}

/* -- the book -- */

int round_put_note(struct round *round, json_t *put, int64_t k, char *text, bool fresh) {
        char name[64];
        json_t *note;

        sms_book_name(round->delivery, k, name);
        note = text ? json_pack("{s:s, s:I}", "value", text, "ms", (json_int_t) round->options->keep_ms) : NULL;
        free(text);
        if (note && fresh && round_set(note, "new", json_true()) < 0) {
                json_decref(note);
                return -ENOMEM;
        }
        return round_set(put, name, note);
}

int round_book(struct round *round, const char *stage, json_t *put, json_t *spend, json_t *get) {
        char *head freed_by(freep) = put ? json_dumps(round->head, JSON_COMPACT) : NULL;
        char name[64];
        int r = 0;

        *round->ret = (struct step) { .kind = STEP_BOOK };
        round->ret->book = (struct book) { .get = get, .put = put, .spend = spend };
        sms_book_name(round->delivery, -1, name);
        if (put)
                r = head ? round_set(put, name, json_pack("{s:s}", "value", head)) : -ENOMEM;
        return r | round_set(round->memo, "stage", json_string(stage));
}

int round_store_failed(struct round *round, const char *error, enum verdict_kind kind) {
        return step_verdict(round->ret, kind, "sms/store", round->delivery->now_ms + STORE_MS, MESSAGE_SMS_STORE,
                            "reason", error, NULL);
}

/* -- verdicts -- */

void sms_answer_done(struct sms_answer *answer) {
        buf_done(&answer->words);
}

int sms_verdict(const struct sms_provider *provider, enum sms_class class, int64_t at_ms,
                const char *words, struct step *ret) {
        static const struct {
                enum verdict_kind kind;
                const char *code;
                enum message message;
        } rows[] = {
                [SMS_OK] = { VERDICT_BLOCKED, "sms/odd", MESSAGE_SMS_ODD },
                [SMS_WAIT] = { VERDICT_WAIT, "sms/quota", MESSAGE_SMS_QUOTA },
                [SMS_BUSY] = { VERDICT_LATER, "sms/busy", MESSAGE_SMS_BUSY },
                [SMS_UNREACHABLE] = { VERDICT_LATER, "sms/unreachable", MESSAGE_SMS_UNREACHABLE },
                [SMS_UNSURE] = { VERDICT_UNCERTAIN, "sms/unclear", MESSAGE_SMS_BUSY },
                [SMS_CONTENT] = { VERDICT_REFUSED, "sms/content", MESSAGE_SMS_CONTENT },
                [SMS_RECIPIENT] = { VERDICT_REFUSED, "sms/content", MESSAGE_SMS_CONTENT },
                [SMS_SPLIT] = { VERDICT_REFUSED, "sms/content", MESSAGE_SMS_CONTENT },
                [SMS_LOGIN] = { VERDICT_BLOCKED, "sms/login", MESSAGE_SMS_LOGIN },
                [SMS_RESIGN] = { VERDICT_BLOCKED, "sms/clock", MESSAGE_SMS_CLOCK },
                [SMS_ODD] = { VERDICT_BLOCKED, "sms/odd", MESSAGE_SMS_ODD },
                [SMS_REPEATED] = { VERDICT_REFUSED, "sms/content", MESSAGE_SMS_CONTENT },
        };
        char *none freed_by(freep) = say(MESSAGE_SMS_NO_WORDS, NULL);
        char minute[MOMENT_TEXT];

        return step_verdict(ret, rows[class].kind, rows[class].code, at_ms, rows[class].message, "carrier",
                            provider->name, "words", *words ? words : none ? none : "", "at",
                            moment_write_minute(at_ms, minute), NULL);
}

int round_done(struct round *round) {
        struct buf reference freed_by(buf_done) = { 0 };
        int64_t bad = round_number(round->delivery->account, "n_bad");

        buf_fmt(&reference, "sent=%lld,failed=%lld,doubt=%lld", (long long) round_number(round->head, "sent"),
                (long long) round_number(round->head, "failed"), (long long) round_number(round->head, "doubt"));
        reports_reference(round, &reference);
        if (bad > 0)
                buf_fmt(&reference, ",bad-lines=%lld", (long long) bad);
        if (step_done_verdict(round->ret, buf_text(&reference), NULL) < 0)
                return -ENOMEM;
        if (round_number(round->head, "reports_ms") > round->delivery->now_ms)
                round->ret->verdict.at_ms = round_number(round->head, "reports_ms");
        if (!json_object_get(round->memo, "counted"))
                return 0;
        round->ret->verdict.sentence = reports_sentence(round);
        return round->ret->verdict.sentence ? 0 : -ENOMEM;
}

/* -- load: how far are we? -- */

int round_load(struct round *round) {
        size_t from = json_array_size(json_object_get(round->memo, "notes"));
        bool known = json_object_get(round->memo, "loading") != NULL;
        json_t *get freed_by(json_decrefp) = json_array();
        char name[64];
        int r = get ? 0 : -ENOMEM;

        if (!known) {
                from = 0;
                r |= round_set(round->memo, "notes", json_array());
        }
        r |= round_set(round->memo, "loading", json_true());
        sms_book_name(round->delivery, -1, name);
        r |= json_array_append_new(get, json_string(name));
        for (size_t k = from; k < from + NAMES; k++) {
                sms_book_name(round->delivery, (int64_t) k, name);
                r |= json_array_append_new(get, json_string(name));
        }
        return r < 0 ? -ENOMEM : round_book(round, "load", NULL, NULL, give_away(get));
}

static bool follows(const struct round *round) {
        return round->delivery->kind == DELIVER_PUBLISH ? round->options->on_revise == SMS_CORRECT
                                                       : round->options->on_withdraw == SMS_CORRECT;
}

/* An erased text is erased here too. */
static bool forgets_title(const struct round *round) {
        return round->delivery->kind == DELIVER_WITHDRAW && *round_text(round->head, "title") &&
               strcmp(round_text(json_object_get(round->delivery->event, "data"), "mode"), "erase") == 0;
}

static int decide(struct round *round) {
        bool publish = round->delivery->kind == DELIVER_PUBLISH;
        bool complete = json_is_true(json_object_get(round->head, "complete"));
        const char *done = round_text(round->head, "done");

        if (forgets_title(round)) {
                (void) json_object_del(round->head, "title");
                return round_book(round, "forget", json_object(), NULL, NULL);
        }
        if (*done && sms_rank_compare(round->rank, rank_read(done)) <= 0)
                return reports_or_done(round);
        if ((publish && complete && !follows(round)) || (!publish && (!follows(round) || round_number(round->head, "n") == 0)))
                return reports_or_done(round);
        *round->ret = (struct step) { .kind = STEP_ACCOUNT };
        round->ret->need.version = round->delivery->account_version;
        return round_set(round->memo, "stage", json_string("list"));
}

/* The notes are what counts: a worker that stood still may have put a head of before over a newer one.
 * Where some have gone with time, what the head says is all there is. */
static int count_notes(struct round *round) {
        const json_t *notes = json_object_get(round->memo, "notes"), *text;
        int64_t sent = 0, failed = 0, doubt = 0;
        struct sms_note note;
        size_t i;
        int r = round_set(round->head, "n", json_integer((json_int_t) json_array_size(notes)));

        json_array_foreach(notes, i, text) {
                if (!sms_note_read(json_string_value(text), &note))
                        return r;
                sent += note.state == SMS_SENT ? (int64_t) note.n : 0;
                failed += note.state == SMS_FAILED ? (int64_t) note.n : 0;
                doubt += note.state == SMS_DOUBTFUL ? (int64_t) note.n : 0;
        }
        r |= round_set(round->head, "sent", json_integer(sent));
        r |= round_set(round->head, "failed", json_integer(failed));
        return r | round_set(round->head, "doubt", json_integer(doubt));
}

static int read_head(struct round *round, const json_t *values) {
        json_t *head;
        char name[64];
        int r;

        sms_book_name(round->delivery, -1, name);
        head = json_loads(round_text(values, name), 0, NULL);
        if (!json_is_object(head)) {
                json_decref(head);
                head = json_object();
        }
        r = round_set(round->memo, "head", head);
        round->head = json_object_get(round->memo, "head");
        return r;
}

static int next_load(struct round *round, const struct book_reply *reply) {
        json_t *notes = json_object_get(round->memo, "notes");
        size_t from = json_array_size(notes), k;
        char name[64];
        int r;

        if (reply->error)
                return round_store_failed(round, reply->error, VERDICT_LATER);
        r = read_head(round, reply->values);
        for (k = from; k < from + NAMES && r == 0; k++) {
                sms_book_name(round->delivery, (int64_t) k, name);
                if (k >= (size_t) round_number(round->head, "n") && !json_object_get(reply->values, name))
                        break;
                r = json_array_append_new(notes, json_string(round_text(reply->values, name)));
        }
        if (r < 0)
                return -ENOMEM;
        if (k == from + NAMES)
                return round_load(round);
        (void) json_object_del(round->memo, "loading");
        return count_notes(round) < 0 ? -ENOMEM : decide(round);
}

/* -- list: who is it for? -- */

static int next_list(struct round *round) {
        const struct delivery *delivery = round->delivery;
        bool fresh = round_number(delivery->account, "at") >= round_number(round->memo, "since") - SMS_FRESH_MS;
        int r;

        if (!sms_account_is_whole(delivery->account) || !fresh) {
                if (round_add(round->memo, "asked", 1) < 0)
                        return -ENOMEM;
                if (round_number(round->memo, "asked") > 4 * SMS_MOST_LISTS)
                        return step_verdict(round->ret, VERDICT_ASK, "sms/elsewhere", delivery->now_ms + STORE_MS,
                                            MESSAGE_SMS_ELSEWHERE, NULL);
                *round->ret = (struct step) { .kind = STEP_ACCOUNT };
                round->ret->need.version = delivery->account_version;
                return 0;
        }
        r = doubt_begin(round);
        if (r != 0)
                return r < 0 ? r : 0;
        r = plan_make(round);
        if (r < 0)
                return r;
        if (json_object_size(json_object_get(delivery->account, "people")) == 0)
                return step_verdict(round->ret, VERDICT_BLOCKED, "sms/nobody", 0, MESSAGE_SMS_NOBODY, NULL);
        return round_claim(round, 0);
}

/* -- the end -- */

int round_finish(struct round *round) {
        bool first = round_number(round->memo, "round") == SMS_FIRST, more;
        int r = 0;

        if (json_is_true(json_object_get(round->memo, "capped")))
                return round_load(round);
        if (json_object_get(round->memo, "postponed"))
                return sms_verdict(round->provider, SMS_WAIT, round_number(round->memo, "postponed"),
                                   round_text(round->memo, "postponed_words"), round->ret);
        more = json_is_true(json_object_get(round->memo, "more"));
        if (first)
                r |= round_set(round->head, "complete", json_true());
        if (!more)
                r |= round_set(round->head, "done", json_incref(json_object_get(round->memo, "rank")));
        if (!more && first && round->provider->reports && round->provider->reports(round->options) &&
            round->options->reports_ms > 0 && round_number(round->head, "sent") > 0)
                r |= round_set(round->head, "reports_ms", json_integer(round->delivery->now_ms + round->options->reports_ms));
        return r < 0 ? -ENOMEM : round_book(round, "finish", json_object(), NULL, NULL);
}

static int next_finish(struct round *round, const struct book_reply *reply) {
        if (reply->error)
                return round_store_failed(round, reply->error, VERDICT_LATER);
        if (json_is_true(json_object_get(round->memo, "more")))
                return round_load(round);
        return round_done(round);
}

/* -- the driver -- */

static int check_key(const struct delivery *delivery, const struct sms_provider *provider, struct step *ret) {
        char *key freed_by(secret_part_freep) = NULL;
        int r = sms_secret(delivery, "hmac_key", &key, ret);

        if (r == 0 && strlen(key) < KEY_LEAST) {
                r = step_verdict(ret, VERDICT_BLOCKED, "sms/secret", 0, MESSAGE_SMS_SHORT_KEY, "part", "hmac_key", NULL);
                return r < 0 ? r : -ENODATA;
        }
        for (size_t i = 0; provider->secrets[i] && r == 0; i++) {
                char *part freed_by(secret_part_freep) = NULL;

                r = sms_secret(delivery, provider->secrets[i], &part, ret);
        }
        return r;
}

int sms_begin(const struct delivery *delivery, const struct sms_provider *provider, struct step *ret) {
        struct round round freed_by(round_release) = { 0 };
        int r;

        /* An end of display takes no message back. */
        if (delivery->kind == DELIVER_SETUP || delivery->kind == DELIVER_EXPIRE ||
            (delivery->kind == DELIVER_PUBLISH && delivery->ended))
                return step_done_verdict(ret, NULL, NULL);
        r = check_key(delivery, provider, ret);
        if (r < 0)
                return r == -ENODATA ? 0 : r;
        if (delivery->kind == DELIVER_TEST)
                return sms_test_begin(delivery, provider, ret);
        r = round_init(&round, delivery, provider, true, ret);
        if (r == 0)
                r = round_load(&round);
        if (r == 0)
                r = round_keep(&round);
        if (r < 0)
                step_done(ret);
        return r;
}

static int next_stage(struct round *round, const struct reply *reply) {
        const char *stage = round_text(round->memo, "stage");

        if (strcmp(stage, "load") == 0)
                return next_load(round, &reply->book);
        if (strcmp(stage, "list") == 0)
                return next_list(round);
        if (strcmp(stage, "ask") == 0)
                return doubt_next_ask(round, &reply->http);
        if (strcmp(stage, "claim") == 0)
                return round_next_claim(round, &reply->book);
        if (strcmp(stage, "send") == 0)
                return round_next_send(round, &reply->http);
        if (strcmp(stage, "record") == 0)
                return round_next_record(round, &reply->book);
        if (strcmp(stage, "finish") == 0)
                return next_finish(round, &reply->book);
        if (strcmp(stage, "reports") == 0)
                return reports_next(round, &reply->book);
        if (reply->book.error) /* fix, forget */
                return round_store_failed(round, reply->book.error, VERDICT_LATER);
        return strcmp(stage, "fix") == 0 ? doubt_next_fix(round) : decide(round);
}

int sms_next(const struct delivery *delivery, const struct sms_provider *provider,
             const struct reply *reply, struct step *ret) {
        struct round round freed_by(round_release) = { 0 };
        int r;

        if (delivery->kind == DELIVER_TEST)
                return sms_test_next(delivery, provider, reply, ret);
        r = round_init(&round, delivery, provider, false, ret);
        if (r == 0)
                r = next_stage(&round, reply);
        if (r < 0) {
                step_done(ret);
                return r;
        }
        return ret->memo ? 0 : round_keep(&round);
}
