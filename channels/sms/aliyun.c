/* Aliyun's short message service, dysmsapi 2017-05-25: SendSms, and QuerySendDetails where no answer
 * came. A sending has no key of its own, so each batch carries its name as OutId, by which it is found.
 *
 * Parameters and answers: npm @alicloud/dysmsapi20170525 4.6.0; codes: help.aliyun.com/document_detail/
 * 101346.html; both read 2026-11. */
#include "channels/sms/sms.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "channels/secret.h"
#include "channels/sms/acs3.h"
#include "core/memory.h"

enum { BATCH_MOST = 1000, PAGE = 50, THROTTLED_MS = 10000 };

static const char version[] = "2017-05-25";

/* -- requests -- */

static int request(const struct delivery *delivery, const char *action, json_t *params, const char *salt,
                   struct step *ret) {
        const struct sms_options *options = delivery->options;
        char *id freed_by(secret_part_freep) = secret_part(delivery->secret, "key_id", 0);
        char *secret freed_by(secret_part_freep) = secret_part(delivery->secret, "key_secret", 0);
        struct buf seed freed_by(buf_done) = { 0 };
        char nonce[33];
        int r = -ENOMEM;

        *ret = (struct step) { .kind = STEP_HTTP };
        buf_fmt(&seed, "%s\n%s\n%s\n%u\n%lld", action, salt, delivery->key ? delivery->key : "", delivery->attempt,
                (long long) delivery->now_ms);
        if (params && id && secret && !seed.error) {
                sms_mac_hex(secret, buf_text(&seed), 16, nonce);
                r = acs3_request(&(struct acs3) { .key_id = id, .key_secret = secret, .url = options->url,
                                                  .action = action, .version = version, .params = params,
                                                  .now_ms = delivery->now_ms, .nonce = nonce },
                                 &ret->http);
        }
        json_decref(params);
        return r;
}

/* {"变量":"值"} of "变量=字段". */
static json_t *variables(const struct delivery *delivery, const struct sms_batch *batch, struct step *ret, int *error) {
        const struct sms_options *options = delivery->options;
        json_t *object = json_object();

        *error = -ENOMEM;
        for (size_t i = 0; object && i < options->params.n; i++) {
                const char *equals = strchr(options->params.items[i], '=');
                const char *field = equals ? equals + 1 + strspn(equals + 1, " ") : "";
                size_t n = equals ? (size_t) (equals - options->params.items[i]) : 0;
                char *value freed_by(freep) = sms_field(delivery, batch->round, field, batch->title);
                char *name freed_by(freep) = NULL;

                while (n > 0 && options->params.items[i][n - 1] == ' ')
                        n--;
                name = strndup(options->params.items[i], n);
                if (value && sms_has_address(value)) {
                        *error = step_verdict(ret, VERDICT_REFUSED, "sms/address", 0, MESSAGE_SMS_URL_IN_PARAM,
                                              "name", name ? name : "", NULL);
                        *error = *error < 0 ? *error : -EINVAL;
                }
                if (*error != -EINVAL && value && name && json_object_set_new(object, name, json_string(value)) == 0)
                        continue;
                json_decref(object);
                return NULL;
        }
        return object;
}

static int aliyun_send(const struct delivery *delivery, const struct sms_batch *batch, struct step *ret) {
        const struct sms_options *options = delivery->options;
        const char *template = batch->round == SMS_CORRECTION   ? options->template_correct
                               : batch->round == SMS_WITHDRAWAL ? options->template_withdraw
                                                                : options->template;
        char *text freed_by(freep) = NULL;
        struct buf salt freed_by(buf_done) = { 0 };
        json_t *values, *params;
        int error;

        values = variables(delivery, batch, ret, &error);
        if (!values)
                return error;
        text = json_dumps(values, JSON_COMPACT | JSON_SORT_KEYS);
        json_decref(values);
        params = text ? json_pack("{s:s, s:s, s:s, s:s, s:s}", "PhoneNumbers", batch->numbers, "SignName",
                                  options->signature, "TemplateCode", template, "TemplateParam", text, "OutId",
                                  batch->id)
                      : NULL;
        buf_fmt(&salt, "%s%s", batch->id, batch->again ? " again" : "");
        return request(delivery, "SendSms", params, buf_text(&salt), ret);
}

static int aliyun_ask(const struct delivery *delivery, const char *number, const char *day, unsigned page,
                      struct step *ret) {
        struct buf salt freed_by(buf_done) = { 0 };
        char text[16];
        int r;

        (void) snprintf(text, sizeof(text), "%u", page);
        buf_fmt(&salt, "%s %s %u", number, day, page);
        r = request(delivery, "QuerySendDetails",
                    json_pack("{s:s, s:s, s:s, s:s}", "PhoneNumber", number, "SendDate", day, "PageSize", "50",
                              "CurrentPage", text), buf_text(&salt), ret);
        ret->http.harmless = true;
        return r;
}

static int aliyun_test(const struct delivery *delivery, struct step *ret) {
        char day[9];

        sms_day(delivery->now_ms, day);
        return aliyun_ask(delivery, "13800138000", day, 1, ret);
}

/* -- answers -- */

static const struct {
        const char *code;
        enum sms_class class;
} codes[] = {
        { "OK", SMS_OK },
        { "isv.BUSINESS_LIMIT_CONTROL", SMS_WAIT }, { "isv.DAY_LIMIT_CONTROL", SMS_WAIT },
        { "isv.MONTH_LIMIT_CONTROL", SMS_WAIT }, { "MOBILE_SEND_LIMIT", SMS_WAIT },
        { "Throttling", SMS_WAIT }, { "Throttling.User", SMS_WAIT }, { "Throttling.Api", SMS_WAIT },
        { "isp.SYSTEM_ERROR", SMS_UNSURE }, { "isp.GATEWAY_ERROR", SMS_UNSURE },
        { "InternalError", SMS_UNSURE }, { "ServiceUnavailable", SMS_UNSURE },
        { "InvalidTimeStamp.Expired", SMS_RESIGN }, { "SignatureNonceUsed", SMS_RESIGN },
        { "SignatureDoesNotMatch", SMS_LOGIN }, { "InvalidAccessKeyId.NotFound", SMS_LOGIN },
        { "MissingAccessKeyId", SMS_LOGIN }, { "isp.RAM_PERMISSION_DENY", SMS_LOGIN },
        { "isv.OUT_OF_SERVICE", SMS_LOGIN }, { "isv.AMOUNT_NOT_ENOUGH", SMS_LOGIN },
        { "isv.PRODUCT_UN_SUBSCRIPT", SMS_LOGIN }, { "isv.PRODUCT_UNSUBSCRIBE", SMS_LOGIN },
        { "isv.ACCOUNT_NOT_EXISTS", SMS_LOGIN }, { "isv.ACCOUNT_ABNORMAL", SMS_LOGIN },
        { "isv.DENY_IP_RANGE", SMS_LOGIN }, { "isv.SMS_SIGNATURE_ILLEGAL", SMS_LOGIN },
        { "isv.SMS_SIGN_ILLEGAL", SMS_LOGIN }, { "isv.SIGN_NAME_ILLEGAL", SMS_LOGIN },
        { "isv.SIGN_STATE_ILLEGAL", SMS_LOGIN }, { "isv.SMS_TEMPLATE_ILLEGAL", SMS_LOGIN },
        { "isv.SMS_SIGNATURE_SCENE_ILLEGAL", SMS_LOGIN }, { "isv.EXTEND_CODE_ERROR", SMS_LOGIN },
        { "InvalidVersion", SMS_LOGIN }, { "InvalidAction.NotFound", SMS_LOGIN },
        { "isv.TEMPLATE_MISSING_PARAMETERS", SMS_CONTENT }, { "isv.TEMPLATE_PARAMS_ILLEGAL", SMS_CONTENT },
        { "isv.INVALID_JSON_PARAM", SMS_CONTENT }, { "isv.PARAM_LENGTH_LIMIT", SMS_CONTENT },
        { "isv.PARAM_NOT_SUPPORT_URL", SMS_CONTENT }, { "isv.SMS_CONTENT_ILLEGAL", SMS_CONTENT },
        { "isv.UNSUPPORTED_CONTENT", SMS_CONTENT }, { "isv.SMS_CONTENT_MISMATCH_TEMPLATE_TYPE", SMS_CONTENT },
        { "isv.INVALID_PARAMETERS", SMS_CONTENT }, { "CONTENT_KEYWORD", SMS_CONTENT },
        { "isv.DOMESTIC_NUMBER_NOT_SUPPORTED", SMS_CONTENT },
        { "isv.MOBILE_COUNT_OVER_LIMIT", SMS_SPLIT },
        { "isv.MOBILE_NUMBER_ILLEGAL", SMS_RECIPIENT }, { "isv.BLACK_KEY_CONTROL_LIMIT", SMS_RECIPIENT },
        { "isv.CUSTOMER_REFUSED", SMS_RECIPIENT }, { "MOBILE_IN_BLACK", SMS_RECIPIENT },
        { "MOBILE_NOT_ON_SERVICE", SMS_RECIPIENT }, { "INVALID_NUMBER", SMS_RECIPIENT },
};

/* Which window is used up stands in the message only: 触发分钟级流控Permits:1. */
static int64_t opens_ms(const char *code, const char *message, int64_t now_ms) {
        if (strncmp(code, "Throttling", 10) == 0)
                return now_ms + THROTTLED_MS;
        if (strcmp(code, "isv.MONTH_LIMIT_CONTROL") == 0 || strstr(message, "月级"))
                return sms_next_month(now_ms);
        if (strcmp(code, "isv.BUSINESS_LIMIT_CONTROL") != 0 || strstr(message, "天级") || strcasestr(message, "day"))
                return sms_next_day(now_ms);
        if (strstr(message, "分钟级") || strcasestr(message, "minute"))
                return sms_next_minute(now_ms);
        return sms_next_hour(now_ms);
}

/* The body's class, and the body; NULL where HTTP alone says it. */
static json_t *judge(const struct delivery *delivery, const struct http_reply *reply, struct sms_answer *ret) {
        json_t *json = reply->status > 0 && reply->body ? json_loadb(reply->body, reply->n_body, 0, NULL) : NULL;
        const char *code = json_string_value(json_object_get(json, "Code"));
        const char *message = json_string_value(json_object_get(json, "Message"));

        if (!code) {
                if (!sms_judge_http(delivery, reply, ret))
                        ret->class = SMS_UNSURE;
                json_decref(json);
                return NULL;
        }
        ret->class = SMS_ODD;
        for (size_t i = 0; i < ELEMENTS(codes); i++)
                if (strcmp(codes[i].code, code) == 0)
                        ret->class = codes[i].class;
        if (strncmp(code, "Throttling.", 11) == 0)
                ret->class = SMS_WAIT;
        ret->of_number = strcmp(code, "isv.BUSINESS_LIMIT_CONTROL") == 0;
        if (ret->class == SMS_WAIT)
                ret->at_ms = opens_ms(code, message ? message : "", delivery->now_ms);
        sms_words(code, strlen(code), &ret->words);
        if (message && strcmp(message, code) != 0) {
                buf_char(&ret->words, ' ');
                sms_words(message, strlen(message), &ret->words);
        }
        return json;
}

static void aliyun_judge(const struct delivery *delivery, const struct http_reply *reply, struct sms_answer *ret) {
        json_decref(judge(delivery, reply, ret));
}

/* Numbers come as numbers or as texts. */
static int64_t whole(const json_t *value) {
        return json_is_string(value) ? strtoll(json_string_value(value), NULL, 10) : json_integer_value(value);
}

static void aliyun_judge_ask(const struct delivery *delivery, const struct http_reply *reply, const char *id,
                             unsigned page, bool *ret_found, bool *ret_more, struct sms_answer *ret) {
        json_t *json freed_by(json_decrefp) = judge(delivery, reply, ret), *row;
        const json_t *rows = json_object_get(json_object_get(json, "SmsSendDetailDTOs"), "SmsSendDetailDTO");
        size_t i;

        if (ret->class != SMS_OK)
                return;
        json_array_foreach(rows, i, row) {
                const char *out_id = json_string_value(json_object_get(row, "OutId"));

                *ret_found = *ret_found || (out_id && strcmp(out_id, id) == 0);
        }
        *ret_more = json_array_size(rows) > 0 && whole(json_object_get(json, "TotalCount")) > (int64_t) page * PAGE;
}

/* -- delivery reports: SmsReport, help.aliyun.com/document_detail/101867.html, read 2026-11 -- */

/* Codes of reports, from the page of the codes. */
static enum sms_fate fate_of(const char *code) {
        static const struct {
                const char *code;
                enum sms_fate fate;
        } rows[] = {
                { "MOBILE_NOT_ON_SERVICE", SMS_BAD_NUMBER }, { "INVALID_NUMBER", SMS_BAD_NUMBER },
                { "isv.MOBILE_NUMBER_ILLEGAL", SMS_BAD_NUMBER }, { "MOBILE_IN_BLACK", SMS_BLOCKED },
                { "isv.CUSTOMER_REFUSED", SMS_BLOCKED }, { "CONTENT_KEYWORD", SMS_BAD_CONTENT },
                { "MOBILE_SEND_LIMIT", SMS_TOO_MANY }, { "isv.BUSINESS_LIMIT_CONTROL", SMS_TOO_MANY },
        };

        for (size_t i = 0; i < ELEMENTS(rows); i++)
                if (code && strcmp(rows[i].code, code) == 0)
                        return rows[i].fate;
        return SMS_UNDELIVERED;
}

/* By out_id, "m.<24 hex>.<k>", it is known whose it is; what others sent by this account has another. */
static bool aliyun_report(const json_t *json, struct sms_report *ret) {
        const char *id = json_string_value(json_object_get(json, "out_id"));
        const char *number = json_string_value(json_object_get(json, "phone_number"));
        const json_t *success = json_object_get(json, "success");

        if (!id || strncmp(id, "m.", 2) != 0 || strspn(id + 2, "0123456789abcdef") != SMS_OF || !number ||
            !sms_number_read(number, ret->number))
                return false;
        memcpy(ret->of, id + 2, SMS_OF);
        if (json_is_true(success) || (json_is_string(success) && strcmp(json_string_value(success), "true") == 0))
                ret->fate = SMS_DELIVERED;
        else
                ret->fate = fate_of(json_string_value(json_object_get(json, "err_code")));
        return true;
}

static int aliyun_call(const struct call *call, const void *options, const char *secret, int64_t now_ms,
                       struct call_answer *ret) {
        (void) options;
        (void) now_ms;
        return sms_push(call, secret, aliyun_report, "{\"code\":0,\"msg\":\"OK\"}", ret);
}

static bool aliyun_reports(const struct sms_options *options) {
        return options->reports_ms > 0;
}

static bool aliyun_looks(const void *options) {
        (void) options;
        return true;
}

static const char *const aliyun_secrets[] = { "key_id", "key_secret", NULL };

static const struct sms_provider aliyun_provider = {
        .name = "阿里云短信",
        .reports = aliyun_reports,
        .send = aliyun_send,
        .judge = aliyun_judge,
        .ask = aliyun_ask,
        .judge_ask = aliyun_judge_ask,
        .test = aliyun_test,
        .test_proves = true,
        .judge_test = aliyun_judge,
        .secrets = aliyun_secrets,
};

static int aliyun_begin(const struct delivery *delivery, struct step *ret) {
        return sms_begin(delivery, &aliyun_provider, ret);
}

static int aliyun_next(const struct delivery *delivery, const struct reply *reply, struct step *ret) {
        return sms_next(delivery, &aliyun_provider, reply, ret);
}

static void aliyun_check(const void *options, const char *path, struct problems *problems) {
        sms_check(options, path, problems);
        sms_check_templates(options, true, path, problems);
}

/* The sending alone: what a list has, nobody knows beforehand. */
static bool aliyun_rehearse(const struct step *request, struct reply *ret) {
        static const char taken[] = "{\"Code\":\"OK\",\"Message\":\"OK\",\"BizId\":\"preview\"}";

        ret->http = (struct http_reply) { .status = 200, .body = taken, .n_body = strlen(taken) };
        return request->kind == STEP_HTTP && strcmp(request->http.method, "POST") == 0;
}

static const char *const aliyun_parts[] = { "key_id", "key_secret", "hmac_key", NULL };

static const struct setting aliyun_settings[] = {
        SMS_COMMON_ROWS("200", BATCH_MOST),
        { "", "url", SETTING_STRING, SMS_AT(url), .fallback = "https://dysmsapi.aliyuncs.com",
          .chinese = "阿里云短信的接口地址", .english = "the address of Aliyun's service" },
        { "", "template", SETTING_STRING, SMS_AT(template), .required = true,
          .chinese = "模板 CODE，如 SMS_123456789，要先审核通过", .english = "the approved template's code" },
        { "", "template_correct", SETTING_STRING, SMS_AT(template_correct),
          .chinese = "更正用的模板 CODE", .english = "the template for corrections" },
        { "", "template_withdraw", SETTING_STRING, SMS_AT(template_withdraw),
          .chinese = "撤回用的模板 CODE", .english = "the template for withdrawals" },
        { "", "params", SETTING_LIST, SMS_AT(params), .fallback = "title=text",
          .chinese = "模板变量各是哪个字段，写“变量=字段”；字段有 title text number publisher date summary note reason",
          .english = "VARIABLE=FIELD for each of the template's variables" },
        SMS_REPORTS_ROW,
};

extern const struct driver aliyun_driver;
const struct driver aliyun_driver = {
        .name = "aliyun",
        .title_chinese = "短信（阿里云）",
        .title_english = "short messages, Aliyun",
        .about_chinese = "经阿里云短信服务给名单里与通知有关的人各发一条短信。\n"
                         "先在阿里云申请签名和模板（政府单位要授权书和统一社会信用代码证；签名报备要 5 到 10 个工作日），建一个只有短信权限的 RAM 用户，拿到 AccessKey。\n"
                         "名单是 CSV 文件或网址（recipients）。依次执行 gongkaictl channel secret（AccessKey 的 key_id、key_secret，还有 openssl rand -hex 32 生成的 hmac_key）、"
                         "gongkaictl channel test（会逐行查名单）；发给谁、发什么字，先用 gongkaictl channel preview 看。",
        .about_english = "Texts everybody on the lists whom a notice concerns, by Aliyun.\n"
                         "First get the sign and the templates approved (5 to 10 working days), and make a RAM user with the right to send only,"
                         " for its AccessKey.\n"
                         "The lists are CSV files or addresses (recipients). Then gongkaictl channel secret (key_id, key_secret, and an hmac_key by openssl"
                         " rand -hex 32), gongkaictl channel test, which checks the lists line by line, and gongkaictl channel preview to see"
                         " who would get what.",
        .settings = aliyun_settings,
        .n_settings = ELEMENTS(aliyun_settings),
        .options_size = sizeof(struct sms_options),
        .looks = aliyun_looks,
        .check = aliyun_check,
        .address = sms_address,
        .secret_parts = aliyun_parts,
        .secret_more = sms_secret_push,
        .rehearse = aliyun_rehearse,
        .begin = aliyun_begin,
        .next = aliyun_next,
        .account_begin = sms_account_begin,
        .account_next = sms_account_next,
        .call = aliyun_call,
};
