//! The result of a comparison.
use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::identity::Identity;
use super::interval::Interval;
use antiphon_core::ids::{SessionId, TurnId};

/// Where a difference comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Class {
    /// Something else was heard or asked: whatever follows cannot be expected to agree.
    Input,
    /// The machines were set up differently: settings, flags, providers.
    Config,
    /// The same was heard under the same settings, and decided differently.
    Code,
    /// The same was decided, and a provider answered differently or at another pace.
    Provider,
}

impl Class {
    /// The name used in reports.
    pub fn as_str(self) -> &'static str {
        match self {
            Class::Input => "input",
            Class::Config => "config",
            Class::Code => "code",
            Class::Provider => "provider",
        }
    }
}

/// One field of one turn that differs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Difference {
    /// The turn.
    pub turn: TurnId,
    /// The field: `turn` when only one run has it, `latency.STAGE` for latencies.
    pub field: String,
    /// What the first run has; none for nothing.
    pub a: Option<String>,
    /// What the second run has.
    pub b: Option<String>,
    /// Where it comes from.
    pub class: Class,
    /// The first run's reason, when a decision of its gives one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub because_a: Option<String>,
    /// The second run's reason.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub because_b: Option<String>,
}

/// How often a field agrees.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
pub struct FieldParity {
    /// Turns in which both runs have it, or one has.
    pub compared: u64,
    /// Turns in which it agrees.
    pub agreed: u64,
}

/// A field that was not compared.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct NotComparable {
    /// In how many turns.
    pub turns: u64,
    /// Why not.
    pub reason: String,
}

/// Two runs compared.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Parity {
    /// The first run's name.
    pub a: String,
    /// The second run's name.
    pub b: String,
    /// The first run's session.
    pub session_a: SessionId,
    /// The second run's session.
    pub session_b: SessionId,
    /// Turns of either run.
    pub turns: u64,
    /// Turns without a difference.
    pub agreed: u64,
    /// `agreed / turns`; 1 when there is no turn.
    pub agreement: f64,
    /// What `agreement` may be with 95 % confidence, given so few turns.
    pub interval: Interval,
    /// Whether both runs took the same inputs, bit for bit.
    pub same_inputs: bool,
    /// Whether both runs wanted the same actions at the same steps, bit for bit.
    pub same_actions: bool,
    /// How often each field agrees.
    pub fields: BTreeMap<String, FieldParity>,
    /// Fields of turns that say nothing about the two runs, because not both of them made or measured them.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub not_comparable: BTreeMap<String, NotComparable>,
    /// Differences by where they come from.
    pub classes: BTreeMap<Class, u64>,
    /// Every difference, by turn.
    pub differences: Vec<Difference>,
    /// Fields that were left out.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub ignored: Vec<String>,
    /// The line-by-line comparison with a replay, where one was made.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub identity: Option<Identity>,
}

impl Parity {
    /// Whether nothing differs beyond the tolerances.
    pub fn holds(&self) -> bool {
        self.differences.is_empty()
    }

    /// Differences of one turn.
    pub fn of_turn(&self, turn: TurnId) -> impl Iterator<Item = &Difference> {
        self.differences.iter().filter(move |difference| difference.turn == turn)
    }
}
