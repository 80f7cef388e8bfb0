/* The driver's table, its settings, and small things that all its files use. */
#include "channels/wechat/wechat.h"

#include <ctype.h>
#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "core/digest.h"
#include "core/memory.h"
#include "core/problems.h"

void wechat_edition(const struct delivery *delivery, struct buf *ret) {
        buf_add(ret, delivery->revision_part, strcspn(delivery->revision_part, "r"));
}

void wechat_mark(const struct delivery *delivery, char ret[static 19]) {
        char digest[DIGEST_TEXT];

        digest_bytes(delivery->key, strlen(delivery->key), digest);
        for (size_t i = 0; i < 16; i++)
                ret[2 + i] = (char) toupper((unsigned char) digest[i]);
        memcpy(ret, "GK", 2);
        ret[18] = '\0';
}

const char *wechat_text(const json_t *object, const char *key) {
        const char *text = json_string_value(json_object_get(object, key));

        return text ? text : "";
}

int64_t wechat_number(const json_t *object, const char *key) {
        const json_t *value = json_object_get(object, key);
        const char *text = json_string_value(value);
        int64_t number = 0;

        if (!text)
                return json_integer_value(value);
        if (strlen(text) > 18 || text[strspn(text, "0123456789")] != '\0')
                return 0;
        for (; *text; text++)
                number = 10 * number + (*text - '0');
        return number;
}

char *wechat_id(const json_t *object, const char *key) {
        const json_t *value = json_object_get(object, key);
        const char *text = json_string_value(value);
        struct buf number = { 0 };

        if (json_is_integer(value)) {
                buf_number(&number, json_integer_value(value));
                return buf_take(&number);
        }
        if (!text || !*text || strlen(text) > 250)
                return NULL;
        for (const char *at = text; *at; at++) /* references are parted by blanks */
                if (*at <= 0x20 || *at >= 0x7f)
                        return NULL;
        return strdup(text);
}

void wechat_job_name(const char *prefix, const char *way, const char *id, char ret[static 120]) {
        char digest[DIGEST_TEXT];
        bool plain = strlen(id) <= 80;

        for (const char *at = id; *at; at++)
                plain = plain && (isalnum((unsigned char) *at) || *at == '-' || *at == '_');
        if (!plain)
                digest_bytes(id, strlen(id), digest);
        (void) snprintf(ret, 120, "%s.%s.%s", prefix, way, plain ? id : digest);
}

/* -- settings -- */

static bool is_loopback(const char *url) {
        static const char *const hosts[] = { "http://127.0.0.1", "http://[::1]",
                                             "http://localhost" };

        for (size_t i = 0; i < ELEMENTS(hosts); i++) {
                size_t n = strlen(hosts[i]);

                if (strncmp(url, hosts[i], n) == 0 &&
                    (url[n] == '\0' || url[n] == ':' || url[n] == '/'))
                        return true;
        }
        return false;
}

static bool api_is_sound(const char *api) {
        size_t n = strlen(api);

        if (n < 10 || n > 500 || api[n - 1] == '/' ||
            (strncmp(api, "https://", 8) != 0 && !is_loopback(api)))
                return false;
        for (const char *at = api; *at; at++)
                if (*at <= 0x20 || *at >= 0x7f || strchr("\"<>\\^`{|}#?@", *at))
                        return false;
        return true;
}

static bool appid_is_sound(const char *appid) {
        size_t n = strlen(appid);

        if (n < 6 || n > 64 || strncmp(appid, "wx", 2) != 0)
                return false;
        for (const char *at = appid; *at; at++)
                if (!isalnum((unsigned char) *at))
                        return false;
        return true;
}

static void wechat_check(const void *data, const char *path, struct problems *problems) {
        const struct wechat_options *options = data;

        if (options->appid && !appid_is_sound(options->appid))
                problems_add(problems, path, 0, MESSAGE_WECHAT_BAD_APPID, "value", options->appid,
                             NULL);
        if (options->api && !api_is_sound(options->api))
                problems_add(problems, path, 0, MESSAGE_WECHAT_BAD_API, "value", options->api,
                             NULL);
        if (!options->cover == !options->cover_media)
                problems_add(problems, path, 0, MESSAGE_WECHAT_NO_COVER, NULL);
}

static void wechat_address(const void *data, struct buf *ret) {
        const struct wechat_options *options = data;

        if (options->api)
                buf_str(ret, options->api);
}

/* What the platform says to each request on the way to a publication. */
static bool wechat_rehearse(const struct step *request, struct reply *ret) {
        static const struct {
                const char *path, *body;
        } answers[] = {
                { "/cgi-bin/stable_token", "{\"access_token\":\"preview-token\",\"expires_in\":7200}" },
                { "/cgi-bin/media/uploadimg", "{\"url\":\"https://mmbiz.qpic.cn/preview\"}" },
                { "/cgi-bin/material/add_material",
                  "{\"media_id\":\"preview-cover\",\"url\":\"https://mmbiz.qpic.cn/preview-cover\"}" },
                { "/cgi-bin/draft/add", "{\"media_id\":\"preview-draft\"}" },
                { "/cgi-bin/freepublish/submit",
                  "{\"errcode\":0,\"errmsg\":\"ok\",\"publish_id\":\"100000001\"}" },
                { "/cgi-bin/message/mass/sendall",
                  "{\"errcode\":0,\"errmsg\":\"ok\",\"msg_id\":100000001,\"msg_data_id\":1}" },
        };

        for (size_t i = 0; request->kind == STEP_HTTP && i < ELEMENTS(answers); i++)
                if (strstr(request->http.url, answers[i].path)) {
                        ret->http = (struct http_reply) { .status = 200, .body = answers[i].body,
                                                          .n_body = strlen(answers[i].body) };
                        return true;
                }
        return false;
}

static const char *const wechat_parts[] = { "appsecret", NULL };
static const char *const wechat_more[] = { "token", "aes_key", NULL };

#define AT(member) offsetof(struct wechat_options, member)
static const struct setting wechat_settings[] = {
        { "", "appid", SETTING_STRING, AT(appid), .required = true,
          .chinese = "公众平台上的“开发者ID(AppID)”，wx 开头", .english = "the account's AppID" },
        { "", "author", SETTING_STRING, AT(author),
          .chinese = "文章的作者，最多 16 个字；不写就用发布机构",
          .english = "the articles' author, 16 characters at most; else the publisher" },
        { "", "cover", SETTING_STRING, AT(cover),
          .chinese = "默认封面的图片文件（jpg、png、gif、bmp，建议 2 MB 以内），事项没有带封面时用",
          .english = "a picture file for the cover of what brings none" },
        { "", "cover_media", SETTING_STRING, AT(cover_media),
          .chinese = "默认封面在素材库里的 media_id，和 cover 只写一个",
          .english = "the media_id of such a picture in the account's library, in place of cover" },
        { "", "push", SETTING_BOOL, AT(push), .fallback = "no",
          .chinese = "首次发布是否同时群发给关注者；群发次数用完的只发布不群发，修订不群发",
          .english = "whether a document's first publication is pushed to the followers too, while"
                     " there is quota; revisions are not" },
        { "", "template", SETTING_STRING, AT(template),
          .chinese = "正文的模板文件（Mustache），不写就用内置的",
          .english = "a Mustache template for the body; else our own" },
        { "", "delete_reserve", SETTING_NUMBER, AT(delete_reserve), .fallback = "3", .least = 0,
          .most = 9, .chinese = "微信每天只让删 10 次，其中给撤回留几次，修订不得用",
          .english = "of WeChat's 10 deletions a day, how many are kept for withdrawals" },
        { "", "poll", SETTING_DURATION, AT(poll_ms), .fallback = "5min", .least = 100,
          .most = 3600 * 1000,
          .chinese = "提交后多久第一次查结果，以后隔 3 倍、12 倍再查；接了回调的，结果一到就知道",
          .english =
                  "when a result is first asked for, then after 3 and 12 times as long; a callback"
                  " tells it at once" },
        { "", "unclear", SETTING_DURATION, AT(unclear_ms), .fallback = "10min", .least = 0,
          .most = 24 * 3600 * 1000,
          .chinese = "提交后没有等到答复、草稿还在草稿箱里的，过多久才相信没有发布",
          .english =
                  "after a submission without an answer, when a draft that still is one is believed"
                  " not to be published" },
        { "", "api", SETTING_STRING, AT(api), .fallback = "https://api.weixin.qq.com",
          .chinese = "微信接口的地址，末尾不加“/”；经代理转发时才改",
          .english = "the interface's address" },
};
#undef AT

/* -- the driver -- */

static bool wechat_looks(const void *options) {
        return true;
}

/* What outlives an attempt, where it is of this very delivery. */
static int take_memo(const struct delivery *delivery, json_t *state) {
        static const char *const keys[] = { "draft", "clean", "again" };
        int r = json_object_set_new(state, "part", json_string(delivery->revision_part));

        if (strcmp(wechat_text(delivery->memo, "part"), delivery->revision_part) != 0)
                return r;
        for (size_t i = 0; i < ELEMENTS(keys); i++) {
                json_t *value = json_object_get(delivery->memo, keys[i]);

                if (value)
                        r |= json_object_set(state, keys[i], value);
        }
        return r;
}

static int wechat_begin(const struct delivery *delivery, struct step *ret) {
        json_t *state freed_by(json_decrefp) = json_object();
        struct work work = { delivery, delivery->options, state, ret };

        if (delivery->kind == DELIVER_SETUP)
                return step_done_verdict(ret, NULL, NULL);
        if (!state)
                return -ENOMEM;
        if (delivery->kind == DELIVER_TEST)
                return wechat_probe(&work);
        return take_memo(delivery, state) < 0 ? -ENOMEM : wechat_go(&work);
}

static int wechat_next(const struct delivery *delivery, const struct reply *reply,
                       struct step *ret) {
        json_t *state freed_by(json_decrefp) = json_deep_copy(delivery->memo);
        struct work work = { delivery, delivery->options, state, ret };
        const char *at = wechat_text(state, "at");
        int r;

        if (!state)
                return -ENOMEM;
        if (delivery->kind == DELIVER_TEST)
                return wechat_probed(&work, at, reply);
        if (reply->kind == STEP_ACCOUNT)
                return wechat_go(&work);
        r = wechat_made(&work, at, reply);
        if (r == -ENOENT)
                r = wechat_followed(&work, at, reply);
        if (r == -ENOENT)
                r = wechat_tidied(&work, at, reply);
        return r == -ENOENT ? wechat_took(&work, at, reply) : r;
}

extern const struct driver wechat_driver;
const struct driver wechat_driver = {
        .name = "wechat",
        .title_chinese = "微信公众号",
        .title_english = "a WeChat Official Account",
        .about_chinese = "把每件信息发布成公众号的一篇文章，可选同时群发给关注者；修订先发新的再删旧的，撤回就删掉。\n"
                         "先要有认证的公众号；在公众平台“设置与开发－基本配置”抄下 AppID 和 AppSecret，"
                         "把 gongkaictl channel test 显示的出口地址加进 IP 白名单，再备一张默认封面。\n"
                         "AppSecret 用 gongkaictl channel secret 输入；接了回调的，再输 token 和 aes_key（令牌、消息加解密密钥）。"
                         "然后 gongkaictl channel test，再用 gongkaictl channel preview 看文章的样子。",
        .about_english = "Publishes each document as an article of the account, with or without a push to the"
                         " followers; a revision is published anew before the old one is deleted, a withdrawal"
                         " deletes.\n"
                         "First have a verified account, its AppID and AppSecret, the outgoing address that gongkaictl"
                         " channel test tells on its IP list, and a picture for the cover.\n"
                         "Type the AppSecret by gongkaictl channel secret, with token and aes_key where a callback is"
                         " used; then gongkaictl channel test, and gongkaictl channel preview to see the article.",
        .settings = wechat_settings,
        .n_settings = ELEMENTS(wechat_settings),
        .options_size = sizeof(struct wechat_options),
        .looks = wechat_looks,
        .check = wechat_check,
        .address = wechat_address,
        .secret_parts = wechat_parts,
        .secret_more = wechat_more,
        .rehearse = wechat_rehearse,
        .begin = wechat_begin,
        .next = wechat_next,
        .account_begin = wechat_account_begin,
        .account_next = wechat_account_next,
        .call = wechat_callback,
};
