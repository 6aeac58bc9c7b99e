//! Decisions, with their reasons.
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::ids::TurnId;

/// What a choice was about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum DecisionKind {
    /// Who transcribes.
    Transcriber,
    /// Whether to answer.
    Respond,
    /// What the speaker wants, as far as the machine looks (stop, or something to answer).
    Intent,
    /// Who writes the reply.
    Model,
    /// How the reply is written.
    Style,
    /// Who speaks the reply.
    Voice,
    /// Whether to fall silent.
    Interrupt,
    /// What to do instead of what failed.
    Fallback,
    /// Which policy acts.
    Policy,
}

/// A choice, what it was between, and why.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
pub struct Decision {
    /// The turn it is about; none for the session as a whole.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub turn: Option<TurnId>,
    /// What it is about.
    pub kind: DecisionKind,
    /// What was chosen.
    #[serde(rename = "chose")]
    pub choice: String,
    /// Why, for a person to read.
    #[serde(rename = "because")]
    pub reason: String,
    /// What else could have been chosen.
    #[serde(rename = "over", default, skip_serializing_if = "Vec::is_empty")]
    pub alternatives: Vec<String>,
}

/// How a reply is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ReplyStyle {
    /// Whole sentences.
    Full,
    /// As short as can be.
    Brief,
}
