#include "core/digest.h"

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

void digest_bytes(const void *bytes, size_t n_bytes, char ret[static DIGEST_TEXT]) {
        static const char hex[] = "0123456789abcdef";
        unsigned char raw[32];

        open_once();
        if (!EVP_DigestInit_ex2(context, sha256, NULL) ||
            !EVP_DigestUpdate(context, bytes, n_bytes) || !EVP_DigestFinal_ex(context, raw, NULL))
                abort();

        for (size_t i = 0; i < sizeof(raw); i++) {
                ret[2 * i] = hex[raw[i] >> 4];
                ret[2 * i + 1] = hex[raw[i] & 15];
        }
        ret[2 * sizeof(raw)] = '\0';
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
