//! BITFIELD, BITFIELD_RO: integers of any width in a string.

use bytes::BytesMut;

use crate::commands::prelude::*;

pub(crate) const COMMANDS: &[Command] = &[
    Command::new("bitfield", -2, W, ONE, |call| bitfield(call, false)),
    Command::new("bitfield_ro", -2, R | FAST, ONE, |call| bitfield(call, true)),
];

/// A kind of integer: its sign and its width.
#[derive(Clone, Copy)]
struct Kind {
    signed: bool,
    bits: u32,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Overflow {
    Wrap,
    Saturate,
    Fail,
}

#[derive(Clone, Copy)]
enum Change {
    Get,
    Set(i64, Overflow),
    Add(i64, Overflow),
}

struct Step {
    kind: Kind,
    /// In bits.
    at: usize,
    change: Change,
}

impl Kind {
    fn parse(arg: &[u8]) -> Result<Self, Abort> {
        let refused = || {
            Abort::error(
                "ERR Invalid bitfield type. Use something like i16 u8. Note that u64 is not supported but i64 is.",
            )
        };
        let (sign, digits) = arg.split_first().ok_or_else(refused)?;
        let signed = match sign {
            b'i' => true,
            b'u' => false,
            _ => return Err(refused()),
        };
        let bits = int(digits).map_err(|_| refused())?;
        let max = if signed { 64 } else { 63 };
        match u32::try_from(bits) {
            Ok(bits) if (1..=max).contains(&bits) => Ok(Self { signed, bits }),
            _ => Err(refused()),
        }
    }

    /// Least and greatest value.
    fn range(self) -> (i128, i128) {
        if self.signed {
            (-(1_i128 << (self.bits - 1)), (1_i128 << (self.bits - 1)) - 1)
        } else {
            (0, (1_i128 << self.bits) - 1)
        }
    }

    /// The value that is left when only so many bits are kept.
    fn wrapped(self, value: i128) -> i128 {
        let kept = value.rem_euclid(1_i128 << self.bits);
        if self.signed && kept > self.range().1 { kept - (1_i128 << self.bits) } else { kept }
    }

    fn read(self, bytes: &[u8], at: usize) -> i128 {
        let mut value = 0_i128;
        for bit in at..at + self.bits as usize {
            let set = bytes.get(bit / 8).is_some_and(|byte| byte & (0x80 >> (bit % 8)) != 0);
            value = (value << 1) | i128::from(set);
        }
        self.wrapped(value)
    }

    fn write(self, bytes: &mut [u8], at: usize, value: i128) {
        for (from_top, bit) in (at..at + self.bits as usize).enumerate() {
            let set = (value >> (self.bits as usize - 1 - from_top)) & 1 == 1;
            let mask = 0x80 >> (bit % 8);
            if let Some(byte) = bytes.get_mut(bit / 8) {
                *byte = if set { *byte | mask } else { *byte & !mask };
            }
        }
    }
}

fn offset(call: &Call<'_>, arg: &[u8], kind: Kind) -> Result<usize, Abort> {
    let refused = || Abort::error("ERR bit offset is not an integer or out of range");
    let (digits, factor) = match arg.strip_prefix(b"#") {
        Some(digits) => (digits, kind.bits as usize),
        None => (arg, 1),
    };
    let at = int(digits).ok().and_then(|at| usize::try_from(at).ok()).ok_or_else(refused)?;
    let at = at.checked_mul(factor).ok_or_else(refused)?;
    let end = at.checked_add(kind.bits as usize).ok_or_else(refused)?;
    if end / 8 >= call.store.config.limits.bulk_bytes { Err(refused()) } else { Ok(at) }
}

fn steps(call: &Call<'_>, args: &[Bytes], read_only: bool) -> Result<Vec<Step>, Abort> {
    let mut steps = Vec::new();
    let mut overflow = Overflow::Wrap;
    let mut rest = args;
    while let Some((word, after)) = rest.split_first() {
        if is(word, "overflow") {
            let (how, after) = after.split_first().ok_or_else(syntax)?;
            overflow = match () {
                () if is(how, "wrap") => Overflow::Wrap,
                () if is(how, "sat") => Overflow::Saturate,
                () if is(how, "fail") => Overflow::Fail,
                () => return Err(Abort::error("ERR Invalid OVERFLOW type specified")),
            };
            rest = after;
            continue;
        }
        let words = match () {
            () if is(word, "get") => 2,
            () if is(word, "set") || is(word, "incrby") => 3,
            () => return Err(syntax()),
        };
        let (words, after) = after.split_at_checked(words).ok_or_else(syntax)?;
        let kind = Kind::parse(&words[0])?;
        let at = offset(call, &words[1], kind)?;
        let change = match words.get(2) {
            None => Change::Get,
            Some(_) if read_only => {
                return Err(Abort::error("ERR BITFIELD_RO only supports the GET subcommand"));
            }
            Some(value) if is(word, "set") => Change::Set(int(value)?, overflow),
            Some(value) => Change::Add(int(value)?, overflow),
        };
        steps.push(Step { kind, at, change });
        rest = after;
    }
    Ok(steps)
}

/// The value that is kept of one that may be too great; none when that is refused.
fn fitting(kind: Kind, value: i128, overflow: Overflow) -> Option<i128> {
    let (min, max) = kind.range();
    match overflow {
        _ if (min..=max).contains(&value) => Some(value),
        Overflow::Wrap => Some(kind.wrapped(value)),
        Overflow::Saturate => Some(value.clamp(min, max)),
        Overflow::Fail => None,
    }
}

fn bitfield(call: &mut Call<'_>, read_only: bool) -> Answer {
    let key = &call.args[1];
    let steps = steps(call, &call.args[2..], read_only)?;
    let number = |value: i128| Reply::Int(i64::try_from(value).unwrap_or(i64::MAX));
    let writing = steps.iter().filter(|step| !matches!(step.change, Change::Get));
    let Some(end) = writing.map(|step| step.at + step.kind.bits as usize).max() else {
        let value = call.string(key)?.cloned().unwrap_or_default();
        return Ok(Reply::Array(steps.iter().map(|step| number(step.kind.read(&value, step.at))).collect()));
    };
    let value = call.string_mut(key)?;
    let mut bytes = std::mem::take(value).try_into_mut().unwrap_or_else(|held| BytesMut::from(&held[..]));
    let before = bytes.len();
    bytes.resize(before.max(end.div_ceil(8)), 0);
    let mut replies = Vec::with_capacity(steps.len());
    for Step { kind, at, change } in steps {
        let old = kind.read(&bytes, at);
        let (new, previous) = match change {
            Change::Get => {
                replies.push(number(old));
                continue;
            }
            Change::Set(value, overflow) => {
                let value = if kind.signed { i128::from(value) } else { i128::from(value.cast_unsigned()) };
                (fitting(kind, value, overflow), Some(old))
            }
            Change::Add(by, overflow) => (fitting(kind, old + i128::from(by), overflow), None),
        };
        match new {
            Some(new) => {
                kind.write(&mut bytes, at, new);
                replies.push(number(previous.unwrap_or(new)));
            }
            None => replies.push(Reply::Nil),
        }
    }
    let grown = (bytes.len() - before) as u64;
    *value = bytes.freeze();
    call.store.memory.grown += grown;
    call.wrote(key);
    Ok(Reply::Array(replies))
}
