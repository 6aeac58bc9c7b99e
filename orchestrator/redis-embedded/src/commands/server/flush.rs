//! FLUSHDB, FLUSHALL, DBSIZE.

use super::select::outdate_all;
use crate::commands::prelude::*;
use crate::store::db::Db;

pub(crate) const COMMANDS: &[Command] = &[
    Command::new("flushdb", -1, W, NONE, flushdb),
    Command::new("flushall", -1, W, NONE, flushall),
    Command::new("dbsize", 1, R | FAST, NONE, dbsize),
];

fn how(args: &[Bytes]) -> Result<(), Abort> {
    match args {
        [_] => Ok(()),
        [_, how] if is(how, "async") || is(how, "sync") => Ok(()),
        _ => Err(syntax()),
    }
}

fn flushdb(call: &mut Call<'_>) -> Answer {
    how(call.args)?;
    call.store.invalidate_all();
    outdate_all(call, call.db);
    *call.db_mut() = Db::default();
    call.store.blocked.touch_all();
    Ok(Reply::OK)
}

fn flushall(call: &mut Call<'_>) -> Answer {
    how(call.args)?;
    call.store.invalidate_all();
    for db in 0..call.store.dbs.len() {
        outdate_all(call, db);
        call.store.dbs[db] = Db::default();
    }
    call.store.blocked.touch_all();
    Ok(Reply::OK)
}

fn dbsize(call: &mut Call<'_>) -> Answer {
    Ok(Reply::count(call.db().len()))
}
