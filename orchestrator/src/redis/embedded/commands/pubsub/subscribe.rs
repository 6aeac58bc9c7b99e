//! SUBSCRIBE, PSUBSCRIBE and their opposites.

use crate::redis::embedded::commands::prelude::*;
use crate::redis::embedded::store::Store;
use crate::redis::embedded::store::client::Client;

const FLAGS: u16 = NO_SCRIPT | Spec::PUBSUB | Spec::WHILE_SUBSCRIBED;

pub(crate) const SPECS: &[Spec] = &[
    Spec::new("subscribe", -2, FLAGS, NONE, |call| subscribe(call, Kind::Channel)),
    Spec::new("psubscribe", -2, FLAGS, NONE, |call| subscribe(call, Kind::Pattern)),
    Spec::new("unsubscribe", -1, FLAGS, NONE, |call| unsubscribe(call, Kind::Channel)),
    Spec::new("punsubscribe", -1, FLAGS, NONE, |call| unsubscribe(call, Kind::Pattern)),
];

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Channel,
    Pattern,
}

impl Kind {
    fn of(self, client: &mut Client) -> &mut std::collections::BTreeSet<Bytes> {
        match self {
            Self::Channel => &mut client.channels,
            Self::Pattern => &mut client.patterns,
        }
    }

    fn word(self, on: bool) -> &'static [u8] {
        match (self, on) {
            (Self::Channel, true) => b"subscribe",
            (Self::Channel, false) => b"unsubscribe",
            (Self::Pattern, true) => b"psubscribe",
            (Self::Pattern, false) => b"punsubscribe",
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
        let count = client.subscriptions();
        let Store { channels, patterns, .. } = &mut *call.store;
        match kind {
            Kind::Channel => channels.entry(name.clone()).or_default().insert(id),
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
        let count = call.client()?.subscriptions();
        return Ok(Reply::Many(vec![confirmation(kind, false, Reply::Nil, count)]));
    }
    let mut replies = Vec::new();
    for name in names {
        let client = call.client()?;
        kind.of(client).remove(&name);
        let count = client.subscriptions();
        let Store { channels, patterns, .. } = &mut *call.store;
        match kind {
            Kind::Channel => {
                if let Some(listeners) = channels.get_mut(&name) {
                    listeners.remove(&id);
                    if listeners.is_empty() {
                        channels.remove(&name);
                    }
                }
            }
            Kind::Pattern => {
                if let Some(listeners) = patterns.get_mut(&name) {
                    listeners.remove(&id);
                    if listeners.is_empty() {
                        patterns.remove(&name);
                    }
                }
            }
        }
        replies.push(confirmation(kind, false, Reply::Bulk(name), count));
    }
    Ok(Reply::Many(replies))
}
