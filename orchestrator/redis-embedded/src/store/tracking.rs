//! Client-side caching: connections are told when a key that they read has changed (CLIENT TRACKING).
//!
//! <https://redis.io/docs/latest/develop/reference/client-side-caching/>

use std::collections::{BTreeMap, BTreeSet, HashMap};

use bytes::Bytes;

use super::client::ClientId;
use super::state::{Effect, Store};
use crate::commands::Spec;
use crate::resp::{Protocol, Reply};

/// The channel on which a connection that speaks RESP2 is told.
const CHANNEL: &[u8] = b"__redis__:invalidate";
/// Keys remembered at most (Redis: `tracking-table-max-keys`).
const MOST_KEYS: usize = 1_000_000;

/// What a connection wants to be told.
#[derive(Clone, Debug, Default)]
pub(crate) struct Tracking {
    /// Who is told in its place.
    pub(crate) redirect: Option<ClientId>,
    /// Every key is told, or those with these beginnings, whether it was read or not.
    pub(crate) broadcast: bool,
    pub(crate) prefixes: Vec<Bytes>,
    /// Only reads that were announced count, or all but those.
    pub(crate) opt_in: bool,
    pub(crate) opt_out: bool,
    /// Not what it changes itself.
    pub(crate) no_loop: bool,
    /// CLIENT CACHING, for the next command.
    pub(crate) caching: bool,
    /// Who was told in its place is gone.
    pub(crate) broken: bool,
}

/// Who has read which key.
#[derive(Debug, Default)]
pub(crate) struct Tracked {
    readers: HashMap<Bytes, BTreeSet<ClientId>>,
    /// What is to be told to all who want everything, once the command is done.
    broadcasts: BTreeMap<(ClientId, Bytes), BTreeSet<Bytes>>,
    /// How many connections want to be told: without any, nothing is done.
    pub(crate) clients: usize,
}

impl Tracked {
    pub(crate) fn keys(&self) -> usize {
        self.readers.len()
    }

    pub(crate) fn items(&self) -> usize {
        self.readers.values().map(BTreeSet::len).sum()
    }
}

impl Store {
    /// Remembers what a connection read.
    pub(crate) fn has_read(&mut self, client: ClientId, spec: &Spec, command: &[Bytes]) {
        if self.tracked.clients == 0 || !spec.has(Spec::READ) {
            return;
        }
        let Some(tracking) = self.clients.get(&client).and_then(|client| client.tracking.as_ref()) else {
            return;
        };
        if tracking.broadcast
            || (tracking.opt_in && !tracking.caching)
            || (tracking.opt_out && tracking.caching)
        {
            return;
        }
        for key in crate::commands::keys_of(spec, command) {
            if self.tracked.readers.len() >= MOST_KEYS
                && !self.tracked.readers.contains_key(&key)
                && let Some(other) = self.tracked.readers.keys().next().cloned()
            {
                // Forgotten, so whoever read it is told.
                self.invalidate(&other, None);
            }
            self.tracked.readers.entry(key).or_default().insert(client);
        }
    }

    /// A key was changed, by this connection if by any.
    pub(crate) fn invalidate(&mut self, key: &Bytes, by: Option<ClientId>) {
        if self.tracked.clients == 0 {
            return;
        }
        let mut told = self.tracked.readers.remove(key).unwrap_or_default();
        told.retain(|id| self.clients.get(id).is_some_and(|client| client.tracking.is_some()));
        // By the beginning that they asked for: each is told of in a message of its own.
        let mut everything: Vec<(ClientId, Bytes)> = Vec::new();
        for client in self.clients.values() {
            let Some(tracking) = client.tracking.as_ref().filter(|tracking| tracking.broadcast) else {
                continue;
            };
            let prefix = if tracking.prefixes.is_empty() {
                Some(Bytes::new())
            } else {
                tracking.prefixes.iter().find(|prefix| key.starts_with(prefix)).cloned()
            };
            everything.extend(prefix.map(|prefix| (client.id, prefix)));
        }
        let own = |store: &Self, id: &ClientId| {
            by == Some(*id)
                && store
                    .clients
                    .get(id)
                    .and_then(|c| c.tracking.as_ref())
                    .is_some_and(|tracking| tracking.no_loop)
        };
        for (id, prefix) in everything {
            if !own(self, &id) {
                self.tracked.broadcasts.entry((id, prefix)).or_default().insert(key.clone());
            }
        }
        for id in told {
            if !own(self, &id) {
                self.tell_invalid(id, Reply::strings([key.clone()]));
            }
        }
    }

    /// Tells those who want everything, of all that a command changed at once.
    pub(crate) fn broadcast(&mut self) {
        for ((id, _), keys) in std::mem::take(&mut self.tracked.broadcasts) {
            self.tell_invalid(id, Reply::strings(keys));
        }
    }

    /// Everything is gone.
    pub(crate) fn invalidate_all(&mut self) {
        self.tracked.readers.clear();
        let all: Vec<ClientId> = self
            .clients
            .values()
            .filter(|client| client.tracking.is_some())
            .map(|client| client.id)
            .collect();
        for id in all {
            self.tell_invalid(id, Reply::Nil);
        }
    }

    fn tell_invalid(&mut self, id: ClientId, keys: Reply) {
        let Some(redirect) =
            self.clients.get(&id).and_then(|client| client.tracking.as_ref()).map(|t| t.redirect)
        else {
            return;
        };
        let to = redirect.unwrap_or(id);
        let Some(target) = self.clients.get(&to) else {
            if let Some(tracking) = self.clients.get_mut(&id).and_then(|client| client.tracking.as_mut()) {
                tracking.broken = true;
            }
            if self.protocol(id) == Protocol::Resp3 {
                let gone = Reply::Int(i64::try_from(to).unwrap_or(i64::MAX));
                let parts = vec![Reply::copy(b"tracking-redir-broken"), gone];
                self.effects.push(Effect::Send(id, Reply::Push(parts)));
            }
            return;
        };
        if target.protocol == Protocol::Resp3 {
            let parts = vec![Reply::copy(b"invalidate"), keys];
            self.effects.push(Effect::Send(to, Reply::Push(parts)));
        } else if redirect.is_some() && target.channels.contains(CHANNEL) {
            let keys = if keys == Reply::Nil { Reply::NilArray } else { keys };
            let parts = vec![Reply::copy(b"message"), Reply::copy(CHANNEL), keys];
            self.effects.push(Effect::Send(to, Reply::Push(parts)));
        }
    }

    /// A connection wants to be told no more.
    pub(crate) fn untrack(&mut self, id: ClientId) {
        if self.clients.get_mut(&id).and_then(|client| client.tracking.take()).is_some() {
            self.tracked.clients -= 1;
        }
        if self.tracked.clients == 0 {
            self.tracked.readers.clear();
        }
    }

    /// CLIENT CACHING holds for one command, or one transaction.
    pub(crate) fn cached(&mut self, id: ClientId, command: &str) {
        if self.tracked.clients == 0 || command == "client" {
            return;
        }
        if let Some(client) = self.clients.get_mut(&id)
            && client.queued.is_none()
            && let Some(tracking) = &mut client.tracking
        {
            tracking.caching = false;
        }
    }
}
