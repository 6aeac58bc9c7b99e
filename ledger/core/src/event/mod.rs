//! The decision machine's language: every [`Input`] that may happen and every [`Action`] that it may want.
//!
//! Both are recorded in bundles and in the ledger as JSON, so a change here is a change of a published format.
mod action;
mod decision;
mod input;
mod party;

pub use action::{Action, GenerationRequest, Message, Outcome, Role, StopReason, TimerKind};
pub use decision::{Decision, DecisionKind, ReplyStyle};
pub use input::{Failure, FailureKind, Input};
pub use party::{Consent, Flags, Member, PolicyName, Provider, ProviderKind, Settings};
