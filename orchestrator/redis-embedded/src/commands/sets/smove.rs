//! SMOVE.

use crate::commands::prelude::*;

pub(crate) const COMMANDS: &[Command] = &[Command::new("smove", 4, W | FAST, (1, 2, 1), smove)];

fn smove(call: &mut Call<'_>) -> Answer {
    let (from, to, member) = (&call.args[1], &call.args[2], &call.args[3]);
    let there = call.set(from)?.is_some_and(|set| set.contains(member));
    let from_exists = call.db().contains(from);
    if from_exists {
        call.set(to)?;
    }
    if !there {
        return Ok(Reply::Int(0));
    }
    if from == to {
        return Ok(Reply::Int(1));
    }
    call.set_mut(from)?.remove(member);
    call.wrote(from);
    let sizes = call.sizes();
    if call.set_mut(to)?.insert(member.clone(), &sizes) {
        call.wrote(to);
    }
    Ok(Reply::Int(1))
}
