/* The ledger's database: opening, migrations, errors, and reading a row. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "core/embed.h"
#include "core/crash.h"
#include "core/ledger_parts.h"
#include "core/memory.h"

EMBED(ledger_1_sql, "core/ledger_1.sql");
EMBED(ledger_2_sql, "core/ledger_2.sql");

/* migrations[v] leads from version v to v + 1. */
static const char *const migrations[] = { ledger_1_sql, ledger_2_sql };
enum { NEWEST = ELEMENTS(migrations), BUSY_MS = 200 };

char *ledger_path(const char *state_dir) {
        char *path;

        return asprintf(&path, "%s/ledger.db", state_dir) < 0 ? NULL : path;
}

void statement_freep(sqlite3_stmt **statement) {
        (void) sqlite3_finalize(*statement);
}

int db_error(struct ledger_db *db) {
        int code = db->db ? sqlite3_extended_errcode(db->db) : SQLITE_NOMEM;

        (void) snprintf(db->words, sizeof(db->words), "%s", db->db ? sqlite3_errmsg(db->db) : "out of memory");
        switch (code & 0xff) {
        case SQLITE_FULL:
                return -ENOSPC;
        case SQLITE_BUSY:
        case SQLITE_LOCKED:
                return -EBUSY;
        case SQLITE_READONLY:
                return -EROFS;
        case SQLITE_CORRUPT:
        case SQLITE_NOTADB:
        case SQLITE_ERROR: /* no such table: it is some other database */
                return -EBADMSG;
        case SQLITE_CONSTRAINT:
                return -EEXIST;
        case SQLITE_NOMEM:
                return -ENOMEM;
        case SQLITE_CANTOPEN:
        case SQLITE_PERM:
                return -EACCES;
        default:
                return -EIO;
        }
}

int db_run(struct ledger_db *db, const char *sql) {
        return sqlite3_exec(db->db, sql, NULL, NULL, NULL) == SQLITE_OK ? 0 : db_error(db);
}

int db_prepare(struct ledger_db *db, const char *sql, sqlite3_stmt **ret) {
        return sqlite3_prepare_v3(db->db, sql, -1, SQLITE_PREPARE_PERSISTENT, ret, NULL) == SQLITE_OK
                       ? 0
                       : db_error(db);
}

static int version_of(struct ledger_db *db, int *ret) {
        sqlite3_stmt *statement freed_by(statement_freep) = NULL;
        int r = db_prepare(db, "PRAGMA user_version", &statement);

        if (r < 0)
                return r;
        if (sqlite3_step(statement) != SQLITE_ROW)
                return db_error(db);
        *ret = sqlite3_column_int(statement, 0);
        return 0;
}

/* Each step is a transaction of its own, with the number it leads to. */
static int migrate(struct ledger_db *db) {
        int version = 0, r = version_of(db, &version);
        char set[64];

        while (r == 0 && version < NEWEST) {
                r = db_run(db, "BEGIN IMMEDIATE");
                if (r == 0)
                        r = db_run(db, migrations[version]);
                crash_point("core/ledger-migrating");
                (void) snprintf(set, sizeof(set), "PRAGMA user_version = %d; COMMIT", version + 1);
                if (r == 0)
                        r = db_run(db, set);
                if (r < 0)
                        (void) sqlite3_exec(db->db, "ROLLBACK", NULL, NULL, NULL);
                version++;
        }
        if (r == 0 && version > NEWEST) {
                (void) snprintf(db->words, sizeof(db->words), "version %d, known up to %d", version, NEWEST);
                r = -EPROTONOSUPPORT;
        }
        return r;
}

int db_open(struct ledger_db *db, const char *path, bool writing) {
        int keep = 1, version = 0, r;
        struct stat known;

        *db = (struct ledger_db) { 0 };
        if (!writing && stat(path, &known) < 0)
                return -errno;
        if (sqlite3_open_v2(path, &db->db,
                            SQLITE_OPEN_NOMUTEX | (writing ? SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE
                                                           : SQLITE_OPEN_READONLY),
                            NULL) != SQLITE_OK)
                return db_error(db);
        (void) sqlite3_extended_result_codes(db->db, 1);
        (void) sqlite3_busy_timeout(db->db, BUSY_MS);
        /* The -wal and -shm files stay behind, or who may only read could not open it. */
        (void) sqlite3_file_control(db->db, "main", SQLITE_FCNTL_PERSIST_WAL, &keep);
        if (!writing) {
                r = version_of(db, &version);
                if (r == 0 && version == 0)
                        return -ENOENT;
                return r == 0 && version > NEWEST ? -EPROTONOSUPPORT : r < 0 ? r : db_load_names(db);
        }
        /* Seven events of 2 KB fill a page of 16 KiB, three leave a sixth of one of 8 KiB empty; a ledger
         * keeps the size that it was made with. What is deleted, notes only, need not be wiped too. */
        r = db_run(db, "PRAGMA page_size = 16384; PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;"
                       "PRAGMA wal_autocheckpoint = 1000; PRAGMA journal_size_limit = 67108864;"
                       "PRAGMA foreign_keys = OFF; PRAGMA cache_size = -2048; PRAGMA secure_delete = OFF");
        if (r == 0)
                r = migrate(db);
        crash_point("core/ledger-opened");
        return r < 0 ? r : db_load_names(db);
}

void db_drop_names(struct ledger_db *db) {
        for (size_t i = 0; i < db->n_eras; i++) {
                free(db->eras[i].region);
                free(db->eras[i].epoch);
                free(db->eras[i].adoption);
        }
        for (size_t i = 0; i < db->n_sources; i++)
                free(db->sources[i].name);
        free(db->eras);
        free(db->sources);
        db->eras = NULL;
        db->sources = NULL;
        db->n_eras = db->n_sources = 0;
}

void db_close(struct ledger_db *db) {
        db_drop_names(db);
        (void) sqlite3_close_v2(db->db);
        db->db = NULL;
}

/* -- eras and sources ----------------------------------------------------------------------------- */

static char *column_copy(sqlite3_stmt *statement, int column) {
        const unsigned char *text = sqlite3_column_text(statement, column);

        return strdup(text ? (const char *) text : "");
}

static int load_eras(struct ledger_db *db) {
        sqlite3_stmt *statement freed_by(statement_freep) = NULL;
        int r = db_prepare(db, "SELECT id, region, epoch, adoption FROM era ORDER BY id", &statement), step;

        while (r == 0 && (step = sqlite3_step(statement)) != SQLITE_DONE) {
                struct ledger_era *eras;

                if (step != SQLITE_ROW)
                        return db_error(db);
                eras = realloc(db->eras, (db->n_eras + 1) * sizeof(*eras));
                if (!eras)
                        return -ENOMEM;
                db->eras = eras;
                eras[db->n_eras++] = (struct ledger_era) {
                        sqlite3_column_int64(statement, 0), column_copy(statement, 1),
                        column_copy(statement, 2), column_copy(statement, 3),
                };
                if (!eras[db->n_eras - 1].region || !eras[db->n_eras - 1].epoch ||
                    !eras[db->n_eras - 1].adoption)
                        return -ENOMEM;
        }
        return r;
}

int db_add_source(struct ledger_db *db, int64_t id, const char *name) {
        struct ledger_source *sources = realloc(db->sources, (db->n_sources + 1) * sizeof(*sources));
        char *copy = strdup(name);

        if (sources)
                db->sources = sources;
        if (!sources || !copy) {
                free(copy);
                return -ENOMEM;
        }
        sources[db->n_sources++] = (struct ledger_source) { id, copy };
        return 0;
}

static int load_sources(struct ledger_db *db) {
        sqlite3_stmt *statement freed_by(statement_freep) = NULL;
        int r = db_prepare(db, "SELECT id, name FROM source ORDER BY id", &statement), step;

        while (r == 0 && (step = sqlite3_step(statement)) != SQLITE_DONE) {
                const unsigned char *name;

                if (step != SQLITE_ROW)
                        return db_error(db);
                name = sqlite3_column_text(statement, 1);
                r = db_add_source(db, sqlite3_column_int64(statement, 0), name ? (const char *) name : "");
        }
        return r;
}

int db_load_names(struct ledger_db *db) {
        int r;

        db_drop_names(db);
        r = load_eras(db);
        return r < 0 ? r : load_sources(db);
}

const struct ledger_era *db_era(struct ledger_db *db, int64_t id) {
        for (size_t i = db->n_eras; i-- > 0;) /* the newest is asked for most */
                if (db->eras[i].id == id)
                        return &db->eras[i];
        return NULL;
}

const struct ledger_source *db_source(struct ledger_db *db, int64_t id) {
        /* Numbers are given in order and nothing is ever deleted. */
        if (id >= 1 && (uint64_t) id <= db->n_sources && db->sources[id - 1].id == id)
                return &db->sources[id - 1];
        for (size_t i = 0; i < db->n_sources; i++)
                if (db->sources[i].id == id)
                        return &db->sources[i];
        return NULL;
}

const struct ledger_source *db_source_named(struct ledger_db *db, const char *name) {
        for (size_t i = 0; i < db->n_sources; i++)
                if (strcmp(db->sources[i].name, name) == 0)
                        return &db->sources[i];
        return NULL;
}

/* -- rows ----------------------------------------------------------------------------------------- */

/* A text with a NUL in it was not written by us; it must not read like the part before the NUL. */
static const char *column_text(sqlite3_stmt *statement, int column) {
        const char *text = (const char *) sqlite3_column_text(statement, column);

        if (!text)
                return "";
        return strlen(text) == (size_t) sqlite3_column_bytes(statement, column) ? text : "\001NUL";
}

void row_from(struct ledger_db *db, sqlite3_stmt *statement, struct ledger_row *ret) {
        const struct ledger_era *era = db_era(db, sqlite3_column_int64(statement, 1));
        const void *hash;

        *ret = (struct ledger_row) {
                .seq = sqlite3_column_int64(statement, 0),
                .region = era ? era->region : "",
                .epoch = era ? era->epoch : "",
                .adoption = era ? era->adoption : "",
                .n = sqlite3_column_int64(statement, 2),
                .at_ms = sqlite3_column_int64(statement, 3),
                .state = column_text(statement, 4),
                .document = column_text(statement, 5),
                .revision = sqlite3_column_int64(statement, 6),
                .level = sqlite3_column_int64(statement, 7),
                .event = column_text(statement, 8),
                .channel = column_text(statement, 9),
                .attempt = sqlite3_column_int64(statement, 10),
                .code = column_text(statement, 11),
                .reference = column_text(statement, 12),
                .url = column_text(statement, 13),
                .sentence = column_text(statement, 14),
                .extra = column_text(statement, 15),
                .receipt = sqlite3_column_int64(statement, 17),
                .alg = column_text(statement, 19),
        };
        /* -1 and 0 are ours to say "none": as values they were not written by us. */
        if (sqlite3_column_type(statement, 10) == SQLITE_NULL)
                ret->attempt = -1;
        else if (ret->attempt < 0)
                ret->attempt--;
        if (sqlite3_column_type(statement, 17) != SQLITE_NULL && ret->receipt <= 0)
                ret->receipt--;
        if (sqlite3_column_type(statement, 16) != SQLITE_NULL) {
                const struct ledger_source *source = db_source(db, sqlite3_column_int64(statement, 16));

                ret->source = source ? source->name : "\001unknown";
        }
        if (sqlite3_column_type(statement, 18) != SQLITE_NULL)
                ret->digest = sqlite3_column_bytes(statement, 18) == LEDGER_HASH
                                      ? sqlite3_column_blob(statement, 18)
                                      : (const unsigned char *) "no digest, and no hash has this.";
        hash = sqlite3_column_blob(statement, 20);
        if (hash && sqlite3_column_bytes(statement, 20) == LEDGER_HASH)
                memcpy(ret->hash, hash, LEDGER_HASH);
}

int db_each(struct ledger_db *db, sqlite3_stmt *statement, ledger_row_fn *on_row, void *userdata) {
        struct ledger_row row;
        int step, r;

        while ((step = sqlite3_step(statement)) == SQLITE_ROW) {
                if (!db_era(db, sqlite3_column_int64(statement, 1)) ||
                    (sqlite3_column_type(statement, 16) != SQLITE_NULL &&
                     !db_source(db, sqlite3_column_int64(statement, 16)))) {
                        r = db_load_names(db); /* written since we looked */
                        if (r < 0)
                                return r;
                }
                row_from(db, statement, &row);
                r = on_row(&row, userdata);
                if (r != 0)
                        return r;
        }
        return step == SQLITE_DONE ? 0 : db_error(db);
}

int db_position(struct ledger_db *db, const char *region, struct ledger_position *ret) {
        sqlite3_stmt *statement freed_by(statement_freep) = NULL;
        int r = db_prepare(db, "SELECT era.epoch, era.adoption, n, position.id, receipt FROM position"
                               " JOIN era ON era.id = position.era WHERE position.region = ?", &statement);
        int step;

        if (r < 0)
                return r;
        (void) sqlite3_bind_text(statement, 1, region, -1, SQLITE_STATIC);
        step = sqlite3_step(statement);
        if (step == SQLITE_DONE)
                return -ENOENT;
        if (step != SQLITE_ROW)
                return db_error(db);
        *ret = (struct ledger_position) { .n = sqlite3_column_int64(statement, 2),
                                          .receipt = sqlite3_column_int64(statement, 4) };
        (void) snprintf(ret->epoch, sizeof(ret->epoch), "%s", column_text(statement, 0));
        (void) snprintf(ret->adoption, sizeof(ret->adoption), "%s", column_text(statement, 1));
        (void) snprintf(ret->id, sizeof(ret->id), "%s", column_text(statement, 3));
        return 0;
}

int db_head(struct ledger_db *db, struct ledger_head *ret) {
        sqlite3_stmt *statement freed_by(statement_freep) = NULL;
        int r = db_prepare(db, "SELECT seq, hash FROM entry ORDER BY seq DESC LIMIT 1", &statement), step;

        if (r < 0)
                return r;
        *ret = (struct ledger_head) { 0 };
        step = sqlite3_step(statement);
        if (step == SQLITE_DONE)
                return 0;
        if (step != SQLITE_ROW)
                return db_error(db);
        ret->seq = sqlite3_column_int64(statement, 0);
        if (sqlite3_column_bytes(statement, 1) == LEDGER_HASH)
                memcpy(ret->hash, sqlite3_column_blob(statement, 1), LEDGER_HASH);
        return 0;
}

int db_bytes(struct ledger_db *db, const char *ulid, char **ret, size_t *ret_n) {
        sqlite3_stmt *statement freed_by(statement_freep) = NULL;
        int r = db_prepare(db, "SELECT bytes FROM event WHERE ulid = ?", &statement), step;
        size_t n;

        if (r < 0)
                return r;
        (void) sqlite3_bind_text(statement, 1, ulid, -1, SQLITE_STATIC);
        step = sqlite3_step(statement);
        if (step == SQLITE_DONE)
                return -ENOENT;
        if (step != SQLITE_ROW)
                return db_error(db);
        if (sqlite3_column_type(statement, 0) == SQLITE_NULL)
                return -ENOENT;
        n = (size_t) sqlite3_column_bytes(statement, 0);
        *ret = malloc(n + 1);
        if (!*ret)
                return -ENOMEM;
        if (n > 0)
                memcpy(*ret, sqlite3_column_blob(statement, 0), n);
        (*ret)[n] = '\0';
        *ret_n = n;
        return 0;
}

const char *extra_identity(const char *extra, size_t *ret_n_source) {
        static const char start[] = "urn:gongkai:";
        const char *at = extra;

        while (at && strncmp(at, start, strlen(start)) != 0) {
                at = strchr(at, ' ');
                at = at ? at + 1 : NULL;
        }
        if (!at || !strchr(at, ' '))
                return NULL;
        *ret_n_source = strcspn(at, " ");
        return at;
}
