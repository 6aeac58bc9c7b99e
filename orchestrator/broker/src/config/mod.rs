//! Finding the server that is meant, and connecting to it.
//!
//! A URL is taken from the argument, else the setting, else `ANTIPHON_REDIS_URL`, else `REDIS_URL`; without any the
//! embedded server is started. Connections come from [`crate::connection`]: a shared one for ordinary commands,
//! and dedicated ones for reads that block (they would stall all others on a shared one).
mod address;
mod error;
mod settings;
mod tls;

pub(crate) use address::{Address, Login, Node, Target};
pub use error::RedisError;
pub(crate) use settings::EMBEDDED;
pub use settings::RedisConfig;
pub(crate) use tls::Tls;
pub use tls::TlsFiles;
