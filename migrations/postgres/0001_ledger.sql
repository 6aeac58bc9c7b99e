-- The parity ledger on PostgreSQL. docs/ledger.md describes it; migrations/sqlite has the same on SQLite.
-- Times are microseconds since 1970, ids are snowflakes as signed 64-bit numbers.

-- How far each session's chain goes. The only table whose rows change, and they only grow.
CREATE TABLE ledger_sessions (
    session    uuid   NOT NULL PRIMARY KEY,
    guild      bigint NOT NULL,
    first_at   bigint NOT NULL,
    last_at    bigint NOT NULL,
    row_count  bigint NOT NULL CHECK (row_count > 0),
    head       bytea  NOT NULL CHECK (length(head) = 32)
);

CREATE INDEX ledger_sessions_by_guild ON ledger_sessions (guild, first_at);

-- One partition a day (UTC), made by ledger_ensure_partition before the day's first row. Whole days are dropped by
-- whoever owns the table. A key over partitions must have the partition's column in it, so ledger_sessions is what
-- keeps (session, seq) unique.
CREATE TABLE ledger_rows (
    session     uuid   NOT NULL,
    seq         bigint NOT NULL CHECK (seq >= 0),
    guild       bigint NOT NULL,
    at_us       bigint NOT NULL,
    lane        text   CHECK (lane IN ('production', 'sandbox')),
    turn        bigint,
    correlation text   NOT NULL,
    kind        text   NOT NULL,
    content     text,
    salt        bytea  CHECK (salt IS NULL OR length(salt) = 16),
    commitment  bytea  NOT NULL CHECK (length(commitment) = 32),
    prev        bytea  NOT NULL CHECK (length(prev) = 32),
    hash        bytea  NOT NULL CHECK (length(hash) = 32),
    PRIMARY KEY (session, seq, at_us)
) PARTITION BY RANGE (at_us);

CREATE INDEX ledger_rows_by_time ON ledger_rows (guild, at_us);

CREATE FUNCTION ledger_refuse() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'the ledger is append-only: % on % is refused', lower(TG_OP), TG_TABLE_NAME
        USING ERRCODE = 'restrict_violation';
END $$;

CREATE TRIGGER ledger_rows_append_only BEFORE UPDATE OR DELETE ON ledger_rows
    FOR EACH ROW EXECUTE FUNCTION ledger_refuse();
CREATE TRIGGER ledger_rows_no_truncate BEFORE TRUNCATE ON ledger_rows
    FOR EACH STATEMENT EXECUTE FUNCTION ledger_refuse();

CREATE FUNCTION ledger_only_grow() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.session <> OLD.session OR NEW.guild <> OLD.guild OR NEW.first_at <> OLD.first_at
        OR NEW.row_count <= OLD.row_count THEN
        RAISE EXCEPTION 'the ledger is append-only: a session only grows' USING ERRCODE = 'restrict_violation';
    END IF;
    RETURN NEW;
END $$;

CREATE TRIGGER ledger_sessions_only_grow BEFORE UPDATE ON ledger_sessions
    FOR EACH ROW EXECUTE FUNCTION ledger_only_grow();
CREATE TRIGGER ledger_sessions_no_delete BEFORE DELETE ON ledger_sessions
    FOR EACH ROW EXECUTE FUNCTION ledger_refuse();
CREATE TRIGGER ledger_sessions_no_truncate BEFORE TRUNCATE ON ledger_sessions
    FOR EACH STATEMENT EXECUTE FUNCTION ledger_refuse();

-- Makes a day's partition. Runs with its owner's rights, so that the role that writes rows needs none over tables.
CREATE FUNCTION ledger_ensure_partition(day bigint) RETURNS void
    LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
DECLARE
    us_a_day CONSTANT bigint := 86400000000;
    part text := 'ledger_rows_' || to_char(to_timestamp(day * 86400.0) AT TIME ZONE 'UTC', 'YYYYMMDD');
BEGIN
    IF to_regclass(part) IS NOT NULL THEN
        RETURN;
    END IF;
    -- Two writers may see a new day at the same time.
    PERFORM pg_advisory_xact_lock(hashtext('ledger_ensure_partition'));
    IF to_regclass(part) IS NOT NULL THEN
        RETURN;
    END IF;
    EXECUTE format('CREATE TABLE %I PARTITION OF ledger_rows FOR VALUES FROM (%s) TO (%s)',
        part, day * us_a_day, (day + 1) * us_a_day);
    -- Row triggers are inherited, statement triggers are not.
    EXECUTE format('CREATE TRIGGER no_truncate BEFORE TRUNCATE ON %I FOR EACH STATEMENT EXECUTE FUNCTION ledger_refuse()',
        part);
END $$;

REVOKE EXECUTE ON FUNCTION ledger_ensure_partition(bigint) FROM PUBLIC;

-- The ledger for people: times as times, contents as JSON.
CREATE VIEW ledger AS
    SELECT session, seq, guild, to_timestamp(at_us / 1000000.0) AS at, lane, turn, correlation, kind,
        content::jsonb AS content, encode(hash, 'hex') AS hash
    FROM ledger_rows;
