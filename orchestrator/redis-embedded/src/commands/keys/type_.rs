//! TYPE.

use crate::commands::prelude::*;

pub(crate) const COMMANDS: &[Command] = &[Command::new("type", 2, R | FAST, ONE, type_)];

fn type_(call: &mut Call<'_>) -> Answer {
    let name = call.db().get(&call.args[1]).map_or("none", |entry| entry.value.type_name());
    Ok(Reply::Simple(name))
}
