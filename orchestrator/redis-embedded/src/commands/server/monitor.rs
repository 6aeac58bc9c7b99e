//! MONITOR, SLOWLOG, LATENCY: what the server does, and how long it takes.

use super::help;
use crate::commands::prelude::*;

pub(crate) const COMMANDS: &[Command] = &[
    Command::new("monitor", 1, Spec::ADMIN | NO_SCRIPT, NONE, monitor),
    Command::new("slowlog", -2, Spec::ADMIN, NONE, slowlog),
    Command::new("latency", -2, Spec::ADMIN | NO_SCRIPT, NONE, latency),
];

fn monitor(call: &mut Call<'_>) -> Answer {
    if matches!(call.caller, crate::commands::answer::Caller::Batch) {
        return Err(Abort::error("ERR MONITOR isn't allowed for DENY BLOCKING client"));
    }
    let id = call.client;
    call.store.monitors.insert(id);
    Ok(Reply::OK)
}

fn slowlog(call: &mut Call<'_>) -> Answer {
    let (word, rest) = (&call.args[1], &call.args[2..]);
    match rest {
        [] if is(word, "reset") => {
            call.store.slowlog.entries.clear();
            Ok(Reply::OK)
        }
        [] if is(word, "len") => Ok(Reply::count(call.store.slowlog.entries.len())),
        [] | [_] if is(word, "get") => {
            let count = rest.first().map_or(Ok(10), |count| int(count))?;
            let max = match count {
                -1 => usize::MAX,
                count => usize::try_from(count)
                    .map_err(|_| Abort::error("ERR count should be greater than or equal to -1"))?,
            };
            let entries = call.store.slowlog.entries.iter().take(max).map(|slow| {
                let number = |n: u64| Reply::Int(i64::try_from(n).unwrap_or(i64::MAX));
                Reply::Array(vec![
                    Reply::Int(slow.id),
                    number(slow.at_seconds),
                    number(slow.micros),
                    Reply::strings(slow.words.iter().cloned()),
                    Reply::bulk(slow.address.clone()),
                    Reply::Bulk(slow.name.clone()),
                ])
            });
            Ok(Reply::Array(entries.collect()))
        }
        _ if is(word, "help") => Ok(help::of("SLOWLOG", &["GET", "LEN", "RESET"])),
        _ if ["reset", "len", "get"].into_iter().any(|known| is(word, known)) => {
            Err(help::arity("SLOWLOG", word))
        }
        _ => Err(help::unknown("SLOWLOG", word)),
    }
}

/// Nothing is sampled: there are no events, and says so.
fn latency(call: &mut Call<'_>) -> Answer {
    let (word, rest) = (&call.args[1], &call.args[2..]);
    match rest {
        [] if is(word, "latest") => Ok(Reply::Array(Vec::new())),
        [_] if is(word, "history") => Ok(Reply::Array(Vec::new())),
        _ if is(word, "reset") => Ok(Reply::Int(0)),
        [] if is(word, "doctor") => Ok(Reply::Verbatim(Bytes::from_static(
            b"Dave, I have observed no latency spikes: this server keeps no record of them. SLOWLOG and \
              INFO commandstats say how long commands take.\n",
        ))),
        _ if is(word, "help") => Ok(help::of("LATENCY", &["DOCTOR", "HISTORY", "LATEST", "RESET"])),
        _ if ["latest", "history", "doctor"].into_iter().any(|known| is(word, known)) => {
            Err(help::arity("LATENCY", word))
        }
        _ => Err(help::unknown("LATENCY", word)),
    }
}
