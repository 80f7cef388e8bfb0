/* What the platform pushes to the address that is set in the account ("服务器配置"). Plain, the
 * signature covers the time and a nonce but not the body, so that what it says is only a hint: the
 * result is asked for at once. Sealed, it comes from who has our key, and is believed. */
#include <errno.h>
#include <openssl/crypto.h>
#include <stdio.h>
#include <string.h>

#include "channels/secret.h"
#include "channels/wechat/wechat.h"
#include "core/digest.h"
#include "core/memory.h"

enum { WINDOW_S = 5 * 60, BODY_MOST = 64 << 10, DONE_DAYS = 7, HOUR_MS = 3600 * 1000 };

struct caller {
        const struct call *call;
        const struct wechat_options *options;
        char *token, *aes_key;
        int64_t now_ms;
};

static int refuse(struct call_answer *ret, enum message why) {
        char *reason freed_by(freep) = say(why, NULL);

        ret->status = 403;
        ret->trouble = say(MESSAGE_WECHAT_CALL_REFUSED, "reason", reason ? reason : "", NULL);
        return ret->trouble ? 0 : -ENOMEM;
}

static int accept(struct call_answer *ret, const char *body) {
        ret->status = 200;
        buf_str(&ret->body, body);
        return ret->body.error;
}

static bool same(const char *ours, const char *theirs) {
        return strlen(ours) == 40 && strlen(theirs) == 40 && CRYPTO_memcmp(ours, theirs, 40) == 0;
}

static bool is_signed(const struct caller *caller, const char *key, const char *sealed) {
        const json_t *query = caller->call->query;
        const char *texts[4] = { caller->token, wechat_text(query, "timestamp"),
                                 wechat_text(query, "nonce"), sealed };
        char ours[41];

        wechat_signature(texts, sealed ? 4 : 3, ours);
        return same(ours, wechat_text(query, key));
}

static bool is_now(const struct caller *caller) {
        int64_t at_s = wechat_number(caller->call->query, "timestamp"), now_s = caller->now_ms / 1000;

        return at_s > now_s - WINDOW_S && at_s < now_s + WINDOW_S;
}

/* -- what is noted -- */

static int put_once(json_t *put, const char *prefix, const char *text) {
        char digest[DIGEST_TEXT], name[80];

        digest_bytes(text, strlen(text), digest);
        (void) snprintf(name, sizeof(name), "%s.%.40s", prefix, digest);
        return json_object_set_new(
                put, name,
                json_pack("{s:s, s:I, s:b}", "value", "1", "ms", (json_int_t) HOUR_MS, "new", 1));
}

/* "send success", "send fail", "err(20001)". */
static json_t *told_push(const json_t *event, const char *id) {
        const char *status = wechat_text(event, "xml/Status");
        struct buf article freed_by(buf_done) = { 0 };

        buf_fmt(&article, "mass:%s", id);
        return json_pack(
                "{s:i, s:s, s:s, s:s}", "status",
                strcmp(status, "send success") == 0 || strcmp(status, "sendsuccess") == 0 ? 0 : 7,
                "article", buf_text(&article), "url",
                wechat_text(event, "xml/ArticleUrlResult/ResultList/item/ArticleUrl"), "reason",
                status);
}

static json_t *told_publish(const json_t *event) {
        return json_pack("{s:I, s:s, s:s, s:s}", "status",
                         (json_int_t) wechat_number(event, "xml/PublishEventInfo/publish_status"),
                         "article", wechat_text(event, "xml/PublishEventInfo/article_id"), "url",
                         wechat_text(event, "xml/PublishEventInfo/article_detail/item/article_url"),
                         "reason", "");
}

static int note(const struct caller *caller, const json_t *event, bool sealed,
                struct call_answer *ret) {
        const char *name = wechat_text(event, "xml/Event");
        bool push = strcmp(name, "MASSSENDJOBFINISH") == 0;
        char *id freed_by(freep) =
                wechat_id(event, !push ? "xml/PublishEventInfo/publish_id"
                                 : json_object_get(event, "xml/MsgID") ? "xml/MsgID"
                                                                       : "xml/MsgId");
        json_t *told freed_by(json_decrefp) = NULL;
        char *text freed_by(freep) = NULL;
        char job[120];

        if (!id)
                return 0;
        told = push ? told_push(event, id) : told_publish(event);
        if (!told || (!sealed && json_object_set_new(told, "hint", json_true()) < 0))
                return -ENOMEM;
        text = json_dumps(told, JSON_COMPACT);
        wechat_job_name("done", push ? "push" : "publish", id, job);
        if (!text || json_object_set_new(ret->put, job,
                                         json_pack("{s:s, s:I}", "value", text, "ms",
                                                   (json_int_t) DONE_DAYS * 24 * HOUR_MS)) < 0)
                return -ENOMEM;
        wechat_job_name("job", push ? "push" : "publish", id, job);
        ret->wake_key = strdup(job);
        return ret->wake_key ? 0 : -ENOMEM;
}

/* One event, once: the platform tries three times, and somebody could send it again. */
static int take(const struct caller *caller, const json_t *event, bool sealed,
                struct call_answer *ret) {
        const json_t *query = caller->call->query;
        const char *name = wechat_text(event, "xml/Event");
        struct buf request freed_by(buf_done) = { 0 }, identity freed_by(buf_done) = { 0 };
        int r;

        if (strcmp(name, "PUBLISHJOBFINISH") != 0 && strcmp(name, "MASSSENDJOBFINISH") != 0)
                return accept(ret, "success");
        buf_fmt(&request, "%s %s %s", wechat_text(query, "timestamp"), wechat_text(query, "nonce"),
                wechat_text(query, sealed ? "msg_signature" : "signature"));
        buf_fmt(&identity, "%s %s %s %s%s%s", wechat_text(event, "xml/FromUserName"),
                wechat_text(event, "xml/CreateTime"), name,
                wechat_text(event, "xml/PublishEventInfo/publish_id"),
                wechat_text(event, "xml/MsgID"), wechat_text(event, "xml/MsgId"));
        ret->put = json_object();
        if (!ret->put || put_once(ret->put, "call", buf_text(&request)) < 0 ||
            put_once(ret->put, "event", buf_text(&identity)) < 0)
                return -ENOMEM;
        r = note(caller, event, sealed, ret);
        return r < 0 ? r : accept(ret, "success");
}

/* -- the requests -- */

static int verify(const struct caller *caller, struct call_answer *ret) {
        if (!is_signed(caller, "signature", NULL))
                return refuse(ret, MESSAGE_WECHAT_CALL_SIGNATURE);
        return is_now(caller) ? accept(ret, wechat_text(caller->call->query, "echostr"))
                              : refuse(ret, MESSAGE_WECHAT_CALL_TIME);
}

static int unseal(const struct caller *caller, const char *sealed, struct call_answer *ret) {
        struct buf plain freed_by(buf_done) = { 0 };
        json_t *event freed_by(json_decrefp) = NULL;
        int r;

        if (!is_signed(caller, "msg_signature", sealed))
                return refuse(ret, MESSAGE_WECHAT_CALL_SIGNATURE);
        if (!is_now(caller))
                return refuse(ret, MESSAGE_WECHAT_CALL_TIME);
        r = wechat_open(sealed, strlen(sealed), caller->aes_key, caller->options->appid, &plain);
        if (r == -EINVAL || r == -EACCES)
                return refuse(ret, r == -EINVAL ? MESSAGE_WECHAT_CALL_SEALED
                                                : MESSAGE_WECHAT_CALL_ACCOUNT);
        if (r == 0)
                r = wechat_xml(buf_text(&plain), plain.len, &event);
        if (r == -EINVAL)
                return refuse(ret, MESSAGE_WECHAT_CALL_FORM);
        return r < 0 ? r : take(caller, event, true, ret);
}

static int event_of(const struct caller *caller, struct call_answer *ret) {
        const struct call *call = caller->call;
        json_t *event freed_by(json_decrefp) = NULL;
        int r;

        /* Before anything is parsed: the time and nonce are signed in either mode. */
        if (!is_signed(caller, "signature", NULL) && !*wechat_text(call->query, "msg_signature"))
                return refuse(ret, MESSAGE_WECHAT_CALL_SIGNATURE);
        r = call->n_body > BODY_MOST ? -EINVAL : wechat_xml(call->body, call->n_body, &event);
        if (r == -EINVAL)
                return refuse(ret, MESSAGE_WECHAT_CALL_FORM);
        if (r < 0)
                return r;
        if (caller->aes_key)
                return *wechat_text(event, "xml/Encrypt")
                               ? unseal(caller, wechat_text(event, "xml/Encrypt"), ret)
                               : refuse(ret, MESSAGE_WECHAT_CALL_PLAIN);
        if (!is_signed(caller, "signature", NULL))
                return refuse(ret, MESSAGE_WECHAT_CALL_SIGNATURE);
        if (!is_now(caller))
                return refuse(ret, MESSAGE_WECHAT_CALL_TIME);
        if (*wechat_text(event, "xml/Encrypt") && !*wechat_text(event, "xml/Event"))
                return refuse(ret, MESSAGE_WECHAT_CALL_SEALED);
        return take(caller, event, false, ret);
}

int wechat_callback(const struct call *call, const void *options, const char *secret,
                    int64_t now_ms, struct call_answer *ret) {
        char *token freed_by(secret_part_freep) = secret_part(secret, "token", 0);
        char *aes_key freed_by(secret_part_freep) = secret_part(secret, "aes_key", 0);
        const struct caller caller = { call, options, token, aes_key, now_ms };

        if (!token) {
                ret->status = 503;
                ret->trouble = say(MESSAGE_WECHAT_NO_SECRET, "part", "token", NULL);
                return ret->trouble ? 0 : -ENOMEM;
        }
        if (strcmp(call->method, "GET") == 0)
                return verify(&caller, ret);
        if (strcmp(call->method, "POST") == 0)
                return event_of(&caller, ret);
        ret->status = 405;
        return 0;
}
