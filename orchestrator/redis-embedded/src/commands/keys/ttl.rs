//! TTL, PTTL, EXPIRETIME, PEXPIRETIME: how long a key has.

use crate::commands::prelude::*;

pub(crate) const COMMANDS: &[Command] = &[
    Command::new("ttl", 2, R | FAST, ONE, ttl),
    Command::new("pttl", 2, R | FAST, ONE, pttl),
    Command::new("expiretime", 2, R | FAST, ONE, expiretime),
    Command::new("pexpiretime", 2, R | FAST, ONE, pexpiretime),
];

fn answer(call: &Call<'_>, show: impl Fn(u64) -> u64) -> Answer {
    Ok(Reply::Int(match call.db().get(&call.args[1]).map(|entry| entry.expires_at) {
        None => -2,
        Some(None) => -1,
        Some(Some(at)) => i64::try_from(show(at)).unwrap_or(i64::MAX),
    }))
}

fn ttl(call: &mut Call<'_>) -> Answer {
    let now = call.now();
    answer(call, |at| (at.saturating_sub(now) + 500) / 1000)
}

fn pttl(call: &mut Call<'_>) -> Answer {
    let now = call.now();
    answer(call, |at| at.saturating_sub(now))
}

fn expiretime(call: &mut Call<'_>) -> Answer {
    answer(call, |at| (at + 500) / 1000)
}

fn pexpiretime(call: &mut Call<'_>) -> Answer {
    answer(call, |at| at)
}
