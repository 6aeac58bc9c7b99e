//! GET, STRLEN: the value of a key, and its length.

use crate::commands::prelude::*;

pub(crate) const COMMANDS: &[Command] =
    &[Command::new("get", 2, R | FAST, ONE, get), Command::new("strlen", 2, R | FAST, ONE, strlen)];

fn get(call: &mut Call<'_>) -> Answer {
    let key = &call.args[1];
    call.looked_up(key);
    Ok(Reply::bulk_or_nil(call.string(key)?.cloned()))
}

fn strlen(call: &mut Call<'_>) -> Answer {
    Ok(Reply::count(call.string(&call.args[1])?.map_or(0, Bytes::len)))
}
