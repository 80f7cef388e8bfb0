/* What is next: from the note of the document and what this attempt has found out so far. */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "channels/wechat/wechat.h"
#include "core/digest.h"
#include "core/memory.h"

enum { NOTE_DAYS = 30 }; /* of a document with nothing left to do; the store has its reference */

/* -- steps -- */

static json_t *lasting(const json_t *state) {
        static const char *const keys[] = { "part", "draft", "clean", "again" };
        json_t *memo = state ? json_object() : NULL;

        for (size_t i = 0; memo && i < ELEMENTS(keys); i++) {
                json_t *value = json_object_get(state, keys[i]);

                if (value)
                        (void) json_object_set(memo, keys[i], value);
        }
        return memo;
}

int wechat_verdict(struct work *work, enum verdict_kind kind, const char *code, int64_t at_ms,
                   enum message message, ...) {
        struct step *ret = work->ret;
        struct buf sentence = { 0 };
        va_list pairs;

        va_start(pairs, message);
        say_list(&sentence, message, pairs);
        va_end(pairs);
        *ret = (struct step) { .kind = STEP_VERDICT, .memo = lasting(work->state) };
        ret->verdict = (struct verdict) {
                .kind = kind, .code = code, .at_ms = at_ms, .sentence = buf_take(&sentence)
        };
        return ret->verdict.sentence ? 0 : -ENOMEM;
}

int wechat_book(struct work *work, const char *at, json_t *get, json_t *put, json_t *spend) {
        *work->ret = (struct step) { .kind = STEP_BOOK,
                                    .memo = json_incref(work->state),
                                    .book = { .get = get, .put = put, .spend = spend } };
        if ((!get && !put && !spend) ||
            (at && json_object_set_new(work->state, "at", json_string(at)) < 0))
                return -ENOMEM;
        return 0;
}

json_t *wechat_spend(const char *name, int limit) {
        return json_pack("[{s:s, s:i, s:i}]", "name", name, "amount", 1, "limit", limit);
}

/* -- the note -- */

void wechat_note_name(const struct delivery *delivery, char ret[static 48]) {
        char digest[DIGEST_TEXT];

        delivery_document_digest(delivery, digest);
        (void) snprintf(ret, 48, "doc.%.40s", digest);
}

bool wechat_is_publish(const struct work *work) {
        return work->delivery->kind == DELIVER_PUBLISH;
}

json_t *wechat_put_note(const struct work *work) {
        const json_t *note = json_object_get(work->state, "note");
        char name[48], *text freed_by(freep) = json_dumps(note, JSON_COMPACT);
        bool open = json_array_size(json_object_get(note, "flights")) > 0 ||
                    json_object_size(json_object_get(note, "articles")) > 1;
        json_t *put = json_object(), *value = NULL;

        wechat_note_name(work->delivery, name);
        if (text)
                value = open ? json_pack("{s:s}", "value", text)
                             : json_pack("{s:s, s:I}", "value", text, "ms",
                                         (json_int_t) NOTE_DAYS * 24 * 3600 * 1000);
        if (!put || !value || json_object_set_new(put, name, value) < 0) {
                json_decref(put);
                return NULL;
        }
        return put;
}

/* What else an attempt wrote down along with it: pictures, a submission's number. */
static int keep(struct work *work) {
        json_t *put = wechat_put_note(work), *more = json_object_get(work->state, "put");

        if (!put || (more && json_object_update(put, more) < 0)) {
                json_decref(put);
                return -ENOMEM;
        }
        (void) json_object_del(work->state, "put");
        (void) json_object_del(work->state, "dirty");
        return wechat_book(work, "kept", NULL, put, NULL);
}

int wechat_note_article(struct work *work, const char *id, const char *edition, const char *url) {
        json_t *articles = json_object_get(json_object_get(work->state, "note"), "articles");
        json_t *article = json_pack("{s:s, s:s}", "edition", edition, "url", url);

        if (!article || json_object_set_new(articles, id, article) < 0)
                return -ENOMEM;
        return json_object_set_new(work->state, "dirty", json_true()) < 0 ? -ENOMEM : 0;
}

/* A note that somebody else wrote would be a slip of ours: what it lacks is empty. */
static json_t *read_note(const char *text) {
        json_t *note = text ? json_loads(text, 0, NULL) : NULL;
        int r = 0;

        if (!json_is_object(note)) {
                json_decref(note);
                note = json_object();
        }
        if (!json_is_object(json_object_get(note, "articles")))
                r |= json_object_set_new(note, "articles", json_object());
        if (!json_is_array(json_object_get(note, "flights")))
                r |= json_object_set_new(note, "flights", json_array());
        if (!json_is_array(json_object_get(note, "gone")))
                r |= json_object_set_new(note, "gone", json_array());
        if (!json_is_object(json_object_get(note, "failed")))
                r |= json_object_set_new(note, "failed", json_object());
        if (r < 0) {
                json_decref(note);
                return NULL;
        }
        return note;
}

static int read_book(struct work *work) {
        char name[48];
        json_t *names = json_array();

        wechat_note_name(work->delivery, name);
        if (!names || json_array_append_new(names, json_string(name)) < 0) {
                json_decref(names);
                return -ENOMEM;
        }
        if (wechat_is_publish(work))
                wechat_media_names(work, names);
        return wechat_book(work, "read", names, NULL, NULL);
}

static int have_read(struct work *work, const json_t *values) {
        char name[48];
        json_t *note;

        wechat_note_name(work->delivery, name);
        note = read_note(json_string_value(json_object_get(values, name)));
        if (!note || json_object_set_new(work->state, "note", note) < 0 ||
            json_object_set_new(work->state, "done", json_object()) < 0 ||
            json_object_set(work->state, "book", (json_t *) values) < 0)
                return -ENOMEM;
        return wechat_go(work);
}

/* -- results that the platform told by a call -- */

static int read_results(struct work *work, bool *ret_asked) {
        const json_t *note = json_object_get(work->state, "note"), *flight;
        json_t *done = json_object_get(work->state, "done"), *names = json_array();
        char name[120];
        size_t i;

        json_array_foreach (json_object_get(note, "flights"), i, flight) {
                const char *id = wechat_text(flight, "id");

                if (!*id || json_object_get(done, id) || json_array_size(names) >= 60)
                        continue;
                wechat_job_name("done", wechat_text(flight, "way"), id, name);
                if (json_array_append_new(names, json_string(name)) < 0 ||
                    json_object_set_new(done, id, json_object()) < 0) {
                        json_decref(names);
                        return -ENOMEM;
                }
        }
        *ret_asked = json_array_size(names) > 0;
        if (*ret_asked)
                return wechat_book(work, "results", names, NULL, NULL);
        json_decref(names);
        return 0;
}

static int have_results(struct work *work, const json_t *values) {
        const json_t *flights = json_object_get(json_object_get(work->state, "note"), "flights");
        json_t *done = json_object_get(work->state, "done"), *flight;
        char name[120];
        size_t i;

        json_array_foreach (flights, i, flight) {
                const char *id = wechat_text(flight, "id"), *text;
                json_t *told;

                wechat_job_name("done", wechat_text(flight, "way"), id, name);
                text = json_string_value(json_object_get(values, name));
                told = text ? json_loads(text, 0, NULL) : NULL;
                if (!told)
                        continue;
                if (json_object_set_new(done, id, told) < 0)
                        return -ENOMEM;
        }
        return wechat_go(work);
}

int wechat_took(struct work *work, const char *at, const struct reply *reply) {
        if (reply->kind != STEP_BOOK)
                return -EINVAL;
        if (reply->book.error)
                return wechat_verdict(work, VERDICT_LATER, "wechat/book", 0, MESSAGE_WECHAT_NO_BOOK,
                                      "reason", reply->book.error, NULL);
        if (strcmp(at, "read") == 0)
                return have_read(work, reply->book.values);
        if (strcmp(at, "results") == 0)
                return have_results(work, reply->book.values);
        return wechat_go(work); /* kept */
}

/* -- the order of things -- */

/* The article that shows this edition, or NULL. */
static const char *own_article(const struct work *work, const char *edition) {
        const json_t *note = json_object_get(work->state, "note");
        const struct delivery *delivery = work->delivery;
        const char *id;
        json_t *article;

        json_object_foreach (json_object_get(note, "articles"), id, article)
                if (strcmp(wechat_text(article, "edition"), edition) == 0)
                        return id;
        /* The note is gone after a while; the store knows. What is over needs one that says so, and what
         * the store knows may be the one without. */
        if (delivery->shown && delivery->reference && !delivery->ended &&
            !json_object_get(work->state, "missing"))
                return delivery->reference;
        return NULL;
}

static json_t *own_flight(const struct work *work, const char *edition) {
        const json_t *flights = json_object_get(json_object_get(work->state, "note"), "flights");
        json_t *flight;
        size_t i;

        json_array_foreach (flights, i, flight)
                if (strcmp(wechat_text(flight, "edition"), edition) == 0)
                        return flight;
        return NULL;
}

static int publish(struct work *work) {
        struct buf edition freed_by(buf_done) = { 0 };
        const char *own;
        json_t *flight;

        wechat_edition(work->delivery, &edition);
        if (edition.error)
                return edition.error;
        own = own_article(work, buf_text(&edition));
        flight = own_flight(work, buf_text(&edition));
        if (!own)
                return flight ? wechat_follow(work, flight, true, NULL) : wechat_make(work);
        /* It is wanted once more: does it still stand? */
        if (strchr(work->delivery->revision_part, 'r') && strncmp(own, "mass:", 5) != 0 &&
            !json_object_get(work->state, "stands"))
                return wechat_call(work, "stands", "/cgi-bin/freepublish/getarticle",
                                   json_pack("{s:s}", "article_id", own), CALL_HARMLESS);
        return wechat_tidy(work, own);
}

/* What a result led to, once the note says so. */
static int end(struct work *work, const json_t *end) {
        return wechat_verdict(work, (enum verdict_kind) wechat_number(end, "kind"),
                              wechat_number(end, "kind") == VERDICT_LATER ? "wechat/failed"
                                                                          : "wechat/not-published",
                              0, (enum message) wechat_number(end, "message"), "reason",
                              wechat_text(end, "reason"), NULL);
}

int wechat_go(struct work *work) {
        bool asked = false;
        int r;

        if (!json_object_get(work->state, "note"))
                return read_book(work);
        if (json_object_get(work->state, "dirty"))
                return keep(work);
        if (json_object_get(work->state, "end"))
                return end(work, json_object_get(work->state, "end"));
        r = read_results(work, &asked);
        if (r < 0 || asked)
                return r;
        return wechat_is_publish(work) ? publish(work) : wechat_tidy(work, NULL);
}

int wechat_done(struct work *work, const char *reference, const char *url) {
        return step_done_verdict(work->ret, reference, url);
}
