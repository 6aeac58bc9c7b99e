//! SPOP, SRANDMEMBER, and picking at random for other types.

use crate::commands::prelude::*;
use crate::store::set::Set;

pub(crate) const COMMANDS: &[Command] =
    &[Command::new("spop", -2, W | FAST, ONE, spop), Command::new("srandmember", -2, R, ONE, srandmember)];

/// `SPOP_MOVE_STRATEGY_MUL`.
const REBUILD_FACTOR: usize = 5;
/// Repetitions that a negative count may ask for at most.
const MAX_REPETITIONS: u64 = 1_000_000;

/// Picks some: distinct ones for a positive count, with repetitions for a negative one.
pub(crate) fn pick<T: Clone>(call: &mut Call<'_>, items: &[T], count: i64) -> Result<Vec<T>, Abort> {
    if items.is_empty() || count == 0 {
        return Ok(Vec::new());
    }
    let mut at_random = |len: usize| usize::try_from(call.random() % len as u64).unwrap_or(0);
    if count < 0 {
        let wanted = count.unsigned_abs();
        if wanted > MAX_REPETITIONS {
            return Err(Abort::error("ERR value is out of range"));
        }
        return Ok((0..wanted).map(|_| items[at_random(items.len())].clone()).collect());
    }
    let wanted = usize::try_from(count).unwrap_or(usize::MAX).min(items.len());
    if wanted == items.len() {
        return Ok(items.to_vec());
    }
    let mut order: Vec<usize> = (0..items.len()).collect();
    // A Fisher-Yates shuffle, as far as it is needed.
    for at in 0..wanted {
        let other = at + at_random(items.len() - at);
        order.swap(at, other);
    }
    Ok(order[..wanted].iter().map(|&at| items[at].clone()).collect())
}

/// How many are wanted, as those commands read it that may want some twice.
pub(crate) fn wanted(count: &Bytes) -> Result<i64, Abort> {
    match int(count)? {
        // It has no opposite.
        i64::MIN => Err(Abort::error(
            "ERR value is out of range, value must between -9223372036854775807 and 9223372036854775807",
        )),
        count => Ok(count),
    }
}

fn members(call: &Call<'_>) -> Result<Vec<Bytes>, Abort> {
    Ok(call.set(&call.args[1])?.map(|set| set.members().collect()).unwrap_or_default())
}

fn spop(call: &mut Call<'_>) -> Answer {
    let key = &call.args[1];
    if call.args.len() > 3 {
        return Err(syntax());
    }
    let count = match call.args.get(2) {
        Some(count) => Some(at_least(count, 0, "ERR value is out of range, must be positive")?),
        None => None,
    };
    if count.is_none() {
        // The common case, without listing the set.
        let point = call.random();
        let Some(member) = call.set(key)?.and_then(|set| set.near(point)) else { return Ok(Reply::Nil) };
        call.set_mut(key)?.remove(&member);
        call.wrote(key);
        return Ok(Reply::Bulk(member));
    }
    let all = members(call)?;
    let picked = pick(call, &all, i64::try_from(count.unwrap_or(1)).unwrap_or(i64::MAX))?;
    if !picked.is_empty() {
        take_out(call, key, &picked)?;
        call.wrote(key);
    }
    Ok(Reply::Set(picked.into_iter().map(Reply::Bulk).collect()))
}

/// Takes members out. When few of many stay, Redis makes a new set of them, which may be one of numbers again.
fn take_out(call: &mut Call<'_>, key: &Bytes, picked: &[Bytes]) -> Result<(), Abort> {
    let sizes = call.sizes();
    let set = call.set_mut(key)?;
    for member in picked {
        set.remove(member);
    }
    if set.len().saturating_mul(REBUILD_FACTOR) <= picked.len() {
        let mut rebuilt = Set::default();
        for member in set.members() {
            rebuilt.insert(member, &sizes);
        }
        *set = rebuilt;
    }
    Ok(())
}

fn srandmember(call: &mut Call<'_>) -> Answer {
    if call.args.len() > 3 {
        return Err(syntax());
    }
    let count = call.args.get(2).map(wanted).transpose()?;
    let all = members(call)?;
    match count {
        None => Ok(Reply::bulk_or_nil(pick(call, &all, 1)?.pop())),
        Some(count) => Ok(Reply::strings(pick(call, &all, count)?)),
    }
}
