//! HDEL.

use crate::commands::prelude::*;

pub(crate) const COMMANDS: &[Command] = &[Command::new("hdel", -3, W | FAST, ONE, hdel)];

fn hdel(call: &mut Call<'_>) -> Answer {
    let key = &call.args[1];
    if call.hash(key)?.is_none() {
        return Ok(Reply::Int(0));
    }
    let names = &call.args[2..];
    let hash = call.hash_mut(key)?;
    let removed = names.iter().filter(|name| hash.remove(name).is_some()).count();
    if removed > 0 {
        call.wrote(key);
    }
    Ok(Reply::count(removed))
}
