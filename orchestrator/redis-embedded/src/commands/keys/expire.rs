//! EXPIRE and its relatives: when a key goes away.

use crate::commands::prelude::*;

pub(crate) const COMMANDS: &[Command] = &[
    Command::new("expire", -3, W | FAST, ONE, expire),
    Command::new("pexpire", -3, W | FAST, ONE, pexpire),
    Command::new("expireat", -3, W | FAST, ONE, expireat),
    Command::new("pexpireat", -3, W | FAST, ONE, pexpireat),
    Command::new("persist", 2, W | FAST, ONE, persist),
];

/// How a time is given.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Unit {
    Seconds,
    Millis,
    AtSeconds,
    AtMillis,
}

impl Unit {
    /// EX, PX, EXAT, PXAT.
    pub(crate) fn of_option(arg: &[u8]) -> Option<Self> {
        [("ex", Self::Seconds), ("px", Self::Millis), ("exat", Self::AtSeconds), ("pxat", Self::AtMillis)]
            .into_iter()
            .find(|(word, _)| is(arg, word))
            .map(|(_, unit)| unit)
    }
}

/// The time meant, in milliseconds since the epoch, for options that want it positive.
pub(crate) fn absolute(now: u64, amount: i64, unit: Unit, command: &str) -> Result<u64, Abort> {
    let at = (amount > 0).then(|| signed(now, amount, unit)).flatten();
    at.and_then(|at| u64::try_from(at).ok())
        .ok_or_else(|| Abort::error(format!("ERR invalid expire time in '{command}' command")))
}

fn signed(now: u64, amount: i64, unit: Unit) -> Option<i64> {
    let millis = match unit {
        Unit::Seconds | Unit::AtSeconds => amount.checked_mul(1000)?,
        Unit::Millis | Unit::AtMillis => amount,
    };
    match unit {
        Unit::Seconds | Unit::Millis => millis.checked_add(i64::try_from(now).ok()?),
        Unit::AtSeconds | Unit::AtMillis => Some(millis),
    }
}

fn expire(call: &mut Call<'_>) -> Answer {
    set_expiry(call, Unit::Seconds, "expire")
}

fn pexpire(call: &mut Call<'_>) -> Answer {
    set_expiry(call, Unit::Millis, "pexpire")
}

fn expireat(call: &mut Call<'_>) -> Answer {
    set_expiry(call, Unit::AtSeconds, "expireat")
}

fn pexpireat(call: &mut Call<'_>) -> Answer {
    set_expiry(call, Unit::AtMillis, "pexpireat")
}

#[derive(Default)]
struct Condition {
    none: bool,
    some: bool,
    greater: bool,
    less: bool,
}

fn condition(args: &[Bytes]) -> Result<Condition, Abort> {
    let mut condition = Condition::default();
    for arg in args {
        let flag = match () {
            () if is(arg, "nx") => &mut condition.none,
            () if is(arg, "xx") => &mut condition.some,
            () if is(arg, "gt") => &mut condition.greater,
            () if is(arg, "lt") => &mut condition.less,
            () => {
                return Err(Abort::error(format!("ERR Unsupported option {}", String::from_utf8_lossy(arg))));
            }
        };
        *flag = true;
    }
    if condition.none && (condition.some || condition.greater || condition.less) {
        return Err(Abort::error("ERR NX and XX, GT or LT options at the same time are not compatible"));
    }
    if condition.greater && condition.less {
        return Err(Abort::error("ERR GT and LT options at the same time are not compatible"));
    }
    Ok(condition)
}

fn set_expiry(call: &mut Call<'_>, unit: Unit, name: &str) -> Answer {
    let key = &call.args[1];
    let amount = int(&call.args[2])?;
    let wanted = condition(&call.args[3..])?;
    let at = signed(call.now(), amount, unit)
        .ok_or_else(|| Abort::error(format!("ERR invalid expire time in '{name}' command")))?;
    let Some(entry) = call.db().get(key) else { return Ok(Reply::Int(0)) };
    // No expiry counts as an infinite one.
    let current = entry.expires_at.map_or(i64::MAX, |at| i64::try_from(at).unwrap_or(i64::MAX));
    let none = entry.expires_at.is_none();
    let refused = (wanted.none && !none)
        || (wanted.some && none)
        || (wanted.greater && (none || at <= current))
        || (wanted.less && !none && at >= current);
    if refused {
        return Ok(Reply::Int(0));
    }
    match u64::try_from(at) {
        Ok(at) if at > call.now() => {
            call.db_mut().expire(key, Some(at));
            call.wrote(key);
        }
        _ => {
            call.delete(key);
        }
    }
    Ok(Reply::Int(1))
}

fn persist(call: &mut Call<'_>) -> Answer {
    let key = &call.args[1];
    if call.db().get(key).is_none_or(|entry| entry.expires_at.is_none()) {
        return Ok(Reply::Int(0));
    }
    call.db_mut().expire(key, None);
    call.wrote(key);
    Ok(Reply::Int(1))
}
