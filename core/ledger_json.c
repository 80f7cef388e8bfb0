/* A row as JSON: a receipt for its sender, or all of it for an auditor. Written by hand, since ledgerd
 * writes one for each record. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "core/ledger.h"
#include "core/memory.h"
#include "core/moment.h"
#include "core/unicode.h"

/* What a carrier said may be cut within a character: JSON is UTF-8, so that becomes U+FFFD. */
static void string(struct buf *buf, const char *text) {
        const char *from = text, *end = text + strlen(text);

        buf_char(buf, '"');
        while (text < end) {
                unsigned char c = (unsigned char) *text;
                size_t n = c < 0x80 ? 1 : unicode_sequence(text, (size_t) (end - text));

                if (n > 1 || (n == 1 && c >= 0x20 && c != '"' && c != '\\')) {
                        text += n;
                        continue;
                }
                buf_add(buf, from, (size_t) (text - from));
                from = ++text;
                if (n == 0)
                        buf_str(buf, "\xef\xbf\xbd");
                else if (c < 0x20)
                        buf_fmt(buf, "\\u%04x", c);
                else {
                        buf_char(buf, '\\');
                        buf_char(buf, (char) c);
                }
        }
        buf_add(buf, from, (size_t) (end - from));
        buf_char(buf, '"');
}

static void name(struct buf *buf, const char *member) {
        if (buf->len > 0 && buf->data[buf->len - 1] != '{')
                buf_char(buf, ',');
        buf_char(buf, '"');
        buf_str(buf, member);
        buf_add(buf, "\":", 2);
}

static void text(struct buf *buf, const char *member, const char *value) {
        name(buf, member);
        string(buf, value);
}

static void text_or_null(struct buf *buf, const char *member, const char *value) {
        name(buf, member);
        if (value && *value)
                string(buf, value);
        else
                buf_str(buf, "null");
}

static void number(struct buf *buf, const char *member, int64_t value) {
        name(buf, member);
        buf_fmt(buf, "%lld", (long long) value);
}

/* What went wrong, for those states in which something did. */
static const char *error_of(const struct ledger_row *row) {
        static const char *const bad[] = { "attempted", "uncertain", "deferred", "parked", "dead", "refused" };

        for (size_t i = 0; i < ELEMENTS(bad); i++)
                if (strcmp(row->state, bad[i]) == 0 && strcmp(row->code, "confirmed") != 0)
                        return *row->sentence ? row->sentence : row->code;
        return NULL;
}

void ledger_receipt_write(const struct ledger_row *row, struct buf *ret) {
        char at[MOMENT_TEXT];

        (void) moment_write(row->at_ms, at);
        buf_str(ret, "{\"specversion\":\"1.0\",\"type\":\"cn.gongkai.receipt.v1\",\"id\":\"");
        buf_fmt(ret, "%s-%lld\",\"source\":\"urn:gongkai:%s:gongkai\"", row->region,
                (long long) row->receipt, row->region);
        number(ret, "sequence", row->receipt);
        text(ret, "time", at);
        text(ret, "datacontenttype", "application/json");
        buf_str(ret, ",\"data\":{");
        text(ret, "document", row->document);
        number(ret, "revision", row->revision);
        text_or_null(ret, "event", row->event);
        text_or_null(ret, "channel", row->channel);
        text(ret, "state", row->state);
        text(ret, "at", at);
        number(ret, "attempts", row->attempt > 0 ? row->attempt : 0);
        text_or_null(ret, "url", row->url);
        text_or_null(ret, "reference", row->reference);
        text_or_null(ret, "error", error_of(row));
        buf_str(ret, "}}");
}

void ledger_row_write(const struct ledger_row *row, struct buf *ret) {
        char at[MOMENT_TEXT], hash[LEDGER_HASH_TEXT], digest[LEDGER_HASH_TEXT] = "";

        ledger_hash_text(row->hash, hash);
        if (row->digest)
                ledger_hash_text(row->digest, digest);
        buf_char(ret, '{');
        number(ret, "seq", row->seq);
        text(ret, "region", row->region);
        text(ret, "epoch", row->epoch);
        text(ret, "adoption", row->adoption);
        number(ret, "n", row->n);
        number(ret, "at_ms", row->at_ms);
        text(ret, "at", moment_write(row->at_ms, at));
        text(ret, "state", row->state);
        text(ret, "document", row->document);
        number(ret, "revision", row->revision);
        number(ret, "level", row->level);
        text(ret, "event", row->event);
        text(ret, "channel", row->channel);
        if (row->attempt >= 0)
                number(ret, "attempt", row->attempt);
        text(ret, "code", row->code);
        text(ret, "reference", row->reference);
        text(ret, "url", row->url);
        text(ret, "sentence", row->sentence);
        text(ret, "extra", row->extra);
        if (row->source)
                text(ret, "source", row->source);
        if (row->receipt)
                number(ret, "receipt", row->receipt);
        if (row->digest)
                text(ret, "digest", digest);
        text(ret, "alg", row->alg);
        text(ret, "hash", hash);
        buf_char(ret, '}');
}
