/* China Mobile's cloud MAS (云MAS), HTTP: norsubmit with free text, tmpsubmit with a template.
 *
 * Layout, order of the mac and the words of `rspcod` from public client code only (github wswh520/mas
 * Submit.java, net.renfei.mascloud McMgwError.java
 * and others that agree; read 2026-11), not checked against the operator's manual. A
 * submission cannot be asked for: what was not answered stays in doubt. */
#include "channels/sms/sms.h"

#include <errno.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <string.h>

#include "channels/secret.h"
#include "core/memory.h"

enum { BATCH_MOST = 5000 };

static const char *template_of(const struct sms_options *options, enum sms_round round) {
        return round == SMS_CORRECTION   ? options->template_correct
               : round == SMS_WITHDRAWAL ? options->template_withdraw
                                         : options->template;
}

static char *md5_hex(const struct buf *text) {
        unsigned char digest[EVP_MAX_MD_SIZE];
        unsigned n = 0;
        struct buf hex = { 0 };

        if (EVP_Digest(buf_text(text), text->len, digest, &n, EVP_md5(), NULL) != 1)
                return NULL;
        for (unsigned i = 0; i < n; i++)
                buf_fmt(&hex, "%02x", digest[i]);
        return buf_take(&hex);
}

/* The variables in the template's order, as the JSON text that goes in as a string. */
static char *params_of(const struct delivery *delivery, const struct sms_batch *batch, struct step *ret, int *error) {
        const struct sms_options *options = delivery->options;
        json_t *list freed_by(json_decrefp) = json_array();

        *error = -ENOMEM;
        for (size_t i = 0; i < options->params.n; i++) {
                const char *field = options->params.items[i];
                char *value freed_by(freep) = sms_field(delivery, batch->round, field, batch->title);

                if (!value)
                        return NULL;
                if (sms_has_address(value)) {
                        *error = step_verdict(ret, VERDICT_REFUSED, "sms/address", 0, MESSAGE_SMS_URL_IN_PARAM,
                                              "name", field, NULL);
                        *error = *error < 0 ? *error : -EINVAL;
                        return NULL;
                }
                if (json_array_append_new(list, json_string(value)) < 0)
                        return NULL;
        }
        return json_dumps(list, JSON_COMPACT);
}

/* mac = md5(ecName apId secretKey [templateId] mobiles content|params sign addSerial) */
static char *body_of(const struct delivery *delivery, const struct sms_batch *batch, const char *template,
                     const char *said) {
        const struct sms_options *options = delivery->options;
        char *secret freed_by(secret_part_freep) = secret_part(delivery->secret, "secret_key", 0);
        const char *serial = options->serial ? options->serial : "";
        struct buf text freed_by(buf_done) = { 0 };
        char *mac freed_by(freep) = NULL, *json freed_by(freep) = NULL;
        json_t *body freed_by(json_decrefp) = NULL;
        struct buf out = { 0 };
        size_t n;
        char *room;

        if (!secret)
                return NULL;
        buf_fmt(&text, "%s%s%s%s%s%s%s%s", options->ec_name, options->ap_id, secret, template ? template : "",
                batch->numbers, said, options->sign, serial);
        mac = text.error ? NULL : md5_hex(&text);
        if (text.data)
                explicit_bzero(text.data, text.len);
        body = json_pack("{s:s, s:s, s:s, s:s, s:s, s:s, s:s}", "ecName", options->ec_name, "apId", options->ap_id,
                         "mobiles", batch->numbers, template ? "params" : "content", said, "sign", options->sign,
                         "addSerial", serial, "mac", mac ? mac : "");
        if (!mac || !body ||
            (template && json_object_set_new(body, "templateId", json_string(template)) < 0))
                return NULL;
        json = json_dumps(body, JSON_COMPACT);
        if (!json)
                return NULL;
        n = strlen(json);
        room = buf_room(&out, 4 * ((n + 2) / 3) + 1);
        if (room)
                buf_grown(&out, (size_t) EVP_EncodeBlock((unsigned char *) room, (unsigned char *) json, (int) n));
        return buf_take(&out);
}

static int mas_send(const struct delivery *delivery, const struct sms_batch *batch, struct step *ret) {
        const struct sms_options *options = delivery->options;
        static const char type[] = "Content-Type: application/json;charset=utf-8";
        const char *template = options->template ? template_of(options, batch->round) : NULL;
        struct buf headers freed_by(buf_done) = { 0 };
        struct buf url = { 0 };
        char *params freed_by(freep) = NULL, *body freed_by(freep) = NULL;
        int error = -ENOMEM;

        if (template) {
                params = params_of(delivery, batch, ret, &error);
                if (!params)
                        return error;
        }
        body = body_of(delivery, batch, template, template ? params : batch->text);
        *ret = (struct step) { .kind = STEP_HTTP };
        ret->http = (struct http_request) { .method = "POST" };
        buf_fmt(&url, "%s/sms/%s", options->url, template ? "tmpsubmit" : "norsubmit");
        ret->http.url = buf_take(&url);
        buf_str(&ret->http.body, body ? body : "");
        buf_add(&headers, type, sizeof(type));
        if (!body || !ret->http.url || ret->http.body.error)
                return -ENOMEM;
        return http_request_set_headers(&ret->http, &headers);
}

static bool is_true(const json_t *value) {
        return json_is_true(value) || (json_is_string(value) && strcasecmp(json_string_value(value), "true") == 0);
}

/* Some platforms spell it mgsGroup. */
static void group_of(const json_t *json, char ret[static SMS_OF + 1]) {
        const char *group = json_string_value(json_object_get(json, "msgGroup"));

        if (!group)
                group = json_string_value(json_object_get(json, "mgsGroup"));
        if (group && *group)
                sms_report_of("mas", group, ret);
}

static void mas_judge(const struct delivery *delivery, const struct http_reply *reply, struct sms_answer *ret) {
        static const struct {
                const char *word;
                enum sms_class class;
        } rows[] = {
                { "IllegalMac", SMS_LOGIN },      { "IllegalSignId", SMS_LOGIN }, { "NoSignId", SMS_LOGIN },
                { "InvalidUsrOrPwd", SMS_LOGIN }, { "NOT_WHITE_IP", SMS_LOGIN },  { "InvalidMessage", SMS_CONTENT },
                { "TooManyMobiles", SMS_SPLIT },  { "InvalidMobile", SMS_RECIPIENT },
                { "DupMobile", SMS_ODD }, /* we name none twice */
                { "SameNumberAndContent", SMS_REPEATED },
                { "IllegalTemplateId", SMS_LOGIN }, { "ParamsAndTemplateDoesNotMatch", SMS_CONTENT },
        };
        json_t *json freed_by(json_decrefp) = NULL;
        const char *word;

        if (sms_judge_http(delivery, reply, ret))
                return;
        json = json_loadb(reply->body ? reply->body : "", reply->n_body, 0, NULL);
        word = json_string_value(json_object_get(json, "rspcod"));
        ret->class = word ? SMS_ODD : SMS_UNSURE;
        if (!word)
                return;
        buf_reset(&ret->words);
        sms_words(word, strlen(word), &ret->words);
        if (is_true(json_object_get(json, "success")) && strcmp(word, "success") == 0) {
                ret->class = SMS_OK;
                group_of(json, ret->of);
        }
        for (size_t i = 0; i < ELEMENTS(rows); i++)
                if (strcmp(word, rows[i].word) == 0)
                        ret->class = rows[i].class;
}

/* Nothing can be asked but whether somebody is there. */
static int mas_test(const struct delivery *delivery, struct step *ret) {
        const struct sms_options *options = delivery->options;

        *ret = (struct step) { .kind = STEP_HTTP };
        ret->http = (struct http_request) { .method = "GET", .harmless = true };
        ret->http.url = strdup(options->url);
        return ret->http.url ? 0 : -ENOMEM;
}

static void mas_judge_test(const struct delivery *delivery, const struct http_reply *reply, struct sms_answer *ret) {
        if (reply->status == 0)
                (void) sms_judge_http(delivery, reply, ret);
        if (reply->status == 0)
                ret->class = SMS_UNREACHABLE;
}

/* -- delivery reports: fields from github wswh520/mas MasStatusBean.java, read 2026-11; the states are CMPP's -- */

static bool mas_report(const json_t *json, struct sms_report *ret) {
        const char *state = json_string_value(json_object_get(json, "reportStatus"));
        const char *number = json_string_value(json_object_get(json, "mobile"));
        const char *error = json_string_value(json_object_get(json, "errorCode"));

        group_of(json, ret->of);
        if (!*ret->of || !state || strcmp(state, "ACCEPTD") == 0 || !number || !sms_number_read(number, ret->number))
                return false;
        if (strcmp(state, "DELIVRD") == 0)
                ret->fate = SMS_DELIVERED;
        else if (error && strcmp(error, "DB:0140") == 0) /* on the organisation's black list */
                ret->fate = SMS_BLOCKED;
        return true;
}

static int mas_call(const struct call *call, const void *options, const char *secret, int64_t now_ms,
                    struct call_answer *ret) {
        (void) options;
        (void) now_ms;
        return sms_push(call, secret, mas_report, "{\"success\":true}", ret);
}

static bool mas_reports(const struct sms_options *options) {
        return options->reports_ms > 0;
}

static const char *const mas_secrets[] = { "secret_key", NULL };

static const struct sms_provider mas_provider = {
        .name = "云MAS",
        .reports = mas_reports,
        .send = mas_send,
        .judge = mas_judge,
        .test = mas_test,
        .judge_test = mas_judge_test,
        .secrets = mas_secrets,
};

static int mas_begin(const struct delivery *delivery, struct step *ret) {
        return sms_begin(delivery, &mas_provider, ret);
}

static int mas_next(const struct delivery *delivery, const struct reply *reply, struct step *ret) {
        return sms_next(delivery, &mas_provider, reply, ret);
}

static void mas_check(const void *options, const char *path, struct problems *problems) {
        sms_check(options, path, problems);
        sms_check_templates(options, false, path, problems);
}

/* The sending alone: what a list has, nobody knows beforehand. */
static bool mas_rehearse(const struct step *request, struct reply *ret) {
        static const char taken[] = "{\"success\":true,\"rspcod\":\"success\",\"msgGroup\":\"preview\"}";

        ret->http = (struct http_reply) { .status = 200, .body = taken, .n_body = strlen(taken) };
        return request->kind == STEP_HTTP && strcmp(request->http.method, "POST") == 0;
}

static const char *const mas_parts[] = { "secret_key", "hmac_key", NULL };

static const struct setting mas_settings[] = {
        SMS_COMMON_ROWS("500", BATCH_MOST),
        SMS_DOUBT_ROW,
        { "", "url", SETTING_STRING, SMS_AT(url), .required = true,
          .chinese = "云MAS 的接口地址，到端口为止，后面的 /sms/norsubmit 不写",
          .english = "the address of the cloud MAS up to the port, without /sms/norsubmit" },
        { "", "ec_name", SETTING_STRING, SMS_AT(ec_name), .required = true,
          .chinese = "企业名称，与云MAS 平台上的一字不差", .english = "the organisation's name as the MAS has it" },
        { "", "ap_id", SETTING_STRING, SMS_AT(ap_id), .required = true,
          .chinese = "接口账号（apId）", .english = "the interface account, apId" },
        { "", "sign", SETTING_STRING, SMS_AT(sign), .required = true,
          .chinese = "签名编码，云MAS 平台上生成的一串字符", .english = "the sign's code from the MAS console" },
        { "", "serial", SETTING_STRING, SMS_AT(serial),
          .chinese = "扩展码，没有就不写", .english = "the extension code, if any" },
        { "", "template", SETTING_STRING, SMS_AT(template),
          .chinese = "模板编号；不写就发自由文字", .english = "the template's id; without it free text is sent" },
        { "", "template_correct", SETTING_STRING, SMS_AT(template_correct),
          .chinese = "更正用的模板编号", .english = "the template for corrections" },
        { "", "template_withdraw", SETTING_STRING, SMS_AT(template_withdraw),
          .chinese = "撤回用的模板编号", .english = "the template for withdrawals" },
        { "", "params", SETTING_LIST, SMS_AT(params), .fallback = "text",
          .chinese = "模板变量依次是哪些字段：title text number publisher date summary note reason",
          .english = "the fields of the template's variables, in their order" },
        SMS_REPORTS_ROW,
};

extern const struct driver mas_driver;
const struct driver mas_driver = {
        .name = "mas",
        .title_chinese = "短信（中国移动云MAS）",
        .title_english = "short messages, China Mobile's cloud MAS",
        .about_chinese = "经中国移动云MAS 给名单里与通知有关的人各发一条短信。\n"
                         "先向移动要：企业名称、接口账号（apId）、接口密码、签名编码、接口地址，并请对方把本机的出口 IP 加入白名单；用模板的再要模板编号。\n"
                         "名单是 CSV 文件或网址（recipients）。依次执行 gongkaictl channel secret（接口密码 secret_key，还有 openssl rand -hex 32 生成的 hmac_key）、"
                         "gongkaictl channel test（会逐行查名单）；发给谁、发什么字，先用 gongkaictl channel preview 看。",
        .about_english = "Texts everybody on the lists whom a notice concerns, by China Mobile's cloud MAS.\n"
                         "First get from the operator: the organisation's name, apId, the interface password, the sign's code and the address,"
                         " with our outgoing IP on its list; and the templates' ids where they are used.\n"
                         "The lists are CSV files or addresses (recipients). Then gongkaictl channel secret (secret_key, and an hmac_key by openssl"
                         " rand -hex 32), gongkaictl channel test, which checks the lists line by line, and gongkaictl channel preview to see"
                         " who would get what.",
        .settings = mas_settings,
        .n_settings = ELEMENTS(mas_settings),
        .options_size = sizeof(struct sms_options),
        .check = mas_check,
        .address = sms_address,
        .secret_parts = mas_parts,
        .secret_more = sms_secret_push,
        .rehearse = mas_rehearse,
        .begin = mas_begin,
        .next = mas_next,
        .account_begin = sms_account_begin,
        .account_next = sms_account_next,
        .call = mas_call,
};
