-- The ledger, version 1. A later version is a file of its own, ledger_2.sql, that changes this one;
-- PRAGMA user_version says how far a ledger has come.

-- A store of a region that an operator has taken as right (gongkaictl store adopt): within one era
-- the numbers n have no gap.
CREATE TABLE era (
        id INTEGER PRIMARY KEY,
        region TEXT NOT NULL,
        epoch TEXT NOT NULL,
        adoption TEXT NOT NULL,
        UNIQUE (region, epoch, adoption)
);

CREATE TABLE source (
        id INTEGER PRIMARY KEY,
        name TEXT NOT NULL UNIQUE
);

-- One row per record of the log; hash is over the row before and all of this one (ledger_chain.c).
CREATE TABLE entry (
        seq INTEGER PRIMARY KEY,
        era INTEGER NOT NULL REFERENCES era,
        n INTEGER NOT NULL,
        at INTEGER NOT NULL,
        state TEXT NOT NULL,
        document TEXT NOT NULL,
        revision INTEGER NOT NULL,
        level INTEGER NOT NULL,
        event TEXT NOT NULL,
        channel TEXT NOT NULL,
        attempt INTEGER, -- NULL: none was counted
        code TEXT NOT NULL,
        reference TEXT NOT NULL,
        url TEXT NOT NULL,
        sentence TEXT NOT NULL,
        extra TEXT NOT NULL,
        source INTEGER REFERENCES source,
        receipt INTEGER, -- its number in the region; NULL: nobody is told
        digest BLOB,     -- of the event's bytes, where this row brought them
        alg TEXT NOT NULL,
        hash BLOB NOT NULL
);
CREATE UNIQUE INDEX entry_n ON entry (era, n);
CREATE INDEX entry_document ON entry (document);
CREATE INDEX entry_receipt ON entry (source, receipt) WHERE receipt IS NOT NULL;

-- The bytes of an event, under the number of the row that brought them.
CREATE TABLE event (
        seq INTEGER PRIMARY KEY REFERENCES entry,
        ulid TEXT NOT NULL UNIQUE,
        region TEXT NOT NULL,
        source INTEGER NOT NULL REFERENCES source,
        id TEXT NOT NULL,
        document TEXT NOT NULL,
        stage INTEGER NOT NULL, -- 0 a person has not looked yet, 1 the store has the bytes, 2 it has not
        bytes BLOB
);
CREATE INDEX event_in_store ON event (region, document) WHERE stage = 1;

-- How far each region has been copied: written in the transaction that copies.
CREATE TABLE position (
        region TEXT PRIMARY KEY,
        era INTEGER NOT NULL REFERENCES era,
        n INTEGER NOT NULL,
        id TEXT NOT NULL, -- of the stream's entry that has n
        receipt INTEGER NOT NULL
) WITHOUT ROWID;

-- Where a channel stands that has not come to its end with a document: made from entry, and no part
-- of the chain.
CREATE TABLE trouble (
        region TEXT NOT NULL,
        document TEXT NOT NULL,
        channel TEXT NOT NULL,
        state TEXT NOT NULL,
        since INTEGER NOT NULL,
        seq INTEGER NOT NULL,
        PRIMARY KEY (region, document, channel)
) WITHOUT ROWID;
CREATE INDEX trouble_state ON trouble (state, since);
