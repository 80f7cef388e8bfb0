/* For the tests of wechat: a world that plays engine, store and platform. The platform's answers
 * are a script, one per request in their order; each has a word that must stand in the request's
 * address. Included by tests only. */
#ifndef CHANNELS_WECHAT_FIXTURE_H
#define CHANNELS_WECHAT_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "channels/wechat/wechat.h"
#include "core/digest.h"
#include "core/memory.h"
#include "core/unicode.h"

#define NOON INT64_C(1795320000000)     /* 2026-11-22T12:00:00+08:00 */
#define MIDNIGHT INT64_C(1795363200000) /* 2026-11-23T00:00:00+08:00 */
#define MINUTES(n) ((int64_t) (n) *60 * 1000)
#define TOKEN "{\"access_token\":\"T1\",\"expires_in\":7200}"
#define OK "{\"errcode\":0,\"errmsg\":\"ok\"}"
#define SHA_A "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define SHA_B "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"

extern const struct driver wechat_driver;

enum { LOST = -1, NOT_SENT = -2 }; /* in place of a status */

struct line {
        const char *path; /* part of the address */
        long status;      /* 0 is 200 */
        const char *body;
};

struct world {
        struct wechat_options options;
        struct delivery delivery;
        json_t *book, *counts, *memo, *account;
        json_t *requests;          /* of the last run: [{"url","body","checkpoint"}] */
        const struct line *script; /* NULL path ends it */
        unsigned account_version;
        int64_t limit; /* of the counts, in place of what is asked for; 0: as asked */
        const char *file;
        size_t n_file;
        int file_error;
        /* In place of the script: fills the reply, or false: the process dies there. */
        bool (*play)(struct world *world, const struct http_request *http, struct http_reply *ret);
        void *platform;
        struct step step;
};

__attribute__((unused)) static json_t *event_of(const char *data) {
        json_t *more = json_loads(data, 0, NULL);
        json_t *event =
                json_pack("{s:s, s:{s:s, s:s, s:{s:s, s:s}, s:{s:s}}}", "id", "e1", "data",
                          "document", "oa-1", "title", "关于停水的通知", "body", "format", "text",
                          "content", "11月23日全城停水。", "publisher", "name", "腾冲市人民政府");

        assert_non_null(more);
        (void) json_object_update(json_object_get(event, "data"), more);
        json_decref(more);
        return event;
}

__attribute__((unused)) static void world_part(struct world *world, enum delivery_kind kind,
                                               const char *part, int64_t revision) {
        static char key[100];

        (void) snprintf(key, sizeof(key), "530581/oa-1/%s/wechat", part);
        world->delivery.kind = kind;
        world->delivery.revision_part = part;
        world->delivery.revision = revision;
        world->delivery.level = kind == DELIVER_PUBLISH ? 0 : 1;
        world->delivery.key = key;
        json_decref(world->memo);
        world->memo = NULL;
}

__attribute__((unused)) static void world_init(struct world *world, const char *data) {
        *world = (struct world) {
                .options = { .appid = (char *) "wxb11529c136998cb6",
                             .cover_media = (char *) "COVER",
                             .api = (char *) "https://api.weixin.qq.com",
                             .delete_reserve = 3,
                             .poll_ms = MINUTES(5),
                             .unclear_ms = MINUTES(10) },
                .delivery = { .channel = "wechat",
                              .region = "530581",
                              .region_name = "腾冲市",
                              .document = "oa-1",
                              .event_id = "01JDB3K6V0T5YQ2N8M4W7XHRCE",
                              .document_kind = "notice",
                              .attempt = 1,
                              .now_ms = NOON,
                              .late_effect_ms = 15000,
                              .secret = "appsecret = s3cret\ntoken = pamtest\n" },
                .book = json_object(),
                .counts = json_object(),
                .requests = json_array(),
        };
        world->delivery.event = event_of(data);
        world->delivery.options = &world->options;
        world_part(world, DELIVER_PUBLISH, "7", 7);
}

__attribute__((unused)) static void world_done(struct world *world) {
        step_done(&world->step);
        json_decref(world->book);
        json_decref(world->counts);
        json_decref(world->memo);
        json_decref(world->account);
        json_decref(world->requests);
        json_decref((json_t *) world->delivery.event);
}

static bool name_is_sound(const char *name) {
        return *name && strlen(name) <= 120 &&
               name[strspn(name,
                           "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_.:-")] ==
                       '\0';
}

/* As gk1_book. What is put without an end has "for good" noted. */
__attribute__((unused)) static void world_book(struct world *world, const struct book *book,
                                               struct book_reply *ret) {
        json_t *values = json_object(), *one;
        const char *name;
        size_t i;

        *ret = (struct book_reply) { .spent = true,
                                    .now_ms = world->delivery.now_ms,
                                    .opens_ms = MIDNIGHT,
                                    .values = values };
        json_array_foreach (book->spend, i, one) {
                const char *count = wechat_text(one, "name");
                int64_t limit = world->limit ? world->limit : wechat_number(one, "limit");

                assert_true(name_is_sound(count));
                if (wechat_number(world->counts, count) + wechat_number(one, "amount") > limit)
                        ret->spent = false;
                else
                        (void) json_object_set_new(
                                world->counts, count,
                                json_integer(wechat_number(world->counts, count) + 1));
        }
        json_object_foreach (book->put, name, one) {
                assert_true(name_is_sound(name));
                assert_true(strlen(wechat_text(one, "value")) <= 65536);
                if (ret->spent && json_is_null(one))
                        (void) json_object_del(world->book, name);
                else if (ret->spent)
                        (void) json_object_set_new(world->book, name,
                                                   json_string(wechat_text(one, "value")));
        }
        assert_true(json_array_size(book->get) + json_object_size(book->put) <= 64);
        json_array_foreach (book->get, i, one) {
                const json_t *value = json_object_get(world->book, json_string_value(one));

                assert_true(name_is_sound(json_string_value(one)));
                if (value)
                        (void) json_object_set(values, json_string_value(one), (json_t *) value);
        }
}

static void note_request(struct world *world, const struct step *step) {
        const struct http_request *http = &step->http;

        (void) json_array_append_new(
                world->requests,
                json_pack("{s:s, s:s, s:b, s:b, s:b}", "url", http->url, "body",
                          http->body.data && unicode_valid(http->body.data, http->body.len) ==
                                                     http->body.len
                                  ? http->body.data
                                  : "",
                          "checkpoint", step->checkpoint, "harmless", http->harmless, "upload",
                          http->upload != NULL));
}

static void world_takes(struct world *world, struct step *next) {
        step_done(&world->step);
        world->step = *next;
        if (next->memo) {
                json_decref(world->memo);
                world->memo = json_deep_copy(next->memo);
        }
        world->delivery.memo = world->memo;
        world->delivery.account = world->account;
        world->delivery.account_version = world->account_version;
}

static void answer_of(struct world *world, struct reply *ret) {
        const struct line *line = world->script;

        if (!line || !line->path || !strstr(world->step.http.url, line->path)) {
                print_message("asked for %s, the script has %s\n", world->step.http.url,
                              line && line->path ? line->path : "ended");
                fail();
        }
        world->script++;
        *ret = (struct reply) { .kind = STEP_HTTP };
        ret->http = (struct http_reply) { .status = line->status < 0 ? 0
                                                   : line->status   ? line->status
                                                                    : 200,
                                         .body = line->body ? line->body : "",
                                         .sent = line->status != NOT_SENT,
                                         .n_body = line->body ? strlen(line->body) : 0,
                                         .error = line->status < 0 ? "Timeout was reached" : NULL };
}

/* Runs one attempt to its verdict, which is in world->step. NULL: the process died on its way, and
 * of the memo only what was on disk is left. */
__attribute__((unused)) static const struct verdict *world_run(struct world *world,
                                                               const struct line *script) {
        json_t *on_disk = world->memo ? json_deep_copy(world->memo) : NULL;
        bool in_account = false;
        struct step next = { 0 };
        size_t n = 0;

        world->script = script;
        (void) json_array_clear(world->requests);
        world->delivery.memo = world->memo;
        world->delivery.account = world->account;
        world->delivery.account_version = world->account_version;
        assert_int_equal(wechat_driver.begin(&world->delivery, &next), 0);
        world_takes(world, &next);
        for (;;) {
                struct step *step = &world->step;
                struct reply reply = { .kind = step->kind };
                json_t *values = NULL;

                assert_true(++n < 400);
                next = (struct step) { 0 };
                if (step->kind == STEP_VERDICT && !in_account)
                        break;
                if (step->kind == STEP_VERDICT && step->verdict.kind != VERDICT_DONE)
                        break;
                if (step->kind == STEP_VERDICT) {
                        json_decref(world->account);
                        world->account = json_incref(step->account);
                        world->account_version++;
                        in_account = false;
                        reply.kind = STEP_ACCOUNT;
                        world->delivery.account = world->account;
                        world->delivery.account_version = world->account_version;
                } else if (step->kind == STEP_ACCOUNT) {
                        in_account = true;
                        assert_int_equal(wechat_driver.account_begin(&world->delivery, &next), 0);
                        world_takes(world, &next);
                        continue;
                } else if (step->kind == STEP_BOOK) {
                        world_book(world, &step->book, &reply.book);
                        values = (json_t *) reply.book.values;
                } else if (step->kind == STEP_FILE) {
                        reply.file = (struct file_reply) { .bytes = world->file,
                                                          .n_bytes = world->n_file,
                                                          .error = world->file         ? 0
                                                                   : world->file_error ? world->file_error
                                                                                       : ENOENT };
                } else {
                        assert_int_equal(step->kind, STEP_HTTP);
                        note_request(world, step);
                        if (step->checkpoint) {
                                json_decref(on_disk);
                                on_disk = json_deep_copy(step->memo);
                        }
                        if (!world->play) {
                                answer_of(world, &reply);
                        } else if (!world->play(world, &step->http, &reply.http)) {
                                json_decref(world->memo);
                                world->memo = on_disk;
                                step_done(step);
                                return NULL;
                        }
                }
                assert_int_equal(
                        in_account ? wechat_driver.account_next(&world->delivery, &reply, &next)
                                   : wechat_driver.next(&world->delivery, &reply, &next),
                        0);
                json_decref(values);
                world_takes(world, &next);
        }
        json_decref(on_disk);
        if (world->script && world->script->path) {
                print_message("%s: %s; not asked for: %s\n",
                              world->step.verdict.code ? world->step.verdict.code : "done",
                              world->step.verdict.sentence ? world->step.verdict.sentence : "",
                              world->script->path);
                fail();
        }
        return &world->step.verdict;
}

/* The body of request `i` of the last run, as JSON. */
__attribute__((unused)) static json_t *request_json(const struct world *world, size_t i) {
        return json_loads(wechat_text(json_array_get(world->requests, i), "body"), 0, NULL);
}

__attribute__((unused)) static int64_t count_of(const struct world *world, const char *name) {
        return wechat_number(world->counts, name);
}

#endif
