//! The commands: a folder for each family, a file for each command (or for a few that are cases
//! of one another), and `table` to find them by name.

mod call;
mod prelude;
mod spec;
mod table;

mod connection;
pub(crate) mod hashes;
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

pub(crate) use call::{Abort, Answer, Call, Caller};
pub(crate) use server::command::keys as keys_of;
pub(crate) use spec::Spec;
pub use table::covered_commands;
pub(crate) use table::{all, find};
