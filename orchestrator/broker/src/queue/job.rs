//! Jobs, as queues carry them.
use antiphon_core::ids::{CorrelationId, GuildId, SessionId, TurnId};
use serde::{Deserialize, Serialize};

use super::trace::TraceContext;
use crate::keys::WorkQueue;

/// One piece of work for one turn.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Job {
    /// Its own id: the same through every attempt.
    pub id: uuid::Uuid,
    /// Whose turn.
    pub guild: GuildId,
    pub session: SessionId,
    pub turn: TurnId,
    /// What ties it to logs, spans and ledger rows.
    pub correlation: CorrelationId,
    /// W3C trace context of the caller (<https://www.w3.org/TR/trace-context/>).
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
        shown(queue, self.id, self.turn)
    }

    /// The caller's span; none when it gave none, or one that cannot be read.
    pub fn trace(&self) -> Option<TraceContext> {
        self.traceparent.as_deref()?.parse().ok()
    }
}

/// How a job is named in transitions: no content.
pub(super) fn shown(queue: WorkQueue, job: uuid::Uuid, turn: TurnId) -> String {
    format!("{queue} job {job} of turn {turn}")
}

/// A job's text without its payload, which may hold what people said; nothing of a text that is no job.
pub(super) fn without_payload(job: &str) -> String {
    let Ok(job) = serde_json::from_str::<Job>(job) else { return String::new() };
    serde_json::to_string(&Job { payload: serde_json::Value::Null, ..job }).unwrap_or_default()
}

/// Why a job or its payload cannot be read, without quoting from it: what it holds may be what people said.
pub fn unreadable(error: &serde_json::Error) -> String {
    let text = error.to_string();
    // Names a field of ours.
    if text.starts_with("missing field") {
        return text;
    }
    let what = match error.classify() {
        serde_json::error::Category::Io => "it could not be read",
        serde_json::error::Category::Syntax => "it is no JSON",
        serde_json::error::Category::Data => "a field holds something else than it should",
        serde_json::error::Category::Eof => "it ends too early",
    };
    if error.line() == 0 {
        return what.to_owned();
    }
    format!("{what}, at line {} column {}", error.line(), error.column())
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dead_letters_and_their_reasons_quote_no_one() {
        let job = serde_json::json!({
            "id": uuid::Uuid::nil(), "guild": "1", "session": uuid::Uuid::nil(), "turn": 3,
            "correlation": CorrelationId::new(SessionId(uuid::Uuid::nil()), Some(TurnId(3))),
            "deadline_ms": 5, "payload": { "text": "my secret" },
        });
        let kept = without_payload(&job.to_string());
        assert!(kept.contains(r#""payload":null"#) && !kept.contains("secret"), "{kept}");
        assert_eq!(without_payload(r#"{"text":"my secret""#), "");
        let error = serde_json::from_value::<u32>(serde_json::json!("my secret")).unwrap_err();
        assert!(error.to_string().contains("secret"));
        assert!(!unreadable(&error).contains("secret"), "{}", unreadable(&error));
        let error = serde_json::from_str::<u32>(r#""my secret""#).unwrap_err();
        assert!(!unreadable(&error).contains("secret"), "{}", unreadable(&error));
    }
}
