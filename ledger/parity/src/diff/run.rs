//! A session as one lane decided it.
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::turn::TurnView;
use antiphon_core::chain::Digest;
use antiphon_core::event::{Flags, PolicyName, Provider, Settings};
use antiphon_core::ids::{Lane, SessionId};
use antiphon_core::time::Timestamp;

/// Where a run was read from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "from", rename_all = "snake_case")]
pub enum RunSource {
    /// A bundle.
    Bundle {
        /// Its folder.
        path: String,
    },
    /// A replay's output.
    Replay {
        /// Its folder.
        path: String,
    },
    /// The ledger.
    Ledger {
        /// The store's kind.
        store: String,
    },
}

/// A session as one lane decided it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Run {
    /// Where it was read from.
    pub source: RunSource,
    /// The session.
    pub session: SessionId,
    /// Which lane.
    pub lane: Lane,
    /// The policy that it followed, at the end.
    pub policy: PolicyName,
    /// Slot 0, from which times are counted.
    pub started: Timestamp,
    /// Settings of the machine.
    pub settings: Settings,
    /// Flags at the start.
    pub flags: Flags,
    /// Providers at the start.
    pub providers: Vec<Provider>,
    /// Inputs taken.
    pub inputs: u64,
    /// Actions wanted.
    pub actions: u64,
    /// SHA-256 over the inputs.
    pub inputs_digest: Digest,
    /// SHA-256 over the actions with their steps: equal for bit-identical runs.
    pub actions_digest: Digest,
    /// The turns, in order.
    pub turns: Vec<TurnView>,
}

impl Run {
    /// A name for headings: `production (established)`.
    pub fn label(&self) -> String {
        let lane = match self.source {
            RunSource::Replay { .. } => format!("replayed {}", self.lane),
            RunSource::Bundle { .. } | RunSource::Ledger { .. } => self.lane.to_string(),
        };
        format!("{lane} ({})", self.policy.as_str())
    }
}
