//! OBJECT: how a value is held.

use crate::commands::prelude::*;

pub(crate) const COMMANDS: &[Command] = &[Command::new("object", -2, R, (2, 2, 1), object)];

fn object(call: &mut Call<'_>) -> Answer {
    let args = call.args;
    let word = &args[1];
    if is(word, "help") {
        return Ok(Reply::Array(vec![Reply::Simple(
            "OBJECT <subcommand> <key>: ENCODING, FREQ, IDLETIME, REFCOUNT",
        )]));
    }
    let known = ["encoding", "refcount", "idletime", "freq"].into_iter().find(|name| is(word, name));
    let Some(known) = known else {
        return Err(Abort::error(format!(
            "ERR unknown subcommand '{}'. Try OBJECT HELP.",
            String::from_utf8_lossy(word)
        )));
    };
    if args.len() != 3 {
        return Err(Abort::error(format!("ERR wrong number of arguments for 'object|{known}' command")));
    }
    let by_frequency = call.store.settings.policy.ends_with("lfu");
    let Some(entry) = call.db().get(&args[2]) else { return Ok(Reply::Nil) };
    match known {
        "encoding" => Ok(Reply::copy(entry.value.encoding().as_bytes())),
        "refcount" => Ok(Reply::Int(1)),
        "freq" if by_frequency => {
            Ok(Reply::Int(i64::from(entry.frequency.at(call.now(), call.store.settings.pace))))
        }
        "idletime" if by_frequency => Err(Abort::error(
            "ERR An LFU maxmemory policy is selected, idle time not tracked. Please note that when \
             switching between policies at runtime LRU and LFU data will take some time to adjust.",
        )),
        "idletime" => {
            Ok(Reply::Int(i64::try_from(call.now().saturating_sub(entry.used_at) / 1000).unwrap_or(0)))
        }
        _ => Err(Abort::error(
            "ERR An LFU maxmemory policy is not selected, access frequency not tracked. Please note \
             that when switching between policies at runtime LRU and LFU data will take some \
             time to adjust.",
        )),
    }
}
