//! The `cmsgpack` library: MessagePack (<https://github.com/msgpack/msgpack/blob/master/spec.md>).

use mlua::{Lua, LuaString, MultiValue, Table, Value, Variadic};

/// Tables in tables beyond this are written as nil, as in lua-cmsgpack.
const DEPTH: usize = 16;

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
            let mut reader = Reader { bytes: &bytes, at: 0 };
            let mut values = MultiValue::new();
            while reader.at < reader.bytes.len() {
                values.push_back(reader.value(lua, 0)?);
            }
            Ok(values)
        })?,
    )?;
    Ok(cmsgpack)
}

fn refuse(text: &str) -> mlua::Error {
    mlua::Error::RuntimeError(text.to_owned())
}

/// A length with the short form, and the 8, 16 and 32 bit forms that exist.
fn header(len: usize, short: Option<(usize, u8)>, byte: Option<u8>, two: u8, four: u8, out: &mut Vec<u8>) {
    match (short, byte) {
        (Some((most, mark)), _) if len <= most => out.push(mark | u8::try_from(len).unwrap_or(0)),
        (_, Some(mark)) if len <= 0xFF => out.extend([mark, u8::try_from(len).unwrap_or(0)]),
        _ => match u16::try_from(len) {
            Ok(len) => {
                out.push(two);
                out.extend(len.to_be_bytes());
            }
            Err(_) => {
                out.push(four);
                out.extend(u32::try_from(len).unwrap_or(u32::MAX).to_be_bytes());
            }
        },
    }
}

fn pack(value: &Value, depth: usize, out: &mut Vec<u8>) -> mlua::Result<()> {
    match value {
        Value::Boolean(yes) => out.push(if *yes { 0xC3 } else { 0xC2 }),
        Value::Integer(n) => integer(*n, out),
        #[allow(clippy::cast_possible_truncation)]
        Value::Number(n) if n.fract() == 0.0 && n.abs() < 9.2e18 => integer(*n as i64, out),
        Value::Number(n) => float(*n, out),
        Value::String(text) => {
            let bytes = text.as_bytes();
            header(bytes.len(), Some((31, 0xA0)), Some(0xD9), 0xDA, 0xDB, out);
            out.extend_from_slice(&bytes);
        }
        Value::Table(_) if depth == DEPTH => out.push(0xC0),
        Value::Table(table) => {
            let pairs: Vec<(Value, Value)> = table.pairs().collect::<mlua::Result<_>>()?;
            let len = table.raw_len();
            // An array is a table whose keys are 1 to n.
            if len > 0 && len == pairs.len() {
                header(len, Some((15, 0x90)), None, 0xDC, 0xDD, out);
                for at in 1..=len {
                    pack(&table.raw_get::<Value>(at)?, depth + 1, out)?;
                }
            } else if pairs.is_empty() {
                out.push(0x90);
            } else {
                header(pairs.len(), Some((15, 0x80)), None, 0xDE, 0xDF, out);
                for (key, value) in &pairs {
                    pack(key, depth + 1, out)?;
                    pack(value, depth + 1, out)?;
                }
            }
        }
        _ => out.push(0xC0),
    }
    Ok(())
}

/// In four bytes when that loses nothing.
fn float(n: f64, out: &mut Vec<u8>) {
    #[allow(clippy::cast_possible_truncation)]
    let short = n as f32;
    if f64::from(short).to_bits() == n.to_bits() {
        out.push(0xCA);
        out.extend(short.to_be_bytes());
    } else {
        out.push(0xCB);
        out.extend(n.to_be_bytes());
    }
}

fn integer(n: i64, out: &mut Vec<u8>) {
    // Each shorter form holds exactly the numbers its check admits.
    if let Ok(byte) = u8::try_from(n) {
        if byte >= 0x80 {
            out.push(0xCC);
        }
        out.push(byte);
    } else if let Ok(n) = u16::try_from(n) {
        out.push(0xCD);
        out.extend(n.to_be_bytes());
    } else if let Ok(n) = u32::try_from(n) {
        out.push(0xCE);
        out.extend(n.to_be_bytes());
    } else if let Ok(n) = u64::try_from(n) {
        out.push(0xCF);
        out.extend(n.to_be_bytes());
    } else if let Ok(n) = i8::try_from(n) {
        if n < -32 {
            out.push(0xD0);
        }
        out.push(n.cast_unsigned());
    } else if let Ok(n) = i16::try_from(n) {
        out.push(0xD1);
        out.extend(n.to_be_bytes());
    } else if let Ok(n) = i32::try_from(n) {
        out.push(0xD2);
        out.extend(n.to_be_bytes());
    } else {
        out.push(0xD3);
        out.extend(n.to_be_bytes());
    }
}

struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Reader<'a> {
    fn take(&mut self, len: usize) -> mlua::Result<&'a [u8]> {
        let end = self.at.checked_add(len).filter(|&end| end <= self.bytes.len());
        let end = end.ok_or_else(|| refuse("Missing bytes in input."))?;
        let taken = &self.bytes[self.at..end];
        self.at = end;
        Ok(taken)
    }

    fn unsigned(&mut self, len: usize) -> mlua::Result<u64> {
        Ok(self.take(len)?.iter().fold(0, |n, &byte| (n << 8) | u64::from(byte)))
    }

    fn signed(&mut self, len: usize) -> mlua::Result<i64> {
        let n = self.unsigned(len)?;
        let unused = 64 - 8 * u32::try_from(len).unwrap_or(8);
        Ok((n << unused).cast_signed() >> unused)
    }

    fn length(&mut self, len: usize) -> mlua::Result<usize> {
        Ok(usize::try_from(self.unsigned(len)?).unwrap_or(usize::MAX))
    }

    #[allow(clippy::cast_precision_loss, clippy::cast_possible_truncation)]
    fn value(&mut self, lua: &Lua, depth: usize) -> mlua::Result<Value> {
        if depth > 100 {
            return Err(refuse("Too deep nesting in input."));
        }
        let mark = self.take(1)?[0];
        Ok(match mark {
            0x00..=0x7F => Value::Number(f64::from(mark)),
            0xE0..=0xFF => Value::Number(f64::from(mark.cast_signed())),
            0x80..=0x8F => self.map(lua, usize::from(mark & 15), depth)?,
            0x90..=0x9F => self.array(lua, usize::from(mark & 15), depth)?,
            0xA0..=0xBF => self.text(lua, usize::from(mark & 31))?,
            0xC0 => Value::Nil,
            0xC2 => Value::Boolean(false),
            0xC3 => Value::Boolean(true),
            0xCA => Value::Number(f64::from(f32::from_bits(self.unsigned(4)? as u32))),
            0xCB => Value::Number(f64::from_bits(self.unsigned(8)?)),
            0xCC => Value::Number(self.unsigned(1)? as f64),
            0xCD => Value::Number(self.unsigned(2)? as f64),
            0xCE => Value::Number(self.unsigned(4)? as f64),
            0xCF => Value::Number(self.unsigned(8)? as f64),
            0xD0 => Value::Number(self.signed(1)? as f64),
            0xD1 => Value::Number(self.signed(2)? as f64),
            0xD2 => Value::Number(self.signed(4)? as f64),
            0xD3 => Value::Number(self.signed(8)? as f64),
            0xC4 | 0xD9 => {
                let len = self.length(1)?;
                self.text(lua, len)?
            }
            0xC5 | 0xDA => {
                let len = self.length(2)?;
                self.text(lua, len)?
            }
            0xC6 | 0xDB => {
                let len = self.length(4)?;
                self.text(lua, len)?
            }
            0xDC => {
                let len = self.length(2)?;
                self.array(lua, len, depth)?
            }
            0xDD => {
                let len = self.length(4)?;
                self.array(lua, len, depth)?
            }
            0xDE => {
                let len = self.length(2)?;
                self.map(lua, len, depth)?
            }
            0xDF => {
                let len = self.length(4)?;
                self.map(lua, len, depth)?
            }
            _ => return Err(refuse("Bad data format in input.")),
        })
    }

    fn text(&mut self, lua: &Lua, len: usize) -> mlua::Result<Value> {
        Ok(Value::String(lua.create_string(self.take(len)?)?))
    }

    fn array(&mut self, lua: &Lua, len: usize, depth: usize) -> mlua::Result<Value> {
        let table = lua.create_table()?;
        for at in 0..len {
            table.raw_set(at + 1, self.value(lua, depth + 1)?)?;
        }
        Ok(Value::Table(table))
    }

    fn map(&mut self, lua: &Lua, len: usize, depth: usize) -> mlua::Result<Value> {
        let table = lua.create_table()?;
        for _ in 0..len {
            let key = self.value(lua, depth + 1)?;
            let value = self.value(lua, depth + 1)?;
            // Neither can be a key of a table.
            if matches!(&key, Value::Nil) || matches!(&key, Value::Number(n) if n.is_nan()) {
                return Err(refuse("Bad data format in input."));
            }
            table.raw_set(key, value)?;
        }
        Ok(Value::Table(table))
    }
}
