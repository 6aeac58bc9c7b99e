//! TIME, WAIT, LASTSAVE, ROLE.

use crate::commands::prelude::*;

pub(crate) const COMMANDS: &[Command] = &[
    Command::new("time", 1, FAST, NONE, time),
    Command::new("wait", 3, Spec::BLOCKING | NO_SCRIPT, NONE, wait),
    Command::new("lastsave", 1, FAST, NONE, lastsave),
    Command::new("role", 1, FAST | NO_SCRIPT, NONE, role),
];

fn time(call: &mut Call<'_>) -> Answer {
    let micros = call.store.micros;
    let parts = [micros / 1_000_000, micros % 1_000_000];
    Ok(Reply::Array(parts.into_iter().map(|part| Reply::bulk(part.to_string())).collect()))
}

/// There are no replicas: any that are waited for are waited for in vain.
fn wait(call: &mut Call<'_>) -> Answer {
    let wanted = int(&call.args[1])?;
    let millis =
        int(&call.args[2]).map_err(|_| Abort::error("ERR timeout is not an integer or out of range"))?;
    let millis = u64::try_from(millis).map_err(|_| Abort::error("ERR timeout is negative"))?;
    if wanted <= 0 {
        return Ok(Reply::Int(0));
    }
    let until = (millis > 0).then(|| call.now().saturating_add(millis));
    call.wait(Vec::new(), call.args.to_vec(), until, Reply::Int(0))
}

fn lastsave(call: &mut Call<'_>) -> Answer {
    Ok(Reply::Int(i64::try_from(call.store.started_at / 1000).unwrap_or(0)))
}

fn role(_: &mut Call<'_>) -> Answer {
    Ok(Reply::Array(vec![Reply::copy(b"master"), Reply::Int(0), Reply::Array(Vec::new())]))
}
