//! SUBSCRIBE, PSUBSCRIBE and their opposites.

use std::collections::BTreeSet;

use crate::commands::prelude::*;
use crate::store::client::Client;
use crate::store::subscriptions::ChannelKind;

const FLAGS: u16 = NO_SCRIPT | Spec::PUBSUB | Spec::WHILE_SUBSCRIBED;

pub(crate) const COMMANDS: &[Command] = &[
    Command::new("subscribe", -2, FLAGS, NONE, |call| subscribe(call, ChannelKind::Channel)),
    Command::new("psubscribe", -2, FLAGS, NONE, |call| subscribe(call, ChannelKind::Pattern)),
    Command::new("ssubscribe", -2, FLAGS, ALL, |call| subscribe(call, ChannelKind::Shard)),
    Command::new("sunsubscribe", -1, FLAGS, ALL, |call| unsubscribe(call, ChannelKind::Shard)),
    Command::new("unsubscribe", -1, FLAGS, NONE, |call| unsubscribe(call, ChannelKind::Channel)),
    Command::new("punsubscribe", -1, FLAGS, NONE, |call| unsubscribe(call, ChannelKind::Pattern)),
];

fn of(kind: ChannelKind, client: &mut Client) -> &mut BTreeSet<Bytes> {
    match kind {
        ChannelKind::Channel => &mut client.channels,
        ChannelKind::Pattern => &mut client.patterns,
        ChannelKind::Shard => &mut client.shard_channels,
    }
}

fn word(kind: ChannelKind, on: bool) -> &'static [u8] {
    match (kind, on) {
        (ChannelKind::Channel, true) => b"subscribe",
        (ChannelKind::Channel, false) => b"unsubscribe",
        (ChannelKind::Pattern, true) => b"psubscribe",
        (ChannelKind::Pattern, false) => b"punsubscribe",
        (ChannelKind::Shard, true) => b"ssubscribe",
        (ChannelKind::Shard, false) => b"sunsubscribe",
    }
}

/// Channels and patterns are counted together, channels of shards apart.
fn count_of(kind: ChannelKind, client: &Client) -> usize {
    match kind {
        ChannelKind::Shard => client.shard_channels.len(),
        ChannelKind::Channel | ChannelKind::Pattern => client.channels.len() + client.patterns.len(),
    }
}

fn confirmation(kind: ChannelKind, on: bool, name: Reply, count: usize) -> Reply {
    Reply::Push(vec![Reply::copy(word(kind, on)), name, Reply::count(count)])
}

fn subscribe(call: &mut Call<'_>, kind: ChannelKind) -> Answer {
    let mut replies = Vec::new();
    let id = call.client;
    let max = call.store.config.limits.subscriptions;
    for name in &call.args[1..] {
        let client = call.client()?;
        if client.subscriptions() >= max {
            return Err(Abort::error("ERR too many subscriptions for one connection"));
        }
        of(kind, client).insert(name.clone());
        let count = count_of(kind, client);
        call.store.subscriptions.add(kind, name, id);
        replies.push(confirmation(kind, true, Reply::Bulk(name.clone()), count));
    }
    Ok(Reply::Many(replies))
}

fn unsubscribe(call: &mut Call<'_>, kind: ChannelKind) -> Answer {
    let id = call.client;
    let given = &call.args[1..];
    let names: Vec<Bytes> =
        if given.is_empty() { of(kind, call.client()?).iter().cloned().collect() } else { given.to_vec() };
    if names.is_empty() {
        let count = count_of(kind, call.client()?);
        return Ok(Reply::Many(vec![confirmation(kind, false, Reply::Nil, count)]));
    }
    let mut replies = Vec::new();
    for name in names {
        let client = call.client()?;
        of(kind, client).remove(&name);
        let count = count_of(kind, client);
        call.store.subscriptions.remove(kind, &name, id);
        replies.push(confirmation(kind, false, Reply::Bulk(name), count));
    }
    Ok(Reply::Many(replies))
}
