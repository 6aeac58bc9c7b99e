//! The two policies: what the machine asks whenever there is a choice.
//!
//! A policy is a set of pure functions from what is known to a [`Choice`], which carries its reason and its
//! alternatives and is recorded as a decision. Both see the same [`Talk`]; how they differ is told in
//! `docs/machine.md`. [`address`] finds the wake name, [`intent`] what is wanted, [`words`] is shared by both.
pub mod address;
pub mod intent;

mod adaptive;
mod ask;
mod established;

pub use adaptive::Adaptive;
pub use ask::{Choice, Heard, Judge, Need, Respond, Talk, judge};
pub use established::Established;
