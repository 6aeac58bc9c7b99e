//! Hashes.

pub(crate) mod hdel;
pub(crate) mod hget;
pub(crate) mod hgetall;
pub(crate) mod hincrby;
pub(crate) mod hrandfield;
pub(crate) mod hscan;
pub(crate) mod hset;

use super::entry::Command;

pub(crate) const COMMANDS: &[&[Command]] = &[
    hdel::COMMANDS,
    hget::COMMANDS,
    hgetall::COMMANDS,
    hincrby::COMMANDS,
    hrandfield::COMMANDS,
    hscan::COMMANDS,
    hset::COMMANDS,
];
