//! HGET, HMGET, HEXISTS, HSTRLEN: fields of a hash.

use crate::commands::prelude::*;

pub(crate) const COMMANDS: &[Command] = &[
    Command::new("hget", 3, R | FAST, ONE, hget),
    Command::new("hmget", -3, R | FAST, ONE, hmget),
    Command::new("hexists", 3, R | FAST, ONE, hexists),
    Command::new("hstrlen", 3, R | FAST, ONE, hstrlen),
];

fn field<'c>(call: &'c Call<'_>, name: &Bytes) -> Result<Option<&'c Bytes>, Abort> {
    Ok(call.hash(&call.args[1])?.and_then(|hash| hash.get(name)))
}

fn hget(call: &mut Call<'_>) -> Answer {
    call.looked_up(&call.args[1]);
    Ok(Reply::bulk_or_nil(field(call, &call.args[2])?.cloned()))
}

fn hmget(call: &mut Call<'_>) -> Answer {
    let values: Result<Vec<_>, Abort> =
        call.args[2..].iter().map(|name| Ok(Reply::bulk_or_nil(field(call, name)?.cloned()))).collect();
    Ok(Reply::Array(values?))
}

fn hexists(call: &mut Call<'_>) -> Answer {
    Ok(Reply::Int(i64::from(field(call, &call.args[2])?.is_some())))
}

fn hstrlen(call: &mut Call<'_>) -> Answer {
    Ok(Reply::count(field(call, &call.args[2])?.map_or(0, Bytes::len)))
}
