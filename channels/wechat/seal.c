/* Signatures and sealing of what the platform pushes, as its paper on the message crypt tells:
 * AES-256-CBC under the EncodingAESKey, its first 16 bytes as the first block; inside are 16 random
 * bytes, the length, the message, the AppID; padded to a multiple of 32. */
#include <errno.h>
#include <openssl/evp.h>
#include <string.h>

#include "channels/wechat/wechat.h"
#include "core/memory.h"

enum {
        KEY_LETTERS = 43,
        KEY = 32,
        RANDOM = 16,
        LENGTH = 4,
        BLOCK = 32,
        TEXTS = 4,
        SEALED_MOST = 1 << 20
};

void wechat_signature(const char *const *texts, size_t n, char ret[static 41]) {
        static const char digits[] = "0123456789abcdef";
        const char *sorted[TEXTS];
        unsigned char digest[EVP_MAX_MD_SIZE] = { 0 };
        struct buf joined freed_by(buf_done) = { 0 };
        unsigned n_digest = 0;

        for (size_t i = 0; i < n && i < TEXTS; i++) {
                size_t at = i;

                for (; at > 0 && strcmp(sorted[at - 1], texts[i]) > 0; at--)
                        sorted[at] = sorted[at - 1];
                sorted[at] = texts[i];
        }
        for (size_t i = 0; i < n && i < TEXTS; i++)
                buf_str(&joined, sorted[i]);
        ret[0] = '\0'; /* equal to no signature */
        if (joined.error ||
            EVP_Digest(buf_text(&joined), joined.len, digest, &n_digest, EVP_sha1(), NULL) != 1 ||
            n_digest != 20)
                return;
        for (size_t i = 0; i < 20; i++) {
                ret[2 * i] = digits[digest[i] >> 4];
                ret[2 * i + 1] = digits[digest[i] & 15];
        }
        ret[40] = '\0';
}

/* Strict base64 of a multiple of four letters; -1 otherwise. The bytes, without what pads. */
static int from_base64(const char *text, size_t n, unsigned char *to) {
        size_t pads = 0;
        int length;

        for (size_t i = 0; i < n; i++)
                if (!strchr("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/",
                            text[i]) ||
                    text[i] == '\0') {
                        if (text[i] != '=' || i + 2 < n)
                                return -1;
                        pads++;
                }
        if (n == 0 || n % 4 != 0 || (pads == 2) != (text[n - 2] == '=') ||
            (pads > 0 && text[n - 1] != '='))
                return -1;
        length = EVP_DecodeBlock(to, (const unsigned char *) text, (int) n);
        return length < 0 ? -1 : length - (int) pads;
}

static int decrypt(const unsigned char *key, const unsigned char *sealed, size_t n,
                   unsigned char *to) {
        EVP_CIPHER_CTX *context = EVP_CIPHER_CTX_new();
        int n_first = 0, n_last = 0;
        bool good = context &&
                    EVP_DecryptInit_ex(context, EVP_aes_256_cbc(), NULL, key, key) == 1 &&
                    EVP_CIPHER_CTX_set_padding(context, 0) == 1 &&
                    EVP_DecryptUpdate(context, to, &n_first, sealed, (int) n) == 1 &&
                    EVP_DecryptFinal_ex(context, to + n_first, &n_last) == 1 &&
                    (size_t) (n_first + n_last) == n;

        EVP_CIPHER_CTX_free(context);
        return good ? 0 : -EINVAL;
}

static int unpack(const unsigned char *plain, size_t n, const char *appid, struct buf *ret) {
        size_t pad = plain[n - 1], length;
        const unsigned char *at = plain + RANDOM;

        if (pad < 1 || pad > BLOCK || pad + RANDOM + LENGTH > n)
                return -EINVAL;
        for (size_t i = n - pad; i < n; i++)
                if (plain[i] != pad)
                        return -EINVAL;
        n -= pad;
        length = (size_t) at[0] << 24 | (size_t) at[1] << 16 | (size_t) at[2] << 8 | at[3];
        if (length > n - RANDOM - LENGTH)
                return -EINVAL;
        at += LENGTH;
        if (n - RANDOM - LENGTH - length != strlen(appid) ||
            memcmp(at + length, appid, strlen(appid)) != 0)
                return -EACCES;
        buf_add(ret, at, length);
        return ret->error;
}

int wechat_open(const char *sealed, size_t n_sealed, const char *aes_key, const char *appid,
                struct buf *ret) {
        unsigned char key[KEY + 3], *bytes freed_by(freep) = NULL, *plain freed_by(freep) = NULL;
        char letters[KEY_LETTERS + 2];
        int n, r;

        if (strlen(aes_key) != KEY_LETTERS || n_sealed > SEALED_MOST)
                return -EINVAL;
        memcpy(letters, aes_key, KEY_LETTERS);
        memcpy(letters + KEY_LETTERS, "=", 2);
        bytes = malloc(n_sealed + 4);
        plain = malloc(n_sealed + 64);
        if (!bytes || !plain)
                return -ENOMEM;
        n = from_base64(sealed, n_sealed, bytes);
        r = from_base64(letters, KEY_LETTERS + 1, key) == KEY && n >= 2 * RANDOM && n % RANDOM == 0
                    ? decrypt(key, bytes, (size_t) n, plain)
                    : -EINVAL;
        if (r == 0)
                r = unpack(plain, (size_t) n, appid, ret);
        explicit_bzero(key, sizeof(key));
        explicit_bzero(letters, sizeof(letters));
        return r;
}
