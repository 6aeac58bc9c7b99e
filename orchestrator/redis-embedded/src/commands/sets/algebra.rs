//! SINTER, SUNION, SDIFF, their STORE forms, and SINTERCARD.

use crate::commands::prelude::*;
use std::collections::BTreeSet;

use crate::store::scanmap::ScanMap;
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

fn combine(call: &Call<'_>, keys: &[Bytes], kind: Kind) -> Result<BTreeSet<Bytes>, Abort> {
    // Types are checked for all keys before anything else.
    let mut sets = Vec::with_capacity(keys.len());
    for key in keys {
        sets.push(call.set(key)?);
    }
    let members = |set: &Option<&ScanMap<()>>| -> BTreeSet<Bytes> {
        set.map(|set| set.keys().cloned().collect()).unwrap_or_default()
    };
    let Some((first, others)) = sets.split_first() else { return Ok(BTreeSet::new()) };
    let mut found = members(first);
    for other in others {
        match kind {
            Kind::Union => found.extend(members(other)),
            Kind::Inter => found.retain(|member| other.is_some_and(|set| set.contains(member))),
            Kind::Diff => found.retain(|member| !other.is_some_and(|set| set.contains(member))),
        }
    }
    Ok(found)
}

fn give(call: &Call<'_>, kind: Kind) -> Answer {
    let found = combine(call, &call.args[1..], kind)?;
    Ok(Reply::Set(found.into_iter().map(Reply::Bulk).collect()))
}

fn keep(call: &mut Call<'_>, kind: Kind) -> Answer {
    let found = combine(call, &call.args[2..], kind)?;
    let mut set = ScanMap::default();
    for member in found {
        set.insert(member, ());
    }
    let len = set.len();
    call.put_result(&call.args[1], Value::Set(set));
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
