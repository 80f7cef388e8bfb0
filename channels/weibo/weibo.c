#include "channels/weibo/weibo.h"

#include <arpa/inet.h>
#include <stddef.h>
#include <string.h>

#include "core/memory.h"

static bool is_ip(const char *text) {
        unsigned char bytes[16];

        return inet_pton(AF_INET, text, bytes) == 1 || inet_pton(AF_INET6, text, bytes) == 1;
}

static bool is_host(const char *text) {
        size_t n = strspn(text, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-.");

        return n > 2 && n <= 253 && !text[n] && *text != '.' && text[n - 1] != '.' &&
               strchr(text, '.');
}

static bool is_address(const char *text) {
        return weibo_url_is_sound(text) && text[strlen(text) - 1] != '/' && !strchr(text, '?');
}

static void weibo_check(const void *options, const char *path, struct problems *problems) {
        const struct weibo_options *own = options;

        if (own->address && !is_address(own->address))
                problems_add(problems, path, 0, MESSAGE_WEIBO_BAD_ADDRESS, "key", "address",
                             "value", own->address, NULL);
        if (own->redirect_uri && !weibo_url_is_sound(own->redirect_uri))
                problems_add(problems, path, 0, MESSAGE_WEIBO_BAD_ADDRESS, "key", "redirect_uri",
                             "value", own->redirect_uri, NULL);
        if (own->app_key &&
            (!*own->app_key || strspn(own->app_key, "0123456789") != strlen(own->app_key)))
                problems_add(problems, path, 0, MESSAGE_WEIBO_BAD_KEY, "value", own->app_key, NULL);
        if (own->safe_domain && !is_host(own->safe_domain))
                problems_add(problems, path, 0, MESSAGE_WEIBO_BAD_DOMAIN, "value", own->safe_domain,
                             NULL);
        if (own->rip && !is_ip(own->rip))
                problems_add(problems, path, 0, MESSAGE_WEIBO_BAD_RIP, "value", own->rip, NULL);
}

static bool weibo_looks(const void *options) {
        (void) options;
        return true;
}

static void weibo_address(const void *options, struct buf *ret) {
        const struct weibo_options *own = options;

        if (own->address)
                buf_str(ret, own->address);
}

static bool weibo_rehearse(const struct step *request, struct reply *ret) {
        static const char posted[] = "{\"idstr\":\"5000000000000001\",\"user\":{\"idstr\":\"1000000001\"}}";

        ret->http = (struct http_reply) { .status = 200, .body = posted, .n_body = strlen(posted) };
        return request->kind == STEP_HTTP && strstr(request->http.url, "/2/statuses/share.json");
}

/* What a login writes is not typed; and who has an access token needs no more until the next login. */
static const char *const weibo_more[] = { "app_secret", NULL };

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
        { "", "on_revise", SETTING_CHOICE, AT(on_revise), .fallback = "repost",
          .choices = on_revise,
          .chinese = "修订时：repost 发一条新的（带更正说明）再删旧的，keep 旧的留着不动",
          .english = "at a revision: repost posts anew, with the correction's note, then deletes "
                     "the old"
                     " post; keep leaves that as it is" },
        { "", "appears", SETTING_DURATION, AT(appears_ms), .fallback = "2min", .least = 0,
          .most = 3600000, .chinese = "没有答复的一条，发出后多久还可能在账号里出现；过了才重发",
          .english =
                  "how long after it was sent an unanswered post may still appear; only then it is"
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
        .about_chinese = "每件信息在官方微博发一条：短文或标题、摘要，加网站上的原文网址；修订发新的删旧的，撤回就删掉。\n"
                         "先用单位的账号在 open.weibo.com 建一个应用，拿到 App Key、App Secret，绑定网站的安全域名、填好授权回调页，"
                         "申请发、查、删微博的权限并通过审核。\n"
                         "依次执行 gongkaictl channel secret（输入 App Secret）、gongkaictl channel login（官微的管理员在浏览器里同意）、"
                         "gongkaictl channel test；授权到期前 7 天会报警，再 login 一次。",
        .about_english = "Posts each document on Weibo: its short form, or title and summary, with the address of the"
                         " full text; a revision is posted anew and the old post deleted, a withdrawal deletes.\n"
                         "First make an app at open.weibo.com with the office's account: App Key, App Secret, the safe"
                         " domain, the callback, the rights to share, list and destroy, and its review.\n"
                         "Then gongkaictl channel secret (the App Secret), gongkaictl channel login (the account's"
                         " officer agrees in a browser) and gongkaictl channel test; an alarm comes seven days before"
                         " the grant ends, then log in again.",
        .settings = weibo_settings,
        .n_settings = ELEMENTS(weibo_settings),
        .options_size = sizeof(struct weibo_options),
        .looks = weibo_looks,
        .check = weibo_check,
        .address = weibo_address,
        .secret_more = weibo_more,
        .rehearse = weibo_rehearse,
        .begin = weibo_begin,
        .next = weibo_next,
        .expires = weibo_expires,
        .login_address = weibo_login_address,
        .login_begin = weibo_login_begin,
        .login_next = weibo_login_next,
};
