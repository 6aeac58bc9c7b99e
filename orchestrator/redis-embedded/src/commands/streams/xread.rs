//! XREAD and XREADGROUP, waiting or not.

use super::xadd::parse_id;
use crate::commands::prelude::*;
use crate::store::stream::{StreamId, entry_reply};

pub(crate) const COMMANDS: &[Command] = &[
    Command::new("xread", -4, R | Spec::BLOCKING | Spec::MOVABLE_KEYS, NONE, xread),
    Command::new("xreadgroup", -7, W | Spec::BLOCKING | Spec::MOVABLE_KEYS, NONE, xreadgroup),
];

struct Query {
    count: usize,
    block: Option<u64>,
    no_ack: bool,
    group: Option<(Bytes, Bytes)>,
    /// Where the word STREAMS stands.
    streams_at: usize,
}

fn query(args: &[Bytes], grouped: bool) -> Result<Query, Abort> {
    let mut query = Query { count: usize::MAX, block: None, no_ack: false, group: None, streams_at: 0 };
    let mut at = 1;
    while let Some(arg) = args.get(at) {
        let more = args.len() - at - 1;
        if is(arg, "block") && more >= 1 {
            let millis = int(&args[at + 1])
                .map_err(|_| Abort::error("ERR timeout is not an integer or out of range"))?;
            query.block = Some(u64::try_from(millis).map_err(|_| Abort::error("ERR timeout is negative"))?);
            at += 2;
        } else if is(arg, "count") && more >= 1 {
            let count = int(&args[at + 1])?;
            // Zero and less mean no bound.
            query.count = usize::try_from(count).ok().filter(|&count| count > 0).unwrap_or(usize::MAX);
            at += 2;
        } else if is(arg, "streams") && more >= 1 {
            query.streams_at = at;
            break;
        } else if is(arg, "group") && more >= 2 {
            if !grouped {
                return Err(Abort::error(
                    "ERR The GROUP option is only supported by XREADGROUP. You called XREAD instead.",
                ));
            }
            query.group = Some((args[at + 1].clone(), args[at + 2].clone()));
            at += 3;
        } else if is(arg, "noack") {
            if !grouped {
                return Err(Abort::error(
                    "ERR The NOACK option is only supported by XREADGROUP. You called XREAD instead.",
                ));
            }
            query.no_ack = true;
            at += 1;
        } else {
            return Err(syntax());
        }
    }
    if query.streams_at == 0 {
        return Err(syntax());
    }
    if !(args.len() - query.streams_at - 1).is_multiple_of(2) {
        return Err(Abort::error(
            "ERR Unbalanced XREAD list of streams: for each stream key an ID or '$' must be specified.",
        ));
    }
    if grouped && query.group.is_none() {
        return Err(Abort::error("ERR Missing GROUP option for XREADGROUP"));
    }
    Ok(query)
}

impl Query {
    fn keys<'a>(&self, args: &'a [Bytes]) -> (&'a [Bytes], &'a [Bytes]) {
        let rest = &args[self.streams_at + 1..];
        rest.split_at(rest.len() / 2)
    }

    fn until(&self, now: u64) -> Option<u64> {
        self.block.filter(|&millis| millis > 0).map(|millis| now.saturating_add(millis))
    }
}

/// Streams by name: a map in RESP3, pairs in RESP2.
fn by_stream(call: &Call<'_>, found: Vec<(Bytes, Vec<Reply>)>) -> Reply {
    let entries = found.into_iter().map(|(key, entries)| (Reply::Bulk(key), Reply::Array(entries)));
    if call.resp3() {
        Reply::Map(entries.collect())
    } else {
        Reply::Array(entries.map(|(key, entries)| Reply::Array(vec![key, entries])).collect())
    }
}

fn wait(call: &Call<'_>, query: &Query, command: Vec<Bytes>) -> Answer {
    if query.block.is_none() {
        return Ok(Reply::NilArray);
    }
    let (keys, _) = query.keys(call.args);
    call.wait(keys.to_vec(), command, query.until(call.now()), Reply::NilArray)
}

fn xread(call: &mut Call<'_>) -> Answer {
    let args = call.args;
    let query = query(args, false)?;
    let (keys, after) = query.keys(args);
    let mut command = args.to_vec();
    let mut found = Vec::new();
    for (at, (key, after)) in keys.iter().zip(after).enumerate() {
        let stream = call.stream(key)?;
        let after = match &after[..] {
            b"$" => {
                let last = stream.map_or(StreamId::MIN, |stream| stream.last_id);
                // What `$` means is settled now, not when the command is woken.
                command[query.streams_at + 1 + keys.len() + at] = Bytes::from(last.to_string());
                last
            }
            b">" => {
                return Err(Abort::error(
                    "ERR The > ID can be specified only when calling XREADGROUP using the GROUP \
                     <group> <consumer> option.",
                ));
            }
            id => parse_id(id, 0)?,
        };
        let (Some(stream), Some(start)) = (stream, after.next()) else { continue };
        let entries: Vec<Reply> = stream
            .range(start, StreamId::MAX)
            .take(query.count)
            .map(|(id, fields)| entry_reply(id, fields))
            .collect();
        if !entries.is_empty() {
            found.push((key.clone(), entries));
        }
    }
    if found.is_empty() { wait(call, &query, command) } else { Ok(by_stream(call, found)) }
}

fn xreadgroup(call: &mut Call<'_>) -> Answer {
    let args = call.args;
    let query = query(args, true)?;
    let Some((group, consumer)) = query.group.clone() else { return Err(syntax()) };
    let (keys, after) = query.keys(args);
    // All is checked before anything is delivered.
    let mut wanted = Vec::with_capacity(keys.len());
    for (key, after) in keys.iter().zip(after) {
        if call.stream(key)?.is_none_or(|stream| !stream.groups.contains_key(&group)) {
            return Err(Abort::error(format!(
                "NOGROUP No such key '{}' or consumer group '{}' in XREADGROUP with GROUP option",
                String::from_utf8_lossy(key),
                String::from_utf8_lossy(&group)
            )));
        }
        wanted.push(match &after[..] {
            b">" => None,
            b"$" => {
                return Err(Abort::error(
                    "ERR The $ ID is meaningless in the context of XREADGROUP: you want to read the \
                     history of this consumer by specifying a proper ID, or use the > ID to get \
                     new messages. The $ ID would just return an empty result set.",
                ));
            }
            id => Some(parse_id(id, 0)?),
        });
    }
    let mut found = Vec::new();
    for (key, after) in keys.iter().zip(wanted) {
        match after {
            Some(after) => {
                found.push((key.clone(), history(call, key, &group, &consumer, after, query.count)?));
            }
            None => {
                let entries = deliver(call, key, &group, &consumer, &query)?;
                if !entries.is_empty() {
                    found.push((key.clone(), entries));
                }
            }
        }
    }
    if found.is_empty() { wait(call, &query, args.to_vec()) } else { Ok(by_stream(call, found)) }
}

/// What this consumer was given and has not acknowledged.
fn history(
    call: &mut Call<'_>,
    key: &Bytes,
    group: &Bytes,
    consumer: &Bytes,
    after: StreamId,
    count: usize,
) -> Result<Vec<Reply>, Abort> {
    let now = call.now();
    let stream = &mut **call.stream_mut(key)?;
    let Some(group) = stream.groups.get_mut(group) else { return Ok(Vec::new()) };
    let Some(start) = after.next() else { return Ok(Vec::new()) };
    let ids: Vec<StreamId> =
        group.consumer(consumer, now).pending.range(start..).take(count).copied().collect();
    let entries = ids.into_iter().map(|id| match stream.entries.get(&id) {
        Some(fields) => {
            if let Some(pending) = group.pending.get_mut(&id) {
                pending.delivered_at = now;
                pending.deliveries += 1;
            }
            entry_reply(id, fields)
        }
        // Deleted meanwhile, and still to be acknowledged.
        None => Reply::Array(vec![id.reply(), Reply::NilArray]),
    });
    Ok(entries.collect())
}

/// New entries for this consumer.
fn deliver(
    call: &mut Call<'_>,
    key: &Bytes,
    group_name: &Bytes,
    consumer: &Bytes,
    query: &Query,
) -> Result<Vec<Reply>, Abort> {
    let now = call.now();
    let stream = &mut **call.stream_mut(key)?;
    // Taken out while the stream is read.
    let Some(mut group) = stream.groups.remove(group_name) else { return Ok(Vec::new()) };
    let mut entries = Vec::new();
    let start = group.last_id.next().unwrap_or(StreamId::MAX);
    for (id, fields) in stream.range(start, StreamId::MAX).take(query.count) {
        // As in Redis 7.0, a consumer comes into being with its first entry.
        group.consumer(consumer, now);
        group.entries_read = stream.read_after(&group, id);
        group.last_id = id;
        if !query.no_ack {
            group.assign(id, consumer, now, 1);
        }
        entries.push(entry_reply(id, fields));
    }
    if !entries.is_empty() {
        group.consumer(consumer, now).active_at = Some(now);
    }
    stream.groups.insert(group_name.clone(), group);
    if !entries.is_empty() {
        // Watchers see a change; a read wakes no reader.
        let db = call.db;
        call.store.outdate(db, key);
    }
    Ok(entries)
}
