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

use super::entry::Command;

pub(crate) const COMMANDS: &[&[Command]] = &[
    algebra::COMMANDS,
    zadd::COMMANDS,
    zcount::COMMANDS,
    zmpop::COMMANDS,
    zpop::COMMANDS,
    zrandmember::COMMANDS,
    zrange::COMMANDS,
    zrem::COMMANDS,
    zscan::COMMANDS,
    zscore::COMMANDS,
];
