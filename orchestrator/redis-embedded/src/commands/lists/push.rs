//! LPUSH, RPUSH, LPUSHX, RPUSHX.

use crate::commands::prelude::*;

pub(crate) const COMMANDS: &[Command] = &[
    Command::new("lpush", -3, W | FAST, ONE, |call| push(call, true, false)),
    Command::new("rpush", -3, W | FAST, ONE, |call| push(call, false, false)),
    Command::new("lpushx", -3, W | FAST, ONE, |call| push(call, true, true)),
    Command::new("rpushx", -3, W | FAST, ONE, |call| push(call, false, true)),
];

fn push(call: &mut Call<'_>, left: bool, only_existing: bool) -> Answer {
    let key = &call.args[1];
    if only_existing && call.list(key)?.is_none() {
        return Ok(Reply::Int(0));
    }
    let items = &call.args[2..];
    let list = call.list_mut(key)?;
    for item in items {
        if left {
            list.push_front(item.clone());
        } else {
            list.push_back(item.clone());
        }
    }
    let len = list.len();
    call.wrote(key);
    Ok(Reply::count(len))
}
