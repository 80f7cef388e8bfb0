#include "channels/sms/sms.h"

#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <stdio.h>
#include <string.h>

#include "core/memory.h"
#include "core/unicode.h"
#include "core/visible.h"

enum { DIGITS_MOST = 15, WORDS_CHARACTERS = 160, RUN = 11 };

/* The digits of what somebody typed or a table made of it; -1 where anything else is in it. */
static int digits_of(const char *text, char ret[static DIGITS_MOST + 1]) {
        const char *end = text + strlen(text);
        int n = 0;
        bool plus = false;

        while (text < end) {
                uint32_t code;

                if ((unsigned char) *text >= 0x80 &&
                    unicode_sequence(text, (size_t) (end - text)) == 0)
                        return -1;
                text = unicode_next(text, &code);
                if (code >= 0xff10 && code <= 0xff19)
                        code = code - 0xff10 + '0';
                if (code >= '0' && code <= '9') {
                        if (n == DIGITS_MOST)
                                return -1;
                        ret[n++] = (char) code;
                } else if ((code == '+' || code == 0xff0b) && n == 0 && !plus)
                        plus = true;
                else if (code == '\'' && n == 0)
                        continue; /* what tables put before a number that is a text */
                else if (code != ' ' && code != '\t' && code != '-' && code != 0x3000 && code != 0xa0)
                        return -1;
        }
        ret[n] = '\0';
        return n;
}

bool sms_number_read(const char *text, char ret[static SMS_NUMBER]) {
        char digits[DIGITS_MOST + 1];
        int n = digits_of(text, digits), skip;

        skip = n == 13 && strncmp(digits, "86", 2) == 0     ? 2
               : n == 15 && strncmp(digits, "0086", 4) == 0 ? 4
                                                            : 0;
        if (n - skip != 11 || digits[skip] != '1' || digits[skip + 1] < '3')
                return false;
        memcpy(ret, digits + skip, SMS_NUMBER);
        return true;
}

void sms_number_mask(const char *number, struct buf *ret) {
        size_t n = strlen(number), before = n == 11 ? 3 : 2, after = n == 11 ? 4 : 2;

        if (n < 6)
                before = after = 0;
        buf_add(ret, number, before);
        buf_str(ret, "****");
        buf_add(ret, number + n - after, after);
}

void sms_words(const char *text, size_t n_bytes, struct buf *ret) {
        struct buf line freed_by(buf_done) = { 0 };
        size_t cut;

        visible_add(&line, text, n_bytes < 4 * WORDS_CHARACTERS ? n_bytes : 4 * WORDS_CHARACTERS);
        cut = line.data ? unicode_cut(line.data, line.len, WORDS_CHARACTERS) : 0;
        for (size_t at = 0; at < cut;) {
                size_t run = strspn(line.data + at, "0123456789");

                if (run == 0) {
                        buf_char(ret, line.data[at++]);
                        continue;
                }
                for (size_t i = 0; i < run; i++)
                        buf_char(ret, run >= RUN && i >= 3 && i + 4 < run ? '*' : line.data[at + i]);
                at += run;
        }
}

static void mac(const char *key, const char *text, unsigned char ret[static EVP_MAX_MD_SIZE]) {
        unsigned n;

        memset(ret, 0, 32);
        (void) HMAC(EVP_sha256(), key, (int) strlen(key), (const unsigned char *) text, strlen(text),
                    ret, &n);
}

void sms_number_hash(const char *key, const char *number, char ret[static SMS_HASH + 1]) {
        static const char letters[] =
                "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
        unsigned char digest[EVP_MAX_MD_SIZE];
        uint64_t bits = 0;

        mac(key, number, digest);
        for (int i = 0; i < 8; i++)
                bits = bits << 8 | digest[i];
        for (int i = 0; i < SMS_HASH - 1; i++)
                ret[i] = letters[bits >> (58 - 6 * i) & 63];
        ret[SMS_HASH - 1] = letters[bits << 2 & 63];
        ret[SMS_HASH] = '\0';
}

void sms_mac_hex(const char *key, const char *text, size_t n, char *ret) {
        static const char digits[] = "0123456789abcdef";
        unsigned char digest[EVP_MAX_MD_SIZE];

        mac(key, text, digest);
        for (size_t i = 0; i < n; i++) {
                ret[2 * i] = digits[digest[i] >> 4];
                ret[2 * i + 1] = digits[digest[i] & 15];
        }
        ret[2 * n] = '\0';
}
