//! What each queue's jobs ask for. Sound does not travel in jobs: it lies in the turn's own streams
//! ([`broker::streams::AudioStream`]).
use antiphon_core::event::GenerationRequest;
use antiphon_core::ids::UserId;
use serde::{Deserialize, Serialize};

/// Turn a turn's frames into text.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SttJob {
    /// Who spoke, as fixed when the packets arrived.
    pub user: UserId,
    /// By whom.
    pub provider: String,
}

/// Write a reply.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LlmJob {
    /// By whom.
    pub provider: String,
    /// What is asked.
    pub request: GenerationRequest,
}

/// Speak a sentence.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TtsJob {
    /// By whom.
    pub provider: String,
    /// Which sentence of the turn.
    pub index: u32,
    /// The sentence.
    pub text: String,
}
