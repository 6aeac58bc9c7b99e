//! Which connections subscribe to which channels, patterns and shard channels.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use bytes::Bytes;

use super::effect::Effect;
use super::glob;
use super::ids::ClientId;
use crate::resp::Reply;

/// What is subscribed to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ChannelKind {
    Channel,
    Pattern,
    /// A channel of a shard: of the one there is.
    Shard,
}

#[derive(Debug, Default)]
pub(crate) struct Subscriptions {
    pub(crate) channels: HashMap<Bytes, BTreeSet<ClientId>>,
    pub(crate) patterns: BTreeMap<Bytes, BTreeSet<ClientId>>,
    pub(crate) shard_channels: HashMap<Bytes, BTreeSet<ClientId>>,
}

impl Subscriptions {
    pub(crate) fn add(&mut self, kind: ChannelKind, name: &Bytes, id: ClientId) {
        let subscribers = match kind {
            ChannelKind::Channel => self.channels.entry(name.clone()).or_default(),
            ChannelKind::Pattern => self.patterns.entry(name.clone()).or_default(),
            ChannelKind::Shard => self.shard_channels.entry(name.clone()).or_default(),
        };
        subscribers.insert(id);
    }

    pub(crate) fn remove(&mut self, kind: ChannelKind, name: &Bytes, id: ClientId) {
        let subscribers = match kind {
            ChannelKind::Channel => self.channels.get_mut(name),
            ChannelKind::Pattern => self.patterns.get_mut(name),
            ChannelKind::Shard => self.shard_channels.get_mut(name),
        };
        let Some(subscribers) = subscribers else { return };
        subscribers.remove(&id);
        if subscribers.is_empty() {
            match kind {
                ChannelKind::Channel => self.channels.remove(name),
                ChannelKind::Pattern => self.patterns.remove(name),
                ChannelKind::Shard => self.shard_channels.remove(name),
            };
        }
    }

    /// A message to all that subscribe to this channel, or to a pattern that it matches.
    pub(crate) fn publish(&self, channel: &Bytes, message: &Bytes) -> Vec<Effect> {
        let (channel_part, message_part) = (Reply::Bulk(channel.clone()), Reply::Bulk(message.clone()));
        let mut effects = Vec::new();
        for id in self.channels.get(channel).into_iter().flatten() {
            let parts = vec![Reply::copy(b"message"), channel_part.clone(), message_part.clone()];
            effects.push(Effect::Send(*id, Reply::Push(parts)));
        }
        for (pattern, subscribers) in &self.patterns {
            if !glob::matches(pattern, channel) {
                continue;
            }
            for id in subscribers {
                let pattern_part = Reply::Bulk(pattern.clone());
                let parts =
                    vec![Reply::copy(b"pmessage"), pattern_part, channel_part.clone(), message_part.clone()];
                effects.push(Effect::Send(*id, Reply::Push(parts)));
            }
        }
        effects
    }

    /// The same for channels of shards.
    pub(crate) fn publish_in_shard(&self, channel: &Bytes, message: &Bytes) -> Vec<Effect> {
        let subscribers = self.shard_channels.get(channel).into_iter().flatten();
        let parts =
            vec![Reply::copy(b"smessage"), Reply::Bulk(channel.clone()), Reply::Bulk(message.clone())];
        subscribers.map(|id| Effect::Send(*id, Reply::Push(parts.clone()))).collect()
    }
}
