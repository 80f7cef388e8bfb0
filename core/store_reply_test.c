#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "core/buf.h"
#include "core/memory.h"
#include "core/store_reply.h"

static void print(const redisReply *reply, struct buf *buf) {
        if (!reply) {
                buf_str(buf, "nothing");
                return;
        }
        buf_fmt(buf, "(%d %lld %zu %s", reply->type, reply->integer, reply->len,
                reply->str ? reply->str : "");
        for (size_t i = 0; i < reply->elements; i++)
                print(reply->element[i], buf);
        buf_char(buf, ')');
}

/* What a reader says of the bytes, fed in pieces of `step`. */
static void read_all(redisReader *reader, const char *bytes, size_t n, size_t step, struct buf *buf) {
        for (size_t at = 0; at < n && !reader->err; at += step) {
                void *reply = NULL;

                assert_int_equal(redisReaderFeed(reader, bytes + at, n - at < step ? n - at : step), REDIS_OK);
                while (redisReaderGetReply(reader, &reply) == REDIS_OK && reply) {
                        print(reply, buf);
                        reader->fn->freeObject(reply);
                        reply = NULL;
                }
        }
        buf_fmt(buf, " error %d", reader->err);
}

static void compare(const char *bytes, size_t n) {
        static const size_t steps[] = { 1, 7, 100000 };

        for (size_t i = 0; i < ELEMENTS(steps); i++) {
                redisReader *theirs = redisReaderCreate(), *ours = redisReaderCreate();
                struct buf wanted freed_by(buf_done) = { 0 };
                struct buf got freed_by(buf_done) = { 0 };

                store_reply_use(ours);
                read_all(theirs, bytes, n, steps[i], &wanted);
                read_all(ours, bytes, n, steps[i], &got);
                assert_string_equal(buf_text(&got), buf_text(&wanted));
                redisReaderFree(theirs);
                redisReaderFree(ours);
        }
}

static void every_kind_of_reply_reads_as_with_hiredis(void **state) {
        static const char *const rows[] = {
                "+OK\r\n-ERR no\r\n:42\r\n$5\r\nhello\r\n$0\r\n\r\n$-1\r\n*-1\r\n*0\r\n",
                "*3\r\n$2\r\nok\r\n:7\r\n*2\r\n$-1\r\n*2\r\n+a\r\n-ERR b\r\n",
                "*2\r\n*1\r\n*1\r\n*1\r\n$1\r\nx\r\n$1\r\ny\r\n+after\r\n",
                "*2\r\n$2\r\nok\r\n",                     /* the end is missing */
                "*2\r\n$2\r\nok\r\n?what\r\n",            /* not the protocol, within a reply */
                "*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n+deep\r\n",
        };

        (void) state;
        for (size_t i = 0; i < ELEMENTS(rows); i++)
                compare(rows[i], strlen(rows[i]));
}

static void a_large_reply_reads_as_with_hiredis(void **state) {
        struct buf buf freed_by(buf_done) = { 0 };

        (void) state;
        buf_str(&buf, "*300\r\n");
        for (int i = 0; i < 300; i++) {
                buf_fmt(&buf, "*3\r\n:%d\r\n$%d\r\n", i, i * 331);
                for (int k = 0; k < i * 331; k++)
                        buf_char(&buf, (char) ('a' + k % 26));
                buf_str(&buf, "\r\n$4\r\nwork\r\n");
        }
        compare(buf.data, buf.len);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(every_kind_of_reply_reads_as_with_hiredis),
                cmocka_unit_test(a_large_reply_reads_as_with_hiredis),
        };

        return cmocka_run_group_tests_name("store_reply", tests, NULL, NULL);
}
