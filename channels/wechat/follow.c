/* What became of a draft that was, or may have been, submitted.
 *
 * With its number in hand: what a call told, or else a look now and then, since only a hundred a
 * day are allowed. Without one, its answer was lost, and it is looked for: as long as the draft is
 * in the box it was not published; when it has left the box the article is found among those
 * published, by the mark in its text. A push is simply sent again: its clientmsgid makes that
 * harmless (45065). */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "channels/wechat/wechat.h"
#include "core/memory.h"
#include "core/moment.h"

enum { LOST_MS = 24 * 3600 * 1000, LIST = 20, PAGES = 5 };

static int set(json_t *object, const char *key, json_t *value) {
        return json_object_set_new(object, key, value) < 0 ? -ENOMEM : 0;
}

static json_t *flights_of(const struct work *work) {
        return json_object_get(json_object_get(work->state, "note"), "flights");
}

static bool is_push(const json_t *flight) {
        return strcmp(wechat_text(flight, "way"), "push") == 0;
}

static int drop(struct work *work, const json_t *flight) {
        json_t *flights = flights_of(work), *other;
        size_t i;

        json_array_foreach (flights, i, other)
                if (other == flight) {
                        (void) json_array_remove(flights, i);
                        break;
                }
        return set(work->state, "dirty", json_true());
}

/* When it is looked at next: 1, 3 and 12 times `poll` after it was submitted, and so on by 12. */
static int64_t next_look(const struct work *work, const json_t *flight) {
        int64_t since = wechat_number(flight, "at"), poll = work->options->poll_ms;
        int64_t past = work->delivery->now_ms - since;

        if (past < poll)
                return since + poll;
        if (past < 3 * poll)
                return since + 3 * poll;
        return since + (past / (12 * poll) + 1) * 12 * poll;
}

static int later(struct work *work, enum verdict_kind kind, const char *code, enum message message,
                 int64_t at_ms) {
        char when[MOMENT_TEXT];

        return wechat_verdict(work, kind, code, at_ms, message, "when",
                              moment_write_minute(at_ms, when), NULL);
}

/* It is not over yet: of our own the verdict, of an older one a date to come back. */
static int not_yet(struct work *work, bool own, bool *ret_more, enum message message,
                   int64_t at_ms) {
        int64_t pending = wechat_number(work->state, "pending");

        if (own)
                return later(work, VERDICT_ASK,
                             message == MESSAGE_WECHAT_LOOKING ? "wechat/unclear"
                                                               : "wechat/publishing",
                             message, at_ms);
        *ret_more = true;
        return pending == 0 || at_ms < pending ? set(work->state, "pending", json_integer(at_ms))
                                               : 0;
}

/* -- what a result means -- */

static int end_with(struct work *work, enum verdict_kind kind, enum message message,
                    const char *reason) {
        return set(work->state, "end",
                   json_pack("{s:i, s:i, s:s}", "kind", (int) kind, "message", (int) message,
                             "reason", reason));
}

static int failed(struct work *work, const json_t *flight, bool own, int64_t status,
                  const char *reason) {
        json_t *counts = json_object_get(json_object_get(work->state, "note"), "failed");
        const char *edition = wechat_text(flight, "edition");
        int64_t times = wechat_number(counts, edition);
        enum message message = status == 2   ? MESSAGE_WECHAT_ORIGINAL_FAILED
                               : status == 3 ? MESSAGE_WECHAT_PUBLISH_FAILED
                               : status == 4 ? MESSAGE_WECHAT_REVIEW_REFUSED
                               : status == 5 ? MESSAGE_WECHAT_TAKEN_AWAY
                               : status == 6 ? MESSAGE_WECHAT_BANNED
                                             : MESSAGE_WECHAT_PUSH_FAILED;
        int r = 0;

        (void) json_object_del(work->state, "draft");
        if (status == 3)
                r = set(counts, edition, json_integer(times + 1));
        if (r == 0 && own)
                r = end_with(work, status == 3 && times == 0 ? VERDICT_LATER : VERDICT_REFUSED,
                             message, reason);
        return r < 0 ? r : drop(work, flight);
}

/* 0 done, 1 under way, 2 to 6 as the platform counts them (freepublish_get); 7 a push that failed.
 */
static int result(struct work *work, json_t *flight, bool own, const json_t *told) {
        int64_t status = wechat_number(told, "status");
        char *id freed_by(freep) = wechat_id(told, "article");
        char edition[64];
        int r;

        if (status == 1 || (status == 0 && !id))
                return 0;
        if (status != 0)
                return failed(work, flight, own, status, wechat_text(told, "reason"));
        (void) snprintf(edition, sizeof(edition), "%s", wechat_text(flight, "edition"));
        r = wechat_note_article(work, id, edition, wechat_text(told, "url"));
        return r < 0 ? r : drop(work, flight);
}

/* "told" in the form that callback.c writes down: {"status", "article", "url", "reason"}. */
static json_t *told_publish(const json_t *json) {
        const json_t *items = json_object_get(json_object_get(json, "article_detail"), "item");
        int64_t status =
                json_object_get(json, "publish_status") ? wechat_number(json, "publish_status") : 1;

        return json_pack("{s:I, s:s, s:s, s:s}", "status", (json_int_t) status, "article",
                         wechat_text(json, "article_id"), "url",
                         wechat_text(json_array_get(items, 0), "article_url"), "reason", "");
}

static json_t *told_push(const json_t *json, const char *id) {
        const char *status = wechat_text(json, "msg_status");
        struct buf article freed_by(buf_done) = { 0 };
        int number = strcmp(status, "SEND_SUCCESS") == 0 ? 0
                     : strcmp(status, "SEND_FAIL") == 0  ? 7
                     : strcmp(status, "DELETE") == 0     ? 5
                                                         : 1;

        buf_fmt(&article, "mass:%s", id);
        return json_pack("{s:i, s:s, s:s, s:s}", "status", number, "article", buf_text(&article),
                         "url", "", "reason", status);
}

/* -- with its number -- */

static int look(struct work *work, const json_t *flight) {
        const char *id = wechat_text(flight, "id");
        bool paid = strcmp(wechat_text(work->state, "paid"), id) == 0;

        if (set(work->state, "target", json_string(id)) < 0)
                return -ENOMEM;
        if (is_push(flight))
                return wechat_call(work, "push-looked", "/cgi-bin/message/mass/get",
                                   json_pack("{s:s}", "msg_id", id), CALL_HARMLESS);
        if (!paid)
                return wechat_book(work, "may-look", NULL, NULL, wechat_spend("get", WECHAT_GETS));
        return wechat_call(work, "looked", "/cgi-bin/freepublish/get",
                           json_pack("{s:s}", "publish_id", id), CALL_HARMLESS);
}

static int with_number(struct work *work, json_t *flight, bool own, bool *ret_more) {
        const char *id = wechat_text(flight, "id");
        const json_t *told = json_object_get(json_object_get(work->state, "done"), id);
        bool has_looked = json_object_get(told, "looked") != NULL;
        bool is_hint = json_is_true(json_object_get(told, "hint"));
        int64_t opens = wechat_number(work->state, "opens-get");
        int r;

        if (json_object_size(told) > 0 && !is_hint && !has_looked) {
                size_t before = json_array_size(flights_of(work));

                r = result(work, flight, own, told);
                if (r < 0 || json_array_size(flights_of(work)) < before)
                        return r < 0 ? r : wechat_go(work);
        }
        if (has_looked || opens > 0)
                return not_yet(work, own, ret_more, MESSAGE_WECHAT_PUBLISHING,
                               opens > 0 ? opens : next_look(work, flight));
        if (is_hint ||
            work->delivery->now_ms >= wechat_number(flight, "at") + work->options->poll_ms)
                return look(work, flight);
        return not_yet(work, own, ret_more, MESSAGE_WECHAT_PUBLISHING, next_look(work, flight));
}

static json_t *flight_by(const struct work *work, const char *key, const char *value) {
        json_t *flight;
        size_t i;

        json_array_foreach (flights_of(work), i, flight)
                if (strcmp(wechat_text(flight, key), value) == 0)
                        return flight;
        return NULL;
}

static bool is_own(const struct work *work, const json_t *flight) {
        struct buf edition freed_by(buf_done) = { 0 };

        wechat_edition(work->delivery, &edition);
        return wechat_is_publish(work) &&
               strcmp(wechat_text(flight, "edition"), buf_text(&edition)) == 0;
}

static int have_looked(struct work *work, const struct http_reply *http, bool push) {
        struct answer answer freed_by(wechat_answer_done) = { 0 };
        const char *id = wechat_text(work->state, "target");
        json_t *flight = flight_by(work, "id", id), *done = json_object_get(work->state, "done");
        json_t *told freed_by(json_decrefp) = NULL;
        int r;

        wechat_read(http, false, &answer);
        if (answer.class == CLASS_REFRESH)
                return wechat_refresh(work, &answer);
        if (answer.class != CLASS_OK || !flight)
                return wechat_judge(work, &answer, true, MESSAGE_WECHAT_DO_LOOK);
        told = push ? told_push(answer.json, id) : told_publish(answer.json);
        if (!told || set(done, id, json_pack("{s:b}", "looked", 1)) < 0)
                return -ENOMEM;
        (void) json_object_del(work->state, "refused");
        r = result(work, flight, is_own(work, flight), told);
        return r < 0 ? r : wechat_go(work);
}

/* -- without: the draft box, then the list -- */

static int seen(struct work *work, const struct http_reply *http, bool removed) {
        struct answer answer freed_by(wechat_answer_done) = { 0 };
        json_t *flight = flight_by(work, "media", wechat_text(work->state, "target"));

        wechat_read(http, false, &answer);
        if (answer.class == CLASS_REFRESH)
                return wechat_refresh(work, &answer);
        if ((answer.class != CLASS_OK && answer.class != CLASS_MEDIA) || !flight)
                return wechat_judge(work, &answer, true, MESSAGE_WECHAT_DO_LOOK);
        (void) json_object_del(work->state, "refused");
        if (removed ? set(flight, "binned", json_true()) < 0 ||
                              set(work->state, "dirty", json_true()) < 0
                    : set(work->state, answer.class == CLASS_OK ? "there" : "left", json_true()) <
                              0)
                return -ENOMEM;
        if (removed && answer.class == CLASS_OK && is_push(flight)) /* it was there: never sent */
                if (drop(work, flight) < 0)
                        return -ENOMEM;
        return wechat_go(work);
}

static int list(struct work *work) {
        int64_t page = wechat_number(work->state, "page");

        if (wechat_number(work->state, "paid-page") <= page)
                return wechat_book(work, "may-list", NULL, NULL,
                                   wechat_spend("list", WECHAT_LISTS));
        return wechat_call(work, "listed", "/cgi-bin/freepublish/batchget",
                           json_pack("{s:I, s:i, s:i}", "offset", (json_int_t) (page * LIST),
                                     "count", LIST, "no_content", 0),
                           CALL_HARMLESS);
}

/* At the second look, and before all is taken down. */
static bool looks_twice(const struct work *work) {
        return work->delivery->shown || !wechat_is_publish(work);
}

/* Every flight whose mark stands in an article is over; one that stands there twice is noted twice.
 */
static int match(struct work *work, const json_t *item) {
        const json_t *news =
                json_array_get(json_object_get(json_object_get(item, "content"), "news_item"), 0);
        char *id freed_by(freep) = wechat_id(item, "article_id");
        const char *content = wechat_text(news, "content");
        json_t *flight, *found = json_object_get(work->state, "found");
        const json_t *note = json_object_get(work->state, "note");
        const json_t *articles = json_object_get(note, "articles");
        const char *twice = looks_twice(work) ? wechat_text(note, "twice") : "";
        size_t i;

        if (!id || json_is_true(json_object_get(news, "is_deleted")))
                return 0;
        if (*twice && strstr(content, twice) && !json_object_get(articles, id))
                return wechat_note_article(work, id, "", wechat_text(news, "url"));
        json_array_foreach (flights_of(work), i, flight) {
                const char *mark = wechat_text(flight, "mark");

                if (!*mark || *wechat_text(flight, "id") || !strstr(content, mark))
                        continue;
                if (!found && set(work->state, "found", found = json_object()) < 0)
                        return -ENOMEM;
                if (set(found, mark, json_true()) < 0)
                        return -ENOMEM;
                return wechat_note_article(work, id, wechat_text(flight, "edition"),
                                           wechat_text(news, "url"));
        }
        return 0;
}

static int listed(struct work *work, const struct http_reply *http) {
        struct answer answer freed_by(wechat_answer_done) = { 0 };
        int64_t page = wechat_number(work->state, "page") + 1;
        const json_t *items, *item, *found;
        json_t *flight;
        size_t i;
        int r = set(work->state, "page", json_integer(page));

        wechat_read(http, false, &answer);
        if (answer.class == CLASS_REFRESH) {
                r = set(work->state, "page", json_integer(page - 1));
                return r < 0 ? r : wechat_refresh(work, &answer);
        }
        if (answer.class != CLASS_OK)
                return wechat_judge(work, &answer, true, MESSAGE_WECHAT_DO_LIST);
        (void) json_object_del(work->state, "refused");
        items = json_object_get(answer.json, "item");
        json_array_foreach (items, i, item)
                if (r == 0)
                        r = match(work, item);
        found = json_object_get(work->state, "found");
        for (i = json_array_size(flights_of(work)); r == 0 && i-- > 0;) {
                flight = json_array_get(flights_of(work), i);
                if (json_object_get(found, wechat_text(flight, "mark")))
                        r = drop(work, flight);
        }
        if (r == 0 && (json_array_size(items) < LIST || page >= PAGES || found))
                r = set(work->state, "listed", json_true());
        if (r == 0 && json_object_get(work->state, "listed") && looks_twice(work) &&
            json_object_del(json_object_get(work->state, "note"), "twice") == 0)
                r = set(work->state, "dirty", json_true());
        return r < 0 ? r : wechat_go(work);
}

int wechat_look_twice(struct work *work) {
        return list(work);
}

static int repeat(struct work *work, json_t *flight) {
        bool clean = json_object_get(work->state, "clean") != NULL;

        if (set(work->state, "ready", json_true()) < 0)
                return -ENOMEM;
        if (clean)
                return wechat_submit(work, flight);
        if (set(flight, "tries", json_integer(wechat_number(flight, "tries") + 1)) < 0)
                return -ENOMEM;
        if (is_push(flight))
                return wechat_submit(work, flight);
        if (set(flight, "at", json_integer(work->delivery->now_ms)) < 0 ||
            set(json_object_get(work->state, "note"), "twice",
                json_string(wechat_text(flight, "mark"))) < 0)
                return -ENOMEM;
        return wechat_book(work, "allowed", NULL, wechat_put_note(work),
                           wechat_spend("submit", WECHAT_SUBMITS));
}

static int lost(struct work *work, json_t *flight) {
        int64_t now_ms = work->delivery->now_ms;
        int r;

        if (now_ms < wechat_number(flight, "at") + LOST_MS)
                return not_yet(work, true, NULL, MESSAGE_WECHAT_LOOKING, next_look(work, flight));
        r = end_with(work, VERDICT_REFUSED, MESSAGE_WECHAT_LOST, "");
        (void) json_object_del(work->state, "draft");
        if (r == 0)
                r = drop(work, flight);
        return r < 0 ? r : wechat_go(work);
}

static int without_number(struct work *work, json_t *flight) {
        int64_t safe_ms = wechat_number(flight, "at") + work->options->unclear_ms;
        const char *media = wechat_text(flight, "media");

        if (json_object_get(work->state, "clean") || is_push(flight))
                return repeat(work, flight);
        if (json_object_get(work->state, "listed"))
                return lost(work, flight);
        if (json_object_get(work->state, "left") || json_object_get(flight, "left"))
                return list(work);
        if (!json_object_get(work->state, "there")) {
                if (set(work->state, "target", json_string(media)) < 0)
                        return -ENOMEM;
                return wechat_call(work, "seen", "/cgi-bin/draft/get",
                                   json_pack("{s:s}", "media_id", media), CALL_HARMLESS);
        }
        if (work->delivery->now_ms < safe_ms)
                return not_yet(work, true, NULL, MESSAGE_WECHAT_LOOKING, safe_ms);
        return repeat(work, flight);
}

/* What an older revision left in the air: its draft goes, so that nobody can publish it any more,
 * and what may have come of it is looked for until nothing can come. */
static int foreign_without(struct work *work, json_t *flight, bool *ret_more) {
        int64_t safe_ms = wechat_number(flight, "at") + work->options->unclear_ms;
        int r;

        if (!json_object_get(flight, "binned")) {
                if (set(work->state, "target", json_string(wechat_text(flight, "media"))) < 0)
                        return -ENOMEM;
                return wechat_call(work, "binned", "/cgi-bin/draft/delete",
                                   json_pack("{s:s}", "media_id", wechat_text(flight, "media")),
                                   CALL_HARMLESS);
        }
        if (is_push(flight) && !json_object_get(flight, "tries"))
                return repeat(work, flight);
        if (!is_push(flight) && !json_object_get(work->state, "listed"))
                return list(work);
        if (work->delivery->now_ms < safe_ms)
                return not_yet(work, false, ret_more, MESSAGE_WECHAT_LOOKING, safe_ms);
        r = drop(work, flight);
        return r < 0 ? r : wechat_go(work);
}

int wechat_follow(struct work *work, json_t *flight, bool own, bool *ret_more) {
        if (*wechat_text(flight, "id"))
                return with_number(work, flight, own, ret_more);
        if (!own)
                return foreign_without(work, flight, ret_more);
        return json_object_get(work->state, "ready") ? wechat_submit(work, flight)
                                                     : without_number(work, flight);
}

/* -- the book's leave to look -- */

static int may(struct work *work, const char *at, const struct book_reply *book) {
        bool looks = strcmp(at, "may-look") == 0;
        int64_t page = wechat_number(work->state, "page");
        char *what freed_by(freep) = NULL;
        char limit[24], when[MOMENT_TEXT];

        if (book->error)
                return wechat_took(work, at, &(struct reply) { .kind = STEP_BOOK, .book = *book });
        if (book->spent) {
                if (looks ? set(work->state, "paid",
                                json_string(wechat_text(work->state, "target"))) < 0
                          : set(work->state, "paid-page", json_integer(page + 1)) < 0)
                        return -ENOMEM;
                return wechat_go(work);
        }
        if (looks) { /* what is under way comes to its end without us */
                if (set(work->state, "opens-get", json_integer(book->opens_ms)) < 0)
                        return -ENOMEM;
                return wechat_go(work);
        }
        what = say(MESSAGE_WECHAT_DO_LIST, NULL);
        (void) snprintf(limit, sizeof(limit), "%d", WECHAT_LISTS);
        return wechat_verdict(work, VERDICT_WAIT, "wechat/quota", book->opens_ms,
                              MESSAGE_WECHAT_OWN_QUOTA, "what", what ? what : "", "limit", limit,
                              "when", moment_write_minute(book->opens_ms, when), NULL);
}

int wechat_followed(struct work *work, const char *at, const struct reply *reply) {
        if (strcmp(at, "may-look") == 0 || strcmp(at, "may-list") == 0)
                return may(work, at, &reply->book);
        if (strcmp(at, "looked") == 0 || strcmp(at, "push-looked") == 0)
                return have_looked(work, &reply->http, *at == 'p');
        if (strcmp(at, "seen") == 0 || strcmp(at, "binned") == 0)
                return seen(work, &reply->http, *at == 'b');
        if (strcmp(at, "listed") == 0)
                return listed(work, &reply->http);
        return -ENOENT;
}
