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

use super::spec::Spec;

pub(crate) const COMMANDS: &[&[Spec]] = &[
    xack::SPECS,
    xadd::SPECS,
    xclaim::SPECS,
    xgroup::SPECS,
    xinfo::SPECS,
    xlen::SPECS,
    xpending::SPECS,
    xrange::SPECS,
    xread::SPECS,
];
