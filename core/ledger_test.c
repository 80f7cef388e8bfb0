#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <jansson.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/ledger_parts.h"
#include "core/memory.h"

static char folder[64], path[96], head_path[96];

static int make_folder(void **state) {
        (void) state;
        (void) snprintf(folder, sizeof(folder), "/tmp/ledger-test-XXXXXX");
        assert_non_null(mkdtemp(folder));
        (void) snprintf(path, sizeof(path), "%s/ledger.db", folder);
        (void) snprintf(head_path, sizeof(head_path), "%s/ledger.head", folder);
        return 0;
}

static int remove_folder(void **state) {
        static const char *const names[] = { "ledger.db", "ledger.db-wal", "ledger.db-shm", "ledger.head" };
        char name[120];

        (void) state;
        for (size_t i = 0; i < ELEMENTS(names); i++) {
                (void) snprintf(name, sizeof(name), "%s/%s", folder, names[i]);
                (void) unlink(name);
        }
        return rmdir(folder);
}

/* -- making one ----------------------------------------------------------------------------------- */

#define EVENT_A "01JDB300000000000000000001"
#define EVENT_B "01JDB300000000000000000002"
#define OA "urn:gongkai:530581:oa"

static struct ledger_row record(int64_t n, const char *state, const char *document, const char *event,
                                const char *channel) {
        return (struct ledger_row) {
                .n = n, .at_ms = 1790000000000 + n, .state = state, .document = document, .revision = 1,
                .event = event, .channel = channel, .attempt = *channel ? 1 : -1, .code = "", .reference = "",
                .url = "", .sentence = "", .extra = "",
        };
}

static int add(struct ledger *ledger, struct ledger_row row, const char *bytes) {
        return ledger_add(ledger, "530581", &row, bytes, bytes ? strlen(bytes) : 0);
}

static struct ledger *new_ledger(void) {
        struct ledger *ledger = NULL;

        assert_int_equal(ledger_open(path, &ledger), 0);
        assert_int_equal(ledger_begin(ledger), 0);
        assert_int_equal(ledger_begin_era(ledger, "530581", "EPOCH1", "", 0), 0);
        assert_int_equal(ledger_commit(ledger), 0);
        return ledger;
}

/* Seven rows: two events, one shown and one dead, and a word of the operator. */
static void fill(struct ledger *ledger) {
        struct ledger_row row;

        assert_int_equal(ledger_begin(ledger), 0);
        row = record(1, "accepted", "doc-a", EVENT_A, "");
        row.code = "P";
        row.extra = "local " OA " id a";
        assert_int_equal(add(ledger, row, "{\"a\":1}"), 0);
        row = record(2, "attempted", "doc-a", EVENT_A, "portal");
        row.code = "http/500";
        row.sentence = "忙";
        assert_int_equal(add(ledger, row, NULL), 0);
        row = record(3, "published", "doc-a", EVENT_A, "portal");
        row.reference = "ref-1";
        row.url = "http://example/1";
        row.attempt = 2;
        row.extra = "1790000000000 12 w-1";
        assert_int_equal(add(ledger, row, NULL), 0);
        row = record(4, "held", "doc-b", EVENT_B, "");
        row.extra = "local " OA " id-b";
        assert_int_equal(add(ledger, row, "{\"b\":1}"), 0);
        row = record(5, "accepted", "doc-b", EVENT_B, "");
        row.extra = "root " OA " id-b";
        assert_int_equal(add(ledger, row, "{\"b\":1}"), 0);
        row = record(6, "dead", "doc-b", EVENT_B, "portal");
        row.sentence = "refused";
        assert_int_equal(add(ledger, row, NULL), 0);
        row = record(7, "stopped", "", "", "");
        row.extra = "root";
        assert_int_equal(add(ledger, row, NULL), 0);
        assert_int_equal(ledger_advance(ledger, "530581", 7, "1790000000007-0"), 0);
        assert_int_equal(ledger_commit(ledger), 0);
}

static struct ledger_verdict verify_with(const struct ledger_head *known) {
        struct ledger_reader *reader freed_by(ledger_reader_freep) = NULL;
        struct ledger_verdict verdict;

        assert_int_equal(ledger_reader_open(path, &reader), 0);
        assert_int_equal(ledger_verify(reader, known, &verdict), 0);
        return verdict;
}

static void sql(const char *text) {
        sqlite3 *db = NULL;
        char *error = NULL;

        assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
        if (sqlite3_exec(db, text, NULL, NULL, &error) != SQLITE_OK)
                fail_msg("%s: %s", text, error);
        (void) sqlite3_close(db);
}

/* -- tests ---------------------------------------------------------------------------------------- */

static void what_was_written_is_whole_and_read_back(void **state) {
        struct ledger *ledger freed_by(ledger_freep) = new_ledger();
        struct ledger_position position;
        struct ledger_verdict verdict;
        char *bytes freed_by(freep) = NULL;
        size_t n;

        (void) state;
        fill(ledger);
        verdict = verify_with(NULL);
        assert_int_equal(verdict.fault, LEDGER_WHOLE);
        assert_int_equal(verdict.n_rows, 7);
        assert_int_equal(verdict.n_events, 2);
        assert_int_equal(ledger_position(ledger, "530581", &position), 0);
        assert_int_equal(position.n, 7);
        assert_int_equal(position.receipt, 6); /* of the word to the operator nobody is told */
        assert_string_equal(position.id, "1790000000007-0");
        assert_int_equal(ledger_bytes(ledger, EVENT_B, &bytes, &n), 0);
        assert_string_equal(bytes, "{\"b\":1}");
        assert_int_equal(ledger_position(ledger, "530582", &position), -ENOENT);
}

static void it_goes_on_where_it_was_after_a_restart(void **state) {
        struct ledger *ledger = new_ledger();
        struct ledger_head before;

        (void) state;
        fill(ledger);
        before = ledger_head(ledger);
        (void) ledger_free(ledger);
        assert_int_equal(ledger_open(path, &ledger), 0);
        assert_int_equal(ledger_head(ledger).seq, before.seq);
        assert_memory_equal(ledger_head(ledger).hash, before.hash, LEDGER_HASH);
        assert_int_equal(ledger_begin(ledger), 0);
        assert_int_equal(add(ledger, record(8, "withdrawn", "doc-a", EVENT_A, "portal"), NULL), 0);
        assert_int_equal(ledger_advance(ledger, "530581", 8, "1790000000008-0"), 0);
        assert_int_equal(ledger_commit(ledger), 0);
        assert_int_equal(verify_with(&before).fault, LEDGER_WHOLE);
        (void) ledger_free(ledger);
}

static void the_same_record_is_in_once(void **state) {
        struct ledger *ledger freed_by(ledger_freep) = new_ledger();

        (void) state;
        fill(ledger);
        assert_int_equal(ledger_begin(ledger), 0);
        assert_int_equal(add(ledger, record(3, "published", "doc-a", EVENT_A, "portal"), NULL), -EEXIST);
        assert_int_equal(add(ledger, record(8, "published", "doc-a", EVENT_A, "portal"), NULL), 0);
        assert_int_equal(ledger_advance(ledger, "530581", 8, "1790000000008-0"), 0);
        assert_int_equal(ledger_commit(ledger), 0);
        assert_int_equal(verify_with(NULL).n_rows, 8);
        assert_int_equal(verify_with(NULL).fault, LEDGER_WHOLE);
}

static void what_is_rolled_back_was_never_there(void **state) {
        struct ledger *ledger freed_by(ledger_freep) = new_ledger();
        struct ledger_head before;
        struct ledger_position position;
        struct ledger_row row = record(8, "accepted", "doc-c", "01JDB300000000000000000003", "");

        (void) state;
        fill(ledger);
        before = ledger_head(ledger);
        row.extra = "local urn:gongkai:530581:other id-c";
        assert_int_equal(ledger_begin(ledger), 0);
        assert_int_equal(add(ledger, row, "x"), 0);
        assert_int_equal(ledger_advance(ledger, "530581", 8, "1790000000008-0"), 0);
        ledger_rollback(ledger);
        assert_int_equal(ledger_head(ledger).seq, before.seq);
        assert_int_equal(ledger_position(ledger, "530581", &position), 0);
        assert_int_equal(position.n, 7);
        assert_int_equal(position.receipt, 6);
        assert_int_equal(ledger_begin(ledger), 0);
        assert_int_equal(add(ledger, row, "x"), 0);
        assert_int_equal(ledger_advance(ledger, "530581", 8, "1790000000008-0"), 0);
        assert_int_equal(ledger_commit(ledger), 0);
        assert_int_equal(verify_with(NULL).fault, LEDGER_WHOLE);
}

/* Whoever can write the file can write anything: each change must be named with its row. */
static void every_change_is_found_and_named(void **state) {
        static const struct {
                const char *sql;
                enum ledger_fault fault;
                int64_t seq;
        } changes[] = {
                { "UPDATE entry SET era = 99 WHERE seq = 3", LEDGER_ROW_CHANGED, 3 },
                { "UPDATE entry SET n = 33 WHERE seq = 3", LEDGER_ROW_CHANGED, 3 },
                { "UPDATE entry SET at = at + 1 WHERE seq = 3", LEDGER_ROW_CHANGED, 3 },
                { "UPDATE entry SET state = 'withdrawn' WHERE seq = 3", LEDGER_ROW_CHANGED, 3 },
                { "UPDATE entry SET document = 'doc-b' WHERE seq = 3", LEDGER_ROW_CHANGED, 3 },
                { "UPDATE entry SET revision = 2 WHERE seq = 3", LEDGER_ROW_CHANGED, 3 },
                { "UPDATE entry SET level = 1 WHERE seq = 3", LEDGER_ROW_CHANGED, 3 },
                { "UPDATE entry SET event = '' WHERE seq = 3", LEDGER_ROW_CHANGED, 3 },
                { "UPDATE entry SET channel = 'hall' WHERE seq = 3", LEDGER_ROW_CHANGED, 3 },
                { "UPDATE entry SET attempt = 1 WHERE seq = 3", LEDGER_ROW_CHANGED, 3 },
                { "UPDATE entry SET attempt = NULL WHERE seq = 3", LEDGER_ROW_CHANGED, 3 },
                { "UPDATE entry SET attempt = -1 WHERE seq = 7", LEDGER_ROW_CHANGED, 7 },
                { "UPDATE entry SET code = 'x' WHERE seq = 3", LEDGER_ROW_CHANGED, 3 },
                { "UPDATE entry SET reference = 'ref-2' WHERE seq = 3", LEDGER_ROW_CHANGED, 3 },
                { "UPDATE entry SET url = 'http://example/2' WHERE seq = 3", LEDGER_ROW_CHANGED, 3 },
                { "UPDATE entry SET sentence = 'x' WHERE seq = 2", LEDGER_ROW_CHANGED, 2 },
                { "UPDATE entry SET extra = '1790000000000 13 w-1' WHERE seq = 3", LEDGER_ROW_CHANGED, 3 },
                { "UPDATE entry SET extra = CAST(x'313739' AS TEXT) WHERE seq = 3", LEDGER_ROW_CHANGED, 3 },
                { "UPDATE entry SET document = document || char(0) || 'x' WHERE seq = 3", LEDGER_ROW_CHANGED, 3 },
                { "UPDATE entry SET source = NULL WHERE seq = 3", LEDGER_ROW_CHANGED, 3 },
                { "UPDATE entry SET receipt = 9 WHERE seq = 3", LEDGER_ROW_CHANGED, 3 },
                { "UPDATE entry SET receipt = NULL WHERE seq = 3", LEDGER_ROW_CHANGED, 3 },
                { "UPDATE entry SET receipt = 0 WHERE seq = 7", LEDGER_ROW_CHANGED, 7 },
                { "UPDATE entry SET digest = zeroblob(32) WHERE seq = 1", LEDGER_ROW_CHANGED, 1 },
                { "UPDATE entry SET digest = NULL WHERE seq = 1", LEDGER_ROW_CHANGED, 1 },
                { "UPDATE entry SET digest = zeroblob(32) WHERE seq = 3", LEDGER_ROW_CHANGED, 3 },
                { "UPDATE entry SET alg = 'sha256' WHERE seq = 3", LEDGER_ROW_CHANGED, 3 },
                { "UPDATE entry SET alg = 'md5' WHERE seq = 3", LEDGER_ROW_CHANGED, 3 },
                { "UPDATE entry SET hash = zeroblob(32) WHERE seq = 3", LEDGER_ROW_CHANGED, 3 },
                { "UPDATE entry SET hash = x'' WHERE seq = 3", LEDGER_ROW_CHANGED, 3 },
                { "UPDATE entry SET hash = (SELECT hash FROM entry WHERE seq = 6) WHERE seq = 7", LEDGER_ROW_CHANGED, 7 },
                { "UPDATE era SET epoch = 'EPOCH2'", LEDGER_ROW_CHANGED, 1 },
                { "UPDATE era SET region = '530582'", LEDGER_ROW_CHANGED, 1 },
                { "UPDATE era SET adoption = 'x'", LEDGER_ROW_CHANGED, 1 },
                { "UPDATE source SET name = 'urn:gongkai:530581:x'", LEDGER_ROW_CHANGED, 1 },
                { "DELETE FROM source", LEDGER_ROW_CHANGED, 1 },
                { "DELETE FROM entry WHERE seq = 3", LEDGER_ROW_MISSING, 3 },
                { "DELETE FROM entry WHERE seq = 1", LEDGER_ROW_MISSING, 1 },
                { "UPDATE entry SET seq = 30 WHERE seq = 7", LEDGER_ROW_MISSING, 7 },
                { "UPDATE event SET bytes = x'7b7d' WHERE seq = 4", LEDGER_BYTES_CHANGED, 4 },
                { "UPDATE event SET bytes = NULL WHERE seq = 4", LEDGER_BYTES_MISSING, 4 },
                { "DELETE FROM event WHERE seq = 4", LEDGER_BYTES_MISSING, 4 },
                { "UPDATE event SET ulid = 'x' WHERE seq = 4", LEDGER_EVENT_CHANGED, 4 },
                { "UPDATE event SET region = '530582' WHERE seq = 4", LEDGER_EVENT_CHANGED, 4 },
                { "UPDATE event SET source = 9 WHERE seq = 4", LEDGER_EVENT_CHANGED, 4 },
                { "UPDATE event SET id = 'id-c' WHERE seq = 4", LEDGER_EVENT_CHANGED, 4 },
                { "UPDATE event SET document = 'doc-c' WHERE seq = 4", LEDGER_EVENT_CHANGED, 4 },
                { "UPDATE event SET seq = 8 WHERE seq = 4", LEDGER_BYTES_MISSING, 4 },
                { "INSERT INTO event SELECT 3, 'y', region, source, id, document, 1, bytes FROM event WHERE seq = 4",
                  LEDGER_EVENT_CHANGED, 3 },
                { "INSERT INTO event SELECT 8, 'y', region, source, id, document, 1, bytes FROM event WHERE seq = 4",
                  LEDGER_EVENT_ODD, 8 },
                { "UPDATE position SET n = 6", LEDGER_POSITION_WRONG, 7 },
                { "UPDATE position SET receipt = 5", LEDGER_POSITION_WRONG, 7 },
        };

        (void) state;
        for (size_t i = 0; i < ELEMENTS(changes); i++) {
                struct ledger *ledger = new_ledger();
                struct ledger_verdict verdict;

                fill(ledger);
                (void) ledger_free(ledger);
                sql(changes[i].sql);
                verdict = verify_with(NULL);
                if (verdict.fault != changes[i].fault || verdict.seq != changes[i].seq)
                        fail_msg("%s: fault %d at row %lld", changes[i].sql, (int) verdict.fault,
                                 (long long) verdict.seq);
                (void) remove_folder(NULL);
                (void) make_folder(NULL);
        }
}

static void a_cut_tail_and_a_chain_made_anew_are_noticed_by_the_head(void **state) {
        struct ledger *ledger = new_ledger();
        struct ledger_head head, other;

        (void) state;
        fill(ledger);
        head = ledger_head(ledger);
        assert_int_equal(ledger_head_read(head_path, &other), -ENOENT);
        assert_int_equal(ledger_head_write(head_path, &head), 0);
        assert_int_equal(ledger_head_read(head_path, &other), 0);
        assert_int_equal(other.seq, 7);
        assert_memory_equal(other.hash, head.hash, LEDGER_HASH);
        (void) ledger_free(ledger);
        assert_int_equal(verify_with(&head).fault, LEDGER_WHOLE);
        other.hash[0] ^= 1;
        assert_int_equal(verify_with(&other).fault, LEDGER_HEAD_DIFFERS);
        sql("DELETE FROM entry WHERE seq > 5; UPDATE position SET n = 5, receipt = 5");
        assert_int_equal(verify_with(NULL).fault, LEDGER_WHOLE); /* nothing else can tell */
        assert_int_equal(verify_with(&head).fault, LEDGER_TAIL_CUT);
        assert_int_equal(verify_with(&head).seq, 6);
}

struct lines {
        char text[2048];
        size_t n;
};

static int add_line(const struct ledger_row *row, void *userdata) {
        struct lines *lines = userdata;
        size_t used = strlen(lines->text);

        (void) snprintf(lines->text + used, sizeof(lines->text) - used, "%lld %s %s;", (long long) row->receipt,
                        row->state, row->document);
        lines->n++;
        return 0;
}

static bool is_oa(const char *source, void *userdata) {
        (void) userdata;
        return strcmp(source, OA) == 0;
}

static bool is_nobody(const char *source, void *userdata) {
        (void) source;
        (void) userdata;
        return false;
}

static void readers_find_what_they_ask_for(void **state) {
        struct ledger *ledger freed_by(ledger_freep) = new_ledger();
        struct ledger_reader *reader freed_by(ledger_reader_freep) = NULL;
        struct lines lines = { "", 0 };

        (void) state;
        fill(ledger);
        assert_int_equal(ledger_reader_open(path, &reader), 0);
        assert_int_equal(ledger_read_document(reader, NULL, "doc-a", add_line, &lines), 0);
        assert_string_equal(lines.text, "1 accepted doc-a;2 attempted doc-a;3 published doc-a;");
        lines = (struct lines) { "", 0 };
        assert_int_equal(ledger_read_document(reader, "530582", "doc-a", add_line, &lines), 0);
        assert_int_equal(lines.n, 0);
        assert_int_equal(ledger_read_receipts(reader, "530581", 4, 256, is_oa, add_line, &lines), 0);
        assert_string_equal(lines.text, "5 accepted doc-b;6 dead doc-b;");
        lines = (struct lines) { "", 0 };
        assert_int_equal(ledger_read_receipts(reader, "530581", 0, 2, is_oa, add_line, &lines), 0);
        assert_string_equal(lines.text, "1 accepted doc-a;2 attempted doc-a;");
        lines = (struct lines) { "", 0 };
        assert_int_equal(ledger_read_receipts(reader, "530581", 0, 256, is_nobody, add_line, &lines), 0);
        assert_int_equal(ledger_read_receipts(reader, "530582", 0, 256, is_oa, add_line, &lines), 0);
        assert_int_equal(lines.n, 0);
        assert_int_equal(ledger_read_newest(reader, NULL, 1, add_line, &lines), 0);
        assert_string_equal(lines.text, "4 held doc-b;");
        lines = (struct lines) { "", 0 };
        assert_int_equal(ledger_read_trouble(reader, NULL, "dead", add_line, &lines), 0);
        assert_string_equal(lines.text, "6 dead doc-b;"); /* doc-a was attempted, and then shown */
        lines = (struct lines) { "", 0 };
        assert_int_equal(ledger_read_since(reader, 7, "530581", add_line, &lines), 0);
        assert_string_equal(lines.text, "0 stopped ;");
}

static void a_reader_sees_what_was_written_after_it_was_opened(void **state) {
        struct ledger *ledger freed_by(ledger_freep) = new_ledger();
        struct ledger_reader *reader freed_by(ledger_reader_freep) = NULL;
        struct lines lines = { "", 0 };

        (void) state;
        assert_int_equal(ledger_reader_open(path, &reader), 0);
        fill(ledger); /* its source too */
        assert_int_equal(ledger_read_receipts(reader, "530581", 0, 256, is_oa, add_line, &lines), 0);
        assert_int_equal(lines.n, 6);
        assert_int_equal(ledger_verify(reader, NULL, &(struct ledger_verdict) { 0 }), 0);
}

static int add_event(const struct ledger_event *event, void *userdata) {
        struct lines *lines = userdata;
        size_t used = strlen(lines->text);

        (void) snprintf(lines->text + used, sizeof(lines->text) - used, "%s %s %s;", event->document,
                        event->source + strlen("urn:gongkai:530581:"), event->id);
        lines->n++;
        return 0;
}

static void the_ledger_knows_whose_bytes_the_store_has(void **state) {
        struct ledger *ledger freed_by(ledger_freep) = new_ledger();
        struct lines lines = { "", 0 };
        struct ledger_row row = record(8, "held", "doc-c", "01JDB300000000000000000003", "");

        (void) state;
        fill(ledger);
        row.extra = "local " OA " id-c";
        assert_int_equal(ledger_begin(ledger), 0);
        assert_int_equal(add(ledger, row, "c"), 0);
        assert_int_equal(ledger_end_in_store(ledger, "530581", "doc-a", EVENT_A), 0);
        assert_int_equal(ledger_put_in_store(ledger, row.event), 0); /* still held: not yet */
        assert_int_equal(ledger_advance(ledger, "530581", 8, "1790000000008-0"), 0);
        assert_int_equal(ledger_commit(ledger), 0);
        assert_int_equal(ledger_all_in_store(ledger, "", "", 10, add_event, &lines), 0);
        assert_string_equal(lines.text, "doc-b oa id-b;");
        assert_int_equal(ledger_begin(ledger), 0);
        row = record(9, "refused", "doc-c", "01JDB300000000000000000003", "");
        assert_int_equal(add(ledger, row, NULL), 0);
        assert_int_equal(ledger_put_in_store(ledger, EVENT_A), 0);
        assert_int_equal(ledger_advance(ledger, "530581", 9, "1790000000009-0"), 0);
        assert_int_equal(ledger_commit(ledger), 0);
        lines = (struct lines) { "", 0 };
        assert_int_equal(ledger_all_in_store(ledger, "", "", 10, add_event, &lines), 0);
        assert_string_equal(lines.text, "doc-a oa id a;doc-b oa id-b;doc-c oa id-c;");
        lines = (struct lines) { "", 0 };
        assert_int_equal(ledger_all_in_store(ledger, "530581", "doc-a", 1, add_event, &lines), 0);
        assert_string_equal(lines.text, "doc-b oa id-b;");
        lines = (struct lines) { "", 0 };
        assert_int_equal(ledger_events_in_store(ledger, "530581", "doc-a", add_event, &lines), 0);
        assert_string_equal(lines.text, "doc-a oa id a;");
}

/* What version 1 would have left of fill(), one event let go, one not, and one held. */
static void a_ledger_of_version_1_is_carried_over(void **state) {
        struct ledger *ledger = new_ledger();
        struct ledger_row row = record(8, "held", "doc-c", "01JDB300000000000000000003", "");
        struct lines lines = { "", 0 };
        struct ledger_head before;

        (void) state;
        fill(ledger);
        row.extra = "local " OA " id-c";
        assert_int_equal(ledger_begin(ledger), 0);
        assert_int_equal(add(ledger, row, "c"), 0);
        assert_int_equal(ledger_advance(ledger, "530581", 8, "1790000000008-0"), 0);
        assert_int_equal(ledger_commit(ledger), 0);
        before = ledger_head(ledger);
        (void) ledger_free(ledger);
        sql("DROP TABLE in_store; UPDATE event SET stage = 2 WHERE ulid = '" EVENT_A "';"
            "CREATE INDEX event_in_store ON event (region, document) WHERE stage = 1; PRAGMA user_version = 1");
        assert_int_equal(verify_with(&before).fault, LEDGER_WHOLE); /* who only reads can do so before */
        assert_int_equal(ledger_open(path, &ledger), 0);
        assert_int_equal(ledger_all_in_store(ledger, "", "", 10, add_event, &lines), 0);
        assert_string_equal(lines.text, "doc-b oa id-b;");
        assert_int_equal(ledger_begin(ledger), 0);
        assert_int_equal(ledger_put_in_store(ledger, EVENT_A), 0);
        row = record(9, "superseded", "doc-c", "01JDB300000000000000000003", "");
        assert_int_equal(add(ledger, row, NULL), 0);
        assert_int_equal(ledger_advance(ledger, "530581", 9, "1790000000009-0"), 0);
        assert_int_equal(ledger_commit(ledger), 0);
        lines = (struct lines) { "", 0 };
        assert_int_equal(ledger_all_in_store(ledger, "", "", 10, add_event, &lines), 0);
        assert_string_equal(lines.text, "doc-a oa id a;doc-b oa id-b;doc-c oa id-c;");
        assert_int_equal(verify_with(&before).fault, LEDGER_WHOLE);
        (void) ledger_free(ledger);
}

/* A store that was adopted can have accepted once more what the ledger has; and what is greater than
 * all that is in need not be looked for. */
static void an_event_is_in_once_however_often_it_is_accepted(void **state) {
        static const char *const events[] = { EVENT_A, EVENT_B, "01JDB300000000000000000009", EVENT_A,
                                              "not one of ours, and longer than a ULID is", EVENT_B,
                                              "not one of ours, and longer than a ULID is" };
        struct ledger *ledger = new_ledger();
        struct lines lines = { "", 0 };

        (void) state;
        fill(ledger);
        for (size_t i = 0; i < ELEMENTS(events); i++) {
                int64_t n = 8 + (int64_t) i;
                struct ledger_row row = record(n, "accepted", "doc-z", events[i], "");

                row.extra = "local " OA " id";
                assert_int_equal(ledger_begin(ledger), 0);
                assert_int_equal(add(ledger, row, "z"), 0);
                assert_int_equal(ledger_advance(ledger, "530581", n, "1790000000008-0"), 0);
                if (i % 2 == 1) { /* what is known of the events is read anew */
                        ledger_rollback(ledger);
                        assert_int_equal(ledger_begin(ledger), 0);
                        assert_int_equal(add(ledger, row, "z"), 0);
                        assert_int_equal(ledger_advance(ledger, "530581", n, "1790000000008-0"), 0);
                }
                assert_int_equal(ledger_commit(ledger), 0);
        }
        assert_int_equal(verify_with(NULL).fault, LEDGER_WHOLE);
        assert_int_equal(verify_with(NULL).n_events, 4);
        assert_int_equal(ledger_all_in_store(ledger, "", "", 10, add_event, &lines), 0);
        assert_string_equal(lines.text, "doc-a oa id a;doc-b oa id-b;doc-z oa id;doc-z oa id;");
        (void) ledger_free(ledger);
}

static void what_names_no_event_is_told_to_who_sent_its_revision(void **state) {
        struct ledger *ledger freed_by(ledger_freep) = new_ledger();
        struct ledger_row late = record(8, "uncertain", "doc-a", "", "hall");

        (void) state;
        fill(ledger);
        assert_int_equal(ledger_begin(ledger), 0);
        assert_int_equal(ledger_add(ledger, "530581", &late, NULL, 0), 0);
        assert_string_equal(late.source, OA);
        assert_string_equal(late.event, EVENT_A);
        assert_int_equal(late.receipt, 7);
        late = record(9, "uncertain", "unheard-of", "", "hall");
        assert_int_equal(ledger_add(ledger, "530581", &late, NULL, 0), 0);
        assert_null(late.source);
        assert_int_equal(late.receipt, 0);
        assert_int_equal(ledger_commit(ledger), 0);
}

static void receipts_are_numbered_through_eras(void **state) {
        struct ledger *ledger freed_by(ledger_freep) = new_ledger();
        struct ledger_position position;
        struct ledger_row row = record(3, "published", "doc-a", EVENT_A, "portal");

        (void) state;
        fill(ledger);
        assert_int_equal(ledger_begin(ledger), 0);
        assert_int_equal(ledger_begin_era(ledger, "530581", "EPOCH1", "01ADOPTED", -1), 0);
        assert_int_equal(ledger_commit(ledger), 0);
        assert_int_equal(ledger_position(ledger, "530581", &position), 0);
        assert_int_equal(position.n, -1);
        assert_int_equal(ledger_begin(ledger), 0);
        assert_int_equal(ledger_add(ledger, "530581", &row, NULL, 0), 0); /* this n again, in another era */
        assert_int_equal(row.receipt, 7);
        assert_int_equal(ledger_advance(ledger, "530581", 3, "1790000000003-0"), 0);
        assert_int_equal(ledger_commit(ledger), 0);
        assert_int_equal(verify_with(NULL).fault, LEDGER_WHOLE);
}

static void a_receipt_is_valid_json_whatever_a_carrier_said(void **state) {
        struct ledger_row row = record(1, "dead", "文件“一”", EVENT_A, "portal");
        struct buf buf freed_by(buf_done) = { 0 };
        json_t *json;

        (void) state;
        row.region = "530581";
        row.receipt = 17;
        row.sentence = "cut \xe6\x96 short, \"quoted\" \\ \x01 \xff";
        row.url = "http://example/?a=1&b=\"";
        ledger_receipt_write(&row, &buf);
        json = json_loads(buf_text(&buf), 0, NULL);
        assert_non_null(json);
        assert_int_equal(json_integer_value(json_object_get(json, "sequence")), 17);
        assert_string_equal(json_string_value(json_object_get(json_object_get(json, "data"), "error")),
                            "cut \xef\xbf\xbd\xef\xbf\xbd short, \"quoted\" \\ \x01 \xef\xbf\xbd");
        json_decref(json);
        buf_reset(&buf);
        row.region = row.epoch = row.adoption = "x";
        row.alg = "sm3";
        ledger_row_write(&row, &buf);
        json = json_loads(buf_text(&buf), 0, NULL);
        assert_non_null(json);
        json_decref(json);
}

static void what_is_no_ledger_is_refused(void **state) {
        struct ledger *ledger freed_by(ledger_freep) = NULL;
        struct ledger_reader *reader freed_by(ledger_reader_freep) = NULL;
        FILE *file;

        (void) state;
        assert_int_equal(ledger_reader_open(path, &reader), -ENOENT);
        file = fopen(path, "w");
        assert_non_null(file);
        (void) fputs("this is not a database, but long enough to look at: it is read as one and is none of it", file);
        (void) fclose(file);
        assert_int_equal(ledger_open(path, &ledger), -EBADMSG);
        (void) unlink(path);
        sql("PRAGMA user_version = 99; CREATE TABLE x (y)");
        assert_int_equal(ledger_open(path, &ledger), -EPROTONOSUPPORT);
        assert_int_equal(ledger_reader_open(path, &reader), -EPROTONOSUPPORT);
}

#define story(name) cmocka_unit_test_setup_teardown(name, make_folder, remove_folder)

int main(void) {
        const struct CMUnitTest tests[] = {
                story(what_was_written_is_whole_and_read_back),
                story(it_goes_on_where_it_was_after_a_restart),
                story(the_same_record_is_in_once),
                story(what_is_rolled_back_was_never_there),
                story(every_change_is_found_and_named),
                story(a_cut_tail_and_a_chain_made_anew_are_noticed_by_the_head),
                story(readers_find_what_they_ask_for),
                story(a_reader_sees_what_was_written_after_it_was_opened),
                story(the_ledger_knows_whose_bytes_the_store_has),
                story(a_ledger_of_version_1_is_carried_over),
                story(an_event_is_in_once_however_often_it_is_accepted),
                story(what_names_no_event_is_told_to_who_sent_its_revision),
                story(receipts_are_numbered_through_eras),
                story(a_receipt_is_valid_json_whatever_a_carrier_said),
                story(what_is_no_ledger_is_refused),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
