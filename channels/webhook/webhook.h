/* The plain HTTP channel: what its files share. Everything here is a pure function.
 *
 * What a receiver gets is told in docs/protocol.md ("What a plain HTTP channel sends"); in short:
 *
 *         POST /path HTTP/1.1
 *         Content-Type: application/cloudevents+json; charset=utf-8
 *         Idempotency-Key: 530581/oa-2026-0012/7w/media
 *         Gongkai-Rank: 7 1 withdraw
 *         webhook-id: 01JDB3K6V0T5YQ2N8M4W7XHRCE-7w-media
 *         webhook-timestamp: 1795320000
 *         webhook-signature: v1,K5oZfzN95Z9UVu1EsfQmfVNQhnkZ2pj9o9NDN/H/pI4=
 *
 *         {"specversion":"1.0",...}
 *
 * Gongkai-Rank is "REVISION LEVEL KIND": decimal revision; level 0 for what is to be shown, 1 and
 * more for what is gone (a second withdrawal of the same revision, say erase after mark, is 2);
 * kind publish, withdraw, expire or end. A receiver compares (revision, level) as a pair of numbers, and
 * answers 200 without doing anything to what is lower than what it has: an older request can
 * overtake a newer one on the way. It answers an equal Idempotency-Key as it did the first time. */
#ifndef CHANNELS_WEBHOOK_WEBHOOK_H
#define CHANNELS_WEBHOOK_WEBHOOK_H

#include "channels/driver.h"

struct webhook_options {
        char *url;
        char *content_type;
        char *lookup_url; /* with {key}; NULL: the receiver cannot be asked */
};

/* http or https with a host, printable ASCII that needs no escaping, no login, no fragment, at most
 * 2 KiB. */
bool webhook_url_is_sound(const char *url);
/* "media.example.gov.cn:8080": what a sentence may name; a path or a query may hold a token. */
void webhook_host(const char *url, struct buf *ret);

/* -- sign.c: Standard Webhooks 1.0.0 -- */

/* Adds "v1,BASE64 v1,BASE64 ...": one signature per secret. `secrets` has one per line: "whsec_"
 * and base64, or any other text, which is the key as it stands; empty lines are skipped. -EINVAL
 * and *ret_line (from 1) where a line is no secret or there are more than eight; -ENODATA when
 * there is none; -ENOMEM. */
int webhook_sign(const char *secrets, const char *id, int64_t timestamp, const char *body,
                 size_t n_bytes, struct buf *ret, unsigned *ret_line);

/* -- lookup.c: `lookup_url`, and what it is asked for --
 *
 * Before each POST the memo, with the key, is put on disk: after a crash only what may have been
 * sent is looked for. GET; 200 with a JSON object {"id","url"}: it is there. 404: it is not, which
 * is believed once no late effect can come any more. Anything else says nothing. */
bool webhook_looks(const void *options);
bool webhook_lookup_is_sound(const char *lookup_url);
void webhook_lookup_address(const char *lookup_url, const char *key, struct buf *ret);
json_t *webhook_memo(const struct delivery *delivery, bool looks);
bool webhook_should_look(const struct delivery *delivery);
bool webhook_should_wait(const struct delivery *delivery);
bool webhook_is_looking(const struct delivery *delivery);
/* Fills *ret with a verdict, or says that it is to be sent (*ret_send; *ret is not touched then). */
int webhook_judge_look(const struct delivery *delivery, const struct http_reply *reply,
                       bool *ret_send, struct step *ret);

/* -- reply.c: what an answer means -- */

int webhook_done(const struct delivery *delivery, const struct http_reply *reply, struct step *ret);
/* A verdict with a sentence that may name {host} {status} {reason}. */
int webhook_verdict(const struct delivery *delivery, const struct http_reply *reply,
                    enum verdict_kind kind, const char *code, enum message message, int64_t at_ms,
                    struct step *ret);

int webhook_judge(const struct delivery *delivery, const struct http_reply *reply,
                  struct step *ret);
int webhook_judge_test(const struct delivery *delivery, const struct http_reply *reply,
                       struct step *ret);
/* Retry-After (RFC 9110, 10.2.3): seconds, or a date in any of the three forms. The moment it
 * names, at most a day from now; 0 when there is none, it is past or it cannot be read. */
int64_t webhook_retry_at(const char *retry_after, int64_t now_ms);

#endif
