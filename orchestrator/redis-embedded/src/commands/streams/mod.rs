//! Streams and consumer groups.

pub(crate) mod xack;
pub(crate) mod xadd;
pub(crate) mod xclaim;
pub(crate) mod xgroup;
pub(crate) mod xinfo;
pub(crate) mod xlen;
pub(crate) mod xpending;
pub(crate) mod xrange;
pub(crate) mod xread;

use super::entry::Command;

pub(crate) const COMMANDS: &[&[Command]] = &[
    xack::COMMANDS,
    xadd::COMMANDS,
    xclaim::COMMANDS,
    xgroup::COMMANDS,
    xinfo::COMMANDS,
    xlen::COMMANDS,
    xpending::COMMANDS,
    xrange::COMMANDS,
    xread::COMMANDS,
];
