//! SETBIT, GETBIT, BITCOUNT.

use crate::commands::prelude::*;
use bytes::BytesMut;

use crate::store::zset::slice;

pub(crate) const COMMANDS: &[Command] = &[
    Command::new("setbit", 4, W, ONE, setbit),
    Command::new("getbit", 3, R | FAST, ONE, getbit),
    Command::new("bitcount", -2, R, ONE, bitcount),
];

const OUT_OF_RANGE: &str = "ERR bit offset is not an integer or out of range";

fn offset(call: &Call<'_>) -> Result<usize, Abort> {
    let offset = int(&call.args[2]).ok().and_then(|n| usize::try_from(n).ok());
    offset.filter(|n| n / 8 < call.store.config.limits.bulk_bytes).ok_or_else(|| Abort::error(OUT_OF_RANGE))
}

fn mask(offset: usize) -> u8 {
    0x80 >> (offset % 8)
}

fn setbit(call: &mut Call<'_>) -> Answer {
    let key = &call.args[1];
    let at = offset(call)?;
    let on = match int(&call.args[3]) {
        Ok(0) => false,
        Ok(1) => true,
        _ => return Err(Abort::error("ERR bit is not an integer or out of range")),
    };
    let value = call.string_mut(key)?;
    let mut bytes = std::mem::take(value).try_into_mut().unwrap_or_else(|held| BytesMut::from(&held[..]));
    let mut grown = 0;
    if bytes.len() <= at / 8 {
        grown = at / 8 + 1 - bytes.len();
        bytes.resize(at / 8 + 1, 0);
    }
    let before = bytes[at / 8] & mask(at) != 0;
    if on {
        bytes[at / 8] |= mask(at);
    } else {
        bytes[at / 8] &= !mask(at);
    }
    *value = bytes.freeze();
    call.store.memory.grown += grown as u64;
    call.wrote(key);
    Ok(Reply::Int(i64::from(before)))
}

fn getbit(call: &mut Call<'_>) -> Answer {
    let at = offset(call)?;
    let set = call
        .string(&call.args[1])?
        .and_then(|value| value.get(at / 8))
        .is_some_and(|byte| byte & mask(at) != 0);
    Ok(Reply::Int(i64::from(set)))
}

fn bitcount(call: &mut Call<'_>) -> Answer {
    let args = call.args;
    let range = match args.len() {
        2 => None,
        4 | 5 => Some((int(&args[2])?, int(&args[3])?)),
        _ => return Err(syntax()),
    };
    let by_bit = match args.get(4) {
        Some(unit) if is(unit, "bit") => true,
        Some(unit) if !is(unit, "byte") => return Err(syntax()),
        _ => false,
    };
    let Some(value) = call.string(&args[1])? else { return Ok(Reply::Int(0)) };
    let len = if by_bit { value.len() * 8 } else { value.len() };
    let (start, stop) = range.unwrap_or((0, -1));
    let Some((from, to)) = slice(start, stop, len) else { return Ok(Reply::Int(0)) };
    let bits = if by_bit {
        (from..=to).filter(|&at| value[at / 8] & mask(at) != 0).count()
    } else {
        value[from..=to].iter().map(|byte| byte.count_ones() as usize).sum()
    };
    Ok(Reply::count(bits))
}
