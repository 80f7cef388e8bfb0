/* Delivery reports that a provider pushes. None of them signs what it sends, so that what proves it genuine
 * is a key in the address, which only the provider's console and our secret know. No number is kept: a
 * report is a note under the number's hash, so that one that comes twice is there once. */
#include "channels/sms/sms.h"

#include <errno.h>
#include <openssl/crypto.h>
#include <stdio.h>
#include <string.h>

#include "channels/secret.h"
#include "core/digest.h"
#include "core/memory.h"

enum { KEY_LEAST = 16, MOST = 1000 /* notes in one step of the book, driver.h */ };

static const int64_t kept_ms = INT64_C(14) * 86400000;

int sms_report_put(const struct sms_report *report, const char *key, json_t *put) {
        const char value[2] = { (char) report->fate, '\0' };
        char hash[SMS_HASH + 1], name[64];

        sms_number_hash(key, report->number, hash);
        (void) snprintf(name, sizeof(name), "r.%s.%s", report->of, hash);
        return json_object_set_new(put, name, json_pack("{s:s, s:I}", "value", value, "ms", (json_int_t) kept_ms)) < 0
                       ? -ENOMEM
                       : 0;
}

void sms_report_of(const char *provider, const char *batch, char ret[static SMS_OF + 1]) {
        struct buf text freed_by(buf_done) = { 0 };
        char hex[DIGEST_TEXT];

        buf_fmt(&text, "%s %s", provider, batch);
        digest_bytes(buf_text(&text), text.len, hex);
        memcpy(ret, hex, SMS_OF);
        ret[SMS_OF] = '\0';
}

static bool has_key(const struct call *call, const char *key) {
        const char *theirs = json_string_value(json_object_get(call->query, "key")), *slash = strrchr(call->path, '/');

        if (!theirs)
                theirs = slash ? slash + 1 : call->path;
        return strlen(theirs) == strlen(key) && CRYPTO_memcmp(theirs, key, strlen(key)) == 0;
}

static int refuse(struct call_answer *ret, unsigned status, char *trouble) {
        ret->status = status;
        ret->trouble = trouble;
        return trouble ? 0 : -ENOMEM;
}

static int take(const json_t *json, const char *key, bool (*read)(const json_t *json, struct sms_report *ret),
                struct call_answer *ret) {
        size_t n = json_is_array(json) ? json_array_size(json) : 1, i;
        char count[24], most[24];
        int r = 0;

        ret->put = json_object();
        for (i = 0; i < n && r == 0 && json_object_size(ret->put) < MOST; i++) {
                struct sms_report report = { .fate = SMS_UNDELIVERED };

                if (read(json_is_array(json) ? json_array_get(json, i) : json, &report))
                        r = sms_report_put(&report, key, ret->put);
        }
        if (r < 0 || !ret->put)
                return -ENOMEM;
        if (json_object_size(ret->put) == 0)
                json_decref(give_away(ret->put));
        if (i == n)
                return 0;
        (void) snprintf(count, sizeof(count), "%zu", n);
        (void) snprintf(most, sizeof(most), "%zu", i);
        ret->trouble = say(MESSAGE_SMS_CALL_MANY, "count", count, "most", most, NULL);
        return ret->trouble ? 0 : -ENOMEM;
}

int sms_push(const struct call *call, const char *secret, bool (*read)(const json_t *json, struct sms_report *ret),
             const char *says, struct call_answer *ret) {
        char *key freed_by(secret_part_freep) = secret_part(secret, "report_key", 0);
        char *hmac_key freed_by(secret_part_freep) = secret_part(secret, "hmac_key", 0);
        json_t *json freed_by(json_decrefp) = NULL;

        if (!key || !hmac_key)
                return refuse(ret, 503, say(MESSAGE_SMS_NO_SECRET, "part", key ? "hmac_key" : "report_key", NULL));
        if (strlen(key) < KEY_LEAST)
                return refuse(ret, 503, say(MESSAGE_SMS_SHORT_KEY, "part", "report_key", NULL));
        if (!has_key(call, key))
                return refuse(ret, 403, say(MESSAGE_SMS_CALL_REFUSED, NULL));
        if (strcmp(call->method, "POST") != 0) {
                ret->status = 405;
                return 0;
        }
        json = json_loadb(call->body, call->n_body, 0, NULL);
        if (!json)
                return refuse(ret, 400, say(MESSAGE_SMS_CALL_FORM, NULL));
        ret->status = 200;
        ret->content_type = "application/json; charset=utf-8";
        buf_str(&ret->body, says);
        return ret->body.error ? -ENOMEM : take(json, hmac_key, read, ret);
}
