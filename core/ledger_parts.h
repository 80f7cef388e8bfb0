/* Inside the ledger: what its files share. */
#ifndef CORE_LEDGER_PARTS_H
#define CORE_LEDGER_PARTS_H

#include <openssl/evp.h>
#include <sqlite3.h>

#include "core/ledger.h"

/* -- the chain (ledger_chain.c) -- */

enum { CHAIN_ALGORITHMS = 2 };

struct chain {
        EVP_MD_CTX *context;
        EVP_MD *algorithms[CHAIN_ALGORITHMS]; /* fetched once: a look-up by name costs more than a row */
        struct buf row;
};

#define CHAIN_ALGORITHM "sm3" /* of new rows */

int chain_init(struct chain *chain);
void chain_done(struct chain *chain);
/* The hash of a row behind one with the hash `before` (zeros for the first). -EPROTONOSUPPORT: we do
 * not know the row's algorithm. */
int chain_row(struct chain *chain, const unsigned char before[static LEDGER_HASH],
              const struct ledger_row *row, unsigned char ret[static LEDGER_HASH]);
int chain_bytes(struct chain *chain, const char *alg, const void *bytes, size_t n_bytes,
                unsigned char ret[static LEDGER_HASH]);

/* -- the database (ledger_db.c) -- */

struct ledger_era {
        int64_t id;
        char *region, *epoch, *adoption;
};

struct ledger_source {
        int64_t id;
        char *name;
};

struct ledger_db {
        sqlite3 *db;
        char words[200];
        struct ledger_era *eras;
        size_t n_eras;
        struct ledger_source *sources;
        size_t n_sources;
};

int db_open(struct ledger_db *db, const char *path, bool writing);
void db_close(struct ledger_db *db);
/* The errno of SQLite's last error, whose words are kept. */
int db_error(struct ledger_db *db);
int db_run(struct ledger_db *db, const char *sql);
int db_prepare(struct ledger_db *db, const char *sql, sqlite3_stmt **ret);
void statement_freep(sqlite3_stmt **statement);
/* Both tables are short; they are kept in memory, and read anew when an unknown number turns up. */
int db_load_names(struct ledger_db *db);
void db_drop_names(struct ledger_db *db);
int db_add_source(struct ledger_db *db, int64_t id, const char *name); /* in memory; names stay where they are */
const struct ledger_era *db_era(struct ledger_db *db, int64_t id);
const struct ledger_source *db_source(struct ledger_db *db, int64_t id);
const struct ledger_source *db_source_named(struct ledger_db *db, const char *name);

/* In the order that row_from() wants. */
#define LEDGER_COLUMNS                                                                             \
        "entry.seq, entry.era, entry.n, entry.at, entry.state, entry.document, entry.revision, "   \
        "entry.level, entry.event, entry.channel, entry.attempt, entry.code, entry.reference, "    \
        "entry.url, entry.sentence, entry.extra, entry.source, entry.receipt, entry.digest, "      \
        "entry.alg, entry.hash"
enum { LEDGER_N_COLUMNS = 21 };
void row_from(struct ledger_db *db, sqlite3_stmt *statement, struct ledger_row *ret);
/* Steps through a statement of LEDGER_COLUMNS. */
int db_each(struct ledger_db *db, sqlite3_stmt *statement, ledger_row_fn *on_row, void *userdata);
int db_position(struct ledger_db *db, const char *region, struct ledger_position *ret);
int db_head(struct ledger_db *db, struct ledger_head *ret);
int db_bytes(struct ledger_db *db, const char *ulid, char **ret, size_t *ret_n);

/* "... SOURCE ID", the end of what an accepted or held record says beside its columns: where the two
 * begin, or NULL. */
const char *extra_identity(const char *extra, size_t *ret_n_source);

struct ledger_reader {
        struct ledger_db db;
};

#endif
