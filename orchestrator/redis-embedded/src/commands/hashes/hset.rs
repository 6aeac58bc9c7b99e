//! HSET, HMSET, HSETNX.

use crate::commands::prelude::*;

pub(crate) const COMMANDS: &[Command] = &[
    Command::new("hset", -4, W | FAST, ONE, hset),
    Command::new("hmset", -4, W | FAST, ONE, hmset),
    Command::new("hsetnx", 4, W | FAST, ONE, hsetnx),
];

fn hset(call: &mut Call<'_>) -> Answer {
    let key = &call.args[1];
    let pairs = &call.args[2..];
    if !pairs.len().is_multiple_of(2) {
        return call.arity_error();
    }
    let sizes = call.sizes();
    let hash = call.hash_mut(key)?;
    let mut new = 0;
    for pair in pairs.chunks_exact(2) {
        new += usize::from(hash.insert(pair[0].clone(), pair[1].clone(), &sizes).is_none());
    }
    call.wrote(key);
    Ok(Reply::count(new))
}

fn hmset(call: &mut Call<'_>) -> Answer {
    hset(call).map(|_| Reply::OK)
}

fn hsetnx(call: &mut Call<'_>) -> Answer {
    let args = call.args;
    if call.hash(&args[1])?.is_some_and(|hash| hash.contains(&args[2])) {
        return Ok(Reply::Int(0));
    }
    let sizes = call.sizes();
    call.hash_mut(&args[1])?.insert(args[2].clone(), args[3].clone(), &sizes);
    call.wrote(&args[1]);
    Ok(Reply::Int(1))
}
