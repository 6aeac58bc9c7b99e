//! Flags: what holds for all guilds, and what a guild set for itself.
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use antiphon_core::ids::GuildId;
use antiphon_core::time::{Clock, Timestamp};
use redis::AsyncCommands as _;

use super::cache::Cache;
use crate::config::RedisError;
use crate::handle::RedisHandle;
use crate::keys;
use crate::keys::GuildKeys;

/// Guilds whose flags are kept at hand.
const CAPACITY: usize = 10_000;
/// How long what was read serves: so late may a change of another process take effect here.
pub(super) const LIFE_MS: u64 = 60_000;

/// Names and values. A guild's own win over those that hold for all.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Flags(Arc<BTreeMap<String, String>>);

impl Flags {
    /// A flag's value.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }

    /// A flag that is `true` or `false`; none when it is not set, or to something else.
    #[must_use]
    pub fn switch(&self, name: &str) -> Option<bool> {
        self.get(name)?.parse().ok()
    }
}

/// Reads and writes flags. Cheap to clone; clones share the cache.
#[derive(Clone, Debug)]
pub struct FlagStore {
    redis: RedisHandle,
    clock: Arc<dyn Clock>,
    cache: Arc<Mutex<Cache<GuildId, Flags>>>,
    /// Guilds that needed their flags since they were last published.
    busy: Arc<Mutex<BTreeSet<GuildId>>>,
}

impl FlagStore {
    /// The flags in this Redis.
    #[must_use]
    pub fn new(redis: &RedisHandle, clock: Arc<dyn Clock>) -> Self {
        let cache = Arc::new(Mutex::new(Cache::new(CAPACITY, LIFE_MS)));
        Self { redis: redis.clone(), clock, cache, busy: Arc::default() }
    }

    pub(super) fn cache(&self) -> MutexGuard<'_, Cache<GuildId, Flags>> {
        self.cache.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn redis(&self) -> &RedisHandle {
        &self.redis
    }

    pub(super) fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// A guild's flags: at hand, or read now.
    pub async fn get(&self, guild: GuildId) -> Result<Flags, RedisError> {
        let found = self.cache().get(&guild, self.now().as_millis());
        {
            let mut busy = self.busy.lock().unwrap_or_else(PoisonError::into_inner);
            if busy.len() < CAPACITY {
                busy.insert(guild);
            }
        }
        let outcome = if found.is_some() { "hit" } else { "miss" };
        metrics::counter!("antiphon_cache_requests_total", "cache" => "flags", "outcome" => outcome)
            .increment(1);
        if let Some(flags) = found {
            return Ok(flags);
        }
        let loaded = self.load(&[guild]).await?;
        Ok(loaded.into_iter().next().unwrap_or_default())
    }

    /// Guilds that needed their flags since this was last asked.
    pub(super) fn take_busy(&self) -> BTreeSet<GuildId> {
        std::mem::take(&mut *self.busy.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// How often flags were at hand, and how often not.
    #[must_use]
    pub fn counts(&self) -> (u64, u64) {
        self.cache().counts()
    }

    /// A guild's flags, if they are at hand.
    #[must_use]
    pub fn peek(&self, guild: GuildId) -> Option<Flags> {
        self.cache().peek(&guild, self.now().as_millis())
    }

    /// Sets a flag for a guild, or takes it back. Here it holds at once, in other processes within a minute.
    pub async fn set(&self, guild: GuildId, name: &str, value: Option<&str>) -> Result<(), RedisError> {
        let key = GuildKeys::new(guild).flags();
        let mut connection = self.redis.connection();
        let () = match value {
            Some(value) => connection.hset(&key, name, value).await?,
            None => connection.hdel(&key, name).await?,
        };
        self.redis.hot_keys().changed(&key);
        self.load(&[guild]).await?;
        Ok(())
    }

    /// Reads the flags of these guilds in one round trip, and keeps them at hand.
    pub(super) async fn load(&self, guilds: &[GuildId]) -> Result<Vec<Flags>, RedisError> {
        let asked = self.now().as_millis();
        let global = keys::global_flags();
        self.redis.hot_keys().touch(&global);
        let mut pipe = redis::pipe();
        pipe.hgetall(&global);
        for guild in guilds {
            let key = GuildKeys::new(*guild).flags();
            self.redis.hot_keys().touch(&key);
            pipe.hgetall(key);
        }
        let mut read: Vec<BTreeMap<String, String>> = pipe.query_async(&mut self.redis.connection()).await?;
        if read.len() != guilds.len() + 1 {
            return Err(RedisError::Content { key: global, why: "not every hash was answered".into() });
        }
        let all = read.remove(0);
        let mut loaded = Vec::with_capacity(guilds.len());
        let mut cache = self.cache();
        for (guild, own) in guilds.iter().zip(read) {
            let mut flags = all.clone();
            flags.extend(own);
            let flags = Flags(Arc::new(flags));
            cache.load(*guild, flags.clone(), asked);
            loaded.push(flags);
        }
        Ok(loaded)
    }
}
