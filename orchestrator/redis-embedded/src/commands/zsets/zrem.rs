//! ZREM, ZREMRANGEBYSCORE, ZREMRANGEBYRANK, ZREMRANGEBYLEX.

use super::zrange::{lex_ends, score_ends};
use crate::commands::prelude::*;

pub(crate) const COMMANDS: &[Command] = &[
    Command::new("zrem", -3, W | FAST, ONE, zrem),
    Command::new("zremrangebyscore", 4, W, ONE, by_score),
    Command::new("zremrangebyrank", 4, W, ONE, by_rank),
    Command::new("zremrangebylex", 4, W, ONE, by_lex),
];

fn remove(call: &mut Call<'_>, members: impl IntoIterator<Item = Bytes>) -> Answer {
    let key = &call.args[1];
    if call.zset(key)?.is_none() {
        return Ok(Reply::Int(0));
    }
    let zset = call.zset_mut(key)?;
    let removed = members.into_iter().filter(|member| zset.remove(member).is_some()).count();
    if removed > 0 {
        call.wrote(key);
    }
    Ok(Reply::count(removed))
}

fn names(found: Option<Vec<(Bytes, f64)>>) -> impl Iterator<Item = Bytes> {
    found.unwrap_or_default().into_iter().map(|(member, _)| member)
}

fn zrem(call: &mut Call<'_>) -> Answer {
    let members = call.args[2..].to_vec();
    remove(call, members)
}

fn by_score(call: &mut Call<'_>) -> Answer {
    let (min, max) = score_ends(&call.args[2], &call.args[3])?;
    let found = call.zset(&call.args[1])?.map(|zset| zset.by_score(min, max));
    remove(call, names(found))
}

fn by_rank(call: &mut Call<'_>) -> Answer {
    let (start, stop) = (int(&call.args[2])?, int(&call.args[3])?);
    let found = call.zset(&call.args[1])?.map(|zset| zset.by_rank(start, stop, false));
    remove(call, names(found))
}

fn by_lex(call: &mut Call<'_>) -> Answer {
    let (min, max) = lex_ends(&call.args[2], &call.args[3])?;
    let found = call.zset(&call.args[1])?.map(|zset| zset.by_lex(&min, &max));
    remove(call, names(found))
}
