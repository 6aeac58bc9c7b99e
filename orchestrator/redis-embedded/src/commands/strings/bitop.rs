//! BITOP, BITPOS.

use crate::commands::prelude::*;
use crate::store::text::Text;
use crate::store::value::Value;
use crate::store::zset::slice;

pub(crate) const COMMANDS: &[Command] =
    &[Command::new("bitop", -4, W, (2, -1, 1), bitop), Command::new("bitpos", -3, R, ONE, bitpos)];

fn bitop(call: &mut Call<'_>) -> Answer {
    let args = call.args;
    let (how, target, sources) = (&args[1], &args[2], &args[3..]);
    let combine: fn(u8, u8) -> u8 = match () {
        () if is(how, "and") => |a, b| a & b,
        () if is(how, "or") => |a, b| a | b,
        () if is(how, "xor") => |a, b| a ^ b,
        () if is(how, "not") => |a, _| !a,
        () => return Err(syntax()),
    };
    if is(how, "not") && sources.len() != 1 {
        return Err(Abort::error("ERR BITOP NOT must be called with a single source key."));
    }
    let mut strings = Vec::with_capacity(sources.len());
    for key in sources {
        strings.push(call.string(key)?.cloned().unwrap_or_default());
    }
    let len = strings.iter().map(Bytes::len).max().unwrap_or(0);
    let mut strings = strings.into_iter();
    // Shorter ones count as if zeros followed.
    let mut result = strings.next().unwrap_or_default().to_vec();
    result.resize(len, 0);
    if is(how, "not") {
        for byte in &mut result {
            *byte = combine(*byte, 0);
        }
    }
    for string in strings {
        for (at, byte) in result.iter_mut().enumerate() {
            *byte = combine(*byte, string.get(at).copied().unwrap_or(0));
        }
    }
    if result.is_empty() {
        call.delete(target);
    } else {
        call.put(target, Value::Str(Text { bytes: Bytes::from(result), changed_in_place: true }));
    }
    Ok(Reply::count(len))
}

fn bitpos(call: &mut Call<'_>) -> Answer {
    let args = call.args;
    let bit = match int(&args[2])? {
        0 => false,
        1 => true,
        _ => return Err(Abort::error("ERR The bit argument must be 1 or 0.")),
    };
    if args.len() > 6 {
        return Err(syntax());
    }
    let start = args.get(3).map(|arg| int(arg)).transpose()?;
    let end = args.get(4).map(|arg| int(arg)).transpose()?;
    let by_bit = match args.get(5) {
        Some(unit) if is(unit, "bit") => true,
        Some(unit) if !is(unit, "byte") => return Err(syntax()),
        _ => false,
    };
    let Some(value) = call.string(&args[1])? else { return Ok(Reply::Int(if bit { -1 } else { 0 })) };
    let len = if by_bit { value.len() * 8 } else { value.len() };
    let none = Ok(Reply::Int(-1));
    let Some((from, to)) = slice(start.unwrap_or(0), end.unwrap_or(-1), len) else { return none };
    let (first, last) = if by_bit { (from, to) } else { (from * 8, to * 8 + 7) };
    let whole = if bit { 0 } else { 0xff };
    let mut at = first;
    while at <= last {
        if at % 8 == 0 && value[at / 8] == whole {
            at += 8;
            continue;
        }
        if (value[at / 8] & (0x80 >> (at % 8)) != 0) == bit {
            return Ok(Reply::count(at));
        }
        at += 1;
    }
    // Without an end given, zeros follow the string.
    if !bit && end.is_none() { Ok(Reply::count(value.len() * 8)) } else { none }
}
