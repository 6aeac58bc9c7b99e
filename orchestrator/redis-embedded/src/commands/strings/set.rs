//! SET with all its options, and the older commands that are cases of it.

use crate::commands::keys::expire::{Unit, absolute};
use crate::commands::prelude::*;
use crate::store::text::Text;
use crate::store::value::Value;

pub(crate) const COMMANDS: &[Command] = &[
    Command::new("set", -3, W, ONE, set),
    Command::new("setnx", 3, W | FAST, ONE, setnx),
    Command::new("setex", 4, W, ONE, setex),
    Command::new("psetex", 4, W, ONE, psetex),
    Command::new("getset", 3, W | FAST, ONE, getset),
];

#[derive(Default)]
struct Options {
    only_new: bool,
    only_old: bool,
    keep_ttl: bool,
    get: bool,
    expires_at: Option<u64>,
}

fn set(call: &mut Call<'_>) -> Answer {
    let args = call.args;
    let (key, value) = (&args[1], &args[2]);
    let options = options(call, &args[3..])?;
    // With GET, a key of another type is refused; without, it is overwritten.
    let before = if options.get { Reply::bulk_or_nil(call.string(key)?.cloned()) } else { Reply::Nil };
    let exists = call.db().contains(key);
    if (options.only_new && exists) || (options.only_old && !exists) {
        return Ok(before);
    }
    let kept = call.db().get(key).and_then(|entry| entry.expires_at).filter(|_| options.keep_ttl);
    store(call, key, value, options.expires_at.or(kept));
    Ok(if options.get { before } else { Reply::OK })
}

fn options(call: &Call<'_>, args: &[Bytes]) -> Result<Options, Abort> {
    let mut options = Options::default();
    let mut rest = args.iter();
    while let Some(arg) = rest.next() {
        let unit = Unit::of_option(arg);
        match unit {
            Some(unit) if options.expires_at.is_none() && !options.keep_ttl => {
                let amount = int(rest.next().ok_or_else(syntax)?)?;
                options.expires_at = Some(absolute(call.now(), amount, unit, "set")?);
            }
            Some(_) => return Err(syntax()),
            None if is(arg, "nx") && !options.only_old => options.only_new = true,
            None if is(arg, "xx") && !options.only_new => options.only_old = true,
            None if is(arg, "get") => options.get = true,
            None if is(arg, "keepttl") && options.expires_at.is_none() => options.keep_ttl = true,
            None => return Err(syntax()),
        }
    }
    Ok(options)
}

/// Puts a string; one that is to expire in the past does not stay.
fn store(call: &mut Call<'_>, key: &Bytes, value: &Bytes, expires_at: Option<u64>) {
    call.put(key, Value::Str(Text::new(value.clone())));
    match expires_at {
        Some(at) if at <= call.now() => {
            call.delete(key);
        }
        at => {
            call.db_mut().expire(key, at);
            if at.is_some() {
                let db = call.db;
                call.store.notify_key_event(db, 'g', "expire", key);
            }
        }
    }
}

fn setnx(call: &mut Call<'_>) -> Answer {
    let args = call.args;
    if call.db().contains(&args[1]) {
        return Ok(Reply::Int(0));
    }
    store(call, &args[1], &args[2], None);
    Ok(Reply::Int(1))
}

fn setex(call: &mut Call<'_>) -> Answer {
    expiring(call, Unit::Seconds, "setex")
}

fn psetex(call: &mut Call<'_>) -> Answer {
    expiring(call, Unit::Millis, "psetex")
}

fn expiring(call: &mut Call<'_>, unit: Unit, name: &str) -> Answer {
    let args = call.args;
    let at = absolute(call.now(), int(&args[2])?, unit, name)?;
    store(call, &args[1], &args[3], Some(at));
    Ok(Reply::OK)
}

fn getset(call: &mut Call<'_>) -> Answer {
    let args = call.args;
    let before = call.string(&args[1])?.cloned();
    store(call, &args[1], &args[2], None);
    Ok(Reply::bulk_or_nil(before))
}
