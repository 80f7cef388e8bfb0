/* The index's file, and what is read from it. */
#include "daemons/consoled/cards.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/embed.h"
#include "core/files.h"
#include "core/memory.h"
#include "daemons/consoled/cards_parts.h"

EMBED(cards_sql, "daemons/consoled/cards.sql");

enum { VERSION = 1, BUSY_MS = 200 };

static const char *const sql[N_CARDS_STATEMENTS] = {
        [FIND_CARD] = "SELECT id, region, document, first_at, last_at, state, revision, title, "
                      "number, publisher,"
                      " item, accepted FROM card WHERE document = ?1 AND region = ?2",
        [ADD_CARD] = "INSERT INTO card (id, region, document, first_at, last_at, state, accepted, "
                     "revision, title,"
                     " number, publisher, item) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, "
                     "?11, ?12)",
        [SET_CARD] = "UPDATE card SET last_at = ?5, state = ?6, accepted = ?7, revision = ?8, "
                     "title = ?9, number = ?10,"
                     " publisher = ?11, item = ?12 WHERE id = ?1",
        [ADD_WORDS] = "INSERT INTO words (rowid, title, number, document, publisher) VALUES (?1, "
                      "?2, ?3, ?4, ?5)",
        [END_WORDS] = "INSERT INTO words (words, rowid, title, number, document, publisher)"
                      " VALUES ('delete', ?1, ?2, ?3, ?4, ?5)",
        [ADD_EMBARGO] = "INSERT OR REPLACE INTO embargo (event, at) VALUES (?1, ?2)",
        [FIND_EMBARGO] = "SELECT at FROM embargo WHERE event = ?1",
        [ADD_TALLY] = "INSERT INTO tally (channel, what, at, n) VALUES (?1, ?2, ?3, ?4)"
                      " ON CONFLICT (what, at, channel) DO UPDATE SET n = n + ?4",
        [SET_TALLY] = "INSERT OR REPLACE INTO tally (channel, what, at, n) VALUES (?1, ?2, ?3, ?4)",
        [SET_MARK] = "UPDATE mark SET seq = ?1, hash = ?2",
};

int cards_error(struct cards *cards) {
        int code = cards->db ? sqlite3_errcode(cards->db) : SQLITE_NOMEM;

        (void) snprintf(cards->words, sizeof(cards->words), "%s",
                        cards->db ? sqlite3_errmsg(cards->db) : strerror(ENOMEM));
        switch (code) {
        case SQLITE_FULL:
                return -ENOSPC;
        case SQLITE_BUSY:
        case SQLITE_LOCKED:
                return -EBUSY;
        case SQLITE_CORRUPT:
        case SQLITE_NOTADB:
        case SQLITE_ERROR:
        case SQLITE_CONSTRAINT:
                return -EBADMSG; /* not as we write it */
        case SQLITE_NOMEM:
                return -ENOMEM;
        case SQLITE_READONLY:
        case SQLITE_CANTOPEN:
        case SQLITE_PERM:
                return -EACCES;
        default:
                return -EIO;
        }
}

int cards_run(struct cards *cards, const char *text) {
        return sqlite3_exec(cards->db, text, NULL, NULL, NULL) == SQLITE_OK ? 0
                                                                            : cards_error(cards);
}

int cards_prepare(struct cards *cards, const char *text, sqlite3_stmt **ret) {
        return sqlite3_prepare_v2(cards->db, text, -1, ret, NULL) == SQLITE_OK ? 0
                                                                               : cards_error(cards);
}

void cards_statement_freep(sqlite3_stmt **statement) {
        (void) sqlite3_finalize(*statement);
}

const char *cards_text(sqlite3_stmt *statement, int column) {
        const char *text = (const char *) sqlite3_column_text(statement, column);

        return text ? text : "";
}

/* -- opening ----------------------------------------------------------------------------------- */

static void close_file(struct cards *cards) {
        for (int i = 0; i < N_CARDS_STATEMENTS; i++) {
                (void) sqlite3_finalize(cards->statements[i]);
                cards->statements[i] = NULL;
        }
        (void) sqlite3_close_v2(cards->db);
        cards->db = NULL;
}

static int read_mark(struct cards *cards) {
        sqlite3_stmt *statement freed_by(cards_statement_freep) = NULL;
        int r = cards_prepare(cards, "SELECT seq, hash FROM mark", &statement);

        if (r < 0)
                return r;
        if (sqlite3_step(statement) != SQLITE_ROW)
                return -EBADMSG;
        cards->seq = sqlite3_column_int64(statement, 0);
        memset(cards->hash, 0, sizeof(cards->hash));
        if (sqlite3_column_bytes(statement, 1) == LEDGER_HASH)
                memcpy(cards->hash, sqlite3_column_blob(statement, 1), LEDGER_HASH);
        return 0;
}

static int make_tables(struct cards *cards) {
        sqlite3_stmt *statement freed_by(cards_statement_freep) = NULL;
        char set[48];
        int version, r = cards_prepare(cards, "PRAGMA user_version", &statement);

        if (r < 0)
                return r;
        if (sqlite3_step(statement) != SQLITE_ROW)
                return cards_error(cards);
        version = sqlite3_column_int(statement, 0);
        if (version == VERSION)
                return 0;
        if (version != 0)
                return -EBADMSG; /* of another release: made anew */
        (void) sqlite3_reset(statement);
        (void) snprintf(set, sizeof(set), "PRAGMA user_version = %d; COMMIT", VERSION);
        r = cards_run(cards, "BEGIN IMMEDIATE");
        if (r == 0)
                r = cards_run(cards, cards_sql);
        return r < 0 ? r : cards_run(cards, set);
}

static int open_file(struct cards *cards) {
        int r;

        if (sqlite3_open_v2(cards->path, &cards->db,
                            SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE,
                            NULL) != SQLITE_OK)
                return cards_error(cards);
        (void) sqlite3_busy_timeout(cards->db, BUSY_MS);
        /* What a power cut takes is read anew from the ledger. */
        r = cards_run(
                cards,
                "PRAGMA page_size = 8192; PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL;"
                "PRAGMA journal_size_limit = 33554432; PRAGMA cache_size = -16384");
        if (r == 0)
                r = make_tables(cards);
        for (int i = 0; r == 0 && i < N_CARDS_STATEMENTS; i++)
                r = cards_prepare(cards, sql[i], &cards->statements[i]);
        return r < 0 ? r : read_mark(cards);
}

int cards_anew(struct cards *cards) {
        static const char *const ends[] = { "", "-wal", "-shm" };

        close_file(cards);
        cards_drop_cells(cards);
        for (size_t i = 0; i < ELEMENTS(ends); i++) {
                char *name = NULL;

                if (asprintf(&name, "%s%s", cards->path, ends[i]) < 0)
                        return -ENOMEM;
                (void) unlink(name);
                free(name);
        }
        return open_file(cards);
}

int cards_open(const char *state_dir, struct cards **ret) {
        struct cards *cards = calloc(1, sizeof(*cards));
        int r;

        *ret = cards;
        if (!cards)
                return -ENOMEM;
        if (asprintf(&cards->folder, "%s/console", state_dir) < 0)
                cards->folder = NULL;
        if (asprintf(&cards->path, "%s/console/cards.db", state_dir) < 0)
                cards->path = NULL;
        if (!cards->folder || !cards->path)
                return -ENOMEM;
        r = folder_make(cards->folder, 0750);
        if (r < 0) {
                (void) snprintf(cards->words, sizeof(cards->words), "%s", strerror(-r));
                return r;
        }
        r = open_file(cards);
        return r == -EBADMSG ? cards_anew(cards) : r;
}

struct cards *cards_free(struct cards *cards) {
        if (!cards)
                return NULL;
        cards_drop_cells(cards);
        close_file(cards);
        free(cards->folder);
        free(cards->path);
        free(cards);
        return NULL;
}

const char *cards_path(const struct cards *cards) {
        return cards->path;
}

const char *cards_words(const struct cards *cards) {
        return cards->words;
}

int64_t cards_seq(const struct cards *cards) {
        return cards->seq;
}

/* -- reading ----------------------------------------------------------------------------------- */

static void card_from(sqlite3_stmt *statement, struct card *ret) {
        *ret = (struct card){
                .id = sqlite3_column_int64(statement, 0),
                .region = cards_text(statement, 1),
                .document = cards_text(statement, 2),
                .first_at_ms = sqlite3_column_int64(statement, 3),
                .last_at_ms = sqlite3_column_int64(statement, 4),
                .state = cards_text(statement, 5),
                .revision = sqlite3_column_int64(statement, 6),
                .title = cards_text(statement, 7),
                .number = cards_text(statement, 8),
                .publisher = cards_text(statement, 9),
                .item = cards_text(statement, 10),
        };
}

static int each_card(struct cards *cards, sqlite3_stmt *statement, card_fn *on_card,
                     void *userdata) {
        struct card card;
        int step, r = 0;

        while (r == 0 && (step = sqlite3_step(statement)) != SQLITE_DONE) {
                if (step != SQLITE_ROW)
                        return cards_error(cards);
                card_from(statement, &card);
                r = on_card(&card, userdata);
        }
        return r;
}

/* Documents come in the order of their cards, but two regions' logs may be copied a little later
 * than one another: the bounds of a time are looked up, and what is near them is compared. */
static int64_t bound_of(struct cards *cards, int64_t at_ms, bool upper) {
        enum { NEAR_MS = 600000 };
        sqlite3_stmt *statement freed_by(cards_statement_freep) = NULL;
        int64_t id = upper ? INT64_MAX : 0;

        if (at_ms <= 0 ||
            cards_prepare(cards,
                          "SELECT id FROM card WHERE first_at >= ?1 ORDER BY first_at, id LIMIT 1",
                          &statement) < 0)
                return id;
        (void) sqlite3_bind_int64(statement, 1, upper ? at_ms + NEAR_MS : at_ms - NEAR_MS);
        if (sqlite3_step(statement) == SQLITE_ROW)
                return sqlite3_column_int64(statement, 0);
        return INT64_MAX; /* nothing came as late */
}

int cards_find(struct cards *cards, const struct card_wish *wish, card_fn *on_card,
               void *userdata) {
#define COLUMNS                                                                                    \
        "SELECT card.id, card.region, card.document, first_at, last_at, state, revision, "         \
        "card.title,"                                                                              \
        " card.number, card.publisher, item FROM "
#define REST                                                                                       \
        " (?2 = '' OR region = ?2) AND (?3 = '' OR state = ?3) AND first_at >= ?4 AND first_at < " \
        "?5"                                                                                       \
        " AND card.id >= ?6 AND card.id < ?7"
        sqlite3_stmt *statement freed_by(cards_statement_freep) = NULL;
        bool by_words = wish->query && *wish->query, by_state = wish->state && *wish->state;
        int64_t upper = bound_of(cards, wish->to_ms, true);
        int r = cards_prepare(
                cards,
                by_words ? COLUMNS "words JOIN card ON card.id = words.rowid WHERE words MATCH ?1 "
                                   "AND words.rowid >= ?6"
                                   " AND words.rowid < ?7 AND" REST
                                   " ORDER BY words.rowid DESC LIMIT ?8"
                : by_state ? COLUMNS
                        "card INDEXED BY card_state WHERE ?1 IS ?1 AND state = ?3 AND" REST
                        " ORDER BY card.id DESC LIMIT ?8"
                           : COLUMNS "card WHERE ?1 IS ?1 AND" REST
                                     " ORDER BY card.id DESC LIMIT ?8",
                &statement);

        if (r < 0)
                return r;
        (void) sqlite3_bind_text(statement, 1, wish->query, -1, SQLITE_STATIC);
        (void) sqlite3_bind_text(statement, 2, wish->region ? wish->region : "", -1, SQLITE_STATIC);
        (void) sqlite3_bind_text(statement, 3, wish->state ? wish->state : "", -1, SQLITE_STATIC);
        (void) sqlite3_bind_int64(statement, 4, wish->from_ms);
        (void) sqlite3_bind_int64(statement, 5, wish->to_ms > 0 ? wish->to_ms : INT64_MAX);
        (void) sqlite3_bind_int64(statement, 6, bound_of(cards, wish->from_ms, false));
        (void) sqlite3_bind_int64(statement, 7, wish->before < upper ? wish->before : upper);
        (void) sqlite3_bind_int64(statement, 8, (sqlite3_int64) wish->most);
        return each_card(cards, statement, on_card, userdata);
}

int cards_one(struct cards *cards, const char *region, const char *document, card_fn *on_card,
              void *userdata) {
        sqlite3_stmt *find = cards->statements[FIND_CARD];
        struct card card;
        int step, r;

        (void) sqlite3_bind_text(find, 1, document, -1, SQLITE_STATIC);
        (void) sqlite3_bind_text(find, 2, region, -1, SQLITE_STATIC);
        step = sqlite3_step(find);
        if (step == SQLITE_ROW) {
                card_from(find, &card);
                r = on_card(&card, userdata);
        } else
                r = step == SQLITE_DONE ? -ENOENT : cards_error(cards);
        (void) sqlite3_reset(find);
        return r;
}

int cards_count(struct cards *cards, int64_t *ret) {
        sqlite3_stmt *statement freed_by(cards_statement_freep) = NULL;
        /* Cards are counted as they are made: counting a million takes as long as reading them. */
        int r = cards_prepare(cards,
                              "SELECT n FROM tally WHERE channel = '' AND what = 99 AND at = 0",
                              &statement);

        if (r < 0)
                return r;
        *ret = sqlite3_step(statement) == SQLITE_ROW ? sqlite3_column_int64(statement, 0) : 0;
        return 0;
}

int cards_tallies(struct cards *cards, const char *channel, int what_from, int what_to,
                  int64_t at_from, int64_t at_to, tally_fn *on_tally, void *userdata) {
        sqlite3_stmt *statement freed_by(cards_statement_freep) = NULL;
        int step, r = cards_prepare(cards,
                                    "SELECT channel, at, n FROM tally WHERE what = ?1 AND at BETWEEN ?2"
                                    " AND ?3 AND (?4 IS NULL OR channel = ?4) ORDER BY at, channel",
                                    &statement);

        if (r < 0)
                return r;
        (void) sqlite3_bind_int64(statement, 2, at_from);
        (void) sqlite3_bind_int64(statement, 3, at_to);
        (void) sqlite3_bind_text(statement, 4, channel, -1, SQLITE_STATIC);
        for (int what = what_from; what <= what_to; what++) {
                (void) sqlite3_reset(statement);
                (void) sqlite3_bind_int(statement, 1, what);
                while ((step = sqlite3_step(statement)) == SQLITE_ROW)
                        if (on_tally(cards_text(statement, 0), what, sqlite3_column_int64(statement, 1),
                                     sqlite3_column_int64(statement, 2), userdata) != 0)
                                return 0;
                if (step != SQLITE_DONE)
                        return cards_error(cards);
        }
        return 0;
}
