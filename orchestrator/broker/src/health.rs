//! Health check of a server.
use std::fmt;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use serde::Serialize;

use super::config::{RedisConfig, RedisError};
use super::health_findings::{Finding, Info, MIN_VERSION, findings};
use crate::connection::{Connection, DialError};

/// A server that can be worked with.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RedisHealth {
    /// Where, without a password.
    pub url: String,
    /// Its version.
    pub version: String,
    /// Whether it is the one in this process.
    pub embedded: bool,
    /// How long a PING took.
    pub ping_us: u64,
    /// What to fix.
    pub findings: Vec<Finding>,
}

impl fmt::Display for RedisHealth {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.embedded {
            write!(f, "embedded, in this process (answers within {} us)", self.ping_us)
        } else {
            write!(f, "{} at {} (answers within {} us)", self.version, self.url, self.ping_us)
        }
    }
}

/// Asks a server who it is, and refuses one that would lose work. Its role was made sure of when it was connected to.
pub(super) async fn check(
    mut connection: Connection,
    config: &RedisConfig,
    embedded: bool,
) -> Result<RedisHealth, RedisError> {
    let began = Instant::now();
    let pong: redis::RedisResult<redis::Value> = redis::cmd("PING").query_async(&mut connection).await;
    pong.map_err(|error| connection.failed(&DialError::Redis(error)))?;
    let ping_us = u64::try_from(began.elapsed().as_micros()).unwrap_or(u64::MAX);
    let asked = Instant::now();
    let (seconds, micros): (u64, u64) = redis::cmd("TIME").query_async(&mut connection).await?;
    let there = Duration::from_secs(seconds) + Duration::from_micros(micros);
    let here = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    // The answer was under way for some of this time.
    let skew = here.abs_diff(there).saturating_sub(asked.elapsed());
    let answer: redis::RedisResult<redis::Value> = redis::cmd("INFO").query_async(&mut connection).await;
    let info = match answer {
        Ok(answer) => Info::read(&answer),
        // An access list forbids it: what it would say is not known, which is no reason not to work.
        Err(error) if error.code() == Some("NOPERM") => Info::default(),
        Err(error) => return Err(error.into()),
    };
    let policy = info.field("maxmemory_policy");
    if config.production && !policy.is_empty() && policy != "noeviction" {
        return Err(RedisError::Eviction { url: config.shown(), policy: policy.to_owned() });
    }
    let version = info.field("redis_version").to_owned();
    if info.version().is_some_and(|version| version < MIN_VERSION) {
        return Err(RedisError::Version { url: config.shown(), version });
    }
    Ok(RedisHealth {
        url: config.shown(),
        version,
        embedded,
        ping_us,
        findings: findings(&info, Duration::from_micros(ping_us), skew),
    })
}
