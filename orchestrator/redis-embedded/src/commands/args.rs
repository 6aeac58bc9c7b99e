//! Arguments read as numbers and words.

use super::answer::{Abort, NOT_FLOAT, NOT_INTEGER};
use crate::number::{parse_f64, parse_i64};
use crate::store::state::DATABASES;

pub(crate) fn int(arg: &[u8]) -> Result<i64, Abort> {
    parse_i64(arg).ok_or_else(|| Abort::error(NOT_INTEGER))
}

pub(crate) fn float(arg: &[u8]) -> Result<f64, Abort> {
    parse_f64(arg).ok_or_else(|| Abort::error(NOT_FLOAT))
}

/// Whether an argument is this word, in any case.
pub(crate) fn is(arg: &[u8], word: &str) -> bool {
    arg.eq_ignore_ascii_case(word.as_bytes())
}

/// A count of things to give: a negative one is refused with `refusal`.
pub(crate) fn at_least(arg: &[u8], least: i64, refusal: &str) -> Result<usize, Abort> {
    let n = int(arg)?;
    if n < least {
        return Err(Abort::error(refusal.to_owned()));
    }
    Ok(usize::try_from(n).unwrap_or(usize::MAX))
}

/// The number of a database.
pub(crate) fn database(arg: &[u8]) -> Result<usize, Abort> {
    let n = parse_i64(arg).ok_or_else(|| Abort::error(NOT_INTEGER))?;
    usize::try_from(n)
        .ok()
        .filter(|&n| n < DATABASES)
        .ok_or_else(|| Abort::error("ERR DB index is out of range"))
}
