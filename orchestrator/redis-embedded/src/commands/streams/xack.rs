//! XACK.

use super::xadd::parse_id;
use crate::commands::prelude::*;

pub(crate) const COMMANDS: &[Command] = &[Command::new("xack", -4, W | FAST, ONE, xack)];

fn xack(call: &mut Call<'_>) -> Answer {
    let args = call.args;
    if call.stream(&args[1])?.is_none_or(|stream| !stream.groups.contains_key(&args[2])) {
        return Ok(Reply::Int(0));
    }
    let ids: Result<Vec<_>, Abort> = args[3..].iter().map(|arg| parse_id(arg, 0)).collect();
    let ids = ids?;
    let Some(group) = call.stream_mut(&args[1])?.groups.get_mut(&args[2]) else { return Ok(Reply::Int(0)) };
    let done = ids.into_iter().filter(|id| group.release(*id)).count();
    if done > 0 {
        let db = call.db;
        call.store.outdate(db, &args[1]);
    }
    Ok(Reply::count(done))
}
