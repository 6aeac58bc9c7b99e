//! MGET, MSET, MSETNX: several keys at once.

use crate::commands::prelude::*;
use crate::store::text::Text;
use crate::store::value::Value;

pub(crate) const COMMANDS: &[Command] = &[
    Command::new("mget", -2, R | FAST, ALL, mget),
    Command::new("mset", -3, W, (1, -1, 2), mset),
    Command::new("msetnx", -3, W, (1, -1, 2), msetnx),
];

fn mget(call: &mut Call<'_>) -> Answer {
    // A key of another type reads as no value here.
    let values =
        call.args[1..].iter().map(|key| Reply::bulk_or_nil(call.string(key).ok().flatten().cloned()));
    Ok(Reply::Array(values.collect()))
}

fn mset(call: &mut Call<'_>) -> Answer {
    let pairs = &call.args[1..];
    if !pairs.len().is_multiple_of(2) {
        return call.arity_error();
    }
    for pair in pairs.chunks_exact(2) {
        call.put(&pair[0], Value::Str(Text::new(pair[1].clone())));
    }
    Ok(Reply::OK)
}

fn msetnx(call: &mut Call<'_>) -> Answer {
    let pairs = &call.args[1..];
    if !pairs.len().is_multiple_of(2) {
        return call.arity_error();
    }
    if pairs.chunks_exact(2).any(|pair| call.db().contains(&pair[0])) {
        return Ok(Reply::Int(0));
    }
    mset(call)?;
    Ok(Reply::Int(1))
}
