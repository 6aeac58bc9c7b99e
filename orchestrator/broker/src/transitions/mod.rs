//! What changed in Redis, for the process that keeps the ledger. Recording never waits: when the receiver falls behind,
//! transitions are dropped and counted.
//!
//! - [`sink`] takes them in the process that keeps the ledger;
//! - [`relay`] carries those of other processes there, over the session's result stream.
pub mod relay;
pub mod sink;

pub use sink::{Transition, TransitionSink};
