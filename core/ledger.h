/* The ledger: every record of every region's log, every event's bytes, for good, in one SQLite
 * database (state_dir/ledger.db, WAL, synced at each commit).
 *
 * Rows are chained: the hash of a row is over the hash of the row before and all of this row
 * (ledger_chain.c says how, so that an auditor can write it anew in ten lines). ledgerd alone writes;
 * everybody else opens it for reading.
 *
 * Errors are negative errnos: -ENOSPC disk full, -EBUSY somebody else holds it, -EROFS, -EIO,
 * -EBADMSG the file is damaged or no ledger, -EPROTONOSUPPORT made by a newer release, -EEXIST the
 * record is in already, -ENOENT there is none. ledger_words() has SQLite's own words. */
#ifndef CORE_LEDGER_H
#define CORE_LEDGER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/buf.h"
#include "core/digest.h"

enum { LEDGER_HASH = 32, LEDGER_HASH_TEXT = 65, LEDGER_STREAM_ID = 44 };

/* One row. Texts are never NULL but for source; they are the caller's, or live until the callback
 * that got them returns. */
struct ledger_row {
        int64_t seq; /* in the ledger, from 1, without gaps */
        const char *region, *epoch, *adoption;
        int64_t n, at_ms; /* number in the region's log, time */
        const char *state, *document;
        int64_t revision, level;
        const char *event, *channel;
        int64_t attempt; /* -1: none was counted */
        const char *code, *reference, *url, *sentence, *extra;
        const char *source; /* who sent the event that it is about; NULL: nobody */
        int64_t receipt;    /* number of the receipt in the region; 0: nobody is told */
        const unsigned char *digest; /* of the event's bytes, when this row brought them; or NULL */
        const char *alg;
        unsigned char hash[LEDGER_HASH];
        char event_found[ULID_TEXT]; /* where ledger_add() found the event of a row that names none */
};

/* Up to which record a region has been copied. */
struct ledger_position {
        char epoch[ULID_TEXT], adoption[ULID_TEXT];
        int64_t n;
        char id[LEDGER_STREAM_ID]; /* of the stream entry that has n */
        int64_t receipt;           /* the last one given */
};

struct ledger_head {
        int64_t seq; /* 0: empty */
        unsigned char hash[LEDGER_HASH];
};

/* "STATE_DIR/ledger.db"; to be freed, NULL when memory is short. */
char *ledger_path(const char *state_dir);

/* -- the writer ----------------------------------------------------------------------------------- */

struct ledger;

/* Opens it, makes it where there is none, brings it to the newest version. For a process in which one
 * thread alone uses SQLite. */
int ledger_open(const char *path, struct ledger **ret);
struct ledger *ledger_free(struct ledger *ledger);
void ledger_freep(struct ledger **ledger);
const char *ledger_words(const struct ledger *ledger); /* of the last error; borrowed */

int ledger_begin(struct ledger *ledger);
int ledger_commit(struct ledger *ledger); /* synced when it returns 0; else rolled back */
void ledger_rollback(struct ledger *ledger); /* what stands in memory is as on disk again */

int ledger_position(struct ledger *ledger, const char *region, struct ledger_position *ret);
struct ledger_head ledger_head(const struct ledger *ledger);

/* The records of the region from now on belong to this store; numbers begin anew behind `n`. Within
 * a transaction. */
int ledger_begin_era(struct ledger *ledger, const char *region, const char *epoch,
                     const char *adoption, int64_t n);
/* Adds a record of the region's present era: of `row` everything from n to extra is read, all else
 * is filled in, and event where it is empty: what came too late for its revision names none.
 * `bytes` are the event's, for the record that brings them (accepted, held), else
 * NULL. Within a transaction; -EEXIST: this n is in already, and nothing was changed. */
int ledger_add(struct ledger *ledger, const char *region, struct ledger_row *row, const void *bytes,
               size_t n_bytes);
/* The position behind the records added, to be called before the commit. */
int ledger_advance(struct ledger *ledger, const char *region, int64_t n, const char *id);
/* The row of a record that is in already; -ENOENT. */
typedef int ledger_row_fn(const struct ledger_row *row, void *userdata);
int ledger_find(struct ledger *ledger, const char *region, const char *epoch, int64_t n,
                ledger_row_fn *on_row, void *userdata);

/* What the store still keeps of a document's events, though the ledger has it. Many questions in a row
 * are cheaper between ledger_look() and ledger_look_done(), where no transaction may begin. */
struct ledger_event {
        const char *ulid, *region, *source, *id, *document;
};
typedef int ledger_event_fn(const struct ledger_event *event, void *userdata);
int ledger_look(struct ledger *ledger);
void ledger_look_done(struct ledger *ledger);
int ledger_events_in_store(struct ledger *ledger, const char *region, const char *document,
                           ledger_event_fn *on_event, void *userdata);
/* The same for all documents behind (region, document), at most `most`. */
int ledger_all_in_store(struct ledger *ledger, const char *region, const char *document, size_t most,
                        ledger_event_fn *on_event, void *userdata);
/* The store has let the event's bytes go; it gets them (back), unless the event is held. Within a
 * transaction. */
int ledger_end_in_store(struct ledger *ledger, const char *region, const char *document, const char *ulid);
int ledger_put_in_store(struct ledger *ledger, const char *ulid);
int ledger_bytes(struct ledger *ledger, const char *ulid, char **ret, size_t *ret_n);

/* -- readers -------------------------------------------------------------------------------------- */

struct ledger_reader;

/* For reading only; -ENOENT when there is no ledger (yet). */
int ledger_reader_open(const char *path, struct ledger_reader **ret);
struct ledger_reader *ledger_reader_free(struct ledger_reader *reader);
void ledger_reader_freep(struct ledger_reader **reader);
const char *ledger_reader_words(const struct ledger_reader *reader);

int ledger_read_position(struct ledger_reader *reader, const char *region,
                         struct ledger_position *ret);
int ledger_read_head(struct ledger_reader *reader, struct ledger_head *ret);
/* Rows in their order; region NULL = all. A callback that returns other than 0 ends the reading,
 * and its value is returned. */
int ledger_read_since(struct ledger_reader *reader, int64_t seq, const char *region,
                      ledger_row_fn *on_row, void *userdata);
int ledger_read_document(struct ledger_reader *reader, const char *region, const char *document,
                         ledger_row_fn *on_row, void *userdata);
/* The newest events (accepted or held), the newest first. */
int ledger_read_newest(struct ledger_reader *reader, const char *region, size_t most,
                       ledger_row_fn *on_row, void *userdata);
/* The last row of every channel that is not well with a document, the oldest trouble first. state
 * NULL = all of attempted uncertain deferred parked dead. */
int ledger_read_trouble(struct ledger_reader *reader, const char *region, const char *state,
                        ledger_row_fn *on_row, void *userdata);
/* Per channel that has documents in this state of trouble: how many, and the latest's row. */
typedef int ledger_count_fn(const struct ledger_row *latest, int64_t count, void *userdata);
int ledger_count_trouble(struct ledger_reader *reader, const char *state, ledger_count_fn *on_count,
                         void *userdata);
/* Of all that is not well, per channel and state: how many, and since when the oldest. */
struct ledger_sum {
        const char *channel, *state;
        int64_t count, since_ms;
};
typedef int ledger_sum_fn(const struct ledger_sum *sum, void *userdata);
int ledger_sum_trouble(struct ledger_reader *reader, ledger_sum_fn *on_sum, void *userdata);
/* A page of it, the latest trouble first: behind (since_ms, seq) of the page before, both INT64_MAX for
 * the first. state, channel NULL = any. */
struct ledger_page {
        const char *state, *channel;
        int64_t since_ms, seq;
        size_t most;
};
typedef int ledger_trouble_fn(const struct ledger_row *row, int64_t since_ms, void *userdata);
int ledger_page_trouble(struct ledger_reader *reader, const struct ledger_page *page,
                        ledger_trouble_fn *on_row, void *userdata);
/* 1 when a channel is not well with a document, 0 when it is. */
int ledger_has_trouble(struct ledger_reader *reader, const char *document, const char *channel);
/* Receipts of the region after that number, for the sources that `is_own` says yes to: at most
 * `most`, in their order. */
typedef bool ledger_source_fn(const char *source, void *userdata);
int ledger_read_receipts(struct ledger_reader *reader, const char *region, int64_t after, size_t most,
                         ledger_source_fn *is_own, ledger_row_fn *on_row, void *userdata);
/* An event's bytes; -ENOENT. */
int ledger_read_bytes(struct ledger_reader *reader, const char *ulid, char **ret, size_t *ret_n);

/* A receipt as docs/protocol.md has it: one CloudEvent. */
void ledger_receipt_write(const struct ledger_row *row, struct buf *ret);
/* A row as a line of JSON, all of it. */
void ledger_row_write(const struct ledger_row *row, struct buf *ret);
void ledger_hash_text(const unsigned char hash[static LEDGER_HASH], char ret[static LEDGER_HASH_TEXT]);

/* -- verifying ------------------------------------------------------------------------------------ */

enum ledger_fault {
        LEDGER_WHOLE,
        LEDGER_ROW_CHANGED,    /* the row's hash is not that of the row before and this row */
        LEDGER_ROW_MISSING,    /* seq jumps */
        LEDGER_BYTES_CHANGED,  /* an event's bytes are not what its row says */
        LEDGER_BYTES_MISSING,
        LEDGER_EVENT_CHANGED,  /* another column of the event is not what its row says */
        LEDGER_EVENT_ODD,      /* an event without a row that brought it */
        LEDGER_NUMBER_MISSING, /* n or the receipts' number jumps within an era */
        LEDGER_TAIL_CUT,       /* the head file knows of a later row */
        LEDGER_HEAD_DIFFERS,   /* the row of the head file has another hash: the chain was made anew */
        LEDGER_POSITION_WRONG, /* the position of a region is not its last row */
};

struct ledger_verdict {
        enum ledger_fault fault;
        int64_t seq;       /* the first wrong row */
        const char *what;  /* the column, where it is known; a literal, or "" */
        int64_t n_rows, n_events;
        struct ledger_head head; /* the last row's */
};

/* Looks at every row and every event's bytes. `known`: what the head file (or a journal line) says,
 * or NULL. */
int ledger_verify(struct ledger_reader *reader, const struct ledger_head *known,
                  struct ledger_verdict *ret);

/* The head file, STATE_DIR/ledger.head: one line, "SEQ HASH". Written in place and not synced: it
 * is there so that a ledger whose end was cut off is noticed. -ENOENT, -EBADMSG. */
int ledger_head_read(const char *path, struct ledger_head *ret);
int ledger_head_write(const char *path, const struct ledger_head *head);

#endif
