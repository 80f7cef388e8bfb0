#include "daemons/publisherd/rejected_file.h"

#include <errno.h>
#include <fcntl.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/buf.h"
#include "core/memory.h"
#include "core/moment.h"

#define DAY_MS (INT64_C(24) * 3600 * 1000)
#define KEPT_MS (35 * DAY_MS)

enum {
        ENTRY_BYTES = 512, /* what an entry takes besides its bytes, about */
        OLD_AT_ONCE = 1000,
};

enum statement {
        PUT, SIZE_OF, FIND, LIST, REMOVE, SET_ERRORS, OLDEST, OLD, COUNT, LEFT_OUT, FORGET, TOTAL,
        N_STATEMENTS,
};

static const char *const texts[N_STATEMENTS] = {
        [PUT] = "INSERT INTO rejected (name, emitter, source, id, document, at, times, n_all, bytes,"
                " errors, size) VALUES (?1, ?2, ?3, ?4, ?5, ?6, 1, ?7, ?8, ?9, ?10)"
                " ON CONFLICT (name) DO UPDATE SET document = ?5, at = ?6, times = times + 1,"
                " n_all = ?7, bytes = ?8, errors = ?9, size = ?10",
        [SIZE_OF] = "SELECT size FROM rejected WHERE name = ?1",
        [FIND] = "SELECT number, at, times, emitter, source, id, document, n_all, errors, bytes"
                 " FROM rejected WHERE number = ?1",
        [LIST] = "SELECT number, at, times, emitter, source, id, document, n_all, errors FROM rejected"
                 " ORDER BY at DESC, number DESC LIMIT ?1",
        [REMOVE] = "DELETE FROM rejected WHERE number = ?1 RETURNING size",
        [SET_ERRORS] = "UPDATE rejected SET errors = ?3, at = ?2, times = times + 1 WHERE number = ?1",
        [OLDEST] = "SELECT number FROM rejected ORDER BY at, number LIMIT 1",
        [OLD] = "SELECT number FROM rejected WHERE at < ?1 ORDER BY at LIMIT 1",
        [COUNT] = "INSERT INTO left_out (emitter, day, count) VALUES (?1, ?2, ?3)"
                  " ON CONFLICT (emitter, day) DO UPDATE SET count = count + ?3",
        [LEFT_OUT] = "SELECT emitter, day, count FROM left_out ORDER BY day DESC, emitter",
        [FORGET] = "DELETE FROM left_out WHERE day < ?1",
        [TOTAL] = "SELECT coalesce(sum(size), 0) FROM rejected",
};

struct rejected_file {
        sqlite3 *database;
        sqlite3_stmt *statements[N_STATEMENTS];
        int64_t n_bytes; /* of all entries */
};

static int error_of(sqlite3 *database) {
        switch (sqlite3_errcode(database)) {
        case SQLITE_NOMEM:
                return -ENOMEM;
        case SQLITE_FULL:
                return -ENOSPC;
        case SQLITE_READONLY:
                return -EROFS;
        case SQLITE_PERM:
        case SQLITE_CANTOPEN:
                return -EACCES;
        case SQLITE_CORRUPT:
        case SQLITE_NOTADB:
                return -EBADMSG;
        default:
                return -EIO;
        }
}

static sqlite3_stmt *take(struct rejected_file *file, enum statement which) {
        sqlite3_stmt *statement = file->statements[which];

        (void) sqlite3_reset(statement);
        (void) sqlite3_clear_bindings(statement);
        return statement;
}

/* One row at most: 1 with it, 0 without. */
static int step(struct rejected_file *file, sqlite3_stmt *statement) {
        int r = sqlite3_step(statement);

        if (r == SQLITE_ROW)
                return 1;
        return r == SQLITE_DONE ? 0 : error_of(file->database);
}

static int finish(struct rejected_file *file, sqlite3_stmt *statement) {
        int r = step(file, statement);

        (void) sqlite3_reset(statement);
        return r < 0 ? r : 0;
}

static void bind_text(sqlite3_stmt *statement, int at, const char *text) {
        if (text)
                (void) sqlite3_bind_text(statement, at, text, -1, SQLITE_STATIC);
}

static char *column_text(sqlite3_stmt *statement, int at) {
        const char *text = (const char *) sqlite3_column_text(statement, at);

        return text ? strdup(text) : NULL;
}

/* -- opening ------------------------------------------------------------------------------------------------ */

struct rejected_file *rejected_file_close(struct rejected_file *file) {
        if (!file)
                return NULL;
        for (size_t i = 0; i < N_STATEMENTS; i++)
                (void) sqlite3_finalize(file->statements[i]);
        (void) sqlite3_close(file->database);
        free(file);
        return NULL;
}

static void rejected_file_closep(struct rejected_file **file) {
        *file = rejected_file_close(*file);
}

static int open_at(const char *path, struct rejected_file **ret) {
        /* NORMAL: a power cut may take the last entries, and nothing waits for a disk. What is deleted
         * may be what should never have been sent: it is overwritten. */
        static const char settings[] =
                "PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL; PRAGMA secure_delete = ON;"
                "PRAGMA journal_size_limit = 8388608; PRAGMA cache_size = -2048;"
                "CREATE TABLE IF NOT EXISTS rejected (number INTEGER PRIMARY KEY AUTOINCREMENT,"
                " name TEXT NOT NULL UNIQUE, emitter TEXT NOT NULL, source TEXT, id TEXT, document TEXT,"
                " at INTEGER NOT NULL, times INTEGER NOT NULL, n_all INTEGER NOT NULL,"
                " bytes BLOB NOT NULL, errors TEXT NOT NULL, size INTEGER NOT NULL);"
                "CREATE INDEX IF NOT EXISTS rejected_at ON rejected (at, number);"
                "CREATE TABLE IF NOT EXISTS left_out (emitter TEXT NOT NULL, day INTEGER NOT NULL,"
                " count INTEGER NOT NULL, PRIMARY KEY (emitter, day));";
        struct rejected_file *file freed_by(rejected_file_closep) = calloc(1, sizeof(*file));
        sqlite3_stmt *total;
        int fd, r;

        if (!file)
                return -ENOMEM;
        fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
        if (fd < 0)
                return -errno;
        (void) close(fd);
        if (sqlite3_open_v2(path, &file->database, SQLITE_OPEN_READWRITE, NULL) != SQLITE_OK)
                return file->database ? error_of(file->database) : -ENOMEM;
        (void) sqlite3_busy_timeout(file->database, 0);
        if (sqlite3_exec(file->database, settings, NULL, NULL, NULL) != SQLITE_OK)
                return error_of(file->database);
        for (size_t i = 0; i < N_STATEMENTS; i++)
                if (sqlite3_prepare_v3(file->database, texts[i], -1, SQLITE_PREPARE_PERSISTENT,
                                       &file->statements[i], NULL) != SQLITE_OK)
                        return error_of(file->database);
        total = take(file, TOTAL);
        r = step(file, total);
        if (r < 0)
                return r;
        file->n_bytes = sqlite3_column_int64(total, 0);
        (void) sqlite3_reset(total);
        *ret = give_away(file);
        return 0;
}

int rejected_file_open(const char *state_dir, struct rejected_file **ret) {
        static const char *const endings[] = { "-wal", "-shm" };
        char *path freed_by(freep) = NULL, *aside freed_by(freep) = NULL;
        int r;

        if (asprintf(&path, "%s/rejected.db", state_dir) < 0) {
                path = NULL;
                return -ENOMEM;
        }
        r = open_at(path, ret);
        if (r != -EBADMSG)
                return r;
        if (asprintf(&aside, "%s.damaged", path) < 0) {
                aside = NULL;
                return -ENOMEM;
        }
        if (rename(path, aside) < 0)
                return -errno;
        for (size_t i = 0; i < ELEMENTS(endings); i++) {
                char *beside freed_by(freep) = NULL;

                if (asprintf(&beside, "%s%s", path, endings[i]) < 0) {
                        beside = NULL;
                        return -ENOMEM;
                }
                (void) unlink(beside);
        }
        return open_at(path, ret);
}

/* -- writing ------------------------------------------------------------------------------------------------- */

int rejected_file_begin(struct rejected_file *file) {
        return sqlite3_exec(file->database, "BEGIN IMMEDIATE", NULL, NULL, NULL) == SQLITE_OK
                       ? 0
                       : error_of(file->database);
}

int rejected_file_commit(struct rejected_file *file) {
        return sqlite3_exec(file->database, "COMMIT", NULL, NULL, NULL) == SQLITE_OK
                       ? 0
                       : error_of(file->database);
}

/* What makes two entries the same. */
static void write_name(struct buf *buf, const struct rejected_entry *entry) {
        char digest[DIGEST_TEXT];

        buf_fmt(buf, "%s\n", entry->emitter);
        if (entry->source && entry->id) {
                buf_fmt(buf, "%s\n%s", entry->source, entry->id);
                return;
        }
        digest_bytes(entry->bytes, entry->n_bytes, digest);
        buf_fmt(buf, "#%s", digest);
}

int rejected_file_put(struct rejected_file *file, const struct rejected_entry *entry) {
        struct buf name freed_by(buf_done) = { 0 };
        int64_t size = (int64_t) (entry->n_bytes + strlen(entry->errors)) + ENTRY_BYTES, before = 0;
        sqlite3_stmt *statement = take(file, SIZE_OF);
        int r;

        write_name(&name, entry);
        if (name.error)
                return name.error;
        bind_text(statement, 1, buf_text(&name));
        r = step(file, statement);
        if (r > 0)
                before = sqlite3_column_int64(statement, 0);
        (void) sqlite3_reset(statement);
        if (r < 0)
                return r;
        statement = take(file, PUT);
        bind_text(statement, 1, buf_text(&name));
        bind_text(statement, 2, entry->emitter);
        bind_text(statement, 3, entry->source);
        bind_text(statement, 4, entry->id);
        bind_text(statement, 5, entry->document);
        (void) sqlite3_bind_int64(statement, 6, entry->at_ms);
        (void) sqlite3_bind_int64(statement, 7, (int64_t) entry->n_all);
        (void) sqlite3_bind_blob64(statement, 8, entry->bytes, entry->n_bytes, SQLITE_STATIC);
        bind_text(statement, 9, entry->errors);
        (void) sqlite3_bind_int64(statement, 10, size);
        r = finish(file, statement);
        (void) sqlite3_clear_bindings(statement); /* what was bound is not ours */
        if (r == 0)
                file->n_bytes += size - before;
        return r;
}

int rejected_file_count(struct rejected_file *file, const char *emitter, int64_t now_ms, int64_t n) {
        sqlite3_stmt *statement = take(file, COUNT);
        int r;

        bind_text(statement, 1, emitter);
        (void) sqlite3_bind_int64(statement, 2, now_ms / DAY_MS);
        (void) sqlite3_bind_int64(statement, 3, n);
        r = finish(file, statement);
        (void) sqlite3_clear_bindings(statement);
        return r;
}

int rejected_file_remove(struct rejected_file *file, int64_t number) {
        sqlite3_stmt *statement = take(file, REMOVE);
        int r;

        (void) sqlite3_bind_int64(statement, 1, number);
        r = step(file, statement);
        if (r > 0)
                file->n_bytes -= sqlite3_column_int64(statement, 0);
        (void) sqlite3_reset(statement);
        return r < 0 ? r : 0;
}

/* Takes away the first one that the statement names; 0 when there is none. */
static int remove_first(struct rejected_file *file, sqlite3_stmt *statement) {
        int64_t number;
        int r = step(file, statement);

        number = r > 0 ? sqlite3_column_int64(statement, 0) : 0;
        (void) sqlite3_reset(statement);
        if (r <= 0)
                return r;
        r = rejected_file_remove(file, number);
        return r < 0 ? r : 1;
}

int rejected_file_tidy(struct rejected_file *file, int64_t now_ms) {
        sqlite3_stmt *statement = take(file, FORGET);
        int r;

        (void) sqlite3_bind_int64(statement, 1, (now_ms - KEPT_MS) / DAY_MS);
        r = finish(file, statement);
        for (int i = 0; i < OLD_AT_ONCE && r >= 0; i++) {
                statement = take(file, OLD);
                (void) sqlite3_bind_int64(statement, 1, now_ms - KEPT_MS);
                r = remove_first(file, statement);
                if (r == 0)
                        break;
        }
        return r < 0 ? r : 0;
}

int rejected_file_fit(struct rejected_file *file, int64_t most_bytes) {
        int r = 1;

        while (file->n_bytes > most_bytes && r > 0)
                r = remove_first(file, take(file, OLDEST));
        return r < 0 ? r : 0;
}

int rejected_file_set_errors(struct rejected_file *file, int64_t number, int64_t now_ms,
                             const char *errors) {
        sqlite3_stmt *statement = take(file, SET_ERRORS);
        int r;

        (void) sqlite3_bind_int64(statement, 1, number);
        (void) sqlite3_bind_int64(statement, 2, now_ms);
        bind_text(statement, 3, errors);
        r = finish(file, statement);
        (void) sqlite3_clear_bindings(statement);
        return r;
}

/* -- reading -------------------------------------------------------------------------------------------------- */

static int read_row(sqlite3_stmt *statement, struct rejected_entry *ret) {
        *ret = (struct rejected_entry) {
                .number = sqlite3_column_int64(statement, 0),
                .at_ms = sqlite3_column_int64(statement, 1),
                .times = sqlite3_column_int64(statement, 2),
                .emitter = column_text(statement, 3),
                .source = column_text(statement, 4),
                .id = column_text(statement, 5),
                .document = column_text(statement, 6),
                .n_all = (uint64_t) sqlite3_column_int64(statement, 7),
                .errors = column_text(statement, 8),
        };
        return ret->emitter && ret->errors ? 0 : -ENOMEM;
}

/* Each code once, by blanks, and the first sentence. */
static void add_errors(json_t *row, const char *text) {
        json_t *errors = json_loads(text, 0, NULL), *codes = json_array();
        const json_t *error, *known;
        size_t i, k;

        json_array_foreach(errors, i, error) {
                json_t *code = json_object_get(error, "code");
                bool is_known = false;

                json_array_foreach(codes, k, known)
                        is_known = is_known || json_equal(known, code);
                if (!is_known)
                        (void) json_array_append(codes, code);
        }
        (void) json_object_set_new(row, "codes", codes);
        (void) json_object_set(row, "error", json_object_get(json_array_get(errors, 0), "message"));
        json_decref(errors);
}

json_t *rejected_file_list(struct rejected_file *file, size_t most) {
        sqlite3_stmt *statement = take(file, LIST);
        json_t *rows = json_array();

        (void) sqlite3_bind_int64(statement, 1, (int64_t) most);
        while (rows && sqlite3_step(statement) == SQLITE_ROW) {
                struct rejected_entry entry freed_by(rejected_entry_done) = { 0 };
                char at[MOMENT_TEXT];
                json_t *row;

                if (read_row(statement, &entry) < 0)
                        break;
                row = json_pack("{s:I, s:s, s:I, s:s, s:s?, s:s?, s:s?, s:I}", "number",
                                (json_int_t) entry.number, "at", moment_write(entry.at_ms, at), "times",
                                (json_int_t) entry.times, "emitter", entry.emitter, "source",
                                entry.source, "id", entry.id, "document", entry.document, "size",
                                (json_int_t) entry.n_all);
                add_errors(row, entry.errors);
                (void) json_array_append_new(rows, row);
        }
        (void) sqlite3_reset(statement);
        return rows;
}

json_t *rejected_file_left_out(struct rejected_file *file) {
        sqlite3_stmt *statement = take(file, LEFT_OUT);
        json_t *rows = json_array();

        while (rows && sqlite3_step(statement) == SQLITE_ROW) {
                char at[MOMENT_TEXT];

                (void) moment_write(sqlite3_column_int64(statement, 1) * DAY_MS, at);
                (void) json_array_append_new(
                        rows, json_pack("{s:s, s:s%, s:I}", "emitter",
                                        (const char *) sqlite3_column_text(statement, 0), "day", at,
                                        (size_t) 10, "count",
                                        (json_int_t) sqlite3_column_int64(statement, 2)));
        }
        (void) sqlite3_reset(statement);
        return rows;
}

int rejected_file_find(struct rejected_file *file, int64_t number, struct rejected_entry *ret) {
        struct rejected_entry entry freed_by(rejected_entry_done) = { 0 };
        sqlite3_stmt *statement = take(file, FIND);
        int r;

        (void) sqlite3_bind_int64(statement, 1, number);
        r = step(file, statement);
        if (r > 0) {
                r = read_row(statement, &entry);
                entry.n_bytes = (size_t) sqlite3_column_bytes(statement, 9);
                entry.bytes = malloc(entry.n_bytes + 1);
                if (!entry.bytes)
                        r = -ENOMEM;
                else {
                        if (entry.n_bytes > 0)
                                memcpy(entry.bytes, sqlite3_column_blob(statement, 9), entry.n_bytes);
                        entry.bytes[entry.n_bytes] = '\0';
                }
        } else if (r == 0)
                r = -ENOENT;
        (void) sqlite3_reset(statement);
        if (r < 0)
                return r;
        *ret = entry;
        entry = (struct rejected_entry) { 0 };
        return 0;
}
