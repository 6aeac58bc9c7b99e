//! Strings.

pub(crate) mod append;
pub(crate) mod bitfield;
pub(crate) mod bitop;
pub(crate) mod bits;
pub(crate) mod get;
pub(crate) mod getdel;
pub(crate) mod getex;
pub(crate) mod incr;
pub(crate) mod incrbyfloat;
pub(crate) mod lcs;
pub(crate) mod many;
pub(crate) mod range;
pub(crate) mod set;

use super::entry::Command;

pub(crate) const COMMANDS: &[&[Command]] = &[
    append::COMMANDS,
    bitfield::COMMANDS,
    bitop::COMMANDS,
    bits::COMMANDS,
    get::COMMANDS,
    getdel::COMMANDS,
    getex::COMMANDS,
    incr::COMMANDS,
    incrbyfloat::COMMANDS,
    lcs::COMMANDS,
    many::COMMANDS,
    range::COMMANDS,
    set::COMMANDS,
];
