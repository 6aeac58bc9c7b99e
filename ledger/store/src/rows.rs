//! Rows between their columns and [`ChainedRow`].
use sqlx::{ColumnIndex, Database, Decode, Row, Type};

use super::error::StoreError;
use super::traits::SessionEntry;
use antiphon_core::chain::{ChainedRow, Digest, Proof, Salt};
use antiphon_core::ids::{CorrelationId, GuildId, Lane, SessionId, TurnId};
use antiphon_core::time::Timestamp;

/// Every column of `ledger_rows`, in the order in which both stores select them.
macro_rules! columns {
    () => {
        "seq, guild, at_us, lane, turn, correlation, kind, content, salt, commitment, prev, hash"
    };
}
pub(super) use columns;

/// Snowflakes and counts are unsigned, SQL's numbers are not: the bits are kept.
pub(super) fn signed(value: u64) -> i64 {
    value as i64
}

fn unsigned(value: i64) -> u64 {
    value as u64
}

/// Reads a column, naming the row when it cannot be read.
struct Columns<'r, R> {
    row: &'r R,
    session: String,
    seq: i64,
}

impl<'r, R: Row> Columns<'r, R>
where
    &'static str: ColumnIndex<R>,
{
    fn get<T>(&self, column: &'static str) -> Result<T, StoreError>
    where
        T: Decode<'r, R::Database> + Type<R::Database>,
    {
        self.row.try_get(column).map_err(|error| self.fault(column, error.to_string()))
    }

    fn bytes<const N: usize>(&self, column: &'static str) -> Result<[u8; N], StoreError>
    where
        Vec<u8>: Decode<'r, R::Database> + Type<R::Database>,
    {
        let bytes: Vec<u8> = self.get(column)?;
        let found = bytes.len();
        bytes.try_into().map_err(|_| self.fault(column, format!("{found} bytes, expected {N}")))
    }

    fn fault(&self, column: &'static str, why: String) -> StoreError {
        StoreError::Row { session: self.session.clone(), seq: self.seq, column, why }
    }
}

/// A row of `ledger_rows`; `session` is known from the query or in the column `session_text`.
pub(super) fn chained<'r, R>(row: &'r R) -> Result<ChainedRow, StoreError>
where
    R: Row,
    &'static str: ColumnIndex<R>,
    i64: Decode<'r, R::Database> + Type<R::Database>,
    String: Decode<'r, R::Database> + Type<R::Database>,
    Vec<u8>: Decode<'r, R::Database> + Type<R::Database>,
    Option<i64>: Decode<'r, R::Database> + Type<R::Database>,
    Option<String>: Decode<'r, R::Database> + Type<R::Database>,
    Option<Vec<u8>>: Decode<'r, R::Database> + Type<R::Database>,
    R::Database: Database,
{
    let mut columns = Columns { row, session: String::new(), seq: -1 };
    columns.session = columns.get("session_text")?;
    columns.seq = columns.get("seq")?;
    let session: SessionId = columns
        .session
        .parse()
        .map_err(|error: antiphon_core::ids::BadId| columns.fault("session", error.to_string()))?;
    let lane = match columns.get::<Option<String>>("lane")?.as_deref() {
        None => None,
        Some("production") => Some(Lane::Production),
        Some("sandbox") => Some(Lane::Sandbox),
        Some(other) => return Err(columns.fault("lane", format!("{other:?} is no lane"))),
    };
    let turn = match columns.get::<Option<i64>>("turn")? {
        None => None,
        Some(turn) => Some(TurnId(
            u32::try_from(turn).map_err(|_| columns.fault("turn", format!("{turn} is no turn's number")))?,
        )),
    };
    let salt = match columns.get::<Option<Vec<u8>>>("salt")? {
        None => None,
        Some(_) => Some(Salt(columns.bytes("salt")?)),
    };
    Ok(ChainedRow {
        seq: unsigned(columns.seq),
        guild: GuildId(unsigned(columns.get("guild")?)),
        session,
        at: Timestamp(unsigned(columns.get("at_us")?)),
        lane,
        turn,
        correlation: CorrelationId(columns.get("correlation")?),
        kind: columns.get("kind")?,
        content: columns.get("content")?,
        salt,
        commitment: Digest(columns.bytes("commitment")?),
        prev: Digest(columns.bytes("prev")?),
        hash: Digest(columns.bytes("hash")?),
    })
}

/// A row of `ledger_sessions`.
pub(super) fn entry<'r, R>(row: &'r R) -> Result<SessionEntry, StoreError>
where
    R: Row,
    &'static str: ColumnIndex<R>,
    i64: Decode<'r, R::Database> + Type<R::Database>,
    String: Decode<'r, R::Database> + Type<R::Database>,
    Vec<u8>: Decode<'r, R::Database> + Type<R::Database>,
    R::Database: Database,
{
    let mut columns = Columns { row, session: String::new(), seq: -1 };
    columns.session = columns.get("session_text")?;
    let session = columns
        .session
        .parse()
        .map_err(|error: antiphon_core::ids::BadId| columns.fault("session", error.to_string()))?;
    Ok(SessionEntry {
        session,
        guild: GuildId(unsigned(columns.get("guild")?)),
        first_at: Timestamp(unsigned(columns.get("first_at")?)),
        last_at: Timestamp(unsigned(columns.get("last_at")?)),
        proof: Proof { rows: unsigned(columns.get("row_count")?), head: Digest(columns.bytes("head")?) },
    })
}
