//! ZSCORE, ZMSCORE, ZCARD, ZRANK, ZREVRANK.

use crate::commands::prelude::*;

pub(crate) const COMMANDS: &[Command] = &[
    Command::new("zscore", 3, R | FAST, ONE, zscore),
    Command::new("zmscore", -3, R | FAST, ONE, zmscore),
    Command::new("zcard", 2, R | FAST, ONE, zcard),
    Command::new("zrank", 3, R | FAST, ONE, |call| rank(call, false)),
    Command::new("zrevrank", 3, R | FAST, ONE, |call| rank(call, true)),
];

fn score(call: &Call<'_>, member: &Bytes) -> Answer {
    let score = call.zset(&call.args[1])?.and_then(|zset| zset.score(member));
    Ok(score.map_or(Reply::Nil, Reply::Double))
}

fn zscore(call: &mut Call<'_>) -> Answer {
    score(call, &call.args[2])
}

fn zmscore(call: &mut Call<'_>) -> Answer {
    let scores: Result<Vec<Reply>, Abort> = call.args[2..].iter().map(|member| score(call, member)).collect();
    Ok(Reply::Array(scores?))
}

fn zcard(call: &mut Call<'_>) -> Answer {
    Ok(Reply::count(call.zset(&call.args[1])?.map_or(0, |zset| zset.len())))
}

fn rank(call: &Call<'_>, reverse: bool) -> Answer {
    let Some(zset) = call.zset(&call.args[1])? else { return Ok(Reply::Nil) };
    let rank = zset.rank(&call.args[2]);
    Ok(rank.map_or(Reply::Nil, |at| Reply::count(if reverse { zset.len() - 1 - at } else { at })))
}
