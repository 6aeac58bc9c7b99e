//! XCLAIM, XAUTOCLAIM: pending entries taken over from another consumer.

use super::xadd::{parse_id, range_id};
use super::xpending::no_group;
use crate::commands::prelude::*;
use crate::store::stream::{Pending, StreamId, entry_reply};

pub(crate) const COMMANDS: &[Command] = &[
    Command::new("xclaim", -6, W | FAST, ONE, xclaim),
    Command::new("xautoclaim", -6, W | FAST, ONE, xautoclaim),
];

/// Pending entries looked at for each one that may be claimed.
const ATTEMPTS: usize = 10;

#[derive(Default)]
struct Options {
    delivered_at: Option<u64>,
    deliveries: Option<u64>,
    force: bool,
    just_id: bool,
    last_id: Option<StreamId>,
}

fn min_idle(arg: &[u8], command: &str) -> Result<u64, Abort> {
    let idle =
        int(arg).map_err(|_| Abort::error(format!("ERR Invalid min-idle-time argument for {command}")))?;
    // A negative one counts as none.
    Ok(u64::try_from(idle).unwrap_or(0))
}

fn options(call: &Call<'_>, args: &[Bytes]) -> Result<Options, Abort> {
    let now = call.now();
    let mut options = Options::default();
    let mut rest = args.iter();
    while let Some(word) = rest.next() {
        if is(word, "force") {
            options.force = true;
            continue;
        }
        if is(word, "justid") {
            options.just_id = true;
            continue;
        }
        let Some(value) = rest.next() else { return Err(unrecognized(word)) };
        if is(word, "idle") {
            let idle = int(value).map_err(|_| Abort::error("ERR Invalid IDLE option argument for XCLAIM"))?;
            options.delivered_at = Some(now.saturating_sub(u64::try_from(idle).unwrap_or(0)));
        } else if is(word, "time") {
            let time = int(value).map_err(|_| Abort::error("ERR Invalid TIME option argument for XCLAIM"))?;
            options.delivered_at = Some(u64::try_from(time).unwrap_or(now).min(now));
        } else if is(word, "retrycount") {
            let count =
                int(value).map_err(|_| Abort::error("ERR Invalid RETRYCOUNT option argument for XCLAIM"))?;
            options.deliveries = Some(u64::try_from(count).unwrap_or(0));
        } else if is(word, "lastid") {
            options.last_id = Some(parse_id(value, 0)?);
        } else {
            return Err(unrecognized(word));
        }
    }
    Ok(options)
}

fn unrecognized(word: &[u8]) -> Abort {
    Abort::error(format!("ERR Unrecognized XCLAIM option '{}'", String::from_utf8_lossy(word)))
}

fn xclaim(call: &mut Call<'_>) -> Answer {
    let args = call.args;
    if call.stream(&args[1])?.is_none_or(|stream| !stream.groups.contains_key(&args[2])) {
        return Err(no_group(&args[1], &args[2]));
    }
    let idle = min_idle(&args[4], "XCLAIM")?;
    // Ids, until something that is none.
    let ids: Vec<StreamId> = args[5..].iter().map_while(|arg| StreamId::parse(arg, 0)).collect();
    let options = options(call, &args[5 + ids.len()..])?;
    let now = call.now();
    let stream = &mut **call.stream_mut(&args[1])?;
    let Some(group) = stream.groups.get_mut(&args[2]) else { return Err(no_group(&args[1], &args[2])) };
    if let Some(last) = options.last_id {
        group.last_id = group.last_id.max(last);
    }
    let mut claimed = Vec::new();
    for id in ids {
        let Some(fields) = stream.entries.get(&id) else {
            // Deleted meanwhile: it cannot be processed any more.
            group.release(id);
            continue;
        };
        let pending = match group.pending.get(&id).cloned() {
            Some(pending) => pending,
            None if options.force => Pending { consumer: args[3].clone(), delivered_at: 0, deliveries: 1 },
            None => continue,
        };
        if now.saturating_sub(pending.delivered_at) < idle {
            continue;
        }
        let deliveries = options.deliveries.unwrap_or(pending.deliveries + u64::from(!options.just_id));
        group.consumer(&args[3], now).active_at = Some(now);
        group.assign(id, &args[3], options.delivered_at.unwrap_or(now), deliveries);
        claimed.push(if options.just_id { id.reply() } else { entry_reply(id, fields) });
    }
    let db = call.db;
    call.store.outdate(db, &args[1]);
    Ok(Reply::Array(claimed))
}

fn xautoclaim(call: &mut Call<'_>) -> Answer {
    let args = call.args;
    let idle = min_idle(&args[4], "XAUTOCLAIM")?;
    let start = match args[5].strip_prefix(b"(") {
        Some(open) => {
            parse_id(open, 0)?.next().ok_or_else(|| Abort::error("ERR invalid start ID for the interval"))?
        }
        None => range_id(&args[5], 0)?,
    };
    let (mut count, mut just_id) = (100, false);
    let mut rest = args[6..].iter();
    while let Some(word) = rest.next() {
        if is(word, "count") {
            let given = rest.next().ok_or_else(syntax)?;
            let max = i64::MAX / 160;
            count = int(given)
                .ok()
                .filter(|n| (1..=max).contains(n))
                .and_then(|n| usize::try_from(n).ok())
                .ok_or_else(|| Abort::error("ERR COUNT must be > 0"))?;
        } else if is(word, "justid") {
            just_id = true;
        } else {
            return Err(syntax());
        }
    }
    if call.stream(&args[1])?.is_none_or(|stream| !stream.groups.contains_key(&args[2])) {
        return Err(no_group(&args[1], &args[2]));
    }
    let now = call.now();
    let stream = &mut **call.stream_mut(&args[1])?;
    let Some(group) = stream.groups.get_mut(&args[2]) else { return Err(no_group(&args[1], &args[2])) };
    let candidates: Vec<(StreamId, Pending)> = group
        .pending
        .range(start..)
        .take(count.saturating_mul(ATTEMPTS))
        .map(|(id, pending)| (*id, pending.clone()))
        .collect();
    let (mut claimed, mut deleted) = (Vec::new(), Vec::new());
    let mut looked_at = None;
    for (id, pending) in candidates {
        if claimed.len() + deleted.len() >= count {
            break;
        }
        looked_at = Some(id);
        let Some(fields) = stream.entries.get(&id) else {
            group.release(id);
            deleted.push(id.reply());
            continue;
        };
        if now.saturating_sub(pending.delivered_at) < idle {
            continue;
        }
        group.consumer(&args[3], now).active_at = Some(now);
        group.assign(id, &args[3], now, pending.deliveries + u64::from(!just_id));
        claimed.push(if just_id { id.reply() } else { entry_reply(id, fields) });
    }
    let next = match looked_at.and_then(StreamId::next) {
        Some(after) => group.pending.range(after..).next().map_or(StreamId::MIN, |(id, _)| *id),
        None => StreamId::MIN,
    };
    let db = call.db;
    call.store.outdate(db, &args[1]);
    Ok(Reply::Array(vec![next.reply(), Reply::Array(claimed), Reply::Array(deleted)]))
}
