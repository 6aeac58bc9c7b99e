//! PFADD, PFCOUNT, PFMERGE, PFDEBUG, PFSELFTEST: how many different elements were added, about.

use crate::commands::prelude::*;
use crate::store::hyperloglog::HyperLogLog;
use crate::store::text::Text;
use crate::store::value::Value;

pub(crate) const COMMANDS: &[Command] = &[
    Command::new("pfadd", -2, W | FAST, ONE, pfadd),
    Command::new("pfcount", -2, R, ALL, pfcount),
    Command::new("pfmerge", -2, W, ALL, pfmerge),
    Command::new("pfdebug", 3, W | Spec::ADMIN, (2, 2, 1), pfdebug),
    Command::new("pfselftest", 1, Spec::ADMIN, NONE, |_| Ok(Reply::OK)),
];

fn read(call: &Call<'_>, key: &Bytes) -> Result<Option<HyperLogLog>, Abort> {
    match call.string(key)? {
        Some(bytes) => Ok(Some(HyperLogLog::parse(bytes).map_err(Abort::error)?)),
        None => Ok(None),
    }
}

/// Writes it, leaving the key's expiry as it is.
fn write(call: &mut Call<'_>, key: &Bytes, seen: &HyperLogLog) -> Result<(), Abort> {
    let bytes = seen.to_bytes(call.store.settings.hll_sparse_bytes);
    if call.db().contains(key) {
        *call.string_mut(key)? = bytes;
        call.wrote(key);
    } else {
        call.put(key, Value::Str(Text { bytes, changed_in_place: true }));
    }
    Ok(())
}

fn pfadd(call: &mut Call<'_>) -> Answer {
    let key = &call.args[1];
    let before = read(call, key)?;
    let mut changed = before.is_none();
    let mut seen = before.unwrap_or_default();
    for element in &call.args[2..] {
        changed |= seen.add(element);
    }
    if changed {
        write(call, key, &seen.outdated())?;
    }
    Ok(Reply::Int(i64::from(changed)))
}

fn pfcount(call: &mut Call<'_>) -> Answer {
    let number = |count: u64| Reply::Int(i64::try_from(count).unwrap_or(i64::MAX));
    if let [_, key] = call.args {
        let Some(mut seen) = read(call, key)? else { return Ok(Reply::Int(0)) };
        if seen.is_counted() {
            return Ok(number(seen.count()));
        }
        let count = seen.count();
        // The number is kept in the string itself.
        let bytes = seen.to_bytes(call.store.settings.hll_sparse_bytes);
        *call.string_mut(key)? = bytes;
        let db = call.db;
        call.store.touched(db, key);
        return Ok(number(count));
    }
    let mut all = HyperLogLog::default();
    for key in &call.args[1..] {
        if let Some(seen) = read(call, key)? {
            all.merge(&seen);
        }
    }
    Ok(number(all.outdated().count()))
}

fn pfmerge(call: &mut Call<'_>) -> Answer {
    let mut all = HyperLogLog::default();
    for key in &call.args[1..] {
        if let Some(seen) = read(call, key)? {
            all.merge(&seen);
        }
    }
    write(call, &call.args[1], &all.outdated())?;
    Ok(Reply::OK)
}

fn pfdebug(call: &mut Call<'_>) -> Answer {
    let (word, key) = (&call.args[1], &call.args[2]);
    let Some(mut seen) = read(call, key)? else {
        return Err(Abort::error("ERR The specified key does not exist"));
    };
    match () {
        () if is(word, "encoding") => Ok(Reply::Simple(if seen.dense { "dense" } else { "sparse" })),
        () if is(word, "todense") => {
            let converted = !seen.dense;
            seen.dense = true;
            if converted {
                write(call, key, &seen)?;
            }
            Ok(Reply::Int(i64::from(converted)))
        }
        () if is(word, "getreg") => {
            let registers = seen.registers().iter().map(|value| Reply::Int(i64::from(*value))).collect();
            // Asking for the registers makes it dense, as in Redis.
            seen.dense = true;
            write(call, key, &seen)?;
            Ok(Reply::Array(registers))
        }
        () => {
            let word = String::from_utf8_lossy(word);
            Err(Abort::error(format!("ERR Unknown PFDEBUG subcommand '{word}'")))
        }
    }
}
