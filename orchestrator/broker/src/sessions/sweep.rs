//! Clears up sessions whose owners have ended.
use std::sync::LazyLock;
use std::time::Duration;

use antiphon_core::ids::{GuildId, SessionId};
use redis::AsyncCommands as _;
use tokio::time::{Interval, MissedTickBehavior};
use tokio_util::sync::CancellationToken;

use super::event::SessionEventKind;
use super::store::{SessionError, Sessions};
use crate::keys;
use crate::keys::GuildKeys;

/// How often expired sessions are looked for.
const SWEEP_INTERVAL: Duration = Duration::from_secs(30);
/// Sessions of a guild that are found in one go.
const MAX_BATCH: usize = 256;

/// Finds expired sessions. KEYS: sessions. ARGV: how many. They stay in the list until they are cleared up, so that none
/// is forgotten when a sweeper dies midway.
static FIND_EXPIRED: LazyLock<redis::Script> = LazyLock::new(|| {
    redis::Script::new(
        r"
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
return redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', '(' .. now, 'LIMIT', 0, ARGV[1])
",
    )
});

/// Clears one up, in one atomic step, unless it was renewed or cleared up meanwhile: gives 0 then, else 1 more than its
/// last version (its hash is mostly gone by itself, and with it the version: 0).
/// KEYS: session, sessions, items. ARGV: session, channel, event.
static CLEAR_UP: LazyLock<redis::Script> = LazyLock::new(|| {
    redis::Script::new(
        r"
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local ends = redis.call('ZSCORE', KEYS[2], ARGV[1])
if not ends or tonumber(ends) >= now then return 0 end
local version = tonumber(redis.call('HGET', KEYS[1], 'version') or '0')
for _, item in ipairs(redis.call('SMEMBERS', KEYS[3])) do redis.call('DEL', item) end
redis.call('DEL', KEYS[1], KEYS[3])
redis.call('ZREM', KEYS[2], ARGV[1])
redis.call('PUBLISH', ARGV[2], cjson.encode({ session = ARGV[1], event = ARGV[3], version = version }))
return version + 1
",
    )
});

/// What a sweep cleared up.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Swept {
    /// The sessions, with their guilds.
    pub sessions: Vec<(GuildId, SessionId)>,
}

impl Sessions {
    /// Clears up what expired, in all guilds. Several processes may do so at once: each session is cleared up once. A
    /// guild that fails keeps no other from being swept; the first failure is what is given back.
    pub async fn sweep(&self) -> Result<Swept, SessionError> {
        let mut swept = Swept::default();
        let mut connection = self.redis.connection();
        let guilds: Vec<String> = connection.smembers(keys::session_guilds()).await?;
        let mut failed = None;
        for text in guilds {
            let sweeping = match text.parse::<GuildId>() {
                Ok(guild) => self.sweep_guild(guild, &mut swept).await,
                Err(_) => connection.srem(keys::session_guilds(), text).await.map_err(SessionError::from),
            };
            if let Err(error) = sweeping {
                failed.get_or_insert(error);
            }
        }
        let count = u64::try_from(swept.sessions.len()).unwrap_or(u64::MAX);
        metrics::counter!("antiphon_sessions_expired_total").increment(count);
        failed.map_or(Ok(swept), Err)
    }

    async fn sweep_guild(&self, guild: GuildId, swept: &mut Swept) -> Result<(), SessionError> {
        let mut connection = self.redis.connection();
        let sessions = GuildKeys::new(guild).sessions();
        loop {
            let due: Vec<String> =
                FIND_EXPIRED.key(&sessions).arg(MAX_BATCH).invoke_async(&mut connection).await?;
            let found = due.len();
            for text in due {
                let Ok(session) = text.parse::<SessionId>() else {
                    let () = connection.zrem(&sessions, text).await?;
                    continue;
                };
                if self.clear_up(guild, session).await? {
                    swept.sessions.push((guild, session));
                }
            }
            if found < MAX_BATCH {
                break;
            }
        }
        let left: u64 = connection.zcard(&sessions).await?;
        if left == 0 {
            let () = connection.srem(keys::session_guilds(), guild.to_string()).await?;
            // A session may have been opened in between: then the guild belongs in again.
            let left: u64 = connection.zcard(&sessions).await?;
            if left > 0 {
                let () = connection.sadd(keys::session_guilds(), guild.to_string()).await?;
            }
        }
        Ok(())
    }

    /// Deletes what a session had, and publishes that it has expired. `false` when another process did, or it lives.
    async fn clear_up(&self, guild: GuildId, session: SessionId) -> Result<bool, SessionError> {
        let names = GuildKeys::new(guild);
        let cleared: u64 = CLEAR_UP
            .key(names.session(session))
            .key(names.sessions())
            .key(names.session_items(session))
            .arg(session.to_string())
            .arg(names.session_events())
            .arg(SessionEventKind::Expired.as_str())
            .invoke_async(&mut self.redis.connection())
            .await?;
        if cleared == 0 {
            return Ok(false);
        }
        if cleared > 1 {
            self.record(guild, session, Some(format!("version {}", cleared - 1)), None);
        }
        tracing::info!(%guild, %session, "a session whose owner gave no sign of life was cleared up");
        Ok(true)
    }

    /// Sweeps at once, and then every 30 seconds, until it is to stop. When Redis was away, sessions expired though their
    /// owners live: those have until the next round to give a sign.
    pub async fn keep_sweeping(&self, stop: CancellationToken) {
        let mut every = every();
        let mut away = false;
        while due(&mut every, &stop).await {
            let swept = if away { self.is_there().await } else { self.sweep().await.map(drop) };
            away = swept.is_err();
            if let Err(error) = swept {
                tracing::warn!(%error, "expired sessions could not be cleared up");
                metrics::counter!("antiphon_redis_errors_total", "where" => "sweeping").increment(1);
            }
        }
    }

    /// Asks what a sweep asks first.
    async fn is_there(&self) -> Result<(), SessionError> {
        let _: u64 = self.redis.connection().scard(keys::session_guilds()).await?;
        Ok(())
    }
}

fn every() -> Interval {
    let mut every = tokio::time::interval(SWEEP_INTERVAL);
    every.set_missed_tick_behavior(MissedTickBehavior::Delay);
    every
}

/// Waits until it is to be swept again; `false` when it is to stop.
async fn due(every: &mut Interval, stop: &CancellationToken) -> bool {
    tokio::select! {
        biased;
        () = stop.cancelled() => false,
        _ = every.tick() => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn sweeps_run_at_once_and_every_thirty_seconds() {
        let (began, stop, mut every) = (tokio::time::Instant::now(), CancellationToken::new(), every());
        let mut times = Vec::new();
        while due(&mut every, &stop).await {
            times.push(began.elapsed().as_secs());
            if times.len() == 4 {
                stop.cancel();
            }
        }
        assert_eq!(times, [0, 30, 60, 90]);
    }
}
