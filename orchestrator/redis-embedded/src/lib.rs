//! A Redis server in this process, for running Antiphon with nothing installed.
//!
//! It speaks RESP2 and RESP3 on a private Unix socket (and on loopback TCP when asked), so that
//! the rest of the code has one client type and one way of doing things. In reading order:
//!
//! - [`server`] listens, and runs everything on one thread of its own, as Redis does;
//! - [`connection`] carries bytes between one socket and the store;
//! - [`resp`] is the wire format, in and out, bounded and without panics;
//! - [`store`] is the data: `Store::apply(now, connection, command)` is pure, time comes in;
//! - [`commands`] holds one file per command, and the table of them;
//! - [`lua`] runs scripts.

#![warn(missing_docs)]
mod clock;
pub mod limits;
pub mod resp;
pub mod server;
pub mod store;

mod commands;
mod connection;
mod lua;

pub use clock::{Clock, ManualClock, WallClock};
pub use commands::covered_commands;
pub use limits::Limits;
pub use resp::Reply;
pub use server::{EmbeddedConfig, EmbeddedError, EmbeddedServer};
pub use store::Store;
