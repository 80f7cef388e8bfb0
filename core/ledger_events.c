/* Whose bytes the store has, beside the ledger: what ledgerd asks it to let go, or gives it back. */
#include <errno.h>
#include <stddef.h>

#include "core/ledger_writer.h"

static int each_event(struct ledger *ledger, sqlite3_stmt *statement, ledger_event_fn *on_event,
                      void *userdata) {
        int step, r = 0;

        while (r == 0 && (step = sqlite3_step(statement)) != SQLITE_DONE) {
                const struct ledger_source *source;
                struct ledger_event event;

                if (step != SQLITE_ROW) {
                        r = db_error(&ledger->db);
                        break;
                }
                source = db_source(&ledger->db, sqlite3_column_int64(statement, 2));
                event = (struct ledger_event) {
                        .ulid = (const char *) sqlite3_column_text(statement, 0),
                        .region = (const char *) sqlite3_column_text(statement, 1),
                        .source = source ? source->name : "",
                        .id = (const char *) sqlite3_column_text(statement, 3),
                        .document = (const char *) sqlite3_column_text(statement, 4),
                };
                if (!event.ulid || !event.region || !event.id || !event.document)
                        r = -ENOMEM;
                else
                        r = on_event(&event, userdata);
        }
        writer_done(statement);
        return r;
}

/* Else each question takes and gives back its locks. */
int ledger_look(struct ledger *ledger) {
        return db_run(&ledger->db, "BEGIN");
}

void ledger_look_done(struct ledger *ledger) {
        (void) sqlite3_exec(ledger->db.db, "COMMIT", NULL, NULL, NULL);
}

int ledger_events_in_store(struct ledger *ledger, const char *region, const char *document,
                           ledger_event_fn *on_event, void *userdata) {
        writer_bind_text(ledger->statements[IN_STORE], 1, region);
        writer_bind_text(ledger->statements[IN_STORE], 2, document);
        return each_event(ledger, ledger->statements[IN_STORE], on_event, userdata);
}

int ledger_all_in_store(struct ledger *ledger, const char *region, const char *document, size_t most,
                        ledger_event_fn *on_event, void *userdata) {
        sqlite3_stmt *all = ledger->statements[ALL_IN_STORE];

        writer_bind_text(all, 1, region);
        writer_bind_text(all, 2, document);
        (void) sqlite3_bind_int64(all, 3, (sqlite3_int64) most);
        return each_event(ledger, all, on_event, userdata);
}

int ledger_end_in_store(struct ledger *ledger, const char *region, const char *document, const char *ulid) {
        sqlite3_stmt *end = ledger->statements[END_IN_STORE];

        writer_bind_text(end, 1, region);
        writer_bind_text(end, 2, document);
        writer_bind_text(end, 3, ulid);
        return writer_run(ledger, end);
}

int ledger_put_in_store(struct ledger *ledger, const char *ulid) {
        sqlite3_stmt *put = ledger->statements[PUT_IN_STORE];

        writer_bind_text(put, 1, ulid);
        return writer_run(ledger, put);
}

int ledger_bytes(struct ledger *ledger, const char *ulid, char **ret, size_t *ret_n) {
        return db_bytes(&ledger->db, ulid, ret, ret_n);
}
