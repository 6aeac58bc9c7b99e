//! HINCRBY, HINCRBYFLOAT.

use crate::commands::prelude::*;
use crate::number::{add_decimals, parse_f64, parse_i64};

pub(crate) const COMMANDS: &[Command] = &[
    Command::new("hincrby", 4, W | FAST, ONE, hincrby),
    Command::new("hincrbyfloat", 4, W | FAST, ONE, hincrbyfloat),
];

fn hincrby(call: &mut Call<'_>) -> Answer {
    let args = call.args;
    let by = int(&args[3])?;
    let before = match call.hash(&args[1])?.and_then(|hash| hash.get(&args[2])) {
        Some(text) => parse_i64(text).ok_or_else(|| Abort::error("ERR hash value is not an integer"))?,
        None => 0,
    };
    let after =
        before.checked_add(by).ok_or_else(|| Abort::error("ERR increment or decrement would overflow"))?;
    let sizes = call.sizes();
    call.hash_mut(&args[1])?.insert(args[2].clone(), Bytes::from(after.to_string()), &sizes);
    call.wrote(&args[1]);
    Ok(Reply::Int(after))
}

fn hincrbyfloat(call: &mut Call<'_>) -> Answer {
    let args = call.args;
    let by = parse_f64(&args[3]).ok_or_else(|| Abort::error(NOT_FLOAT))?;
    if by.is_infinite() {
        return Err(Abort::error("ERR value is NaN or Infinity"));
    }
    let before = call.hash(&args[1])?.and_then(|hash| hash.get(&args[2])).cloned();
    let before = before.unwrap_or_else(|| Bytes::from_static(b"0"));
    if parse_f64(&before).is_none() {
        return Err(Abort::error("ERR hash value is not a float"));
    }
    let after = add_decimals(&before, &args[3])
        .ok_or_else(|| Abort::error("ERR increment would produce NaN or Infinity"))?;
    let after = Bytes::from(after);
    let sizes = call.sizes();
    call.hash_mut(&args[1])?.insert(args[2].clone(), after.clone(), &sizes);
    call.wrote(&args[1]);
    Ok(Reply::Bulk(after))
}
