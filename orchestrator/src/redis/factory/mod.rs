//! Finding the server that is meant, and connecting to it.
//!
//! A URL is taken from the argument, else the setting, else `ANTIPHON_REDIS_URL`, else `REDIS_URL`; without any the
//! embedded server is started. Two kinds of connection are given out: a shared one that reconnects by itself, for
//! ordinary commands, and dedicated ones for reads that block (they would stall everybody on a shared one).
mod config;
mod error;
mod findings;
mod handle;
mod health;

pub use config::RedisConfig;
pub use error::RedisError;
pub use findings::Finding;
pub use handle::{Connection, RedisHandle};
pub use health::RedisHealth;
