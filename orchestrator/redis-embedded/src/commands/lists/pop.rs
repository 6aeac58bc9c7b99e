//! LPOP, RPOP.

use crate::commands::prelude::*;

pub(crate) const COMMANDS: &[Command] = &[
    Command::new("lpop", -2, W | FAST, ONE, |call| pop(call, true)),
    Command::new("rpop", -2, W | FAST, ONE, |call| pop(call, false)),
];

fn pop(call: &mut Call<'_>, left: bool) -> Answer {
    let key = &call.args[1];
    if call.args.len() > 3 {
        return call.arity_error();
    }
    let count = match call.args.get(2) {
        Some(count) => Some(at_least(count, 0, "ERR value is out of range, must be positive")?),
        None => None,
    };
    if call.list(key)?.is_none() {
        return Ok(if count.is_some() { Reply::NilArray } else { Reply::Nil });
    }
    let list = call.list_mut(key)?;
    let wanted = count.unwrap_or(1).min(list.len());
    let popped: Vec<Bytes> =
        (0..wanted).filter_map(|_| if left { list.pop_front() } else { list.pop_back() }).collect();
    call.wrote(key);
    Ok(match count {
        None => Reply::bulk_or_nil(popped.into_iter().next()),
        Some(_) => Reply::strings(popped),
    })
}
