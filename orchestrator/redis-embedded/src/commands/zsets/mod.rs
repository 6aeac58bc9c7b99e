//! Sorted sets.

pub(crate) mod algebra;
pub(crate) mod zadd;
pub(crate) mod zcount;
pub(crate) mod zmpop;
pub(crate) mod zpop;
pub(crate) mod zrandmember;
pub(crate) mod zrange;
pub(crate) mod zrem;
pub(crate) mod zscan;
pub(crate) mod zscore;

use super::spec::Spec;

pub(crate) const COMMANDS: &[&[Spec]] = &[
    algebra::SPECS,
    zadd::SPECS,
    zcount::SPECS,
    zmpop::SPECS,
    zpop::SPECS,
    zrandmember::SPECS,
    zrange::SPECS,
    zrem::SPECS,
    zscan::SPECS,
    zscore::SPECS,
];
