//! GETDEL: the value of a key that is deleted.

use crate::commands::prelude::*;

pub(crate) const COMMANDS: &[Command] = &[Command::new("getdel", 2, W | FAST, ONE, getdel)];

fn getdel(call: &mut Call<'_>) -> Answer {
    let key = &call.args[1];
    let value = call.string(key)?.cloned();
    call.delete(key);
    Ok(Reply::bulk_or_nil(value))
}
