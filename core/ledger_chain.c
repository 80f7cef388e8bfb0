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

static void field(struct buf *buf, const void *bytes, size_t n) {
        const unsigned char length[4] = {
                (unsigned char) (n >> 24), (unsigned char) (n >> 16), (unsigned char) (n >> 8),
                (unsigned char) n,
        };

        buf_add(buf, length, sizeof(length));
        buf_add(buf, bytes, n);
}

static void text(struct buf *buf, const char *string) {
        field(buf, string ? string : "", string ? strlen(string) : 0);
}

static void number(struct buf *buf, int64_t value) {
        char digits[24], *at = digits + sizeof(digits);
        uint64_t rest = value < 0 ? 0 - (uint64_t) value : (uint64_t) value;

        do
                *--at = (char) ('0' + rest % 10);
        while ((rest /= 10) > 0);
        if (value < 0)
                *--at = '-';
        field(buf, at, (size_t) (digits + sizeof(digits) - at));
}

static void number_or_none(struct buf *buf, int64_t value, int64_t none) {
        if (value == none)
                field(buf, "", 0);
        else
                number(buf, value);
}

static void encode(const struct ledger_row *row, struct buf *buf) {
        number(buf, row->seq);
        text(buf, row->region);
        text(buf, row->epoch);
        text(buf, row->adoption);
        number(buf, row->n);
        number(buf, row->at_ms);
        text(buf, row->state);
        text(buf, row->document);
        number(buf, row->revision);
        number(buf, row->level);
        text(buf, row->event);
        text(buf, row->channel);
        number_or_none(buf, row->attempt, -1);
        text(buf, row->code);
        text(buf, row->reference);
        text(buf, row->url);
        text(buf, row->sentence);
        text(buf, row->extra);
        text(buf, row->source);
        number_or_none(buf, row->receipt, 0);
        field(buf, row->digest ? row->digest : (const unsigned char *) "",
              row->digest ? LEDGER_HASH : 0);
        text(buf, row->alg);
}

int chain_row(struct chain *chain, const unsigned char before[static LEDGER_HASH],
              const struct ledger_row *row, unsigned char ret[static LEDGER_HASH]) {
        const EVP_MD *md = algorithm(chain, row->alg);
        unsigned n = LEDGER_HASH;

        if (!md)
                return -EPROTONOSUPPORT;
        buf_reset(&chain->row);
        buf_add(&chain->row, before, LEDGER_HASH);
        encode(row, &chain->row);
        if (chain->row.error)
                return chain->row.error;
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
