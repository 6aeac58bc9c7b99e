//! DUMP, RESTORE: a value as bytes, for another server or another time.

use crate::commands::prelude::*;
use crate::rdb::payload::{WRONG, opened, sealed};
use crate::rdb::value::{ReadInto, read, write};
use crate::store::db::Entry;
use crate::store::frequency::Frequency;

pub(crate) const COMMANDS: &[Command] =
    &[Command::new("dump", 2, R, ONE, dump), Command::new("restore", -4, W, ONE, restore)];

fn dump(call: &mut Call<'_>) -> Answer {
    let entry = call.db().get(&call.args[1]);
    Ok(entry.map_or(Reply::Nil, |entry| Reply::Bulk(sealed(write(&entry.value)))))
}

#[derive(Default)]
struct Options {
    replace: bool,
    absolute: bool,
    idle_seconds: Option<u64>,
    frequency: Option<u8>,
}

fn options(args: &[Bytes]) -> Result<Options, Abort> {
    let mut options = Options::default();
    let mut rest = args;
    while let Some((word, after)) = rest.split_first() {
        rest = after;
        match after {
            _ if is(word, "replace") => options.replace = true,
            _ if is(word, "absttl") => options.absolute = true,
            [seconds, after @ ..] if is(word, "idletime") && options.frequency.is_none() => {
                let seconds = u64::try_from(int(seconds)?);
                let refused = |_| Abort::error("ERR Invalid IDLETIME value, must be >= 0");
                options.idle_seconds = Some(seconds.map_err(refused)?);
                rest = after;
            }
            [frequency, after @ ..] if is(word, "freq") && options.idle_seconds.is_none() => {
                let frequency = u8::try_from(int(frequency)?);
                let refused = |_| Abort::error("ERR Invalid FREQ value, must be >= 0 and <= 255");
                options.frequency = Some(frequency.map_err(refused)?);
                rest = after;
            }
            _ => return Err(syntax()),
        }
    }
    Ok(options)
}

fn restore(call: &mut Call<'_>) -> Answer {
    let args = call.args;
    let (key, payload) = (&args[1], &args[3]);
    let options = options(&args[4..])?;
    if !options.replace && call.db().contains(key) {
        return Err(Abort::error("BUSYKEY Target key name already exists."));
    }
    let ttl = u64::try_from(int(&args[2])?);
    let ttl = ttl.map_err(|_| Abort::error("ERR Invalid TTL value, must be >= 0"))?;
    let body = opened(payload).ok_or_else(|| Abort::error(WRONG))?;
    let into = ReadInto { sizes: call.sizes(), stream_node_entries: call.store.settings.stream_node_entries };
    let value = read(body, into).ok_or_else(|| Abort::error("ERR Bad data format"))?;
    let now = call.now();
    let expires_at = match ttl {
        0 => None,
        ttl if options.absolute => Some(ttl),
        ttl => Some(now.saturating_add(ttl)),
    };
    call.store.memory.grown += value.weight();
    call.delete(key);
    if expires_at.is_some_and(|at| at < now) {
        return Ok(Reply::OK);
    }
    let idle = options.idle_seconds.unwrap_or(0).saturating_mul(1000);
    let frequency =
        options.frequency.map_or_else(|| Frequency::new(now), |counter| Frequency::of(counter, now));
    let entry = Entry { value, expires_at, used_at: now.saturating_sub(idle), frequency };
    call.db_mut().insert_entry(key.clone(), entry);
    let db = call.db;
    call.store.touched(db, key);
    call.store.notify_key_event(db, 'g', "restore", key);
    Ok(Reply::OK)
}
