//! Provenance of a result.
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Where a result of a run comes from, from the best evidence to none.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum Provenance {
    /// The lane asked, and a provider did it.
    #[default]
    Performed,
    /// Another lane's result of the same question, taken over.
    Taped,
    /// Computed from what the provider usually takes.
    Estimated,
    /// Of another provider, or of another question, than the lane asked.
    StandIn,
}

impl Provenance {
    /// The name used in reports.
    pub fn as_str(self) -> &'static str {
        match self {
            Provenance::Performed => "performed",
            Provenance::Taped => "taped",
            Provenance::Estimated => "estimated",
            Provenance::StandIn => "stand-in",
        }
    }
}
