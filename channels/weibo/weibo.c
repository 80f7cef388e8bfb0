#include "channels/weibo/weibo.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "channels/secret.h"
#include "core/memory.h"
#include "core/moment.h"

/* Weibo has taken it (20032): it is looked for so long before it is posted again. */
enum { LATE_MS = 3600000, LATE_LOOK_MS = 120000 };

/* -- what the steps share -- */

/* A verdict with a moment in its sentence; the memo goes along. */
static int wait_until(const struct delivery *delivery, json_t *memo, enum verdict_kind kind,
                      const char *code, enum message message, int64_t at_ms, struct step *ret) {
        char until[MOMENT_TEXT];
        int r = step_verdict(ret, kind, code, at_ms, message, "until", moment_write_minute(at_ms, until),
                             "channel", delivery->channel, NULL);

        ret->memo = json_incref(memo);
        return r;
}

static int trouble(const struct delivery *delivery, json_t *memo, const struct http_reply *reply,
                   const struct weibo_answer *answer, bool posts, struct step *ret) {
        int r = weibo_trouble(delivery, reply, answer, posts, ret);

        ret->memo = json_incref(memo);
        return r;
}

/* The request that a step of `what` makes, with the memo on disk before it where it changes anything. */
static int go(const struct delivery *delivery, json_t *memo, const char *what, struct step *ret) {
        char *token = weibo_token(delivery->secret);
        bool looks = strcmp(what, "look") == 0;
        int r;

        if (json_object_set_new(memo, "do", json_string(what)) < 0)
                r = -ENOMEM;
        else if (!token)
                r = step_verdict(ret, VERDICT_BLOCKED, "weibo/login", 0, MESSAGE_WEIBO_NO_TOKEN, "channel",
                                 delivery->channel, NULL);
        else if (looks)
                r = weibo_timeline(delivery, token, (unsigned) weibo_memo_number(memo, "page"), ret);
        else if (strcmp(what, "share") == 0)
                r = weibo_share(delivery, token, weibo_memo_text(memo, "text"), ret);
        else
                r = weibo_destroy(delivery, token,
                                  json_string_value(json_array_get(json_object_get(memo, "old"), 0)), ret);
        secret_part_free(token);
        ret->memo = json_incref(memo);
        ret->checkpoint = ret->kind == STEP_HTTP && !looks;
        return r;
}

static int look(const struct delivery *delivery, json_t *memo, struct step *ret) {
        int64_t page = weibo_memo_number(memo, "page") + 1;

        return json_object_set_new(memo, "page", json_integer(page)) < 0 ? -ENOMEM
                                                                       : go(delivery, memo, "look", ret);
}

/* An effect of what was sent before can still come until then. */
static int64_t settled_ms(const struct delivery *delivery) {
        const struct weibo_options *options = delivery->options;
        int64_t wait_ms = options->appears_ms > delivery->late_effect_ms ? options->appears_ms
                                                                      : delivery->late_effect_ms;

        return delivery->doubt ? delivery->doubt_since_ms + wait_ms : 0;
}

/* What is old goes, one by one; then it is done. */
static int finish(const struct delivery *delivery, json_t *memo, struct step *ret) {
        if (json_array_size(json_object_get(memo, "old")) > 0)
                return go(delivery, memo, "destroy", ret);
        if (delivery->kind == DELIVER_PUBLISH)
                return step_done_verdict(ret, weibo_memo_text(memo, "id"), weibo_memo_text(memo, "url"));
        if (json_object_get(memo, "older"))
                return look(delivery, memo, ret);
        return step_done_verdict(ret, NULL, NULL);
}

/* -- publish -- */

static int share(const struct delivery *delivery, json_t *memo, struct step *ret) {
        const struct weibo_options *options = delivery->options;

        if (options->on_revise == WEIBO_KEEP && delivery->reference && !delivery->ended &&
            !strchr(delivery->revision_part, 'r')) {
                json_t *old = json_object_get(memo, "old");

                /* The post that stands leads to the full text, which is the newest. */
                for (size_t i = json_array_size(old); i-- > 0;)
                        if (strcmp(json_string_value(json_array_get(old, i)), delivery->reference) == 0)
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
        /* The first time that these words may have left counts: a post may be of any of the tries. */
        if (weibo_memo_number(memo, "at") == 0)
                (void) json_object_set_new(memo, "at", json_integer(delivery->now_ms));
        return go(delivery, memo, "share", ret);
}

static bool is_late(const json_t *memo) {
        return json_is_true(json_object_get(memo, "late")) ||
               json_is_true(json_object_get(json_object_get(memo, "older"), "late"));
}

/* The account was read to its end, or as far back as it matters. */
static int looked(const struct delivery *delivery, json_t *memo, struct step *ret) {
        int64_t late_ms = weibo_memo_number(memo, "at") + LATE_MS, why = weibo_memo_number(memo, "why");
        bool again = json_is_true(json_object_get(memo, "similar"));
        int r;

        if (weibo_memo_text(memo, "id"))
                return finish(delivery, memo, ret);
        if (is_late(memo) && delivery->now_ms < late_ms)
                return wait_until(delivery, memo, VERDICT_ASK, "weibo/late", MESSAGE_WEIBO_LATE,
                                  delivery->now_ms + LATE_LOOK_MS, ret);
        if (delivery->now_ms < settled_ms(delivery))
                return wait_until(delivery, memo, VERDICT_ASK, "weibo/not-yet", MESSAGE_WEIBO_NOT_YET,
                                  settled_ms(delivery), ret);
        if (!why)
                return share(delivery, memo, ret);
        if (why == 20017)
                (void) json_object_set_new(memo, "similar", json_true());
        r = weibo_refusal(delivery, (long) why, weibo_memo_text(memo, "says"), again, ret);
        ret->memo = json_incref(memo);
        return r;
}

static int bad_address(const struct delivery *delivery, struct step *ret) {
        const struct weibo_options *options = delivery->options;
        const char *url = delivery->after_url;

        if (!url || !weibo_url_is_sound(url))
                return step_verdict(ret, VERDICT_REFUSED, "weibo/no-address", 0, MESSAGE_WEIBO_NO_URL, NULL);
        return step_verdict(ret, VERDICT_BLOCKED, "weibo/domain", 0, MESSAGE_WEIBO_OTHER_DOMAIN, "url", url,
                            "domain", options->safe_domain, NULL);
}

static int publish(const struct delivery *delivery, json_t *memo, struct step *ret) {
        const struct weibo_options *options = delivery->options;
        const char *url = delivery->after_url;
        bool in_doubt = delivery->doubt || is_late(memo);
        char *text freed_by(freep) = NULL;

        /* It is posted, and only what is old is left; in doubt, what stands may stand twice. */
        if (weibo_memo_text(memo, "id") && !(in_doubt && delivery->shown))
                return finish(delivery, memo, ret);
        if (!weibo_memo_text(memo, "text")) {
                if (!url || !weibo_url_is_sound(url) || !weibo_url_is_under(url, options->safe_domain))
                        return weibo_memo_text(memo, "id") ? finish(delivery, memo, ret)
                                                           : bad_address(delivery, ret);
                text = weibo_text(json_object_get(delivery->event, "data"), url, delivery->ended);
                if (!text || json_object_set_new(memo, "text", json_string(text)) < 0)
                        return -ENOMEM;
        }
        return in_doubt ? look(delivery, memo, ret) : share(delivery, memo, ret);
}

static int on_share(const struct delivery *delivery, json_t *memo, const struct http_reply *reply,
                    const struct weibo_answer *answer, struct step *ret) {
        const struct weibo_options *options = delivery->options;
        struct weibo_answer odd = { .meaning = WEIBO_TROUBLE };
        char id[WEIBO_ID];
        char *url;

        switch (answer->meaning) {
        case WEIBO_SAME:
        case WEIBO_SIMILAR:
                (void) json_object_set_new(memo, "why", json_integer(answer->code));
                (void) json_object_set_new(memo, "says", json_string(answer->error ? answer->error : ""));
                (void) json_object_del(memo, "page");
                return look(delivery, memo, ret);
        case WEIBO_LATE:
                (void) json_object_set_new(memo, "late", json_true());
                return wait_until(delivery, memo, VERDICT_ASK, "weibo/late", MESSAGE_WEIBO_LATE,
                                  delivery->now_ms + options->appears_ms, ret);
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

/* -- withdraw, and what both need -- */

static int withdraw(const struct delivery *delivery, json_t *memo, struct step *ret) {
        /* A post that was refused in clear words does not come any more. */
        if (!delivery->doubt && !is_late(memo))
                (void) json_object_del(memo, "older");
        return finish(delivery, memo, ret);
}

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
        int64_t again_ms = settled_ms(delivery);

        if (answer->meaning != WEIBO_FINE)
                return trouble(delivery, memo, reply, answer, false, ret);
        if (!json_is_array(statuses))
                return trouble(delivery, memo, reply, &odd, false, ret);
        if (weibo_memo_scan(memo, delivery, statuses))
                return look(delivery, memo, ret);
        if (delivery->kind == DELIVER_PUBLISH)
                return looked(delivery, memo, ret);
        if (is_late(memo) && again_ms < delivery->now_ms + LATE_LOOK_MS)
                again_ms = delivery->now_ms + LATE_LOOK_MS;
        /* What is known is gone by now. */
        if (json_object_get(memo, "older") && delivery->now_ms < again_ms &&
            delivery->now_ms < weibo_memo_number(json_object_get(memo, "older"), "at") + LATE_MS)
                return wait_until(delivery, memo, VERDICT_ASK, "weibo/not-yet", MESSAGE_WEIBO_STILL, again_ms,
                                  ret);
        (void) json_object_del(memo, "older");
        return finish(delivery, memo, ret);
}

/* -- the driver -- */

static int test(const struct delivery *delivery, struct step *ret) {
        char *token = weibo_token(delivery->secret);
        int r = token ? weibo_token_info(delivery, token, ret)
                      : step_verdict(ret, VERDICT_BLOCKED, "weibo/login", 0, MESSAGE_WEIBO_NO_TOKEN, "channel",
                                     delivery->channel, NULL);

        secret_part_free(token);
        return r;
}

static int weibo_begin(const struct delivery *delivery, struct step *ret) {
        json_t *memo freed_by(json_decrefp) = NULL;

        if (delivery->kind == DELIVER_SETUP)
                return step_done_verdict(ret, NULL, NULL);
        if (delivery->kind == DELIVER_TEST)
                return test(delivery, ret);
        memo = weibo_memo_open(delivery);
        if (!memo)
                return -ENOMEM;
        return delivery->kind == DELIVER_PUBLISH ? publish(delivery, memo, ret)
                                                 : withdraw(delivery, memo, ret);
}

static int weibo_next(const struct delivery *delivery, const struct reply *reply, struct step *ret) {
        json_t *memo freed_by(json_decrefp) = NULL;
        struct weibo_answer answer freed_by(weibo_answer_done) = { 0 };
        const char *what;

        if (delivery->kind == DELIVER_TEST)
                return weibo_judge_token(delivery, &reply->http, ret);
        memo = json_deep_copy(delivery->memo);
        if (!memo)
                return -ENOMEM;
        weibo_read(&reply->http, &answer);
        what = weibo_memo_text(memo, "do");
        what = what ? what : "";
        if (strcmp(what, "share") == 0)
                return on_share(delivery, memo, &reply->http, &answer, ret);
        if (strcmp(what, "destroy") == 0)
                return on_destroy(delivery, memo, &reply->http, &answer, ret);
        return on_look(delivery, memo, &reply->http, &answer, ret);
}

static bool weibo_looks(const void *options) {
        (void) options;
        return true;
}

/* -- options -- */

static bool is_ip(const char *text) {
        unsigned char bytes[16];

        return inet_pton(AF_INET, text, bytes) == 1 || inet_pton(AF_INET6, text, bytes) == 1;
}

static bool is_host(const char *text) {
        size_t n = strspn(text, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-.");

        return n > 2 && n <= 253 && !text[n] && *text != '.' && text[n - 1] != '.' && strchr(text, '.');
}

static bool is_address(const char *text) {
        return weibo_url_is_sound(text) && text[strlen(text) - 1] != '/' && !strchr(text, '?');
}

static void weibo_check(const void *options, const char *path, struct problems *problems) {
        const struct weibo_options *own = options;

        if (own->address && !is_address(own->address))
                problems_add(problems, path, 0, MESSAGE_WEIBO_BAD_ADDRESS, "key", "address", "value",
                             own->address, NULL);
        if (own->redirect_uri && !weibo_url_is_sound(own->redirect_uri))
                problems_add(problems, path, 0, MESSAGE_WEIBO_BAD_ADDRESS, "key", "redirect_uri", "value",
                             own->redirect_uri, NULL);
        if (own->app_key && (!*own->app_key || strspn(own->app_key, "0123456789") != strlen(own->app_key)))
                problems_add(problems, path, 0, MESSAGE_WEIBO_BAD_KEY, "value", own->app_key, NULL);
        if (own->safe_domain && !is_host(own->safe_domain))
                problems_add(problems, path, 0, MESSAGE_WEIBO_BAD_DOMAIN, "value", own->safe_domain, NULL);
        if (own->rip && !is_ip(own->rip))
                problems_add(problems, path, 0, MESSAGE_WEIBO_BAD_RIP, "value", own->rip, NULL);
}

static const char *const on_revise[] = { "repost", "keep", NULL };

#define AT(member) offsetof(struct weibo_options, member)
static const struct setting weibo_settings[] = {
        { "", "app_key", SETTING_STRING, AT(app_key), .required = true,
          .chinese = "微博开放平台给的 App Key", .english = "the App Key of open.weibo.com" },
        { "", "redirect_uri", SETTING_STRING, AT(redirect_uri),
          .fallback = "https://api.weibo.com/oauth2/default.html",
          .chinese = "应用“高级信息”里填的授权回调页，要一模一样",
          .english = "the callback as the app has it, to the letter" },
        { "", "safe_domain", SETTING_STRING, AT(safe_domain), .required = true,
          .chinese = "应用里绑定的安全域名；原文网址必须在它下面",
          .english = "the safe domain bound to the app; the full text's address must be under it" },
        { "", "rip", SETTING_STRING, AT(rip), .required = true,
          .chinese = "发布单位上网用的真实 IP 地址，微博要求填",
          .english = "the IP address that the office really has, which Weibo demands" },
        { "", "on_revise", SETTING_CHOICE, AT(on_revise), .fallback = "repost", .choices = on_revise,
          .chinese = "修订时：repost 发一条新的（带更正说明）再删旧的，keep 旧的留着不动",
          .english = "at a revision: repost posts anew, with the correction's note, then deletes the old"
                     " post; keep leaves that as it is" },
        { "", "appears", SETTING_DURATION, AT(appears_ms), .fallback = "2min", .least = 0, .most = 3600000,
          .chinese = "没有答复的一条，发出后多久还可能在账号里出现；过了才重发",
          .english = "how long after it was sent an unanswered post may still appear; only then it is"
                     " posted again" },
        { "", "address", SETTING_STRING, AT(address), .fallback = "https://api.weibo.com",
          .chinese = "微博接口的网址，一般不改", .english = "Weibo's interface; seldom another" },
};
#undef AT

extern const struct driver weibo_driver;
const struct driver weibo_driver = {
        .name = "weibo",
        .title_chinese = "政务微博",
        .title_english = "Weibo",
        .settings = weibo_settings,
        .n_settings = ELEMENTS(weibo_settings),
        .options_size = sizeof(struct weibo_options),
        .looks = weibo_looks,
        .check = weibo_check,
        .begin = weibo_begin,
        .next = weibo_next,
        .expires = weibo_expires,
        .login_address = weibo_login_address,
        .login_begin = weibo_login_begin,
        .login_next = weibo_login_next,
};
