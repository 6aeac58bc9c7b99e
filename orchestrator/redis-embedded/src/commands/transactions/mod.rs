//! Transactions.

pub(crate) mod multi;

use super::entry::Command;

pub(crate) const COMMANDS: &[&[Command]] = &[multi::COMMANDS];
