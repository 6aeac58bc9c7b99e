//! Entries of the outbox.
use antiphon_core::event::Input;
use antiphon_core::ids::{SessionId, TurnId};
use serde::{Deserialize, Serialize};

use crate::keys::WorkQueue;
use crate::queue::Job;

/// A job on its way to a queue, with its idempotency key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OutboxEntry {
    /// Which queue.
    pub queue: WorkQueue,
    /// Its idempotency key.
    pub once: String,
    /// The job.
    pub job: Job,
}

/// The idempotency key of a piece of work: its own name within its turn, so that an order carried out twice is one job.
/// `work` separates what a turn needs several times: provider, and number of a sentence.
pub fn idempotency_key(session: SessionId, turn: TurnId, queue: WorkQueue, work: &str) -> String {
    format!("{session}:{turn}:{queue}:{work}")
}

/// The work of a sentence that is to be spoken.
pub fn synthesis_work(provider: &str, index: u32) -> String {
    format!("{provider}:{index}")
}

/// The piece of work that an input answers for good.
pub(crate) fn answered_by(session: SessionId, input: &Input) -> Option<String> {
    let (turn, queue, work) =
        match input {
            Input::TranscriptFinal { turn, provider, .. }
            | Input::TranscriptFailed { turn, provider, .. } => (turn, WorkQueue::Stt, provider.clone()),
            Input::GenerationFinished { turn, provider, .. }
            | Input::GenerationFailed { turn, provider, .. } => (turn, WorkQueue::Llm, provider.clone()),
            Input::SynthesisFinished { turn, index, provider, .. }
            | Input::SynthesisFailed { turn, index, provider, .. } => {
                (turn, WorkQueue::Tts, synthesis_work(provider, *index))
            }
            _ => return None,
        };
    Some(idempotency_key(session, *turn, queue, &work))
}
