//! Who and what takes part: people, providers, flags, settings.
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::ids::UserId;

/// Somebody in the voice channel.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
pub struct Member {
    /// Their id, fixed when a packet arrives and carried from there on.
    pub user: UserId,
    /// The name shown in the guild.
    pub name: String,
    /// Another bot: never listened to.
    #[serde(default)]
    pub bot: bool,
}

/// Whether a person's voice may be kept and used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Consent {
    /// They said yes (or the guild's policy is opt-out and they have not said no).
    Granted,
    /// They said no, or have not said yes where the policy is opt-in.
    Withheld,
}

/// What a provider does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ProviderKind {
    /// Speech to text.
    Stt,
    /// Language model.
    Llm,
    /// Text to speech.
    Tts,
}

impl ProviderKind {
    /// The name used in keys, records and metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            ProviderKind::Stt => "stt",
            ProviderKind::Llm => "llm",
            ProviderKind::Tts => "tts",
        }
    }
}

/// A provider as the machine knows it. The list's order is the operator's order of preference.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
pub struct Provider {
    /// What it does.
    pub kind: ProviderKind,
    /// Its name in configuration, such as `whisper`, `offline`, `groq`, `espeak`.
    pub name: String,
    /// Whether its last health probes succeeded and its breaker is closed.
    pub healthy: bool,
    /// What it is expected to take to its first result, in milliseconds.
    pub expected_ms: u32,
}

/// The flags in force. A flag that is not mentioned has its default: the ledger and the mirror are on, the adaptive policy
/// may not act.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct Flags {
    /// The adaptive lane may act, if the guard agrees.
    #[serde(rename = "orchestrator.adaptive_enabled")]
    pub adaptive_enabled: bool,
    /// Decisions are written to the ledger.
    #[serde(rename = "ledger.enabled")]
    pub ledger_enabled: bool,
    /// Production's inputs are mirrored to the sandbox lane.
    #[serde(rename = "sandbox.mirror_enabled")]
    pub mirror_enabled: bool,
}

impl Default for Flags {
    fn default() -> Self {
        Self { adaptive_enabled: false, ledger_enabled: true, mirror_enabled: true }
    }
}

/// Which policy a machine follows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(rename = "Policy")]
pub enum PolicyName {
    /// Answers every utterance with the first healthy provider, in full sentences.
    Established,
    /// Answers when addressed, chooses providers by latency budget, and fits the reply's style to the talk.
    Adaptive,
}

impl PolicyName {
    /// The name used in records, metrics and reports.
    pub fn as_str(self) -> &'static str {
        match self {
            PolicyName::Established => "established",
            PolicyName::Adaptive => "adaptive",
        }
    }
}

/// What the machine is told at the start of a session and keeps to.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct Settings {
    /// The name people call the bot by.
    pub wake_name: String,
    /// For how long after a reply to somebody the adaptive policy takes their next words as meant for it.
    pub follow_up_ms: u32,
    /// How long from the end of speech to the first sound of the answer is thought pleasant.
    pub latency_budget_ms: u32,
    /// A transcript that takes longer is given up.
    pub transcribe_timeout_ms: u32,
    /// A reply whose next sentence takes longer is given up.
    pub generate_timeout_ms: u32,
    /// A sentence whose speech takes longer goes to another voice, then to the text channel.
    pub synthesize_timeout_ms: u32,
    /// Below this confidence (permille) a transcript is not acted upon.
    pub min_confidence_permille: u16,
    /// Sentences of a reply at the most.
    pub max_sentences: u32,
    /// Turns of conversation kept as context.
    pub context_turns: u32,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            wake_name: "Antiphon".into(),
            follow_up_ms: 8_000,
            latency_budget_ms: 1_500,
            transcribe_timeout_ms: 8_000,
            generate_timeout_ms: 8_000,
            synthesize_timeout_ms: 5_000,
            min_confidence_permille: 350,
            max_sentences: 8,
            context_turns: 8,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flags_that_are_not_mentioned_have_their_defaults() {
        assert_eq!(serde_json::from_str::<Flags>("{}").unwrap(), Flags::default());
        let mentioned: Flags = serde_json::from_str(r#"{"sandbox.mirror_enabled":false}"#).unwrap();
        assert_eq!(mentioned, Flags { mirror_enabled: false, ..Flags::default() });
    }
}
