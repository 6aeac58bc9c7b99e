//! CONFIG GET, SET, RESETSTAT.

use crate::commands::prelude::*;
use crate::store::glob;
use crate::store::settings::Refusal;

pub(crate) const COMMANDS: &[Command] = &[Command::new("config", -2, Spec::ADMIN | NO_SCRIPT, NONE, config)];

fn config(call: &mut Call<'_>) -> Answer {
    let args = call.args;
    let (word, rest) = (&args[1], &args[2..]);
    match () {
        () if is(word, "get") => get(call, rest),
        () if is(word, "set") => set(call, rest),
        () if is(word, "resetstat") => {
            call.store.stats = crate::store::stats::Stats::default();
            Ok(Reply::OK)
        }
        () if is(word, "rewrite") => Err(Abort::error("ERR The server is running without a config file")),
        () if is(word, "help") => Ok(super::help::of("CONFIG", &["GET", "RESETSTAT", "REWRITE", "SET"])),
        () => Err(super::help::unknown("CONFIG", word)),
    }
}

fn get(call: &Call<'_>, patterns: &[Bytes]) -> Answer {
    if patterns.is_empty() {
        return Err(Abort::error("ERR wrong number of arguments for 'config|get' command"));
    }
    let wanted: Vec<Vec<u8>> = patterns.iter().map(|pattern| pattern.to_ascii_lowercase()).collect();
    let found = call.store.settings.all();
    let found =
        found.filter(|(name, _)| wanted.iter().any(|pattern| glob::matches(pattern, name.as_bytes())));
    Ok(Reply::Map(
        found.map(|(name, value)| (Reply::copy(name.as_bytes()), Reply::copy(value.as_bytes()))).collect(),
    ))
}

/// All of them or none.
fn set(call: &mut Call<'_>, pairs: &[Bytes]) -> Answer {
    if pairs.is_empty() || !pairs.len().is_multiple_of(2) {
        return Err(Abort::error("ERR wrong number of arguments for 'config|set' command"));
    }
    let mut changes: Vec<(&'static str, String)> = Vec::new();
    for pair in pairs.chunks_exact(2) {
        let name = String::from_utf8_lossy(&pair[0]).to_lowercase();
        let failed = |why: &str| {
            let name = String::from_utf8_lossy(&pair[0]);
            Abort::error(format!("ERR CONFIG SET failed (possibly related to argument '{name}') - {why}"))
        };
        match call.store.settings.check(&name, &String::from_utf8_lossy(&pair[1])) {
            Ok((name, _)) if changes.iter().any(|(set, _)| *set == name) => {
                return Err(failed("duplicate parameter"));
            }
            Ok(change) => changes.push(change),
            Err(Refusal::Unknown) => {
                return Err(Abort::error(format!(
                    "ERR Unknown option or number of arguments for CONFIG SET - '{name}'"
                )));
            }
            Err(Refusal::Because(why)) => return Err(failed(why)),
        }
    }
    for (name, value) in changes {
        call.store.settings.set(name, value);
    }
    Ok(Reply::OK)
}
