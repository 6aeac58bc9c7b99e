//! Clearing up after owners that are gone.
use std::sync::LazyLock;
use std::time::Duration;

use ledger::ids::{GuildId, SessionId};
use redis::AsyncCommands as _;
use tokio_util::sync::CancellationToken;

use super::event::SessionEventKind;
use super::store::{SessionError, Sessions};
use crate::redis::keys::{self, GuildKeys};

/// How often expired sessions are looked for.
const EVERY: Duration = Duration::from_secs(30);
/// Sessions of a guild that are cleared up in one go.
const BATCH: usize = 256;

/// Takes up to so many expired sessions out of a guild's list; each goes to one caller. KEYS: sessions. ARGV: how
/// many, channel. Tells of them, deletes their items. A session whose hash still lives was renewed meanwhile.
static TAKE_EXPIRED: LazyLock<redis::Script> = LazyLock::new(|| {
    redis::Script::new(
        r"
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local due = redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', '(' .. now, 'LIMIT', 0, ARGV[1])
for _, session in ipairs(due) do redis.call('ZREM', KEYS[1], session) end
return due
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
    /// Clears up what expired, in all guilds. Several processes may do so at once: each session is cleared up once.
    pub async fn sweep(&self) -> Result<Swept, SessionError> {
        let mut swept = Swept::default();
        let mut connection = self.redis.connection();
        let guilds: Vec<String> = connection.smembers(keys::session_guilds()).await?;
        for text in guilds {
            let Ok(guild) = text.parse::<GuildId>() else {
                let () = connection.srem(keys::session_guilds(), text).await?;
                continue;
            };
            let sessions = GuildKeys::new(guild).sessions();
            let due: Vec<String> =
                TAKE_EXPIRED.key(&sessions).arg(BATCH).invoke_async(&mut connection).await?;
            for session in due.iter().filter_map(|text| text.parse::<SessionId>().ok()) {
                self.expired(guild, session).await?;
                swept.sessions.push((guild, session));
            }
            let left: u64 = connection.zcard(&sessions).await?;
            if left == 0 {
                let () = connection.srem(keys::session_guilds(), guild.to_string()).await?;
                // Somebody may have opened one in between: then the guild belongs in again.
                let left: u64 = connection.zcard(&sessions).await?;
                if left > 0 {
                    let () = connection.sadd(keys::session_guilds(), guild.to_string()).await?;
                }
            }
        }
        let count = u64::try_from(swept.sessions.len()).unwrap_or(u64::MAX);
        metrics::counter!("antiphon_sessions_expired_total").increment(count);
        Ok(swept)
    }

    /// The hash is gone by itself; its items and the telling are left.
    async fn expired(&self, guild: GuildId, session: SessionId) -> Result<(), SessionError> {
        let version = self.end(guild, session, SessionEventKind::Expired).await?;
        if version == 0 {
            let event = super::event::SessionEvent { session, event: SessionEventKind::Expired, version };
            let text = serde_json::to_string(&event).unwrap_or_default();
            let channel = GuildKeys::new(guild).session_events();
            let () = self.redis.connection().publish(channel, text).await?;
        }
        tracing::info!(%guild, %session, "a session whose owner gave no sign of life was cleared up");
        Ok(())
    }

    /// Sweeps every 30 seconds until told to stop.
    pub async fn keep_sweeping(&self, stop: CancellationToken) {
        let mut every = tokio::time::interval(EVERY);
        every.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                _ = every.tick() => {}
            }
            if let Err(error) = self.sweep().await {
                tracing::warn!(%error, "expired sessions could not be cleared up");
                metrics::counter!("antiphon_redis_errors_total", "where" => "sweeping").increment(1);
            }
        }
    }
}
