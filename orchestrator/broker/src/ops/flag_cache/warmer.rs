//! Filling the cache in the background, the guilds first that were busy last; and keeping it fresh.
use std::time::Duration;

use antiphon_core::ids::GuildId;
use redis::AsyncCommands as _;
use tokio_util::sync::CancellationToken;

use super::flags::{FlagStore, LIFE_MS};
use crate::config::RedisError;
use crate::keys;
use crate::keys::RECENT_TTL;

/// Bound on guilds loaded at the start.
const MAX_WARMED: isize = 5_000;
/// Guilds remembered as recently busy.
const MAX_RECENT: isize = 10_000;
/// Guilds loaded in one round trip.
const MAX_BATCH: usize = 64;
/// Wait between round trips: warming leaves room for people.
const BATCH_INTERVAL: Duration = Duration::from_millis(20);
/// How often what grows old is loaded again, and busy guilds are published.
const REFRESH_INTERVAL: Duration = Duration::from_secs(10);
/// A guild that was not busy for so long is not kept fresh.
const MAX_IDLE_MS: u64 = 900_000;

/// Warms a cache.
#[derive(Debug)]
pub struct Warmer {
    flags: FlagStore,
    /// Guilds still to be loaded, and all that there were.
    left: Vec<GuildId>,
    all: usize,
}

impl Warmer {
    /// Finds out who was busy lately.
    pub async fn start(flags: FlagStore) -> Result<Self, RedisError> {
        // Who was busy a moment ago does not matter here.
        let recent: Vec<String> =
            flags.redis().stale_reads().zrevrange(keys::recent_guilds(), 0, MAX_WARMED - 1).await?;
        // The least recent first, so that taking from the end gives the most recent.
        let left: Vec<GuildId> = recent.iter().rev().filter_map(|guild| guild.parse().ok()).collect();
        let all = left.len();
        tracing::info!(guilds = all, "warming the cache with the guilds that were busy last");
        Ok(Self { flags, left, all })
    }

    /// Loads the next ones. Gives whether any are left.
    pub async fn step(&mut self) -> Result<bool, RedisError> {
        let quarters = self.quarters();
        let batch = self.left.split_off(self.left.len().saturating_sub(MAX_BATCH));
        if let Err(error) = self.flags.load(&batch).await {
            self.left.extend(batch);
            return Err(error);
        }
        let ready = self.ready();
        metrics::gauge!("antiphon_cache_warm_ratio", "cache" => "flags").set(ready);
        if self.quarters() > quarters && !self.left.is_empty() {
            tracing::info!(loaded = self.all - self.left.len(), of = self.all, "warming the cache");
        }
        if self.left.is_empty() {
            tracing::info!(guilds = self.all, "the cache is warm");
        }
        Ok(!self.left.is_empty())
    }

    /// How many fourths of it are loaded; each is logged.
    fn quarters(&self) -> usize {
        (self.all - self.left.len()) * 4 / self.all.max(1)
    }

    /// How much is loaded, from 0 to 1.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "a share")]
    pub fn ready(&self) -> f64 {
        if self.all == 0 { 1.0 } else { (self.all - self.left.len()) as f64 / self.all as f64 }
    }

    /// Loads again what is in use and grows old, and publishes which guilds were busy.
    pub async fn refresh(&mut self) -> Result<(), RedisError> {
        let now = self.flags.now().as_millis();
        let aging =
            self.flags.cache().aging(now.saturating_sub(MAX_IDLE_MS), now.saturating_sub(LIFE_MS / 2));
        for batch in aging.chunks(MAX_BATCH) {
            self.flags.load(batch).await?;
        }
        let busy = self.flags.take_busy();
        if !busy.is_empty() {
            let name = keys::recent_guilds();
            let scores: Vec<(u64, String)> = busy.into_iter().map(|guild| (now, guild.to_string())).collect();
            let mut pipe = redis::pipe();
            pipe.atomic().zadd_multiple(&name, &scores).ignore();
            pipe.zremrangebyrank(&name, 0, -MAX_RECENT - 1).ignore();
            pipe.expire(&name, i64::try_from(RECENT_TTL.as_secs()).unwrap_or(i64::MAX)).ignore();
            let () = pipe.query_async(&mut self.flags.redis().connection()).await?;
        }
        let (hits, misses) = self.flags.counts();
        #[expect(clippy::cast_precision_loss, reason = "a share")]
        if hits + misses > 0 {
            let ratio = hits as f64 / (hits + misses) as f64;
            metrics::gauge!("antiphon_cache_hit_ratio", "cache" => "flags").set(ratio);
        }
        Ok(())
    }
}

/// Warms the cache in the background, and keeps it fresh until it is to stop.
pub async fn keep_warm(flags: FlagStore, stop: CancellationToken) {
    let warming = async {
        let mut warmer = loop {
            match Warmer::start(flags.clone()).await {
                Ok(warmer) => break warmer,
                Err(error) => note(&error),
            }
            tokio::time::sleep(REFRESH_INTERVAL).await;
        };
        loop {
            match warmer.step().await {
                Ok(true) => tokio::time::sleep(BATCH_INTERVAL).await,
                Ok(false) => break,
                Err(error) => {
                    note(&error);
                    tokio::time::sleep(REFRESH_INTERVAL).await;
                }
            }
        }
        let mut every = tokio::time::interval(REFRESH_INTERVAL);
        every.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            every.tick().await;
            if let Err(error) = warmer.refresh().await {
                note(&error);
            }
        }
    };
    tokio::select! {
        () = stop.cancelled() => {}
        () = warming => {}
    }
}

fn note(error: &RedisError) {
    tracing::warn!(%error, "the cache is not warmed now");
    metrics::counter!("antiphon_redis_errors_total", "where" => "warming").increment(1);
}
