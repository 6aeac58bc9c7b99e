//! The `cjson` library: JSON to tables and back (<https://github.com/mpx/lua-cjson>).

use std::cell::Cell;
use std::fmt::Write as _;
use std::rc::Rc;

use mlua::{Lua, LuaString, Table, Value};
use serde_json::Value as Json;

use super::convert::bytes_of;

/// Tables in tables beyond this are refused (cjson: 1000; this is kept off the native stack).
const DEPTH: usize = 128;

fn refuse(text: impl Into<String>) -> mlua::Error {
    mlua::Error::RuntimeError(text.into())
}

pub(super) fn library(lua: &Lua) -> mlua::Result<Table> {
    let cjson = lua.create_table()?;
    cjson.set("null", Value::NULL)?;
    cjson.set("_NAME", "cjson")?;
    cjson.set("_VERSION", "2.1.0")?;
    let depths = (Rc::new(Cell::new(1000)), Rc::new(Cell::new(1000)));
    let allowed = Rc::new(Cell::new(false));
    let invalid = Rc::clone(&allowed);
    cjson.set(
        "encode_invalid_numbers",
        lua.create_function(move |_, yes: Option<bool>| {
            if let Some(yes) = yes {
                allowed.set(yes);
            }
            Ok(allowed.get())
        })?,
    )?;
    let most = Rc::clone(&depths.0);
    cjson.set(
        "encode",
        lua.create_function(move |lua, value: Value| {
            let mut out = Vec::new();
            encode(&value, How { depth: most.get().min(DEPTH), invalid: invalid.get() }, &mut out)?;
            lua.create_string(out)
        })?,
    )?;
    let most = Rc::clone(&depths.1);
    cjson.set(
        "decode",
        lua.create_function(move |lua, text: LuaString| {
            let json: Json = serde_json::from_slice(&bytes_of(&text))
                .map_err(|error| refuse(format!("Expected value: {error}")))?;
            decode(lua, json, most.get())
        })?,
    )?;
    let limit = |name: &'static str, limit: &Rc<Cell<usize>>| {
        let limit = Rc::clone(limit);
        let set = move |_: &Lua, depth: Option<usize>| {
            if let Some(depth) = depth {
                limit.set(depth);
            }
            Ok(limit.get())
        };
        cjson.set(name, lua.create_function(set)?)
    };
    limit("encode_max_depth", &depths.0)?;
    limit("decode_max_depth", &depths.1)?;
    // Settings of the original that change nothing here.
    for name in
        ["encode_sparse_array", "encode_number_precision", "encode_keep_buffer", "decode_invalid_numbers"]
    {
        cjson.set(name, lua.create_function(|_, _: mlua::MultiValue| Ok(()))?)?;
    }
    Ok(cjson)
}

fn decode(lua: &Lua, json: Json, depth: usize) -> mlua::Result<Value> {
    let inner = || depth.checked_sub(1).ok_or_else(|| refuse("Found too many nested data structures"));
    Ok(match json {
        Json::Null => Value::NULL,
        Json::Bool(yes) => Value::Boolean(yes),
        Json::Number(n) => Value::Number(n.as_f64().unwrap_or(0.0)),
        Json::String(text) => Value::String(lua.create_string(text)?),
        Json::Array(items) => {
            let (table, depth) = (lua.create_table()?, inner()?);
            for (at, item) in items.into_iter().enumerate() {
                table.raw_set(at + 1, decode(lua, item, depth)?)?;
            }
            Value::Table(table)
        }
        Json::Object(fields) => {
            let (table, depth) = (lua.create_table()?, inner()?);
            for (name, value) in fields {
                table.raw_set(name, decode(lua, value, depth)?)?;
            }
            Value::Table(table)
        }
    })
}

/// How deep it may go, and whether what is no number is written nevertheless.
#[derive(Clone, Copy)]
struct How {
    depth: usize,
    invalid: bool,
}

fn encode(value: &Value, how: How, out: &mut Vec<u8>) -> mlua::Result<()> {
    let inner = || match how.depth.checked_sub(1) {
        Some(depth) => Ok(How { depth, ..how }),
        None => Err(refuse("Cannot serialise, excessive depth")),
    };
    match value {
        Value::Nil => out.extend_from_slice(b"null"),
        Value::LightUserData(pointer) if pointer.0.is_null() => out.extend_from_slice(b"null"),
        Value::Boolean(yes) => out.extend_from_slice(if *yes { b"true" } else { b"false" }),
        Value::Integer(n) => out.extend_from_slice(n.to_string().as_bytes()),
        Value::Number(n) if n.is_finite() => out.extend_from_slice(number(*n).as_bytes()),
        Value::Number(n) if how.invalid => {
            let text: &[u8] = if n.is_nan() {
                b"nan"
            } else if *n > 0.0 {
                b"inf"
            } else {
                b"-inf"
            };
            out.extend_from_slice(text);
        }
        Value::Number(_) => return Err(refuse("Cannot serialise number: must not be NaN or Inf")),
        Value::String(text) => string(&text.as_bytes(), out),
        Value::Table(table) => match array_length(table)? {
            Some(len) => {
                let how = inner()?;
                out.push(b'[');
                for at in 1..=len {
                    if at > 1 {
                        out.push(b',');
                    }
                    encode(&table.raw_get::<Value>(at)?, how, out)?;
                }
                out.push(b']');
            }
            None => object(table, inner()?, out)?,
        },
        other => return Err(refuse(format!("Cannot serialise {}: type not supported", other.type_name()))),
    }
    Ok(())
}

/// `%.14g`, the precision of cjson.
fn number(n: f64) -> String {
    crate::number::format_g(n, 14)
}

/// The length of a table that is an array: positive whole keys only, and not too sparse.
fn array_length(table: &Table) -> mlua::Result<Option<usize>> {
    let (mut greatest, mut count) = (0_usize, 0_usize);
    for pair in table.pairs::<Value, Value>() {
        let key = match pair?.0 {
            Value::Integer(n) => usize::try_from(n).ok(),
            #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
            Value::Number(n) if n >= 1.0 && n.fract() == 0.0 && n < 1e15 => Some(n as usize),
            _ => None,
        };
        let Some(key) = key.filter(|&key| key > 0) else { return Ok(None) };
        greatest = greatest.max(key);
        count += 1;
    }
    if greatest > 10 && greatest > count.saturating_mul(2) {
        return Err(refuse("Cannot serialise table: excessively sparse array"));
    }
    Ok((count > 0).then_some(greatest))
}

fn object(table: &Table, how: How, out: &mut Vec<u8>) -> mlua::Result<()> {
    out.push(b'{');
    let mut first = true;
    for pair in table.pairs::<Value, Value>() {
        let (key, value) = pair?;
        if !first {
            out.push(b',');
        }
        first = false;
        match &key {
            Value::String(text) => string(&text.as_bytes(), out),
            Value::Integer(n) => string(n.to_string().as_bytes(), out),
            Value::Number(n) => string(number(*n).as_bytes(), out),
            _ => return Err(refuse("Cannot serialise table: table key must be a number or string")),
        }
        out.push(b':');
        encode(&value, how, out)?;
    }
    out.push(b'}');
    Ok(())
}

fn string(bytes: &[u8], out: &mut Vec<u8>) {
    out.push(b'"');
    for &byte in bytes {
        match byte {
            b'"' => out.extend_from_slice(b"\\\""),
            b'\\' => out.extend_from_slice(b"\\\\"),
            b'/' => out.extend_from_slice(b"\\/"),
            8 => out.extend_from_slice(b"\\b"),
            12 => out.extend_from_slice(b"\\f"),
            b'\n' => out.extend_from_slice(b"\\n"),
            b'\r' => out.extend_from_slice(b"\\r"),
            b'\t' => out.extend_from_slice(b"\\t"),
            0..32 | 127 => {
                let mut escape = String::new();
                // Writing to a string cannot fail.
                let _ = write!(escape, "\\u{byte:04x}");
                out.extend_from_slice(escape.as_bytes());
            }
            other => out.push(other),
        }
    }
    out.push(b'"');
}
