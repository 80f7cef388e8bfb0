#include "core/store_reply.h"

#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

enum { LEAST_CHUNK = 512, MOST_CHUNK = 32 << 10, KEPT_BUFFER = 256 << 10 };

struct chunk {
        struct chunk *next;
        size_t used, size;
        max_align_t bytes[];
};

/* The reply as a whole; its parts lie in the chunks. */
struct root {
        redisReply reply; /* first: it is what hiredis and its callers see */
        struct chunk *chunks;
};

static void *chunk_take(struct chunk **chunks, size_t n) {
        struct chunk *chunk = *chunks;
        size_t size;
        void *bytes;

        if (n > SIZE_MAX / 2)
                return NULL;
        n = (n + sizeof(max_align_t) - 1) / sizeof(max_align_t) * sizeof(max_align_t);
        if (!chunk || chunk->size - chunk->used < n) {
                size = chunk ? chunk->size * 2 : LEAST_CHUNK;
                size = size > MOST_CHUNK ? MOST_CHUNK : size;
                size = size < n ? n : size;
                chunk = malloc(sizeof(*chunk) + size);
                if (!chunk)
                        return NULL;
                *chunk = (struct chunk) { .next = *chunks, .size = size };
                *chunks = chunk;
        }
        bytes = (char *) chunk->bytes + chunk->used;
        chunk->used += n;
        return bytes;
}

static struct root *root_of(const redisReadTask *task) {
        while (task->parent)
                task = task->parent;
        return task->obj;
}

static void reply_free(void *object) {
        struct root *root = object;

        if (!root)
                return;
        while (root->chunks) {
                struct chunk *chunk = root->chunks;

                root->chunks = chunk->next;
                free(chunk);
        }
        free(root);
}

/* A reply of the task's type, in its place in the one around it. */
static redisReply *reply_new(const redisReadTask *task) {
        struct root *root;
        redisReply *reply;

        if (!task->parent) {
                root = calloc(1, sizeof(*root));
                reply = root ? &root->reply : NULL;
        } else {
                reply = chunk_take(&root_of(task)->chunks, sizeof(*reply));
                if (reply) {
                        *reply = (redisReply) { 0 };
                        ((redisReply *) task->parent->obj)->element[task->idx] = reply;
                }
        }
        if (reply)
                reply->type = task->type;
        return reply;
}

/* Where a part of `reply` is to lie. NULL when memory is short; a whole reply is then gone, a part of
 * one goes with the whole. */
static void *part(const redisReadTask *task, redisReply *reply, size_t n) {
        struct root *root = task->parent ? root_of(task) : (struct root *) reply;
        void *bytes = chunk_take(&root->chunks, n);

        if (!bytes && !task->parent)
                reply_free(root);
        return bytes;
}

static void *string_new(const redisReadTask *task, char *text, size_t n) {
        redisReply *reply = reply_new(task);

        if (!reply)
                return NULL;
        reply->str = part(task, reply, n + 1);
        if (!reply->str)
                return NULL;
        memcpy(reply->str, text, n);
        reply->str[n] = '\0';
        reply->len = n;
        return reply;
}

static void *array_new(const redisReadTask *task, int n) {
        redisReply *reply = reply_new(task);

        if (!reply || n <= 0)
                return reply;
        reply->element = part(task, reply, (size_t) n * sizeof(redisReply *));
        if (!reply->element)
                return NULL;
        memset(reply->element, 0, (size_t) n * sizeof(redisReply *));
        reply->elements = (size_t) n;
        return reply;
}

static void *integer_new(const redisReadTask *task, long long value) {
        redisReply *reply = reply_new(task);

        if (reply)
                reply->integer = value;
        return reply;
}

/* Its task is that of a string or an array which is not there. */
static void *nil_new(const redisReadTask *task) {
        redisReply *reply = reply_new(task);

        if (reply)
                reply->type = REDIS_REPLY_NIL;
        return reply;
}

void store_reply_use(redisReader *reader) {
        static redisReplyObjectFunctions functions = {
                .createString = string_new, .createArray = array_new, .createInteger = integer_new,
                .createNil = nil_new, .freeObject = reply_free,
        };

        reader->fn = &functions;
        reader->maxbuf = KEPT_BUFFER; /* else its buffer is made anew after each large reply */
}
