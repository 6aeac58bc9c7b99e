//! The server: a thread that listens, and what the rest of the process has of it.

mod config;
mod direct;
mod directory;
mod error;
mod handle;
mod thread;

pub use config::EmbeddedConfig;
pub use error::EmbeddedError;
pub use handle::EmbeddedServer;
