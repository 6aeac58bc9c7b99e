//! SADD, SREM.

use crate::commands::prelude::*;

pub(crate) const COMMANDS: &[Command] =
    &[Command::new("sadd", -3, W | FAST, ONE, sadd), Command::new("srem", -3, W | FAST, ONE, srem)];

fn sadd(call: &mut Call<'_>) -> Answer {
    let (key, members) = (&call.args[1], &call.args[2..]);
    let sizes = call.sizes();
    let set = call.set_mut(key)?;
    let new = members.iter().filter(|member| set.insert((*member).clone(), &sizes)).count();
    if new > 0 {
        call.wrote(key);
    }
    Ok(Reply::count(new))
}

fn srem(call: &mut Call<'_>) -> Answer {
    let (key, members) = (&call.args[1], &call.args[2..]);
    if call.set(key)?.is_none() {
        return Ok(Reply::Int(0));
    }
    let set = call.set_mut(key)?;
    let removed = members.iter().filter(|member| set.remove(member)).count();
    if removed > 0 {
        call.wrote(key);
    }
    Ok(Reply::count(removed))
}
