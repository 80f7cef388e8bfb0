/* What stands in the account and is not to: articles of older revisions, all of them at a
 * withdrawal. WeChat cannot edit what is published, so a mark is a deletion too. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "channels/wechat/wechat.h"
#include "core/memory.h"
#include "core/moment.h"

enum { GONE_MOST = 50 };

static int set(json_t *object, const char *key, json_t *value) {
        return json_object_set_new(object, key, value) < 0 ? -ENOMEM : 0;
}

static json_t *note_of(const struct work *work) {
        return json_object_get(work->state, "note");
}

static bool has(const json_t *list, const char *text) {
        const json_t *one;
        size_t i;

        json_array_foreach (list, i, one)
                if (strcmp(json_string_value(one), text) == 0)
                        return true;
        return false;
}

static int add_wrong(const struct work *work, const char *id, const char *own, json_t *list) {
        if (!*id || (own && strcmp(id, own) == 0) || has(list, id) ||
            has(json_object_get(note_of(work), "gone"), id))
                return 0;
        return json_array_append_new(list, json_string(id)) < 0 ? -ENOMEM : 0;
}

/* By the note, by what the store calls it, and by what stale attempts left. */
static int wrong_articles(const struct work *work, const char *own, json_t **ret) {
        json_t *list freed_by(json_decrefp) = json_array(), *article;
        const char *id, *at = work->delivery->surplus;
        int r = list ? 0 : -ENOMEM;

        if (r == 0 && work->delivery->reference)
                r = add_wrong(work, work->delivery->reference, own, list);
        while (r == 0 && at && *at) {
                size_t n = strcspn(at, " ");
                char *one freed_by(freep) = strndup(at, n);

                r = one ? add_wrong(work, one, own, list) : -ENOMEM;
                at += n + strspn(at + n, " ");
        }
        json_object_foreach (json_object_get(note_of(work), "articles"), id, article)
                if (r == 0)
                        r = add_wrong(work, id, own, list);
        if (r == 0)
                *ret = give_away(list);
        return r;
}

static int64_t number_of(const char *digits) {
        int64_t number = 0;

        for (; *digits >= '0' && *digits <= '9' && number < INT64_MAX / 100; digits++)
                number = 10 * number + (*digits - '0');
        return number;
}

static int delete (struct work *work, const char *id) {
        int limit = WECHAT_DELETES -
                    (wechat_is_publish(work) ? (int) work->options->delete_reserve : 0);

        if (set(work->state, "target", json_string(id)) < 0)
                return -ENOMEM;
        if (strcmp(wechat_text(work->state, "paid-delete"), id) != 0)
                return wechat_book(work, "may-delete", NULL, NULL, wechat_spend("delete", limit));
        if (strncmp(id, "mass:", 5) == 0)
                return wechat_call(work, "deleted", "/cgi-bin/message/mass/delete",
                                   json_pack("{s:I}", "msg_id", (json_int_t) number_of(id + 5)), 0);
        return wechat_call(work, "deleted", "/cgi-bin/freepublish/delete",
                           json_pack("{s:s}", "article_id", id), 0);
}

static int may_delete(struct work *work, const struct book_reply *book) {
        if (book->error)
                return wechat_took(work, "may-delete",
                                   &(struct reply) { .kind = STEP_BOOK, .book = *book });
        if (book->spent ? set(work->state, "paid-delete",
                              json_string(wechat_text(work->state, "target"))) < 0
                        : set(work->state, "opens-delete", json_integer(book->opens_ms)) < 0)
                return -ENOMEM;
        return wechat_go(work);
}

static int deleted(struct work *work, const struct http_reply *http) {
        struct answer answer freed_by(wechat_answer_done) = { 0 };
        const char *id = wechat_text(work->state, "target");

        wechat_read(http, false, &answer);
        if (answer.class == CLASS_REFRESH)
                return wechat_refresh(work, &answer);
        if (answer.class != CLASS_OK && answer.class != CLASS_GONE)
                return wechat_judge(work, &answer, false, MESSAGE_WECHAT_DO_DELETE);
        (void) json_object_del(work->state, "refused");
        (void) json_object_del(work->state, "paid-delete");
        if (json_array_append_new(json_object_get(note_of(work), "gone"), json_string(id)) < 0 ||
            set(work->state, "dirty", json_true()) < 0)
                return -ENOMEM;
        (void) json_object_del(json_object_get(note_of(work), "articles"), id);
        while (json_array_size(json_object_get(note_of(work), "gone")) > GONE_MOST)
                (void) json_array_remove(json_object_get(note_of(work), "gone"), 0);
        return wechat_go(work);
}

/* The shown article is still there, or it is made anew. */
static int stands(struct work *work, const struct http_reply *http) {
        struct answer answer freed_by(wechat_answer_done) = { 0 };
        json_t *articles = json_object_get(note_of(work), "articles"), *article;
        struct buf edition freed_by(buf_done) = { 0 };
        const json_t *news;
        const char *id;
        void *next;

        wechat_read(http, false, &answer);
        news = json_array_get(json_object_get(answer.json, "news_item"), 0);
        if (answer.class == CLASS_REFRESH)
                return wechat_refresh(work, &answer);
        if (answer.class != CLASS_OK && answer.class != CLASS_GONE)
                return wechat_judge(work, &answer, true, MESSAGE_WECHAT_DO_LOOK);
        (void) json_object_del(work->state, "refused");
        if (answer.class == CLASS_OK && !json_is_true(json_object_get(news, "is_deleted")))
                return set(work->state, "stands", json_true()) < 0 ? -ENOMEM : wechat_go(work);
        wechat_edition(work->delivery, &edition);
        json_object_foreach_safe(
                articles, next, id,
                article) if (strcmp(wechat_text(article, "edition"), buf_text(&edition)) == 0)(void)
                json_object_del(articles, id);
        if (work->delivery->reference &&
            json_array_append_new(json_object_get(note_of(work), "gone"),
                                  json_string(work->delivery->reference)) < 0)
                return -ENOMEM;
        if (set(work->state, "missing", json_true()) < 0 ||
            set(work->state, "dirty", json_true()) < 0)
                return -ENOMEM;
        return wechat_go(work);
}

/* -- the end -- */

static int quota_is_out(struct work *work, size_t n_left, int64_t opens_ms) {
        char count[24], limit[24], reserve[24], when[MOMENT_TEXT];

        (void) snprintf(count, sizeof(count), "%zu", n_left);
        (void) snprintf(limit, sizeof(limit), "%d", WECHAT_DELETES);
        (void) snprintf(reserve, sizeof(reserve), "%d", (int) work->options->delete_reserve);
        return wechat_verdict(work, VERDICT_WAIT, "wechat/quota", opens_ms,
                              wechat_is_publish(work) ? MESSAGE_WECHAT_OLD_STANDS
                                                      : MESSAGE_WECHAT_STILL_THERE,
                              "count", count, "limit", limit, "reserve", reserve, "when",
                              moment_write_minute(opens_ms, when), NULL);
}

static int finish(struct work *work, const char *own) {
        const json_t *article =
                own ? json_object_get(json_object_get(note_of(work), "articles"), own) : NULL;
        const char *url = article ? wechat_text(article, "url") : NULL;
        int64_t pending = wechat_number(work->state, "pending");
        char when[MOMENT_TEXT];

        if (pending > 0)
                return wechat_verdict(work, VERDICT_ASK, "wechat/older", pending,
                                      MESSAGE_WECHAT_LOOKING, "when",
                                      moment_write_minute(pending, when), NULL);
        /* A draft that was submitted twice may have become two articles: seen at the second look.
         */
        if ((!own || work->delivery->shown) && json_object_get(note_of(work), "twice"))
                return wechat_look_twice(work);
        if (!own)
                return wechat_done(work, NULL, NULL);
        /* The address that the store has is that of the article it knows. */
        if ((!url || !*url) && work->delivery->reference &&
            strcmp(own, work->delivery->reference) == 0)
                url = work->delivery->url;
        return wechat_done(work, own, url && *url ? url : NULL);
}

int wechat_tidy(struct work *work, const char *own) {
        json_t *wrong freed_by(json_decrefp) = NULL, *flight;
        int64_t opens = wechat_number(work->state, "opens-delete");
        json_t *flights = json_object_get(note_of(work), "flights");
        size_t i;
        int r = wrong_articles(work, own, &wrong);

        if (r < 0)
                return r;
        if (json_array_size(wrong) > 0 && opens == 0)
                return delete (work, json_string_value(json_array_get(wrong, 0)));
        json_array_foreach (flights, i, flight) {
                bool more = false;

                r = wechat_follow(work, flight, false, &more);
                if (r < 0 || !more)
                        return r;
        }
        if (json_array_size(wrong) > 0)
                return quota_is_out(work, json_array_size(wrong), opens);
        return finish(work, own);
}

int wechat_tidied(struct work *work, const char *at, const struct reply *reply) {
        if (strcmp(at, "may-delete") == 0)
                return may_delete(work, &reply->book);
        if (strcmp(at, "deleted") == 0)
                return deleted(work, &reply->http);
        if (strcmp(at, "stands") == 0)
                return stands(work, &reply->http);
        return -ENOENT;
}
