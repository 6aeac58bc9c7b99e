//! Who acts for which turn.
use std::collections::BTreeMap;

use antiphon_core::event::{Action, Input, PolicyName};
use antiphon_core::ids::TurnId;
use antiphon_core::time::Timestamp;

use crate::machine::Machine;
use crate::machine::limits::{MAX_CLOSED, MAX_OPEN_TURNS};

/// Turns whose acting policy is remembered: all that can be open, and those closed lately, for what comes late.
const MAX_OWNERS: usize = MAX_OPEN_TURNS * 2 + MAX_CLOSED;

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
}

/// What the lanes want after one input.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct LaneActions {
    /// To be performed, in order, and recorded.
    pub production: Vec<Decided>,
    /// To be recorded only. Empty while `sandbox.mirror_enabled` is off.
    pub sandbox: Vec<Decided>,
    /// How long it took (zeros from [`Lanes::step`]).
    pub times: StepTimes,
}

/// Both machines, and who acts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lanes {
    established: Machine,
    adaptive: Machine,
    /// Who acts for turns that open from now on.
    acting: PolicyName,
    /// Who acts for turns that are open, or were until lately.
    owners: BTreeMap<TurnId, PolicyName>,
}

impl Default for Lanes {
    fn default() -> Self {
        Self::new()
    }
}

impl Lanes {
    /// Two fresh machines; the established policy acts until the guard chooses otherwise.
    pub fn new() -> Self {
        Self {
            established: Machine::new(PolicyName::Established),
            adaptive: Machine::new(PolicyName::Adaptive),
            acting: PolicyName::Established,
            owners: BTreeMap::new(),
        }
    }

    /// Tells both machines what happened.
    pub fn step(&mut self, at: Timestamp, input: &Input) -> LaneActions {
        self.step_timed(at, input, || 0)
    }

    /// Like [`Lanes::step`], with each machine's time taken by `now_us`, a clock in microseconds that only the
    /// measurement sees: the decisions cannot depend on it.
    pub fn step_timed(
        &mut self,
        at: Timestamp,
        input: &Input,
        mut now_us: impl FnMut() -> u64,
    ) -> LaneActions {
        if let Input::PolicyChosen { policy, .. } = input {
            self.acting = *policy;
        }
        if let Some(turn) = opens(input)
            && !self.owners.contains_key(&turn)
        {
            self.own(turn);
        }
        let begun = now_us();
        let established = self.established.step(at, input);
        let between = now_us();
        let adaptive = self.adaptive.step(at, input);
        let done = now_us();

        let mut lanes = LaneActions {
            times: StepTimes {
                established_us: between.saturating_sub(begun),
                adaptive_us: done.saturating_sub(between),
            },
            ..LaneActions::default()
        };
        let mirrored = self.established.flags().mirror_enabled;
        for (policy, actions) in [(PolicyName::Established, established), (PolicyName::Adaptive, adaptive)] {
            for action in actions {
                let owner = action.turn().map_or(self.acting, |turn| self.owner(turn));
                if owner == policy {
                    lanes.production.push(Decided { policy, action });
                } else if mirrored {
                    lanes.sandbox.push(Decided { policy, action });
                }
            }
        }
        lanes
    }

    /// Who acts for turns that open from now on.
    pub fn acting(&self) -> PolicyName {
        self.acting
    }

    /// Who acts for a turn.
    pub fn owner(&self, turn: TurnId) -> PolicyName {
        self.owners.get(&turn).copied().unwrap_or(self.acting)
    }

    /// Whether production has a turn open: false means that nothing is lost by stopping now.
    pub fn is_busy(&self) -> bool {
        self.production_turns() > 0
    }

    /// Turns that production has open.
    pub fn production_turns(&self) -> usize {
        self.owners
            .iter()
            .filter(|(turn, policy)| match policy {
                PolicyName::Established => self.established.is_open(**turn),
                PolicyName::Adaptive => self.adaptive.is_open(**turn),
            })
            .count()
    }

    /// The machine of a policy.
    pub fn machine(&self, policy: PolicyName) -> &Machine {
        match policy {
            PolicyName::Established => &self.established,
            PolicyName::Adaptive => &self.adaptive,
        }
    }

    fn own(&mut self, turn: TurnId) {
        if self.owners.len() >= MAX_OWNERS {
            // The oldest that neither machine has open: there is one, as both together hold fewer than this.
            let free = self
                .owners
                .keys()
                .find(|turn| !self.established.is_open(**turn) && !self.adaptive.is_open(**turn))
                .copied();
            if let Some(free) = free {
                self.owners.remove(&free);
            }
        }
        self.owners.insert(turn, self.acting);
    }
}

/// The turn that an input opens.
fn opens(input: &Input) -> Option<TurnId> {
    match input {
        Input::UserSpeechStarted { turn, .. }
        | Input::Asked { turn, .. }
        | Input::SayRequested { turn, .. } => Some(*turn),
        _ => None,
    }
}
