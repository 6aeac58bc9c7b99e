//! HyperLogLogs.

pub(crate) mod pf;

use super::entry::Command;

pub(crate) const COMMANDS: &[&[Command]] = &[pf::COMMANDS];
