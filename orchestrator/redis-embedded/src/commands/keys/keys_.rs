//! KEYS, RANDOMKEY.

use crate::commands::prelude::*;
use crate::store::glob;

pub(crate) const COMMANDS: &[Command] =
    &[Command::new("keys", 2, R, NONE, keys), Command::new("randomkey", 1, R, NONE, randomkey)];

fn keys(call: &mut Call<'_>) -> Answer {
    let pattern = &call.args[1];
    Ok(Reply::strings(call.db().keys().filter(|key| glob::matches(pattern, key)).cloned()))
}

fn randomkey(call: &mut Call<'_>) -> Answer {
    let point = call.random();
    Ok(Reply::bulk_or_nil(call.db().near(point).cloned()))
}
