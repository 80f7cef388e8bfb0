/* Inside the ledger: what the files of the writer share. */
#ifndef CORE_LEDGER_WRITER_H
#define CORE_LEDGER_WRITER_H

#include "core/ledger_parts.h"

enum { RECENT = 8192 };

/* Stages of an event, as in the schema. */
enum { STAGE_HELD, STAGE_SEEN };

struct ledger_recent { /* who sent an event: most records are about recent ones */
        char ulid[ULID_TEXT];
        int64_t source;
};

struct ledger_region {
        char code[7];
        int64_t era;
        struct ledger_position position;
        struct ledger_region *next;
};

enum ledger_statement {
        ADD_ENTRY,
        ADD_EVENT,
        ADD_SOURCE,
        ADD_ERA,
        SET_POSITION,
        END_HELD,
        ADD_IN_STORE,
        PUT_IN_STORE,
        END_IN_STORE,
        SOURCE_OF_EVENT,
        EVENT_OF_REVISION,
        SOURCE_OF_DOCUMENT,
        ADD_TROUBLE,
        END_TROUBLE,
        FIND,
        IN_STORE,
        ALL_IN_STORE,
        N_STATEMENTS,
};

struct ledger {
        struct ledger_db db;
        struct chain chain;
        sqlite3_stmt *statements[N_STATEMENTS];
        struct ledger_region *regions;
        struct ledger_head head;
        char newest_event[ULID_TEXT]; /* the greatest: a greater one is not in, without a look */
        bool has_trouble; /* any row in `trouble`: most of the time there is none to look for */
        struct ledger_recent recent[RECENT];
};

/* A statement binds all of its places each time: what it was bound to before stays. */
void writer_bind_text(sqlite3_stmt *statement, int at, const char *text);
void writer_done(sqlite3_stmt *statement); /* behind its last row */
int writer_run(struct ledger *ledger, sqlite3_stmt *statement); /* one without rows */

#endif
