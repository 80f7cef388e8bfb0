/* What is not well, in numbers: for alarms. */
#include <errno.h>
#include <string.h>

#include "core/ledger_parts.h"
#include "core/memory.h"

struct latest {
        ledger_count_fn *on_count;
        void *userdata;
        int64_t count;
        int r;
};

static int on_latest(const struct ledger_row *row, void *userdata) {
        struct latest *latest = userdata;

        latest->r = latest->on_count(row, latest->count, latest->userdata);
        return 1; /* one row is enough */
}

int ledger_count_trouble(struct ledger_reader *reader, const char *state, ledger_count_fn *on_count,
                         void *userdata) {
        sqlite3_stmt *statement freed_by(statement_freep) = NULL;
        /* SQLite takes the other columns from the row that has the maximum (lang_select, "bare columns"). */
        int step, r = db_prepare(&reader->db,
                                 "SELECT count(*), max(since), seq FROM trouble WHERE state = ?1"
                                 " GROUP BY channel",
                                 &statement);

        if (r < 0)
                return r;
        (void) sqlite3_bind_text(statement, 1, state, -1, SQLITE_STATIC);
        while ((step = sqlite3_step(statement)) == SQLITE_ROW) {
                struct latest latest = { on_count, userdata, sqlite3_column_int64(statement, 0), 0 };

                r = ledger_read_since(reader, sqlite3_column_int64(statement, 2), NULL, on_latest, &latest);
                if (r < 0 || latest.r != 0)
                        return r < 0 ? r : latest.r;
        }
        return step == SQLITE_DONE ? 0 : -EIO;
}

int ledger_has_trouble(struct ledger_reader *reader, const char *document, const char *channel) {
        sqlite3_stmt *statement freed_by(statement_freep) = NULL;
        int step, r = db_prepare(&reader->db,
                                 "SELECT 1 FROM trouble WHERE document = ?1 AND channel = ?2 LIMIT 1",
                                 &statement);

        if (r < 0)
                return r;
        (void) sqlite3_bind_text(statement, 1, document, -1, SQLITE_STATIC);
        (void) sqlite3_bind_text(statement, 2, channel, -1, SQLITE_STATIC);
        step = sqlite3_step(statement);
        return step == SQLITE_ROW ? 1 : step == SQLITE_DONE ? 0 : -EIO;
}

int ledger_sum_trouble(struct ledger_reader *reader, ledger_sum_fn *on_sum, void *userdata) {
        sqlite3_stmt *statement freed_by(statement_freep) = NULL;
        int step, r = db_prepare(&reader->db,
                                 "SELECT channel, state, count(*), min(since) FROM trouble"
                                 " GROUP BY channel, state",
                                 &statement);

        if (r < 0)
                return r;
        while ((step = sqlite3_step(statement)) == SQLITE_ROW) {
                struct ledger_sum sum = {
                        .channel = (const char *) sqlite3_column_text(statement, 0),
                        .state = (const char *) sqlite3_column_text(statement, 1),
                        .count = sqlite3_column_int64(statement, 2),
                        .since_ms = sqlite3_column_int64(statement, 3),
                };

                r = sum.channel && sum.state ? on_sum(&sum, userdata) : -ENOMEM;
                if (r != 0)
                        return r;
        }
        return step == SQLITE_DONE ? 0 : db_error(&reader->db);
}

#define PAGE                                                                                       \
        " AND (?2 IS NULL OR channel = ?2) AND since <= ?3 AND (since < ?3 OR seq < ?4)"           \
        " ORDER BY since DESC, seq DESC LIMIT ?5) AS page JOIN entry ON entry.seq = page.seq"      \
        " ORDER BY page.since DESC, page.seq DESC"

int ledger_page_trouble(struct ledger_reader *reader, const struct ledger_page *page,
                        ledger_trouble_fn *on_row, void *userdata) {
        sqlite3_stmt *statement freed_by(statement_freep) = NULL;
        int step, r = db_load_names(&reader->db); /* a new source, a new era */

        if (r == 0)
                r = db_prepare(&reader->db,
                               /* The page is found before its rows are fetched. */
                               page->state ? "SELECT " LEDGER_COLUMNS ", page.since FROM (SELECT since, seq"
                                             " FROM trouble INDEXED BY trouble_state WHERE state = ?1" PAGE
                                           : "SELECT " LEDGER_COLUMNS ", page.since FROM (SELECT since, seq"
                                             " FROM trouble WHERE ?1 IS NULL" PAGE,
                               &statement);
        if (r < 0)
                return r;
        (void) sqlite3_bind_text(statement, 1, page->state, -1, SQLITE_STATIC);
        (void) sqlite3_bind_text(statement, 2, page->channel, -1, SQLITE_STATIC);
        (void) sqlite3_bind_int64(statement, 3, page->since_ms);
        (void) sqlite3_bind_int64(statement, 4, page->seq);
        (void) sqlite3_bind_int64(statement, 5, (sqlite3_int64) page->most);
        while ((step = sqlite3_step(statement)) == SQLITE_ROW) {
                struct ledger_row row;

                row_from(&reader->db, statement, &row);
                r = on_row(&row, sqlite3_column_int64(statement, LEDGER_N_COLUMNS), userdata);
                if (r != 0)
                        return r;
        }
        return step == SQLITE_DONE ? 0 : db_error(&reader->db);
}
