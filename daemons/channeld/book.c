/* The channel's book, as a driver's step asks for it. core/store_book.lua keeps it. */
#include "daemons/channeld/channeld.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core/memory.h"

enum { MOST_NAMES = 64, MOST_NAME = 120, MOST_NOTE = 64 << 10 };

static bool name_is_sound(const char *name) {
        size_t n = strspn(name, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_.:-");

        return n > 0 && n <= MOST_NAME && !name[n];
}

bool book_is_sound(const struct book *book) {
        size_t i, n = json_array_size(book->get) + json_object_size(book->put) +
                      json_array_size(book->spend);
        const char *name;
        json_t *one;

        json_array_foreach(book->get, i, one)
                if (!json_is_string(one) || !name_is_sound(json_string_value(one)))
                        return false;
        json_array_foreach(book->spend, i, one) {
                const char *of = json_string_value(json_object_get(one, "name"));

                if (!of || !name_is_sound(of) || json_integer_value(json_object_get(one, "amount")) < 0 ||
                    !json_is_integer(json_object_get(one, "limit")))
                        return false;
        }
        json_object_foreach((json_t *) book->put, name, one)
                if (!name_is_sound(name) ||
                    json_string_length(json_object_get(one, "value")) > MOST_NOTE)
                        return false;
        return n <= MOST_NAMES;
}

static void add_keys(struct words *words, const struct region *region, const struct book *book) {
        const char *channel = region->daemon->channel->name, *name;
        size_t i;
        json_t *one;

        words_key(words, region->code, "meta");
        json_array_foreach(book->spend, i, one)
                words_key(words, region->code, "book:%s:%s", channel,
                          json_string_value(json_object_get(one, "name")));
        json_object_foreach((json_t *) book->put, name, one)
                words_key(words, region->code, "book:%s:%s", channel, name);
        json_array_foreach(book->get, i, one)
                words_key(words, region->code, "book:%s:%s", channel, json_string_value(one));
}

static void add_arguments(struct words *words, const struct region *region,
                          const struct book *book) {
        const char *name;
        size_t i;
        json_t *one;

        words_str(words, region->epoch);
        words_number(words, (int64_t) json_array_size(book->spend));
        words_number(words, (int64_t) json_object_size(book->put));
        json_array_foreach(book->spend, i, one) {
                words_number(words, json_integer_value(json_object_get(one, "amount")));
                words_number(words, json_integer_value(json_object_get(one, "limit")));
        }
        json_object_foreach((json_t *) book->put, name, one) {
                const json_t *ms = json_object_get(one, "ms");
                const char *value = json_string_value(json_object_get(one, "value"));

                words_str(words, value ? value : "");
                if (json_integer_value(ms) > 0)
                        words_number(words, json_integer_value(ms));
                else
                        words_str(words, "");
                words_str(words, json_is_null(one)                              ? "del"
                                 : json_is_true(json_object_get(one, "new")) ? "new"
                                                                                : "set");
        }
}

/* A channel of several regions has one account, so one book: with the first of them. */
int book_ask(struct channeld *daemon, const struct book *book, store_reply_fn *on_reply,
             void *userdata) {
        struct region *region = &daemon->regions[0];
        struct words words = { 0 };
        int r;

        if (!region->ready)
                return -EAGAIN;

        words_str(&words, "FCALL");
        words_str(&words, "gk1_book");
        words_number(&words, (int64_t) (1 + json_array_size(book->spend) +
                                        json_object_size(book->put) + json_array_size(book->get)));
        add_keys(&words, region, book);
        add_arguments(&words, region, book);
        r = store_command(region->daemon->store, &words, on_reply, userdata);
        words_done(&words);
        return r;
}

int book_read(const struct book *book, const redisReply *answer, struct book_reply *ret,
              json_t **ret_values, json_t **ret_counts) {
        size_t at = 4, i;
        json_t *one;

        *ret_values = json_object();
        *ret_counts = json_object();
        if (!*ret_values || !*ret_counts)
                return -ENOMEM;
        *ret = (struct book_reply) { .values = *ret_values, .counts = *ret_counts };
        ret->spent = reply_is(answer, 1, "1");
        ret->now_ms = reply_number(answer, 2);
        ret->opens_ms = reply_number(answer, 3);
        json_array_foreach(book->spend, i, one)
                (void) json_object_set_new(*ret_counts, json_string_value(json_object_get(one, "name")),
                                           json_integer(reply_number(answer, at++)));
        json_array_foreach(book->get, i, one) {
                const redisReply *note = reply_at(answer, at++);

                if (note && note->type == REDIS_REPLY_STRING)
                        (void) json_object_set_new(*ret_values, json_string_value(one),
                                                   json_stringn(note->str, note->len));
        }
        return 0;
}

void book_wake(struct region *region, const char *document) {
        struct channeld *daemon = region->daemon;
        struct words words = { 0 };

        words_str(&words, "FCALL");
        words_str(&words, "gk1_wake");
        words_number(&words, 4);
        words_key(&words, region->code, "meta");
        words_key(&words, region->code, "log");
        words_key(&words, region->code, "doc:%s", document);
        words_key(&words, region->code, "due:%s", daemon->channel->name);
        words_str(&words, region->epoch);
        words_str(&words, daemon->channel->name);
        (void) store_command(daemon->store, &words, engine_ignore_reply, NULL);
        words_done(&words);
        engine_later(region, 0);
}

static void on_book(struct store *store, const redisReply *answer, int error, const char *reason,
                    void *userdata) {
        struct attempt *attempt = userdata;
        struct reply reply = { .kind = STEP_BOOK };
        json_t *values freed_by(json_decrefp) = NULL;
        json_t *counts freed_by(json_decrefp) = NULL;
        json_t *screens freed_by(json_decrefp) = give_away(attempt->screens);

        (void) store;
        if (error || !reply_is(answer, 0, "ok"))
                reply.book.error = error ? reason : reply_text(answer, 0);
        else if (book_read(&attempt->step.book, answer, &reply.book, &values, &counts) < 0)
                reply.book.error = strerror(ENOMEM);
        else
                reply.book.screens = screens;
        attempt_replied(attempt, &reply);
}

/* They are of the document's region, the book of the first one: two calls, one after the other. */
static void on_screens(struct store *store, const redisReply *answer, int error, const char *reason,
                       void *userdata) {
        struct attempt *attempt = userdata;
        struct reply reply = { .kind = STEP_BOOK };
        int r = 0;

        (void) store;
        if (error || !reply_is(answer, 0, "ok"))
                reply.book.error = error ? reason : reply_text(answer, 0);
        else {
                attempt->screens = sight_read(answer);
                r = attempt->screens ? book_ask(attempt->daemon, &attempt->step.book, on_book, attempt)
                                     : -ENOMEM;
                if (r >= 0)
                        return;
                reply.book.error = strerror(-r);
                json_decref(give_away(attempt->screens));
        }
        attempt_replied(attempt, &reply);
}

int book_start(struct attempt *attempt) {
        const struct book *book = &attempt->step.book;

        if (!book_is_sound(book))
                return -EINVAL;
        if (!book->screens)
                return book_ask(attempt->daemon, book, on_book, attempt);
        if (attempt->region) /* the other is a setup's: no document's */
                return attempt->region->ready ? sight_ask(attempt->region, attempt->delivery.document,
                                                          on_screens, attempt)
                                              : -EAGAIN;
        attempt->screens = json_object();
        return attempt->screens ? book_ask(attempt->daemon, book, on_book, attempt) : -ENOMEM;
}
