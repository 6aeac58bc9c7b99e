//! All data of a server: databases, connections, and what they wait for, subscribe to and watch.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use bytes::Bytes;
use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};

use super::acl::selector::Denied;
use super::acl::users::Users;
use super::blocked::Blocked;
use super::client::Client;
use super::db::Db;
use super::effect::Effect;
use super::ids::ClientId;
use super::invalidation::ReadKeys;
use super::memory::Memory;
use super::memory::weight;
use super::pause::Pause;
use super::settings::Settings;
use super::slowlog::SlowLog;
use super::stats::Stats;
use super::subscriptions::{ChannelKind, Subscriptions};
use super::{eviction, key_events, monitor};
use crate::limits::Limits;
use crate::lua::Scripts;
use crate::resp::{Protocol, Reply};
use crate::spec::Spec;

/// How many numbered databases there are.
pub(crate) const DATABASES: usize = 16;

/// What a store is made with.
#[derive(Clone, Debug, Default)]
pub struct StoreConfig {
    /// Bounds.
    pub limits: Limits,
    /// Password of the default user; none leaves the server open to all that reach its socket.
    pub password: Option<String>,
    /// Seed of everything random in it (SPOP, RANDOMKEY, run id).
    pub seed: u64,
    /// TCP port, for INFO.
    pub port: u16,
}

/// All data of one embedded server.
pub(crate) struct State {
    pub(crate) config: StoreConfig,
    pub(crate) dbs: Vec<Db>,
    pub(crate) clients: BTreeMap<ClientId, Client>,
    pub(crate) blocked: Blocked,
    pub(crate) subscriptions: Subscriptions,
    pub(crate) watchers: HashMap<(usize, Bytes), BTreeSet<ClientId>>,
    pub(crate) effects: Vec<Effect>,
    pub(crate) scripts: Scripts,
    pub(crate) settings: Settings,
    pub(crate) memory: Memory,
    pub(crate) slowlog: SlowLog,
    pub(crate) pause: Pause,
    pub(crate) tracked: ReadKeys,
    pub(crate) users: Users,
    /// The connection whose command is at hand.
    pub(crate) current: Option<ClientId>,
    /// Connections that see every command (MONITOR).
    pub(crate) monitors: BTreeSet<ClientId>,
    pub(crate) random: StdRng,
    pub(crate) run_id: String,
    pub(crate) stats: Stats,
    pub(crate) started_at: u64,
    /// Microseconds since the epoch, as of the command at hand.
    pub(crate) micros: u64,
    next_client: ClientId,
}

impl State {
    /// An empty store that begins at this time (microseconds since the epoch).
    pub(crate) fn new(config: StoreConfig, micros: u64) -> Self {
        let mut random = StdRng::seed_from_u64(config.seed);
        let run_id = format!("{:032x}{:08x}", random.random::<u128>(), random.random::<u32>());
        Self {
            scripts: Scripts::new(&config.limits),
            dbs: (0..DATABASES).map(|_| Db::default()).collect(),
            clients: BTreeMap::new(),
            blocked: Blocked::default(),
            subscriptions: Subscriptions::default(),
            watchers: HashMap::new(),
            effects: Vec::new(),
            settings: Settings::new(&config.limits, config.port),
            memory: Memory::default(),
            slowlog: SlowLog::default(),
            pause: Pause::default(),
            tracked: ReadKeys::default(),
            users: Users::new(config.password.as_deref()),
            current: None,
            monitors: BTreeSet::new(),
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
    pub(crate) fn connect(&mut self, micros: u64, address: impl Into<String>) -> Option<ClientId> {
        self.stats.connections += 1;
        if self.clients.len() >= self.config.limits.clients {
            self.stats.rejected += 1;
            return None;
        }
        let open = self.users.is_open();
        Some(self.attach(micros, address.into(), open))
    }

    /// A new connection, however many there are.
    pub(crate) fn attach(&mut self, micros: u64, address: String, authenticated: bool) -> ClientId {
        self.next_client += 1;
        let id = self.next_client;
        self.clients.insert(id, Client::new(id, address, authenticated, micros / 1000));
        id
    }

    /// A connection closed, with all it waited for, subscribed to and watched.
    pub(crate) fn disconnect(&mut self, id: ClientId) {
        self.blocked.remove(id);
        self.pause.remove(id);
        self.unwatch(id);
        self.unsubscribe_all(id);
        self.untrack(id);
        self.monitors.remove(&id);
        self.clients.remove(&id);
    }

    /// Which protocol a connection speaks.
    pub(crate) fn protocol(&self, id: ClientId) -> Protocol {
        self.clients.get(&id).map_or(Protocol::Resp2, |client| client.protocol)
    }

    /// Milliseconds since the epoch, as of the command at hand.
    pub(crate) fn now(&self) -> u64 {
        self.micros / 1000
    }

    /// A key was changed: EXEC will fail for those that watch it, and commands that wait for it run again.
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
                self.notify_key_event(db, 'x', "expired", &key);
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
        let all = [
            (ChannelKind::Channel, std::mem::take(&mut client.channels)),
            (ChannelKind::Pattern, std::mem::take(&mut client.patterns)),
            (ChannelKind::Shard, std::mem::take(&mut client.shard_channels)),
        ];
        for (kind, names) in all {
            for name in names {
                self.subscriptions.remove(kind, &name, id);
            }
        }
    }

    /// Sends a message to those that subscribe; gives how many.
    pub(crate) fn publish(&mut self, channel: &Bytes, message: &Bytes) -> usize {
        let sent = self.subscriptions.publish(channel, message);
        let count = sent.len();
        self.effects.extend(sent);
        count
    }

    /// Publishes that something of this class happened to a key, if that is wanted.
    pub(crate) fn notify_key_event(&mut self, db: usize, class: char, event: &str, key: &Bytes) {
        for (channel, message) in key_events::messages(&self.settings.events, db, class, event, key) {
            self.publish(&channel, &message);
        }
    }

    /// Shows a command to connections that monitor. What a script runs has no address.
    pub(crate) fn show(&mut self, client: Option<ClientId>, db: usize, command: &[Bytes]) {
        if self.monitors.is_empty() {
            return;
        }
        let address = match client {
            None => "lua",
            Some(id) => self.clients.get(&id).map_or("", |client| client.address.as_str()),
        };
        let line = monitor::line(self.micros, db, address, command);
        for id in &self.monitors {
            self.effects.push(Effect::Send(*id, Reply::Status(line.clone())));
        }
    }

    /// Whether nothing more may be written, though all was evicted that the policy allows.
    pub(crate) fn is_full(&mut self) -> bool {
        while self.memory.is_full(&self.dbs, self.settings.maxmemory) {
            if !self.evict() {
                return true;
            }
        }
        false
    }

    /// Deletes a key to make room; says whether there was one to delete.
    fn evict(&mut self) -> bool {
        let now = self.now();
        let policy = self.settings.policy.as_str();
        let found = eviction::victim(policy, &self.dbs, &mut self.random, now, self.settings.pace);
        let Some((db, key)) = found else { return false };
        let Some(entry) = self.dbs[db].remove(&key) else { return false };
        self.memory.shrink(weight(&key, &entry));
        self.stats.evicted += 1;
        self.notify_key_event(db, 'e', "evicted", &key);
        self.touched(db, &key);
        true
    }

    /// A key is read or written.
    pub(crate) fn used(&mut self, db: usize, key: &Bytes) -> bool {
        let (now, pace) = (self.now(), self.settings.pace);
        let chance = if self.settings.policy.ends_with("lfu") { self.random.random() } else { 1.0 };
        let Some(entry) = self.dbs[db].get_mut(key) else { return false };
        entry.used_at = now;
        if chance < 1.0 {
            entry.frequency.used(now, pace, chance);
        }
        true
    }

    /// Whether the user of a connection may run a command.
    pub(crate) fn check_user(&self, id: ClientId, spec: &Spec, words: &[Bytes]) -> Result<(), Denied> {
        let user = self.clients.get(&id).and_then(|client| self.users.get(&client.user));
        match user {
            Some(user) if user.is_unrestricted() || spec.has(Spec::NO_AUTH) => Ok(()),
            Some(user) => user.check(spec, words),
            // The connection is about to be closed.
            None => Err(Denied::Command(spec.name.to_owned())),
        }
    }

    /// Remembers what a connection read, if it tracks.
    pub(crate) fn has_read(&mut self, id: ClientId, spec: &Spec, command: &[Bytes]) {
        if self.tracked.clients == 0 || !spec.has(Spec::READ) {
            return;
        }
        let tracking = self.clients.get(&id).and_then(|client| client.tracking.as_ref());
        if tracking.is_some_and(|tracking| tracking.remembers_reads()) {
            let effects = self.tracked.remember(id, spec.keys_of(command), &mut self.clients);
            self.effects.extend(effects);
        }
    }

    /// Notifies connections that track of a change.
    pub(crate) fn invalidate(&mut self, key: &Bytes, by: Option<ClientId>) {
        let effects = self.tracked.invalidate(key, by, &mut self.clients);
        self.effects.extend(effects);
    }

    /// Notifies them that all keys were deleted.
    pub(crate) fn invalidate_all(&mut self) {
        let effects = self.tracked.invalidate_all(&mut self.clients);
        self.effects.extend(effects);
    }

    /// Sends what is broadcast of the command at hand.
    pub(crate) fn broadcast(&mut self) {
        let effects = self.tracked.broadcast(&mut self.clients);
        self.effects.extend(effects);
    }

    /// A connection stops tracking.
    pub(crate) fn untrack(&mut self, id: ClientId) {
        if self.clients.get_mut(&id).and_then(|client| client.tracking.take()).is_some() {
            self.tracked.stopped();
        }
    }
}
