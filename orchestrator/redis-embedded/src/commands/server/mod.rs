//! The server itself: databases, settings, users, figures.

pub(crate) mod acl;
pub(crate) mod command;
pub(crate) mod config;
mod docs;
pub(crate) mod flush;
pub(crate) mod help;
pub(crate) mod info;
pub(crate) mod memory;
pub(crate) mod monitor;
pub(crate) mod select;
pub(crate) mod time;

use super::entry::Command;

pub(crate) const COMMANDS: &[&[Command]] = &[
    acl::COMMANDS,
    command::COMMANDS,
    config::COMMANDS,
    flush::COMMANDS,
    info::COMMANDS,
    memory::COMMANDS,
    monitor::COMMANDS,
    select::COMMANDS,
    time::COMMANDS,
];
