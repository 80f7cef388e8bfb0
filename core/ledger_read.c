/* Reading the ledger: short questions on a connection that can write nothing. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core/ledger_parts.h"
#include "core/memory.h"

int ledger_reader_open(const char *path, struct ledger_reader **ret) {
        struct ledger_reader *reader freed_by(ledger_reader_freep) = calloc(1, sizeof(*reader));
        int r;

        if (!reader)
                return -ENOMEM;
        r = db_open(&reader->db, path, false);
        if (r < 0)
                return r;
        *ret = give_away(reader);
        return 0;
}

struct ledger_reader *ledger_reader_free(struct ledger_reader *reader) {
        if (!reader)
                return NULL;
        db_close(&reader->db);
        free(reader);
        return NULL;
}

void ledger_reader_freep(struct ledger_reader **reader) {
        *reader = ledger_reader_free(*reader);
}

const char *ledger_reader_words(const struct ledger_reader *reader) {
        return reader->db.words;
}

int ledger_read_position(struct ledger_reader *reader, const char *region,
                         struct ledger_position *ret) {
        return db_position(&reader->db, region, ret);
}

int ledger_read_head(struct ledger_reader *reader, struct ledger_head *ret) {
        return db_head(&reader->db, ret);
}

int ledger_read_bytes(struct ledger_reader *reader, const char *ulid, char **ret, size_t *ret_n) {
        return db_bytes(&reader->db, ulid, ret, ret_n);
}

static void bind_text(sqlite3_stmt *statement, int at, const char *text) {
        (void) sqlite3_bind_text(statement, at, text, -1, SQLITE_STATIC);
}

int ledger_read_since(struct ledger_reader *reader, int64_t seq, const char *region,
                      ledger_row_fn *on_row, void *userdata) {
        sqlite3_stmt *statement freed_by(statement_freep) = NULL;
        int r = db_prepare(&reader->db,
                           "SELECT " LEDGER_COLUMNS " FROM entry WHERE seq >= ?1 AND (?2 IS NULL OR era IN"
                           " (SELECT id FROM era WHERE region = ?2)) ORDER BY seq",
                           &statement);

        if (r < 0)
                return r;
        (void) sqlite3_bind_int64(statement, 1, seq);
        bind_text(statement, 2, region);
        return db_each(&reader->db, statement, on_row, userdata);
}

int ledger_read_document(struct ledger_reader *reader, const char *region, const char *document,
                         ledger_row_fn *on_row, void *userdata) {
        sqlite3_stmt *statement freed_by(statement_freep) = NULL;
        int r = db_prepare(&reader->db,
                           "SELECT " LEDGER_COLUMNS " FROM entry WHERE document = ?1 AND (?2 IS NULL OR era"
                           " IN (SELECT id FROM era WHERE region = ?2)) ORDER BY seq",
                           &statement);

        if (r < 0)
                return r;
        bind_text(statement, 1, document);
        bind_text(statement, 2, region);
        return db_each(&reader->db, statement, on_row, userdata);
}

int ledger_read_newest(struct ledger_reader *reader, const char *region, size_t most,
                       ledger_row_fn *on_row, void *userdata) {
        sqlite3_stmt *statement freed_by(statement_freep) = NULL;
        int r = db_prepare(&reader->db,
                           "SELECT " LEDGER_COLUMNS " FROM event JOIN entry ON entry.seq = event.seq WHERE"
                           " ?1 IS NULL OR event.region = ?1 ORDER BY event.seq DESC LIMIT ?2",
                           &statement);

        if (r < 0)
                return r;
        bind_text(statement, 1, region);
        (void) sqlite3_bind_int64(statement, 2, (sqlite3_int64) most);
        return db_each(&reader->db, statement, on_row, userdata);
}

int ledger_read_trouble(struct ledger_reader *reader, const char *region, const char *state,
                        ledger_row_fn *on_row, void *userdata) {
        sqlite3_stmt *statement freed_by(statement_freep) = NULL;
        int r = db_prepare(&reader->db,
                           "SELECT " LEDGER_COLUMNS " FROM trouble JOIN entry ON entry.seq = trouble.seq"
                           " WHERE (?1 IS NULL OR trouble.region = ?1) AND (?2 IS NULL OR trouble.state = ?2)"
                           " ORDER BY trouble.since",
                           &statement);

        if (r < 0)
                return r;
        bind_text(statement, 1, region);
        bind_text(statement, 2, state);
        return db_each(&reader->db, statement, on_row, userdata);
}

/* -- receipts ------------------------------------------------------------------------------------- */

/* One statement per source, each at its next receipt; the lowest number goes first. */
struct stream {
        sqlite3_stmt *statement;
        int64_t next;
};

static int stream_step(struct ledger_reader *reader, struct stream *stream) {
        int step = sqlite3_step(stream->statement);

        stream->next = step == SQLITE_ROW ? sqlite3_column_int64(stream->statement, 17) : INT64_MAX;
        return step == SQLITE_ROW || step == SQLITE_DONE ? 0 : db_error(&reader->db);
}

static int streams_open(struct ledger_reader *reader, const char *region, int64_t after,
                        ledger_source_fn *is_own, void *userdata, struct stream *streams, size_t *n) {
        for (size_t i = 0; i < reader->db.n_sources; i++) {
                struct stream *stream = &streams[*n];
                int r;

                if (!is_own(reader->db.sources[i].name, userdata))
                        continue;
                r = db_prepare(&reader->db,
                               "SELECT " LEDGER_COLUMNS " FROM entry WHERE source = ?1 AND receipt > ?2 AND"
                               " era IN (SELECT id FROM era WHERE region = ?3) ORDER BY receipt",
                               &stream->statement);
                if (r < 0)
                        return r;
                (*n)++;
                (void) sqlite3_bind_int64(stream->statement, 1, reader->db.sources[i].id);
                (void) sqlite3_bind_int64(stream->statement, 2, after);
                bind_text(stream->statement, 3, region);
                r = stream_step(reader, stream);
                if (r < 0)
                        return r;
        }
        return 0;
}

int ledger_read_receipts(struct ledger_reader *reader, const char *region, int64_t after, size_t most,
                         ledger_source_fn *is_own, ledger_row_fn *on_row, void *userdata) {
        struct stream *streams freed_by(freep) = NULL;
        struct ledger_row row;
        size_t n = 0;
        int r = db_load_names(&reader->db); /* a new source, a new era */

        if (r < 0)
                return r;
        streams = calloc(reader->db.n_sources + 1, sizeof(*streams));
        if (!streams)
                return -ENOMEM;
        r = streams_open(reader, region, after, is_own, userdata, streams, &n);
        while (r == 0 && most-- > 0) {
                struct stream *first = NULL;

                for (size_t i = 0; i < n; i++)
                        if (streams[i].next < (first ? first->next : INT64_MAX))
                                first = &streams[i];
                if (!first)
                        break;
                row_from(&reader->db, first->statement, &row);
                r = on_row(&row, userdata);
                if (r == 0)
                        r = stream_step(reader, first);
        }
        for (size_t i = 0; i < n; i++)
                (void) sqlite3_finalize(streams[i].statement);
        return r;
}
