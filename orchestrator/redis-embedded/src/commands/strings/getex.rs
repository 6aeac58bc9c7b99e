//! GETEX: the value, and its expiry changed.

use crate::commands::keys::expire::{Unit, absolute};
use crate::commands::prelude::*;

pub(crate) const COMMANDS: &[Command] = &[Command::new("getex", -2, W | FAST, ONE, getex)];

fn getex(call: &mut Call<'_>) -> Answer {
    let args = call.args;
    let key = &args[1];
    let mut change: Option<Option<u64>> = None;
    let mut rest = args[2..].iter();
    while let Some(arg) = rest.next() {
        if change.is_some() {
            return Err(syntax());
        }
        change = Some(match Unit::of_option(arg) {
            Some(unit) => Some(absolute(call.now(), int(rest.next().ok_or_else(syntax)?)?, unit, "getex")?),
            None if is(arg, "persist") => None,
            None => return Err(syntax()),
        });
    }
    let Some(value) = call.string(key)?.cloned() else { return Ok(Reply::Nil) };
    match change {
        Some(Some(at)) if at <= call.now() => {
            call.delete(key);
        }
        Some(at) => {
            call.db_mut().expire(key, at);
            call.wrote(key);
        }
        None => {}
    }
    Ok(Reply::Bulk(value))
}
