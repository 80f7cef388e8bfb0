/* The local file tree: a folder of public files, and an SQLite index of entries beside it (in the
 * state folder, not among the public files).
 *
 * The index is the lock between processes, the fence against what is older than what is shown, and
 * the memory of what the lists consist of. Files are on disk before the index is. */
#include "daemons/channeld/channeld.h"

#include <errno.h>
#include <fcntl.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/attachments.h"
#include "core/clock.h"
#include "core/crash.h"
#include "core/files.h"
#include "core/memory.h"
#include "core/messages.h"
#include "core/moment.h"

struct tree {
        struct channeld *daemon;
        char *root; /* NULL: the index alone */
        sqlite3 *db;
        bool begun;
        char *error; /* of the last reply */
        json_t *previous, *views, *tags, *months;
};

static const char schema[] =
        "PRAGMA journal_mode = WAL;"
        "PRAGMA synchronous = FULL;"
        "CREATE TABLE IF NOT EXISTS entry ("
        "  id INTEGER PRIMARY KEY, region TEXT NOT NULL, document TEXT NOT NULL,"
        "  revision INTEGER NOT NULL, level INTEGER NOT NULL, live INTEGER NOT NULL,"
        "  date_ms INTEGER NOT NULL, until_ms INTEGER NOT NULL, data TEXT NOT NULL,"
        "  UNIQUE (region, document));"
        /* One row per live entry and tag; tag '' holds them all. */
        "CREATE TABLE IF NOT EXISTS tag ("
        "  tag TEXT NOT NULL, month TEXT NOT NULL, date_ms INTEGER NOT NULL, entry INTEGER NOT NULL,"
        "  PRIMARY KEY (tag, date_ms, entry)) WITHOUT ROWID;"
        "CREATE INDEX IF NOT EXISTS tag_month ON tag (tag, month, date_ms, entry);"
        "CREATE INDEX IF NOT EXISTS tag_entry ON tag (entry);"
        /* How many of each, so that nobody has to count. */
        "CREATE TABLE IF NOT EXISTS tally ("
        "  tag TEXT NOT NULL, month TEXT NOT NULL, n INTEGER NOT NULL,"
        "  PRIMARY KEY (tag, month)) WITHOUT ROWID;";

static void statement_done(sqlite3_stmt **statement) {
        (void) sqlite3_finalize(*statement);
}

static sqlite3_stmt *prepare(struct tree *tree, const char *sql) {
        sqlite3_stmt *statement = NULL;

        return sqlite3_prepare_v2(tree->db, sql, -1, &statement, NULL) == SQLITE_OK ? statement
                                                                                    : NULL;
}

static int run(struct tree *tree, const char *sql) {
        return sqlite3_exec(tree->db, sql, NULL, NULL, NULL);
}

/* -- errors --------------------------------------------------------------------------------------- */

static void fail(struct tree *tree, struct tree_reply *ret, enum tree_status status,
                 const char *what, const char *why) {
        free(tree->error);
        tree->error = say(MESSAGE_TREE_FAILED, "path", what, "reason", why, NULL);
        tree_rollback(tree->daemon);
        *ret = (struct tree_reply) { .status = status, .error = tree->error ? tree->error : why };
}

static void fail_index(struct tree *tree, struct tree_reply *ret) {
        int code = sqlite3_errcode(tree->db);
        char *words = strdup(sqlite3_errmsg(tree->db)); /* the rollback changes it */

        fail(tree, ret, code == SQLITE_BUSY || code == SQLITE_LOCKED ? TREE_BUSY : TREE_FAILED,
             "index.db", words ? words : "?");
        free(words);
}

/* -- the index ------------------------------------------------------------------------------------ */

static bool tags_change(struct tree *tree, sqlite3_int64 entry, int by) {
        sqlite3_stmt *tally freed_by(statement_done) = prepare(
                tree, "INSERT INTO tally (tag, month, n) SELECT tag, month, ?2 FROM tag WHERE entry = "
                      "?1 ON CONFLICT (tag, month) DO UPDATE SET n = n + ?2");

        if (!tally)
                return false;
        (void) sqlite3_bind_int64(tally, 1, entry);
        (void) sqlite3_bind_int(tally, 2, by);
        return sqlite3_step(tally) == SQLITE_DONE;
}

static bool tags_drop(struct tree *tree, sqlite3_int64 entry) {
        sqlite3_stmt *drop freed_by(statement_done) =
                prepare(tree, "DELETE FROM tag WHERE entry = ?1");

        if (!drop || !tags_change(tree, entry, -1))
                return false;
        (void) sqlite3_bind_int64(drop, 1, entry);
        return sqlite3_step(drop) == SQLITE_DONE;
}

static bool tag_add(struct tree *tree, sqlite3_int64 entry, const char *tag, int64_t date_ms) {
        sqlite3_stmt *add freed_by(statement_done) =
                prepare(tree, "INSERT OR IGNORE INTO tag (tag, month, date_ms, entry) VALUES (?, ?, "
                              "?, ?)");
        char date[MOMENT_TEXT];

        if (!add)
                return false;
        (void) sqlite3_bind_text(add, 1, tag, -1, SQLITE_TRANSIENT);
        (void) sqlite3_bind_text(add, 2, moment_write_date(date_ms, date), 7, SQLITE_TRANSIENT);
        (void) sqlite3_bind_int64(add, 3, date_ms);
        (void) sqlite3_bind_int64(add, 4, entry);
        return sqlite3_step(add) == SQLITE_DONE;
}

static bool entry_put(struct tree *tree, const char *region, const char *document,
                      const struct tree_open *open) {
        sqlite3_stmt *put freed_by(statement_done) = prepare(
                tree,
                "INSERT INTO entry (region, document, revision, level, live, date_ms, until_ms, data)"
                " VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8) ON CONFLICT (region, document) DO UPDATE"
                " SET revision = ?3, level = ?4, live = ?5, date_ms = ?6, until_ms = ?7, data = ?8"
                " RETURNING id");
        char *data freed_by(freep) = open->data ? json_dumps(open->data, JSON_COMPACT) : NULL;
        sqlite3_int64 id;
        size_t i;
        json_t *tag;

        if (!put)
                return false;
        (void) sqlite3_bind_text(put, 1, region, -1, SQLITE_TRANSIENT);
        (void) sqlite3_bind_text(put, 2, document, -1, SQLITE_TRANSIENT);
        (void) sqlite3_bind_int64(put, 3, open->revision);
        (void) sqlite3_bind_int(put, 4, (int) open->level);
        (void) sqlite3_bind_int(put, 5, open->live);
        (void) sqlite3_bind_int64(put, 6, open->date_ms);
        (void) sqlite3_bind_int64(put, 7, open->until_ms);
        (void) sqlite3_bind_text(put, 8, data ? data : "{}", -1, SQLITE_TRANSIENT);
        if (sqlite3_step(put) != SQLITE_ROW)
                return false;
        id = sqlite3_column_int64(put, 0);
        (void) sqlite3_reset(put);
        if (!tags_drop(tree, id))
                return false;
        if (!open->live)
                return true;
        if (!tag_add(tree, id, "", open->date_ms))
                return false;
        json_array_foreach(open->tags, i, tag) {
                if (!tag_add(tree, id, json_string_value(tag), open->date_ms))
                        return false;
        }
        return tags_change(tree, id, 1);
}

static json_t *text_json(sqlite3_stmt *statement, int column) {
        json_t *json = json_loads((const char *) sqlite3_column_text(statement, column), 0, NULL);

        return json ? json : json_object();
}

static bool view_read(struct tree *tree, const struct tree_view *view, json_t *rows) {
        sqlite3_stmt *read freed_by(statement_done) =
                prepare(tree, view->month ? "SELECT data FROM tag JOIN entry ON entry.id = tag.entry"
                                            " WHERE tag = ?1 AND month = ?2 AND (until_ms = 0 OR"
                                            " until_ms > ?3) ORDER BY tag.date_ms DESC, tag.entry"
                                            " DESC LIMIT ?4"
                                          : "SELECT data FROM tag JOIN entry ON entry.id = tag.entry"
                                            " WHERE tag = ?1 AND (until_ms = 0 OR until_ms > ?3)"
                                            " ORDER BY tag.date_ms DESC, tag.entry DESC LIMIT ?4");
        int r;

        if (!read)
                return false;
        (void) sqlite3_bind_text(read, 1, view->tag ? view->tag : "", -1, SQLITE_TRANSIENT);
        if (view->month)
                (void) sqlite3_bind_text(read, 2, view->month, -1, SQLITE_TRANSIENT);
        (void) sqlite3_bind_int64(read, 3, clock_now_ms());
        (void) sqlite3_bind_int64(read, 4, view->limit);
        while ((r = sqlite3_step(read)) == SQLITE_ROW)
                (void) json_array_append_new(rows, text_json(read, 0));
        return r == SQLITE_DONE;
}

static bool tallies_read(struct tree *tree) {
        sqlite3_stmt *read freed_by(statement_done) = prepare(
                tree, "SELECT tag, sum(n) FROM tally WHERE n > 0 GROUP BY tag ORDER BY tag");
        int r;

        if (!read)
                return false;
        while ((r = sqlite3_step(read)) == SQLITE_ROW)
                (void) json_object_set_new(tree->tags, (const char *) sqlite3_column_text(read, 0),
                                           json_integer(sqlite3_column_int64(read, 1)));
        return r == SQLITE_DONE;
}

static bool months_read(struct tree *tree, const char *tag) {
        sqlite3_stmt *read freed_by(statement_done) = prepare(
                tree, "SELECT month FROM tally WHERE tag = ? AND n > 0 ORDER BY month DESC");
        json_t *list;
        int r;

        if (json_object_get(tree->months, tag))
                return true;
        if (!read)
                return false;
        list = json_array();
        (void) json_object_set_new(tree->months, tag, list);
        (void) sqlite3_bind_text(read, 1, tag, -1, SQLITE_TRANSIENT);
        while ((r = sqlite3_step(read)) == SQLITE_ROW)
                (void) json_array_append_new(
                        list, json_string((const char *) sqlite3_column_text(read, 0)));
        return r == SQLITE_DONE;
}

/* Reads what is there of the document; false and *ret filled when something newer is. */
static bool fence(struct tree *tree, const char *region, const char *document,
                  const struct tree_open *open, struct tree_reply *ret) {
        sqlite3_stmt *read freed_by(statement_done) = prepare(
                tree, "SELECT revision, level, data FROM entry WHERE region = ? AND document = ?");
        int r;

        if (!read) {
                fail_index(tree, ret);
                return false;
        }
        (void) sqlite3_bind_text(read, 1, region, -1, SQLITE_TRANSIENT);
        (void) sqlite3_bind_text(read, 2, document, -1, SQLITE_TRANSIENT);
        r = sqlite3_step(read);
        if (r == SQLITE_ROW) {
                int64_t revision = sqlite3_column_int64(read, 0);
                unsigned level = (unsigned) sqlite3_column_int(read, 1);

                json_decref(tree->previous);
                tree->previous = text_json(read, 2);
                if (revision > open->revision ||
                    (revision == open->revision && level > open->level)) {
                        *ret = (struct tree_reply) { .status = TREE_NEWER,
                                                     .newer_revision = revision,
                                                     .newer_level = level,
                                                     .previous = tree->previous };
                        return false;
                }
        } else if (r != SQLITE_DONE) {
                fail_index(tree, ret);
                return false;
        }
        return true;
}

static void replies_reset(struct tree *tree) {
        json_decref(tree->views);
        json_decref(tree->tags);
        json_decref(tree->months);
        tree->views = json_array();
        tree->tags = json_object();
        tree->months = json_object();
}

void tree_open_entry(struct channeld *daemon, const char *region, const char *document,
                     const struct tree_open *open, struct tree_reply *ret) {
        struct tree *tree = daemon->tree;
        bool well = true;

        if (!tree->begun) {
                json_decref(tree->previous);
                tree->previous = NULL;
                if (run(tree, "BEGIN IMMEDIATE") != SQLITE_OK) {
                        fail_index(tree, ret);
                        return;
                }
                tree->begun = true;
        }
        replies_reset(tree);
        if (open->has_entry) {
                if (!fence(tree, region, document, open, ret))
                        return;
                well = entry_put(tree, region, document, open);
        }
        for (size_t i = 0; well && i < open->n_views; i++) {
                json_t *rows = json_array();

                (void) json_array_append_new(tree->views, rows);
                well = view_read(tree, &open->views[i], rows) &&
                       months_read(tree, open->views[i].tag ? open->views[i].tag : "");
        }
        well = well && tallies_read(tree);
        if (!well) {
                fail_index(tree, ret);
                return;
        }
        *ret = (struct tree_reply) { .status = TREE_OK,
                                     .previous = tree->previous,
                                     .views = tree->views,
                                     .tags = tree->tags,
                                     .months = tree->months };
}

/* -- the files ------------------------------------------------------------------------------------ */

/* Relative, no part empty, "." or "..", no control characters: stays below the root. */
static bool path_is_safe(const char *path) {
        const char *part = path;

        if (!*path || *path == '/' || strlen(path) > 1024)
                return false;
        for (const char *c = path;; c++) {
                size_t n = (size_t) (c - part);

                if (*c && *c != '/') {
                        if ((unsigned char) *c < 0x20 || *c == 0x7f)
                                return false;
                        continue;
                }
                if (n == 0 || n > 255 || (n == 1 && part[0] == '.') ||
                    (n == 2 && part[0] == '.' && part[1] == '.'))
                        return false;
                if (!*c)
                        return true;
                part = c + 1;
        }
}

static int make_folder_of(const char *path) {
        char *folder freed_by(freep) = strdup(path);
        char *slash = folder ? strrchr(folder, '/') : NULL;

        if (!slash)
                return -ENOMEM;
        *slash = '\0';
        return folder_make(folder, 0755);
}

static int put_attachment(struct tree *tree, const struct tree_file *file, const char *path) {
        char *source freed_by(freep) = attachment_path(tree->daemon->attachments_dir, file->sha256);
        char *bytes freed_by(freep) = NULL;
        size_t n;
        int r;

        if (!source)
                return -ENOMEM;
        r = file_read(source, ATTACHMENT_MAX_BYTES, &bytes, &n);
        if (r == -ENOENT && file->optional)
                return 0;
        return r < 0 ? r : file_write(path, bytes, n, 0644);
}

static bool is_the_same(const char *path, const char *content, size_t n_bytes) {
        char *there freed_by(freep) = NULL;
        struct stat status;
        size_t n;

        return stat(path, &status) == 0 && S_ISREG(status.st_mode) &&
               (size_t) status.st_size == n_bytes &&
               file_read(path, n_bytes + 1, &there, &n) == 0 && n == n_bytes &&
               memcmp(there, content, n) == 0;
}

static int put_file(struct tree *tree, const struct tree_file *file) {
        char *path freed_by(freep) = NULL;
        struct stat status;
        int r;

        if (!file->path || !path_is_safe(file->path) || !tree->root)
                return -EINVAL;
        if (asprintf(&path, "%s/%s", tree->root, file->path) < 0) {
                path = NULL;
                return -ENOMEM;
        }
        if (file->keep && stat(path, &status) == 0 && S_ISREG(status.st_mode) &&
            (size_t) status.st_size == file->n_bytes)
                return 0;
        if (file->content && is_the_same(path, file->content, file->n_bytes))
                return 0;
        r = make_folder_of(path);
        if (r < 0)
                return r;
        return file->content ? file_write(path, file->content, file->n_bytes, 0644)
                             : put_attachment(tree, file, path);
}

/* Removes a file, or a folder with the files in it (one level: what drivers make). */
static int remove_path(struct tree *tree, const char *relative) {
        char *path freed_by(freep) = NULL;
        int root, r;

        if (!path_is_safe(relative) || !tree->root)
                return -EINVAL;
        if (asprintf(&path, "%s/%s", tree->root, relative) < 0) {
                path = NULL;
                return -ENOMEM;
        }
        if (unlink(path) == 0 || errno == ENOENT || errno == ENOTDIR)
                return 0;
        if (errno != EISDIR && errno != EPERM)
                return -errno;
        root = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
        if (root < 0)
                return errno == ENOENT ? 0 : -errno;
        r = folder_empty(root);
        (void) close(root);
        if (r == 0 && rmdir(path) < 0 && errno != ENOENT)
                r = -errno;
        return r;
}

void tree_commit_files(struct channeld *daemon, const struct tree_commit *commit,
                       struct tree_reply *ret) {
        struct tree *tree = daemon->tree;
        int r;

        for (size_t i = 0; i < commit->n_files; i++) {
                r = put_file(tree, &commit->files[i]);
                if (r < 0) {
                        fail(tree, ret, TREE_FAILED, commit->files[i].path, strerror(-r));
                        return;
                }
                crash_point("channeld/tree-file-put");
        }
        for (size_t i = 0; i < commit->n_removals; i++) {
                r = remove_path(tree, commit->removals[i]);
                if (r < 0) {
                        fail(tree, ret, TREE_FAILED, commit->removals[i], strerror(-r));
                        return;
                }
        }
        crash_point("channeld/tree-files-put");
        if (tree->begun && run(tree, "COMMIT") != SQLITE_OK) {
                fail_index(tree, ret);
                return;
        }
        crash_point("channeld/tree-committed");
        tree->begun = false;
        *ret = (struct tree_reply) { .status = TREE_OK };
}

void tree_rollback(struct channeld *daemon) {
        struct tree *tree = daemon->tree;

        if (tree && tree->begun) {
                (void) run(tree, "ROLLBACK");
                tree->begun = false;
        }
}

/* -- opening ---------------------------------------------------------------------------------------- */

/* A driver that shows on the tree has a setting `root`: the folder of public files. */
static const char *root_of(const struct channeld *daemon) {
        for (size_t i = 0; i < daemon->driver->n_settings; i++) {
                const struct setting *setting = &daemon->driver->settings[i];

                if (strcmp(setting->key, "root") == 0 && setting->kind == SETTING_STRING)
                        return *(char *const *) ((const char *) daemon->options + setting->offset);
        }
        return NULL;
}

int tree_open_index(struct channeld *daemon) {
        const char *root = root_of(daemon);
        char *folder freed_by(freep) = NULL;
        char *path freed_by(freep) = NULL;
        struct tree *tree;
        int r;

        if (!root && !daemon->driver->index)
                return 0;
        tree = calloc(1, sizeof(*tree));
        if (!tree)
                return -ENOMEM;
        daemon->tree = tree;
        tree->daemon = daemon;
        tree->root = root ? strdup(root) : NULL;
        if ((root && !tree->root) ||
            asprintf(&folder, "%s/channels/%s", daemon->configuration->main.state_dir,
                     daemon->channel->name) < 0 ||
            asprintf(&path, "%s/index.db", folder) < 0)
                return -ENOMEM;
        r = root ? folder_make(tree->root, 0755) : 0;
        if (r == 0)
                r = folder_make(folder, 0750);
        if (r < 0)
                return r;
        if (sqlite3_open_v2(path, &tree->db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE, NULL) !=
            SQLITE_OK)
                return -EIO;
        (void) sqlite3_busy_timeout(tree->db, 2000);
        return run(tree, schema) == SQLITE_OK ? 0 : -EIO;
}

void tree_close_index(struct channeld *daemon) {
        struct tree *tree = daemon->tree;

        if (!tree)
                return;
        tree_rollback(daemon);
        (void) sqlite3_close(tree->db);
        json_decref(tree->previous);
        json_decref(tree->views);
        json_decref(tree->tags);
        json_decref(tree->months);
        free(tree->root);
        free(tree->error);
        free(tree);
        daemon->tree = NULL;
}
