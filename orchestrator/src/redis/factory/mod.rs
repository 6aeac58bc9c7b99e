//! Finding the server that is meant, and connecting to it.
//!
//! A URL is taken from the argument, else the setting, else `ANTIPHON_REDIS_URL`, else `REDIS_URL`; without any the
//! embedded server is started. Connections come from [`crate::redis::supervisor`]: a shared one for ordinary commands,
//! and dedicated ones for reads that block (they would stall everybody on a shared one).
mod address;
mod config;
mod error;
mod findings;
mod handle;
mod health;
mod tls;

pub(crate) use address::{Address, Login, Node, Target};
pub use config::RedisConfig;
pub use error::RedisError;
pub use findings::{Finding, Severity};
pub(crate) use findings::{Info, OLDEST, SKEW, SLOW};
pub use handle::RedisHandle;
pub use health::RedisHealth;
pub(crate) use tls::Tls;
pub use tls::TlsFiles;
