//! RENAME, RENAMENX, COPY, MOVE.

use crate::commands::prelude::*;

pub(crate) const COMMANDS: &[Command] = &[
    Command::new("rename", 3, W, (1, 2, 1), rename),
    Command::new("renamenx", 3, W | FAST, (1, 2, 1), renamenx),
    Command::new("copy", -3, W, (1, 2, 1), copy),
    Command::new("move", 3, W | FAST, ONE, move_),
];

fn rename(call: &mut Call<'_>) -> Answer {
    let (from, to) = (&call.args[1], &call.args[2]);
    let Some(entry) = call.db_mut().remove(from) else { return Err(Abort::error(NO_SUCH_KEY)) };
    call.db_mut().remove(to);
    call.db_mut().insert_entry(to.clone(), entry);
    call.wrote(from);
    call.wrote(to);
    Ok(Reply::OK)
}

fn renamenx(call: &mut Call<'_>) -> Answer {
    let (from, to) = (&call.args[1], &call.args[2]);
    if !call.db().contains(from) {
        return Err(Abort::error(NO_SUCH_KEY));
    }
    if call.db().contains(to) {
        return Ok(Reply::Int(0));
    }
    rename(call)?;
    Ok(Reply::Int(1))
}

fn copy(call: &mut Call<'_>) -> Answer {
    let args = call.args;
    let (from, to) = (&args[1], &args[2]);
    let (mut target, mut replace) = (call.db, false);
    let mut rest = args[3..].iter();
    while let Some(arg) = rest.next() {
        if is(arg, "replace") {
            replace = true;
        } else if is(arg, "db") {
            target = database(rest.next().ok_or_else(syntax)?)?;
        } else {
            return Err(syntax());
        }
    }
    if target == call.db && from == to {
        return Err(Abort::error("ERR source and destination objects are the same"));
    }
    let Some(entry) = call.db().get(from).cloned() else { return Ok(Reply::Int(0)) };
    if call.store.dbs[target].contains(to) && !replace {
        return Ok(Reply::Int(0));
    }
    call.store.dbs[target].remove(to);
    call.store.memory.grown += entry.value.weight();
    call.store.dbs[target].insert_entry(to.clone(), entry);
    call.store.touched(target, to);
    call.store.notify_key_event(target, 'g', "copy_to", to);
    Ok(Reply::Int(1))
}

fn move_(call: &mut Call<'_>) -> Answer {
    let key = &call.args[1];
    let target = database(&call.args[2])?;
    if target == call.db {
        return Err(Abort::error("ERR source and destination objects are the same"));
    }
    if call.store.dbs[target].contains(key) {
        return Ok(Reply::Int(0));
    }
    let Some(entry) = call.db_mut().remove(key) else { return Ok(Reply::Int(0)) };
    call.store.dbs[target].insert_entry(key.clone(), entry);
    call.wrote(key);
    call.store.touched(target, key);
    call.store.notify_key_event(target, 'g', "move_to", key);
    Ok(Reply::Int(1))
}
