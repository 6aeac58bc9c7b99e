//! Sets.

pub(crate) mod algebra;
pub(crate) mod members;
pub(crate) mod random;
pub(crate) mod sadd;
pub(crate) mod smove;
pub(crate) mod sscan;

use super::entry::Command;

pub(crate) const COMMANDS: &[&[Command]] = &[
    algebra::COMMANDS,
    members::COMMANDS,
    random::COMMANDS,
    sadd::COMMANDS,
    smove::COMMANDS,
    sscan::COMMANDS,
];
