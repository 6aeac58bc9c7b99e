//! INCRBYFLOAT.

use crate::commands::prelude::*;
use crate::number::{add_decimals, parse_f64};

pub(crate) const COMMANDS: &[Command] = &[Command::new("incrbyfloat", 3, W | FAST, ONE, incrbyfloat)];

fn incrbyfloat(call: &mut Call<'_>) -> Answer {
    let (key, by) = (&call.args[1], &call.args[2]);
    let before = call.string(key)?.cloned().unwrap_or_else(|| Bytes::from_static(b"0"));
    if parse_f64(&before).is_none() || parse_f64(by).is_none() {
        return Err(Abort::error(NOT_FLOAT));
    }
    let after = add_decimals(&before, by)
        .ok_or_else(|| Abort::error("ERR increment would produce NaN or Infinity"))?;
    let after = Bytes::from(after);
    call.replace_string(key, after.clone())?;
    call.wrote(key);
    Ok(Reply::Bulk(after))
}
