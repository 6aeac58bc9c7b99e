//! Names that belong to one guild.
use std::fmt;

use antiphon_core::ids::{GuildId, SessionId, TurnId, UserId};

use super::PREFIX;

/// The consumer group of a session's owner on its result stream.
pub const OWNER_GROUP: &str = "owner";

/// Names that belong to one guild.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GuildKeys(GuildId);

impl GuildKeys {
    /// The names of this guild.
    #[must_use]
    pub fn new(guild: GuildId) -> Self {
        Self(guild)
    }

    fn name(self, rest: fmt::Arguments<'_>) -> String {
        format!("{PREFIX}:{{g{}}}:{rest}", self.0)
    }

    /// Stream of what a speaker said in a turn: PCM at 16 kHz.
    #[must_use]
    pub fn frames(self, session: SessionId, turn: TurnId) -> String {
        self.name(format_args!("frames:{session}:{turn}"))
    }

    /// Stream of one sentence that is to be said in a turn: PCM at 48 kHz.
    #[must_use]
    pub fn synthesis(self, session: SessionId, turn: TurnId, index: u32) -> String {
        self.name(format_args!("speech:{session}:{turn}:{index}"))
    }

    /// Stream of workers' results for a session's owner.
    #[must_use]
    pub fn results(self, session: SessionId) -> String {
        self.name(format_args!("results:{session}"))
    }

    /// The mark that the effect of a job has happened.
    #[must_use]
    pub fn effect(self, job: uuid::Uuid) -> String {
        self.name(format_args!("effect:{job}"))
    }

    /// How many sentences of a job's reply were pushed.
    #[must_use]
    pub fn sentences_pushed(self, job: uuid::Uuid) -> String {
        self.name(format_args!("told:{job}"))
    }

    /// Which attempt writes the reply of a job, and the sentences that were pushed.
    #[must_use]
    pub fn reply(self, job: uuid::Uuid) -> String {
        self.name(format_args!("reply:{job}"))
    }

    /// The mark that a turn is cancelled.
    #[must_use]
    pub fn cancelled(self, session: SessionId, turn: TurnId) -> String {
        self.name(format_args!("cancelled:{session}:{turn}"))
    }

    /// Channel on which cancelled turns of a session are named.
    #[must_use]
    pub fn cancellations(self, session: SessionId) -> String {
        self.name(format_args!("cancellations:{session}"))
    }

    /// Hash of a session.
    #[must_use]
    pub fn session(self, session: SessionId) -> String {
        self.name(format_args!("session:{session}"))
    }

    /// Sorted set of a guild's sessions by when they end without a heartbeat.
    #[must_use]
    pub fn sessions(self) -> String {
        self.name(format_args!("sessions"))
    }

    /// Channel on which changes of a guild's sessions are published.
    #[must_use]
    pub fn session_events(self) -> String {
        self.name(format_args!("session-events"))
    }

    /// Set of keys that are deleted when a session ends without its owner.
    #[must_use]
    pub fn session_items(self, session: SessionId) -> String {
        self.name(format_args!("session-items:{session}"))
    }

    /// Hash of the quotas that a guild has of its own.
    #[must_use]
    pub fn quotas(self) -> String {
        self.name(format_args!("quotas"))
    }

    /// Log of what a guild, or a person in it, took within the windows of its rate limits.
    #[must_use]
    pub fn limit(self, person: Option<UserId>) -> String {
        match person {
            Some(person) => self.name(format_args!("limit:{person}")),
            None => self.name(format_args!("limit")),
        }
    }

    /// Hash of a guild's flags.
    #[must_use]
    pub fn flags(self) -> String {
        self.name(format_args!("flags"))
    }
}
