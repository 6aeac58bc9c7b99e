//! DEL, UNLINK.

use crate::commands::prelude::*;

pub(crate) const SPECS: &[Spec] = &[
    Spec::new("del", -2, W, ALL, del),
    // Memory is given back at once here: there is nothing to put off.
    Spec::new("unlink", -2, W | FAST, ALL, del),
];

fn del(call: &mut Call<'_>) -> Answer {
    let keys = &call.args[1..];
    let gone = keys.iter().filter(|key| call.delete(key)).count();
    Ok(Reply::count(gone))
}
