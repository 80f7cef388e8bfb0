/* For the tests of weibo: one delivery, one account. Included by tests only. */
#ifndef CHANNELS_WEIBO_FIXTURE_H
#define CHANNELS_WEIBO_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "channels/weibo/weibo.h"
#include "core/memory.h"

#define NOON INT64_C(1795320000000) /* 2026-11-22T12:00:00+08:00 */
#define MINUTE INT64_C(60000)
#define HOUR INT64_C(3600000)
#define URL "https://www.example.gov.cn/d/oa-1.html"
#define TOKEN "2.00fake_TOKEN"
#define SECRET "# 官微\napp_secret = s3cret\naccess_token = " TOKEN "\n"

extern const struct driver weibo_driver;

__attribute__((unused)) static const struct weibo_options weibo_options = {
        .address = (char *) "https://api.weibo.com",
        .app_key = (char *) "1234567890",
        .redirect_uri = (char *) "https://www.example.gov.cn/weibo",
        .safe_domain = (char *) "www.example.gov.cn",
        .rip = (char *) "203.0.113.7",
        .appears_ms = 2 * MINUTE,
};

/* Data from JSON with ' for ". */
__attribute__((unused)) static json_t *data_of(const char *text) {
        char *copy = strdup(text);
        json_t *data;

        for (char *at = copy; *at; at++)
                *at = *at == '\'' ? '"' : *at;
        data = json_loads(copy, 0, NULL);
        assert_non_null(data);
        free(copy);
        return data;
}

__attribute__((unused)) static json_t *event_of(const char *data) {
        return json_pack("{s:o}", "data", data_of(data));
}

__attribute__((unused)) static struct delivery delivery_of(enum delivery_kind kind,
                                                           const json_t *event) {
        bool shown = kind == DELIVER_PUBLISH;

        return (struct delivery) {
                .kind = kind,
                .channel = "weibo",
                .region = "530581",
                .region_name = "腾冲市",
                .document = "oa-1",
                .revision = 7,
                .level = shown ? 0 : 1,
                .revision_part = shown                      ? "7"
                                 : kind == DELIVER_WITHDRAW ? "7w"
                                                            : "7x",
                .event_id = "01JDB3K6V0T5YQ2N8M4W7XHRCE",
                .event = event,
                .document_kind = "notice",
                .accepted_ms = NOON - MINUTE,
                .attempt = 1,
                .key = shown ? "530581/oa-1/7/weibo" : "530581/oa-1/7w/weibo",
                .after_url = URL,
                .now_ms = NOON,
                .secret = SECRET,
                .options = &weibo_options,
        };
}

/* The first step that is not the book's, which is empty; *ret_memo holds the memo. */
__attribute__((unused)) static void first_step(struct delivery *delivery, json_t **ret_memo,
                                               struct step *ret) {
        assert_int_equal(weibo_driver.begin(delivery, ret), 0);
        *ret_memo = NULL;
        while (ret->kind == STEP_BOOK) {
                struct reply reply = { .kind = STEP_BOOK, .book = { .spent = true } };
                struct step next = { 0 };

                json_decref(*ret_memo);
                *ret_memo = json_incref(ret->memo);
                delivery->memo = *ret_memo;
                assert_int_equal(weibo_driver.next(delivery, &reply, &next), 0);
                step_done(ret);
                *ret = next;
        }
}

/* Whether a {hole} of a sentence was left open. */
__attribute__((unused)) static bool has_hole(const char *sentence) {
        for (const char *at = sentence; (at = strchr(at, '{')) != NULL; at++) {
                size_t n = strspn(at + 1, "abcdefghijklmnopqrstuvwxyz");

                if (n > 0 && at[1 + n] == '}')
                        return true;
        }
        return false;
}

/* The value of a field of a urlencoded body, decoded; "" = none. */
__attribute__((unused)) static char *field(const struct step *step, const char *name) {
        const char *body = buf_text(&step->http.body);
        struct buf out = { 0 };
        size_t n = strlen(name);

        while (body && *body && !(strncmp(body, name, n) == 0 && body[n] == '=')) {
                body = strchr(body, '&');
                body = body ? body + 1 : NULL;
        }
        for (const char *at = body && *body ? body + n + 1 : ""; *at && *at != '&'; at++) {
                unsigned code = (unsigned char) *at;

                if (*at == '%') {
                        assert_int_equal(sscanf(at + 1, "%2x", &code), 1);
                        at += 2;
                }
                buf_char(&out, (char) code);
        }
        return buf_take(&out);
}

#endif
