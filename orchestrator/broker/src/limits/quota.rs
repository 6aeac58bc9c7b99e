//! Quotas of the rate limits.
use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// So much within so long.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Quota {
    /// How much.
    pub limit: u64,
    /// Within how long.
    pub window: Duration,
}

impl Quota {
    /// So much within so many seconds.
    #[must_use]
    pub fn per_seconds(limit: u64, seconds: u64) -> Self {
        Self { limit, window: Duration::from_secs(seconds) }
    }

    pub(super) fn window_ms(self) -> u64 {
        // A window of nothing would never fill.
        u64::try_from(self.window.as_millis()).unwrap_or(u64::MAX).clamp(1, 1 << 40)
    }
}

impl fmt::Display for Quota {
    /// `60/60000`: how much, and the window in milliseconds. So it is stored, too.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.limit, self.window_ms())
    }
}

/// A quota that could not be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a quota is written MOST/MILLISECONDS, as in 60/60000, not {0:?}")]
pub struct BadQuota(String);

impl FromStr for Quota {
    type Err = BadQuota;

    fn from_str(text: &str) -> Result<Self, BadQuota> {
        let bad = || BadQuota(text.chars().take(40).collect());
        let (limit, window) = text.split_once('/').ok_or_else(bad)?;
        let window: u64 = window.parse().ok().filter(|ms| *ms > 0).ok_or_else(bad)?;
        Ok(Self { limit: limit.parse().map_err(|_| bad())?, window: Duration::from_millis(window) })
    }
}

/// What is counted, and whose.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Subject {
    /// Requests of the whole guild.
    GuildRequests,
    /// Tokens of the whole guild.
    GuildTokens,
    /// Requests of one person.
    PersonRequests,
    /// Tokens of one person.
    PersonTokens,
}

impl Subject {
    /// All, in the order in which they are checked.
    pub const ALL: [Self; 4] =
        [Self::GuildRequests, Self::GuildTokens, Self::PersonRequests, Self::PersonTokens];

    /// The name in keys, metrics and settings.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::GuildRequests => "guild_requests",
            Self::GuildTokens => "guild_tokens",
            Self::PersonRequests => "person_requests",
            Self::PersonTokens => "person_tokens",
        }
    }

    pub(super) fn is_personal(self) -> bool {
        matches!(self, Self::PersonRequests | Self::PersonTokens)
    }
}

/// What is allowed unless a guild has its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Limits {
    /// Requests of a guild.
    pub guild_requests: Quota,
    /// Tokens of a guild.
    pub guild_tokens: Quota,
    /// Requests of a person.
    pub person_requests: Quota,
    /// Tokens of a person.
    pub person_tokens: Quota,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            guild_requests: Quota::per_seconds(120, 60),
            guild_tokens: Quota::per_seconds(60_000, 60),
            person_requests: Quota::per_seconds(30, 60),
            person_tokens: Quota::per_seconds(20_000, 60),
        }
    }
}

impl Limits {
    /// The quota for a subject.
    #[must_use]
    pub fn quota(&self, subject: Subject) -> Quota {
        match subject {
            Subject::GuildRequests => self.guild_requests,
            Subject::GuildTokens => self.guild_tokens,
            Subject::PersonRequests => self.person_requests,
            Subject::PersonTokens => self.person_tokens,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quota_reads_back_as_it_is_written() {
        let quota = Quota::per_seconds(60, 60);
        assert_eq!(quota.to_string(), "60/60000");
        assert_eq!("60/60000".parse(), Ok(quota));
        for bad in ["", "60", "60/0", "-1/5", "a/b", "1/2/3"] {
            assert!(bad.parse::<Quota>().is_err(), "{bad}");
        }
    }
}
