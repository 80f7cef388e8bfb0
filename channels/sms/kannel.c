/* Kannel's smsbox, as Debian has it (1.4.5): POST with X-Kannel headers, so that neither the password nor
 * a number stands in an address, and the engine knows that it is no harmless GET. Tried against Debian's
 * kannel with its fakesmsc (2026-11): several numbers in X-Kannel-To, parted by blanks; "0: Accepted for
 * delivery" with 202; %d and %p in the report's address; 403 comes before 400 for a missing number.
 *
 * The sign goes in front by us. A sending cannot be asked for. */
#include "channels/sms/sms.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "channels/secret.h"
#include "core/memory.h"

enum { BATCH_MOST = 100, HEX = SMS_OF };

/* -- requests -- */

static void add(struct buf *headers, const char *name, const char *value) {
        if (!value)
                return;
        buf_fmt(headers, "%s: ", name);
        for (const char *at = value; *at; at++)
                if (*at >= 0x20 && *at < 0x7f)
                        buf_char(headers, *at);
        buf_char(headers, '\0');
}

/* Where a report is to come, with a mark that only we can make. */
static int report_address(const struct delivery *delivery, const char *id, struct buf *ret) {
        const struct sms_options *options = delivery->options;
        char *key freed_by(secret_part_freep) = secret_part(delivery->secret, "hmac_key", 0);
        char text[64], mac[33];

        if (!key)
                return -ENOMEM;
        (void) snprintf(text, sizeof(text), "report %.*s", HEX, id + 2);
        sms_mac_hex(key, text, 16, mac);
        buf_fmt(ret, "%s%cd=%.*s&k=%s&t=%%d&p=%%p", options->report_url, strchr(options->report_url, '?') ? '&' : '?',
                HEX, id + 2, mac);
        return ret->error;
}

static int post(const struct delivery *delivery, const char *to, const char *report, const struct buf *text,
                struct step *ret) {
        const struct sms_options *options = delivery->options;
        char *user freed_by(secret_part_freep) = secret_part(delivery->secret, "username", 0);
        char *password freed_by(secret_part_freep) = secret_part(delivery->secret, "password", 0);
        struct buf headers freed_by(buf_done) = { 0 };

        *ret = (struct step) { .kind = STEP_HTTP };
        ret->http = (struct http_request) { .method = "POST", .url = strdup(options->url) };
        add(&headers, "Content-Type", "text/plain; charset=UTF-8");
        add(&headers, "X-Kannel-Username", user);
        add(&headers, "X-Kannel-Password", password);
        add(&headers, "X-Kannel-From", options->from);
        add(&headers, "X-Kannel-To", to);
        add(&headers, "X-Kannel-Coding", "2");
        add(&headers, "X-Kannel-SMSC", options->smsc);
        if (report) {
                add(&headers, "X-Kannel-DLR-Mask", "19"); /* 1 delivered, 2 failed, 16 refused */
                add(&headers, "X-Kannel-DLR-Url", report);
        }
        buf_add(&ret->http.body, buf_text(text), text->len);
        if (!ret->http.url || !user || !password || ret->http.body.error)
                return -ENOMEM;
        return http_request_set_headers(&ret->http, &headers);
}

static int kannel_send(const struct delivery *delivery, const struct sms_batch *batch, struct step *ret) {
        const struct sms_options *options = delivery->options;
        struct buf text freed_by(buf_done) = { 0 }, to freed_by(buf_done) = { 0 };
        struct buf report freed_by(buf_done) = { 0 };
        bool wants = options->report_url && options->reports_ms > 0 && batch->round == SMS_FIRST;

        buf_fmt(&text, "【%s】%s", options->signature, batch->text);
        for (const char *at = batch->numbers; *at;) {
                size_t n = strcspn(at, ",");

                buf_fmt(&to, "%s%s%.*s", to.len > 0 ? " " : "", options->prefix ? options->prefix : "", (int) n, at);
                at += n + (at[n] == ',');
        }
        if (text.error || to.error || (wants && report_address(delivery, batch->id, &report) < 0))
                return -ENOMEM;
        return post(delivery, buf_text(&to), wants ? buf_text(&report) : NULL, &text, ret);
}

/* Without a number: who may not send is told so first. */
static int kannel_test(const struct delivery *delivery, struct step *ret) {
        struct buf text freed_by(buf_done) = { 0 };
        int r;

        buf_str(&text, "-");
        r = post(delivery, NULL, NULL, &text, ret);
        ret->http.harmless = true;
        return r;
}

/* -- answers -- */

static void kannel_judge(const struct delivery *delivery, const struct http_reply *reply, struct sms_answer *ret) {
        if (sms_judge_http(delivery, reply, ret))
                return;
        ret->class = reply->status == 202 ? SMS_OK : reply->status == 400 ? SMS_CONTENT : SMS_ODD;
}

static void kannel_judge_test(const struct delivery *delivery, const struct http_reply *reply, struct sms_answer *ret) {
        if (!sms_judge_http(delivery, reply, ret))
                ret->class = reply->status == 400 ? SMS_OK : SMS_ODD;
}

/* -- delivery reports -- */

static bool is_hex(const char *text) {
        return text && strlen(text) == HEX && strspn(text, "0123456789abcdef") == HEX;
}

static const char *query(const struct call *call, const char *name) {
        const char *text = json_string_value(json_object_get(call->query, name));

        return text ? text : "";
}

static bool is_ours(const struct call *call, const char *key) {
        const char *document = query(call, "d"), *mark = query(call, "k");
        char text[64], mac[33];
        unsigned differ = 0;

        if (!is_hex(document) || strlen(mark) != 32)
                return false;
        (void) snprintf(text, sizeof(text), "report %s", document);
        sms_mac_hex(key, text, 16, mac);
        for (int i = 0; i < 32; i++)
                differ |= (unsigned) (mac[i] ^ mark[i]);
        return differ == 0;
}

static int kannel_call(const struct call *call, const void *options, const char *secret, int64_t now_ms,
                       struct call_answer *ret) {
        char *key freed_by(secret_part_freep) = secret_part(secret, "hmac_key", 0);
        const char *type = query(call, "t");
        struct sms_report report = { .fate = SMS_UNDELIVERED };

        (void) options;
        (void) now_ms;
        ret->status = 200;
        if (!key || !is_ours(call, key)) {
                ret->status = 403;
                return 0;
        }
        if (strcmp(type, "1") == 0)
                report.fate = SMS_DELIVERED;
        else if (strcmp(type, "2") != 0 && strcmp(type, "16") != 0)
                return 0; /* on its way */
        if (!sms_number_read(query(call, "p"), report.number))
                return 0; /* of nobody whom we texted */
        (void) snprintf(report.of, sizeof(report.of), "%s", query(call, "d"));
        ret->put = json_object();
        return ret->put ? sms_report_put(&report, key, ret->put) : -ENOMEM;
}

/* -- the driver -- */

static const char *const kannel_secrets[] = { "username", "password", NULL };

static bool kannel_reports(const struct sms_options *options) {
        return options->report_url != NULL;
}

static const struct sms_provider kannel_provider = {
        .name = "Kannel",
        .reports = kannel_reports,
        .send = kannel_send,
        .judge = kannel_judge,
        .test = kannel_test,
        .test_proves = true,
        .judge_test = kannel_judge_test,
        .secrets = kannel_secrets,
};

static int kannel_begin(const struct delivery *delivery, struct step *ret) {
        return sms_begin(delivery, &kannel_provider, ret);
}

static int kannel_next(const struct delivery *delivery, const struct reply *reply, struct step *ret) {
        return sms_next(delivery, &kannel_provider, reply, ret);
}

static void kannel_check(const void *options, const char *path, struct problems *problems) {
        sms_check(options, path, problems);
}

/* The sending alone: what a list has, nobody knows beforehand. */
static bool kannel_rehearse(const struct step *request, struct reply *ret) {
        static const char taken[] = "0: Accepted for delivery";

        ret->http = (struct http_reply) { .status = 202, .body = taken, .n_body = strlen(taken) };
        return request->kind == STEP_HTTP && strcmp(request->http.method, "POST") == 0;
}

static const char *const kannel_parts[] = { "username", "password", "hmac_key", NULL };

static const struct setting kannel_settings[] = {
        SMS_COMMON_ROWS("20", BATCH_MOST),
        SMS_DOUBT_ROW,
        { "", "url", SETTING_STRING, SMS_AT(url), .fallback = "http://127.0.0.1:13013/cgi-bin/sendsms",
          .chinese = "smsbox 的 sendsms 地址", .english = "the address of smsbox's sendsms" },
        { "", "from", SETTING_STRING, SMS_AT(from),
          .chinese = "主叫号码（接入号）；smsbox 设了 global-sender 的可以不写",
          .english = "the sender's number; not needed where smsbox has global-sender" },
        { "", "smsc", SETTING_STRING, SMS_AT(smsc),
          .chinese = "走哪个 smsc-id，不写由 Kannel 定", .english = "the smsc-id; without, Kannel chooses" },
        { "", "prefix", SETTING_STRING, SMS_AT(prefix),
          .chinese = "号码前加什么，如 86；一般不写", .english = "what goes before each number, as 86" },
        { "", "report_url", SETTING_STRING, SMS_AT(report_url),
          .chinese = "回执送到哪里：本渠道 listen 的网址，要让 Kannel 访问得到；不写就不要回执",
          .english = "where Kannel is to tell of deliveries: the address of `listen`; without, no reports" },
        { "", "reports", SETTING_DURATION, SMS_AT(reports_ms), .fallback = "1h", .least = 0, .most = 604800000,
          .chinese = "发完后等多久看回执，再算完成", .english = "how long reports are waited for when all is sent" },
};

extern const struct driver kannel_driver;
const struct driver kannel_driver = {
        .name = "kannel",
        .title_chinese = "短信（Kannel 网关）",
        .title_english = "short messages, a Kannel gateway",
        .about_chinese = "经本地的 Kannel 短信网关给名单里与通知有关的人各发一条短信。\n"
                         "先请管网关的人给一个 sendsms-user（用户名、口令，max-messages 大于 1，concatenation = true）和 smsbox 的地址；走哪条线路另问 smsc-id。\n"
                         "名单是 CSV 文件或网址（recipients）。依次执行 gongkaictl channel secret（username、password，还有 openssl rand -hex 32 生成的 hmac_key）、"
                         "gongkaictl channel test（会逐行查名单）；发给谁、发什么字，先用 gongkaictl channel preview 看。",
        .about_english = "Texts everybody on the lists whom a notice concerns, by a Kannel gateway.\n"
                         "First have whoever keeps the gateway make a sendsms-user (name, password, max-messages above 1, concatenation = true)"
                         " and tell the smsbox's address and the smsc-id.\n"
                         "The lists are CSV files or addresses (recipients). Then gongkaictl channel secret (username, password, and an hmac_key by openssl"
                         " rand -hex 32), gongkaictl channel test, which checks the lists line by line, and gongkaictl channel preview to see"
                         " who would get what.",
        .settings = kannel_settings,
        .n_settings = ELEMENTS(kannel_settings),
        .options_size = sizeof(struct sms_options),
        .check = kannel_check,
        .address = sms_address,
        .secret_parts = kannel_parts,
        .secret_more = sms_secret_more,
        .rehearse = kannel_rehearse,
        .begin = kannel_begin,
        .next = kannel_next,
        .account_begin = sms_account_begin,
        .account_next = sms_account_next,
        .call = kannel_call,
};
