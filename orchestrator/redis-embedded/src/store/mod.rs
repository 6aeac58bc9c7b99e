//! The data of the embedded server, as a pure value: commands and the time go in, replies and
//! effects come out. No clock, no socket, no thread.
//!
//! [`Store::apply`] is the way in; `dispatch` is what it does with a command; the other modules
//! are what a key can hold.

pub(crate) mod blocked;
pub(crate) mod client;
pub(crate) mod db;
mod dispatch;
pub(crate) mod dump;
mod events;
pub(crate) mod glob;
mod memory;
pub mod number;
pub(crate) mod scanmap;
pub(crate) mod settings;
pub(crate) mod slowlog;
mod state;
pub(crate) mod stream;
pub(crate) mod tracking;
pub(crate) mod value;
pub(crate) mod zset;

pub use client::ClientId;
pub(crate) use dispatch::timed_out;
pub(crate) use state::{DATABASES, Stats};
pub use state::{Effect, Store, StoreConfig};
