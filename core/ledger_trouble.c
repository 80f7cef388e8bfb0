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
