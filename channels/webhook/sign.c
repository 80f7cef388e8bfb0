#include "channels/webhook/webhook.h"

#include <errno.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <string.h>

enum { SECRETS_MAX = 8, KEY_MAX = 1024 };

static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/* Base64 with or without its padding; -EINVAL for anything else in it, or nothing. */
static int decode(const char *text, size_t n, unsigned char ret[static KEY_MAX], size_t *ret_n) {
        unsigned bits = 0, n_bits = 0;
        size_t n_bytes = 0;

        while (n > 0 && text[n - 1] == '=')
                n--;
        if (n == 0 || n % 4 == 1 || n / 4 * 3 + 3 > KEY_MAX)
                return -EINVAL;
        for (size_t i = 0; i < n; i++) {
                const char *found = memchr(alphabet, text[i], sizeof(alphabet) - 1);

                if (!found)
                        return -EINVAL;
                bits = (bits << 6 | (unsigned) (found - alphabet)) & 0xffff;
                n_bits += 6;
                if (n_bits >= 8) {
                        n_bits -= 8;
                        ret[n_bytes++] = (unsigned char) (bits >> n_bits);
                }
        }
        *ret_n = n_bytes;
        return 0;
}

static int key_of(const char *line, size_t n, unsigned char ret[static KEY_MAX], size_t *ret_n) {
        static const char prefix[] = "whsec_";

        if (n > strlen(prefix) && memcmp(line, prefix, strlen(prefix)) == 0)
                return decode(line + strlen(prefix), n - strlen(prefix), ret, ret_n);
        if (n > KEY_MAX || (n == strlen(prefix) && memcmp(line, prefix, n) == 0))
                return -EINVAL;
        memcpy(ret, line, n);
        *ret_n = n;
        return 0;
}

static int sign_one(const char *line, size_t n, const struct buf *text, struct buf *ret) {
        unsigned char key[KEY_MAX], digest[EVP_MAX_MD_SIZE];
        char base64[4 * ((EVP_MAX_MD_SIZE + 2) / 3) + 1];
        unsigned n_digest = 0;
        size_t n_key = 0;
        bool well;
        int r = key_of(line, n, key, &n_key);

        if (r < 0)
                return r;
        well = HMAC(EVP_sha256(), key, (int) n_key, (const unsigned char *) buf_text(text),
                    text->len, digest, &n_digest) != NULL;
        OPENSSL_cleanse(key, sizeof(key));
        if (!well)
                return -ENOMEM;
        (void) EVP_EncodeBlock((unsigned char *) base64, digest, (int) n_digest);
        buf_fmt(ret, "%sv1,%s", ret->len > 0 ? " " : "", base64);
        return ret->error;
}

static bool is_blank(char c) {
        return c == ' ' || c == '\t' || c == '\r';
}

int webhook_sign(const char *secrets, const char *id, int64_t timestamp, const char *body,
                 size_t n_bytes, struct buf *ret, unsigned *ret_line) {
        struct buf text = { 0 };
        unsigned line = 0, n_secrets = 0;
        int r;

        buf_fmt(&text, "%s.%lld.", id, (long long) timestamp);
        buf_add(&text, body, n_bytes);
        r = text.error;
        for (const char *at = secrets; r == 0 && *at;) {
                size_t n_line = strcspn(at, "\n"), n = n_line;
                const char *next = at + n_line + (at[n_line] == '\n');

                line++;
                while (n > 0 && is_blank(*at)) {
                        at++;
                        n--;
                }
                while (n > 0 && is_blank(at[n - 1]))
                        n--;
                if (n > 0 && n_secrets++ < SECRETS_MAX)
                        r = sign_one(at, n, &text, ret);
                else if (n > 0)
                        r = -EINVAL;
                at = next;
        }
        buf_done(&text);
        if (r == -EINVAL)
                *ret_line = line;
        return r == 0 && n_secrets == 0 ? -ENODATA : r;
}
