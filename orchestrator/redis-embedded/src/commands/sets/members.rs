//! SMEMBERS, SCARD, SISMEMBER, SMISMEMBER.

use crate::commands::prelude::*;

pub(crate) const COMMANDS: &[Command] = &[
    Command::new("smembers", 2, R, ONE, smembers),
    Command::new("scard", 2, R | FAST, ONE, scard),
    Command::new("sismember", 3, R | FAST, ONE, sismember),
    Command::new("smismember", -3, R | FAST, ONE, smismember),
];

fn smembers(call: &mut Call<'_>) -> Answer {
    let set = call.set(&call.args[1])?;
    Ok(Reply::Set(set.into_iter().flat_map(|set| set.members()).map(Reply::Bulk).collect()))
}

fn scard(call: &mut Call<'_>) -> Answer {
    Ok(Reply::count(call.set(&call.args[1])?.map_or(0, |set| set.len())))
}

fn has(call: &Call<'_>, member: &Bytes) -> Answer {
    Ok(Reply::Int(i64::from(call.set(&call.args[1])?.is_some_and(|set| set.contains(member)))))
}

fn sismember(call: &mut Call<'_>) -> Answer {
    has(call, &call.args[2])
}

fn smismember(call: &mut Call<'_>) -> Answer {
    let found: Result<Vec<Reply>, Abort> = call.args[2..].iter().map(|member| has(call, member)).collect();
    Ok(Reply::Array(found?))
}
