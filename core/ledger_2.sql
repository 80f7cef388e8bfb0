-- The ledger, version 2: whose bytes the store still has stands in a table of its own, so that an
-- event's row is written once and never again with all its bytes. Of `stage` only 0 has a meaning
-- now, that a person has not looked yet; a ledger of version 1 has 2 where the store let go.
CREATE TABLE in_store (
        region TEXT NOT NULL,
        document TEXT NOT NULL,
        ulid TEXT NOT NULL,
        source INTEGER NOT NULL REFERENCES source,
        id TEXT NOT NULL,
        PRIMARY KEY (region, document, ulid)
) WITHOUT ROWID;
INSERT INTO in_store SELECT region, document, ulid, source, id FROM event WHERE stage = 1;
DROP INDEX event_in_store;
