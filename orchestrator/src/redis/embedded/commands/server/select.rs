//! SELECT, SWAPDB.

use crate::redis::embedded::commands::prelude::*;
use crate::redis::embedded::store::DATABASES;
use crate::redis::embedded::store::number::parse_i64;

pub(crate) const SPECS: &[Spec] =
    &[Spec::new("select", 2, FAST, NONE, select), Spec::new("swapdb", 3, W | FAST, NONE, swapdb)];

/// The number of a database.
pub(crate) fn database(arg: &[u8]) -> Result<usize, Abort> {
    let n = parse_i64(arg).ok_or_else(|| Abort::error(NOT_INTEGER))?;
    usize::try_from(n)
        .ok()
        .filter(|&n| n < DATABASES)
        .ok_or_else(|| Abort::error("ERR DB index is out of range"))
}

fn select(call: &mut Call<'_>) -> Answer {
    let db = database(&call.args[1])?;
    call.client()?.db = db;
    Ok(Reply::OK)
}

fn swapdb(call: &mut Call<'_>) -> Answer {
    int(&call.args[1]).map_err(|_| Abort::error("ERR invalid first DB index"))?;
    int(&call.args[2]).map_err(|_| Abort::error("ERR invalid second DB index"))?;
    let (first, second) = (database(&call.args[1])?, database(&call.args[2])?);
    call.store.dbs.swap(first, second);
    outdate_all(call);
    call.store.blocked.touch_all();
    Ok(Reply::OK)
}

/// Every watched key may have changed.
pub(crate) fn outdate_all(call: &mut Call<'_>) {
    let places: Vec<(usize, Bytes)> = call.store.watchers.keys().cloned().collect();
    for (db, key) in places {
        call.store.outdate(db, &key);
    }
}
