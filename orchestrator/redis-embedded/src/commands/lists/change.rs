//! LSET, LREM, LTRIM, LINSERT: lists changed in place.

use super::lrange::position;
use crate::commands::prelude::*;
use crate::store::zset::slice;

pub(crate) const COMMANDS: &[Command] = &[
    Command::new("lset", 4, W, ONE, lset),
    Command::new("lrem", 4, W, ONE, lrem),
    Command::new("ltrim", 4, W, ONE, ltrim),
    Command::new("linsert", 5, W, ONE, linsert),
];

fn lset(call: &mut Call<'_>) -> Answer {
    let args = call.args;
    let len = call.list(&args[1])?.ok_or_else(|| Abort::error(NO_SUCH_KEY))?.len();
    let at = position(int(&args[2])?, len).ok_or_else(|| Abort::error("ERR index out of range"))?;
    call.list_mut(&args[1])?[at] = args[3].clone();
    call.wrote(&args[1]);
    Ok(Reply::OK)
}

fn lrem(call: &mut Call<'_>) -> Answer {
    let args = call.args;
    let count = int(&args[2])?;
    if call.list(&args[1])?.is_none() {
        return Ok(Reply::Int(0));
    }
    let max =
        if count == 0 { usize::MAX } else { usize::try_from(count.unsigned_abs()).unwrap_or(usize::MAX) };
    let list = call.list_mut(&args[1])?;
    let mut removed = 0;
    let mut keep = |item: &Bytes| {
        let goes = removed < max && *item == args[3];
        removed += usize::from(goes);
        !goes
    };
    if count < 0 {
        let mut kept: std::collections::VecDeque<Bytes> =
            list.drain(..).rev().filter(|item| keep(item)).collect();
        kept.make_contiguous().reverse();
        *list = kept;
    } else {
        list.retain(keep);
    }
    if removed > 0 {
        call.wrote(&args[1]);
    }
    Ok(Reply::count(removed))
}

fn ltrim(call: &mut Call<'_>) -> Answer {
    let args = call.args;
    let (start, stop) = (int(&args[2])?, int(&args[3])?);
    if call.list(&args[1])?.is_none() {
        return Ok(Reply::OK);
    }
    let list = call.list_mut(&args[1])?;
    match slice(start, stop, list.len()) {
        Some((from, to)) => {
            list.truncate(to + 1);
            list.drain(..from);
        }
        None => list.clear(),
    }
    call.wrote(&args[1]);
    Ok(Reply::OK)
}

fn linsert(call: &mut Call<'_>) -> Answer {
    let args = call.args;
    let after = match () {
        () if is(&args[2], "before") => 0,
        () if is(&args[2], "after") => 1,
        () => return Err(syntax()),
    };
    if call.list(&args[1])?.is_none() {
        return Ok(Reply::Int(0));
    }
    let list = call.list_mut(&args[1])?;
    let Some(at) = list.iter().position(|item| *item == args[3]) else { return Ok(Reply::Int(-1)) };
    list.insert(at + after, args[4].clone());
    let len = list.len();
    call.wrote(&args[1]);
    Ok(Reply::count(len))
}
