//! Values between Lua and Redis, by the rules of the manual page of EVAL: numbers lose their
//! fraction, an array ends at its first nil, true is 1 and false is no value.

use bytes::Bytes;
use mlua::{Lua, LuaString, Table, Value};

use crate::number::{format_f64, format_g17};
use crate::resp::Reply;

/// Tables in tables beyond this are refused (Redis: `LUAI_MAXCCALLS` stops it about there).
const DEPTH: usize = 100;

pub(super) fn bytes_of(text: &LuaString) -> Bytes {
    Bytes::copy_from_slice(&text.as_bytes())
}

/// An argument of `redis.call`: strings and numbers only.
pub(super) fn argument(value: &Value) -> Option<Bytes> {
    match value {
        Value::String(text) => Some(bytes_of(text)),
        Value::Integer(n) => Some(Bytes::from(n.to_string())),
        Value::Number(n) => Some(Bytes::from(format_g17(*n))),
        _ => None,
    }
}

/// The reply of a command, for the script.
pub(super) fn to_lua(lua: &Lua, reply: Reply, resp3: bool) -> mlua::Result<Value> {
    let text = |bytes: &[u8]| lua.create_string(bytes).map(Value::String);
    let field = |name: &str, value: Value| -> mlua::Result<Value> {
        let table = lua.create_table()?;
        table.raw_set(name, value)?;
        Ok(Value::Table(table))
    };
    match reply {
        Reply::Simple(status) => field("ok", text(status.as_bytes())?),
        Reply::Status(status) => field("ok", text(&status)?),
        Reply::Error(error) => field("err", text(&error)?),
        #[allow(clippy::cast_precision_loss)]
        Reply::Int(n) => Ok(Value::Number(n as f64)),
        Reply::Bulk(bytes) | Reply::Verbatim(bytes) => text(&bytes),
        Reply::Nil | Reply::NilArray if resp3 => Ok(Value::Nil),
        Reply::Nil | Reply::NilArray => Ok(Value::Boolean(false)),
        Reply::Double(value) if resp3 => field("double", Value::Number(value)),
        Reply::Double(value) => text(format_f64(value).as_bytes()),
        Reply::Bool(yes) if resp3 => Ok(Value::Boolean(yes)),
        Reply::Bool(yes) => Ok(Value::Number(f64::from(u8::from(yes)))),
        Reply::Map(pairs) if resp3 => {
            let table = lua.create_table()?;
            for (key, value) in pairs {
                table.raw_set(to_lua(lua, key, resp3)?, to_lua(lua, value, resp3)?)?;
            }
            field("map", Value::Table(table))
        }
        Reply::Set(items) if resp3 => {
            let table = lua.create_table()?;
            for item in items {
                table.raw_set(to_lua(lua, item, resp3)?, true)?;
            }
            field("set", Value::Table(table))
        }
        Reply::Map(pairs) => array(lua, pairs.into_iter().flat_map(|(key, value)| [key, value]), resp3),
        Reply::Array(items) | Reply::Set(items) | Reply::Push(items) | Reply::Many(items) => {
            array(lua, items, resp3)
        }
    }
}

fn array(lua: &Lua, items: impl IntoIterator<Item = Reply>, resp3: bool) -> mlua::Result<Value> {
    let table = lua.create_table()?;
    for (at, item) in items.into_iter().enumerate() {
        table.raw_set(at + 1, to_lua(lua, item, resp3)?)?;
    }
    Ok(Value::Table(table))
}

/// What a script returns, for the client.
pub(super) fn from_lua(value: &Value) -> Reply {
    nested(value, 0)
}

fn nested(value: &Value, depth: usize) -> Reply {
    if depth > DEPTH {
        return Reply::error("ERR reached lua stack limit");
    }
    match value {
        Value::String(text) => Reply::Bulk(bytes_of(text)),
        Value::Integer(n) => Reply::Int(*n),
        // The fraction is cut off, as a cast in C does.
        #[allow(clippy::cast_possible_truncation)]
        Value::Number(n) => Reply::Int(*n as i64),
        Value::Boolean(true) => Reply::Int(1),
        Value::Table(table) => from_table(table, depth),
        _ => Reply::Nil,
    }
}

fn from_table(table: &Table, depth: usize) -> Reply {
    let get = |name: &str| table.raw_get::<Value>(name).unwrap_or(Value::Nil);
    if let Value::String(text) = get("err") {
        return Reply::Error(bytes_of(&text));
    }
    if let Value::String(text) = get("ok") {
        return Reply::Status(bytes_of(&text));
    }
    match get("double") {
        Value::Number(value) => return Reply::Double(value),
        // Lua 5.1 has one kind of number; whole ones come out as integers.
        #[allow(clippy::cast_precision_loss)]
        Value::Integer(value) => return Reply::Double(value as f64),
        _ => {}
    }
    if let Value::Table(map) = get("map") {
        let pairs = map.pairs::<Value, Value>().flatten();
        return Reply::Map(
            pairs.map(|(key, value)| (nested(&key, depth + 1), nested(&value, depth + 1))).collect(),
        );
    }
    if let Value::Table(set) = get("set") {
        return Reply::Set(
            set.pairs::<Value, Value>().flatten().map(|(key, _)| nested(&key, depth + 1)).collect(),
        );
    }
    let mut items = Vec::new();
    for at in 1.. {
        match table.raw_get::<Value>(at) {
            Ok(Value::Nil) | Err(_) => break,
            Ok(value) => items.push(nested(&value, depth + 1)),
        }
    }
    Reply::Array(items)
}

/// An error of a script: without the dash it may have been given.
pub(super) fn error_text(text: &Bytes) -> Bytes {
    match text.first() {
        Some(b'-') => text.slice(1..),
        _ => text.clone(),
    }
}
