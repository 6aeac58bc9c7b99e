//! A ledger row before it is chained and stored.
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::event::{Action, Input, PolicyName};
use crate::ids::{CorrelationId, GuildId, Lane, SessionId, TurnId};
use crate::time::Timestamp;

/// What a row says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Body {
    /// Something happened; both lanes got it.
    Input {
        /// What.
        input: Input,
    },
    /// A lane wanted something.
    Action {
        /// What.
        action: Action,
        /// Following which policy.
        policy: PolicyName,
        /// How long the step that led to it took, in microseconds.
        step_us: u64,
    },
    /// A key in Redis changed.
    Transition {
        /// Its name.
        key: String,
        /// What it held, shortened.
        before: Option<String>,
        /// What it holds, shortened.
        after: Option<String>,
    },
    /// A command was refused, a flag changed, a breaker tripped: whatever an operator would look for.
    Audit {
        /// What happened.
        what: String,
        /// A person or a part of the program.
        who: String,
        /// Details.
        details: serde_json::Value,
    },
}

impl Body {
    /// The name used in queries and reports.
    pub fn kind(&self) -> &'static str {
        match self {
            Body::Input { .. } => "input",
            Body::Action { .. } => "action",
            Body::Transition { .. } => "transition",
            Body::Audit { .. } => "audit",
        }
    }
}

/// One row: where it belongs, when it happened, what it says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Record {
    /// The guild.
    pub guild: GuildId,
    /// The session.
    pub session: SessionId,
    /// When it happened.
    pub at: Timestamp,
    /// Whose action it is; none for what both lanes share.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lane: Option<Lane>,
    /// The turn, if any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub turn: Option<TurnId>,
    /// What ties it to logs, spans and jobs.
    pub correlation: CorrelationId,
    /// What it says.
    pub body: Body,
}

impl Record {
    /// A row for `session`; turn and correlation are taken from the body.
    pub fn new(guild: GuildId, session: SessionId, at: Timestamp, lane: Option<Lane>, body: Body) -> Self {
        let turn = match &body {
            Body::Input { input } => input.turn(),
            Body::Action { action, .. } => action.turn(),
            Body::Transition { .. } | Body::Audit { .. } => None,
        };
        Self { guild, session, at, lane, turn, correlation: CorrelationId::new(session, turn), body }
    }
}
