//! DEL, UNLINK.

use crate::commands::prelude::*;

pub(crate) const COMMANDS: &[Command] = &[
    Command::new("del", -2, W, ALL, del),
    // Memory is given back at once here: there is nothing to put off.
    Command::new("unlink", -2, W | FAST, ALL, del),
];

fn del(call: &mut Call<'_>) -> Answer {
    let keys = &call.args[1..];
    let removed = keys.iter().filter(|key| call.delete(key)).count();
    Ok(Reply::count(removed))
}
