//! Connections: who is there, and how they speak.

pub(crate) mod auth;
pub(crate) mod client;
pub(crate) mod ping;
mod tracking;

use super::entry::Command;

pub(crate) const COMMANDS: &[&[Command]] = &[auth::COMMANDS, client::COMMANDS, ping::COMMANDS];
