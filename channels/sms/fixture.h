/* For the tests of the short messages: an engine with a store, lists and a carrier, all in memory, that
 * can be killed before or after the effect of any step. Included by tests only. */
#ifndef CHANNELS_SMS_FIXTURE_H
#define CHANNELS_SMS_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "channels/sms/sms.h"
#include "core/digest.h"
#include "core/memory.h"

#define NOON INT64_C(1795320000000) /* 2026-11-22T12:00:00+08:00 */
#define SECRET                                                                                               \
        "hmac_key = 0123456789abcdef0123\nsecret_key = s3cret\nkey_id = LTAIexample\n"                       \
        "key_secret = example-secret\nusername = tester\npassword = foobar\n"

extern const struct driver mas_driver, aliyun_driver, kannel_driver;

enum { NEVER = -1 };

struct world {
        const struct driver *driver;
        struct sms_options options;
        struct delivery delivery;
        json_t *event, *memo, *account;
        /* the store */
        json_t *book, *counts;
        int64_t counted_day;
        bool book_is_away;
        /* the lists: name -> content */
        json_t *files;
        long list_status; /* of lists by HTTP; 0 = 200 */
        /* the carrier: number -> array of {"id","day","text"} */
        json_t *phones;
        long status;        /* answered in place of what the carrier would */
        const char *answer; /* likewise, with `status` or 200 */
        const char *bad_number; /* refused with `bad_answer`, and every batch that has it */
        const char *bad_answer;
        bool loses_replies, loses_requests; /* the next one only */
        bool refuses_repeats;   /* what a number has had, with all others of the batch */
        int questions_fail;     /* each so manyth question; 0: none */
        const char *retry_after;
        int n_sendings, n_questions;
        char *last_url, *last_body, *last_nonce;
        bool nonce_twice;
        /* the next kill */
        int kill_at;     /* after so many steps of all attempts; NEVER */
        bool kill_after; /* the step's effect */
        int n_steps, n_attempts;
        bool killed;
        bool (*kills)(struct world *world, const struct step *step, bool after); /* in place of kill_at */
        void *killer;
        json_t *read_before; /* the account of each new process, which need not read it */
        /* Another worker, which does all while this one stands before its n-th step. */
        struct world *intruder;
        int intrudes_at;
        struct buf said; /* everything that anybody could read: sentences, references, memos, book */
        enum verdict_kind last;
        char *code, *sentence, *reference;
        int64_t at_ms;
};

__attribute__((unused)) static json_t *notice(const char *more) {
        json_t *data = json_pack("{s:s, s:s, s:s, s:{s:s}}", "document", "oa-1", "title", "关于停水的通知", "item",
                                 "water", "texts", "short", "11月23日8时至18时城区停水，请提前储水");
        json_t *extra = more ? json_loads(more, 0, NULL) : NULL;

        if (extra)
                (void) json_object_update(data, extra);
        json_decref(extra);
        return json_pack("{s:s, s:o}", "specversion", "1.0", "data", data);
}

__attribute__((unused)) static struct world world_of(const struct driver *driver) {
        static char *list[] = { (char *) "people.csv" }, *params[] = { (char *) "title=text" };
        struct world world = { .driver = driver, .kill_at = NEVER };
        struct problems problems = { 0 };
        struct settings_part part = { driver->settings, driver->n_settings, &world.options };

        (void) settings_apply(&part, 1, NULL, &problems); /* only the defaults; what is demanded follows */
        problems_done(&problems);
        string_list_done(&world.options.params);
        world.options.recipients = (struct string_list) { list, 1 };
        world.options.params = (struct string_list) { params, driver == &aliyun_driver };
        world.options.signature = (char *) "腾冲发布";
        free(world.options.url);
        world.options.url = strdup(driver == &aliyun_driver ? "http://127.0.0.1:5551" : "http://127.0.0.1:5552");
        if (driver == &aliyun_driver)
                world.options.template = (char *) "SMS_1";
        world.options.ec_name = (char *) "腾冲市人民政府";
        world.options.ap_id = (char *) "gk";
        world.options.sign = (char *) "AbC123";
        world.event = notice(NULL);
        world.delivery = (struct delivery) {
                .kind = DELIVER_PUBLISH, .channel = "sms", .region = "530581", .region_name = "腾冲市",
                .document = "oa-1", .revision = 7, .revision_part = "7", .event_id = "01JDB3K6V0T5YQ2N8M4W7XHRCE",
                .document_kind = "notice", .attempt = 1, .key = "530581/oa-1/7/sms", .now_ms = NOON,
                .late_effect_ms = 15000, .secret = SECRET,
        };
        world.book = json_object();
        world.counts = json_object();
        world.files = json_object();
        world.phones = json_object();
        return world;
}

__attribute__((unused)) static void world_done(struct world *world) {
        json_t *parts[] = { world->event, world->memo, world->account, world->book, world->counts, world->files,
                            world->phones };
        char *texts[] = { world->last_url, world->last_body, world->last_nonce, world->code, world->sentence,
                          world->reference, world->options.url, world->options.hours };

        for (size_t i = 0; i < ELEMENTS(parts); i++)
                json_decref(parts[i]);
        for (size_t i = 0; i < ELEMENTS(texts); i++)
                free(texts[i]);
        buf_done(&world->said);
}

__attribute__((unused)) static void put_file(struct world *world, const char *name, const char *content) {
        assert_int_equal(json_object_set_new(world->files, name, json_string(content)), 0);
}

/* 13800000000 and so on. */
__attribute__((unused)) static void put_people(struct world *world, int from, int n) {
        struct buf list = { 0 };

        buf_str(&list, "号码,区划\n");
        for (int i = from; i < from + n; i++)
                buf_fmt(&list, "138%08d,530581\n", i);
        put_file(world, "people.csv", buf_text(&list));
        buf_done(&list);
}

/* -- the store -- */

static void store_do(struct world *world, const struct book *book, struct book_reply *reply, json_t *values) {
        const char *name;
        json_t *value;
        size_t i;
        int64_t day = (world->delivery.now_ms + 28800000) / 86400000;

        if (day != world->counted_day)
                json_object_clear(world->counts);
        world->counted_day = day;
        *reply = (struct book_reply) { .values = values, .counts = world->counts, .spent = true,
                                       .now_ms = world->delivery.now_ms, .opens_ms = (day + 1) * 86400000 - 28800000 };
        if (world->book_is_away) {
                *reply = (struct book_reply) { .error = "Redis is away" };
                return;
        }
        json_array_foreach(book->spend, i, value)
                if (json_integer_value(json_object_get(world->counts, json_string_value(json_object_get(value, "name")))) +
                            json_integer_value(json_object_get(value, "amount")) >
                    json_integer_value(json_object_get(value, "limit")))
                        reply->spent = false;
        json_object_foreach(book->put, name, value) {
                assert_true(strlen(name) <= 120);
                if (json_is_true(json_object_get(value, "new")) && json_object_get(world->book, name))
                        reply->spent = false;
        }
        json_array_foreach(book->spend, i, value)
                if (reply->spent) {
                        const char *what = json_string_value(json_object_get(value, "name"));
                        json_object_set_new(world->counts, what,
                                            json_integer(json_integer_value(json_object_get(world->counts, what)) +
                                                         json_integer_value(json_object_get(value, "amount"))));
                }
        json_object_foreach(book->put, name, value)
                if (reply->spent) {
                        assert_true(json_string_length(json_object_get(value, "value")) <= 65536);
                        json_object_set(world->book, name, json_object_get(value, "value"));
                }
        assert_true(json_object_size(book->put) + json_array_size(book->get) <= 1024);
        json_array_foreach(book->get, i, value)
                if (json_object_get(world->book, json_string_value(value)))
                        json_object_set(values, json_string_value(value),
                                        json_object_get(world->book, json_string_value(value)));
}

/* -- the carrier -- */

static char *unescaped(const char *text, size_t n) {
        struct buf out = { 0 };

        for (size_t i = 0; i < n; i++) {
                unsigned byte;

                if (text[i] == '%' && sscanf(text + i + 1, "%2x", &byte) == 1) {
                        buf_char(&out, (char) byte);
                        i += 2;
                } else
                        buf_char(&out, text[i]);
        }
        return buf_take(&out);
}

/* A parameter of the address, to be freed, or NULL. */
__attribute__((unused)) static char *parameter(const char *url, const char *name) {
        const char *at = strchr(url, '?');

        while (at) {
                size_t n = strlen(name);

                at++;
                if (strncmp(at, name, n) == 0 && at[n] == '=')
                        return unescaped(at + n + 1, strcspn(at + n + 1, "&"));
                at = strchr(at, '&');
        }
        return NULL;
}

__attribute__((unused)) static const char *header(const struct http_request *http, const char *name) {
        for (char **at = http->headers; at && *at; at++)
                if (strncmp(*at, name, strlen(name)) == 0 && (*at)[strlen(name)] == ':')
                        return *at + strlen(name) + 2;
        return NULL;
}

__attribute__((unused)) static json_t *mas_body(const struct http_request *http) {
        unsigned char *plain = malloc(http->body.len + 4);
        int n = EVP_DecodeBlock(plain, (const unsigned char *) http->body.data, (int) http->body.len);
        json_t *json;

        while (n > 0 && plain[n - 1] == '\0')
                n--;
        json = json_loadb((char *) plain, (size_t) n, 0, NULL);
        free(plain);
        return json;
}

static void text_one(struct world *world, const char *number, const char *id, const char *text) {
        json_t *list = json_object_get(world->phones, number);
        char day[9];

        if (!list) {
                list = json_array();
                json_object_set_new(world->phones, number, list);
        }
        sms_day(world->delivery.now_ms, day);
        json_array_append_new(list, json_pack("{s:s, s:s, s:s}", "OutId", id, "day", day, "text", text));
}

static bool takes(const struct world *world, const char *numbers) {
        const char *number;
        json_t *texts;

        if (world->bad_number && strstr(numbers, world->bad_number))
                return false;
        json_object_foreach(world->phones, number, texts)
                if (world->refuses_repeats && strstr(numbers, number))
                        return false;
        return true;
}

/* What the carrier makes of a sending: all numbers or none. */
static bool text_all(struct world *world, const struct http_request *http) {
        char *numbers = NULL, *id = NULL, *text = NULL;
        json_t *body = NULL;

        if (world->driver == &aliyun_driver) {
                numbers = parameter(http->url, "PhoneNumbers");
                id = parameter(http->url, "OutId");
                text = parameter(http->url, "TemplateParam");
        } else if (world->driver == &mas_driver) {
                body = mas_body(http);
                numbers = strdup(json_string_value(json_object_get(body, "mobiles")));
                text = strdup(json_string_value(json_object_get(body, "content")) ? json_string_value(json_object_get(body, "content")) : "");
        } else {
                numbers = strdup(header(http, "X-Kannel-To"));
                text = strdup(buf_text(&http->body));
        }
        assert_non_null(numbers);
        if (!takes(world, numbers)) {
                free(numbers), free(id), free(text), json_decref(body);
                return false;
        }
        for (char *save = NULL, *one = strtok_r(numbers, ", ", &save); one; one = strtok_r(NULL, ", ", &save))
                text_one(world, one, id ? id : "", text);
        free(numbers), free(id), free(text), json_decref(body);
        return true;
}

static char *details_of(struct world *world, const char *url) {
        char *number = parameter(url, "PhoneNumber"), *day = parameter(url, "SendDate"), *out, oldest[9];
        json_t *rows = json_array(), *row, *all;
        size_t i;

        /* "the last 30 days" */
        sms_day(world->delivery.now_ms - INT64_C(30) * 86400000, oldest);
        if (strcmp(day, oldest) < 0) {
                json_decref(rows), free(number), free(day);
                return strdup("{\"Code\":\"isv.INVALID_PARAMETERS\",\"Message\":\"SendDate\"}");
        }

        json_array_foreach(json_object_get(world->phones, number), i, row)
                if (strcmp(json_string_value(json_object_get(row, "day")), day) == 0)
                        json_array_append(rows, row);
        all = json_pack("{s:s, s:i, s:{s:o}}", "Code", "OK", "TotalCount", (int) json_array_size(rows),
                        "SmsSendDetailDTOs", "SmsSendDetailDTO", rows);
        out = json_dumps(all, 0);
        json_decref(all), free(number), free(day);
        return out;
}

static const char *good_answer(const struct world *world, long *ret_status) {
        *ret_status = world->driver == &kannel_driver ? 202 : 200;
        return world->driver == &mas_driver      ? "{\"rspcod\":\"success\",\"msgGroup\":\"g1\",\"success\":true}"
               : world->driver == &aliyun_driver ? "{\"Code\":\"OK\",\"Message\":\"OK\",\"BizId\":\"b1\"}"
                                                 : "0: Accepted for delivery";
}

static char *http_do(struct world *world, const struct http_request *http, struct http_reply *reply) {
        const char *action = header(http, "x-acs-action"), *answer;
        char *body = NULL;
        long status;

        if (strcmp(http->method, "GET") == 0) { /* a list */
                const char *list = json_string_value(json_object_get(world->files, http->url));

                status = world->list_status ? world->list_status : list ? 200 : 404;
                body = strdup(list ? list : "");
                *reply = (struct http_reply) { .status = status, .body = body, .n_body = strlen(body), .sent = true };
                return body;
        }
        free(world->last_url), free(world->last_body);
        world->last_url = strdup(http->url);
        world->last_body = strdup(buf_text(&http->body));
        if (header(http, "x-acs-signature-nonce")) {
                world->nonce_twice = world->nonce_twice ||
                                     (world->last_nonce && strcmp(world->last_nonce, header(http, "x-acs-signature-nonce")) == 0);
                free(world->last_nonce);
                world->last_nonce = strdup(header(http, "x-acs-signature-nonce"));
        }
        if (world->loses_requests) {
                world->loses_requests = false;
                *reply = (struct http_reply) { .error = "connection refused" };
                return NULL;
        }
        answer = good_answer(world, &status);
        if (action && strcmp(action, "QuerySendDetails") == 0) {
                world->n_questions++;
                assert_true(http->harmless);
                body = details_of(world, http->url);
                if (world->questions_fail && world->n_questions % world->questions_fail == 0) {
                        free(body), body = strdup("<html>"), status = 500;
                }
        } else {
                world->n_sendings++;
                assert_false(http->repeatable);
                assert_int_equal(http->harmless, world->delivery.kind == DELIVER_TEST && !world->options.test_number);
                if (world->answer || world->status) {
                        answer = world->answer ? world->answer : "";
                        status = world->status ? world->status : status;
                } else if (!text_all(world, http))
                        answer = world->bad_answer;
                body = strdup(answer);
        }
        *reply = (struct http_reply) { .status = status, .body = body, .n_body = strlen(body), .sent = true,
                                       .retry_after = world->retry_after };
        if (world->loses_replies) {
                world->loses_replies = false;
                *reply = (struct http_reply) { .sent = true, .error = "timed out" };
        }
        return body;
}

/* -- the engine -- */

static void note_memo(struct world *world, json_t *memo) {
        char *text = memo ? json_dumps(memo, 0) : NULL;

        if (text)
                buf_fmt(&world->said, "%s\n", text);
        assert_true(!text || strlen(text) < 512 * 1024);
        free(text);
        json_decref(world->memo);
        world->memo = json_incref(memo);
}

/* Whether the process dies here. */
static bool dies(struct world *world, const struct step *step, bool after) {
        if (world->kills)
                return world->kills(world, step, after);
        if (world->killed || world->kill_after != after)
                return false;
        if (world->kill_at == NEVER || world->n_steps++ != world->kill_at)
                return false;
        world->killed = true;
        world->kill_at = NEVER;
        return true;
}

static bool make_account(struct world *world, struct step *verdict);
static void deliver(struct world *world);

static bool let_in(struct world *world) {
        struct world *other = world->intruder;

        if (!other || world->intrudes_at-- != 0)
                return false;
        world->intruder = NULL;
        json_decref(other->memo);
        other->memo = json_incref(world->memo);
        other->delivery.doubt = true; /* it found a lease that has passed */
        deliver(other);
        return true;
}

/* One attempt; false: the process was killed. */
__attribute__((unused)) static bool attempt(struct world *world) {
        struct delivery *delivery = &world->delivery;
        struct step step = { 0 }, next;
        json_t *memo = json_incref(world->memo);
        bool moved = false, unclear = false;

        world->n_attempts++;
        delivery->options = &world->options;
        delivery->event = world->event;
        delivery->memo = memo;
        delivery->account = world->account;
        assert_int_equal(world->driver->begin(delivery, &step), 0);
        for (;;) {
                struct reply reply = { .kind = step.kind };
                json_t *values = json_object();
                char *body = NULL;

                if (step.memo && step.memo != memo) {
                        json_decref(memo);
                        memo = json_incref(step.memo);
                        moved = true;
                }
                delivery->memo = memo;
                if (step.kind == STEP_VERDICT) {
                        json_decref(values);
                        break;
                }
                if (step.kind == STEP_HTTP && step.checkpoint)
                        note_memo(world, memo);
                if (let_in(world) && step.kind == STEP_HTTP) { /* the engine looks at its lease before it sends */
                        json_decref(values), json_decref(memo), step_done(&step);
                        return false;
                }
                if (dies(world, &step, false)) {
                        json_decref(values), json_decref(memo), step_done(&step);
                        return false;
                }
                if (step.kind == STEP_BOOK)
                        store_do(world, &step.book, &reply.book, values);
                else if (step.kind == STEP_HTTP) {
                        body = http_do(world, &step.http, &reply.http);
                        unclear = !step.http.harmless ? reply.http.status == 0 && reply.http.sent : unclear;
                } else {
                        struct step verdict = { 0 };

                        assert_int_equal(step.kind, STEP_ACCOUNT);
                        if (!make_account(world, &verdict)) {
                                verdict.memo = NULL;
                                json_decref(values), step_done(&step);
                                step = verdict;
                                delivery->memo = memo;
                                break;
                        }
                        delivery->account = world->account;
                }
                if (dies(world, &step, true)) {
                        json_decref(values), json_decref(memo), free(body), step_done(&step);
                        return false;
                }
                next = (struct step) { 0 };
                assert_int_equal(world->driver->next(delivery, &reply, &next), 0);
                json_decref(values), free(body), step_done(&step);
                step = next;
        }
        world->last = unclear && step.verdict.kind != VERDICT_DONE ? VERDICT_UNCERTAIN : step.verdict.kind;
        world->at_ms = step.verdict.at_ms;
        free(world->code), free(world->sentence), free(world->reference);
        world->code = strdup(step.verdict.code);
        world->sentence = strdup(step.verdict.sentence ? step.verdict.sentence : "");
        world->reference = strdup(step.verdict.reference ? step.verdict.reference : "");
        buf_fmt(&world->said, "%s\n%s\n%s\n", world->sentence, world->reference, step.verdict.url ? step.verdict.url : "");
        if (world->last == VERDICT_DONE) {
                note_memo(world, NULL);
                delivery->doubt = false;
        } else if (moved)
                note_memo(world, step.memo ? step.memo : memo);
        if (world->last == VERDICT_UNCERTAIN)
                delivery->doubt = true;
        json_decref(memo), step_done(&step);
        delivery->memo = world->memo;
        return true;
}

static bool make_account(struct world *world, struct step *verdict) {
        struct delivery *delivery = &world->delivery;
        struct step step = { 0 };

        if (world->read_before) {
                json_decref(world->account);
                world->account = json_copy(world->read_before);
                return json_object_set_new(world->account, "at", json_integer(delivery->now_ms)) == 0;
        }
        delivery->account = world->account;
        assert_int_equal(world->driver->account_begin(delivery, &step), 0);
        while (step.kind != STEP_VERDICT) {
                struct reply reply = { .kind = step.kind };
                struct step next = { 0 };
                char *body = NULL;

                if (step.kind == STEP_FILE) {
                        const json_t *file = json_object_get(world->files, step.file.path);

                        reply.file = (struct file_reply) { .bytes = json_string_value(file),
                                                           .n_bytes = json_string_length(file),
                                                           .error = file ? 0 : ENOENT };
                } else {
                        assert_int_equal(step.kind, STEP_HTTP);
                        body = http_do(world, &step.http, &reply.http);
                }
                assert_int_equal(world->driver->account_next(delivery, &reply, &next), 0);
                free(body), step_done(&step);
                step = next;
        }
        if (step.verdict.kind != VERDICT_DONE) {
                *verdict = step;
                return false;
        }
        assert_non_null(step.account);
        json_decref(world->account);
        world->account = give_away(step.account);
        delivery->account_version++;
        step_done(&step);
        return true;
}

/* Attempts, as the engine makes them, until it is done, refused or blocked. */
__attribute__((unused)) static void deliver(struct world *world) {
        for (int i = 0; i < 2000; i++) {
                int64_t earliest = world->delivery.now_ms + 1000;

                if (!attempt(world)) { /* a new process finds a passed lease */
                        world->delivery.doubt = true;
                        json_decref(give_away(world->account));
                        world->delivery.attempt++;
                        world->delivery.now_ms = earliest;
                        continue;
                }
                if (world->last == VERDICT_DONE || world->last == VERDICT_REFUSED || world->last == VERDICT_BLOCKED)
                        return;
                if (world->last == VERDICT_LATER || world->last == VERDICT_UNCERTAIN)
                        world->delivery.attempt++;
                world->delivery.now_ms = world->at_ms > earliest ? world->at_ms : earliest;
        }
        fail_msg("it never ends: %s", world->sentence);
}

/* How many texts went out in all, and whether anybody got two. */
__attribute__((unused)) static int texted(const struct world *world, bool *ret_twice) {
        const char *number;
        json_t *list;
        int n = 0;

        *ret_twice = false;
        json_object_foreach(world->phones, number, list) {
                n += (int) json_array_size(list);
                *ret_twice = *ret_twice || json_array_size(list) > 1;
        }
        return n;
}

/* The "doubt=" of the reference. */
__attribute__((unused)) static int doubt_of(const struct world *world) {
        const char *at = strstr(world->reference, "doubt=");

        return at ? (int) strtol(at + 6, NULL, 10) : -1;
}

/* No number stands anywhere but in the requests and the process's memory. */
__attribute__((unused)) static void assert_masked(struct world *world) {
        char *book = json_dumps(world->book, 0);

        buf_str(&world->said, book);
        free(book);
        for (const char *at = buf_text(&world->said); (at = strstr(at, "138")) != NULL; at++)
                assert_true(strspn(at, "0123456789") != 11);
}

#endif
