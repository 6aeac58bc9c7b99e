//! The `cmsgpack` library: MessagePack (<https://github.com/msgpack/msgpack/blob/master/spec.md>).

use mlua::{Lua, LuaString, MultiValue, Table, Value, Variadic};
use rmp::{Marker, decode, encode};

/// Tables in tables beyond this are written as nil, as in lua-cmsgpack.
const MAX_PACK_DEPTH: usize = 16;
/// Tables in tables beyond this are refused.
const MAX_UNPACK_DEPTH: usize = 100;

pub(super) fn library(lua: &Lua) -> mlua::Result<Table> {
    let cmsgpack = lua.create_table()?;
    cmsgpack.set(
        "pack",
        lua.create_function(|lua, values: Variadic<Value>| {
            if values.is_empty() {
                return Err(refuse("bad argument #0 to 'pack' (MessagePack pack needs input.)"));
            }
            let mut out = Vec::new();
            for value in values.iter() {
                pack(value, 0, &mut out)?;
            }
            lua.create_string(out)
        })?,
    )?;
    cmsgpack.set(
        "unpack",
        lua.create_function(|lua, text: LuaString| {
            let bytes = text.as_bytes();
            let mut input = &bytes[..];
            let mut values = MultiValue::new();
            while !input.is_empty() {
                values.push_back(unpack(lua, &mut input, 0)?);
            }
            Ok(values)
        })?,
    )?;
    Ok(cmsgpack)
}

fn refuse(text: &str) -> mlua::Error {
    mlua::Error::RuntimeError(text.to_owned())
}

fn missing(_: impl std::error::Error) -> mlua::Error {
    refuse("Missing bytes in input.")
}

fn pack(value: &Value, depth: usize, out: &mut Vec<u8>) -> mlua::Result<()> {
    // Writing to memory fails only when there is none left.
    let length = |len: usize| u32::try_from(len).map_err(|_| refuse("too long to be packed"));
    match value {
        Value::Boolean(yes) => encode::write_bool(out, *yes).map_err(mlua::Error::external)?,
        Value::Integer(n) => drop(encode::write_sint(out, *n).map_err(mlua::Error::external)?),
        #[allow(clippy::cast_possible_truncation)]
        Value::Number(n) if n.fract() == 0.0 && n.abs() < 9.2e18 => {
            encode::write_sint(out, *n as i64).map_err(mlua::Error::external)?;
        }
        Value::Number(n) => float(*n, out)?,
        Value::String(text) => {
            let bytes = text.as_bytes();
            encode::write_str_len(out, length(bytes.len())?).map_err(mlua::Error::external)?;
            out.extend_from_slice(&bytes);
        }
        Value::Table(_) if depth == MAX_PACK_DEPTH => {
            encode::write_nil(out).map_err(mlua::Error::external)?;
        }
        Value::Table(table) => {
            let pairs: Vec<(Value, Value)> = table.pairs().collect::<mlua::Result<_>>()?;
            let len = table.raw_len();
            // An array is a table whose keys are 1 to n.
            if len == pairs.len() {
                encode::write_array_len(out, length(len)?).map_err(mlua::Error::external)?;
                for at in 1..=len {
                    pack(&table.raw_get::<Value>(at)?, depth + 1, out)?;
                }
            } else {
                encode::write_map_len(out, length(pairs.len())?).map_err(mlua::Error::external)?;
                for (key, value) in &pairs {
                    pack(key, depth + 1, out)?;
                    pack(value, depth + 1, out)?;
                }
            }
        }
        _ => encode::write_nil(out).map_err(mlua::Error::external)?,
    }
    Ok(())
}

/// In four bytes when that loses nothing.
fn float(n: f64, out: &mut Vec<u8>) -> mlua::Result<()> {
    #[allow(clippy::cast_possible_truncation)]
    let short = n as f32;
    if f64::from(short).to_bits() == n.to_bits() {
        encode::write_f32(out, short).map_err(mlua::Error::external)
    } else {
        encode::write_f64(out, n).map_err(mlua::Error::external)
    }
}

/// Takes one value off the input.
fn unpack(lua: &Lua, input: &mut &[u8], depth: usize) -> mlua::Result<Value> {
    if depth > MAX_UNPACK_DEPTH {
        return Err(refuse("Too deep nesting in input."));
    }
    let first = *input.first().ok_or_else(|| refuse("Missing bytes in input."))?;
    Ok(match Marker::from_u8(first) {
        Marker::Null => {
            decode::read_nil(input).map_err(missing)?;
            Value::Nil
        }
        Marker::True | Marker::False => Value::Boolean(decode::read_bool(input).map_err(missing)?),
        Marker::F32 => Value::Number(f64::from(decode::read_f32(input).map_err(missing)?)),
        Marker::F64 => Value::Number(decode::read_f64(input).map_err(missing)?),
        Marker::FixStr(_) | Marker::Str8 | Marker::Str16 | Marker::Str32 => {
            text(lua, decode::read_str_len(input).map_err(missing)?, input)?
        }
        Marker::Bin8 | Marker::Bin16 | Marker::Bin32 => {
            text(lua, decode::read_bin_len(input).map_err(missing)?, input)?
        }
        Marker::FixArray(_) | Marker::Array16 | Marker::Array32 => {
            let table = lua.create_table()?;
            for at in 1..=decode::read_array_len(input).map_err(missing)? {
                table.raw_set(at, unpack(lua, input, depth + 1)?)?;
            }
            Value::Table(table)
        }
        Marker::FixMap(_) | Marker::Map16 | Marker::Map32 => {
            let table = lua.create_table()?;
            for _ in 0..decode::read_map_len(input).map_err(missing)? {
                let key = unpack(lua, input, depth + 1)?;
                let value = unpack(lua, input, depth + 1)?;
                // Neither can be a key of a table.
                if matches!(&key, Value::Nil) || matches!(&key, Value::Number(n) if n.is_nan()) {
                    return Err(refuse("Bad data format in input."));
                }
                table.raw_set(key, value)?;
            }
            Value::Table(table)
        }
        Marker::Reserved
        | Marker::Ext8
        | Marker::Ext16
        | Marker::Ext32
        | Marker::FixExt1
        | Marker::FixExt2
        | Marker::FixExt4
        | Marker::FixExt8
        | Marker::FixExt16 => return Err(refuse("Bad data format in input.")),
        // Integers, of whatever width.
        _ => Value::Number(decode::read_int(input).map_err(missing)?),
    })
}

fn text(lua: &Lua, len: u32, input: &mut &[u8]) -> mlua::Result<Value> {
    let len = usize::try_from(len).unwrap_or(usize::MAX);
    let (text, rest) = input.split_at_checked(len).ok_or_else(|| refuse("Missing bytes in input."))?;
    *input = rest;
    Ok(Value::String(lua.create_string(text)?))
}
