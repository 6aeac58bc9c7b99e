//! The two lanes of a session: the same inputs, two policies; one acts, the other is only recorded.
//!
//! A lane is a role: **production** is whatever the acting policy wants, **sandbox** what the other one does. The
//! guard's choice ([`antiphon_core::event::Input::PolicyChosen`]) moves the roles at a turn's start and not within
//! one: a turn that was opened under a policy is carried to its end by it, whatever is chosen meanwhile, so nothing of
//! a turn is lost, doubled or finished by a policy that did not begin it. Only when the candidate fails
//! ([`antiphon_core::event::Input::CandidateStopped`]) does the established policy take over what it began.
//!
//! While the mirror is on, both machines see every input. While it is off, nothing of the candidate runs; when it is
//! wanted again, its machine starts from what the established one knows.
//!
//! [`Lanes`] is pure and runs the machines one after the other; it can also lend the candidate's machine
//! ([`Lanes::lend_candidate`]) to a caller that runs it where it cannot harm production.
mod actions;
mod both;
mod roles;
mod seat;

#[cfg(test)]
mod tests;

pub use actions::{Decided, LaneActions, StepTimes};
pub use both::Lanes;
