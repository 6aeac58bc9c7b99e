//! Keys whatever they hold: presence, expiry, names, scans.

pub(crate) mod del;
pub(crate) mod dump;
pub(crate) mod exists;
pub(crate) mod expire;
pub(crate) mod keys_;
pub(crate) mod object;
pub(crate) mod rename;
pub(crate) mod scan;
pub(crate) mod sort;
pub(crate) mod ttl;
pub(crate) mod type_;

use super::entry::Command;

pub(crate) const COMMANDS: &[&[Command]] = &[
    del::COMMANDS,
    dump::COMMANDS,
    exists::COMMANDS,
    expire::COMMANDS,
    keys_::COMMANDS,
    object::COMMANDS,
    rename::COMMANDS,
    scan::COMMANDS,
    sort::COMMANDS,
    ttl::COMMANDS,
    type_::COMMANDS,
];
