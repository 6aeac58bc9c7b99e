//! The store itself: databases, connections, who waits, who listens, who watches.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use bytes::Bytes;
use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};

use super::blocked::Blocked;
use super::client::{Client, ClientId};
use super::db::Db;
use super::memory::Memory;
use super::settings::Settings;
use super::slowlog::SlowLog;
use super::tracking::Tracked;
use crate::limits::Limits;
use crate::lua::Scripts;
use crate::resp::{Protocol, Reply};

/// How many numbered databases there are.
pub(crate) const DATABASES: usize = 16;

/// What a store is made with.
#[derive(Clone, Debug, Default)]
pub struct StoreConfig {
    /// Bounds.
    pub limits: Limits,
    /// Password of the default user; none leaves the server open to whoever reaches its socket.
    pub password: Option<String>,
    /// Seed of everything random in it (SPOP, RANDOMKEY, run id).
    pub seed: u64,
    /// TCP port, for INFO.
    pub port: u16,
}

/// Something to do outside of the reply to the command at hand.
#[derive(Clone, Debug, PartialEq)]
pub enum Effect {
    /// Send this to that connection: a message, or the answer to a command that waited.
    Send(ClientId, Reply),
    /// Close that connection.
    Close(ClientId),
}

/// Counters for INFO.
#[derive(Debug, Default)]
pub(crate) struct Stats {
    pub(crate) commands: u64,
    pub(crate) connections: u64,
    pub(crate) rejected: u64,
    pub(crate) expired: u64,
    pub(crate) hits: u64,
    pub(crate) misses: u64,
    pub(crate) errors: BTreeMap<String, u64>,
    pub(crate) by_command: BTreeMap<&'static str, CommandStats>,
}

/// Counters of one command, for INFO commandstats.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct CommandStats {
    pub(crate) calls: u64,
    pub(crate) micros: u64,
    pub(crate) rejected: u64,
    pub(crate) failed: u64,
}

/// All data of one embedded server.
pub struct Store {
    pub(crate) config: StoreConfig,
    pub(crate) dbs: Vec<Db>,
    pub(crate) clients: BTreeMap<ClientId, Client>,
    pub(crate) blocked: Blocked,
    pub(crate) channels: HashMap<Bytes, BTreeSet<ClientId>>,
    pub(crate) patterns: BTreeMap<Bytes, BTreeSet<ClientId>>,
    pub(crate) watchers: HashMap<(usize, Bytes), BTreeSet<ClientId>>,
    pub(crate) effects: Vec<Effect>,
    pub(crate) scripts: Scripts,
    pub(crate) settings: Settings,
    pub(crate) memory: Memory,
    pub(crate) slowlog: SlowLog,
    pub(crate) tracked: Tracked,
    /// Whose command is at hand.
    pub(crate) current: Option<ClientId>,
    /// Connections that see every command (MONITOR).
    pub(crate) monitors: BTreeSet<ClientId>,
    /// Channels of shards (SSUBSCRIBE): of the one there is.
    pub(crate) shard_channels: HashMap<Bytes, BTreeSet<ClientId>>,
    pub(crate) random: StdRng,
    pub(crate) run_id: String,
    pub(crate) stats: Stats,
    pub(crate) started_at: u64,
    /// Microseconds since the epoch, as of the command at hand.
    pub(crate) micros: u64,
    next_client: ClientId,
}

impl std::fmt::Debug for Store {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Store").field("clients", &self.clients.len()).finish_non_exhaustive()
    }
}

impl Store {
    /// An empty store that begins at this time (microseconds since the epoch).
    #[must_use]
    pub fn new(config: StoreConfig, micros: u64) -> Self {
        let mut random = StdRng::seed_from_u64(config.seed);
        let run_id = format!("{:032x}{:08x}", random.random::<u128>(), random.random::<u32>());
        Self {
            scripts: Scripts::new(&config.limits),
            dbs: (0..DATABASES).map(|_| Db::default()).collect(),
            clients: BTreeMap::new(),
            blocked: Blocked::default(),
            channels: HashMap::new(),
            patterns: BTreeMap::new(),
            watchers: HashMap::new(),
            effects: Vec::new(),
            settings: Settings::new(&config.limits, config.port),
            memory: Memory::default(),
            slowlog: SlowLog::default(),
            tracked: Tracked::default(),
            current: None,
            monitors: BTreeSet::new(),
            shard_channels: HashMap::new(),
            random,
            run_id,
            stats: Stats::default(),
            started_at: micros / 1000,
            micros,
            next_client: 0,
            config,
        }
    }

    /// A new connection; `None` when there are too many.
    pub fn connect(&mut self, micros: u64, address: impl Into<String>) -> Option<ClientId> {
        self.stats.connections += 1;
        if self.clients.len() >= self.config.limits.clients {
            self.stats.rejected += 1;
            return None;
        }
        self.next_client += 1;
        let id = self.next_client;
        let open = self.config.password.is_none();
        self.clients.insert(id, Client::new(id, address.into(), open, micros / 1000));
        Some(id)
    }

    /// A connection is gone, with all it waited for, listened to and watched.
    pub fn disconnect(&mut self, id: ClientId) {
        self.blocked.remove(id);
        self.unwatch(id);
        self.unsubscribe_all(id);
        self.untrack(id);
        self.monitors.remove(&id);
        self.clients.remove(&id);
    }

    /// What is to be done besides the replies given; empties the list.
    pub fn take_effects(&mut self) -> Vec<Effect> {
        std::mem::take(&mut self.effects)
    }

    /// Which protocol a connection speaks.
    #[must_use]
    pub fn protocol(&self, id: ClientId) -> Protocol {
        self.clients.get(&id).map_or(Protocol::Resp2, |client| client.protocol)
    }

    /// Whether a connection waits for something: its further commands are to wait too.
    #[must_use]
    pub fn is_blocked(&self, id: ClientId) -> bool {
        self.blocked.contains(id)
    }

    /// Whether a connection listens to channels.
    #[must_use]
    pub fn is_subscriber(&self, id: ClientId) -> bool {
        self.clients.get(&id).is_some_and(|client| client.subscriptions() > 0)
    }

    /// Whether a connection asked to be closed once its replies are sent.
    #[must_use]
    pub fn is_closing(&self, id: ClientId) -> bool {
        self.clients.get(&id).is_none_or(|client| client.closing)
    }

    /// When (milliseconds since the epoch) the next waiting command gives up.
    #[must_use]
    pub fn next_deadline(&self) -> Option<u64> {
        self.blocked.next_deadline()
    }

    /// Milliseconds since the epoch, as of the command at hand.
    pub(crate) fn now(&self) -> u64 {
        self.micros / 1000
    }

    /// A key was changed: watchers are told at EXEC, those who wait look again.
    pub(crate) fn touched(&mut self, db: usize, key: &Bytes) {
        self.outdate(db, key);
        self.blocked.touch(db, key);
        self.invalidate(key, self.current);
    }

    pub(crate) fn outdate(&mut self, db: usize, key: &Bytes) {
        if self.watchers.is_empty() {
            return;
        }
        if let Some(watchers) = self.watchers.get(&(db, key.clone())) {
            for id in watchers {
                if let Some(client) = self.clients.get_mut(id) {
                    client.outdated = true;
                }
            }
        }
    }

    /// Removes what has expired.
    pub(crate) fn expire(&mut self) {
        let now = self.now();
        for db in 0..self.dbs.len() {
            while let Some(key) = self.dbs[db].pop_expired(now) {
                self.stats.expired += 1;
                self.memory.freed = true;
                self.tell(db, 'x', "expired", &key);
                self.touched(db, &key);
            }
        }
    }

    pub(crate) fn unwatch(&mut self, id: ClientId) {
        let Some(client) = self.clients.get_mut(&id) else { return };
        client.outdated = false;
        for place in std::mem::take(&mut client.watched) {
            if let Some(watchers) = self.watchers.get_mut(&place) {
                watchers.remove(&id);
                if watchers.is_empty() {
                    self.watchers.remove(&place);
                }
            }
        }
    }

    pub(crate) fn unsubscribe_all(&mut self, id: ClientId) {
        let Some(client) = self.clients.get_mut(&id) else { return };
        let channels = std::mem::take(&mut client.channels);
        let patterns = std::mem::take(&mut client.patterns);
        let shards = std::mem::take(&mut client.shard_channels);
        for channel in shards {
            if let Some(listeners) = self.shard_channels.get_mut(&channel) {
                listeners.remove(&id);
                if listeners.is_empty() {
                    self.shard_channels.remove(&channel);
                }
            }
        }
        for channel in channels {
            if let Some(listeners) = self.channels.get_mut(&channel) {
                listeners.remove(&id);
                if listeners.is_empty() {
                    self.channels.remove(&channel);
                }
            }
        }
        for pattern in patterns {
            if let Some(listeners) = self.patterns.get_mut(&pattern) {
                listeners.remove(&id);
                if listeners.is_empty() {
                    self.patterns.remove(&pattern);
                }
            }
        }
    }
}
