//! The `cjson` library: JSON to tables and back (<https://github.com/mpx/lua-cjson>).

use std::fmt::Write as _;

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
    cjson.set(
        "encode",
        lua.create_function(|lua, value: Value| {
            let mut out = Vec::new();
            encode(&value, 0, &mut out)?;
            lua.create_string(out)
        })?,
    )?;
    cjson.set(
        "decode",
        lua.create_function(|lua, text: LuaString| {
            let json: Json = serde_json::from_slice(&bytes_of(&text))
                .map_err(|error| refuse(format!("Expected value: {error}")))?;
            decode(lua, json)
        })?,
    )?;
    // Settings of the original that change nothing here.
    for name in [
        "encode_sparse_array",
        "encode_max_depth",
        "decode_max_depth",
        "encode_number_precision",
        "encode_keep_buffer",
        "encode_invalid_numbers",
        "decode_invalid_numbers",
    ] {
        cjson.set(name, lua.create_function(|_, _: mlua::MultiValue| Ok(()))?)?;
    }
    Ok(cjson)
}

fn decode(lua: &Lua, json: Json) -> mlua::Result<Value> {
    Ok(match json {
        Json::Null => Value::NULL,
        Json::Bool(yes) => Value::Boolean(yes),
        Json::Number(n) => Value::Number(n.as_f64().unwrap_or(0.0)),
        Json::String(text) => Value::String(lua.create_string(text)?),
        Json::Array(items) => {
            let table = lua.create_table()?;
            for (at, item) in items.into_iter().enumerate() {
                table.raw_set(at + 1, decode(lua, item)?)?;
            }
            Value::Table(table)
        }
        Json::Object(fields) => {
            let table = lua.create_table()?;
            for (name, value) in fields {
                table.raw_set(name, decode(lua, value)?)?;
            }
            Value::Table(table)
        }
    })
}

fn encode(value: &Value, depth: usize, out: &mut Vec<u8>) -> mlua::Result<()> {
    if depth > DEPTH {
        return Err(refuse("Cannot serialise, excessive depth"));
    }
    match value {
        Value::Nil => out.extend_from_slice(b"null"),
        Value::LightUserData(pointer) if pointer.0.is_null() => out.extend_from_slice(b"null"),
        Value::Boolean(yes) => out.extend_from_slice(if *yes { b"true" } else { b"false" }),
        Value::Integer(n) => out.extend_from_slice(n.to_string().as_bytes()),
        Value::Number(n) if n.is_finite() => out.extend_from_slice(number(*n).as_bytes()),
        Value::Number(_) => return Err(refuse("Cannot serialise number: must not be NaN or Inf")),
        Value::String(text) => string(&text.as_bytes(), out),
        Value::Table(table) => match array_length(table)? {
            Some(len) => {
                out.push(b'[');
                for at in 1..=len {
                    if at > 1 {
                        out.push(b',');
                    }
                    encode(&table.raw_get::<Value>(at)?, depth + 1, out)?;
                }
                out.push(b']');
            }
            None => object(table, depth, out)?,
        },
        other => return Err(refuse(format!("Cannot serialise {}: type not supported", other.type_name()))),
    }
    Ok(())
}

/// `%.14g`, the precision of cjson.
fn number(n: f64) -> String {
    crate::redis::embedded::store::number::format_g(n, 14)
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

fn object(table: &Table, depth: usize, out: &mut Vec<u8>) -> mlua::Result<()> {
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
        encode(&value, depth + 1, out)?;
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
