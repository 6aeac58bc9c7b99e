//! One turn as one lane saw and decided it.
use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::provenance::Provenance;
use antiphon_core::event::{DecisionKind, Outcome};
use antiphon_core::ids::{TurnId, UserId};

/// How a turn came about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Origin {
    /// By speech in the channel.
    #[default]
    Spoken,
    /// By a written question.
    Asked,
    /// By a request to speak a text.
    Said,
}

/// A choice with its reason.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct DecisionView {
    /// When, in milliseconds from the session's start.
    pub at_ms: u64,
    /// What it is about.
    pub kind: DecisionKind,
    /// What was chosen.
    pub chose: String,
    /// Why.
    pub because: String,
    /// What else could have been chosen.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub over: Vec<String>,
}

/// One turn as one lane saw and decided it. Times are milliseconds from the session's start.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
pub struct TurnView {
    /// Its number.
    pub turn: TurnId,
    /// Who spoke or asked.
    pub user: UserId,
    /// Their name.
    pub name: String,
    /// How it came about.
    pub origin: Origin,
    /// When it began.
    pub began_ms: u64,
    /// When the person had finished.
    pub ended_ms: Option<u64>,
    /// Where their words are on their track: first slot and number of slots.
    pub audio: Option<(u64, u64)>,
    /// When the turn was over.
    pub closed_ms: Option<u64>,
    /// What was heard, asked, or to be said.
    pub transcript: Option<String>,
    /// How sure the transcriber was, 0 to 1000.
    pub confidence: Option<u16>,
    /// What the person wanted.
    pub intent: Option<String>,
    /// Whether the lane set about answering.
    pub responded: bool,
    /// Who transcribes, by the lane's last choice.
    pub stt: Option<String>,
    /// Who writes the reply.
    pub llm: Option<String>,
    /// Who speaks it.
    pub tts: Option<String>,
    /// How the reply is written.
    pub style: Option<String>,
    /// The reply as it was to be spoken or posted.
    pub reply: String,
    /// What was really said aloud.
    pub said: String,
    /// How it ended.
    pub outcome: Option<Outcome>,
    /// When the reply was heard: from and to. Only of a lane that acts.
    pub heard: Option<(u64, u64)>,
    /// Every choice, in order.
    pub decisions: Vec<DecisionView>,
    /// Milliseconds by stage: `transcribe`, `first_token`, `generate`, `speech` (of the first sentence), `play` (from
    /// the end of speech to the wish to play), `voice_to_voice` (to the first sound; only of a lane that acts).
    pub latencies: BTreeMap<String, u64>,
    /// Where fields come from that were not performed: `transcript`, `reply`, `latency.STAGE`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub provenance: BTreeMap<String, Provenance>,
}

impl TurnView {
    /// Where a field comes from. What was said is the reply, as far as it was played.
    pub fn provenance(&self, field: &str) -> Provenance {
        let field = if field == "said" { "reply" } else { field };
        self.provenance.get(field).copied().unwrap_or_default()
    }

    /// Notes where a field comes from; of several parts, the weakest counts.
    pub(super) fn came_from(&mut self, field: &str, provenance: Provenance) {
        if provenance != Provenance::Performed {
            let known = self.provenance.entry(field.to_owned()).or_default();
            *known = provenance.max(*known);
        }
    }

    /// The last reason given for a kind of choice.
    pub fn because(&self, kind: DecisionKind) -> Option<&str> {
        self.decisions
            .iter()
            .rev()
            .find(|decision| decision.kind == kind)
            .map(|decision| decision.because.as_str())
    }

    /// The last choice of a kind.
    pub fn chose(&self, kind: DecisionKind) -> Option<&str> {
        self.decisions
            .iter()
            .rev()
            .find(|decision| decision.kind == kind)
            .map(|decision| decision.chose.as_str())
    }
}
