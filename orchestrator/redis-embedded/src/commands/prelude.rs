//! What every command file uses.

pub(crate) use bytes::Bytes;

pub(crate) use super::call::{
    Abort, Answer, Call, NO_SUCH_KEY, NOT_FLOAT, NOT_INTEGER, SYNTAX, at_least, float, int, is, syntax,
    wrong_type,
};
pub(crate) use super::spec::Spec;
pub(crate) use crate::resp::Reply;

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
