/* One transaction: some entries of the logs, their events' bytes, the new positions. What the records
 * are numbered decides: the next one is taken, one that is in already is passed over, and anything
 * else stops the region. */
#include "daemons/ledgerd/ledgerd.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "core/crash.h"
#include "core/log.h"
#include "core/memory.h"

/* Bytes come as one answer of the store: 256 events and one more entry's 128. */
enum { MOST_RECORDS = 4096, MOST_BODIES = 256 };

struct record {
        struct region *region;
        struct entry *entry;
        struct ledger_row row;
        bool wants_body;
};

struct batch {
        struct ledgerd *daemon;
        struct entry *entries;
        struct record *records;
        size_t n, n_bodies;
        unsigned generation;
};

static struct batch *batch_free(struct batch *batch) {
        if (!batch)
                return NULL;
        while (batch->entries) {
                struct entry *entry = batch->entries;

                batch->entries = entry->next;
                free(entry);
        }
        free(batch->records);
        free(batch);
        return NULL;
}

void batch_drop(struct ledgerd *daemon) {
        daemon->batch = batch_free(daemon->batch);
}

/* -- records -------------------------------------------------------------------------------------- */

static const char *next_field(char **at) {
        char *field = *at, *tab = strchr(field, '\t');

        *at = field + strlen(field);
        if (tab) {
                *tab = '\0';
                *at = tab + 1;
        }
        return field;
}

/* state document revision level ulid channel attempt code reference url sentence extra, by tab. */
static void row_of_line(char *line, struct ledger_row *row) {
        const char *attempt;

        row->state = next_field(&line);
        row->document = next_field(&line);
        row->revision = strtoll(next_field(&line), NULL, 10);
        row->level = strtoll(next_field(&line), NULL, 10);
        row->event = next_field(&line);
        row->channel = next_field(&line);
        attempt = next_field(&line);
        row->attempt = *attempt ? strtoll(attempt, NULL, 10) : -1;
        row->code = next_field(&line);
        row->reference = next_field(&line);
        row->url = next_field(&line);
        row->sentence = next_field(&line);
        row->extra = line;
}

static int same_row(const struct ledger_row *ours, void *userdata) {
        const struct ledger_row *theirs = userdata;

        return ours->at_ms == theirs->at_ms && ours->revision == theirs->revision &&
               ours->level == theirs->level && strcmp(ours->state, theirs->state) == 0 &&
               strcmp(ours->document, theirs->document) == 0 &&
               (!*theirs->event || strcmp(ours->event, theirs->event) == 0) &&
               strcmp(ours->channel, theirs->channel) == 0 && strcmp(ours->code, theirs->code) == 0 &&
               strcmp(ours->extra, theirs->extra) == 0;
}

/* Whether a record is the next one, one that we have (false, and the region goes on), or none that
 * may come (false, and the region is stopped). */
static bool is_next(struct region *region, const struct entry *entry, struct ledger_row *row) {
        bool ours = strcmp(entry->epoch, region->position.epoch) == 0;
        char n[24], expected[24];

        if (ours && region->n_read >= 0 && row->n == region->n_read + 1)
                return true;
        if (region->checking &&
            ledger_find(region->daemon->ledger, region->code, entry->epoch, row->n, same_row, row) == 1)
                return false;
        if (ours && region->n_read < 0)
                return true; /* an adopted store begins where it begins */
        (void) snprintf(n, sizeof(n), "%lld", (long long) row->n);
        (void) snprintf(expected, sizeof(expected), "%lld", (long long) region->n_read + 1);
        if (ours && row->n > region->n_read) {
                trouble_gap(region, region->n_read + 1, row->n - 1);
                region_stop(region, MESSAGE_LEDGER_GAP, "region", region->code, "now", n, "expected", expected,
                            NULL);
        } else
                region_stop(region, MESSAGE_LEDGER_OTHER_LOG, "region", region->code, "now", n, NULL);
        return false;
}

static void take_entry(struct batch *batch, struct entry *entry) {
        struct region *region = entry->region;
        char *line = entry->records;
        int64_t n = entry->n;

        for (char *rest = line; region->state == REGION_FOLLOWING && (line = strsep(&rest, "\n")) != NULL; n++) {
                struct record *record = &batch->records[batch->n];

                *record = (struct record) { .region = region, .entry = entry };
                record->row.n = n;
                record->row.at_ms = entry->at_ms;
                row_of_line(line, &record->row);
                if (!is_next(region, entry, &record->row))
                        continue;
                region->n_read = n;
                region->checking = false;
                record->wants_body = *record->row.event && (strcmp(record->row.state, "accepted") == 0 ||
                                                            strcmp(record->row.state, "held") == 0);
                batch->n_bodies += record->wants_body;
                batch->n++;
        }
}

/* -- writing -------------------------------------------------------------------------------------- */

/* publisherd notes a sum over the bytes in the record, "#" and 16 hex digits: Redis' own log has no
 * checksum. */
static bool bytes_are_right(const struct ledger_row *row, const char *bytes, size_t n_bytes) {
        static const char digits[] = "0123456789abcdef";
        const char *mark = strstr(row->extra, " #");
        unsigned char sum[DIGEST_SUM];

        if (!mark || strspn(mark + 2, digits) != 2 * DIGEST_SUM || mark[2 + 2 * DIGEST_SUM] != ' ')
                return true;
        digest_sum(bytes, n_bytes, sum);
        for (size_t i = 0; i < DIGEST_SUM; i++)
                if (mark[2 + 2 * i] != digits[sum[i] >> 4] || mark[3 + 2 * i] != digits[sum[i] & 15])
                        return false;
        return true;
}

static int write_record(struct batch *batch, struct record *record, const redisReply *body) {
        bool has = body && body->type == REDIS_REPLY_STRING;
        bool right = has && bytes_are_right(&record->row, body->str, (size_t) body->len);

        if (record->wants_body && !right)
                trouble_bytes(record->region, record->row.document, has ? "digest" : "missing");
        return ledger_add(batch->daemon->ledger, record->region->code, &record->row,
                          right ? body->str : NULL, right ? (size_t) body->len : 0);
}

static int write_positions(struct batch *batch) {
        int r = 0;

        for (size_t i = batch->n; r == 0 && i-- > 0;) {
                struct region *region = batch->records[i].region;

                if (region->n_read != batch->records[i].row.n)
                        continue; /* not the last one of its region */
                r = ledger_advance(batch->daemon->ledger, region->code, region->n_read,
                                   batch->records[i].entry->id);
        }
        return r;
}

static int write_all(struct batch *batch, const redisReply *bodies) {
        struct ledger *ledger = batch->daemon->ledger;
        size_t body = 0;
        int r = ledger_begin(ledger);

        if (r < 0)
                return r;
        for (size_t i = 0; r == 0 && i < batch->n; i++)
                r = write_record(batch, &batch->records[i],
                                 batch->records[i].wants_body ? reply_at(bodies, body++) : NULL);
        crash_point("ledgerd/rows-written");
        if (r == 0)
                r = write_positions(batch);
        if (r == 0)
                r = tidy_write(batch->daemon);
        crash_point("ledgerd/positions-written");
        return r == 0 ? ledger_commit(ledger) : r;
}

static void tell(struct batch *batch) {
        struct ledgerd *daemon = batch->daemon;

        for (size_t i = 0; i < batch->n; i++) {
                const struct record *record = &batch->records[i];
                const struct ledger_row *row = &record->row;

                tidy_learn(daemon, record->region, row->channel);
                if (row->receipt) {
                        receipts_send(daemon, row);
                        crash_point("ledgerd/receipt-sent");
                }
                if (strcmp(row->code, "bytes/gone") == 0)
                        tidy_want_bytes(daemon, record->region, row);
                else if (*row->document && strcmp(row->state, "seen") != 0)
                        tidy_touch(daemon, record->region, row->document);
        }
        receipts_flush(daemon);
}

static uint64_t now_usec(void) {
        struct timespec now;

        (void) clock_gettime(CLOCK_BOOTTIME, &now);
        return (uint64_t) now.tv_sec * 1000000 + (uint64_t) now.tv_nsec / 1000;
}

static void batch_write(struct batch *batch, const redisReply *bodies) {
        struct ledgerd *daemon = batch->daemon;
        uint64_t begun = now_usec();
        int r = batch->n > 0 ? write_all(batch, bodies) : 0;

        if (r < 0) {
                /* All of it stands in the log as before. This drops the batch too. */
                trouble_ledger(daemon, r);
                return;
        }
        if (batch->n > 0) {
                crash_point("ledgerd/committed");
                trouble_over(daemon);
                tidy_committed(daemon);
                daemon->n_rows += batch->n;
                for (size_t i = 0; i < daemon->n_regions; i++) {
                        struct region *region = &daemon->regions[i];

                        if (region->n_read == region->position.n)
                                continue; /* nothing of it was in the batch */
                        region->any = false;
                        trouble_followed(region);
                        (void) ledger_position(daemon->ledger, region->code, &region->position);
                        if (region->n_store < region->position.n)
                                region->n_store = region->position.n;
                }
                tell(batch);
                crash_point("ledgerd/told");
                tail_rest(daemon, now_usec() - begun, batch->n);
        }
        batch_drop(daemon);
        tidy_go(daemon);
        tail_go(daemon);
}

/* -- bytes ---------------------------------------------------------------------------------------- */

struct question {
        struct ledgerd *daemon;
        unsigned generation;
};

static void on_bodies(struct store *store, const redisReply *reply, int error, const char *reason,
                      void *userdata) {
        struct question *question freed_by(freep) = userdata;
        struct ledgerd *daemon = question->daemon;

        (void) store;
        (void) reason;
        if (question->generation != daemon->generation || !daemon->batch)
                return;
        if (error || !reply || reply->type != REDIS_REPLY_ARRAY || reply->elements != daemon->batch->n_bodies) {
                regions_forget(daemon); /* the tick looks again */
                return;
        }
        crash_point("ledgerd/bytes-read");
        batch_write(daemon->batch, reply);
}

static int fetch_bodies(struct batch *batch) {
        struct question *question = malloc(sizeof(*question));
        struct words words = { 0 };
        int r = question ? 0 : -ENOMEM;

        if (r < 0)
                return r;
        *question = (struct question) { batch->daemon, batch->daemon->generation };
        words_str(&words, "MGET");
        for (size_t i = 0; i < batch->n; i++)
                if (batch->records[i].wants_body)
                        words_key(&words, batch->records[i].region->code, "body:%s",
                                  batch->records[i].row.event);
        r = store_command(batch->daemon->store, &words, on_bodies, question);
        words_done(&words);
        if (r < 0)
                free(question);
        return r;
}

static struct batch *batch_new(struct ledgerd *daemon) {
        struct batch *batch = calloc(1, sizeof(*batch));
        struct entry **end;
        size_t n_records = 0, n_bodies = 0;

        if (!batch)
                return NULL;
        batch->daemon = daemon;
        end = &batch->entries;
        while (daemon->first &&
               (n_records == 0 || (n_records + daemon->first->n_records <= MOST_RECORDS && n_bodies < MOST_BODIES))) {
                struct entry *entry = daemon->first;

                daemon->first = entry->next;
                if (!daemon->first)
                        daemon->last = NULL;
                entry->next = NULL;
                *end = entry;
                end = &entry->next;
                n_records += entry->n_records;
                n_bodies += entry->n_bodies;
        }
        batch->records = calloc(n_records, sizeof(*batch->records));
        return batch->records ? batch : batch_free(batch);
}

void batch_begin(struct ledgerd *daemon) {
        struct batch *batch = batch_new(daemon);

        if (!batch) {
                regions_forget(daemon); /* short of memory: from the beginning, a second later */
                return;
        }
        daemon->batch = batch;
        for (size_t i = 0; i < daemon->n_regions; i++)
                daemon->regions[i].n_read = daemon->regions[i].position.n;
        for (struct entry *entry = batch->entries; entry; entry = entry->next)
                take_entry(batch, entry);
        if (batch->n_bodies == 0)
                batch_write(batch, NULL);
        else if (fetch_bodies(batch) < 0)
                regions_forget(daemon);
}
