//! From a command to its reply.
//!
//! - [`store`] is what the server has: commands and the time go in, replies and effects come out;
//! - [`dispatch`] checks a connection's command, and serves commands that wait;
//! - [`run`] runs one command.

mod dispatch;
mod run;
pub(crate) mod store;
