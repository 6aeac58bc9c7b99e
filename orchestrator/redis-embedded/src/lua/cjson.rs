//! The `cjson` library: JSON to tables and back (<https://github.com/mpx/lua-cjson>).

use std::cell::Cell;
use std::fmt::Write as _;
use std::rc::Rc;

use mlua::{Lua, Table, Value};

use super::json_reader::read;
use super::native::{Args, Failure, fail, function};
use crate::number::format_g;

/// Tables in tables beyond this are refused (cjson: 1000; this is kept off the native stack).
const MAX_DEPTH: usize = 128;

/// What a script has set.
struct Settings {
    encode_depth: Cell<i64>,
    decode_depth: Cell<i64>,
    precision: Cell<i64>,
    encode_invalid: Cell<bool>,
    decode_invalid: Cell<bool>,
    keep_buffer: Cell<bool>,
    /// Sparse arrays: written as objects; from this ratio on, and beyond this length.
    sparse: Cell<(bool, i64, i64)>,
}

pub(super) fn library(lua: &Lua) -> mlua::Result<Table> {
    let settings = Rc::new(Settings {
        encode_depth: Cell::new(1000),
        decode_depth: Cell::new(1000),
        precision: Cell::new(14),
        encode_invalid: Cell::new(false),
        decode_invalid: Cell::new(true),
        keep_buffer: Cell::new(true),
        sparse: Cell::new((false, 2, 10)),
    });
    let cjson = lua.create_table()?;
    cjson.set("null", Value::NULL)?;
    cjson.set("_NAME", "cjson")?;
    cjson.set("_VERSION", "2.1.0")?;
    let set = Rc::clone(&settings);
    let encode_one = move |lua: &Lua, args: &Args| {
        let value = args.only_one()?;
        let (as_object, ratio, safe) = set.sparse.get();
        let how = How {
            depth: usize::try_from(set.encode_depth.get()).unwrap_or(0).min(MAX_DEPTH),
            invalid: set.encode_invalid.get(),
            precision: usize::try_from(set.precision.get()).unwrap_or(14),
            sparse: (as_object, usize::try_from(ratio).unwrap_or(0), usize::try_from(safe).unwrap_or(0)),
            level: 0,
        };
        let mut out = Vec::new();
        encode(value, how, &mut out)?;
        Ok(lua.create_string(out)?)
    };
    cjson.set("encode", function(lua, "encode", encode_one)?)?;
    let set = Rc::clone(&settings);
    let decode_one = move |lua: &Lua, args: &Args| {
        args.only_one()?;
        let text = args.string(lua, 1)?;
        let depth = usize::try_from(set.decode_depth.get()).unwrap_or(0).min(MAX_DEPTH);
        read(lua, &text, depth, set.decode_invalid.get())
    };
    cjson.set("decode", function(lua, "decode", decode_one)?)?;
    let number = |name: &'static str, field: fn(&Settings) -> &Cell<i64>, range: (i64, i64)| {
        let set = Rc::clone(&settings);
        let body = move |lua: &Lua, args: &Args| whole(lua, args, field(&set), range);
        cjson.set(name, function(lua, name, body)?)
    };
    number("encode_max_depth", |set| &set.encode_depth, (1, i64::from(i32::MAX)))?;
    number("decode_max_depth", |set| &set.decode_depth, (1, i64::from(i32::MAX)))?;
    number("encode_number_precision", |set| &set.precision, (1, 14))?;
    let switch = |name: &'static str, field: fn(&Settings) -> &Cell<bool>| {
        let set = Rc::clone(&settings);
        let body = move |_: &Lua, args: &Args| on_or_off(args, field(&set));
        cjson.set(name, function(lua, name, body)?)
    };
    switch("encode_invalid_numbers", |set| &set.encode_invalid)?;
    switch("decode_invalid_numbers", |set| &set.decode_invalid)?;
    switch("encode_keep_buffer", |set| &set.keep_buffer)?;
    let set = Rc::clone(&settings);
    let sparse = move |lua: &Lua, args: &Args| {
        let (mut convert, ratio, safe) = set.sparse.get();
        let (ratio, safe) = (Cell::new(ratio), Cell::new(safe));
        if let Some(Value::Boolean(yes)) = args.get(1) {
            convert = *yes;
        }
        for (at, cell) in [(2, &ratio), (3, &safe)] {
            if args.get(at).is_some() {
                cell.set(args.whole(lua, at)?.clamp(0, i64::from(i32::MAX)));
            }
        }
        set.sparse.set((convert, ratio.get(), safe.get()));
        Ok((convert, ratio.get(), safe.get()))
    };
    cjson.set("encode_sparse_array", function(lua, "encode_sparse_array", sparse)?)?;
    cjson.set("new", lua.create_function(|lua, ()| library(lua))?)?;
    Ok(cjson)
}

/// A setting that is a number: set when there is an argument; given back.
fn whole(lua: &Lua, args: &Args, cell: &Cell<i64>, range: (i64, i64)) -> Result<i64, Failure> {
    if args.values.len() > 1 {
        return args.bad(2, "found too many arguments");
    }
    if !matches!(args.get(1), None | Some(Value::Nil)) {
        let number = args.whole(lua, 1)?;
        if number < range.0 || number > range.1 {
            return args.bad(1, format!("expected integer between {} and {}", range.0, range.1));
        }
        cell.set(number);
    }
    Ok(cell.get())
}

/// A setting that is on or off: the same.
fn on_or_off(args: &Args, cell: &Cell<bool>) -> Result<bool, Failure> {
    match args.get(1) {
        None | Some(Value::Nil) => {}
        Some(Value::Boolean(yes)) => cell.set(*yes),
        Some(Value::String(word)) if word.as_bytes() == *b"on" => cell.set(true),
        Some(Value::String(word)) if word.as_bytes() == *b"off" => cell.set(false),
        Some(_) => return args.bad(1, "invalid option"),
    }
    Ok(cell.get())
}

/// How values are written.
#[derive(Clone, Copy)]
struct How {
    depth: usize,
    invalid: bool,
    precision: usize,
    sparse: (bool, usize, usize),
    level: usize,
}

fn encode(value: &Value, how: How, out: &mut Vec<u8>) -> Result<(), Failure> {
    let inner = || match how.level + 1 {
        level if level <= how.depth => Ok(How { level, ..how }),
        level => fail(format!("Cannot serialise, excessive nesting ({level})")),
    };
    match value {
        Value::Nil => out.extend_from_slice(b"null"),
        Value::LightUserData(pointer) if pointer.0.is_null() => out.extend_from_slice(b"null"),
        Value::Boolean(yes) => out.extend_from_slice(if *yes { b"true" } else { b"false" }),
        Value::Integer(n) => out.extend_from_slice(n.to_string().as_bytes()),
        Value::Number(n) if n.is_finite() => out.extend_from_slice(format_g(*n, how.precision).as_bytes()),
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
        Value::Number(_) => return fail("Cannot serialise number: must not be NaN or Inf"),
        Value::String(text) => string(&text.as_bytes(), out),
        Value::Table(table) => match array_length(table, how.sparse)? {
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
        other => return fail(format!("Cannot serialise {}: type not supported", type_name(other))),
    }
    Ok(())
}

fn type_name(value: &Value) -> &'static str {
    match value {
        Value::LightUserData(_) | Value::Error(_) => "userdata",
        other => other.type_name(),
    }
}

/// The length of a table that is an array: positive whole keys only, and not too sparse.
fn array_length(table: &Table, sparse: (bool, usize, usize)) -> Result<Option<usize>, Failure> {
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
    let (as_object, ratio, safe) = sparse;
    if ratio > 0 && greatest > safe && greatest > count.saturating_mul(ratio) {
        if as_object {
            return Ok(None);
        }
        return fail("Cannot serialise table: excessively sparse array");
    }
    Ok((count > 0).then_some(greatest))
}

fn object(table: &Table, how: How, out: &mut Vec<u8>) -> Result<(), Failure> {
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
            Value::Number(n) => string(format_g(*n, how.precision).as_bytes(), out),
            _ => {
                return fail(format!(
                    "Cannot serialise {}: table key must be a number or string",
                    type_name(&key)
                ));
            }
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
