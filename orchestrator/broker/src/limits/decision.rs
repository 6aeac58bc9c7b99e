//! The rate limiter's decision.
use std::time::Duration;

use antiphon_core::ids::{GuildId, UserId};
use serde::Serialize;

use super::quota::Subject;

/// The state of one window after a request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Window {
    /// Whose, and of what.
    pub subject: Subject,
    /// How much is allowed.
    pub limit: u64,
    /// How much is left.
    pub remaining: u64,
    /// When all of it is free again, if nothing more is taken.
    pub reset_after: Duration,
    /// When this request would have fitted, had it not; zero when it did. None when it never can: it wants more than
    /// the whole quota.
    pub retry_after: Option<Duration>,
}

/// Whether a request may go on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Decision {
    /// Whether it may. Then it has been counted in every window; otherwise in none.
    pub allowed: bool,
    /// Each window that was checked.
    pub windows: Vec<Window>,
    /// By what the tokens can be corrected later; none when it was refused.
    #[serde(skip)]
    pub grant: Option<Grant>,
}

impl Decision {
    /// How long to wait before asking again; none when waiting does not help.
    #[must_use]
    pub fn retry_after(&self) -> Option<Duration> {
        self.windows.iter().map(|window| window.retry_after).collect::<Option<Vec<_>>>()?.into_iter().max()
    }

    /// The window that refused, if one did: the one with the longest wait.
    #[must_use]
    pub fn refused_by(&self) -> Option<&Window> {
        let wait = |window: &&Window| window.retry_after.unwrap_or(Duration::MAX);
        self.windows.iter().filter(|window| window.retry_after != Some(Duration::ZERO)).max_by_key(wait)
    }
}

/// What was taken, to be corrected when it is known how many tokens it really was.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Grant {
    pub(super) guild: GuildId,
    pub(super) person: Option<UserId>,
    /// Numbers of the entries in the logs of the guild and of the person.
    pub(super) entries: Vec<String>,
    pub(super) tokens: u64,
}
