//! ZRANDMEMBER.

use super::zrange::members;
use crate::commands::prelude::*;
use crate::commands::sets::random::{pick, wanted};

pub(crate) const COMMANDS: &[Command] = &[Command::new("zrandmember", -2, R, ONE, zrandmember)];

fn zrandmember(call: &mut Call<'_>) -> Answer {
    let args = call.args;
    let all: Vec<(Bytes, f64)> = call
        .zset(&args[1])?
        .map(|zset| zset.iter().map(|(member, score)| (member.clone(), score)).collect())
        .unwrap_or_default();
    let Some(count) = args.get(2) else {
        return Ok(Reply::bulk_or_nil(pick(call, &all, 1)?.pop().map(|(member, _)| member)));
    };
    let count = wanted(count)?;
    let scores = match args.get(3) {
        Some(word) if args.len() == 4 && is(word, "withscores") => true,
        Some(_) => return Err(syntax()),
        None => false,
    };
    let mut picked = pick(call, &all, count)?;
    if usize::try_from(count).is_ok_and(|count| count >= all.len()) {
        // All of them: Redis walks from the highest score down.
        picked.reverse();
    }
    Ok(members(picked, scores, call.resp3()))
}
