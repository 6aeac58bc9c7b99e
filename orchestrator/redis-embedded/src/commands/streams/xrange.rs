//! XRANGE, XREVRANGE.

use super::xadd::range_id;
use crate::commands::prelude::*;
use crate::store::stream::{StreamId, entry_reply};

pub(crate) const COMMANDS: &[Command] = &[
    Command::new("xrange", -4, R, ONE, |call| range(call, false)),
    Command::new("xrevrange", -4, R, ONE, |call| range(call, true)),
];

/// The two ends of a range; `(` leaves an end out.
pub(crate) fn ends(start: &[u8], end: &[u8]) -> Result<(StreamId, StreamId), Abort> {
    let start = match start.strip_prefix(b"(") {
        Some(open) => super::xadd::parse_id(open, 0)?
            .next()
            .ok_or_else(|| Abort::error("ERR invalid start ID for the interval"))?,
        None => range_id(start, 0)?,
    };
    let end = match end.strip_prefix(b"(") {
        Some(open) => super::xadd::parse_id(open, u64::MAX)?
            .previous()
            .ok_or_else(|| Abort::error("ERR invalid end ID for the interval"))?,
        None => range_id(end, u64::MAX)?,
    };
    Ok((start, end))
}

fn range(call: &mut Call<'_>, reverse: bool) -> Answer {
    let args = call.args;
    let (start, end) = if reverse { ends(&args[3], &args[2])? } else { ends(&args[2], &args[3])? };
    let count = match &args[4..] {
        [] => None,
        [word, count] if is(word, "count") => Some(int(count)?),
        _ => return Err(syntax()),
    };
    let stream = call.stream(&args[1])?;
    let take = match count {
        None => usize::MAX,
        Some(count) if count < 0 => 0,
        Some(count) => usize::try_from(count).unwrap_or(usize::MAX),
    };
    let Some(stream) = stream else { return Ok(Reply::Array(Vec::new())) };
    if count.is_some() && take == 0 {
        return Ok(Reply::NilArray);
    }
    let reply = |(id, fields)| entry_reply(id, fields);
    let entries = stream.range(start, end);
    Ok(Reply::Array(if reverse {
        entries.rev().take(take).map(reply).collect()
    } else {
        entries.take(take).map(reply).collect()
    }))
}
