#include "channels/webhook/webhook.h"

#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "core/event.h"
#include "core/memory.h"
#include "core/moment.h"

enum { URL_MAX = 2048, HEADERS_USUAL = 400 /* bytes */ };

/* -- addresses -- */

static const char *authority_of(const char *url) {
        return strncmp(url, "http://", 7) == 0    ? url + 7
               : strncmp(url, "https://", 8) == 0 ? url + 8
                                                  : NULL;
}

/* What RFC 3986 lets a host consist of; brackets only around an IPv6 address. */
static bool host_is_sound(const char *host, size_t n) {
        static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
        static const char digits[] = "0123456789";

        if (n > 2 && host[0] == '[' && host[n - 1] == ']') {
                for (size_t i = 1; i + 1 < n; i++)
                        if (!strchr("0123456789abcdefABCDEF:.", host[i]))
                                return false;
                return true;
        }
        for (size_t i = 0; i < n; i++)
                if (!strchr(letters, host[i]) && !strchr(digits, host[i]) &&
                    !strchr("-._", host[i]))
                        return false;
        return n > 0 && n <= 253 && host[0] != '.' && host[0] != '-';
}

static bool port_is_sound(const char *port, size_t n) {
        unsigned number = 0;

        if (n == 0 || n > 5 || strspn(port, "0123456789") < n)
                return false;
        for (size_t i = 0; i < n; i++)
                number = 10 * number + (unsigned) (port[i] - '0');
        return number > 0 && number <= 65535;
}

bool webhook_url_is_sound(const char *url) {
        const char *host = authority_of(url), *colon;
        size_t n;

        if (!host || strlen(url) > URL_MAX)
                return false;
        for (const char *at = url; *at; at++)
                if (*at <= 0x20 || *at >= 0x7f || strchr("\"#<>\\^`{|}", *at))
                        return false;
        n = strcspn(host, "/?");
        colon = memrchr(host, ':', n);
        if (colon && !memchr(colon, ']', n - (size_t) (colon - host))) {
                if (!port_is_sound(colon + 1, n - (size_t) (colon + 1 - host)))
                        return false;
                n = (size_t) (colon - host);
        }
        return host_is_sound(host, n);
}

void webhook_host(const char *url, struct buf *ret) {
        const char *host = authority_of(url);

        if (host)
                buf_add(ret, host, strcspn(host, "/?"));
}

/* -- the request -- */

/* A value comes from the store and from our own texts; still nothing gets in that could begin a
 * second header. */
static void add_header(struct buf *headers, const char *name, const char *value) {
        size_t n_name = strlen(name), n = 0;
        char *to = buf_room(headers, n_name + strlen(value) + 3);

        if (!to)
                return;
        memcpy(to, name, n_name);
        n = n_name;
        to[n++] = ':';
        to[n++] = ' ';
        for (const char *at = value; *at; at++)
                if (*at >= 0x20 && *at < 0x7f)
                        to[n++] = *at;
        to[n++] = '\0';
        buf_grown(headers, n);
}

static const char *kind_name(const struct delivery *delivery) {
        if (delivery->kind == DELIVER_PUBLISH)
                return delivery->ended ? "end" : "publish";
        return delivery->kind == DELIVER_WITHDRAW ? "withdraw" : "expire";
}

/* The three of Standard Webhooks. The timestamp is that of the attempt: receivers refuse what is
 * older than five minutes. */
static int add_webhook(const struct delivery *delivery, const struct http_request *request, struct buf *headers,
                       unsigned *ret_line) {
        struct buf signature freed_by(buf_done) = { 0 };
        int64_t timestamp = delivery->now_ms / 1000;
        char id[160], seconds[24];
        const char *body;
        size_t n_body;
        int r;

        if (delivery->kind == DELIVER_TEST)
                (void) snprintf(id, sizeof(id), "test-%lld-%s", (long long) delivery->now_ms,
                                delivery->channel);
        else
                (void) snprintf(id, sizeof(id), "%s-%s-%s", delivery->event_id,
                                delivery->revision_part, delivery->channel);
        (void) snprintf(seconds, sizeof(seconds), "%lld", (long long) timestamp);
        add_header(headers, "webhook-id", id);
        add_header(headers, "webhook-timestamp", seconds);
        if (!delivery->secret)
                return 0;
        body = http_request_body(request, &n_body);
        r = webhook_sign(delivery->secret, id, timestamp, body, n_body, &signature, ret_line);
        if (r == 0)
                add_header(headers, "webhook-signature", buf_text(&signature));
        return r;
}

static int add_headers(const struct delivery *delivery, struct http_request *request,
                       unsigned *ret_line) {
        const struct webhook_options *options = delivery->options;
        struct buf headers freed_by(buf_done) = { 0 };
        char type[64], rank[64];
        int r;

        (void) snprintf(type, sizeof(type), "%s; charset=utf-8", options->content_type);
        (void) snprintf(rank, sizeof(rank), "%lld %u %s", (long long) delivery->revision,
                        delivery->level, kind_name(delivery));
        (void) buf_room(&headers, HEADERS_USUAL);
        add_header(&headers, "Content-Type", type);
        add_header(&headers, "Idempotency-Key", delivery->key);
        if (delivery->kind == DELIVER_TEST)
                add_header(&headers, "Gongkai-Test", "1");
        else
                add_header(&headers, "Gongkai-Rank", rank);
        r = add_webhook(delivery, request, &headers, ret_line);
        return r < 0 ? r : http_request_set_headers(request, &headers);
}

static json_t *test_event(const struct delivery *delivery) {
        char id[64], source[64], time[MOMENT_TEXT];

        (void) snprintf(id, sizeof(id), "test-%lld", (long long) delivery->now_ms);
        (void) snprintf(source, sizeof(source), "urn:gongkai:%.12s:gongkai",
                        *delivery->region ? delivery->region : "000000");
        return json_pack("{s:s, s:s, s:s, s:s, s:s, s:s, s:{s:s}}", "specversion", "1.0", "type",
                         "cn.gongkai.test.v1", "source", source, "id", id, "time",
                         moment_write(delivery->now_ms, time), "datacontenttype",
                         "application/json", "data", "channel", delivery->channel);
}

/* Unsigned it would be taken for a stranger's. */
static int bad_secret(int error, unsigned line, struct step *ret) {
        char number[24];

        if (error != -EINVAL && error != -ENODATA)
                return error;
        step_done(ret);
        if (error == -ENODATA)
                return step_verdict(ret, VERDICT_BLOCKED, "webhook/secret", 0,
                                    MESSAGE_WEBHOOK_NO_SECRET, NULL);
        (void) snprintf(number, sizeof(number), "%u", line);
        return step_verdict(ret, VERDICT_BLOCKED, "webhook/secret", 0, MESSAGE_WEBHOOK_BAD_SECRET,
                            "line", number, NULL);
}

static int post(const struct delivery *delivery, const json_t *event, struct step *ret) {
        const struct webhook_options *options = delivery->options;
        struct http_request *request = &ret->http;
        unsigned line = 0;
        int r;

        *ret = (struct step) { .kind = STEP_HTTP };
        /* Whoever has to be asked whether it came knows no key: never twice without asking. */
        *request = (struct http_request) { .method = "POST", .repeatable = !webhook_looks(options) };
        request->url = strdup(options->url);
        if (!request->url)
                return -ENOMEM;
        if (delivery->bytes) {
                request->lent = delivery->bytes;
                request->n_lent = delivery->n_bytes;
        } else
                event_write(event, &request->body);
        if (request->body.error)
                return request->body.error;
        r = add_headers(delivery, request, &line);
        return r < 0 ? bad_secret(r, line, ret) : 0;
}

/* A delivery: where the receiver can be asked, its key is on disk before it is sent. */
static int deliver(const struct delivery *delivery, struct step *ret) {
        int r = post(delivery, delivery->event, ret);

        if (r < 0 || ret->kind != STEP_HTTP || !webhook_looks(delivery->options))
                return r;
        ret->checkpoint = true;
        ret->memo = webhook_memo(delivery, false);
        return ret->memo ? 0 : -ENOMEM;
}

static int look(const struct delivery *delivery, struct step *ret) {
        const struct webhook_options *options = delivery->options;
        struct buf address = { 0 };
        unsigned line = 0;
        int r;

        *ret = (struct step) { .kind = STEP_HTTP };
        ret->http = (struct http_request) { .method = "GET", .repeatable = true };
        webhook_lookup_address(options->lookup_url, delivery->key, &address);
        ret->http.url = buf_take(&address);
        ret->memo = webhook_memo(delivery, true);
        if (!ret->http.url || !ret->memo)
                return -ENOMEM;
        r = add_headers(delivery, &ret->http, &line);
        return r < 0 ? bad_secret(r, line, ret) : 0;
}

/* -- the driver -- */

static int webhook_begin(const struct delivery *delivery, struct step *ret) {
        json_t *event freed_by(json_decrefp) = NULL;

        switch (delivery->kind) {
        case DELIVER_SETUP:
                return step_done_verdict(ret, NULL, NULL);
        case DELIVER_TEST:
                event = test_event(delivery);
                return event ? post(delivery, event, ret) : -ENOMEM;
        case DELIVER_PUBLISH:
        case DELIVER_WITHDRAW:
        case DELIVER_EXPIRE:
                break;
        }
        if (webhook_should_look(delivery))
                return look(delivery, ret);
        if (webhook_should_wait(delivery))
                return step_verdict(ret, VERDICT_ASK, "webhook/older", delivery->settled_ms,
                                    MESSAGE_WEBHOOK_OLDER, NULL);
        /* In doubt or not, the same request: its key lets the receiver know it again. */
        return deliver(delivery, ret);
}

static int webhook_next(const struct delivery *delivery, const struct reply *reply,
                        struct step *ret) {
        bool send;
        int r;

        if (delivery->kind == DELIVER_TEST)
                return webhook_judge_test(delivery, &reply->http, ret);
        if (!webhook_is_looking(delivery))
                return webhook_judge(delivery, &reply->http, ret);
        r = webhook_judge_look(delivery, &reply->http, &send, ret);
        return r < 0 || !send ? r : deliver(delivery, ret);
}

static void webhook_check(const void *options, const char *path, struct problems *problems) {
        const struct webhook_options *own = options;

        if (own->url && !webhook_url_is_sound(own->url))
                problems_add(problems, path, 0, MESSAGE_WEBHOOK_BAD_URL, "value", own->url, NULL);
        if (own->lookup_url && !webhook_lookup_is_sound(own->lookup_url))
                problems_add(problems, path, 0, MESSAGE_WEBHOOK_BAD_LOOKUP, "value",
                             own->lookup_url, NULL);
}

static void webhook_address(const void *options, struct buf *ret) {
        const struct webhook_options *own = options;

        if (own->url)
                buf_str(ret, own->url);
}

/* Any receiver that takes it says so, and no more is needed. */
static bool webhook_rehearse(const struct step *request, struct reply *ret) {
        ret->http.status = 200;
        return request->kind == STEP_HTTP;
}

static const char *const content_types[] = { "application/cloudevents+json", "application/json",
                                             NULL };

#define AT(member) offsetof(struct webhook_options, member)
static const struct setting webhook_settings[] = {
        { "", "url", SETTING_STRING, AT(url), .required = true,
          .chinese = "接收地址，以 http:// 或 https:// 开头",
          .english = "where to send to, http:// or https://" },
        { "", "content_type", SETTING_STRING, AT(content_type), .choices = content_types,
          .fallback = "application/cloudevents+json",
          .chinese = "请求的 Content-Type；对方只收普通 JSON 时写 application/json",
          .english = "the request's Content-Type; application/json where the receiver knows no"
                     " other" },
        { "", "lookup_url", SETTING_STRING, AT(lookup_url),
          .chinese = "查询网址，里面写 {key}：没有等到答复时，先用 GET 查对方收到没有，再决定要不要重发",
          .english = "where to GET whether a delivery arrived when no answer came; with {key} for its"
                     " Idempotency-Key" },
};
#undef AT

extern const struct driver webhook_driver;
const struct driver webhook_driver = {
        .name = "webhook",
        .title_chinese = "推送到别的系统（HTTP）",
        .title_english = "another system, by HTTP",
        .about_chinese = "每件信息发一个 HTTP POST 给别的系统：融媒体中心、短信平台、12345 知识库等。\n"
                         "请对方给一个接收地址，把 docs/protocol.md 里“What a plain HTTP channel sends”一节"
                         "交给对方的开发者；要签名的，双方各存一份密钥（gongkaictl channel secret）；"
                         "对方有允许名单的，把 gongkaictl channel test 显示的出口地址报给对方。",
        .about_english = "One HTTP POST per document to another system.\n"
                         "Ask them for an address and give their developer the section \"What a plain HTTP"
                         " channel sends\" of docs/protocol.md; for signatures both sides keep a secret"
                         " (gongkaictl channel secret); their allow-list needs the outgoing address that"
                         " gongkaictl channel test tells.",
        .settings = webhook_settings,
        .n_settings = ELEMENTS(webhook_settings),
        .options_size = sizeof(struct webhook_options),
        .looks = webhook_looks,
        .check = webhook_check,
        .raw = true,
        .address = webhook_address,
        .rehearse = webhook_rehearse,
        .begin = webhook_begin,
        .next = webhook_next,
};
