//! ZPOPMIN, ZPOPMAX, BZPOPMIN, BZPOPMAX.

use super::zrange::members;
use crate::commands::lists::blocking::deadline;
use crate::commands::prelude::*;

const NOT_POSITIVE: &str = "ERR value is out of range, must be positive";
const BLOCKING: u16 = W | NO_SCRIPT | Spec::BLOCKING;

pub(crate) const COMMANDS: &[Command] = &[
    Command::new("zpopmin", -2, W | FAST, ONE, |call| pop(call, false)),
    Command::new("zpopmax", -2, W | FAST, ONE, |call| pop(call, true)),
    Command::new("bzpopmin", -3, BLOCKING, (1, -2, 1), |call| wait_and_pop(call, false)),
    Command::new("bzpopmax", -3, BLOCKING, (1, -2, 1), |call| wait_and_pop(call, true)),
];

/// Takes members out, from either end.
pub(crate) fn take(
    call: &mut Call<'_>,
    key: &Bytes,
    count: usize,
    greatest: bool,
) -> Result<Vec<(Bytes, f64)>, Abort> {
    if call.zset(key)?.is_none() || count == 0 {
        return Ok(Vec::new());
    }
    let zset = call.zset_mut(key)?;
    let last = i64::try_from(count).unwrap_or(i64::MAX) - 1;
    let found = zset.by_rank(0, last, greatest);
    for (member, _) in &found {
        zset.remove(member);
    }
    call.wrote(key);
    Ok(found)
}

fn pop(call: &mut Call<'_>, greatest: bool) -> Answer {
    let args = call.args;
    if args.len() > 3 {
        return Err(syntax());
    }
    let count = match args.get(2) {
        Some(count) => at_least(count, 0, NOT_POSITIVE).map_err(|_| Abort::error(NOT_POSITIVE))?,
        None => 1,
    };
    let found = take(call, &args[1], count, greatest)?;
    // Without a count, even RESP3 has a flat pair.
    let nested = call.resp3() && args.len() == 3;
    Ok(members(found, true, nested))
}

fn wait_and_pop(call: &mut Call<'_>, greatest: bool) -> Answer {
    let args = call.args;
    let keys = &args[1..args.len() - 1];
    let until = deadline(call, &args[args.len() - 1])?;
    for key in keys {
        if let Some((member, score)) = take(call, key, 1, greatest)?.pop() {
            return Ok(Reply::Array(vec![
                Reply::Bulk(key.clone()),
                Reply::Bulk(member),
                Reply::Double(score),
            ]));
        }
    }
    call.wait(keys.to_vec(), args.to_vec(), until, Reply::NilArray)
}
