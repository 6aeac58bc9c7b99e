//! The rate limiter over Redis.
use std::sync::LazyLock;
use std::time::Duration;

use antiphon_core::ids::{GuildId, UserId};
use redis::AsyncCommands as _;

use super::decision::{Decision, Grant, Window};
use super::quota::{Limits, Quota, Subject};
use crate::config::RedisError;
use crate::handle::RedisHandle;
use crate::keys::GuildKeys;

static TAKE: LazyLock<redis::Script> = LazyLock::new(|| redis::Script::new(include_str!("limiter.lua")));
static CORRECT: LazyLock<redis::Script> = LazyLock::new(|| redis::Script::new(include_str!("correct.lua")));

/// Lua counts in doubles: beyond this they are not exact.
const MAX_TOKENS: u64 = 1 << 50;

/// Of a window: most, used, milliseconds until all is free, milliseconds until the amount fits or less than none.
type State = (u64, u64, u64, i64);

/// What was taken is logged once for the guild and once for the person; each log serves two windows.
fn logs(names: GuildKeys, person: Option<UserId>) -> impl Iterator<Item = String> {
    [Some(names.limit(None)), person.map(|person| names.limit(Some(person)))].into_iter().flatten()
}

/// Limits requests and tokens, exactly, however many callers ask at once.
#[derive(Clone, Debug)]
pub struct RateLimiter {
    redis: RedisHandle,
    limits: Limits,
}

impl RateLimiter {
    /// A limiter with these limits, except where a guild has its own.
    #[must_use]
    pub fn new(redis: &RedisHandle, limits: Limits) -> Self {
        Self { redis: redis.clone(), limits }
    }

    /// Counts one request and its tokens for a guild, and for a person when there is one, if there is room in every
    /// window. Tokens are an estimate that [`RateLimiter::correct`] corrects.
    pub async fn take(
        &self,
        guild: GuildId,
        person: Option<UserId>,
        tokens: u64,
    ) -> Result<Decision, RedisError> {
        let names = GuildKeys::new(guild);
        let tokens = tokens.min(MAX_TOKENS);
        let subjects: Vec<Subject> =
            Subject::ALL.into_iter().filter(|subject| person.is_some() || !subject.is_personal()).collect();
        let mut asking = TAKE.prepare_invoke();
        asking.key(names.quotas());
        for log in logs(names, person) {
            self.redis.hot_keys().touch(&log);
            asking.key(log);
        }
        asking.arg(tokens);
        for subject in &subjects {
            let quota = self.limits.quota(*subject);
            asking.arg(subject.as_str()).arg(quota.limit.min(MAX_TOKENS)).arg(quota.window_ms());
        }
        let (allowed, entries, states): (u8, Vec<String>, Vec<State>) =
            asking.invoke_async(&mut self.redis.connection()).await?;
        let allowed = allowed == 1;
        let windows: Vec<Window> = subjects
            .iter()
            .zip(states)
            .map(|(subject, (limit, used, reset, wait))| Window {
                subject: *subject,
                limit,
                remaining: limit.saturating_sub(used),
                reset_after: Duration::from_millis(reset),
                retry_after: u64::try_from(wait).ok().map(Duration::from_millis),
            })
            .collect();
        let decision =
            Decision { allowed, windows, grant: allowed.then_some(Grant { guild, person, entries, tokens }) };
        let outcome = decision.refused_by().map_or("allowed", |window| window.subject.as_str());
        metrics::counter!("antiphon_rate_limit_total", "outcome" => outcome).increment(1);
        Ok(decision)
    }

    /// Says how many tokens it really was.
    pub async fn correct(&self, grant: &Grant, tokens: u64) -> Result<(), RedisError> {
        let names = GuildKeys::new(grant.guild);
        if grant.tokens == tokens || grant.tokens == 0 {
            return Ok(());
        }
        let mut correcting = CORRECT.prepare_invoke();
        for log in logs(names, grant.person) {
            correcting.key(log);
        }
        correcting.arg(grant.tokens).arg(tokens.min(MAX_TOKENS)).arg(&grant.entries);
        let _: u64 = correcting.invoke_async(&mut self.redis.connection()).await?;
        Ok(())
    }

    /// Gives a guild a quota of its own, or takes it away again.
    pub async fn set_own(
        &self,
        guild: GuildId,
        subject: Subject,
        quota: Option<Quota>,
    ) -> Result<(), RedisError> {
        let key = GuildKeys::new(guild).quotas();
        let mut connection = self.redis.connection();
        match quota {
            Some(quota) => {
                let () = connection.hset(key, subject.as_str(), quota.to_string()).await?;
            }
            None => {
                let () = connection.hdel(key, subject.as_str()).await?;
            }
        }
        Ok(())
    }

    /// The quotas that hold for a guild.
    pub async fn quotas(&self, guild: GuildId) -> Result<Limits, RedisError> {
        let key = GuildKeys::new(guild).quotas();
        let own: std::collections::HashMap<String, String> = self.redis.connection().hgetall(&key).await?;
        let of = |subject: Subject| match own.get(subject.as_str()) {
            Some(text) => text
                .parse()
                .map_err(|error| RedisError::Content { key: key.clone(), why: format!("{error}") }),
            None => Ok(self.limits.quota(subject)),
        };
        Ok(Limits {
            guild_requests: of(Subject::GuildRequests)?,
            guild_tokens: of(Subject::GuildTokens)?,
            person_requests: of(Subject::PersonRequests)?,
            person_tokens: of(Subject::PersonTokens)?,
        })
    }
}
