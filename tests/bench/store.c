/* How fast is gk1_accept in batches of 128, and how fast are plain SET + 4 x ZADD + XADD of the same
 * bytes in one MULTI of 128, in turn on the same Redis? Prints one JSON object.
 *
 *         store SOCKET ROUNDS BATCHES */
#include <errno.h>
#include <hiredis/hiredis.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/clock.h"
#include "core/digest.h"
#include "core/memory.h"
#include "core/row.h"
#include "core/store.h"

#define REGION "539999" /* not one that a publisherd on the same Redis serves */

enum { BATCH = 128, BYTES = 2048, FAN_OUT = 4 };

static const char *const channels[FAN_OUT] = { "portal", "hall", "press", "archive" };
static unsigned serial;

static void must(redisContext *redis, redisReply *reply, const char *what) {
        if (!reply || reply->type == REDIS_REPLY_ERROR) {
                (void) fprintf(stderr, "%s: %s\n", what, reply ? reply->str : redis->errstr);
                exit(1);
        }
}

/* The bytes of one event: alike in form, as a county's are, and no two the same. */
static void make_event(unsigned number, char *bytes) {
        int n = snprintf(bytes, BYTES,
                         "{\"specversion\":\"1.0\",\"type\":\"cn.gongkai.disclosure.publish.v1\","
                         "\"source\":\"urn:gongkai:530581:bench\",\"id\":\"b-%09u\",\"data\":{"
                         "\"document\":\"bench-%09u\",\"body\":{\"content\":\"",
                         number, number);

        for (int i = n; i < BYTES; i++)
                bytes[i] = (char) ('a' + (i * 7 + (int) number % 13) % 26);
}

static char *as_protocol(const struct words *words, size_t *ret_n) {
        struct buf out = { 0 };

        buf_fmt(&out, "*%zu\r\n", words->n);
        for (size_t i = 0, at = 0; i < words->n; i++) {
                buf_fmt(&out, "$%zu\r\n", words->ends[i] - at);
                buf_add(&out, words->bytes.data + at, words->ends[i] - at);
                buf_add(&out, "\r\n", 2);
                at = words->ends[i];
        }
        *ret_n = out.len;
        return buf_take(&out);
}

/* What publisherd sends: MULTI, MSET of the bytes, FCALL gk1_accept, EXEC. */
static char *accept_command(size_t *ret_n) {
        struct words words = { 0 }, bodies = { 0 };
        struct buf all = { 0 };
        char bytes[BYTES], hex[DIGEST_TEXT], ulid[ULID_TEXT];
        char *text;
        size_t n;

        words_str(&bodies, "MSET");
        words_str(&words, "FCALL");
        words_str(&words, "gk1_accept");
        words_number(&words, 5 + FAN_OUT + 2 * BATCH);
        words_key(&words, REGION, "meta");
        words_key(&words, REGION, "log");
        words_key(&words, REGION, "held");
        words_key(&words, REGION, "same:2");
        words_key(&words, REGION, "same:1");
        for (int i = 0; i < FAN_OUT; i++)
                words_key(&words, REGION, "due:%s", channels[i]);
        for (unsigned i = 0; i < BATCH; i++) {
                words_key(&words, REGION, "ev:urn:gongkai:530581:bench b-%09u", serial + i);
                words_key(&words, REGION, "doc:bench-%09u", serial + i);
        }
        words_str(&words, "bench");
        words_number(&words, FAN_OUT);
        words_str(&words, "portal,hall,press,archive");
        words_number(&words, INT64_C(35) * 86400000);
        for (unsigned i = 0; i < BATCH; i++) {
                unsigned char digest[32];

                make_event(serial + i, bytes);
                digest_bytes(bytes, BYTES, hex);
                for (int k = 0; k < 32; k++)
                        digest[k] = (unsigned char) (hex[2 * k] * 16 + hex[2 * k + 1]);
                ulid_new(clock_now_ms(), ulid);
                words_add(&words, digest, 16);
                row_text(&words.bytes, ulid);
                row_text(&words.bytes, "P");
                row_text(&words.bytes, "urn:gongkai:530581:bench");
                row_number(&words.bytes, clock_now_ms());
                row_number(&words.bytes, 0);
                row_bytes(&words.bytes, digest, 32);
                row_number(&words.bytes, 0);
                row_number(&words.bytes, 0);
                row_number(&words.bytes, 2);
                row_number(&words.bytes, 0);
                row_text(&words.bytes, "");
                row_text(&words.bytes, "");
                row_text(&words.bytes, "portal,hall,press,archive");
                row_text(&words.bytes, "bench");
                row_text(&words.bytes, "");
                row_text(&words.bytes, "");
                row_text(&words.bytes, "");
                row_text(&words.bytes, "");
                words_end(&words);
                words_key(&bodies, REGION, "body:%s", ulid);
                words_add(&bodies, bytes, BYTES);
        }
        serial += BATCH;
        buf_str(&all, "*1\r\n$5\r\nMULTI\r\n");
        text = as_protocol(&bodies, &n);
        buf_add(&all, text, n);
        free(text);
        text = as_protocol(&words, &n);
        buf_add(&all, text, n);
        free(text);
        buf_str(&all, "*1\r\n$4\r\nEXEC\r\n");
        words_done(&words);
        words_done(&bodies);
        *ret_n = all.len;
        return buf_take(&all);
}

static char *plain_command(size_t *ret_n) {
        struct buf all = { 0 };
        char bytes[BYTES];
        char *text;
        size_t n;

        buf_str(&all, "*1\r\n$5\r\nMULTI\r\n");
        for (unsigned i = 0; i < BATCH; i++, serial++) {
                make_event(serial, bytes);
                for (int k = 0; k < FAN_OUT + 2; k++) {
                        struct words words = { 0 };

                        words_str(&words, k == 0 ? "SET" : k <= FAN_OUT ? "ZADD" : "XADD");
                        if (k == 0)
                                words_key(&words, REGION, "plain:ev:urn:gongkai:530581:bench b-%09u",
                                          serial);
                        else
                                words_key(&words, REGION, "plain:%s",
                                          k <= FAN_OUT ? channels[k - 1] : "log");
                        if (k == 0)
                                words_add(&words, bytes, BYTES);
                        else if (k <= FAN_OUT) {
                                words_number(&words, clock_now_ms());
                                words_fmt(&words, "bench-%09u", serial);
                        } else {
                                words_str(&words, "*");
                                words_str(&words, "r");
                                words_fmt(&words, "accepted\tbench-%09u", serial);
                        }
                        text = as_protocol(&words, &n);
                        buf_add(&all, text, n);
                        free(text);
                        words_done(&words);
                }
        }
        buf_str(&all, "*1\r\n$4\r\nEXEC\r\n");
        *ret_n = all.len;
        return buf_take(&all);
}

/* Microseconds per event for so many batches, one at a time; the commands are made beforehand. */
static double run(redisContext *redis, int batches, bool accept) {
        char **commands = calloc((size_t) batches, sizeof(*commands));
        size_t *lengths = calloc((size_t) batches, sizeof(*lengths));
        struct timespec begin, end;

        for (int i = 0; i < batches; i++)
                commands[i] = accept ? accept_command(&lengths[i]) : plain_command(&lengths[i]);
        (void) clock_gettime(CLOCK_MONOTONIC, &begin);
        for (int i = 0; i < batches; i++) {
                redisReply *reply = NULL;
                int answers = accept ? 4 : 2 + BATCH * (FAN_OUT + 2);

                (void) redisAppendFormattedCommand(redis, commands[i], lengths[i]);
                for (int k = 0; k < answers; k++) {
                        if (redisGetReply(redis, (void **) &reply) != REDIS_OK)
                                reply = NULL;
                        must(redis, reply, accept ? "gk1_accept" : "plain");
                        if (accept && k == 3 && !reply_is(reply_at(reply, 1), 0, "ok")) {
                                (void) fprintf(stderr, "gk1_accept: %s\n", reply_text(reply_at(reply, 1), 0));
                                exit(1);
                        }
                        freeReplyObject(reply);
                }
        }
        (void) clock_gettime(CLOCK_MONOTONIC, &end);
        for (int i = 0; i < batches; i++)
                free(commands[i]);
        free(commands);
        free(lengths);
        return ((double) (end.tv_sec - begin.tv_sec) * 1e6 +
                (double) (end.tv_nsec - begin.tv_nsec) / 1e3) /
               batches / BATCH;
}

int main(int argc, char **argv) {
        redisContext *redis = argc == 4 ? redisConnectUnix(argv[1]) : NULL;
        int rounds = argc == 4 ? (int) strtol(argv[2], NULL, 10) : 0;
        int batches = argc == 4 ? (int) strtol(argv[3], NULL, 10) : 0;

        if (!redis || redis->err || rounds < 1 || batches < 1) {
                (void) fprintf(stderr, "usage: store SOCKET ROUNDS BATCHES\n");
                return 64;
        }
        must(redis, redisCommand(redis, "FUNCTION LOAD REPLACE %s", store_lua), "FUNCTION LOAD");
        must(redis, redisCommand(redis, "FCALL gk1_hello 3 {" REGION "}:meta {" REGION "}:log {" REGION "}:ctl "
                                        "bench found"),
             "gk1_hello");
        serial = (unsigned) getpid() % 9000 * 100000; /* no identity twice, whoever ran before */
        (void) printf("{\"accept_us\":[");
        double *plain = calloc((size_t) rounds, sizeof(*plain));
        for (int i = 0; i < rounds; i++) {
                plain[i] = run(redis, batches, false);
                (void) printf("%s%.3f", i ? "," : "", run(redis, batches, true));
        }
        (void) printf("],\"plain_us\":[");
        for (int i = 0; i < rounds; i++)
                (void) printf("%s%.3f", i ? "," : "", plain[i]);
        (void) printf("]}\n");
        free(plain);
        redisFree(redis);
        return 0;
}
