//! The server itself: databases, settings, what it tells of itself.

pub(crate) mod acl;
pub(crate) mod command;
pub(crate) mod config;
pub(crate) mod flush;
pub(crate) mod help;
pub(crate) mod info;
pub(crate) mod memory;
pub(crate) mod monitor;
pub(crate) mod select;
pub(crate) mod time;

use super::spec::Spec;

pub(crate) const COMMANDS: &[&[Spec]] = &[
    acl::SPECS,
    command::SPECS,
    config::SPECS,
    flush::SPECS,
    info::SPECS,
    memory::SPECS,
    monitor::SPECS,
    select::SPECS,
    time::SPECS,
];
