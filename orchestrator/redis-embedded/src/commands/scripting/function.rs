//! FUNCTION, FCALL, FCALL_RO: libraries of functions.

use super::eval::keys_and_args;
use crate::commands::prelude::*;
use crate::commands::server::help;
use crate::lua::functions;
use crate::rdb;
use crate::store::glob;

const FLAGS: u16 = NO_SCRIPT | Spec::MOVABLE_KEYS;

pub(crate) const COMMANDS: &[Command] = &[
    Command::new("function", -2, NO_SCRIPT | W, NONE, function),
    Command::new("fcall", -3, FLAGS, NONE, |call| fcall(call, false)),
    Command::new("fcall_ro", -3, FLAGS | R, NONE, |call| fcall(call, true)),
];

fn fcall(call: &mut Call<'_>, read_only: bool) -> Answer {
    let Some(function) = call.store.scripts.functions.find(&call.args[1]).cloned() else {
        return Err(Abort::error("ERR Function not found"));
    };
    let (keys, args) = keys_and_args(call, "ERR Bad number of keys provided")?;
    if read_only && !function.has("no-writes") {
        return Err(Abort::error("ERR Can not execute a script with write flag using *_ro command."));
    }
    if !function.has("no-writes") && !function.has("allow-oom") && call.store.is_full() {
        return Err(Abort::error(OUT_OF_MEMORY));
    }
    functions::run(call, &function, keys, args, read_only)
}

fn function(call: &mut Call<'_>) -> Answer {
    let (word, rest) = (&call.args[1], &call.args[2..]);
    match rest {
        [options @ .., code] if is(word, "load") => load(call, options, code),
        [name] if is(word, "delete") => {
            let name = String::from_utf8_lossy(name).into_owned();
            match call.store.scripts.functions.libraries.remove(&name) {
                Some(_) => Ok(Reply::OK),
                None => Err(Abort::error("ERR Library not found")),
            }
        }
        [] if is(word, "flush") => flush(call),
        [how] if is(word, "flush") => {
            if !is(how, "sync") && !is(how, "async") {
                return Err(Abort::error("ERR FUNCTION FLUSH only supports SYNC|ASYNC option"));
            }
            flush(call)
        }
        // Nothing else is read while one runs.
        [] if is(word, "kill") => Err(Abort::error("NOTBUSY No scripts in execution right now.")),
        _ if is(word, "list") => list(call, rest),
        [] if is(word, "stats") => {
            let libraries = &call.store.scripts.functions.libraries;
            let count = libraries.values().map(|library| library.functions.len()).sum();
            let lua = vec![
                (Reply::copy(b"libraries_count"), Reply::count(libraries.len())),
                (Reply::copy(b"functions_count"), Reply::count(count)),
            ];
            Ok(Reply::Map(vec![
                (Reply::copy(b"running_script"), Reply::Nil),
                (Reply::copy(b"engines"), Reply::Map(vec![(Reply::copy(b"LUA"), Reply::Map(lua))])),
            ]))
        }
        [] if is(word, "dump") => {
            let libraries = call.store.scripts.functions.libraries.values();
            Ok(Reply::Bulk(rdb::functions::write(libraries.map(|library| &library.code))))
        }
        [payload] | [payload, _] if is(word, "restore") => restore(call, payload, rest.get(1)),
        _ if is(word, "help") => {
            Ok(help::of("FUNCTION", &["DELETE", "DUMP", "FLUSH", "KILL", "LIST", "LOAD", "RESTORE", "STATS"]))
        }
        _ if ["load", "delete", "kill", "stats", "dump"].into_iter().any(|known| is(word, known)) => {
            Err(help::arity("FUNCTION", word))
        }
        _ if is(word, "flush") || is(word, "restore") => {
            let word = String::from_utf8_lossy(word).into_owned();
            Err(Abort::error(format!(
                "ERR unknown subcommand or wrong number of arguments for '{word}'. Try FUNCTION HELP."
            )))
        }
        _ => Err(help::unknown("FUNCTION", word)),
    }
}

fn flush(call: &mut Call<'_>) -> Answer {
    call.store.scripts.functions.flush();
    Ok(Reply::OK)
}

fn load(call: &mut Call<'_>, options: &[Bytes], code: &Bytes) -> Answer {
    if let Some(other) = options.iter().find(|option| !is(option, "replace")) {
        let other = String::from_utf8_lossy(other).into_owned();
        return Err(Abort::error(format!("ERR Unknown option given: {other}")));
    }
    has_room(call)?;
    functions::load(call, code, !options.is_empty()).map(Reply::bulk)
}

fn has_room(call: &mut Call<'_>) -> Result<(), Abort> {
    if call.store.is_full() {
        return Err(Abort::error(OUT_OF_MEMORY));
    }
    Ok(())
}

fn list(call: &Call<'_>, options: &[Bytes]) -> Answer {
    let (mut pattern, mut with_code) = (None, false);
    let mut rest = options.iter();
    while let Some(option) = rest.next() {
        if is(option, "withcode") && !with_code {
            with_code = true;
        } else if is(option, "libraryname") && pattern.is_none() {
            pattern =
                Some(rest.next().ok_or_else(|| Abort::error("ERR library name argument was not given"))?);
        } else {
            let option = String::from_utf8_lossy(option).into_owned();
            return Err(Abort::error(format!("ERR Unknown argument {option}")));
        }
    }
    let wanted = |name: &str| pattern.is_none_or(|pattern| glob::matches(pattern, name.as_bytes()));
    let libraries = call.store.scripts.functions.libraries.iter().filter(|(name, _)| wanted(name));
    let text = |text: &str| Reply::copy(text.as_bytes());
    let described = libraries.map(|(name, library)| {
        let functions = library.functions.iter().map(|function| {
            let flags = function.flags.iter().map(|flag| Reply::Status(Bytes::from(flag.clone()))).collect();
            Reply::Map(vec![
                (text("name"), text(&function.name)),
                (text("description"), function.description.as_deref().map_or(Reply::Nil, text)),
                (text("flags"), Reply::Set(flags)),
            ])
        });
        let mut parts = vec![
            (text("library_name"), text(name)),
            (text("engine"), text("LUA")),
            (text("functions"), Reply::Array(functions.collect())),
        ];
        if with_code {
            parts.push((text("library_code"), Reply::Bulk(library.code.clone())));
        }
        Reply::Map(parts)
    });
    Ok(Reply::Array(described.collect()))
}

/// All of what was dumped, or nothing.
fn restore(call: &mut Call<'_>, payload: &Bytes, policy: Option<&Bytes>) -> Answer {
    let policy =
        policy.map_or_else(|| "append".to_owned(), |word| String::from_utf8_lossy(word).to_lowercase());
    if !["append", "replace", "flush"].contains(&policy.as_str()) {
        return Err(Abort::error(
            "ERR Wrong restore policy given, value should be either FLUSH, APPEND or REPLACE.",
        ));
    }
    has_room(call)?;
    let codes = rdb::functions::read(payload).map_err(Abort::error)?;
    let before: Vec<Bytes> =
        call.store.scripts.functions.libraries.values().map(|library| library.code.clone()).collect();
    if policy == "flush" {
        call.store.scripts.functions.flush();
    }
    for code in &codes {
        if let Err(refused) = functions::load(call, code, policy == "replace") {
            // As it was.
            call.store.scripts.functions.flush();
            for code in &before {
                functions::load(call, code, true)?;
            }
            // Here Redis writes the name without quotes.
            let Abort::Error(text) = &refused else { return Err(refused) };
            return Err(Abort::error(String::from_utf8_lossy(text).replace('\'', "")));
        }
    }
    Ok(Reply::OK)
}
