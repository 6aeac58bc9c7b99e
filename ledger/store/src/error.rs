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
    #[error("cannot reach the ledger at {url}: {why}. {hint}")]
    Unreachable {
        /// The URL, without its password.
        url: String,
        /// What happened.
        why: String,
        /// What to do.
        hint: String,
    },
    /// The tables could not be made or are of another version.
    #[error("the ledger at {url} cannot be brought up to date: {why}")]
    Migration {
        /// The URL, without its password.
        url: String,
        /// What happened.
        why: String,
    },
    /// The database was reached before and cannot be used now; trying again may help.
    #[error("the ledger cannot be used right now: {0}")]
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
    /// Rows are still waiting for a store that does not take them.
    #[error(
        "{rows} rows are still waiting for the ledger: they are kept in {spool} and go in when it answers{}",
        in_memory(*held)
    )]
    Pending {
        /// How many.
        rows: u64,
        /// How many of them are in memory only.
        held: u64,
        /// Where the others are.
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

fn in_memory(held: u64) -> String {
    if held == 0 {
        return String::new();
    }
    format!("; {held} of them are in memory only, for the spool cannot be written: make room on its disk")
}

/// PostgreSQL's error classes that are about the row itself, for good: data, integrity, raised by a trigger, limits (PostgreSQL
/// manual, appendix A). SQLite's primary result codes likewise: too big, constraint, mismatch. Whatever else a database
/// answers (no permission, read-only, disk full, no such table) ends when somebody repairs it, and rows wait until then.
const REFUSALS: [&str; 4] = ["22", "23", "P0", "54"];
const REFUSALS_SQLITE: [u32; 3] = [18, 19, 20];

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
            sqlx::Error::Database(database) => !database.code().is_some_and(|code| {
                if database.try_downcast_ref::<sqlx::postgres::PgDatabaseError>().is_some() {
                    REFUSALS.iter().any(|class| code.starts_with(class))
                } else {
                    code.parse::<u32>().is_ok_and(|code| REFUSALS_SQLITE.contains(&(code & 0xFF)))
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
