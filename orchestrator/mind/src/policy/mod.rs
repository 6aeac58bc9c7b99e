//! The two policies: what the machine asks whenever there is a choice.
//!
//! A [`Policy`] is a set of pure functions from what is known to a [`Choice`], which carries its reason and its
//! alternatives and is recorded as a decision. Both see the same [`Conversation`]; `docs/machine.md` says how they
//! differ. [`address`] finds the wake name, [`intent`] what is wanted.
pub mod address;
pub mod intent;

mod adaptive;
mod established;
mod named;
mod questions;

pub use adaptive::Adaptive;
pub use established::Established;
pub use named::named;
pub use questions::{Choice, Conversation, Policy, ProviderRequest, ReplyDecision, Utterance};
