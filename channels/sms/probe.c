/* `gongkaictl channel test`: the lists are read, then the provider is asked something that texts
 * nobody; or, with test_number, one message goes there. */
#include "channels/sms/sms.h"

#include <errno.h>
#include <string.h>

#include "core/memory.h"

static int need_lists(const struct delivery *delivery, struct step *ret) {
        *ret = (struct step) { .kind = STEP_ACCOUNT };
        ret->need.version = delivery->account_version;
        ret->memo = json_pack("{s:s, s:I}", "stage", "list", "since", (json_int_t) delivery->now_ms);
        return ret->memo ? 0 : -ENOMEM;
}

int sms_test_begin(const struct delivery *delivery, const struct sms_provider *provider, struct step *ret) {
        (void) provider;
        return need_lists(delivery, ret);
}

static int send_one(const struct delivery *delivery, const struct sms_provider *provider, struct step *ret) {
        const struct sms_options *options = delivery->options;
        char *text freed_by(freep) = sms_text(delivery, SMS_TEST, NULL, 0);
        char number[SMS_NUMBER];
        struct sms_batch batch = { .round = SMS_TEST, .numbers = number, .n = 1, .id = "test", .title = "",
                                   .text = options->template ? NULL : text };

        if (!text || !sms_number_read(options->test_number, number))
                return -ENOMEM;
        return provider->send(delivery, &batch, ret);
}

static int ask_provider(const struct delivery *delivery, const struct sms_provider *provider, struct step *ret) {
        const struct sms_options *options = delivery->options;
        int r = options->test_number ? send_one(delivery, provider, ret) : provider->test(delivery, ret);

        if (r == -EINVAL)
                return 0;
        if (r == 0)
                ret->memo = json_pack("{s:s}", "stage", "ask");
        return r < 0 || ret->memo ? r : -ENOMEM;
}

static int conclude(const struct delivery *delivery, const struct sms_provider *provider,
                    const struct http_reply *reply, struct step *ret) {
        const struct sms_options *options = delivery->options;
        struct sms_answer answer freed_by(sms_answer_done) = { 0 };
        struct buf mask freed_by(buf_done) = { 0 };
        char *list freed_by(freep) = sms_account_sentence(delivery->account);
        enum message message = options->test_number    ? MESSAGE_SMS_TEST_SENT
                               : provider->test_proves ? MESSAGE_SMS_TEST_OK
                                                       : MESSAGE_SMS_TEST_REACHED;

        if (options->test_number) {
                sms_number_mask(options->test_number, &mask);
                provider->judge(delivery, reply, &answer);
        } else
                provider->judge_test(delivery, reply, &answer);
        if (answer.class != SMS_OK)
                return sms_verdict(provider, answer.class, answer.at_ms, buf_text(&answer.words), ret);
        return list ? step_verdict(ret, VERDICT_DONE, "done", 0, message, "carrier", provider->name, "number",
                                   buf_text(&mask), "list", list, NULL)
                    : -ENOMEM;
}

int sms_test_next(const struct delivery *delivery, const struct sms_provider *provider,
                  const struct reply *reply, struct step *ret) {
        int64_t since = json_integer_value(json_object_get(delivery->memo, "since"));

        if (reply->kind == STEP_HTTP)
                return conclude(delivery, provider, &reply->http, ret);
        if (!sms_account_is_whole(delivery->account) ||
            json_integer_value(json_object_get(delivery->account, "at")) < since)
                return need_lists(delivery, ret);
        if (json_object_size(json_object_get(delivery->account, "people")) == 0)
                return step_verdict(ret, VERDICT_BLOCKED, "sms/nobody", 0, MESSAGE_SMS_NOBODY, NULL);
        return ask_provider(delivery, provider, ret);
}
