/* Inside the index of cards. */
#ifndef DAEMONS_CONSOLED_CARDS_PARTS_H
#define DAEMONS_CONSOLED_CARDS_PARTS_H

#include <sqlite3.h>

#include "core/buf.h"
#include "daemons/consoled/cards.h"

enum cards_statement {
        FIND_CARD,
        ADD_CARD,
        SET_CARD,
        ADD_WORDS,
        END_WORDS,
        ADD_EMBARGO,
        FIND_EMBARGO,
        ADD_TALLY,
        SET_TALLY,
        SET_MARK,
        N_CARDS_STATEMENTS
};

/* Counts of a slice, before they are written in one go. */
enum { CELL_SLOTS = 1024, CHANNEL_TEXT = 40 };
struct cell {
        struct cell *next;
        char channel[CHANNEL_TEXT];
        int what;
        int64_t at, n;
        bool sets; /* n is the value, and not to be added */
};

struct cards {
        char *folder, *path;
        sqlite3 *db;
        char words[200];
        sqlite3_stmt *statements[N_CARDS_STATEMENTS];
        int64_t seq;
        unsigned char hash[LEDGER_HASH];
        struct cell *cells[CELL_SLOTS];
};

/* The errno of SQLite's last error, whose words are kept. */
int cards_error(struct cards *cards);
int cards_prepare(struct cards *cards, const char *sql, sqlite3_stmt **ret);
void cards_statement_freep(sqlite3_stmt **statement);
int cards_run(struct cards *cards, const char *sql);
void cards_drop_cells(struct cards *cards);
/* Throws the index away and begins an empty one. */
int cards_anew(struct cards *cards);
/* "" for NULL. */
const char *cards_text(sqlite3_stmt *statement, int column);

#endif
