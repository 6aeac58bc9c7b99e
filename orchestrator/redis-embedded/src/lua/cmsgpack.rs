//! The `cmsgpack` library: MessagePack (<https://github.com/msgpack/msgpack/blob/master/spec.md>).

use mlua::{Lua, MultiValue, Table, Value};
use rmp::{Marker, decode, encode};

use super::native::{Args, Failure, fail, function};

/// Tables in tables beyond this are written as nil, as in lua-cmsgpack.
const MAX_PACK_DEPTH: usize = 16;
/// Tables in tables beyond this are refused.
const MAX_UNPACK_DEPTH: usize = 100;

pub(super) fn library(lua: &Lua) -> mlua::Result<Table> {
    let cmsgpack = lua.create_table()?;
    cmsgpack.set("_NAME", "cmsgpack")?;
    cmsgpack.set("_VERSION", "lua-cmsgpack 0.4.0")?;
    cmsgpack.set("_COPYRIGHT", "Copyright (C) 2012, Salvatore Sanfilippo")?;
    cmsgpack.set("_DESCRIPTION", "MessagePack C implementation for Lua")?;
    let pack_all = |lua: &Lua, args: &Args| {
        if args.values.is_empty() {
            return args.bad(0, "MessagePack pack needs input.");
        }
        let mut out = Vec::new();
        for value in &args.values {
            pack(value, 0, &mut out)?;
        }
        Ok(lua.create_string(out)?)
    };
    cmsgpack.set("pack", function(lua, "pack", pack_all)?)?;
    let unpack_all = |lua: &Lua, args: &Args| {
        let bytes = args.string(lua, 1)?;
        let mut input = &bytes[..];
        let mut values = MultiValue::new();
        while !input.is_empty() {
            values.push_back(unpack(lua, &mut input, 0)?);
        }
        Ok(values)
    };
    cmsgpack.set("unpack", function(lua, "unpack", unpack_all)?)?;
    cmsgpack.set("unpack_one", function(lua, "unpack_one", |lua, args| some(lua, args, 1, 2))?)?;
    let limited = |lua: &Lua, args: &Args| {
        let limit = args.whole(lua, 2)?;
        some(lua, args, limit, 3)
    };
    cmsgpack.set("unpack_limit", function(lua, "unpack_limit", limited)?)?;
    Ok(cmsgpack)
}

/// Where the next value begins (-1: there is none), and up to `limit` values from an offset on.
fn some(lua: &Lua, args: &Args, limit: i64, offset_at: usize) -> Result<MultiValue, Failure> {
    let bytes = args.string(lua, 1)?;
    let offset = args.whole_or(lua, offset_at, 0)?;
    let len = bytes.len();
    if offset < 0 || limit < 0 {
        return fail(format!("Invalid request to unpack with offset of {offset} and limit of {len}."));
    }
    let start = usize::try_from(offset).unwrap_or(usize::MAX);
    let Some(mut input) = bytes.get(start..) else {
        return fail(format!("Start offset {offset} greater than input length {len}."));
    };
    let mut values = MultiValue::new();
    // No limit means all.
    while !input.is_empty() && (limit == 0 || i64::try_from(values.len()).is_ok_and(|count| count < limit)) {
        values.push_back(unpack(lua, &mut input, 0)?);
    }
    let next = if input.is_empty() { -1 } else { i64::try_from(len - input.len()).unwrap_or(i64::MAX) };
    values.push_front(Value::Integer(next));
    Ok(values)
}

fn missing(_: impl std::error::Error) -> Failure {
    Failure::Text("Missing bytes in input.".to_owned())
}

fn written(error: impl std::error::Error + Send + Sync + 'static) -> Failure {
    Failure::Host(mlua::Error::external(error))
}

fn pack(value: &Value, depth: usize, out: &mut Vec<u8>) -> Result<(), Failure> {
    // Writing to memory fails only when there is none left.
    let length = |len: usize| u32::try_from(len).or_else(|_| fail("too long to be packed"));
    match value {
        Value::Boolean(yes) => encode::write_bool(out, *yes).map_err(written)?,
        Value::Integer(n) => drop(encode::write_sint(out, *n).map_err(written)?),
        #[allow(clippy::cast_possible_truncation)]
        Value::Number(n) if n.fract() == 0.0 && n.abs() < 9.2e18 => {
            encode::write_sint(out, *n as i64).map_err(written)?;
        }
        Value::Number(n) => float(*n, out)?,
        Value::String(text) => {
            let bytes = text.as_bytes();
            encode::write_str_len(out, length(bytes.len())?).map_err(mlua::Error::external)?;
            out.extend_from_slice(&bytes);
        }
        Value::Table(_) if depth == MAX_PACK_DEPTH => {
            encode::write_nil(out).map_err(written)?;
        }
        Value::Table(table) => {
            let pairs: Vec<(Value, Value)> = table.pairs().collect::<mlua::Result<_>>()?;
            let len = table.raw_len();
            // An array is a table whose keys are 1 to n.
            if len == pairs.len() {
                encode::write_array_len(out, length(len)?).map_err(written)?;
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
        _ => encode::write_nil(out).map_err(written)?,
    }
    Ok(())
}

/// In four bytes when that loses nothing.
fn float(n: f64, out: &mut Vec<u8>) -> Result<(), Failure> {
    #[allow(clippy::cast_possible_truncation)]
    let short = n as f32;
    if f64::from(short).to_bits() == n.to_bits() {
        encode::write_f32(out, short).map_err(written)
    } else {
        encode::write_f64(out, n).map_err(written)
    }
}

/// Takes one value off the input.
fn unpack(lua: &Lua, input: &mut &[u8], depth: usize) -> Result<Value, Failure> {
    if depth > MAX_UNPACK_DEPTH {
        return fail("Too deep nesting in input.");
    }
    let Some(first) = input.first().copied() else { return fail("Missing bytes in input.") };
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
                    return fail("Bad data format in input.");
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
        | Marker::FixExt16 => return fail("Bad data format in input."),
        // Integers, of whatever width.
        _ => Value::Number(decode::read_int(input).map_err(missing)?),
    })
}

fn text(lua: &Lua, len: u32, input: &mut &[u8]) -> Result<Value, Failure> {
    let len = usize::try_from(len).unwrap_or(usize::MAX);
    let Some((text, rest)) = input.split_at_checked(len) else { return fail("Missing bytes in input.") };
    *input = rest;
    Ok(Value::String(lua.create_string(text)?))
}
