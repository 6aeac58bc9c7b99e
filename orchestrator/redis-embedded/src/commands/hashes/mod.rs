//! Hashes.

pub(crate) mod hdel;
pub(crate) mod hget;
pub(crate) mod hgetall;
pub(crate) mod hincrby;
pub(crate) mod hrandfield;
pub(crate) mod hscan;
pub(crate) mod hset;

use super::spec::Spec;

pub(crate) const COMMANDS: &[&[Spec]] =
    &[hdel::SPECS, hget::SPECS, hgetall::SPECS, hincrby::SPECS, hrandfield::SPECS, hscan::SPECS, hset::SPECS];
