//! SINTER, SUNION, SDIFF, their STORE forms, and SINTERCARD.

use crate::commands::prelude::*;
use crate::store::set::Set;
use crate::store::value::Value;

pub(crate) const COMMANDS: &[Command] = &[
    Command::new("sinter", -2, R, ALL, |call| give(call, Kind::Inter)),
    Command::new("sunion", -2, R, ALL, |call| give(call, Kind::Union)),
    Command::new("sdiff", -2, R, ALL, |call| give(call, Kind::Diff)),
    Command::new("sinterstore", -3, W, ALL, |call| keep(call, Kind::Inter)),
    Command::new("sunionstore", -3, W, ALL, |call| keep(call, Kind::Union)),
    Command::new("sdiffstore", -3, W, ALL, |call| keep(call, Kind::Diff)),
    Command::new("sintercard", -3, R | Spec::MOVABLE_KEYS, NONE, sintercard),
];

#[derive(Clone, Copy)]
enum Kind {
    Inter,
    Union,
    Diff,
}

fn combine(call: &Call<'_>, keys: &[Bytes], kind: Kind) -> Result<Set, Abort> {
    // Types are checked for all keys before anything else.
    let mut sets = Vec::with_capacity(keys.len());
    for key in keys {
        sets.push(call.set(key)?);
    }
    let sizes = call.sizes();
    let mut found = Set::default();
    match kind {
        Kind::Union => {
            for member in sets.into_iter().flatten().flat_map(Set::members) {
                found.insert(member, &sizes);
            }
        }
        Kind::Inter => {
            let Some(mut sets) = sets.into_iter().collect::<Option<Vec<&Set>>>() else { return Ok(found) };
            // The members of the smallest, as far as they are in all others.
            sets.sort_by_key(|set| set.len());
            let Some((smallest, others)) = sets.split_first() else { return Ok(found) };
            for member in smallest.members().filter(|member| others.iter().all(|set| set.contains(member))) {
                found.insert(member, &sizes);
            }
        }
        Kind::Diff => {
            let Some((Some(first), others)) = sets.split_first() else { return Ok(found) };
            let elsewhere = |member: &Bytes| others.iter().flatten().any(|set| set.contains(member));
            for member in first.members().filter(|member| !elsewhere(member)) {
                found.insert(member, &sizes);
            }
        }
    }
    Ok(found)
}

fn give(call: &Call<'_>, kind: Kind) -> Answer {
    let found = combine(call, &call.args[1..], kind)?;
    Ok(Reply::Set(found.members().map(Reply::Bulk).collect()))
}

fn keep(call: &mut Call<'_>, kind: Kind) -> Answer {
    let found = combine(call, &call.args[2..], kind)?;
    let len = found.len();
    call.put_result(&call.args[1], Value::Set(found));
    Ok(Reply::count(len))
}

/// Keys behind their number, and the LIMIT of an answer that is a number (all when it is 0).
pub(crate) fn counted_keys<'a>(
    args: &'a [Bytes],
    none: String,
    too_many: &'static str,
) -> Result<(&'a [Bytes], usize), Abort> {
    let least = |arg: &Bytes, least: i64, refusal: String| {
        at_least(arg, least, &refusal).map_err(|_| Abort::error(refusal))
    };
    let count = least(&args[0], 1, none)?;
    let Some(keys) = args.get(1..).and_then(|rest| rest.get(..count)) else {
        return Err(Abort::error(too_many));
    };
    let limit = match &args[1 + count..] {
        [] => 0,
        [word, limit] if is(word, "limit") => least(limit, 0, "ERR LIMIT can't be negative".to_owned())?,
        _ => return Err(syntax()),
    };
    Ok((keys, if limit == 0 { usize::MAX } else { limit }))
}

fn sintercard(call: &mut Call<'_>) -> Answer {
    let none = "ERR numkeys should be greater than 0".to_owned();
    let too_many = "ERR Number of keys can't be greater than number of args";
    let (keys, limit) = counted_keys(&call.args[1..], none, too_many)?;
    let found = combine(call, keys, Kind::Inter)?.len();
    Ok(Reply::count(found.min(limit)))
}
