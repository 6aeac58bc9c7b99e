//! Redis: everything between capture and playback crosses it.
//!
//! - [`keys`] names every key, field, stream and time-to-live;
//! - [`config`] says which server is meant, [`connection`] looks after the connections to it, [`RedisHandle`] is what the
//!   rest of the program holds;
//! - [`queue`] carries work to workers, and [`outbox`] keeps what was accepted until it is answered;
//! - [`streams`] carries sound, and results back;
//! - [`sessions`] says which sessions live; [`limits`] says how much may be asked;
//! - [`transitions`] reports to the ledger what changed;
//! - [`ops`] is for operators: a close look at a server, hot keys, the flag cache.
//!
//! The server in this process, for when there is none outside, is a crate of its own: `redis-embedded`.
#![forbid(unsafe_code)]

pub mod keys;

pub mod config;
pub mod connection;
mod handle;
mod health;
mod health_findings;

pub mod limits;
pub mod outbox;
pub mod queue;
pub mod sessions;
pub mod streams;
pub mod transitions;

pub mod ops;

mod metric_descriptions;

pub use config::{RedisConfig, RedisError, TlsFiles};
pub use connection::{Connection, Dedicated};
pub use handle::RedisHandle;
pub use health::RedisHealth;
pub use health_findings::{Finding, Severity};
pub use metric_descriptions::describe;
