//! Transitions, and the sink that takes them.
use antiphon_core::ids::{GuildId, SessionId};
use antiphon_core::time::Timestamp;
use serde::{Deserialize, Serialize};
use tokio::sync::mpsc;

/// Values are cut to this many characters: the ledger records what changed, not a copy.
const MAX_CHARS: usize = 200;

/// One key that changed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Transition {
    /// The guild it was changed for.
    pub guild: GuildId,
    /// The session it was changed for.
    pub session: SessionId,
    pub key: String,
    /// What it held, shortened.
    pub before: Option<String>,
    /// What it holds now, shortened.
    pub after: Option<String>,
    pub at: Timestamp,
}

/// Takes transitions; cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct TransitionSink(Option<mpsc::Sender<Transition>>);

impl TransitionSink {
    /// A sink, and where what it takes comes out; it holds up to `capacity` of them.
    #[must_use]
    pub fn channel(capacity: usize) -> (Self, mpsc::Receiver<Transition>) {
        let (sender, receiver) = mpsc::channel(capacity.max(1));
        (Self(Some(sender)), receiver)
    }

    /// A sink without a receiver.
    #[must_use]
    pub fn none() -> Self {
        Self(None)
    }

    /// Whether there is a receiver: nothing need be put into words otherwise.
    #[must_use]
    pub fn is_connected(&self) -> bool {
        self.0.is_some()
    }

    /// Forwards a change that was recorded in another process.
    pub fn forward(&self, transition: Transition) {
        let Some(sender) = &self.0 else { return };
        if sender.try_send(transition).is_err() {
            metrics::counter!("antiphon_redis_transitions_dropped_total").increment(1);
        }
    }

    /// Records a change.
    pub fn record(
        &self,
        (guild, session): (GuildId, SessionId),
        key: &str,
        before: Option<&str>,
        after: Option<&str>,
        at: Timestamp,
    ) {
        if !self.is_connected() {
            return;
        }
        let short = |text: &str| text.chars().take(MAX_CHARS).collect::<String>();
        self.forward(Transition {
            guild,
            session,
            key: key.to_owned(),
            before: before.map(short),
            after: after.map(short),
            at,
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WHOSE: (GuildId, SessionId) = (GuildId(1), SessionId(uuid::Uuid::nil()));

    #[tokio::test]
    async fn a_slow_receiver_loses_the_newest_and_blocks_nothing() {
        let (sink, mut out) = TransitionSink::channel(1);
        sink.record(WHOSE, "a", None, Some("1"), Timestamp(1));
        sink.record(WHOSE, "b", None, Some("2"), Timestamp(2));
        assert_eq!(out.recv().await.unwrap().key, "a");
        assert!(out.try_recv().is_err());
    }

    #[tokio::test]
    async fn long_values_are_shortened() {
        let (sink, mut out) = TransitionSink::channel(1);
        sink.record(WHOSE, "a", None, Some(&"x".repeat(1000)), Timestamp(1));
        assert_eq!(out.recv().await.unwrap().after.unwrap().len(), MAX_CHARS);
    }
}
