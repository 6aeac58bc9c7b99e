//! Sets.

pub(crate) mod algebra;
pub(crate) mod members;
pub(crate) mod random;
pub(crate) mod sadd;
pub(crate) mod smove;
pub(crate) mod sscan;

use super::spec::Spec;

pub(crate) const COMMANDS: &[&[Spec]] =
    &[algebra::SPECS, members::SPECS, random::SPECS, sadd::SPECS, smove::SPECS, sscan::SPECS];
