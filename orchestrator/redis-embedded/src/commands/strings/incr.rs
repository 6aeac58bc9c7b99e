//! INCR, DECR, INCRBY, DECRBY: whole numbers.

use crate::commands::prelude::*;
use crate::number::parse_i64;

pub(crate) const COMMANDS: &[Command] = &[
    Command::new("incr", 2, W | FAST, ONE, incr),
    Command::new("decr", 2, W | FAST, ONE, decr),
    Command::new("incrby", 3, W | FAST, ONE, incrby),
    Command::new("decrby", 3, W | FAST, ONE, decrby),
];

fn incr(call: &mut Call<'_>) -> Answer {
    add(call, 1)
}

fn decr(call: &mut Call<'_>) -> Answer {
    add(call, -1)
}

fn incrby(call: &mut Call<'_>) -> Answer {
    let by = int(&call.args[2])?;
    add(call, by)
}

fn decrby(call: &mut Call<'_>) -> Answer {
    let by = int(&call.args[2])?.checked_neg().ok_or_else(|| Abort::error("ERR decrement would overflow"))?;
    add(call, by)
}

fn add(call: &mut Call<'_>, by: i64) -> Answer {
    let key = &call.args[1];
    let before = match call.string(key)? {
        Some(text) => parse_i64(text).ok_or_else(|| Abort::error(NOT_INTEGER))?,
        None => 0,
    };
    let after =
        before.checked_add(by).ok_or_else(|| Abort::error("ERR increment or decrement would overflow"))?;
    call.replace_string(key, after.to_string())?;
    call.wrote(key);
    Ok(Reply::Int(after))
}
