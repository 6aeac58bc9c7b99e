//! Publish and subscribe.

pub(crate) mod publish;
pub(crate) mod subscribe;

use super::entry::Command;

pub(crate) const COMMANDS: &[&[Command]] = &[publish::COMMANDS, subscribe::COMMANDS];
