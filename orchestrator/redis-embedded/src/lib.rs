#![doc = include_str!("../README.md")]
//!
//! # The code, in reading order
//!
//! - `server` is what listens, and runs everything on one thread of its own, as Redis does;
//! - `connection` carries bytes between one socket and the store;
//! - [`resp`] is the wire format, in and out, bounded and without panics;
//! - `engine` takes a command to its reply: [`Store::apply`] is pure, time comes in;
//! - `commands` holds a file for each command, and the table of them;
//! - `store` is the data;
//! - `lua` runs scripts.

#![warn(missing_docs)]
mod clock;
mod limits;
mod number;
pub mod resp;
mod server;

mod commands;
mod connection;
mod engine;
mod geo;
mod lua;
mod rdb;
mod spec;
mod store;
mod version;

pub use clock::{Clock, ManualClock, WallClock};
pub use commands::table::covered_commands;
pub use engine::store::Store;
pub use limits::Limits;
pub use resp::Reply;
pub use server::{EmbeddedConfig, EmbeddedError, EmbeddedServer};
pub use store::effect::Effect;
pub use store::ids::ClientId;
pub use store::state::StoreConfig;
