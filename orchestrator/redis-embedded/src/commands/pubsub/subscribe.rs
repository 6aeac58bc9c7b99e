//! SUBSCRIBE, PSUBSCRIBE and their opposites.

use std::collections::BTreeSet;

use crate::commands::prelude::*;
use crate::store::Store;
use crate::store::client::Client;

const FLAGS: u16 = NO_SCRIPT | Spec::PUBSUB | Spec::WHILE_SUBSCRIBED;

pub(crate) const SPECS: &[Spec] = &[
    Spec::new("subscribe", -2, FLAGS, NONE, |call| subscribe(call, Kind::Channel)),
    Spec::new("psubscribe", -2, FLAGS, NONE, |call| subscribe(call, Kind::Pattern)),
    Spec::new("ssubscribe", -2, FLAGS, ALL, |call| subscribe(call, Kind::Shard)),
    Spec::new("sunsubscribe", -1, FLAGS, ALL, |call| unsubscribe(call, Kind::Shard)),
    Spec::new("unsubscribe", -1, FLAGS, NONE, |call| unsubscribe(call, Kind::Channel)),
    Spec::new("punsubscribe", -1, FLAGS, NONE, |call| unsubscribe(call, Kind::Pattern)),
];

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Channel,
    Pattern,
    Shard,
}

impl Kind {
    fn of(self, client: &mut Client) -> &mut BTreeSet<Bytes> {
        match self {
            Self::Channel => &mut client.channels,
            Self::Pattern => &mut client.patterns,
            Self::Shard => &mut client.shard_channels,
        }
    }

    fn word(self, on: bool) -> &'static [u8] {
        match (self, on) {
            (Self::Channel, true) => b"subscribe",
            (Self::Channel, false) => b"unsubscribe",
            (Self::Pattern, true) => b"psubscribe",
            (Self::Pattern, false) => b"punsubscribe",
            (Self::Shard, true) => b"ssubscribe",
            (Self::Shard, false) => b"sunsubscribe",
        }
    }

    /// Subscriptions of this kind are counted together.
    fn count(self, client: &Client) -> usize {
        match self {
            Self::Shard => client.shard_channels.len(),
            Self::Channel | Self::Pattern => client.channels.len() + client.patterns.len(),
        }
    }
}

fn confirmation(kind: Kind, on: bool, name: Reply, count: usize) -> Reply {
    Reply::Push(vec![Reply::copy(kind.word(on)), name, Reply::count(count)])
}

fn subscribe(call: &mut Call<'_>, kind: Kind) -> Answer {
    let mut replies = Vec::new();
    let id = call.client;
    let most = call.store.config.limits.subscriptions;
    for name in &call.args[1..] {
        let client = call.client()?;
        if client.subscriptions() >= most {
            return Err(Abort::error("ERR too many subscriptions for one connection"));
        }
        kind.of(client).insert(name.clone());
        let count = kind.count(client);
        let Store { channels, patterns, shard_channels, .. } = &mut *call.store;
        match kind {
            Kind::Channel => channels.entry(name.clone()).or_default().insert(id),
            Kind::Shard => shard_channels.entry(name.clone()).or_default().insert(id),
            Kind::Pattern => patterns.entry(name.clone()).or_default().insert(id),
        };
        replies.push(confirmation(kind, true, Reply::Bulk(name.clone()), count));
    }
    Ok(Reply::Many(replies))
}

fn unsubscribe(call: &mut Call<'_>, kind: Kind) -> Answer {
    let id = call.client;
    let given = &call.args[1..];
    let names: Vec<Bytes> =
        if given.is_empty() { kind.of(call.client()?).iter().cloned().collect() } else { given.to_vec() };
    if names.is_empty() {
        let count = kind.count(call.client()?);
        return Ok(Reply::Many(vec![confirmation(kind, false, Reply::Nil, count)]));
    }
    let mut replies = Vec::new();
    for name in names {
        let client = call.client()?;
        kind.of(client).remove(&name);
        let count = kind.count(client);
        let Store { channels, patterns, shard_channels, .. } = &mut *call.store;
        let leave = |listeners: &mut BTreeSet<u64>| {
            listeners.remove(&id);
            listeners.is_empty()
        };
        let empty = match kind {
            Kind::Channel => channels.get_mut(&name).is_some_and(leave),
            Kind::Pattern => patterns.get_mut(&name).is_some_and(leave),
            Kind::Shard => shard_channels.get_mut(&name).is_some_and(leave),
        };
        if empty {
            match kind {
                Kind::Channel => channels.remove(&name),
                Kind::Pattern => patterns.remove(&name),
                Kind::Shard => shard_channels.remove(&name),
            };
        }
        replies.push(confirmation(kind, false, Reply::Bulk(name), count));
    }
    Ok(Reply::Many(replies))
}
