//! Redis: everything between the bot's ears and its mouth crosses it.
//!
//! - [`keys`] names every key, field, stream and time-to-live;
//! - [`factory`] finds the server that is meant; [`supervisor`] looks after the connections to it;
//! - [`examine`] looks closely at a server, and says what to mend;
//! - [`embedded`] is a server in this process, for when there is none outside;
//! - [`queue`] carries work to workers, and [`outbox`] keeps what was accepted until it is answered;
//! - [`streams`] carries sound, and results back;
//! - [`sessions`] says which sessions live; [`limits`] says how much may be asked;
//! - [`hot`] finds keys that are asked for too often; [`warm`] keeps what guilds set at hand;
//! - [`transitions`] tells the ledger what changed.
mod described;
pub mod embedded;
pub mod examine;
pub mod factory;
pub mod hot;
pub mod keys;
pub mod limits;
pub mod outbox;
pub mod queue;
pub mod sessions;
pub mod streams;
pub mod supervisor;
pub mod transitions;
pub mod warm;

pub use described::describe;
pub use factory::{Finding, RedisConfig, RedisError, RedisHandle, RedisHealth, Severity, TlsFiles};
pub use supervisor::{Connection, Dedicated};
