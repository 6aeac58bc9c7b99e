//! HGETALL, HKEYS, HVALS, HLEN: all of a hash.

use crate::commands::prelude::*;

pub(crate) const COMMANDS: &[Command] = &[
    Command::new("hgetall", 2, R, ONE, hgetall),
    Command::new("hkeys", 2, R, ONE, hkeys),
    Command::new("hvals", 2, R, ONE, hvals),
    Command::new("hlen", 2, R | FAST, ONE, hlen),
];

fn hgetall(call: &mut Call<'_>) -> Answer {
    call.looked_up(&call.args[1]);
    let pairs = call.hash(&call.args[1])?.map(|hash| {
        hash.iter().map(|(name, value)| (Reply::Bulk(name.clone()), Reply::Bulk(value.clone()))).collect()
    });
    Ok(Reply::Map(pairs.unwrap_or_default()))
}

fn hkeys(call: &mut Call<'_>) -> Answer {
    let hash = call.hash(&call.args[1])?;
    Ok(Reply::strings(hash.into_iter().flat_map(|hash| hash.iter().map(|(name, _)| name.clone()))))
}

fn hvals(call: &mut Call<'_>) -> Answer {
    let hash = call.hash(&call.args[1])?;
    Ok(Reply::strings(hash.into_iter().flat_map(|hash| hash.iter().map(|(_, value)| value.clone()))))
}

fn hlen(call: &mut Call<'_>) -> Answer {
    Ok(Reply::count(call.hash(&call.args[1])?.map_or(0, |hash| hash.len())))
}
