//! The parity ledger's stores: append-only tables of chained rows, on SQLite by default, on PostgreSQL by URL.
//!
//! [`Recorder`] is what the rest of the program talks to: it never blocks, chains rows and commits them in groups.
//! [`LedgerStore`] is the seam under it; `docs/ledger.md` describes the tables.
mod error;
mod redact;
mod rows;
mod sessions;
mod traits;
mod url;

mod migrations;
mod postgres;
mod sqlite;

mod chains;
mod config;
mod delivery;
mod drops;
mod finished;
mod recorder;
mod spool;
mod task;

mod verify;

pub use config::RecorderConfig;
pub use error::StoreError;
pub use finished::Finished;
pub use postgres::PostgresStore;
pub use recorder::Recorder;
pub use sqlite::SqliteStore;
pub use traits::{LedgerStore, SessionEntry};
pub use url::open;
pub use verify::{Verified, verify_all, verify_session};
