/* A delivery, step by step. */
#include "channels/weibo/weibo.h"

#include <errno.h>
#include <string.h>

#include "channels/secret.h"
#include "core/memory.h"
#include "core/moment.h"

/* Weibo has taken it (20032, or 20019 after a try without an answer): it is looked for so long
 * before it is posted again. */
enum { LATE_MS = 3600000, LOOK_LEAST_MS = 1000 };

/* -- what the steps share -- */

/* The memo goes along. */
static int with_memo(json_t *memo, int error, struct step *ret) {
        ret->memo = json_incref(memo);
        return error;
}

/* A verdict with a moment in its sentence. */
static int wait_until(const struct delivery *delivery, json_t *memo, enum verdict_kind kind,
                      const char *code, enum message message, int64_t at_ms, struct step *ret) {
        char until[MOMENT_TEXT];
        int r = step_verdict(ret, kind, code, at_ms, message, "until",
                             moment_write_minute(at_ms, until), "channel", delivery->channel, NULL);

        return with_memo(memo, r, ret);
}

static int trouble(const struct delivery *delivery, json_t *memo, const struct http_reply *reply,
                   const struct weibo_answer *answer, bool posts, struct step *ret) {
        return with_memo(memo, weibo_trouble(delivery, reply, answer, posts, ret), ret);
}

/* The request that a step of `what` makes, with the memo on disk before it where it changes
 * anything. */
static int go(const struct delivery *delivery, json_t *memo, const char *what, struct step *ret) {
        char *token = weibo_token(delivery->secret);
        bool looks = strcmp(what, "look") == 0;
        int r;

        if (json_object_set_new(memo, "do", json_string(what)) < 0)
                r = -ENOMEM;
        else if (!token)
                r = step_verdict(ret, VERDICT_BLOCKED, "weibo/login", 0, MESSAGE_WEIBO_NO_TOKEN,
                                 "channel", delivery->channel, NULL);
        else if (looks)
                r = weibo_timeline(delivery, token, (unsigned) weibo_memo_number(memo, "page"),
                                   ret);
        else if (strcmp(what, "share") == 0)
                r = weibo_share(delivery, token, weibo_memo_text(memo, "text"), ret);
        else
                r = weibo_destroy(
                        delivery, token,
                        json_string_value(json_array_get(json_object_get(memo, "old"), 0)), ret);
        secret_part_free(token);
        ret->checkpoint = ret->kind == STEP_HTTP && !looks;
        return with_memo(memo, r, ret);
}

/* The book: what was last sent of a document, whichever revision it was. `what`: recall, note (before
 * it is posted), late, posted (and known), forget (all is gone). */
static int go_book(const struct delivery *delivery, json_t *memo, const char *what,
                   struct step *ret) {
        char name[WEIBO_NOTE];

        *ret = (struct step) { .kind = STEP_BOOK, .memo = json_incref(memo) };
        weibo_note_name(delivery, name);
        if (strcmp(what, "recall") == 0)
                ret->book.get = json_pack("[s]", name);
        else if (strcmp(what, "forget") == 0)
                ret->book.put = json_pack("{s:n}", name);
        else
                ret->book.put = json_pack("{s:o}", name, weibo_note(delivery, memo));
        return (ret->book.get || ret->book.put) &&
                               json_object_set_new(memo, "do", json_string(what)) == 0
                       ? 0
                       : -ENOMEM;
}

static int look(const struct delivery *delivery, json_t *memo, struct step *ret) {
        int64_t page = weibo_memo_number(memo, "page") + 1;

        return json_object_set_new(memo, "page", json_integer(page)) < 0
                       ? -ENOMEM
                       : go(delivery, memo, "look", ret);
}

/* Until when what Weibo says that it has is looked for, and not posted again; 0: there is nothing.
 */
static int64_t late_ms(const json_t *memo) {
        const json_t *older = json_object_get(memo, "older");

        if (json_is_true(json_object_get(memo, "late")))
                return weibo_memo_number(memo, "at") + LATE_MS;
        return json_is_true(json_object_get(older, "late"))
                       ? weibo_memo_number(older, "at") + LATE_MS
                       : 0;
}

/* Whether something may have been posted of which we do not know. */
static bool is_in_doubt(const struct delivery *delivery, const json_t *memo) {
        return delivery->doubt || late_ms(memo) > 0 || json_object_get(memo, "older");
}

/* When to look for what Weibo has taken and does not show yet. */
static int64_t next_look_ms(const struct delivery *delivery) {
        const struct weibo_options *options = delivery->options;

        return delivery->now_ms +
               (options->appears_ms > LOOK_LEAST_MS ? options->appears_ms : LOOK_LEAST_MS);
}

/* An effect of what was sent before can still come until then. */
static int64_t settled_ms(const struct delivery *delivery, const json_t *memo) {
        const struct weibo_options *options = delivery->options;
        int64_t wait_ms = options->appears_ms > delivery->late_effect_ms ? options->appears_ms
                                                                         : delivery->late_effect_ms;
        int64_t sent_ms = weibo_memo_number(json_object_get(memo, "older"), "at");

        if (delivery->doubt && delivery->doubt_since_ms > sent_ms)
                sent_ms = delivery->doubt_since_ms;
        return sent_ms > 0 ? sent_ms + wait_ms : 0;
}

/* What is posted is noted, what is old goes, one by one; then it is done. */
static int finish(const struct delivery *delivery, json_t *memo, struct step *ret) {
        bool publishes = delivery->kind == DELIVER_PUBLISH;

        if (publishes && weibo_memo_number(memo, "at") > 0 && !json_object_get(memo, "noted"))
                return go_book(delivery, memo, "posted", ret);
        if (json_array_size(json_object_get(memo, "old")) > 0)
                return go(delivery, memo, "destroy", ret);
        if (publishes && json_object_get(memo, "owes"))
                return go_book(delivery, memo, "posted", ret);
        if (publishes)
                return step_done_verdict(ret, weibo_memo_text(memo, "id"),
                                         weibo_memo_text(memo, "url"));
        if (json_object_get(memo, "older"))
                return look(delivery, memo, ret);
        return go_book(delivery, memo, "forget", ret);
}

/* -- publish -- */

static int share(const struct delivery *delivery, json_t *memo, struct step *ret) {
        const struct weibo_options *options = delivery->options;

        if (options->on_revise == WEIBO_KEEP && delivery->reference && !delivery->ended &&
            !strchr(delivery->revision_part, 'r')) {
                json_t *old = json_object_get(memo, "old");

                /* The post that stands leads to the full text, which is the newest. */
                for (size_t i = json_array_size(old); i-- > 0;)
                        if (strcmp(json_string_value(json_array_get(old, i)),
                                   delivery->reference) == 0)
                                (void) json_array_remove(old, i);
                (void) json_object_set_new(memo, "id", json_string(delivery->reference));
                if (delivery->url)
                        (void) json_object_set_new(memo, "url", json_string(delivery->url));
                return finish(delivery, memo, ret);
        }
        if (delivery->now_ms < delivery->settled_ms)
                return wait_until(delivery, memo, VERDICT_ASK, "weibo/older", MESSAGE_WEIBO_OLDER,
                                  delivery->settled_ms, ret);
        (void) json_object_del(memo, "older");
        (void) json_object_del(memo, "late");
        /* The first time that these words may have left counts: a post may be of any of the tries.
         */
        if (weibo_memo_number(memo, "at") == 0)
                (void) json_object_set_new(memo, "at", json_integer(delivery->now_ms));
        return go_book(delivery, memo, "note", ret);
}

/* The account was read to its end, or as far back as it matters. */
static int looked(const struct delivery *delivery, json_t *memo, struct step *ret) {
        int64_t why = weibo_memo_number(memo, "why");
        bool again = json_is_true(json_object_get(memo, "similar"));

        if (weibo_memo_text(memo, "id"))
                return finish(delivery, memo, ret);
        if (delivery->now_ms < late_ms(memo))
                return wait_until(delivery, memo, VERDICT_ASK, "weibo/late", MESSAGE_WEIBO_LATE,
                                  next_look_ms(delivery), ret);
        if (delivery->now_ms < settled_ms(delivery, memo))
                return wait_until(delivery, memo, VERDICT_ASK, "weibo/not-yet",
                                  MESSAGE_WEIBO_NOT_YET, settled_ms(delivery, memo), ret);
        if (!why)
                return share(delivery, memo, ret);
        if (why == 20017)
                (void) json_object_set_new(memo, "similar", json_true());
        return with_memo(
                memo,
                weibo_refusal(delivery, (long) why, weibo_memo_text(memo, "says"), again, ret),
                ret);
}

static int bad_address(const struct delivery *delivery, struct step *ret) {
        const struct weibo_options *options = delivery->options;
        const char *url = delivery->after_url;

        if (!url || !weibo_url_is_sound(url))
                return step_verdict(ret, VERDICT_REFUSED, "weibo/no-address", 0,
                                    MESSAGE_WEIBO_NO_URL, NULL);
        return step_verdict(ret, VERDICT_BLOCKED, "weibo/domain", 0, MESSAGE_WEIBO_OTHER_DOMAIN,
                            "url", url, "domain", options->safe_domain, NULL);
}

static int publish(const struct delivery *delivery, json_t *memo, struct step *ret) {
        const struct weibo_options *options = delivery->options;
        const char *url = delivery->after_url;
        char *text freed_by(freep) = NULL;

        /* It is posted, and only what is old is left; in doubt, what stands may stand twice. */
        if (weibo_memo_text(memo, "id") && !(is_in_doubt(delivery, memo) && delivery->shown))
                return finish(delivery, memo, ret);
        if (!weibo_memo_text(memo, "text")) {
                if (!url || !weibo_url_is_sound(url) ||
                    !weibo_url_is_under(url, options->safe_domain))
                        return weibo_memo_text(memo, "id") ? finish(delivery, memo, ret)
                                                           : bad_address(delivery, ret);
                text = weibo_text(json_object_get(delivery->event, "data"), url, delivery->ended);
                if (!text || json_object_set_new(memo, "text", json_string(text)) < 0)
                        return -ENOMEM;
                weibo_memo_merge(memo);
        }
        return is_in_doubt(delivery, memo) ? look(delivery, memo, ret) : share(delivery, memo, ret);
}

static int on_share(const struct delivery *delivery, json_t *memo, const struct http_reply *reply,
                    const struct weibo_answer *answer, struct step *ret) {
        struct weibo_answer odd = { .meaning = WEIBO_TROUBLE };
        char id[WEIBO_ID];
        char *url;

        switch (answer->meaning) {
        case WEIBO_SAME:
        case WEIBO_SIMILAR:
                (void) json_object_set_new(memo, "why", json_integer(answer->code));
                (void) json_object_set_new(memo, "says",
                                           json_string(answer->error ? answer->error : ""));
                (void) json_object_del(memo, "page");
                /* The try without an answer went through. */
                if (answer->meaning == WEIBO_SAME && delivery->doubt)
                        (void) json_object_set_new(memo, "late", json_true());
                return look(delivery, memo, ret);
        case WEIBO_LATE:
                (void) json_object_set_new(memo, "late", json_true());
                return go_book(delivery, memo, "late", ret);
        case WEIBO_FINE:
                if (!weibo_id(answer->json, id)) /* it says that all is well, and nothing more */
                        return trouble(delivery, memo, reply, &odd, true, ret);
                (void) json_object_set_new(memo, "id", json_string(id));
                url = weibo_post_url(answer->json);
                if (url)
                        (void) json_object_set_new(memo, "url", json_string(url));
                free(url);
                return finish(delivery, memo, ret);
        case WEIBO_GONE:
        case WEIBO_TROUBLE:
                break;
        }
        return trouble(delivery, memo, reply, answer, true, ret);
}

/* -- what publishing and taking down need -- */

static int on_destroy(const struct delivery *delivery, json_t *memo, const struct http_reply *reply,
                      const struct weibo_answer *answer, struct step *ret) {
        if (answer->meaning != WEIBO_FINE && answer->meaning != WEIBO_GONE)
                return trouble(delivery, memo, reply, answer, false, ret);
        (void) json_array_remove(json_object_get(memo, "old"), 0);
        return finish(delivery, memo, ret);
}

static int on_look(const struct delivery *delivery, json_t *memo, const struct http_reply *reply,
                   const struct weibo_answer *answer, struct step *ret) {
        const json_t *statuses = json_object_get(answer->json, "statuses");
        struct weibo_answer odd = { .meaning = WEIBO_TROUBLE };
        int64_t again_ms = settled_ms(delivery, memo);

        if (answer->meaning != WEIBO_FINE)
                return trouble(delivery, memo, reply, answer, false, ret);
        if (!json_is_array(statuses))
                return trouble(delivery, memo, reply, &odd, false, ret);
        if (weibo_memo_scan(memo, delivery, statuses))
                return look(delivery, memo, ret);
        if (delivery->kind == DELIVER_PUBLISH)
                return looked(delivery, memo, ret);
        if (delivery->now_ms < late_ms(memo) && again_ms < next_look_ms(delivery))
                again_ms = next_look_ms(delivery);
        /* What is known is gone by now. */
        if (json_object_get(memo, "older") && delivery->now_ms < again_ms)
                return wait_until(delivery, memo, VERDICT_ASK, "weibo/not-yet", MESSAGE_WEIBO_STILL,
                                  again_ms, ret);
        (void) json_object_del(memo, "older");
        return finish(delivery, memo, ret);
}

static int deliver(const struct delivery *delivery, json_t *memo, struct step *ret) {
        return delivery->kind == DELIVER_PUBLISH ? publish(delivery, memo, ret)
                                                 : finish(delivery, memo, ret);
}

/* -- the book -- */

static int on_book(const struct delivery *delivery, json_t *memo, const char *what,
                   const struct book_reply *reply, struct step *ret) {
        char name[WEIBO_NOTE];

        if (reply->error)
                return with_memo(memo,
                                 step_verdict(ret, VERDICT_LATER, "weibo/book", 0,
                                              MESSAGE_WEIBO_BOOK, "reason", reply->error, NULL),
                                 ret);
        if (strcmp(what, "note") == 0)
                return go(delivery, memo, "share", ret);
        if (strcmp(what, "late") == 0)
                return wait_until(delivery, memo, VERDICT_ASK, "weibo/late", MESSAGE_WEIBO_LATE,
                                  next_look_ms(delivery), ret);
        if (strcmp(what, "forget") == 0)
                return step_done_verdict(ret, NULL, NULL);
        if (strcmp(what, "posted") == 0)
                return json_object_set_new(memo, "noted", json_true()) < 0
                               ? -ENOMEM
                               : finish(delivery, memo, ret);
        weibo_note_name(delivery, name);
        weibo_memo_recall(memo, weibo_memo_text(reply->values, name));
        return deliver(delivery, memo, ret);
}

/* -- the driver -- */

static int test(const struct delivery *delivery, struct step *ret) {
        char *token = weibo_token(delivery->secret);
        int r = token ? weibo_token_info(delivery, token, ret)
                      : step_verdict(ret, VERDICT_BLOCKED, "weibo/login", 0, MESSAGE_WEIBO_NO_TOKEN,
                                     "channel", delivery->channel, NULL);

        secret_part_free(token);
        return r;
}

int weibo_begin(const struct delivery *delivery, struct step *ret) {
        json_t *memo freed_by(json_decrefp) = NULL;
        const char *what;

        if (delivery->kind == DELIVER_SETUP)
                return step_done_verdict(ret, NULL, NULL);
        if (delivery->kind == DELIVER_TEST)
                return test(delivery, ret);
        memo = weibo_memo_open(delivery);
        if (!memo)
                return -ENOMEM;
        what = weibo_memo_text(memo, "do");
        return what && strcmp(what, "recall") != 0 ? deliver(delivery, memo, ret)
                                                   : go_book(delivery, memo, "recall", ret);
}

int weibo_next(const struct delivery *delivery, const struct reply *reply, struct step *ret) {
        json_t *memo freed_by(json_decrefp) = NULL;
        struct weibo_answer answer freed_by(weibo_answer_done) = { 0 };
        const char *what;

        if (delivery->kind == DELIVER_TEST)
                return weibo_judge_token(delivery, &reply->http, ret);
        memo = json_deep_copy(delivery->memo);
        if (!memo)
                return -ENOMEM;
        what = weibo_memo_text(memo, "do");
        what = what ? what : "";
        if (reply->kind == STEP_BOOK)
                return on_book(delivery, memo, what, &reply->book, ret);
        weibo_read(&reply->http, &answer);
        if (strcmp(what, "share") == 0)
                return on_share(delivery, memo, &reply->http, &answer, ret);
        if (strcmp(what, "destroy") == 0)
                return on_destroy(delivery, memo, &reply->http, &answer, ret);
        return on_look(delivery, memo, &reply->http, &answer, ret);
}
