-- The parity ledger on SQLite. docs/ledger.md describes it; migrations/postgres has the same on PostgreSQL.
-- Times are microseconds since 1970, ids are snowflakes as signed 64-bit numbers.

-- How far each session's chain goes. The only table whose rows change, and they only grow.
CREATE TABLE ledger_sessions (
    session    TEXT    NOT NULL PRIMARY KEY,
    guild      INTEGER NOT NULL,
    first_at   INTEGER NOT NULL,
    last_at    INTEGER NOT NULL,
    row_count  INTEGER NOT NULL CHECK (row_count > 0),
    head       BLOB    NOT NULL CHECK (length(head) = 32)
) STRICT, WITHOUT ROWID;

CREATE INDEX ledger_sessions_by_guild ON ledger_sessions (guild, first_at);

CREATE TABLE ledger_rows (
    session     TEXT    NOT NULL,
    seq         INTEGER NOT NULL CHECK (seq >= 0),
    guild       INTEGER NOT NULL,
    at_us       INTEGER NOT NULL,
    lane        TEXT    CHECK (lane IN ('production', 'sandbox')),
    turn        INTEGER,
    correlation TEXT    NOT NULL,
    kind        TEXT    NOT NULL,
    content     TEXT,
    salt        BLOB    CHECK (salt IS NULL OR length(salt) = 16),
    commitment  BLOB    NOT NULL CHECK (length(commitment) = 32),
    prev        BLOB    NOT NULL CHECK (length(prev) = 32),
    hash        BLOB    NOT NULL CHECK (length(hash) = 32),
    PRIMARY KEY (session, seq)
) STRICT, WITHOUT ROWID;

CREATE INDEX ledger_rows_by_time ON ledger_rows (guild, at_us);

CREATE TRIGGER ledger_rows_no_update BEFORE UPDATE ON ledger_rows BEGIN
    SELECT RAISE(ABORT, 'the ledger is append-only: rows are never updated');
END;

CREATE TRIGGER ledger_rows_no_delete BEFORE DELETE ON ledger_rows BEGIN
    SELECT RAISE(ABORT, 'the ledger is append-only: rows are never deleted');
END;

-- INSERT OR REPLACE deletes without asking the trigger above.
CREATE TRIGGER ledger_rows_no_replace BEFORE INSERT ON ledger_rows
WHEN EXISTS (SELECT 1 FROM ledger_rows WHERE session = NEW.session AND seq = NEW.seq) BEGIN
    SELECT RAISE(ABORT, 'the ledger is append-only: the row is there already');
END;

CREATE TRIGGER ledger_sessions_only_grow BEFORE UPDATE ON ledger_sessions
WHEN NEW.session <> OLD.session OR NEW.guild <> OLD.guild OR NEW.first_at <> OLD.first_at
    OR NEW.row_count <= OLD.row_count BEGIN
    SELECT RAISE(ABORT, 'the ledger is append-only: a session only grows');
END;

CREATE TRIGGER ledger_sessions_no_delete BEFORE DELETE ON ledger_sessions BEGIN
    SELECT RAISE(ABORT, 'the ledger is append-only: sessions are never deleted');
END;

CREATE TRIGGER ledger_sessions_no_replace BEFORE INSERT ON ledger_sessions
WHEN EXISTS (SELECT 1 FROM ledger_sessions WHERE session = NEW.session) BEGIN
    SELECT RAISE(ABORT, 'the ledger is append-only: the session is there already');
END;
