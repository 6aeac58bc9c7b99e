//! Lists.

pub(crate) mod blocking;
pub(crate) mod change;
pub(crate) mod lmove;
pub(crate) mod lmpop;
pub(crate) mod lpos;
pub(crate) mod lrange;
pub(crate) mod pop;
pub(crate) mod push;

use super::spec::Spec;

pub(crate) const COMMANDS: &[&[Spec]] = &[
    blocking::SPECS,
    change::SPECS,
    lmove::SPECS,
    lmpop::SPECS,
    lpos::SPECS,
    lrange::SPECS,
    pop::SPECS,
    push::SPECS,
];
