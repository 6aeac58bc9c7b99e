//! XLEN, XDEL, XSETID.

use super::xadd::parse_id;
use crate::commands::prelude::*;

pub(crate) const COMMANDS: &[Command] = &[
    Command::new("xlen", 2, R | FAST, ONE, xlen),
    Command::new("xdel", -3, W | FAST, ONE, xdel),
    Command::new("xsetid", -3, W | FAST, ONE, xsetid),
];

fn xlen(call: &mut Call<'_>) -> Answer {
    Ok(Reply::count(call.stream(&call.args[1])?.map_or(0, |stream| stream.entries.len())))
}

fn xdel(call: &mut Call<'_>) -> Answer {
    let args = call.args;
    if call.stream(&args[1])?.is_none() {
        return Ok(Reply::Int(0));
    }
    let ids: Result<Vec<_>, Abort> = args[2..].iter().map(|arg| parse_id(arg, 0)).collect();
    let ids = ids?;
    let stream = call.stream_mut(&args[1])?;
    let removed = ids.into_iter().filter(|id| stream.delete(*id)).count();
    if removed > 0 {
        call.wrote(&args[1]);
    }
    Ok(Reply::count(removed))
}

fn xsetid(call: &mut Call<'_>) -> Answer {
    let args = call.args;
    let id = parse_id(&args[2], 0)?;
    let (mut added, mut max_deleted) = (None, None);
    for pair in args[3..].chunks(2) {
        let [word, value] = pair else { return Err(syntax()) };
        if is(word, "entriesadded") {
            added = Some(at_least(value, 0, "ERR entries_added must be positive")?);
        } else if is(word, "maxdeletedid") {
            max_deleted = Some(parse_id(value, 0)?);
        } else {
            return Err(syntax());
        }
    }
    if max_deleted.is_some_and(|max| id < max) {
        return Err(Abort::error(
            "ERR The ID specified in XSETID is smaller than the provided max_deleted_entry_id",
        ));
    }
    if call.stream(&args[1])?.is_none() {
        return Err(Abort::error(NO_SUCH_KEY));
    }
    let stream = call.stream_mut(&args[1])?;
    if stream.entries.keys().next_back().is_some_and(|top| id < *top) {
        return Err(Abort::error(
            "ERR The ID specified in XSETID is smaller than the target stream top item",
        ));
    }
    if added.is_some_and(|added| added < stream.entries.len()) {
        return Err(Abort::error(
            "ERR The entries_added specified in XSETID is smaller than the target stream length",
        ));
    }
    stream.last_id = id;
    if let Some(added) = added {
        stream.added = added as u64;
    }
    if let Some(max_deleted) = max_deleted {
        stream.max_deleted = max_deleted;
    }
    call.wrote(&args[1]);
    Ok(Reply::OK)
}
