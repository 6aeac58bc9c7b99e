//! The server itself: databases, settings, what it tells of itself.

pub(crate) mod command;
pub(crate) mod config;
pub(crate) mod flush;
pub(crate) mod info;
pub(crate) mod select;
pub(crate) mod time;

use super::spec::Spec;

pub(crate) const COMMANDS: &[&[Spec]] =
    &[command::SPECS, config::SPECS, flush::SPECS, info::SPECS, select::SPECS, time::SPECS];
