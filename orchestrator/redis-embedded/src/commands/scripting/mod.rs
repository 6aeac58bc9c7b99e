//! Scripts.

pub(crate) mod eval;
pub(crate) mod function;
pub(crate) mod script;

use super::entry::Command;

pub(crate) const COMMANDS: &[&[Command]] = &[eval::COMMANDS, function::COMMANDS, script::COMMANDS];
