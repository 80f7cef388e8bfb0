/* Looks at the whole ledger, row after row, and names the first that is not as it was written. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/files.h"
#include "core/ledger_parts.h"
#include "core/memory.h"

/* The last numbers seen in an era, and the last receipt of its region. */
struct last {
        int64_t era, n;
        const char *region;
};

struct last_receipt {
        char region[8];
        int64_t receipt;
};

struct verify {
        struct ledger_db *db;
        struct chain chain;
        sqlite3_stmt *entries, *events;
        bool has_event; /* `events` stands on one */
        struct last *eras;
        size_t n_eras;
        struct last_receipt *receipts;
        size_t n_receipts;
        const struct ledger_head *known;
        struct ledger_verdict *verdict;
};

static bool found(struct verify *verify, enum ledger_fault fault, int64_t seq, const char *what) {
        verify->verdict->fault = fault;
        verify->verdict->seq = seq;
        verify->verdict->what = what;
        return true;
}

static int next_event(struct verify *verify) {
        int step = sqlite3_step(verify->events);

        verify->has_event = step == SQLITE_ROW;
        return step == SQLITE_ROW || step == SQLITE_DONE ? 0 : db_error(verify->db);
}

static bool same_text(sqlite3_stmt *statement, int column, const char *text) {
        const unsigned char *value = sqlite3_column_text(statement, column);

        return value && strcmp((const char *) value, text) == 0 &&
               (size_t) sqlite3_column_bytes(statement, column) == strlen(text);
}

/* The event that this row brought: each column but the stage stands in the row too. */
static int look_at_event(struct verify *verify, const struct ledger_row *row, bool *ret_fault) {
        sqlite3_stmt *event = verify->events;
        unsigned char digest[LEDGER_HASH];
        size_t n_source = 0;
        const char *identity = extra_identity(row->extra, &n_source);
        const struct ledger_source *source = db_source(verify->db, sqlite3_column_int64(event, 3));
        const char *wrong = NULL;
        int r;

        if (!same_text(event, 1, row->event))
                wrong = "ulid";
        else if (!same_text(event, 2, row->region))
                wrong = "region";
        else if (!source || !row->source || strcmp(source->name, row->source) != 0)
                wrong = "source";
        else if (!same_text(event, 4, identity ? identity + n_source + 1 : ""))
                wrong = "id";
        else if (!same_text(event, 5, row->document))
                wrong = "document";
        if (wrong) {
                *ret_fault = found(verify, LEDGER_EVENT_CHANGED, row->seq, wrong);
                return 0;
        }
        if (sqlite3_column_type(event, 6) == SQLITE_NULL) {
                if (row->digest)
                        *ret_fault = found(verify, LEDGER_BYTES_MISSING, row->seq, "bytes");
                return 0;
        }
        verify->verdict->n_events++;
        r = chain_bytes(&verify->chain, row->alg, sqlite3_column_blob(event, 6),
                        (size_t) sqlite3_column_bytes(event, 6), digest);
        if (r == 0 && (!row->digest || memcmp(digest, row->digest, LEDGER_HASH) != 0))
                *ret_fault = found(verify, LEDGER_BYTES_CHANGED, row->seq, "bytes");
        return r;
}

static int look_at_numbers(struct verify *verify, int64_t era, const struct ledger_row *row,
                           bool *ret_fault) {
        struct last *last = NULL;
        struct last_receipt *receipt = NULL;

        for (size_t i = verify->n_eras; i-- > 0 && !last;)
                if (verify->eras[i].era == era)
                        last = &verify->eras[i];
        if (!last) {
                struct last *eras = realloc(verify->eras, (verify->n_eras + 1) * sizeof(*eras));

                if (!eras)
                        return -ENOMEM;
                verify->eras = eras;
                last = &eras[verify->n_eras++];
                *last = (struct last) { era, row->n - 1, NULL };
        }
        if (row->n != last->n + 1)
                *ret_fault = found(verify, LEDGER_NUMBER_MISSING, row->seq, "n");
        last->n = row->n;
        if (!row->receipt || *ret_fault)
                return 0;
        for (size_t i = 0; i < verify->n_receipts && !receipt; i++)
                if (strcmp(verify->receipts[i].region, row->region) == 0)
                        receipt = &verify->receipts[i];
        if (!receipt) {
                struct last_receipt *receipts =
                        realloc(verify->receipts, (verify->n_receipts + 1) * sizeof(*receipts));

                if (!receipts)
                        return -ENOMEM;
                verify->receipts = receipts;
                receipt = &receipts[verify->n_receipts++];
                *receipt = (struct last_receipt) { .receipt = 0 };
                (void) snprintf(receipt->region, sizeof(receipt->region), "%.7s", row->region);
        }
        if (row->receipt != receipt->receipt + 1)
                *ret_fault = found(verify, LEDGER_NUMBER_MISSING, row->seq, "receipt");
        receipt->receipt = row->receipt;
        return 0;
}

static int look_at_row(struct verify *verify, bool *ret_fault) {
        struct ledger_verdict *verdict = verify->verdict;
        unsigned char hash[LEDGER_HASH];
        struct ledger_row row;
        int64_t brought = 0;
        int r;

        row_from(verify->db, verify->entries, &row);
        if (row.seq != verdict->head.seq + 1) {
                *ret_fault = found(verify, LEDGER_ROW_MISSING, verdict->head.seq + 1, "");
                return 0;
        }
        r = chain_row(&verify->chain, verdict->head.hash, &row, hash);
        if (r == -EPROTONOSUPPORT || (r == 0 && memcmp(hash, row.hash, LEDGER_HASH) != 0)) {
                *ret_fault = found(verify, LEDGER_ROW_CHANGED, row.seq, r < 0 ? "alg" : "");
                return 0;
        }
        if (r == 0)
                r = look_at_numbers(verify, sqlite3_column_int64(verify->entries, 1), &row, ret_fault);
        if (r < 0 || *ret_fault)
                return r;
        if (verify->has_event)
                brought = sqlite3_column_int64(verify->events, 0);
        if (verify->has_event && brought < row.seq)
                *ret_fault = found(verify, LEDGER_EVENT_ODD, brought, "seq");
        else if (verify->has_event && brought == row.seq) {
                r = look_at_event(verify, &row, ret_fault);
                if (r == 0 && !*ret_fault)
                        r = next_event(verify);
        } else if (row.digest)
                *ret_fault = found(verify, LEDGER_BYTES_MISSING, row.seq, "event");
        if (r < 0 || *ret_fault)
                return r;
        verdict->head.seq = row.seq;
        memcpy(verdict->head.hash, row.hash, LEDGER_HASH);
        verdict->n_rows++;
        if (verify->known && verify->known->seq == row.seq &&
            memcmp(verify->known->hash, row.hash, LEDGER_HASH) != 0)
                *ret_fault = found(verify, LEDGER_HEAD_DIFFERS, row.seq, "");
        return 0;
}

/* The positions must be those of the last rows, or the next start would copy rows twice or not. */
static int look_at_positions(struct verify *verify, bool *ret_fault) {
        sqlite3_stmt *statement freed_by(statement_freep) = NULL;
        int r = db_prepare(verify->db, "SELECT era, n, receipt, region FROM position", &statement), step;

        while (r == 0 && !*ret_fault && (step = sqlite3_step(statement)) != SQLITE_DONE) {
                int64_t era, n;

                if (step != SQLITE_ROW)
                        return db_error(verify->db);
                era = sqlite3_column_int64(statement, 0);
                n = sqlite3_column_int64(statement, 1);
                for (size_t i = 0; i < verify->n_eras; i++)
                        if (verify->eras[i].era == era && verify->eras[i].n != n)
                                *ret_fault = found(verify, LEDGER_POSITION_WRONG, verify->verdict->head.seq,
                                                   "position.n");
                for (size_t i = 0; i < verify->n_receipts && !*ret_fault; i++)
                        if (same_text(statement, 3, verify->receipts[i].region) &&
                            verify->receipts[i].receipt != sqlite3_column_int64(statement, 2))
                                *ret_fault = found(verify, LEDGER_POSITION_WRONG, verify->verdict->head.seq,
                                                   "position.receipt");
        }
        return r;
}

static int look_at_all(struct verify *verify) {
        bool fault = false;
        int step, r = next_event(verify);

        while (r == 0 && !fault && (step = sqlite3_step(verify->entries)) != SQLITE_DONE)
                r = step == SQLITE_ROW ? look_at_row(verify, &fault) : db_error(verify->db);
        if (r < 0 || fault)
                return r;
        if (verify->has_event)
                fault = found(verify, LEDGER_EVENT_ODD, sqlite3_column_int64(verify->events, 0), "seq");
        else if (verify->known && verify->known->seq > verify->verdict->head.seq)
                fault = found(verify, LEDGER_TAIL_CUT, verify->verdict->head.seq + 1, "");
        return fault ? 0 : look_at_positions(verify, &fault);
}

int ledger_verify(struct ledger_reader *reader, const struct ledger_head *known,
                  struct ledger_verdict *ret) {
        struct verify verify = { .db = &reader->db, .known = known, .verdict = ret };
        int r = chain_init(&verify.chain);

        *ret = (struct ledger_verdict) { .what = "" };
        /* One read transaction: both statements see the same ledger, however long it takes. */
        if (r == 0)
                r = db_run(&reader->db, "BEGIN");
        if (r == 0)
                r = db_load_names(&reader->db);
        if (r == 0)
                r = db_prepare(&reader->db, "SELECT " LEDGER_COLUMNS " FROM entry ORDER BY seq", &verify.entries);
        if (r == 0)
                r = db_prepare(&reader->db,
                               "SELECT seq, ulid, region, source, id, document, bytes FROM event ORDER BY seq",
                               &verify.events);
        if (r == 0)
                r = look_at_all(&verify);
        (void) sqlite3_finalize(verify.entries);
        (void) sqlite3_finalize(verify.events);
        (void) sqlite3_exec(reader->db.db, "COMMIT", NULL, NULL, NULL);
        chain_done(&verify.chain);
        free(verify.eras);
        free(verify.receipts);
        return r;
}

/* -- the head file -------------------------------------------------------------------------------- */

enum { HEAD_BYTES = 20 + 1 + 2 * LEDGER_HASH + 1 };

int ledger_head_write(const char *path, const struct ledger_head *head) {
        char hash[LEDGER_HASH_TEXT], line[HEAD_BYTES + 1];
        int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0640), r = 0;

        if (fd < 0)
                return -errno;
        ledger_hash_text(head->hash, hash);
        (void) snprintf(line, sizeof(line), "%-20lld %s\n", (long long) head->seq, hash);
        if (pwrite(fd, line, HEAD_BYTES, 0) != HEAD_BYTES)
                r = errno ? -errno : -EIO;
        (void) close(fd);
        return r;
}

static int digit(char c) {
        return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

int ledger_head_read(const char *path, struct ledger_head *ret) {
        char *text freed_by(freep) = NULL;
        struct ledger_head head = { 0 };
        long long seq;
        size_t n;
        int r = file_read(path, 4096, &text, &n);

        if (r < 0)
                return r;
        if (n != HEAD_BYTES || sscanf(text, "%lld", &seq) != 1)
                return -EBADMSG;
        head.seq = seq;
        for (int i = 0; i < LEDGER_HASH; i++) {
                int high = digit(text[21 + 2 * i]), low = digit(text[22 + 2 * i]);

                if (high < 0 || low < 0)
                        return -EBADMSG;
                head.hash[i] = (unsigned char) (high << 4 | low);
        }
        *ret = head;
        return 0;
}
