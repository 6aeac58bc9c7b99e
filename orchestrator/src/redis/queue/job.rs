//! What travels over a queue.
use ledger::ids::{CorrelationId, GuildId, SessionId, TurnId};
use serde::{Deserialize, Serialize};

use crate::redis::keys::WorkQueue;

/// One piece of work for one turn.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Job {
    /// Its own id: the same through every attempt.
    pub id: uuid::Uuid,
    /// Whose turn.
    pub guild: GuildId,
    /// The session.
    pub session: SessionId,
    /// The turn.
    pub turn: TurnId,
    /// What ties it to logs, spans and ledger rows.
    pub correlation: CorrelationId,
    /// W3C trace context of whoever asked (<https://www.w3.org/TR/trace-context/>).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub traceparent: Option<String>,
    /// Not worth doing after this moment (milliseconds since 1970).
    pub deadline_ms: u64,
    /// What to do, as the queue's own workers read it.
    pub payload: serde_json::Value,
}

impl Job {
    /// How it is named in transitions: no content.
    pub fn shown(&self, queue: WorkQueue) -> String {
        format!("{queue} job {} of turn {}", self.id, self.turn)
    }
}

/// What came of a job.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// Its effect has happened.
    Done,
    /// It failed and may be tried again.
    Retry(String),
    /// It failed for good.
    Dead(String),
}
