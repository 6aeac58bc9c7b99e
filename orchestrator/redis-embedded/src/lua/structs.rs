//! The `struct` library: numbers and strings as packed bytes (<http://www.inf.puc-rio.br/~roberto/struct/>).

use bytes::Bytes;
use mlua::{Lua, MultiValue, Table, Value};

use super::native::{Args, Failure, fail, function};

/// Bytes of an integer at most (`MAXINTSIZE`).
const MAX_INT_BYTES: usize = 32;
/// Alignment when none is named (that of a double).
const MAX_ALIGN: usize = 8;
/// Bytes packed at most: a format can ask for any number of them.
const MAX_BYTES: usize = 64 << 20;

pub(super) fn library(lua: &Lua) -> mlua::Result<Table> {
    let library = lua.create_table()?;
    library.set("pack", function(lua, "pack", pack)?)?;
    library.set("unpack", function(lua, "unpack", unpack)?)?;
    library.set("size", function(lua, "size", size)?)?;
    Ok(library)
}

/// A format being read.
struct Format {
    text: Bytes,
    at: usize,
    big_endian: bool,
    align: usize,
}

impl Format {
    fn new(lua: &Lua, args: &Args) -> Result<Self, Failure> {
        let text = args.string(lua, 1)?;
        let end = text.iter().position(|&byte| byte == 0).unwrap_or(text.len());
        Ok(Self { text: text.slice(..end), at: 0, big_endian: false, align: 1 })
    }

    fn number(&mut self, otherwise: usize) -> Result<usize, Failure> {
        let start = self.at;
        let mut number: usize = 0;
        while let Some(digit) = self.text.get(self.at).filter(|byte| byte.is_ascii_digit()) {
            number = number * 10 + usize::from(digit - b'0');
            if i32::try_from(number).is_err() {
                return fail("integral size overflow");
            }
            self.at += 1;
        }
        Ok(if self.at == start { otherwise } else { number })
    }

    /// The next option that stands for something, its size, and the padding before it at this place.
    fn next(&mut self, args: &Args, place: usize) -> Result<Option<(u8, usize, usize)>, Failure> {
        while let Some(option) = self.text.get(self.at).copied() {
            self.at += 1;
            let size = match option {
                b'B' | b'b' | b'x' => 1,
                b'H' | b'h' => 2,
                b'L' | b'l' | b'T' | b'd' => 8,
                b'f' => 4,
                b'c' => self.number(1)?,
                b's' => 0,
                b'i' | b'I' => {
                    let size = self.number(4)?;
                    if size > MAX_INT_BYTES {
                        return fail(format!("integral size {size} is larger than limit of {MAX_INT_BYTES}"));
                    }
                    size
                }
                b' ' => continue,
                b'>' | b'<' => {
                    self.big_endian = option == b'>';
                    continue;
                }
                b'!' => {
                    let align = self.number(MAX_ALIGN)?;
                    if !align.is_power_of_two() {
                        return fail(format!("alignment {align} is not a power of 2"));
                    }
                    self.align = align;
                    continue;
                }
                other => {
                    return args.bad(1, format!("invalid format option '{}'", char::from(other)));
                }
            };
            // Of sizes that are no power of two, Redis pads as this does.
            let aligned = size.min(self.align);
            let padding = if size == 0 || option == b'c' {
                0
            } else {
                aligned.wrapping_sub(place & (aligned - 1)) & (aligned - 1)
            };
            return Ok(Some((option, size, padding)));
        }
        Ok(None)
    }

    fn ordered(&self, mut little_endian: Vec<u8>) -> Vec<u8> {
        if self.big_endian {
            little_endian.reverse();
        }
        little_endian
    }
}

#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
fn pack(lua: &Lua, args: &Args) -> Result<Value, Failure> {
    let mut format = Format::new(lua, args)?;
    let mut out: Vec<u8> = Vec::new();
    let mut arg = 2;
    while let Some((option, size, padding)) = format.next(args, out.len())? {
        if out.len() + padding + size > MAX_BYTES {
            return fail("too much to be packed");
        }
        out.resize(out.len() + padding, 0);
        match option {
            b'x' => out.push(0),
            b'f' => out.extend(format.ordered((args.number(lua, arg)? as f32).to_le_bytes().to_vec())),
            b'd' => out.extend(format.ordered(args.number(lua, arg)?.to_le_bytes().to_vec())),
            b'c' | b's' => {
                let text = args.string(lua, arg)?;
                let size = if size == 0 { text.len() } else { size };
                let Some(text) = text.get(..size) else {
                    return args.bad(arg + 1, "string too short");
                };
                out.extend_from_slice(text);
                if option == b's' {
                    out.push(0);
                }
            }
            _ => {
                let number = args.number(lua, arg)?;
                // As a cast in C does.
                let bits = if number < 0.0 { (number as i64).cast_unsigned() } else { number as u64 };
                let mut bytes = bits.to_le_bytes().to_vec();
                bytes.resize(size, 0);
                out.extend(format.ordered(bytes));
            }
        }
        arg += usize::from(option != b'x');
    }
    Ok(Value::String(lua.create_string(out)?))
}

#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, clippy::cast_precision_loss)]
fn unpack(lua: &Lua, args: &Args) -> Result<MultiValue, Failure> {
    let mut format = Format::new(lua, args)?;
    let data = args.string(lua, 2)?;
    let offset = args.whole_or(lua, 3, 1)?;
    let Some(mut at) = usize::try_from(offset).ok().and_then(|offset| offset.checked_sub(1)) else {
        return args.bad(3, "offset must be 1 or greater");
    };
    let mut results: Vec<Value> = Vec::new();
    while let Some((option, size, padding)) = format.next(args, at)? {
        at += padding;
        let field = |size: usize| match at.checked_add(size).and_then(|end| data.get(at..end)) {
            Some(field) => Ok(field),
            None => args.bad(2, "data string too short"),
        };
        let bytes = field(size)?;
        let mut taken = size;
        match option {
            b'x' => {}
            b'f' => {
                let bytes = format.ordered(bytes.to_vec());
                let number = f32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]);
                results.push(Value::Number(f64::from(number)));
            }
            b'd' => {
                let mut eight = [0; 8];
                eight.copy_from_slice(&format.ordered(bytes.to_vec()));
                results.push(Value::Number(f64::from_le_bytes(eight)));
            }
            b'c' if size == 0 => {
                let number = match results.pop() {
                    Some(Value::Number(number)) => number,
                    _ => return fail("format 'c0' needs a previous size"),
                };
                taken = number as usize;
                results.push(Value::String(lua.create_string(field(taken)?)?));
            }
            b'c' => results.push(Value::String(lua.create_string(bytes)?)),
            b's' => {
                let rest = &data[at..];
                let Some(end) = rest.iter().position(|&byte| byte == 0) else {
                    return fail("unfinished string in data");
                };
                results.push(Value::String(lua.create_string(&rest[..end])?));
                taken = end + 1;
            }
            _ => {
                let bytes = format.ordered(bytes.to_vec());
                // Of more than eight bytes, the lowest count.
                let bits = bytes.iter().take(8).rev().fold(0_u64, |bits, byte| bits << 8 | u64::from(*byte));
                let number = if option.is_ascii_uppercase() {
                    bits as f64
                } else {
                    let unused = 64 - 8 * u32::try_from(size.min(8)).unwrap_or(8);
                    (if unused == 64 { 0 } else { (bits << unused).cast_signed() >> unused }) as f64
                };
                results.push(Value::Number(number));
            }
        }
        at += taken;
    }
    results.push(Value::Number(at as f64 + 1.0));
    Ok(MultiValue::from_vec(results))
}

#[allow(clippy::cast_precision_loss)]
fn size(lua: &Lua, args: &Args) -> Result<f64, Failure> {
    let mut format = Format::new(lua, args)?;
    let mut total = 0_usize;
    while let Some((option, size, padding)) = format.next(args, total)? {
        if option == b's' {
            return args.bad(1, "option 's' has no fixed size");
        }
        if option == b'c' && size == 0 {
            return args.bad(1, "option 'c0' has no fixed size");
        }
        total = total.saturating_add(padding + size);
    }
    Ok(total as f64)
}
