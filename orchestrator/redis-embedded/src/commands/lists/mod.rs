//! Lists.

pub(crate) mod blocking;
pub(crate) mod change;
pub(crate) mod lmove;
pub(crate) mod lmpop;
pub(crate) mod lpos;
pub(crate) mod lrange;
pub(crate) mod pop;
pub(crate) mod push;

use super::entry::Command;

pub(crate) const COMMANDS: &[&[Command]] = &[
    blocking::COMMANDS,
    change::COMMANDS,
    lmove::COMMANDS,
    lmpop::COMMANDS,
    lpos::COMMANDS,
    lrange::COMMANDS,
    pop::COMMANDS,
    push::COMMANDS,
];
