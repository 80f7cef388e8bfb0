/* The one writer of the ledger. What it keeps in memory (the chain's end, positions, recent events)
 * is read anew after each rollback. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/ledger_writer.h"
#include "core/memory.h"

static const char *const sql[N_STATEMENTS] = {
        [ADD_ENTRY] = "INSERT INTO entry (seq, era, n, at, state, document, revision, level, event, channel,"
                      " attempt, code, reference, url, sentence, extra, source, receipt, digest, alg, hash)"
                      " VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17,"
                      " ?18, ?19, ?20, ?21)",
        [ADD_EVENT] = "INSERT INTO event (seq, ulid, region, source, id, document, stage, bytes)"
                      " VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
        [ADD_SOURCE] = "INSERT INTO source (name) VALUES (?1)",
        [ADD_ERA] = "INSERT INTO era (region, epoch, adoption) VALUES (?1, ?2, ?3)",
        [SET_POSITION] = "INSERT INTO position (region, era, n, id, receipt) VALUES (?1, ?2, ?3, ?4, ?5)"
                         " ON CONFLICT (region) DO UPDATE SET era = ?2, n = ?3, id = ?4, receipt = ?5",
        [END_HELD] = "UPDATE event SET stage = 1 WHERE ulid = ?1 AND stage = 0",
        [ADD_IN_STORE] = "INSERT INTO in_store (region, document, ulid, source, id) VALUES (?1, ?2, ?3, ?4, ?5)",
        [PUT_IN_STORE] = "INSERT OR IGNORE INTO in_store SELECT region, document, ulid, source, id FROM event"
                         " WHERE ulid = ?1 AND stage <> 0",
        [END_IN_STORE] = "DELETE FROM in_store WHERE region = ?1 AND document = ?2 AND ulid = ?3",
        [SOURCE_OF_EVENT] = "SELECT source FROM event WHERE ulid = ?1",
        [EVENT_OF_REVISION] =
                "SELECT entry.event FROM entry JOIN era ON era.id = entry.era AND era.region = ?1 WHERE"
                " document = ?2 AND state = 'accepted' AND revision = ?3 ORDER BY level = ?4 DESC, seq DESC"
                " LIMIT 1",
        [SOURCE_OF_DOCUMENT] =
                "SELECT entry.source FROM entry JOIN era ON era.id = entry.era AND era.region = ?1 WHERE"
                " document = ?2 AND state = 'accepted' ORDER BY seq DESC LIMIT 1",
        [ADD_TROUBLE] = "INSERT INTO trouble (region, document, channel, state, since, seq)"
                        " VALUES (?1, ?2, ?3, ?4, ?5, ?6) ON CONFLICT (region, document, channel) DO UPDATE"
                        " SET since = CASE WHEN state = ?4 THEN since ELSE ?5 END, state = ?4, seq = ?6",
        [END_TROUBLE] = "DELETE FROM trouble WHERE region = ?1 AND document = ?2 AND channel = ?3",
        [FIND] = "SELECT " LEDGER_COLUMNS " FROM entry JOIN era ON era.id = entry.era WHERE era.region = ?1"
                 " AND era.epoch = ?2 AND entry.n = ?3 ORDER BY seq DESC LIMIT 1",
        [IN_STORE] = "SELECT ulid, region, source, id, document FROM in_store WHERE region = ?1 AND"
                     " document = ?2",
        [ALL_IN_STORE] = "SELECT ulid, region, source, id, document FROM in_store WHERE"
                         " (region, document) > (?1, ?2) ORDER BY region, document LIMIT ?3",
};

/* -- opening -------------------------------------------------------------------------------------- */

static void regions_drop(struct ledger *ledger) {
        while (ledger->regions) {
                struct ledger_region *region = ledger->regions;

                ledger->regions = region->next;
                free(region);
        }
}

static int look_for_trouble(struct ledger *ledger) {
        sqlite3_stmt *any freed_by(statement_freep) = NULL;
        int r = db_prepare(&ledger->db, "SELECT 1 FROM trouble LIMIT 1", &any);

        ledger->has_trouble = r == 0 && sqlite3_step(any) == SQLITE_ROW;
        return r;
}

/* What is no ULID was not made by publisherd: then every event is looked for. */
static void note_newest(struct ledger *ledger, const char *ulid) {
        if (strlen(ulid) >= sizeof(ledger->newest_event))
                ulid = "\xff";
        if (strcmp(ulid, ledger->newest_event) > 0)
                memcpy(ledger->newest_event, ulid, strlen(ulid) + 1);
}

static int look_for_newest(struct ledger *ledger) {
        sqlite3_stmt *newest freed_by(statement_freep) = NULL;
        int r = db_prepare(&ledger->db, "SELECT max(ulid) FROM event", &newest);
        const unsigned char *ulid;

        if (r < 0)
                return r;
        if (sqlite3_step(newest) != SQLITE_ROW)
                return db_error(&ledger->db);
        ulid = sqlite3_column_text(newest, 0);
        ledger->newest_event[0] = '\0';
        note_newest(ledger, ulid ? (const char *) ulid : "");
        return 0;
}

static int recall(struct ledger *ledger) {
        int r = db_load_names(&ledger->db);

        regions_drop(ledger);
        memset(ledger->recent, 0, sizeof(ledger->recent));
        if (r == 0)
                r = db_head(&ledger->db, &ledger->head);
        if (r == 0)
                r = look_for_newest(ledger);
        return r < 0 ? r : look_for_trouble(ledger);
}

int ledger_open(const char *path, struct ledger **ret) {
        struct ledger *ledger freed_by(ledger_freep) = calloc(1, sizeof(*ledger));
        int r;

        if (!ledger)
                return -ENOMEM;
        /* No locks and no counting for each piece of memory. Refused, and no harm, where SQLite has begun. */
        (void) sqlite3_config(SQLITE_CONFIG_SINGLETHREAD);
        (void) sqlite3_config(SQLITE_CONFIG_MEMSTATUS, 0);
        r = chain_init(&ledger->chain);
        if (r == 0)
                r = db_open(&ledger->db, path, true);
        for (int i = 0; r == 0 && i < N_STATEMENTS; i++)
                r = db_prepare(&ledger->db, sql[i], &ledger->statements[i]);
        if (r == 0)
                r = recall(ledger);
        if (r < 0)
                return r;
        *ret = give_away(ledger);
        return 0;
}

struct ledger *ledger_free(struct ledger *ledger) {
        if (!ledger)
                return NULL;
        for (int i = 0; i < N_STATEMENTS; i++)
                (void) sqlite3_finalize(ledger->statements[i]);
        regions_drop(ledger);
        db_close(&ledger->db);
        chain_done(&ledger->chain);
        free(ledger);
        return NULL;
}

void ledger_freep(struct ledger **ledger) {
        *ledger = ledger_free(*ledger);
}

const char *ledger_words(const struct ledger *ledger) {
        return ledger->db.words;
}

struct ledger_head ledger_head(const struct ledger *ledger) {
        return ledger->head;
}

/* -- statements ----------------------------------------------------------------------------------- */

void writer_bind_text(sqlite3_stmt *statement, int at, const char *text) {
        (void) sqlite3_bind_text(statement, at, text, -1, SQLITE_STATIC);
}

void writer_done(sqlite3_stmt *statement) {
        (void) sqlite3_reset(statement);
}

/* A statement without rows. */
int writer_run(struct ledger *ledger, sqlite3_stmt *statement) {
        int r = sqlite3_step(statement) == SQLITE_DONE ? 0 : db_error(&ledger->db);

        writer_done(statement);
        return r;
}

int ledger_begin(struct ledger *ledger) {
        return db_run(&ledger->db, "BEGIN IMMEDIATE");
}

void ledger_rollback(struct ledger *ledger) {
        (void) sqlite3_exec(ledger->db.db, "ROLLBACK", NULL, NULL, NULL);
        (void) recall(ledger);
}

int ledger_commit(struct ledger *ledger) {
        int r = db_run(&ledger->db, "COMMIT");

        if (r < 0) {
                char words[sizeof(ledger->db.words)];

                memcpy(words, ledger->db.words, sizeof(words));
                ledger_rollback(ledger);
                memcpy(ledger->db.words, words, sizeof(words));
        }
        return r;
}

/* -- regions -------------------------------------------------------------------------------------- */

static int region_get(struct ledger *ledger, const char *code, struct ledger_region **ret) {
        struct ledger_region *region freed_by(freep) = NULL;
        int r;

        for (region = ledger->regions; region; region = region->next)
                if (strcmp(region->code, code) == 0) {
                        *ret = give_away(region);
                        return 0;
                }
        region = calloc(1, sizeof(*region));
        if (!region)
                return -ENOMEM;
        (void) snprintf(region->code, sizeof(region->code), "%.6s", code);
        r = db_position(&ledger->db, code, &region->position);
        if (r < 0)
                return r;
        for (size_t i = 0; i < ledger->db.n_eras; i++) {
                const struct ledger_era *era = &ledger->db.eras[i];

                if (strcmp(era->region, code) == 0 && strcmp(era->epoch, region->position.epoch) == 0 &&
                    strcmp(era->adoption, region->position.adoption) == 0)
                        region->era = era->id;
        }
        region->next = ledger->regions;
        ledger->regions = region;
        *ret = give_away(region);
        return 0;
}

int ledger_position(struct ledger *ledger, const char *code, struct ledger_position *ret) {
        struct ledger_region *region;
        int r = region_get(ledger, code, &region);

        if (r == 0)
                *ret = region->position;
        return r;
}

static int write_position(struct ledger *ledger, const char *code, int64_t era,
                          const struct ledger_position *position) {
        sqlite3_stmt *set = ledger->statements[SET_POSITION];

        writer_bind_text(set, 1, code);
        (void) sqlite3_bind_int64(set, 2, era);
        (void) sqlite3_bind_int64(set, 3, position->n);
        writer_bind_text(set, 4, position->id);
        (void) sqlite3_bind_int64(set, 5, position->receipt);
        return writer_run(ledger, set);
}

int ledger_begin_era(struct ledger *ledger, const char *code, const char *epoch,
                     const char *adoption, int64_t n) {
        sqlite3_stmt *add = ledger->statements[ADD_ERA];
        struct ledger_position position = { .n = n, .id = "0-0" };
        struct ledger_region *region = NULL;
        int r = region_get(ledger, code, &region);

        if (r < 0 && r != -ENOENT)
                return r;
        if (region)
                position.receipt = region->position.receipt;
        writer_bind_text(add, 1, code);
        writer_bind_text(add, 2, epoch);
        writer_bind_text(add, 3, adoption);
        r = writer_run(ledger, add);
        if (r == 0)
                r = write_position(ledger, code, sqlite3_last_insert_rowid(ledger->db.db), &position);
        if (r == 0)
                r = db_load_names(&ledger->db);
        regions_drop(ledger);
        return r;
}

int ledger_advance(struct ledger *ledger, const char *code, int64_t n, const char *id) {
        struct ledger_region *region;
        int r = region_get(ledger, code, &region);

        if (r < 0)
                return r;
        region->position.n = n;
        (void) snprintf(region->position.id, sizeof(region->position.id), "%s", id);
        return write_position(ledger, code, region->era, &region->position);
}

/* -- who sent it ---------------------------------------------------------------------------------- */

static struct ledger_recent *recent_slot(struct ledger *ledger, const char *ulid) {
        uint32_t hash = 2166136261u;

        for (const char *at = ulid; *at; at++)
                hash = (hash ^ (unsigned char) *at) * 16777619u;
        return &ledger->recent[(hash ^ hash >> 15) % RECENT];
}

static void remember(struct ledger *ledger, const char *ulid, int64_t source) {
        struct ledger_recent *slot = recent_slot(ledger, ulid);

        if (strlen(ulid) >= sizeof(slot->ulid))
                return;
        memcpy(slot->ulid, ulid, strlen(ulid) + 1);
        slot->source = source;
}

static int source_get(struct ledger *ledger, const char *name, int64_t *ret) {
        const struct ledger_source *source = db_source_named(&ledger->db, name);
        sqlite3_stmt *add = ledger->statements[ADD_SOURCE];
        int r = 0;

        if (!source) {
                writer_bind_text(add, 1, name);
                r = writer_run(ledger, add);
                if (r == 0)
                        r = db_add_source(&ledger->db, sqlite3_last_insert_rowid(ledger->db.db), name);
                source = r == 0 ? db_source_named(&ledger->db, name) : NULL;
        }
        if (source)
                *ret = source->id;
        return source ? 0 : r < 0 ? r : -EIO;
}

/* The number a statement finds; *ret stays 0 when it finds none. */
static int look_up(struct ledger *ledger, sqlite3_stmt *statement, int64_t *ret) {
        int step = sqlite3_step(statement), r = 0;

        if (step == SQLITE_ROW)
                *ret = sqlite3_column_int64(statement, 0);
        else if (step != SQLITE_DONE)
                r = db_error(&ledger->db);
        writer_done(statement);
        return r;
}

/* What came too late for its revision names no event: it is that of the revision. */
static int find_event(struct ledger *ledger, struct ledger_row *row) {
        sqlite3_stmt *find = ledger->statements[EVENT_OF_REVISION];
        const unsigned char *event;
        int step, r = 0;

        if (*row->event || !*row->document || !*row->channel)
                return 0;
        writer_bind_text(find, 1, row->region);
        writer_bind_text(find, 2, row->document);
        (void) sqlite3_bind_int64(find, 3, row->revision);
        (void) sqlite3_bind_int64(find, 4, row->level);
        step = sqlite3_step(find);
        if (step == SQLITE_ROW && (event = sqlite3_column_text(find, 0)) != NULL &&
            strlen((const char *) event) < sizeof(row->event_found)) {
                memcpy(row->event_found, event, strlen((const char *) event) + 1);
                row->event = row->event_found;
        } else if (step != SQLITE_ROW && step != SQLITE_DONE)
                r = db_error(&ledger->db);
        writer_done(find);
        return r;
}

static int source_of(struct ledger *ledger, const struct ledger_row *row, int64_t *ret) {
        const struct ledger_recent *slot = recent_slot(ledger, row->event);
        sqlite3_stmt *by_event = ledger->statements[SOURCE_OF_EVENT];
        sqlite3_stmt *by_document = ledger->statements[SOURCE_OF_DOCUMENT];
        int r = 0;

        *ret = 0;
        if (*row->event && strcmp(slot->ulid, row->event) == 0) {
                *ret = slot->source;
                return 0;
        }
        if (*row->event) {
                writer_bind_text(by_event, 1, row->event);
                r = look_up(ledger, by_event, ret);
                if (r == 0 && *ret)
                        remember(ledger, row->event, *ret);
        }
        if (r == 0 && !*ret && *row->document) {
                writer_bind_text(by_document, 1, row->region);
                writer_bind_text(by_document, 2, row->document);
                r = look_up(ledger, by_document, ret);
        }
        return r;
}

/* -- adding --------------------------------------------------------------------------------------- */

static bool is_one_of(const char *const *list, const char *text) {
        for (; *list; list++)
                if (strcmp(*list, text) == 0)
                        return true;
        return false;
}

static bool is_told(const char *state) {
        static const char *const told[] = {
                "published", "accepted", "attempted",  "superseded", "withdrawn", "held",
                "released",  "refused",  "uncertain",  "deferred",   "parked",    "dead",
                "verified",  "missing",  "restored",   "at_risk",    "overdue",   "ended", NULL,
        };

        return is_one_of(told, state);
}

static bool brings_event(const char *state) {
        return strcmp(state, "accepted") == 0 || strcmp(state, "held") == 0;
}

static int add_in_store(struct ledger *ledger, const struct ledger_row *row, int64_t source, const char *id) {
        sqlite3_stmt *add = ledger->statements[ADD_IN_STORE];

        writer_bind_text(add, 1, row->region);
        writer_bind_text(add, 2, row->document);
        writer_bind_text(add, 3, row->event);
        (void) sqlite3_bind_int64(add, 4, source);
        writer_bind_text(add, 5, id);
        return writer_run(ledger, add);
}

static int add_event(struct ledger *ledger, const struct ledger_row *row, int64_t source,
                     const void *bytes, size_t n_bytes) {
        sqlite3_stmt *add = ledger->statements[ADD_EVENT];
        size_t n_source = 0;
        const char *identity = extra_identity(row->extra, &n_source);
        const char *id = identity ? identity + n_source + 1 : "";
        bool held = strcmp(row->state, "held") == 0;
        int r;

        (void) sqlite3_bind_int64(add, 1, row->seq);
        writer_bind_text(add, 2, row->event);
        writer_bind_text(add, 3, row->region);
        (void) sqlite3_bind_int64(add, 4, source);
        writer_bind_text(add, 5, id);
        writer_bind_text(add, 6, row->document);
        (void) sqlite3_bind_int(add, 7, held ? STAGE_HELD : STAGE_SEEN);
        (void) sqlite3_bind_blob64(add, 8, bytes, n_bytes, SQLITE_STATIC); /* NULL where bytes is */
        r = writer_run(ledger, add);
        if (r < 0)
                return r;
        note_newest(ledger, row->event);
        return held ? 0 : add_in_store(ledger, row, source, id);
}

/* A person has looked at it: from now on the store may let its bytes go. */
static int end_held(struct ledger *ledger, const char *ulid) {
        sqlite3_stmt *end = ledger->statements[END_HELD], *put = ledger->statements[PUT_IN_STORE];
        int r;

        writer_bind_text(end, 1, ulid);
        r = writer_run(ledger, end);
        if (r < 0 || sqlite3_changes(ledger->db.db) == 0)
                return r;
        writer_bind_text(put, 1, ulid);
        return writer_run(ledger, put);
}

static int add_trouble(struct ledger *ledger, const struct ledger_row *row) {
        static const char *const bad[] = { "attempted", "uncertain", "deferred", "parked", "dead", NULL };
        bool is_bad = is_one_of(bad, row->state) && strcmp(row->code, "confirmed") != 0;
        sqlite3_stmt *statement = ledger->statements[is_bad ? ADD_TROUBLE : END_TROUBLE];

        /* What a display reports says nothing of the delivery. */
        if (strcmp(row->state, "seen") == 0)
                return 0;
        if (!*row->channel || !*row->document || (!is_bad && !ledger->has_trouble))
                return 0;
        writer_bind_text(statement, 1, row->region);
        writer_bind_text(statement, 2, row->document);
        writer_bind_text(statement, 3, row->channel);
        if (is_bad) {
                writer_bind_text(statement, 4, row->state);
                (void) sqlite3_bind_int64(statement, 5, row->at_ms);
                (void) sqlite3_bind_int64(statement, 6, row->seq);
                ledger->has_trouble = true;
        }
        return writer_run(ledger, statement);
}

static int add_entry(struct ledger *ledger, const struct ledger_row *row, int64_t era, int64_t source) {
        sqlite3_stmt *add = ledger->statements[ADD_ENTRY];

        (void) sqlite3_bind_int64(add, 1, row->seq);
        (void) sqlite3_bind_int64(add, 2, era);
        (void) sqlite3_bind_int64(add, 3, row->n);
        (void) sqlite3_bind_int64(add, 4, row->at_ms);
        writer_bind_text(add, 5, row->state);
        writer_bind_text(add, 6, row->document);
        (void) sqlite3_bind_int64(add, 7, row->revision);
        (void) sqlite3_bind_int64(add, 8, row->level);
        writer_bind_text(add, 9, row->event);
        writer_bind_text(add, 10, row->channel);
        (void) (row->attempt >= 0 ? sqlite3_bind_int64(add, 11, row->attempt) : sqlite3_bind_null(add, 11));
        writer_bind_text(add, 12, row->code);
        writer_bind_text(add, 13, row->reference);
        writer_bind_text(add, 14, row->url);
        writer_bind_text(add, 15, row->sentence);
        writer_bind_text(add, 16, row->extra);
        (void) (source ? sqlite3_bind_int64(add, 17, source) : sqlite3_bind_null(add, 17));
        (void) (row->receipt ? sqlite3_bind_int64(add, 18, row->receipt) : sqlite3_bind_null(add, 18));
        (void) sqlite3_bind_blob(add, 19, row->digest, LEDGER_HASH, SQLITE_STATIC); /* NULL where it is */
        writer_bind_text(add, 20, row->alg);
        (void) sqlite3_bind_blob(add, 21, row->hash, LEDGER_HASH, SQLITE_STATIC);
        return writer_run(ledger, add);
}

static int find_source(struct ledger *ledger, const struct ledger_row *row, int64_t *ret) {
        char *name freed_by(freep) = NULL;
        size_t n = 0;
        const char *identity;
        int r;

        if (!brings_event(row->state) || !(identity = extra_identity(row->extra, &n)))
                return source_of(ledger, row, ret);
        name = strndup(identity, n);
        if (!name)
                return -ENOMEM;
        r = source_get(ledger, name, ret);
        if (r == 0)
                remember(ledger, row->event, *ret);
        return r;
}

static int is_known(struct ledger *ledger, const struct ledger_row *row, bool *ret) {
        int64_t source = 0;
        int r = 0;

        if (brings_event(row->state) && strcmp(row->event, ledger->newest_event) <= 0) {
                writer_bind_text(ledger->statements[SOURCE_OF_EVENT], 1, row->event);
                r = look_up(ledger, ledger->statements[SOURCE_OF_EVENT], &source);
        }
        *ret = source != 0;
        return r;
}

/* `known`: the event is in already. */
static bool ends_held(const struct ledger_row *row, bool known) {
        if (strcmp(row->state, "accepted") == 0)
                return known;
        return *row->event && !*row->channel &&
               (strcmp(row->state, "refused") == 0 || strcmp(row->state, "superseded") == 0);
}

int ledger_add(struct ledger *ledger, const char *code, struct ledger_row *row, const void *bytes,
               size_t n_bytes) {
        unsigned char digest[LEDGER_HASH];
        const struct ledger_source *source;
        struct ledger_region *region;
        int64_t source_id = 0;
        bool known = false;
        int r = region_get(ledger, code, &region);

        if (r < 0)
                return r;
        row->region = region->code;
        row->epoch = region->position.epoch;
        row->adoption = region->position.adoption;
        row->seq = ledger->head.seq + 1;
        row->alg = CHAIN_ALGORITHM;
        row->digest = NULL;
        r = find_event(ledger, row);
        if (r == 0)
                r = is_known(ledger, row, &known);
        if (r == 0 && known)
                bytes = NULL; /* it was held, and brought them then */
        if (r == 0)
                r = find_source(ledger, row, &source_id);
        if (r == 0 && !source_id)
                bytes = NULL; /* nobody's: not written by the store's functions */
        if (r == 0 && bytes)
                r = chain_bytes(&ledger->chain, row->alg, bytes, n_bytes, digest);
        if (r < 0)
                return r;
        if (bytes)
                row->digest = digest;
        source = source_id ? db_source(&ledger->db, source_id) : NULL;
        row->source = source ? source->name : NULL;
        row->receipt = row->source && is_told(row->state) ? region->position.receipt + 1 : 0;
        r = chain_row(&ledger->chain, ledger->head.hash, row, row->hash);
        if (r == 0)
                r = add_entry(ledger, row, region->era, source_id);
        row->digest = NULL;
        if (r == 0 && source && !known && brings_event(row->state))
                r = add_event(ledger, row, source_id, bytes, n_bytes);
        if (r == 0 && ends_held(row, known))
                r = end_held(ledger, row->event);
        if (r == 0)
                r = add_trouble(ledger, row);
        if (r < 0)
                return r;
        if (row->receipt)
                region->position.receipt = row->receipt;
        ledger->head.seq = row->seq;
        memcpy(ledger->head.hash, row->hash, LEDGER_HASH);
        return 0;
}

int ledger_find(struct ledger *ledger, const char *region, const char *epoch, int64_t n,
                ledger_row_fn *on_row, void *userdata) {
        sqlite3_stmt *find = ledger->statements[FIND];
        struct ledger_row row;
        int step, r = 0;

        writer_bind_text(find, 1, region);
        writer_bind_text(find, 2, epoch);
        (void) sqlite3_bind_int64(find, 3, n);
        step = sqlite3_step(find);
        if (step == SQLITE_ROW) {
                row_from(&ledger->db, find, &row);
                r = on_row(&row, userdata);
        } else
                r = step == SQLITE_DONE ? -ENOENT : db_error(&ledger->db);
        writer_done(find);
        return r;
}
