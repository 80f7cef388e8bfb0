-- What pages look for, made from the ledger and made anew whenever it does not fit it: no facts of its own.

-- How far the ledger has been read, and the hash of that row: another hash is another ledger.
CREATE TABLE mark (id INTEGER PRIMARY KEY CHECK (id = 1), seq INTEGER NOT NULL, hash BLOB NOT NULL);
INSERT INTO mark VALUES (1, 0, x'');

-- A card per document; its number is that of the document's first row, so that they lie in the order in
-- which the documents came.
CREATE TABLE card (
        id INTEGER PRIMARY KEY,
        region TEXT NOT NULL,
        document TEXT NOT NULL,
        first_at INTEGER NOT NULL,
        last_at INTEGER NOT NULL,
        state TEXT NOT NULL,     -- live withdrawn closed held refused
        accepted TEXT NOT NULL,  -- what it is when what is held is left away; "" when nothing was accepted
        revision INTEGER NOT NULL,
        title TEXT NOT NULL,
        number TEXT NOT NULL,
        publisher TEXT NOT NULL,
        item TEXT NOT NULL
);
CREATE UNIQUE INDEX card_document ON card (document, region);
CREATE INDEX card_state ON card (state, id);
CREATE INDEX card_at ON card (first_at, id);

-- The terms of a card (terms.h).
CREATE VIRTUAL TABLE words USING fts5 (title, number, document, publisher, content = '', columnsize = 0);

-- Revisions with a time of publication: what they took counts from then.
CREATE TABLE embargo (event TEXT PRIMARY KEY, at INTEGER NOT NULL) WITHOUT ROWID;

-- Counts, by what (cards.h), hour, day, or 0 = in all, and channel ("" = of no channel): so a chart of all
-- channels reads its hours and nothing else.
CREATE TABLE tally (
        channel TEXT NOT NULL,
        what INTEGER NOT NULL,
        at INTEGER NOT NULL,
        n INTEGER NOT NULL,
        PRIMARY KEY (what, at, channel)
) WITHOUT ROWID;
