//! ZMPOP, BZMPOP: from the first sorted set that has anything.

use super::zpop::take;
use crate::commands::lists::blocking::deadline;
use crate::commands::lists::lmpop::request;
use crate::commands::prelude::*;

const KEYS: u16 = W | Spec::MOVABLE_KEYS;

pub(crate) const COMMANDS: &[Command] = &[
    Command::new("zmpop", -4, KEYS, NONE, zmpop),
    Command::new("bzmpop", -5, KEYS | Spec::BLOCKING, NONE, bzmpop),
];

fn pop(call: &mut Call<'_>, keys: &[Bytes], least: bool, wanted: usize) -> Result<Option<Reply>, Abort> {
    for key in keys {
        let found = take(call, key, wanted, !least)?;
        if found.is_empty() {
            continue;
        }
        // Pairs in RESP2 too.
        let pairs = found
            .into_iter()
            .map(|(member, score)| Reply::Array(vec![Reply::Bulk(member), Reply::Double(score)]))
            .collect();
        return Ok(Some(Reply::Array(vec![Reply::Bulk(key.clone()), Reply::Array(pairs)])));
    }
    Ok(None)
}

fn zmpop(call: &mut Call<'_>) -> Answer {
    let (keys, least, wanted) = request(&call.args[1..], ["min", "max"])?;
    Ok(pop(call, keys, least, wanted)?.unwrap_or(Reply::NilArray))
}

fn bzmpop(call: &mut Call<'_>) -> Answer {
    let args = call.args;
    let (keys, least, wanted) = request(&args[2..], ["min", "max"])?;
    let until = deadline(call, &args[1])?;
    match pop(call, keys, least, wanted)? {
        Some(found) => Ok(found),
        None => call.wait(keys.to_vec(), args.to_vec(), until, Reply::NilArray),
    }
}
