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

use super::spec::Spec;

pub(crate) const COMMANDS: &[&[Spec]] = &[
    append::SPECS,
    bitfield::SPECS,
    bitop::SPECS,
    bits::SPECS,
    get::SPECS,
    getdel::SPECS,
    getex::SPECS,
    incr::SPECS,
    incrbyfloat::SPECS,
    lcs::SPECS,
    many::SPECS,
    range::SPECS,
    set::SPECS,
];
