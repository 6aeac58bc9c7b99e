//! COMMAND: the table of commands, for clients that ask.

use super::super::{all, find};
use crate::commands::prelude::*;

pub(crate) const SPECS: &[Spec] = &[Spec::new("command", -1, 0, NONE, command)];

fn command(call: &mut Call<'_>) -> Answer {
    let args = call.args;
    let Some(word) = args.get(1) else {
        return Ok(Reply::Array(all().map(|(_, spec)| describe(spec)).collect()));
    };
    let rest = &args[2..];
    match () {
        () if is(word, "count") => Ok(Reply::count(all().count())),
        () if is(word, "list") => {
            Ok(Reply::Array(all().map(|(_, spec)| Reply::copy(spec.name.as_bytes())).collect()))
        }
        () if is(word, "info") => {
            if rest.is_empty() {
                return Ok(Reply::Array(all().map(|(_, spec)| describe(spec)).collect()));
            }
            Ok(Reply::Array(rest.iter().map(|name| find(name).map_or(Reply::NilArray, describe)).collect()))
        }
        () if is(word, "docs") => {
            let wanted = |name: &str| rest.is_empty() || rest.iter().any(|word| is(word, name));
            let docs = all().filter(|(_, spec)| wanted(spec.name)).map(|(group, spec)| {
                let about = vec![(Reply::copy(b"group"), Reply::copy(group.as_bytes()))];
                (Reply::copy(spec.name.as_bytes()), Reply::Map(about))
            });
            Ok(Reply::Map(docs.collect()))
        }
        () if is(word, "getkeys") => {
            if rest.len() < 2 {
                return Err(Abort::error("ERR wrong number of arguments for 'command|getkeys' command"));
            }
            let spec = rest.first().and_then(find);
            let spec = spec.ok_or_else(|| Abort::error("ERR Invalid command specified"))?;
            if !spec.accepts(rest.len()) {
                return Err(Abort::error("ERR Invalid number of arguments specified for command"));
            }
            let keys = keys(spec, rest);
            // A script that is given no keys has none; that is no error.
            if keys.is_empty() && !(spec.name.starts_with("eval") || spec.name.starts_with("fcall")) {
                return Err(Abort::error("ERR The command has no key arguments"));
            }
            Ok(Reply::strings(keys))
        }
        () => Err(Abort::error(format!(
            "ERR unknown subcommand '{}'. Try COMMAND HELP.",
            String::from_utf8_lossy(word)
        ))),
    }
}

fn describe(spec: &Spec) -> Reply {
    let (first, last, step) = spec.keys;
    let flags = spec.flag_names().into_iter().map(Reply::Simple).collect();
    let empty = || Reply::Array(Vec::new());
    Reply::Array(vec![
        Reply::copy(spec.name.as_bytes()),
        Reply::Int(i64::from(spec.arity)),
        Reply::Set(flags),
        Reply::Int(i64::from(first)),
        Reply::Int(i64::from(last)),
        Reply::Int(i64::from(step)),
        Reply::Set(Vec::new()),
        empty(),
        empty(),
        empty(),
    ])
}

/// The keys of a command by its table entry; those whose place depends on the arguments, by them.
pub(crate) fn keys(spec: &Spec, words: &[Bytes]) -> Vec<Bytes> {
    if spec.has(Spec::MOVABLE_KEYS) {
        let streams = words.iter().position(|word| is(word, "streams"));
        if let (true, Some(at)) = (spec.name.starts_with("xread"), streams) {
            let rest = &words[at + 1..];
            return rest[..rest.len() / 2].to_vec();
        }
        // EVAL and its like have the count second; SINTERCARD and ZUNION first; the STORE forms
        // have their target before it.
        if spec.name.starts_with("sort") {
            let target =
                words.iter().skip(2).rposition(|word| is(word, "store")).and_then(|at| words.get(at + 3));
            return words[1..2].iter().chain(target).cloned().collect();
        }
        let at = if spec.name.starts_with("eval")
            || spec.name.starts_with("fcall")
            || spec.name.starts_with("bzm")
            || spec.name.starts_with("blm")
            || spec.name.ends_with("store")
        {
            2
        } else {
            1
        };
        let count =
            words.get(at).and_then(|n| int(n).ok()).and_then(|n| usize::try_from(n).ok()).unwrap_or(0);
        let mut keys: Vec<Bytes> =
            if spec.name.ends_with("store") { words[1..2].to_vec() } else { Vec::new() };
        keys.extend(words.iter().skip(at + 1).take(count).cloned());
        return keys;
    }
    let (first, last, step) = spec.keys;
    let (Ok(first), Ok(step)) = (usize::try_from(first), usize::try_from(step)) else { return Vec::new() };
    if first == 0 || step == 0 {
        return Vec::new();
    }
    let len = i64::try_from(words.len()).unwrap_or(i64::MAX);
    let last = if last < 0 { len + i64::from(last) } else { i64::from(last) };
    let last = usize::try_from(last).unwrap_or(0).min(words.len().saturating_sub(1));
    (first..=last).step_by(step).filter_map(|at| words.get(at).cloned()).collect()
}
