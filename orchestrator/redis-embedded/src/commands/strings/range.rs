//! GETRANGE, SUBSTR, SETRANGE: parts of a string.

use crate::commands::prelude::*;
use bytes::BytesMut;

use crate::store::zset::slice;

pub(crate) const COMMANDS: &[Command] = &[
    Command::new("getrange", 4, R, ONE, getrange),
    Command::new("substr", 4, R, ONE, getrange),
    Command::new("setrange", 4, W, ONE, setrange),
];

fn getrange(call: &mut Call<'_>) -> Answer {
    let (start, stop) = (int(&call.args[2])?, int(&call.args[3])?);
    let Some(value) = call.string(&call.args[1])? else { return Ok(Reply::copy(b"")) };
    // An end before the beginning counts as the beginning here.
    let len = i64::try_from(value.len()).unwrap_or(i64::MAX);
    if start < 0 && stop < 0 && start > stop {
        return Ok(Reply::copy(b""));
    }
    let stop = if stop < 0 { stop.saturating_add(len).max(0) } else { stop };
    Ok(match slice(start, stop, value.len()) {
        Some((from, to)) => Reply::Bulk(value.slice(from..=to)),
        None => Reply::copy(b""),
    })
}

fn setrange(call: &mut Call<'_>) -> Answer {
    let (key, part) = (&call.args[1], &call.args[3]);
    let offset = at_least(&call.args[2], 0, "ERR offset is out of range")?;
    let before = call.string(key)?.map_or(0, Bytes::len);
    if part.is_empty() {
        return Ok(Reply::count(before));
    }
    let end = offset.saturating_add(part.len());
    if end > call.store.config.limits.bulk_bytes {
        return Err(Abort::error("ERR string exceeds maximum allowed size (proto-max-bulk-len)"));
    }
    let value = call.string_mut(key)?;
    let mut bytes = std::mem::take(value).try_into_mut().unwrap_or_else(|held| BytesMut::from(&held[..]));
    if bytes.len() < end {
        bytes.resize(end, 0);
    }
    bytes[offset..end].copy_from_slice(part);
    let len = bytes.len();
    *value = bytes.freeze();
    call.store.memory.grown += len.saturating_sub(before) as u64;
    call.wrote(key);
    Ok(Reply::count(len))
}
