//! Keys whatever they hold: presence, expiry, names, scans.

pub(crate) mod del;
pub(crate) mod exists;
pub(crate) mod expire;
pub(crate) mod keys_;
pub(crate) mod object;
pub(crate) mod rename;
pub(crate) mod scan;
pub(crate) mod sort;
pub(crate) mod ttl;
pub(crate) mod type_;

use super::spec::Spec;

pub(crate) const COMMANDS: &[&[Spec]] = &[
    del::SPECS,
    exists::SPECS,
    expire::SPECS,
    keys_::SPECS,
    object::SPECS,
    rename::SPECS,
    scan::SPECS,
    sort::SPECS,
    ttl::SPECS,
    type_::SPECS,
];
