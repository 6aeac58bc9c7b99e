//! XINFO: what is known of a stream, its groups and their consumers.

use crate::commands::prelude::*;
use crate::store::stream::{Group, Stream, StreamId, entry_reply};

pub(crate) const COMMANDS: &[Command] = &[Command::new("xinfo", -2, R, (2, 2, 1), xinfo)];

fn xinfo(call: &mut Call<'_>) -> Answer {
    let args = call.args;
    let word = &args[1];
    let known = [("stream", 3), ("groups", 3), ("consumers", 4), ("help", 2)];
    let Some((name, words)) = known.into_iter().find(|(name, _)| is(word, name)) else {
        return Err(Abort::error(format!(
            "ERR unknown subcommand '{}'. Try XINFO HELP.",
            String::from_utf8_lossy(word)
        )));
    };
    if args.len() < words || (args.len() > words && name != "stream") {
        return Err(Abort::error(format!("ERR wrong number of arguments for 'xinfo|{name}' command")));
    }
    if name == "help" {
        return Ok(Reply::Array(vec![Reply::Simple(
            "XINFO STREAM key [FULL [COUNT n]]|GROUPS key|CONSUMERS key group",
        )]));
    }
    let now = call.now();
    let stream = call.stream(&args[2])?.ok_or_else(|| Abort::error(NO_SUCH_KEY))?;
    match name {
        "groups" => Ok(Reply::Array(
            stream.groups.iter().map(|(name, group)| group_reply(stream, name, group)).collect(),
        )),
        "consumers" => {
            let group = stream.groups.get(&args[3]).ok_or_else(|| {
                let text = format!(
                    "NOGROUP No such consumer group '{}' for key name '{}'",
                    String::from_utf8_lossy(&args[3]),
                    String::from_utf8_lossy(&args[2])
                );
                Abort::error(text)
            })?;
            Ok(Reply::Array(consumers(group, now)))
        }
        _ => match &args[3..] {
            [] => Ok(brief(stream)),
            [full] if is(full, "full") => Ok(whole(stream, 10)),
            [full, count, n] if is(full, "full") && is(count, "count") => {
                let n = int(n)?;
                // Zero means all.
                Ok(whole(stream, if n == 0 { usize::MAX } else { usize::try_from(n).unwrap_or(10) }))
            }
            _ => {
                let word = String::from_utf8_lossy(word);
                let text = format!(
                    "ERR unknown subcommand or wrong number of arguments for '{word}'. Try XINFO HELP."
                );
                Err(Abort::error(text))
            }
        },
    }
}

fn key(name: &'static str) -> Reply {
    Reply::copy(name.as_bytes())
}

fn known(n: Option<u64>) -> Reply {
    n.map_or(Reply::Nil, |n| Reply::Int(i64::try_from(n).unwrap_or(i64::MAX)))
}

fn head(stream: &Stream) -> Vec<(Reply, Reply)> {
    let first = stream.entries.keys().next().copied().unwrap_or(StreamId::MIN);
    // Redis holds entries in blocks; the tree of them is not here, its size is made up.
    let blocks = stream.entries.len().div_ceil(100);
    vec![
        (key("length"), Reply::count(stream.entries.len())),
        (key("radix-tree-keys"), Reply::count(blocks)),
        (key("radix-tree-nodes"), Reply::count(blocks + 1)),
        (key("last-generated-id"), stream.last_id.reply()),
        (key("max-deleted-entry-id"), stream.max_deleted.reply()),
        (key("entries-added"), known(Some(stream.added))),
        (key("recorded-first-entry-id"), first.reply()),
    ]
}

fn brief(stream: &Stream) -> Reply {
    let mut pairs = head(stream);
    let entry =
        |at: Option<(&StreamId, &Vec<Bytes>)>| at.map_or(Reply::Nil, |(id, fields)| entry_reply(*id, fields));
    pairs.push((key("groups"), Reply::count(stream.groups.len())));
    pairs.push((key("first-entry"), entry(stream.entries.iter().next())));
    pairs.push((key("last-entry"), entry(stream.entries.iter().next_back())));
    Reply::Map(pairs)
}

fn group_reply(stream: &Stream, name: &Bytes, group: &Group) -> Reply {
    Reply::Map(vec![
        (key("name"), Reply::Bulk(name.clone())),
        (key("consumers"), Reply::count(group.consumers.len())),
        (key("pending"), Reply::count(group.pending.len())),
        (key("last-delivered-id"), group.last_id.reply()),
        (key("entries-read"), known(group.entries_read)),
        (key("lag"), stream.lag(group).map_or(Reply::Nil, Reply::Int)),
    ])
}

fn consumers(group: &Group, now: u64) -> Vec<Reply> {
    let idle = |at: u64| known(Some(now.saturating_sub(at)));
    group
        .consumers
        .iter()
        .map(|(name, consumer)| {
            Reply::Map(vec![
                (key("name"), Reply::Bulk(name.clone())),
                (key("pending"), Reply::count(consumer.pending.len())),
                (key("idle"), idle(consumer.seen_at)),
            ])
        })
        .collect()
}

fn whole(stream: &Stream, count: usize) -> Reply {
    let mut pairs = head(stream);
    let entries = stream.entries.iter().take(count).map(|(id, fields)| entry_reply(*id, fields));
    pairs.push((key("entries"), Reply::Array(entries.collect())));
    let groups = stream.groups.iter().map(|(name, group)| {
        let pending = group.pending.iter().take(count).map(|(id, pending)| {
            Reply::Array(vec![
                id.reply(),
                Reply::Bulk(pending.consumer.clone()),
                known(Some(pending.delivered_at)),
                known(Some(pending.deliveries)),
            ])
        });
        Reply::Map(vec![
            (key("name"), Reply::Bulk(name.clone())),
            (key("last-delivered-id"), group.last_id.reply()),
            (key("entries-read"), known(group.entries_read)),
            (key("lag"), stream.lag(group).map_or(Reply::Nil, Reply::Int)),
            (key("pel-count"), Reply::count(group.pending.len())),
            (key("pending"), Reply::Array(pending.collect())),
            (key("consumers"), Reply::Array(consumers_whole(group, count))),
        ])
    });
    pairs.push((key("groups"), Reply::Array(groups.collect())));
    Reply::Map(pairs)
}

fn consumers_whole(group: &Group, count: usize) -> Vec<Reply> {
    group
        .consumers
        .iter()
        .map(|(name, consumer)| {
            let pending = consumer.pending.iter().take(count).filter_map(|id| {
                let pending = group.pending.get(id)?;
                Some(Reply::Array(vec![
                    id.reply(),
                    known(Some(pending.delivered_at)),
                    known(Some(pending.deliveries)),
                ]))
            });
            Reply::Map(vec![
                (key("name"), Reply::Bulk(name.clone())),
                (key("seen-time"), known(Some(consumer.seen_at))),
                (key("pel-count"), Reply::count(consumer.pending.len())),
                (key("pending"), Reply::Array(pending.collect())),
            ])
        })
        .collect()
}
