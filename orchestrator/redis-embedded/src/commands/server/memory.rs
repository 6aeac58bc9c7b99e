//! MEMORY, and DEBUG as far as it can be had.

use super::help;
use crate::commands::prelude::*;

pub(crate) const COMMANDS: &[Command] = &[
    Command::new("memory", -2, R, (2, 2, 1), memory),
    Command::new("debug", -2, Spec::ADMIN | NO_SCRIPT, NONE, debug),
];

fn memory(call: &mut Call<'_>) -> Answer {
    let (word, rest) = (&call.args[1], &call.args[2..]);
    match rest {
        [key] | [key, _, _] if is(word, "usage") => {
            if let [_, samples, count] = rest {
                if !is(samples, "samples") {
                    return Err(syntax());
                }
                at_least(count, 0, SYNTAX)?;
            }
            let Some(entry) = call.db().get(key) else { return Ok(Reply::Nil) };
            let bytes = entry.value.weight() + key.len() as u64 + 64;
            Ok(Reply::Int(i64::try_from(bytes).unwrap_or(i64::MAX)))
        }
        [] if is(word, "stats") => {
            call.store.memory.weigh(&call.store.dbs);
            let keys: usize = call.store.dbs.iter().map(|db| db.len()).sum();
            let number = |n: u64| Reply::Int(i64::try_from(n).unwrap_or(i64::MAX));
            let used = call.store.memory.used();
            Ok(Reply::Map(vec![
                (Reply::copy(b"total.allocated"), number(used)),
                (Reply::copy(b"keys.count"), Reply::count(keys)),
                (Reply::copy(b"keys.bytes-per-key"), number(used.checked_div(keys as u64).unwrap_or(0))),
                (Reply::copy(b"dataset.bytes"), number(used)),
            ]))
        }
        [] if is(word, "doctor") => Ok(Reply::Verbatim(Bytes::from_static(
            b"Sam, I can't find any memory issue: what the data take is weighed, not sampled (MEMORY STATS).\n",
        ))),
        // The allocator is the process's own.
        [] if is(word, "purge") => Ok(Reply::OK),
        [] if is(word, "malloc-stats") => Ok(Reply::Verbatim(Bytes::from_static(
            b"Stats not supported for the current allocator",
        ))),
        _ if is(word, "help") => {
            Ok(help::of("MEMORY", &["DOCTOR", "MALLOC-STATS", "PURGE", "STATS", "USAGE <key> [SAMPLES <count>]"]))
        }
        _ if ["usage", "stats", "doctor", "purge", "malloc-stats"].into_iter().any(|known| is(word, known)) => {
            Err(help::arity("MEMORY", word))
        }
        _ => Err(help::unknown("MEMORY", word)),
    }
}

/// As Redis 7.0 has it, DEBUG is off (`enable-debug-command no`).
fn debug(_: &mut Call<'_>) -> Answer {
    Err(Abort::error(
        "ERR DEBUG command not allowed. If the enable-debug-command option is set to \"local\", you can run it from a \
         local connection, otherwise you need to set this option in the configuration file, and then restart the server.",
    ))
}
