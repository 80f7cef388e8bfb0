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
                source = db_source(&ledger->db, sqlite3_column_int64(statement, 3));
                event = (struct ledger_event) {
                        .seq = sqlite3_column_int64(statement, 0),
                        .ulid = (const char *) sqlite3_column_text(statement, 1),
                        .region = (const char *) sqlite3_column_text(statement, 2),
                        .source = source ? source->name : "",
                        .id = (const char *) sqlite3_column_text(statement, 4),
                        .document = (const char *) sqlite3_column_text(statement, 5),
                };
                if (!event.ulid || !event.region || !event.id || !event.document)
                        r = -ENOMEM;
                else
                        r = on_event(&event, userdata);
        }
        writer_done(statement);
        return r;
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

int ledger_set_in_store(struct ledger *ledger, const char *ulid, bool in_store) {
        sqlite3_stmt *set = ledger->statements[SET_STAGE];

        writer_bind_text(set, 1, ulid);
        (void) sqlite3_bind_int(set, 2, in_store ? STAGE_IN_STORE : STAGE_LEDGER_ONLY);
        return writer_run(ledger, set);
}

int ledger_bytes(struct ledger *ledger, const char *ulid, char **ret, size_t *ret_n) {
        return db_bytes(&ledger->db, ulid, ret, ret_n);
}
