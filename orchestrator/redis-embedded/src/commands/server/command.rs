//! COMMAND: the table of commands, for clients that ask.

use super::docs;
use crate::commands::prelude::*;
use crate::store::acl::categories;
use crate::store::glob;

pub(crate) const COMMANDS: &[Command] = &[Command::new("command", -1, 0, NONE, command)];

fn command(call: &mut Call<'_>) -> Answer {
    let args = call.args;
    let Some(word) = args.get(1) else {
        return Ok(Reply::Array((call.catalog.all)().into_iter().map(|(_, spec)| describe(spec)).collect()));
    };
    let rest = &args[2..];
    match () {
        () if is(word, "count") => Ok(Reply::count((call.catalog.all)().len())),
        () if is(word, "list") => list(call, rest),
        () if is(word, "info") => {
            if rest.is_empty() {
                return Ok(Reply::Array(
                    (call.catalog.all)().into_iter().map(|(_, spec)| describe(spec)).collect(),
                ));
            }
            Ok(Reply::Array(
                rest.iter().map(|name| (call.catalog.find)(name).map_or(Reply::NilArray, describe)).collect(),
            ))
        }
        () if is(word, "docs") => {
            let wanted = |name: &str| rest.is_empty() || rest.iter().any(|word| is(word, name));
            let described =
                (call.catalog.all)().into_iter().filter(|(_, spec)| wanted(spec.name)).map(|(_, spec)| {
                    let (since, group) = docs::of(spec.name);
                    let about = vec![
                        (Reply::copy(b"since"), Reply::copy(since.as_bytes())),
                        (Reply::copy(b"group"), Reply::copy(group.as_bytes())),
                    ];
                    (Reply::copy(spec.name.as_bytes()), Reply::Map(about))
                });
            Ok(Reply::Map(described.collect()))
        }
        () if is(word, "getkeys") => {
            if rest.len() < 2 {
                return Err(Abort::error("ERR wrong number of arguments for 'command|getkeys' command"));
            }
            let spec = rest.first().and_then(|name| (call.catalog.find)(name));
            let spec = spec.ok_or_else(|| Abort::error("ERR Invalid command specified"))?;
            if !spec.accepts(rest.len()) {
                return Err(Abort::error("ERR Invalid number of arguments specified for command"));
            }
            let keys = spec.keys_of(rest);
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

/// COMMAND LIST, perhaps of a category or by a pattern.
fn list(call: &Call<'_>, filter: &[Bytes]) -> Answer {
    let wanted: Box<dyn Fn(&Spec) -> bool> = match filter {
        [] => Box::new(|_| true),
        [by, kind, value] if is(by, "filterby") => match () {
            () if is(kind, "aclcat") => {
                let category = String::from_utf8_lossy(value).to_lowercase();
                Box::new(move |spec| categories::of(spec.name).any(|known| known == category))
            }
            () if is(kind, "pattern") => {
                let pattern = value.to_ascii_lowercase();
                Box::new(move |spec| glob::matches(&pattern, spec.name.as_bytes()))
            }
            // There are no modules.
            () if is(kind, "module") => Box::new(|_| false),
            () => return Err(syntax()),
        },
        _ => return Err(syntax()),
    };
    let specs = (call.catalog.all)().into_iter().filter(|(_, spec)| wanted(spec));
    Ok(Reply::Array(specs.map(|(_, spec)| Reply::copy(spec.name.as_bytes())).collect()))
}

fn describe(spec: &Spec) -> Reply {
    let (first, last, step) = spec.keys;
    let flags = spec.flag_names().into_iter().map(Reply::Simple).collect();
    let categories =
        categories::of(spec.name).map(|name| Reply::Status(Bytes::from(format!("@{name}")))).collect();
    let empty = || Reply::Array(Vec::new());
    Reply::Array(vec![
        Reply::copy(spec.name.as_bytes()),
        Reply::Int(i64::from(spec.arity)),
        Reply::Set(flags),
        Reply::Int(i64::from(first)),
        Reply::Int(i64::from(last)),
        Reply::Int(i64::from(step)),
        Reply::Set(categories),
        empty(),
        empty(),
        empty(),
    ])
}
