/* Waiting for entries of the logs. XREAD blocks on a connection of its own, so that a record is here
 * as soon as it is written and an idle daemon costs nothing; while there is a lot to do, a short rest
 * behind each commit lets the next one take more. */
#include "daemons/ledgerd/ledgerd.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "core/crash.h"
#include "core/memory.h"

enum { COUNT = 128 };

/* The disk is ours for a fifth of the time at most; people do not see a hundredth of a second. Where many
 * records come, each one that came makes the next wait longer: from 500 a second on it is the longest,
 * below that it is soon the least again. Nobody waits for a receipt at such a rate. */
#define REST_LEAST_USEC UINT64_C(8000)
#define REST_ROW_USEC UINT64_C(2000)
#define REST_ROWS_USEC UINT64_C(40000)
#define REST_MOST_USEC UINT64_C(100000)

struct question {
        struct ledgerd *daemon;
        unsigned generation;
};

void tail_drop(struct ledgerd *daemon) {
        while (daemon->first) {
                struct entry *entry = daemon->first;

                daemon->first = entry->next;
                free(entry);
        }
        daemon->last = NULL;
}

static uint64_t now_usec(void) {
        struct timespec now;

        (void) clock_gettime(CLOCK_BOOTTIME, &now);
        return (uint64_t) now.tv_sec * 1000000 + (uint64_t) now.tv_nsec / 1000;
}

void tail_rest(struct ledgerd *daemon, uint64_t commit_usec, size_t n_rows) {
        uint64_t rest = commit_usec * 4, for_rows = n_rows * REST_ROW_USEC;

        for_rows = for_rows > REST_ROWS_USEC ? REST_ROWS_USEC : for_rows;
        rest = rest < for_rows ? for_rows : rest;
        rest = rest < REST_LEAST_USEC ? REST_LEAST_USEC : rest > REST_MOST_USEC ? REST_MOST_USEC : rest;
        daemon->rest_until_usec = now_usec() + rest;
}

/* -- one reply ------------------------------------------------------------------------------------ */

static bool begins_with(const char *text, const char *end, const char *word) {
        size_t n = strlen(word);

        return (size_t) (end - text) > n && memcmp(text, word, n) == 0 && text[n] == '\t';
}

static void count_records(struct entry *entry) {
        const char *at = entry->records, *end = at + strlen(at);

        while (at < end) {
                const char *stop = memchr(at, '\n', (size_t) (end - at));

                entry->n_records++;
                entry->n_bodies += begins_with(at, end, "accepted") || begins_with(at, end, "held");
                at = stop ? stop + 1 : end;
        }
}

/* Fields e epoch, n first number, t ms, r records. What has not this shape was not written by the
 * store's functions: NULL. */
static struct entry *entry_from(struct region *region, const redisReply *reply) {
        const redisReply *fields = reply_at(reply, 1);
        const char *epoch = "", *id = reply_text(reply, 0);
        struct entry *entry;
        int64_t n = 0, at_ms = 0;
        size_t records = 0, n_records = 0;

        for (size_t i = 0; fields && i + 1 < fields->elements; i += 2) {
                if (reply_is(fields, i, "e"))
                        epoch = reply_text(fields, i + 1);
                else if (reply_is(fields, i, "n"))
                        n = reply_number(fields, i + 1);
                else if (reply_is(fields, i, "t"))
                        at_ms = reply_number(fields, i + 1);
                else if (reply_is(fields, i, "r")) {
                        records = i + 1;
                        n_records = reply_length(fields, i + 1);
                }
        }
        if (n <= 0 || n_records == 0 || strlen(id) >= sizeof(entry->id) ||
            strlen(epoch) >= sizeof(entry->epoch) || strlen(reply_text(fields, records)) != n_records)
                return NULL;
        entry = malloc(sizeof(*entry) + n_records + 1);
        if (!entry)
                return NULL;
        *entry = (struct entry) { .region = region, .n = n, .at_ms = at_ms };
        (void) snprintf(entry->id, sizeof(entry->id), "%s", id);
        (void) snprintf(entry->epoch, sizeof(entry->epoch), "%s", epoch);
        memcpy(entry->records, reply_text(fields, records), n_records + 1);
        count_records(entry);
        return entry;
}

/* {530581}:log */
static struct region *region_of_key(struct ledgerd *daemon, const char *key) {
        char code[7] = "";

        return sscanf(key, "{%6[0-9]}:log", code) == 1 ? region_find(daemon, code) : NULL;
}

static void take_stream(struct ledgerd *daemon, const redisReply *stream) {
        struct region *region = region_of_key(daemon, reply_text(stream, 0));
        const redisReply *entries = reply_at(stream, 1);

        if (!region || region->state != REGION_FOLLOWING)
                return;
        for (size_t i = 0; entries && i < entries->elements; i++) {
                struct entry *entry = entry_from(region, entries->element[i]);

                if (!entry) {
                        region_stop(region, MESSAGE_LEDGER_BAD_ENTRY, "region", region->code, "id",
                                    reply_text(entries->element[i], 0), NULL);
                        return;
                }
                (void) snprintf(region->from, sizeof(region->from), "%s", entry->id);
                if (daemon->last)
                        daemon->last->next = entry;
                else
                        daemon->first = entry;
                daemon->last = entry;
        }
        if (entries && entries->elements >= COUNT)
                daemon->was_full = true;
}

static void on_entries(struct store *store, const redisReply *reply, int error, const char *reason,
                       void *userdata) {
        struct question *question freed_by(freep) = userdata;
        struct ledgerd *daemon = question->daemon;

        (void) reason;
        if (question->generation != daemon->generation)
                return;
        daemon->reading = daemon->was_full = false;
        if (!error && reply && reply->type == REDIS_REPLY_ARRAY)
                crash_point("ledgerd/entries-read");
        if (error == -EBADMSG) {
                store_reconnect(store, "the log is no stream"); /* told by those who write it */
                return;
        }
        if (!error && reply && reply->type == REDIS_REPLY_ARRAY)
                for (size_t i = 0; i < reply->elements; i++)
                        take_stream(daemon, reply->element[i]);
        if (error == -EBUSY)
                tail_rest(daemon, REST_MOST_USEC, 0);
        if (error != -ENOTCONN && error != -ETIMEDOUT)
                tail_go(daemon);
}

/* -- asking --------------------------------------------------------------------------------------- */

static size_t add_streams(struct ledgerd *daemon, struct words *words) {
        size_t n = 0;

        words_str(words, "STREAMS");
        for (size_t i = 0; i < daemon->n_regions; i++)
                if (daemon->regions[i].state == REGION_FOLLOWING) {
                        words_key(words, daemon->regions[i].code, "log");
                        n++;
                }
        for (size_t i = 0; i < daemon->n_regions; i++)
                if (daemon->regions[i].state == REGION_FOLLOWING)
                        words_str(words, daemon->regions[i].from);
        return n;
}

static void read_entries(struct ledgerd *daemon) {
        struct question *question = malloc(sizeof(*question));
        struct words words = { 0 };

        if (!question)
                return;
        *question = (struct question) { daemon, daemon->generation };
        words_str(&words, "XREAD");
        words_str(&words, "COUNT");
        words_number(&words, COUNT);
        words_str(&words, "BLOCK"); /* well within the time in which an answer has to come */
        words_number(&words, daemon->configuration->main.redis_timeout_ms / 2);
        if (add_streams(daemon, &words) > 0 &&
            store_command(daemon->tail, &words, on_entries, question) == 0) {
                daemon->reading = true;
                question = NULL;
        }
        free(question);
        words_done(&words);
}

static int on_rested(sd_event_source *source, uint64_t usec, void *userdata) {
        (void) source;
        (void) usec;
        tail_go(userdata);
        return 0;
}

static void rest(struct ledgerd *daemon) {
        if (!daemon->pace) {
                if (sd_event_add_time(daemon->event, &daemon->pace, CLOCK_BOOTTIME, daemon->rest_until_usec,
                                      500, on_rested, daemon) >= 0)
                        (void) sd_event_source_set_exit_on_failure(daemon->pace, true);
                return;
        }
        (void) sd_event_source_set_time(daemon->pace, daemon->rest_until_usec);
        (void) sd_event_source_set_enabled(daemon->pace, SD_EVENT_ONESHOT);
}

/* A region that begins to be followed is not among those that a waiting XREAD knows; it joins when
 * that one returns, after half a timeout at most. */
void tail_go(struct ledgerd *daemon) {
        if (daemon->stopping || !daemon->ledger || daemon->batch || daemon->reading)
                return;
        if (daemon->first) {
                batch_begin(daemon);
                return;
        }
        if (!store_is_up(daemon->tail) || !store_is_up(daemon->store))
                return;
        if (!daemon->was_full && now_usec() < daemon->rest_until_usec)
                rest(daemon);
        else
                read_entries(daemon);
}

void tail_on_state(struct store *store, bool up, const char *reason, void *userdata) {
        struct ledgerd *daemon = userdata;

        (void) store;
        (void) reason; /* the other connection tells */
        if (daemon->stopping)
                return;
        if (!up)
                daemon->reading = false;
        else
                tail_go(daemon);
}
