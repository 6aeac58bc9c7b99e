//! LRANGE, LLEN, LINDEX.

use crate::commands::prelude::*;
use crate::store::zset::slice;

pub(crate) const COMMANDS: &[Command] = &[
    Command::new("lrange", 4, R, ONE, lrange),
    Command::new("llen", 2, R | FAST, ONE, llen),
    Command::new("lindex", 3, R, ONE, lindex),
];

fn lrange(call: &mut Call<'_>) -> Answer {
    let (start, stop) = (int(&call.args[2])?, int(&call.args[3])?);
    let Some(list) = call.list(&call.args[1])? else { return Ok(Reply::Array(Vec::new())) };
    Ok(match slice(start, stop, list.len()) {
        Some((from, to)) => Reply::strings(list.range(from..=to).cloned()),
        None => Reply::Array(Vec::new()),
    })
}

fn llen(call: &mut Call<'_>) -> Answer {
    Ok(Reply::count(call.list(&call.args[1])?.map_or(0, |list| list.len())))
}

fn lindex(call: &mut Call<'_>) -> Answer {
    let list = call.list(&call.args[1])?;
    let index = int(&call.args[2])?;
    let Some(list) = list else { return Ok(Reply::Nil) };
    Ok(Reply::bulk_or_nil(position(index, list.len()).and_then(|at| list.get(at)).cloned()))
}

/// An index, counted from the end when negative.
pub(crate) fn position(index: i64, len: usize) -> Option<usize> {
    let len = i64::try_from(len).ok()?;
    let at = if index < 0 { index.checked_add(len)? } else { index };
    usize::try_from(at).ok().filter(|_| at < len)
}
