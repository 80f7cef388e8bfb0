/* Aliyun's signature V3, ACS3-HMAC-SHA256, as its own SDK makes it (npm @alicloud/openapi-util 0.3.3 and
 * openapi-core 1.0.8, read 2026-11): all parameters in the query, an empty body. */
#ifndef CHANNELS_SMS_ACS3_H
#define CHANNELS_SMS_ACS3_H

#include "channels/driver.h"

struct acs3 {
        const char *key_id, *key_secret;
        const char *url;              /* https://dysmsapi.aliyuncs.com */
        const char *action, *version; /* SendSms, 2017-05-25 */
        const json_t *params;         /* object name -> string */
        int64_t now_ms;
        const char *nonce; /* another one for each request */
};

/* Fills url, method and headers. -ENOMEM. */
int acs3_request(const struct acs3 *acs3, struct http_request *ret);

#endif
