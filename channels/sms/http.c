/* What an answer of HTTP says before its body is read. */
#include "channels/sms/sms.h"

#include <stdio.h>
#include <string.h>

enum { DAY_S = 86400 };

/* Retry-After in seconds, at most a day; 0: it does not say so. */
static int64_t retry_at(const struct delivery *delivery, const char *retry_after) {
        int64_t seconds = 0;

        if (!retry_after || !*retry_after || retry_after[strspn(retry_after, "0123456789")])
                return 0;
        for (const char *at = retry_after; *at && seconds < DAY_S; at++)
                seconds = 10 * seconds + (*at - '0');
        return delivery->now_ms + (seconds < DAY_S ? seconds : DAY_S) * 1000;
}

bool sms_judge_http(const struct delivery *delivery, const struct http_reply *reply,
                    struct sms_answer *ret) {
        char status[32];

        if (reply->status == 0) {
                ret->class = reply->sent ? SMS_UNSURE : SMS_UNREACHABLE;
                if (reply->error)
                        sms_words(reply->error, strlen(reply->error), &ret->words);
                return true;
        }
        if (reply->body && reply->n_body > 0)
                sms_words(reply->body, reply->n_body, &ret->words);
        if (ret->words.len == 0) {
                (void) snprintf(status, sizeof(status), "HTTP %ld", reply->status);
                buf_str(&ret->words, status);
        }
        if (reply->status == 408 || reply->status == 425 || reply->status == 429 || reply->status == 503) {
                ret->class = SMS_BUSY; /* it was not let in */
                ret->at_ms = retry_at(delivery, reply->retry_after);
                return true;
        }
        if (reply->status >= 500) {
                ret->class = SMS_UNSURE; /* what broke may have taken it before */
                return true;
        }
        if (reply->status >= 300 && reply->status != 400) {
                ret->class = SMS_LOGIN; /* another address, or not for us */
                return true;
        }
        return false;
}
