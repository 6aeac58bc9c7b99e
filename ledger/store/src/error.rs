//! What can go wrong with a store.
use antiphon_core::ids::SessionId;

/// A store that could not do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The URL is not one.
    #[error("the ledger's URL {url} is refused: {why}")]
    Url {
        /// The URL, without its password.
        url: String,
        /// What is wrong with it.
        why: String,
    },
    /// The database cannot be opened.
    #[error("cannot reach the ledger at {url}: {why}. {mend}")]
    Unreachable {
        /// The URL, without its password.
        url: String,
        /// What happened.
        why: String,
        /// What to do.
        mend: String,
    },
    /// The tables could not be made or are of another version.
    #[error("the ledger at {url} cannot be brought up to date: {why}")]
    Migration {
        /// The URL, without its password.
        url: String,
        /// What happened.
        why: String,
    },
    /// The database was reached before and does not answer now; trying again may help.
    #[error("the ledger does not answer: {0}")]
    Transient(String),
    /// Rows that don't follow what is there: another writer has the session, or rows are missing in between.
    #[error("row {seq} of session {session} cannot be appended: {why}")]
    Conflict {
        /// Which session.
        session: SessionId,
        /// Which row.
        seq: u64,
        /// Why not.
        why: String,
    },
    /// The database refused for good.
    #[error("the ledger refused: {0}")]
    Refused(String),
    /// A row that cannot be read.
    #[error("row {seq} of session {session} cannot be read: column {column}: {why}")]
    Row {
        /// Which session.
        session: String,
        /// Which row.
        seq: i64,
        /// Which column.
        column: &'static str,
        /// What is wrong with it.
        why: String,
    },
    /// Rows are still waiting for a store that does not answer.
    #[error(
        "{rows} rows are still waiting for the ledger: they are kept in {spool} and go in when it answers"
    )]
    Pending {
        /// How many.
        rows: u64,
        /// Where.
        spool: String,
    },
    /// The spool file cannot be used.
    #[error("cannot {doing} the ledger's spool {path}: {why}")]
    Spool {
        /// What was being done.
        doing: &'static str,
        /// The file.
        path: String,
        /// Why it failed.
        why: String,
    },
    /// The recorder's task has ended.
    #[error("the ledger's recorder was closed")]
    Closed,
}

impl StoreError {
    /// Whether trying again may help.
    pub fn is_transient(&self) -> bool {
        matches!(self, StoreError::Transient(_) | StoreError::Unreachable { .. })
    }
}

/// PostgreSQL's error classes that pass by themselves: connection, resources, operator's intervention, rolled back
/// transactions, locks (PostgreSQL manual, appendix A). SQLite's primary result codes likewise: busy, locked, I/O, full.
const PASSING: [&str; 5] = ["08", "53", "57P", "40", "55P"];
const PASSING_SQLITE: [u32; 4] = [5, 6, 10, 13];

impl From<sqlx::Error> for StoreError {
    fn from(error: sqlx::Error) -> Self {
        let passing = match &error {
            sqlx::Error::Io(_)
            | sqlx::Error::Tls(_)
            | sqlx::Error::PoolTimedOut
            | sqlx::Error::PoolClosed
            | sqlx::Error::WorkerCrashed => true,
            // A cut connection surfaces as a protocol error when it is cut in the middle of a message.
            sqlx::Error::Protocol(_) => true,
            sqlx::Error::Database(database) => database.code().is_some_and(|code| {
                let postgres = database.try_downcast_ref::<sqlx::postgres::PgDatabaseError>().is_some();
                if postgres {
                    PASSING.iter().any(|class| code.starts_with(class))
                } else {
                    code.parse::<u32>().is_ok_and(|code| PASSING_SQLITE.contains(&(code & 0xFF)))
                }
            }),
            _ => false,
        };
        if passing {
            StoreError::Transient(error.to_string())
        } else {
            StoreError::Refused(error.to_string())
        }
    }
}
