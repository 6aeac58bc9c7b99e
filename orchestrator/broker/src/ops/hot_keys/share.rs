//! The hottest keys of every process, for `antiphon redis hotkeys` to read.
use std::collections::BTreeMap;
use std::time::Duration;

use antiphon_core::time::{Clock as _, WallClock};
use redis::AsyncCommands as _;
use serde::{Deserialize, Serialize};
use tokio_util::sync::CancellationToken;

use super::watch::HOT_PER_MINUTE;
use crate::config::RedisError;
use crate::handle::RedisHandle;
use crate::keys;
use crate::keys::HOT_TTL;

/// Keys that each process publishes.
pub const MAX_SHARED: usize = 10;
/// How often it does.
const PUBLISH_INTERVAL: Duration = Duration::from_secs(2);
/// What was reports longer ago is not shown.
const MAX_AGE_MS: u64 = 10_000;

/// One key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HotKey {
    pub key: String,
    /// Accesses within the last minute, at least.
    pub per_minute: u64,
    /// Whether it is hot in one of the processes.
    pub hot: bool,
}

/// What one process publishes.
#[derive(Debug, Serialize, Deserialize)]
struct Report {
    at_ms: u64,
    keys: Vec<HotKey>,
}

/// Publishes this process's hottest keys until it is to stop.
pub async fn keep_publishing(redis: RedisHandle, stop: CancellationToken) {
    let process = format!("{}-{:08x}", std::process::id(), rand::random::<u32>());
    let mut every = tokio::time::interval(PUBLISH_INTERVAL);
    every.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            () = stop.cancelled() => break,
            _ = every.tick() => {}
        }
        if let Err(error) = publish(&redis, &process).await {
            tracing::debug!(%error, "hot keys could not be reports of");
        }
    }
    // Otherwise it becomes stale by itself.
    let _: redis::RedisResult<()> = redis.connection().hdel(keys::hot_keys(), &process).await;
}

/// Publishes this process's hottest keys, under this name.
pub async fn publish(redis: &RedisHandle, process: &str) -> Result<(), RedisError> {
    let keys: Vec<HotKey> = redis
        .hot_keys()
        .top(MAX_SHARED)
        .into_iter()
        .map(|estimate| HotKey {
            key: estimate.name.to_string(),
            per_minute: estimate.at_least,
            hot: estimate.at_least > HOT_PER_MINUTE,
        })
        .collect();
    let reports = Report { at_ms: WallClock::default().now().as_millis(), keys };
    let name = keys::hot_keys();
    let text = serde_json::to_string(&reports)
        .map_err(|error| RedisError::Content { key: name.clone(), why: error.to_string() })?;
    let mut pipe = redis::pipe();
    pipe.atomic().hset(&name, process, text).ignore();
    pipe.expire(&name, i64::try_from(HOT_TTL.as_secs()).unwrap_or(i64::MAX)).ignore();
    let () = pipe.query_async(&mut redis.connection()).await?;
    Ok(())
}

/// The hottest keys over all processes, the hottest first; with how many processes reports of theirs lately.
pub async fn top(redis: &RedisHandle) -> Result<(Vec<HotKey>, usize), RedisError> {
    let reports: BTreeMap<String, String> = redis.stale_reads().hgetall(keys::hot_keys()).await?;
    let now_ms = WallClock::default().now().as_millis();
    let lately: Vec<Report> = reports
        .values()
        .filter_map(|text| serde_json::from_str(text).ok())
        .filter(|reports: &Report| now_ms < reports.at_ms.saturating_add(MAX_AGE_MS))
        .collect();
    let processes = lately.len();
    Ok((merge(lately), processes))
}

fn merge(reports: Vec<Report>) -> Vec<HotKey> {
    let mut sums: BTreeMap<String, HotKey> = BTreeMap::new();
    for key in reports.into_iter().flat_map(|reports| reports.keys) {
        match sums.get_mut(&key.key) {
            Some(sum) => {
                sum.per_minute = sum.per_minute.saturating_add(key.per_minute);
                sum.hot |= key.hot;
            }
            None => {
                sums.insert(key.key.clone(), key);
            }
        }
    }
    let mut all: Vec<HotKey> = sums.into_values().collect();
    // Sorting keeps the order of names among equals.
    all.sort_by_key(|key| std::cmp::Reverse(key.per_minute));
    all.truncate(MAX_SHARED);
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_several_processes_publish_is_added_up() {
        let key = |key: &str, per_minute, hot| HotKey { key: key.into(), per_minute, hot };
        let one = Report { at_ms: 0, keys: vec![key("a", 900, false), key("b", 1_001, true)] };
        let two = Report { at_ms: 0, keys: vec![key("a", 950, false), key("c", u64::MAX, false)] };
        let all = merge(vec![one, two]);
        assert_eq!(all, [key("c", u64::MAX, false), key("a", 1_850, false), key("b", 1_001, true)]);
        let many = (0..50).map(|n| key(&n.to_string(), n, false)).collect();
        assert_eq!(merge(vec![Report { at_ms: 0, keys: many }]).len(), MAX_SHARED);
    }
}
