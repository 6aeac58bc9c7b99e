//! ZADD, ZINCRBY: members and their scores.

use crate::commands::prelude::*;
use crate::store::settings::Sizes;
use crate::store::zset::ZSet;

pub(crate) const COMMANDS: &[Command] =
    &[Command::new("zadd", -4, W | FAST, ONE, zadd), Command::new("zincrby", 4, W | FAST, ONE, zincrby)];

#[derive(Default)]
pub(crate) struct Options {
    pub(crate) only_new: bool,
    pub(crate) only_old: bool,
    greater: bool,
    less: bool,
    pub(crate) changed: bool,
    increment: bool,
}

/// What became of one member.
enum Outcome {
    Added(f64),
    Updated(f64),
    Same(f64),
    Refused,
}

fn zadd(call: &mut Call<'_>) -> Answer {
    let args = call.args;
    let mut options = Options::default();
    let mut at = 2;
    while let Some(arg) = args.get(at) {
        let flag = match () {
            () if is(arg, "nx") => &mut options.only_new,
            () if is(arg, "xx") => &mut options.only_old,
            () if is(arg, "gt") => &mut options.greater,
            () if is(arg, "lt") => &mut options.less,
            () if is(arg, "ch") => &mut options.changed,
            () if is(arg, "incr") => &mut options.increment,
            () => break,
        };
        *flag = true;
        at += 1;
    }
    let pairs = &args[at..];
    if pairs.is_empty() || !pairs.len().is_multiple_of(2) {
        return Err(syntax());
    }
    if options.only_new && options.only_old {
        return Err(Abort::error("ERR XX and NX options at the same time are not compatible"));
    }
    if [options.greater, options.less, options.only_new].into_iter().filter(|given| *given).count() > 1 {
        return Err(Abort::error("ERR GT, LT, and/or NX options at the same time are not compatible"));
    }
    if options.increment && pairs.len() > 2 {
        return Err(Abort::error("ERR INCR option supports a single increment-element pair"));
    }
    add(call, &args[1], pairs, &options)
}

fn zincrby(call: &mut Call<'_>) -> Answer {
    let args = call.args;
    let options = Options { increment: true, ..Options::default() };
    add(call, &args[1], &args[2..], &options)
}

fn add(call: &mut Call<'_>, key: &Bytes, pairs: &[Bytes], options: &Options) -> Answer {
    let mut wanted = Vec::with_capacity(pairs.len() / 2);
    for pair in pairs.chunks_exact(2) {
        wanted.push((float(&pair[0])?, &pair[1]));
    }
    add_scores(call, key, &wanted, options)
}

pub(crate) fn add_scores(
    call: &mut Call<'_>,
    key: &Bytes,
    wanted: &[(f64, &Bytes)],
    options: &Options,
) -> Answer {
    if call.zset(key)?.is_none() && options.only_old {
        return Ok(if options.increment { Reply::Nil } else { Reply::Int(0) });
    }
    let sizes = call.sizes();
    let zset = call.zset_mut(key)?;
    let (mut added, mut updated, mut result) = (0, 0, Ok(None));
    for (score, member) in wanted {
        match put(zset, member, *score, options, &sizes) {
            Ok(Outcome::Added(score)) => {
                added += 1;
                result = Ok(Some(score));
            }
            Ok(Outcome::Updated(score)) => {
                updated += 1;
                result = Ok(Some(score));
            }
            Ok(Outcome::Same(score)) => result = Ok(Some(score)),
            Ok(Outcome::Refused) => result = Ok(None),
            Err(refused) => {
                result = Err(refused);
                break;
            }
        }
    }
    if added + updated > 0 {
        call.wrote(key);
    } else if call.zset(key)?.is_some_and(ZSet::is_empty) {
        // Made for nothing.
        call.db_mut().remove(key);
    }
    let result = result?;
    Ok(match (options.increment, options.changed) {
        (true, _) => result.map_or(Reply::Nil, Reply::Double),
        (false, true) => Reply::count(added + updated),
        (false, false) => Reply::count(added),
    })
}

fn put(
    zset: &mut ZSet,
    member: &Bytes,
    score: f64,
    options: &Options,
    sizes: &Sizes,
) -> Result<Outcome, Abort> {
    let Some(before) = zset.score(member) else {
        if options.only_old {
            return Ok(Outcome::Refused);
        }
        zset.insert(member.clone(), score, sizes);
        return Ok(Outcome::Added(score));
    };
    if options.only_new {
        return Ok(Outcome::Refused);
    }
    let after = if options.increment { before + score } else { score };
    if after.is_nan() {
        return Err(Abort::error("ERR resulting score is not a number (NaN)"));
    }
    if (options.greater && after <= before) || (options.less && after >= before) {
        return Ok(Outcome::Refused);
    }
    // Exactly the same score, not nearly.
    #[allow(clippy::float_cmp)]
    let same = after == before;
    if same {
        return Ok(Outcome::Same(after));
    }
    zset.insert(member.clone(), after, sizes);
    Ok(Outcome::Updated(after))
}
