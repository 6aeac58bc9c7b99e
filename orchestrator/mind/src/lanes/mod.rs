//! The two lanes of a session: the same inputs, two policies; one acts, the other is only recorded.
//!
//! Both machines exist from the session's first input to its last and see every input, so that neither ever has to be
//! told what it missed. A lane is a role: **production** is whatever the acting policy wants, **sandbox** what the
//! other one does. The guard's choice ([`antiphon_core::event::Input::PolicyChosen`]) moves the roles at a turn's start and not within one:
//! a turn that was opened under a policy is carried to its end by it, whatever is chosen meanwhile, so nothing of a
//! turn is lost, doubled or finished by somebody who did not begin it.
mod roles;

#[cfg(test)]
mod tests;

pub use roles::{Decided, LaneActions, Lanes, StepTimes};
