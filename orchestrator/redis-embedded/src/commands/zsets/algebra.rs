//! ZUNION, ZINTER, ZDIFF and their STORE forms.

use crate::commands::prelude::*;
use std::collections::BTreeMap;

use super::zrange::members;
use crate::commands::sets::algebra::counted_keys;
use crate::store::value::Value;
use crate::store::zset::ZSet;

const KEYS: u16 = Spec::MOVABLE_KEYS;

pub(crate) const COMMANDS: &[Command] = &[
    Command::new("zunion", -3, R | KEYS, NONE, |call| give(call, Kind::Union)),
    Command::new("zinter", -3, R | KEYS, NONE, |call| give(call, Kind::Inter)),
    Command::new("zdiff", -3, R | KEYS, NONE, |call| give(call, Kind::Diff)),
    Command::new("zintercard", -3, R | KEYS, NONE, zintercard),
    Command::new("zunionstore", -4, W | KEYS, ONE, |call| keep(call, Kind::Union)),
    Command::new("zinterstore", -4, W | KEYS, ONE, |call| keep(call, Kind::Inter)),
    Command::new("zdiffstore", -4, W | KEYS, ONE, |call| keep(call, Kind::Diff)),
];

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Union,
    Inter,
    Diff,
}

#[derive(Clone, Copy)]
enum Aggregate {
    Sum,
    Min,
    Max,
}

impl Aggregate {
    fn combine(self, a: f64, b: f64) -> f64 {
        match self {
            // Infinities of both signs give 0, as in Redis.
            Self::Sum => Some(a + b).filter(|sum| !sum.is_nan()).unwrap_or(0.0),
            Self::Min => a.min(b),
            Self::Max => a.max(b),
        }
    }
}

struct Combined {
    zset: ZSet,
    scores: bool,
}

/// A source: a sorted set, or a set whose members all score 1.
fn source(call: &Call<'_>, key: &Bytes) -> Result<BTreeMap<Bytes, f64>, Abort> {
    match call.db().get(key).map(|entry| &entry.value) {
        None => Ok(BTreeMap::new()),
        Some(Value::ZSet(zset)) => Ok(zset.iter().map(|(member, score)| (member.clone(), score)).collect()),
        Some(Value::Set(set)) => Ok(set.members().map(|member| (member, 1.0)).collect()),
        Some(_) => Err(wrong_type()),
    }
}

fn combine(call: &Call<'_>, args: &[Bytes], kind: Kind, storing: bool) -> Result<Combined, Abort> {
    let name = String::from_utf8_lossy(&call.args[0]).to_lowercase();
    let count = at_least(&args[0], 1, &format!("ERR at least 1 input key is needed for '{name}' command"))?;
    let keys = args.get(1..).and_then(|rest| rest.get(..count)).ok_or_else(syntax)?;
    let mut weights = vec![1.0; count];
    let mut aggregate = Aggregate::Sum;
    let mut scores = false;
    let mut rest = &args[1 + count..];
    while let Some((word, after)) = rest.split_first() {
        if is(word, "weights") && kind != Kind::Diff {
            let given = after.get(..count).ok_or_else(syntax)?;
            for (weight, text) in weights.iter_mut().zip(given) {
                *weight = float(text).map_err(|_| Abort::error("ERR weight value is not a float"))?;
            }
            rest = &after[count..];
        } else if is(word, "aggregate") && kind != Kind::Diff {
            let (how, after) = after.split_first().ok_or_else(syntax)?;
            aggregate = match () {
                () if is(how, "sum") => Aggregate::Sum,
                () if is(how, "min") => Aggregate::Min,
                () if is(how, "max") => Aggregate::Max,
                () => return Err(syntax()),
            };
            rest = after;
        } else if is(word, "withscores") && !storing {
            scores = true;
            rest = after;
        } else {
            return Err(syntax());
        }
    }
    let mut found: BTreeMap<Bytes, f64> = BTreeMap::new();
    for (at, (key, weight)) in keys.iter().zip(weights).enumerate() {
        let weighted = |score: f64| Some(score * weight).filter(|score| !score.is_nan()).unwrap_or(0.0);
        let members = source(call, key)?;
        if at == 0 {
            found = members.into_iter().map(|(member, score)| (member, weighted(score))).collect();
            continue;
        }
        match kind {
            Kind::Diff => found.retain(|member, _| !members.contains_key(member)),
            Kind::Inter => {
                found.retain(|member, _| members.contains_key(member));
                for (member, score) in &mut found {
                    if let Some(other) = members.get(member) {
                        *score = aggregate.combine(*score, weighted(*other));
                    }
                }
            }
            Kind::Union => {
                for (member, score) in members {
                    let score = weighted(score);
                    found
                        .entry(member)
                        .and_modify(|before| *before = aggregate.combine(*before, score))
                        .or_insert(score);
                }
            }
        }
    }
    let sizes = call.sizes();
    let mut zset = ZSet::default();
    for (member, score) in found {
        zset.insert(member, score, &sizes);
    }
    Ok(Combined { zset, scores })
}

fn give(call: &mut Call<'_>, kind: Kind) -> Answer {
    let combined = combine(call, &call.args[1..], kind, false)?;
    let found = combined.zset.iter().map(|(member, score)| (member.clone(), score)).collect();
    Ok(members(found, combined.scores, call.resp3()))
}

fn keep(call: &mut Call<'_>, kind: Kind) -> Answer {
    let combined = combine(call, &call.args[2..], kind, true)?;
    let len = combined.zset.len();
    call.put_result(&call.args[1], Value::ZSet(combined.zset));
    Ok(Reply::count(len))
}

fn zintercard(call: &mut Call<'_>) -> Answer {
    let none = "ERR at least 1 input key is needed for 'zintercard' command".to_owned();
    let (keys, limit) = counted_keys(&call.args[1..], none, SYNTAX)?;
    let mut sources = Vec::with_capacity(keys.len());
    for key in keys {
        sources.push(source(call, key)?);
    }
    let Some((first, others)) = sources.split_first() else { return Ok(Reply::Int(0)) };
    let found = first.keys().filter(|member| others.iter().all(|other| other.contains_key(*member)));
    Ok(Reply::count(found.take(limit).count()))
}
