#include "core/digest.h"

#include <endian.h>
#include <errno.h>
#include <openssl/evp.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

/* Fetching an algorithm by name takes a lock and a look-up in OpenSSL 3: once is enough. Both live
 * as long as the process, so nothing frees them. Without SHA-256 nothing here can go on. */
static EVP_MD *sha256;
static EVP_MD_CTX *context;

static void open_once(void) {
        if (context)
                return;
        sha256 = EVP_MD_fetch(NULL, "SHA256", NULL);
        context = EVP_MD_CTX_new();
        if (!sha256 || !context)
                abort();
}

void digest_hex(const unsigned char digest[static DIGEST_BYTES], char ret[static DIGEST_TEXT]) {
        static const char hex[] = "0123456789abcdef";

        for (size_t i = 0; i < DIGEST_BYTES; i++) {
                ret[2 * i] = hex[digest[i] >> 4];
                ret[2 * i + 1] = hex[digest[i] & 15];
        }
        ret[DIGEST_TEXT - 1] = '\0';
}

void digest_raw(const void *bytes, size_t n_bytes, unsigned char ret[static DIGEST_BYTES]) {
        open_once();
        if (!EVP_DigestInit_ex2(context, sha256, NULL) ||
            !EVP_DigestUpdate(context, bytes, n_bytes) || !EVP_DigestFinal_ex(context, ret, NULL))
                abort();
}

void digest_bytes(const void *bytes, size_t n_bytes, char ret[static DIGEST_TEXT]) {
        unsigned char raw[DIGEST_BYTES];

        digest_raw(bytes, n_bytes, raw);
        digest_hex(raw, ret);
}

struct digest *digest_new(void) {
        EVP_MD_CTX *own = EVP_MD_CTX_new();

        open_once();
        if (own && !EVP_DigestInit_ex2(own, sha256, NULL))
                abort();
        return (struct digest *) own;
}

void digest_add(struct digest *digest, const void *bytes, size_t n_bytes) {
        if (!EVP_DigestUpdate((EVP_MD_CTX *) digest, bytes, n_bytes))
                abort();
}

void digest_end(struct digest *digest, char ret[static DIGEST_TEXT]) {
        unsigned char raw[DIGEST_BYTES];

        if (!EVP_DigestFinal_ex((EVP_MD_CTX *) digest, raw, NULL))
                abort();
        digest_hex(raw, ret);
}

struct digest *digest_free(struct digest *digest) {
        EVP_MD_CTX_free((EVP_MD_CTX *) digest);
        return NULL;
}

static void draw(void *bytes, size_t n_bytes) {
        ssize_t n;

        /* Up to 256 bytes come whole, once the kernel's pool is seeded (getrandom(2)). */
        do
                n = getrandom(bytes, n_bytes, 0);
        while (n < 0 && errno == EINTR);
        if (n != (ssize_t) n_bytes)
                abort();
}

/* Each step can be undone when the word is known, and tells words apart when the sum is: what differs
 * in one word only can come to nothing by no later one. */
static uint64_t sum_step(uint64_t sum, uint64_t word) {
        sum = (sum ^ le64toh(word)) * UINT64_C(0x9e3779b97f4a7c15);
        return sum ^ sum >> 32;
}

void digest_sum(const void *bytes, size_t n_bytes, unsigned char ret[static DIGEST_SUM]) {
        const unsigned char *at = bytes, *end = at + n_bytes;
        uint64_t sum = n_bytes, word;

        for (; (size_t) (end - at) >= sizeof(word); at += sizeof(word)) {
                memcpy(&word, at, sizeof(word));
                sum = sum_step(sum, word);
        }
        if (at < end) {
                word = 0;
                memcpy(&word, at, (size_t) (end - at));
                sum = sum_step(sum, word);
        }
        sum = htole64(sum);
        memcpy(ret, &sum, DIGEST_SUM);
}

/* The key of the last call is kept: a county has one. */
static const unsigned char *mark_key(const char *key) {
        static unsigned char made[DIGEST_BYTES];
        static char of[ULID_TEXT];
        static bool is_made;
        size_t n = strnlen(key, sizeof(of) - 1);

        if (!is_made || strncmp(of, key, n + 1) != 0) {
                memcpy(of, key, n);
                of[n] = '\0';
                digest_raw(of, n, made);
                is_made = true;
        }
        return made;
}

static EVP_MAC_CTX *open_poly1305(void) {
        EVP_MAC *mac = EVP_MAC_fetch(NULL, "POLY1305", NULL);
        EVP_MAC_CTX *opened = mac ? EVP_MAC_CTX_new(mac) : NULL;

        EVP_MAC_free(mac);
        if (!opened)
                abort();
        return opened;
}

void digest_mark(const char *key, const char *text, const void *bytes, size_t n_bytes,
                 unsigned char ret[static DIGEST_MARK]) {
        static EVP_MAC_CTX *poly1305; /* as above: once is enough */
        size_t n_written;

        if (!poly1305)
                poly1305 = open_poly1305();
        if (!EVP_MAC_init(poly1305, mark_key(key), DIGEST_BYTES, NULL) ||
            !EVP_MAC_update(poly1305, (const unsigned char *) text, strlen(text) + 1) ||
            !EVP_MAC_update(poly1305, bytes, n_bytes) ||
            !EVP_MAC_final(poly1305, ret, &n_written, DIGEST_MARK) || n_written != DIGEST_MARK)
                abort();
}

/* Adds one to a big-endian number; false when it went round to zero. */
static bool add_one(unsigned char *number, size_t n) {
        while (n > 0)
                if (++number[--n])
                        return true;
        return false;
}

void ulid_new(int64_t now_ms, char ret[static ULID_TEXT]) {
        static const char crockford[] = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";
        static unsigned char random[10];
        static uint64_t last_ms;
        static bool drawn;
        uint64_t ms = now_ms < 0 ? 0 : (uint64_t) now_ms & ((UINT64_C(1) << 48) - 1);
        unsigned bits = 0, n_bits = 0;

        if (!drawn || ms > last_ms) {
                draw(random, sizeof(random));
                last_ms = ms;
                drawn = true;
        } else if (!add_one(random, sizeof(random))) {
                last_ms++; /* 2^80 used up, or the clock stepped back: order comes first */
        }

        for (int i = 9; i >= 0; i--)
                ret[i] = crockford[(last_ms >> (5 * (9 - i))) & 31];
        for (size_t i = 0, at = 10; i < sizeof(random); i++) {
                bits = (bits << 8 | random[i]) & 0xfff;
                for (n_bits += 8; n_bits >= 5; n_bits -= 5)
                        ret[at++] = crockford[bits >> (n_bits - 5) & 31];
        }
        ret[26] = '\0';
}
