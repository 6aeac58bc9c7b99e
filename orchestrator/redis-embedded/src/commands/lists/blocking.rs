//! BLPOP, BRPOP, BLMOVE, BRPOPLPUSH: lists waited for.

use super::lmove::{Side, shift};
use crate::commands::prelude::*;
use crate::number::parse_f64;

const FLAGS: u16 = W | NO_SCRIPT | Spec::BLOCKING;

pub(crate) const COMMANDS: &[Command] = &[
    Command::new("blpop", -3, FLAGS, (1, -2, 1), |call| pop(call, true)),
    Command::new("brpop", -3, FLAGS, (1, -2, 1), |call| pop(call, false)),
    Command::new("blmove", 6, FLAGS, (1, 2, 1), blmove),
    Command::new("brpoplpush", 4, FLAGS, (1, 2, 1), brpoplpush),
];

/// When a timeout in seconds ends, in milliseconds since the epoch; none for 0.
pub(crate) fn deadline(call: &Call<'_>, seconds: &[u8]) -> Result<Option<u64>, Abort> {
    let seconds =
        parse_f64(seconds).ok_or_else(|| Abort::error("ERR timeout is not a float or out of range"))?;
    if seconds < 0.0 {
        return Err(Abort::error("ERR timeout is negative"));
    }
    if seconds * 1000.0 > 9.0e15 {
        return Err(Abort::error("ERR timeout is out of range"));
    }
    // In range by the check above.
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
    let millis = (seconds * 1000.0).ceil() as u64;
    Ok((millis > 0).then(|| call.now() + millis))
}

fn pop(call: &mut Call<'_>, left: bool) -> Answer {
    let args = call.args;
    let keys = &args[1..args.len() - 1];
    let until = deadline(call, &args[args.len() - 1])?;
    for key in keys {
        if call.list(key)?.is_none() {
            continue;
        }
        let list = call.list_mut(key)?;
        let item = if left { list.pop_front() } else { list.pop_back() };
        call.wrote(key);
        return Ok(Reply::Array(vec![Reply::Bulk(key.clone()), Reply::bulk_or_nil(item)]));
    }
    call.wait(keys.to_vec(), args.to_vec(), until, Reply::NilArray)
}

fn blmove(call: &mut Call<'_>) -> Answer {
    let args = call.args;
    let (from, to) = (Side::parse(&args[3])?, Side::parse(&args[4])?);
    let until = deadline(call, &args[5])?;
    wait_and_shift(call, from, to, until)
}

fn brpoplpush(call: &mut Call<'_>) -> Answer {
    let until = deadline(call, &call.args[3])?;
    wait_and_shift(call, Side::Right, Side::Left, until)
}

fn wait_and_shift(call: &mut Call<'_>, from: Side, to: Side, until: Option<u64>) -> Answer {
    let args = call.args;
    match shift(call, &args[1], &args[2], from, to)? {
        Some(item) => Ok(Reply::Bulk(item)),
        None => call.wait(vec![args[1].clone()], args.to_vec(), until, Reply::Nil),
    }
}
