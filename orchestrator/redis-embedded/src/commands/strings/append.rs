//! APPEND.

use crate::commands::prelude::*;
use bytes::BytesMut;

use crate::store::text::Text;
use crate::store::value::Value;

pub(crate) const COMMANDS: &[Command] = &[Command::new("append", 3, W | FAST, ONE, append)];

fn append(call: &mut Call<'_>) -> Answer {
    let (key, more) = (&call.args[1], &call.args[2]);
    let limit = call.store.config.limits.bulk_bytes;
    if call.string(key)?.map_or(0, Bytes::len) + more.len() > limit {
        return Err(Abort::error("ERR string exceeds maximum allowed size (proto-max-bulk-len)"));
    }
    if !call.db().contains(key) {
        call.put(key, Value::Str(Text::new(more.clone())));
        return Ok(Reply::count(more.len()));
    }
    let value = call.string_mut(key)?;
    // Without another holder of the bytes, this grows them in place.
    let mut grown = std::mem::take(value).try_into_mut().unwrap_or_else(|held| BytesMut::from(&held[..]));
    grown.extend_from_slice(more);
    *value = grown.freeze();
    let len = value.len();
    call.wrote(key);
    Ok(Reply::count(len))
}
