//! SINTER, SUNION, SDIFF, their STORE forms, and SINTERCARD.

use crate::redis::embedded::commands::prelude::*;
use std::collections::BTreeSet;

use crate::redis::embedded::store::scanmap::ScanMap;
use crate::redis::embedded::store::value::Value;

pub(crate) const SPECS: &[Spec] = &[
    Spec::new("sinter", -2, R, ALL, |call| give(call, Kind::Inter)),
    Spec::new("sunion", -2, R, ALL, |call| give(call, Kind::Union)),
    Spec::new("sdiff", -2, R, ALL, |call| give(call, Kind::Diff)),
    Spec::new("sinterstore", -3, W, ALL, |call| keep(call, Kind::Inter)),
    Spec::new("sunionstore", -3, W, ALL, |call| keep(call, Kind::Union)),
    Spec::new("sdiffstore", -3, W, ALL, |call| keep(call, Kind::Diff)),
    Spec::new("sintercard", -3, R | Spec::MOVABLE_KEYS, NONE, sintercard),
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

fn sintercard(call: &mut Call<'_>) -> Answer {
    let args = call.args;
    let count = at_least(&args[1], 1, "ERR numkeys should be greater than 0")
        .map_err(|_| Abort::error("ERR numkeys should be greater than 0"))?;
    let Some(keys) = args.get(2..).and_then(|rest| rest.get(..count)) else {
        return Err(Abort::error("ERR Number of keys can't be greater than number of args"));
    };
    let limit = match &args[2 + count..] {
        [] => 0,
        [word, limit] if is(word, "limit") => at_least(limit, 0, "ERR LIMIT can't be negative")
            .map_err(|_| Abort::error("ERR LIMIT can't be negative"))?,
        _ => return Err(syntax()),
    };
    let found = combine(call, keys, Kind::Inter)?.len();
    Ok(Reply::count(if limit == 0 { found } else { found.min(limit) }))
}
