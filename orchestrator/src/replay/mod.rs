//! Replay: recorded inputs through fresh machines, on their own recorded times.
//!
//! - [`mod@verify`]: both lanes again, and whether they decide bit for bit what was recorded;
//! - [`candidate`]: another policy over what people did, with its own effects played out by [`effects`] on a virtual
//!   clock, so that what it would have said can be compared; [`tape`] holds the replies that were recorded;
//! - [`bundle`]: both of these on a bundle.
//!
//! Nothing here waits or reads a clock: a caller that wants a replay at real time waits between the steps.
pub mod bundle;
pub mod candidate;
pub mod effects;
pub mod tape;
pub mod verify;

#[cfg(test)]
mod tests;

pub use candidate::{Candidate, CandidateSettings, Step};
pub use tape::Tape;
pub use verify::{Replayed, Replayer, verify};
