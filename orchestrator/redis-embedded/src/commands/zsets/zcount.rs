//! ZCOUNT, ZLEXCOUNT.

use super::zrange::{lex_ends, score_ends};
use crate::commands::prelude::*;

pub(crate) const COMMANDS: &[Command] = &[
    Command::new("zcount", 4, R | FAST, ONE, zcount),
    Command::new("zlexcount", 4, R | FAST, ONE, zlexcount),
];

fn zcount(call: &mut Call<'_>) -> Answer {
    let (min, max) = score_ends(&call.args[2], &call.args[3])?;
    Ok(Reply::count(call.zset(&call.args[1])?.map_or(0, |zset| zset.by_score(min, max).len())))
}

fn zlexcount(call: &mut Call<'_>) -> Answer {
    let (min, max) = lex_ends(&call.args[2], &call.args[3])?;
    Ok(Reply::count(call.zset(&call.args[1])?.map_or(0, |zset| zset.by_lex(&min, &max).len())))
}
