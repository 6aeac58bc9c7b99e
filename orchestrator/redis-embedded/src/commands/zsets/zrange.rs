//! ZRANGE in all its forms, ZRANGESTORE, and the older commands that are cases of them.

use crate::commands::prelude::*;
use crate::store::value::Value;
use crate::store::zset::{LexEnd, ScoreEnd, ZSet};

pub(crate) const COMMANDS: &[Command] = &[
    Command::new("zrange", -4, R, ONE, |call| give(call, 1, By::Rank, false, true)),
    Command::new("zrevrange", -4, R, ONE, |call| give(call, 1, By::Rank, true, false)),
    Command::new("zrangebyscore", -4, R, ONE, |call| give(call, 1, By::Score, false, false)),
    Command::new("zrevrangebyscore", -4, R, ONE, |call| give(call, 1, By::Score, true, false)),
    Command::new("zrangebylex", -4, R, ONE, |call| give(call, 1, By::Lex, false, false)),
    Command::new("zrevrangebylex", -4, R, ONE, |call| give(call, 1, By::Lex, true, false)),
    Command::new("zrangestore", -5, W, (1, 2, 1), zrangestore),
];

#[derive(Clone, Copy, PartialEq, Eq)]
enum By {
    Rank,
    Score,
    Lex,
}

struct Query {
    by: By,
    reverse: bool,
    scores: bool,
    limit: Option<(i64, i64)>,
}

pub(crate) fn score_ends(min: &[u8], max: &[u8]) -> Result<(ScoreEnd, ScoreEnd), Abort> {
    match (ScoreEnd::parse(min), ScoreEnd::parse(max)) {
        (Some(min), Some(max)) => Ok((min, max)),
        _ => Err(Abort::error("ERR min or max is not a float")),
    }
}

pub(crate) fn lex_ends(min: &Bytes, max: &Bytes) -> Result<(LexEnd, LexEnd), Abort> {
    match (LexEnd::parse(min), LexEnd::parse(max)) {
        (Some(min), Some(max)) => Ok((min, max)),
        _ => Err(Abort::error("ERR min or max not valid string range item")),
    }
}

fn query(args: &[Bytes], by: By, reverse: bool, modern: bool, storing: bool) -> Result<Query, Abort> {
    let mut query = Query { by, reverse, scores: false, limit: None };
    let mut rest = args.iter();
    while let Some(arg) = rest.next() {
        if is(arg, "withscores") && !storing {
            query.scores = true;
        } else if is(arg, "limit") {
            let (Some(offset), Some(count)) = (rest.next(), rest.next()) else { return Err(syntax()) };
            query.limit = Some((int(offset)?, int(count)?));
        } else if is(arg, "rev") && modern {
            query.reverse = true;
        } else if is(arg, "byscore") && modern {
            query.by = By::Score;
        } else if is(arg, "bylex") && modern {
            query.by = By::Lex;
        } else {
            return Err(syntax());
        }
    }
    if query.limit.is_some() && query.by == By::Rank {
        return Err(Abort::error(
            "ERR syntax error, LIMIT is only supported in combination with either BYSCORE or BYLEX",
        ));
    }
    if query.scores && query.by == By::Lex {
        return Err(Abort::error("ERR syntax error, WITHSCORES not supported in combination with BYLEX"));
    }
    Ok(query)
}

fn find(
    call: &Call<'_>,
    key: &Bytes,
    ends: (&Bytes, &Bytes),
    query: &Query,
) -> Result<Vec<(Bytes, f64)>, Abort> {
    // Ends by score and by name come greatest first when the order is reversed.
    let (min, max) = if query.reverse && query.by != By::Rank { (ends.1, ends.0) } else { ends };
    let mut found = match query.by {
        By::Rank => {
            let (start, stop) = (int(min)?, int(max)?);
            return Ok(call
                .zset(key)?
                .map(|zset| zset.by_rank(start, stop, query.reverse))
                .unwrap_or_default());
        }
        By::Score => {
            let (min, max) = score_ends(min, max)?;
            call.zset(key)?.map(|zset| zset.by_score(min, max))
        }
        By::Lex => {
            let (min, max) = lex_ends(min, max)?;
            call.zset(key)?.map(|zset| zset.by_lex(&min, &max))
        }
    }
    .unwrap_or_default();
    if query.reverse {
        found.reverse();
    }
    Ok(match query.limit {
        Some((offset, _)) if offset < 0 => Vec::new(),
        Some((offset, count)) => {
            let skip = usize::try_from(offset).unwrap_or(usize::MAX);
            // A negative count means all of them.
            let take = usize::try_from(count).unwrap_or(usize::MAX);
            found.into_iter().skip(skip).take(take).collect()
        }
        None => found,
    })
}

/// Members with or without their scores: flat in RESP2, in pairs in RESP3.
pub(crate) fn members(found: Vec<(Bytes, f64)>, scores: bool, resp3: bool) -> Reply {
    let items = found.into_iter().flat_map(|(member, score)| match (scores, resp3) {
        (false, _) => vec![Reply::Bulk(member)],
        (true, false) => vec![Reply::Bulk(member), Reply::Double(score)],
        (true, true) => vec![Reply::Array(vec![Reply::Bulk(member), Reply::Double(score)])],
    });
    Reply::Array(items.collect())
}

fn give(call: &mut Call<'_>, key: usize, by: By, reverse: bool, modern: bool) -> Answer {
    let args = call.args;
    let query = query(&args[key + 3..], by, reverse, modern, false)?;
    let found = find(call, &args[key], (&args[key + 1], &args[key + 2]), &query)?;
    Ok(members(found, query.scores, call.resp3()))
}

fn zrangestore(call: &mut Call<'_>) -> Answer {
    let args = call.args;
    let query = query(&args[5..], By::Rank, false, true, true)?;
    let found = find(call, &args[2], (&args[3], &args[4]), &query)?;
    let sizes = call.sizes();
    let mut kept = ZSet::default();
    for (member, score) in found {
        kept.insert(member, score, &sizes);
    }
    let len = kept.len();
    call.put_result(&args[1], Value::ZSet(kept));
    Ok(Reply::count(len))
}
