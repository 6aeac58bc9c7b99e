//! What every command file uses.

pub(crate) use bytes::Bytes;

pub(crate) use super::answer::{
    Abort, Answer, NO_SUCH_KEY, NOT_FLOAT, NOT_INTEGER, OUT_OF_MEMORY, SYNTAX, syntax, wrong_type,
};
pub(crate) use super::args::{at_least, database, float, int, is};
pub(crate) use super::call::Call;
pub(crate) use super::entry::Command;
pub(crate) use crate::resp::Reply;
pub(crate) use crate::spec::Spec;

pub(crate) const W: u16 = Spec::WRITE;
pub(crate) const R: u16 = Spec::READ;
pub(crate) const FAST: u16 = Spec::FAST;
pub(crate) const NO_SCRIPT: u16 = Spec::NO_SCRIPT;
/// One key, the first argument.
pub(crate) const ONE: (i32, i32, i32) = (1, 1, 1);
/// Every argument is a key.
pub(crate) const ALL: (i32, i32, i32) = (1, -1, 1);
/// No keys.
pub(crate) const NONE: (i32, i32, i32) = (0, 0, 0);
