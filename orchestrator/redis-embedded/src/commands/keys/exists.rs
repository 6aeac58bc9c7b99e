//! EXISTS, TOUCH: how many of these keys are there.

use crate::commands::prelude::*;

pub(crate) const COMMANDS: &[Command] =
    &[Command::new("exists", -2, R | FAST, ALL, exists), Command::new("touch", -2, R | FAST, ALL, exists)];

fn exists(call: &mut Call<'_>) -> Answer {
    let keys = &call.args[1..];
    for key in keys {
        call.looked_up(key);
    }
    Ok(Reply::count(keys.iter().filter(|key| call.db().contains(key)).count()))
}
