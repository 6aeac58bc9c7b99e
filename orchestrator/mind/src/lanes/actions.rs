//! The actions of both lanes after one input.
use antiphon_core::event::{Action, PolicyName};

/// An action with the policy that wants it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decided {
    /// The policy followed.
    pub policy: PolicyName,
    /// What it wants.
    pub action: Action,
}

/// How long each machine took over a step, by the clock the caller handed in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct StepTimes {
    /// The established policy's machine, in microseconds.
    pub established_us: u64,
    /// The adaptive policy's machine, in microseconds.
    pub adaptive_us: u64,
}

impl StepTimes {
    /// The time of a policy's machine.
    pub fn of(&self, policy: PolicyName) -> u64 {
        match policy {
            PolicyName::Established => self.established_us,
            PolicyName::Adaptive => self.adaptive_us,
        }
    }

    /// Sets the time of a policy's machine.
    pub fn set(&mut self, policy: PolicyName, us: u64) {
        match policy {
            PolicyName::Established => self.established_us = us,
            PolicyName::Adaptive => self.adaptive_us = us,
        }
    }
}

/// What the lanes want after one input.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct LaneActions {
    /// To be performed, in order, and recorded.
    pub production: Vec<Decided>,
    /// To be recorded only. Empty while `sandbox.mirror_enabled` is off.
    pub sandbox: Vec<Decided>,
    /// How long it took (zeros from [`super::Lanes::step`]).
    pub times: StepTimes,
}
