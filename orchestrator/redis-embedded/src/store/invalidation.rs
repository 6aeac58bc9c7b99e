//! Client-side caching: connections are notified when a key that they read has changed (CLIENT TRACKING).
//!
//! <https://redis.io/docs/latest/develop/reference/client-side-caching/>

use std::collections::{BTreeMap, BTreeSet, HashMap};

use bytes::Bytes;

use super::client::Client;
use super::effect::Effect;
use super::ids::ClientId;
use crate::resp::{Protocol, Reply};

/// The channel on which a connection that speaks RESP2 is notified.
const CHANNEL: &[u8] = b"__redis__:invalidate";
/// Keys remembered at most (Redis: `tracking-table-max-keys`).
const MAX_KEYS: usize = 1_000_000;

type Clients = BTreeMap<ClientId, Client>;

/// Which connection has read which key.
#[derive(Debug, Default)]
pub(crate) struct ReadKeys {
    readers: HashMap<Bytes, BTreeSet<ClientId>>,
    /// What is broadcast once the command is done.
    broadcasts: BTreeMap<(ClientId, Bytes), BTreeSet<Bytes>>,
    /// How many connections track: without any, nothing is done.
    pub(crate) clients: usize,
}

impl ReadKeys {
    pub(crate) fn keys(&self) -> usize {
        self.readers.len()
    }

    pub(crate) fn items(&self) -> usize {
        self.readers.values().map(BTreeSet::len).sum()
    }

    /// Remembers what a connection read. A key forgotten for it counts as changed.
    pub(crate) fn remember(&mut self, id: ClientId, keys: Vec<Bytes>, clients: &mut Clients) -> Vec<Effect> {
        let mut effects = Vec::new();
        for key in keys {
            if self.readers.len() >= MAX_KEYS
                && !self.readers.contains_key(&key)
                && let Some(other) = self.readers.keys().next().cloned()
            {
                effects.extend(self.invalidate(&other, None, clients));
            }
            self.readers.entry(key).or_default().insert(id);
        }
        effects
    }

    /// A key was changed, by this connection if by any.
    pub(crate) fn invalidate(
        &mut self,
        key: &Bytes,
        by: Option<ClientId>,
        clients: &mut Clients,
    ) -> Vec<Effect> {
        if self.clients == 0 {
            return Vec::new();
        }
        let readers = self.readers.remove(key).unwrap_or_default();
        let mut effects = Vec::new();
        let mut readers_left = Vec::new();
        for client in clients.values() {
            let Some(tracking) = &client.tracking else { continue };
            if tracking.no_loop && by == Some(client.id) {
                continue;
            }
            // By the prefix that they asked for: each is reported in a message of its own.
            if let Some(prefix) = tracking.broadcast_prefix(key) {
                self.broadcasts.entry((client.id, prefix)).or_default().insert(key.clone());
            }
            if readers.contains(&client.id) {
                readers_left.push(client.id);
            }
        }
        for id in readers_left {
            effects.extend(notice(id, Reply::strings([key.clone()]), clients));
        }
        effects
    }

    /// Sends the broadcasts of all that a command changed at once.
    pub(crate) fn broadcast(&mut self, clients: &mut Clients) -> Vec<Effect> {
        let due = std::mem::take(&mut self.broadcasts);
        due.into_iter().filter_map(|((id, _), keys)| notice(id, Reply::strings(keys), clients)).collect()
    }

    /// All keys were deleted.
    pub(crate) fn invalidate_all(&mut self, clients: &mut Clients) -> Vec<Effect> {
        self.readers.clear();
        let tracking = clients.values().filter(|client| client.tracking.is_some());
        let all: Vec<ClientId> = tracking.map(|client| client.id).collect();
        all.into_iter().filter_map(|id| notice(id, Reply::Nil, clients)).collect()
    }

    /// A connection stopped tracking.
    pub(crate) fn stopped(&mut self) {
        self.clients = self.clients.saturating_sub(1);
        if self.clients == 0 {
            self.readers.clear();
        }
    }
}

/// The message for one connection, to it or to the connection that it named.
fn notice(id: ClientId, keys: Reply, clients: &mut Clients) -> Option<Effect> {
    let client = clients.get(&id)?;
    let redirect = client.tracking.as_ref()?.redirect;
    let to = redirect.unwrap_or(id);
    let Some(target) = clients.get(&to) else {
        let client = clients.get_mut(&id)?;
        client.tracking.as_mut()?.broken = true;
        let closed = Reply::Int(i64::try_from(to).unwrap_or(i64::MAX));
        let parts = vec![Reply::copy(b"tracking-redir-broken"), closed];
        return (client.protocol == Protocol::Resp3).then(|| Effect::Send(id, Reply::Push(parts)));
    };
    if target.protocol == Protocol::Resp3 {
        let parts = vec![Reply::copy(b"invalidate"), keys];
        return Some(Effect::Send(to, Reply::Push(parts)));
    }
    if redirect.is_some() && target.channels.contains(CHANNEL) {
        let keys = if keys == Reply::Nil { Reply::NilArray } else { keys };
        let parts = vec![Reply::copy(b"message"), Reply::copy(CHANNEL), keys];
        return Some(Effect::Send(to, Reply::Push(parts)));
    }
    None
}
