//! The commands: a folder for each family, a file for each command (or for a few that are cases
//! of one another), and `table` to find them by name.

pub(crate) mod answer;
pub(crate) mod args;
pub(crate) mod call;
pub(crate) mod entry;
mod key_events;
mod prelude;
pub(crate) mod table;

mod connection;
mod geo;
pub(crate) mod hashes;
mod hyperloglogs;
pub(crate) mod keys;
pub(crate) mod lists;
mod pubsub;
mod scripting;
pub(crate) mod server;
pub(crate) mod sets;
mod streams;
mod strings;
mod transactions;
mod zsets;
