/* The chain: hash(row) = H(hash of the row before || encoding of the row), zeros before the first.
 *
 * The encoding is each field as its length in four bytes, the greatest first, and its bytes. Numbers
 * are decimal text, what is absent is empty. The fields, in order: seq region epoch adoption n at
 * state document revision level event channel attempt code reference url sentence extra source
 * receipt digest (32 raw bytes) alg. The event's bytes take part by `digest`, which is H(bytes). */
#include <errno.h>
#include <string.h>

#include "core/ledger_parts.h"
#include "core/memory.h"

enum { N_FIELDS = 22, NUMBER_MOST = 24 };

static const struct {
        const char *name, *openssl;
} algorithms[CHAIN_ALGORITHMS] = { { CHAIN_ALGORITHM, "SM3" }, { "sha256", "SHA256" } };

int chain_init(struct chain *chain) {
        *chain = (struct chain) { .context = EVP_MD_CTX_new() };
        for (int i = 0; i < CHAIN_ALGORITHMS; i++) {
                chain->algorithms[i] = EVP_MD_fetch(NULL, algorithms[i].openssl, NULL);
                if (!chain->algorithms[i] || !chain->context) {
                        chain_done(chain);
                        return chain->context ? -EPROTONOSUPPORT : -ENOMEM;
                }
        }
        return 0;
}

void chain_done(struct chain *chain) {
        for (int i = 0; i < CHAIN_ALGORITHMS; i++)
                EVP_MD_free(chain->algorithms[i]);
        EVP_MD_CTX_free(chain->context);
        buf_done(&chain->row);
        memset(chain->algorithms, 0, sizeof(chain->algorithms));
        chain->context = NULL;
}

static const EVP_MD *algorithm(const struct chain *chain, const char *name) {
        for (int i = 0; i < CHAIN_ALGORITHMS; i++)
                if (strcmp(algorithms[i].name, name) == 0)
                        return chain->algorithms[i];
        return NULL;
}

/* Where the next byte goes. encode() has made room for all of them. */
struct pen {
        unsigned char *at;
};

static void field(struct pen *pen, const void *bytes, size_t n) {
        pen->at[0] = (unsigned char) (n >> 24);
        pen->at[1] = (unsigned char) (n >> 16);
        pen->at[2] = (unsigned char) (n >> 8);
        pen->at[3] = (unsigned char) n;
        memcpy(pen->at + 4, bytes, n);
        pen->at += 4 + n;
}

static void number(struct pen *pen, int64_t value) {
        char digits[NUMBER_MOST], *at = digits + sizeof(digits);
        uint64_t rest = value < 0 ? 0 - (uint64_t) value : (uint64_t) value;

        do
                *--at = (char) ('0' + rest % 10);
        while ((rest /= 10) > 0);
        if (value < 0)
                *--at = '-';
        field(pen, at, (size_t) (digits + sizeof(digits) - at));
}

static void number_or_none(struct pen *pen, int64_t value, int64_t none) {
        if (value == none)
                field(pen, "", 0);
        else
                number(pen, value);
}

static int encode(const struct ledger_row *row, const unsigned char before[static LEDGER_HASH],
                  struct buf *buf) {
        const char *texts[] = { row->region, row->epoch, row->adoption, row->state, row->document, row->event,
                                row->channel, row->code, row->reference, row->url, row->sentence, row->extra,
                                row->source ? row->source : "", row->alg };
        size_t n[ELEMENTS(texts)], room = LEDGER_HASH + N_FIELDS * (4 + NUMBER_MOST) + LEDGER_HASH, i = 0;
        struct pen pen;

        for (size_t k = 0; k < ELEMENTS(texts); k++)
                room += n[k] = strlen(texts[k]);
        buf_reset(buf);
        pen.at = (unsigned char *) buf_room(buf, room);
        if (!pen.at)
                return buf->error;
        memcpy(pen.at, before, LEDGER_HASH);
        pen.at += LEDGER_HASH;
        number(&pen, row->seq);
        for (; i < 3; i++) /* region epoch adoption */
                field(&pen, texts[i], n[i]);
        number(&pen, row->n);
        number(&pen, row->at_ms);
        for (; i < 5; i++) /* state document */
                field(&pen, texts[i], n[i]);
        number(&pen, row->revision);
        number(&pen, row->level);
        for (; i < 7; i++) /* event channel */
                field(&pen, texts[i], n[i]);
        number_or_none(&pen, row->attempt, -1);
        for (; i < 13; i++) /* code reference url sentence extra source */
                field(&pen, texts[i], n[i]);
        number_or_none(&pen, row->receipt, 0);
        field(&pen, row->digest ? row->digest : (const unsigned char *) "", row->digest ? LEDGER_HASH : 0);
        field(&pen, texts[i], n[i]); /* alg */
        buf_grown(buf, (size_t) (pen.at - (unsigned char *) buf->data));
        return 0;
}

int chain_row(struct chain *chain, const unsigned char before[static LEDGER_HASH],
              const struct ledger_row *row, unsigned char ret[static LEDGER_HASH]) {
        const EVP_MD *md = algorithm(chain, row->alg);
        unsigned n = LEDGER_HASH;
        int r = md ? encode(row, before, &chain->row) : -EPROTONOSUPPORT;

        if (r < 0)
                return r;
        return EVP_DigestInit_ex(chain->context, md, NULL) == 1 &&
                               EVP_DigestUpdate(chain->context, chain->row.data, chain->row.len) == 1 &&
                               EVP_DigestFinal_ex(chain->context, ret, &n) == 1
                       ? 0
                       : -ENOMEM;
}

int chain_bytes(struct chain *chain, const char *alg, const void *bytes, size_t n_bytes,
                unsigned char ret[static LEDGER_HASH]) {
        const EVP_MD *md = algorithm(chain, alg);
        unsigned n = LEDGER_HASH;

        if (!md)
                return -EPROTONOSUPPORT;
        return EVP_DigestInit_ex(chain->context, md, NULL) == 1 &&
                               EVP_DigestUpdate(chain->context, bytes, n_bytes) == 1 &&
                               EVP_DigestFinal_ex(chain->context, ret, &n) == 1
                       ? 0
                       : -ENOMEM;
}

void ledger_hash_text(const unsigned char hash[static LEDGER_HASH], char ret[static LEDGER_HASH_TEXT]) {
        static const char digits[] = "0123456789abcdef";

        for (int i = 0; i < LEDGER_HASH; i++) {
                ret[2 * i] = digits[hash[i] >> 4];
                ret[2 * i + 1] = digits[hash[i] & 15];
        }
        ret[2 * LEDGER_HASH] = '\0';
}
