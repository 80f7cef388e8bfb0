/* The access token: stable_token, as the platform's page on it asks for. The normal way gives the
 * same token to whoever asks until five minutes before its end, when the old and the new one are
 * both good; by force makes the old one void at once, 20 times a day and 30 s apart. So the normal
 * way is asked first, and force only where it brought the very token that was refused, and it is
 * still. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "channels/secret.h"
#include "channels/wechat/wechat.h"
#include "core/memory.h"
#include "core/moment.h"

enum { APART_MS = 30 * 1000, EARLY_MS = 4 * 60 * 1000, TOKEN_BYTES = 4096, DAY_S = 24 * 3600 };

static bool by_force(const struct delivery *delivery) {
        return json_is_true(json_object_get(delivery->account, "same")) &&
               delivery->now_ms < wechat_number(delivery->account, "until");
}

static struct work work_of(const struct delivery *delivery, struct step *ret) {
        return (struct work) { .delivery = delivery, .options = delivery->options, .ret = ret };
}

static int request(const struct delivery *delivery, struct step *ret) {
        const struct wechat_options *options = delivery->options;
        char *appsecret freed_by(secret_part_freep) = secret_part(delivery->secret, "appsecret", 1);
        struct buf url freed_by(buf_done) = { 0 };
        json_t *body;

        if (!appsecret)
                return step_verdict(ret, VERDICT_BLOCKED, "wechat/secret", 0,
                                    MESSAGE_WECHAT_NO_SECRET, "part", "appsecret", NULL);
        body = json_pack("{s:s, s:s, s:s}", "grant_type", "client_credential", "appid",
                         options->appid, "secret", appsecret);
        if (by_force(delivery) && body &&
            json_object_set_new(body, "force_refresh", json_true()) < 0) {
                json_decref(body);
                return -ENOMEM;
        }
        buf_fmt(&url, "%s/cgi-bin/stable_token", options->api);
        if (!body || url.error) {
                json_decref(body);
                return -ENOMEM;
        }
        return wechat_request_json(ret, buf_text(&url), body, CALL_HARMLESS);
}

int wechat_account_begin(const struct delivery *delivery, struct step *ret) {
        int64_t next_ms = wechat_number(delivery->account, "forced") + APART_MS;
        char when[MOMENT_TEXT];
        struct work work = work_of(delivery, ret);

        if (!by_force(delivery))
                return request(delivery, ret);
        if (delivery->now_ms < next_ms)
                return step_verdict(ret, VERDICT_WAIT, "wechat/token", next_ms,
                                    MESSAGE_WECHAT_QUOTA, "code", "stable_token", "reason",
                                    "force_refresh", "when", moment_write_minute(next_ms, when),
                                    NULL);
        return wechat_book(&work, NULL, NULL, NULL, wechat_spend("token", WECHAT_FORCED_TOKENS));
}

static int keep(const struct delivery *delivery, const json_t *json, struct step *ret) {
        const char *token = wechat_text(json, "access_token"),
                   *old = wechat_text(delivery->account, "token");
        int64_t seconds = wechat_number(json, "expires_in");
        int64_t life_ms = seconds > 0 && seconds <= DAY_S ? seconds * 1000 - EARLY_MS : 0;
        bool forced = by_force(delivery);
        json_t *account;

        /* Renewed for its age only, the same one again says nothing. */
        bool same = !forced && strcmp(token, old) == 0 &&
                    delivery->now_ms < wechat_number(delivery->account, "until");

        if (life_ms < 60 * 1000)
                life_ms = 60 * 1000;
        account = json_pack("{s:s, s:I, s:b, s:I}", "token", token, "until",
                            (json_int_t) (delivery->now_ms + life_ms), "same", same, "forced",
                            (json_int_t) (forced ? delivery->now_ms
                                                 : wechat_number(delivery->account, "forced")));
        if (!account || step_done_verdict(ret, NULL, NULL) < 0) {
                json_decref(account);
                return -ENOMEM;
        }
        ret->account = account;
        return 0;
}

static int spent(const struct delivery *delivery, const struct book_reply *book, struct step *ret) {
        char *what freed_by(freep) = NULL;
        char limit[24], when[MOMENT_TEXT];

        if (book->error)
                return step_verdict(ret, VERDICT_LATER, "wechat/book", 0, MESSAGE_WECHAT_NO_BOOK,
                                    "reason", book->error, NULL);
        if (book->spent)
                return request(delivery, ret);
        what = say(MESSAGE_WECHAT_DO_TOKEN, NULL);
        (void) snprintf(limit, sizeof(limit), "%d", WECHAT_FORCED_TOKENS);
        return step_verdict(ret, VERDICT_WAIT, "wechat/quota", book->opens_ms,
                            MESSAGE_WECHAT_OWN_QUOTA, "what", what ? what : "", "limit", limit,
                            "when", moment_write_minute(book->opens_ms, when), NULL);
}

int wechat_account_next(const struct delivery *delivery, const struct reply *reply,
                        struct step *ret) {
        struct answer answer freed_by(wechat_answer_done) = { 0 };
        struct work work = work_of(delivery, ret);
        const char *token;

        if (reply->kind == STEP_BOOK)
                return spent(delivery, &reply->book, ret);
        wechat_read(&reply->http, true, &answer);
        token = wechat_text(answer.json, "access_token");
        if (answer.class == CLASS_OK && *token && strlen(token) <= TOKEN_BYTES)
                return keep(delivery, answer.json, ret);
        if (answer.class == CLASS_OK)
                answer.class = CLASS_GARBLED;
        return wechat_judge(&work, &answer, true, MESSAGE_WECHAT_DO_TOKEN);
}
