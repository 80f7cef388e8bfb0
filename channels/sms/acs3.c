#include "channels/sms/acs3.h"

#include <errno.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <string.h>

#include "channels/sms/sms.h"
#include "core/digest.h"
#include "core/memory.h"
#include "core/moment.h"
#include "core/template.h"

static const char signed_headers[] = "content-type;host;x-acs-action;x-acs-content-sha256;x-acs-date;"
                                     "x-acs-signature-nonce;x-acs-version";
static const char content_type[] = "application/x-www-form-urlencoded";

static int by_name(const void *one, const void *other) {
        return strcmp(*(const char *const *) one, *(const char *const *) other);
}

static int canonical_query(const json_t *params, struct buf *ret) {
        const char **names freed_by(freep) = calloc(json_object_size(params) + 1, sizeof(*names));
        const char *name;
        json_t *value;
        size_t n = 0;

        if (!names)
                return -ENOMEM;
        json_object_foreach((json_t *) params, name, value)
                names[n++] = name;
        qsort(names, n, sizeof(*names), by_name);
        for (size_t i = 0; i < n; i++) {
                const char *text = json_string_value(json_object_get(params, names[i]));

                if (i > 0)
                        buf_char(ret, '&');
                escape_add(ret, ESCAPE_URI, names[i], strlen(names[i]));
                buf_char(ret, '=');
                escape_add(ret, ESCAPE_URI, text ? text : "", text ? strlen(text) : 0);
        }
        return ret->error;
}

static int sign(const struct acs3 *acs3, const struct buf *canonical, char ret[static DIGEST_TEXT]) {
        unsigned char digest[EVP_MAX_MD_SIZE];
        struct buf text freed_by(buf_done) = { 0 };
        unsigned n = 0;
        char hex[DIGEST_TEXT];

        digest_bytes(buf_text(canonical), canonical->len, hex);
        buf_fmt(&text, "ACS3-HMAC-SHA256\n%s", hex);
        if (text.error || canonical->error ||
            !HMAC(EVP_sha256(), acs3->key_secret, (int) strlen(acs3->key_secret),
                  (const unsigned char *) buf_text(&text), text.len, digest, &n))
                return -ENOMEM;
        digest_hex(digest, ret);
        return 0;
}

static void add_header(struct buf *headers, const char *name, const char *value) {
        buf_fmt(headers, "%s: %s", name, value);
        buf_char(headers, '\0');
}

int acs3_request(const struct acs3 *acs3, struct http_request *ret) {
        struct buf query freed_by(buf_done) = { 0 }, host freed_by(buf_done) = { 0 };
        struct buf canonical freed_by(buf_done) = { 0 }, headers freed_by(buf_done) = { 0 };
        struct buf authorization freed_by(buf_done) = { 0 }, url = { 0 };
        char empty[DIGEST_TEXT], date[MOMENT_TEXT], signature[DIGEST_TEXT];
        int r = canonical_query(acs3->params, &query);

        sms_url_host(acs3->url, &host);
        digest_bytes("", 0, empty);
        (void) moment_write_utc(acs3->now_ms / 1000 * 1000, date); /* whole seconds */
        buf_fmt(&canonical,
                "POST\n/\n%s\ncontent-type:%s\nhost:%s\nx-acs-action:%s\nx-acs-content-sha256:%s\nx-acs-date:%s\n"
                "x-acs-signature-nonce:%s\nx-acs-version:%s\n\n%s\n%s",
                buf_text(&query), content_type, buf_text(&host), acs3->action, empty, date, acs3->nonce,
                acs3->version, signed_headers, empty);
        if (r == 0)
                r = sign(acs3, &canonical, signature);
        if (r < 0)
                return r;
        buf_fmt(&authorization, "ACS3-HMAC-SHA256 Credential=%s,SignedHeaders=%s,Signature=%s", acs3->key_id,
                signed_headers, signature);
        add_header(&headers, "Content-Type", content_type);
        add_header(&headers, "x-acs-action", acs3->action);
        add_header(&headers, "x-acs-version", acs3->version);
        add_header(&headers, "x-acs-date", date);
        add_header(&headers, "x-acs-signature-nonce", acs3->nonce);
        add_header(&headers, "x-acs-content-sha256", empty);
        add_header(&headers, "Authorization", buf_text(&authorization));
        buf_fmt(&url, "%s/?%s", acs3->url, buf_text(&query));
        *ret = (struct http_request) { .method = "POST" };
        ret->url = buf_take(&url);
        if (!ret->url || authorization.error || host.error)
                return -ENOMEM;
        return http_request_set_headers(ret, &headers);
}
