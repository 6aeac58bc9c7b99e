//! SELECT, SWAPDB, and CLUSTER, which there is none of.

use crate::commands::prelude::*;

pub(crate) const COMMANDS: &[Command] = &[
    Command::new("cluster", -2, NO_SCRIPT, NONE, cluster),
    Command::new("select", 2, FAST, NONE, select),
    Command::new("swapdb", 3, W | FAST, NONE, swapdb),
];

fn select(call: &mut Call<'_>) -> Answer {
    let db = database(&call.args[1])?;
    call.client()?.db = db;
    Ok(Reply::OK)
}

fn swapdb(call: &mut Call<'_>) -> Answer {
    int(&call.args[1]).map_err(|_| Abort::error("ERR invalid first DB index"))?;
    int(&call.args[2]).map_err(|_| Abort::error("ERR invalid second DB index"))?;
    let (first, second) = (database(&call.args[1])?, database(&call.args[2])?);
    outdate(call, first, second);
    outdate(call, second, first);
    call.store.dbs.swap(first, second);
    call.store.blocked.touch_all();
    Ok(Reply::OK)
}

/// A database is about to be replaced by another: EXEC will fail for those that watch a key that is in either.
fn outdate(call: &mut Call<'_>, db: usize, by: usize) {
    let store = &call.store;
    let places = store.watchers.keys().filter(|(at, _)| *at == db);
    let changed = places.filter(|(_, key)| store.dbs[db].contains(key) || store.dbs[by].contains(key));
    let changed: Vec<Bytes> = changed.map(|(_, key)| key.clone()).collect();
    for key in changed {
        call.store.outdate(db, &key);
    }
}

/// The same for a database that is about to be emptied.
pub(crate) fn outdate_all(call: &mut Call<'_>, db: usize) {
    outdate(call, db, db);
}

/// There is no cluster here.
fn cluster(_: &mut Call<'_>) -> Answer {
    Err(Abort::error("ERR This instance has cluster support disabled"))
}
