//! What scripts find in `redis` that can fail. These are functions of the host, so that a script that ends with
//! `return redis.call(…)` is still on the stack when its line is looked for.

use mlua::{Lua, MultiValue, Table, Value};

use super::digest::sha1_hex;
use super::native::{Args, Failure, function, refuse};

/// `slot` holds the functions of the run at hand.
pub(super) fn library(lua: &Lua, slot: &Table) -> mlua::Result<Table> {
    let redis = lua.create_table()?;
    let run = slot.clone();
    let call = move |lua: &Lua, args: &Args| {
        let (failed, value) = in_run(lua, &run, "call", args)?;
        if failed != Value::Boolean(true) {
            return Ok(value);
        }
        match &value {
            Value::Table(error) => refuse(error.raw_get::<mlua::LuaString>("err")?.as_bytes().to_vec()),
            _ => refuse(b"ERR unknown error".to_vec()),
        }
    };
    redis.set("call", function(lua, "call", call)?)?;
    let run = slot.clone();
    let pcall = move |lua: &Lua, args: &Args| Ok(in_run(lua, &run, "call", args)?.1);
    redis.set("pcall", function(lua, "pcall", pcall)?)?;
    let run = slot.clone();
    let check = move |lua: &Lua, args: &Args| {
        if args.values.is_empty() {
            return refuse("ERR Please specify at least one argument for this redis lib call");
        }
        match in_run(lua, &run, "acl_check", args)?.0 {
            Value::Nil => refuse("ERR Invalid command passed to redis.acl_check_cmd()"),
            allowed => Ok(allowed),
        }
    };
    redis.set("acl_check_cmd", function(lua, "acl_check_cmd", check)?)?;
    let run = slot.clone();
    redis.set("setresp", function(lua, "setresp", move |_, args| set_protocol(&run, args))?)?;
    redis.set("log", function(lua, "log", log)?)?;
    let sha1hex = |lua: &Lua, args: &Args| {
        if args.values.len() != 1 {
            return refuse("ERR wrong number of arguments");
        }
        // What is no text counts as an empty one.
        let text = args.string(lua, 1).or_else(|failure| match failure {
            Failure::Text(_) => Ok(bytes::Bytes::new()),
            other => Err(other),
        });
        Ok(sha1_hex(&text?))
    };
    redis.set("sha1hex", function(lua, "sha1hex", sha1hex)?)?;
    Ok(redis)
}

/// Calls a function of the run at hand with all arguments, as a table and their number.
fn in_run(lua: &Lua, slot: &Table, name: &str, args: &Args) -> Result<(Value, Value), Failure> {
    let table = lua.create_table()?;
    for (at, value) in args.values.iter().enumerate() {
        table.raw_set(at + 1, value)?;
    }
    let run: mlua::Function = slot.raw_get(name)?;
    let mut results = run.call::<MultiValue>((table, args.values.len()))?;
    let first = results.pop_front().unwrap_or(Value::Nil);
    Ok((first, results.pop_front().unwrap_or(Value::Nil)))
}

fn set_protocol(slot: &Table, args: &Args) -> Result<(), Failure> {
    if args.values.len() != 1 {
        return refuse("ERR redis.setresp() requires one argument.");
    }
    let version = match args.get(1) {
        Some(Value::Integer(version)) => *version,
        #[allow(clippy::cast_possible_truncation)]
        Some(Value::Number(version)) if version.fract() == 0.0 => *version as i64,
        _ => 0,
    };
    if version != 2 && version != 3 {
        return refuse("ERR RESP version must be 2 or 3.");
    }
    Ok(slot.raw_get::<mlua::Function>("setresp")?.call::<()>(version)?)
}

/// There is no log to write to: what is wrong is refused all the same.
fn log(lua: &Lua, args: &Args) -> Result<(), Failure> {
    if args.values.len() < 2 {
        return refuse("ERR redis.log() requires two arguments or more.");
    }
    let Some(Value::Integer(_) | Value::Number(_)) = args.get(1) else {
        return refuse("ERR First argument must be a number (log level).");
    };
    if !(0..=3).contains(&args.whole(lua, 1)?) {
        return refuse("ERR Invalid debug level.");
    }
    Ok(())
}
