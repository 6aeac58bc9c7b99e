//! Both machines of a session.
use antiphon_core::event::{Action, Input, PolicyName};
use antiphon_core::ids::TurnId;
use antiphon_core::time::Timestamp;

use super::actions::{Decided, LaneActions};
use super::roles::Roles;
use super::seat::Seat;
use crate::machine::Machine;

/// Both machines, and which of them acts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lanes {
    established: Machine,
    adaptive: Seat,
    roles: Roles,
    /// Both machines are fed whatever the flags say.
    always_both: bool,
}

impl Default for Lanes {
    fn default() -> Self {
        Self::new()
    }
}

impl Lanes {
    /// Two fresh machines; the established policy acts until the guard chooses otherwise.
    pub fn new() -> Self {
        Self::with_candidate(Machine::new(PolicyName::Adaptive))
    }

    /// Like [`Lanes::new`], with this machine for the adaptive policy's.
    pub fn with_candidate(candidate: Machine) -> Self {
        Self {
            established: Machine::new(PolicyName::Established),
            adaptive: Seat::Here(Box::new(candidate)),
            roles: Roles::new(PolicyName::Established),
            always_both: false,
        }
    }

    /// As lanes were when bundles of format 1 were written: the candidate was fed while the mirror was off, too.
    pub fn of_format_1() -> Self {
        Self { always_both: true, ..Self::new() }
    }

    /// Feeds both machines what happened.
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
        self.admit(input);
        let mut lanes = LaneActions::default();
        for policy in [PolicyName::Established, PolicyName::Adaptive] {
            let begun = now_us();
            let actions = self.step_machine(policy, at, input);
            lanes.times.set(policy, now_us().saturating_sub(begun));
            self.assign(policy, actions, &mut lanes);
        }
        self.retire();
        lanes
    }

    /// The first part of a step: what an input says about the lanes themselves. Every step is [`Lanes::admit`],
    /// [`Lanes::step_machine`] and [`Lanes::assign`] for each machine that is here, then [`Lanes::retire`].
    pub fn admit(&mut self, input: &Input) {
        match input {
            Input::PolicyChosen { policy: PolicyName::Adaptive, .. } => {
                self.seat_candidate();
                if self.adaptive != Seat::OutOfService {
                    self.roles.act(PolicyName::Adaptive);
                }
            }
            Input::PolicyChosen { policy: PolicyName::Established, .. } => {
                self.roles.act(PolicyName::Established);
            }
            Input::SessionStarted { flags, .. } | Input::FlagsChanged { flags } => {
                if flags.mirror_enabled {
                    self.seat_candidate();
                } else if self.has_no_role() {
                    self.clear_seat();
                }
            }
            Input::CandidateStopped { policy: PolicyName::Adaptive, .. } => self.stop_candidate(),
            _ => {}
        }
        if let Some(turn) = opens(input) {
            let (established, adaptive) = (&self.established, self.adaptive.machine());
            self.roles.open(turn, |turn, owner| match owner {
                PolicyName::Established => established.is_open(turn),
                PolicyName::Adaptive => adaptive.is_some_and(|machine| machine.is_open(turn)),
            });
        }
    }

    /// One machine's step. A machine that is not here wants nothing.
    pub fn step_machine(&mut self, policy: PolicyName, at: Timestamp, input: &Input) -> Vec<Action> {
        match policy {
            PolicyName::Established => self.established.step(at, input),
            PolicyName::Adaptive => {
                self.adaptive.machine_mut().map(|machine| machine.step(at, input)).unwrap_or_default()
            }
        }
    }

    /// Sorts what a machine wants into the lanes: production's if its policy acts for the turn, else the sandbox's.
    pub fn assign(&self, policy: PolicyName, actions: Vec<Action>, lanes: &mut LaneActions) {
        let mirrored = self.is_mirrored();
        for action in actions {
            if self.roles.owner(action.turn()) == policy {
                lanes.production.push(Decided { policy, action });
            } else if mirrored {
                lanes.sandbox.push(Decided { policy, action });
            }
        }
    }

    /// The last part of a step: a candidate whose last turn closed while the mirror is off is fed no more.
    pub fn retire(&mut self) {
        if !self.is_mirrored() && self.has_no_role() && !self.has_not_started() {
            self.clear_seat();
        }
    }

    /// Takes out the candidate's machine, to be fed elsewhere; none when the policy acts for anything, or the machine is
    /// not here.
    pub fn lend_candidate(&mut self) -> Option<Machine> {
        if !self.has_no_role() {
            return None;
        }
        match std::mem::replace(&mut self.adaptive, Seat::Lent) {
            Seat::Here(machine) => Some(*machine),
            other => {
                self.adaptive = other;
                None
            }
        }
    }

    /// Puts back a machine that was lent and has been fed every input since.
    pub fn return_candidate(&mut self, machine: Machine) {
        if self.adaptive == Seat::Lent {
            self.adaptive = Seat::Here(Box::new(machine));
        }
    }

    /// Whether the candidate's machine is lent.
    pub fn is_candidate_lent(&self) -> bool {
        self.adaptive == Seat::Lent
    }

    /// The candidate's machine is of no use any more, whatever its policy acts for: it is fed no more. In a session
    /// [`Input::CandidateStopped`] follows at once.
    pub fn lose_candidate(&mut self) {
        if self.adaptive.machine().is_some() {
            self.adaptive = Seat::Lent;
        }
    }

    /// Puts the candidate out of service: what it acted for is the established policy's from now on.
    pub fn stop_candidate(&mut self) {
        self.adaptive = Seat::OutOfService;
        let established = &self.established;
        let open = self.roles.owned_by(PolicyName::Adaptive).filter(|turn| established.is_open(*turn));
        let adopted: Vec<TurnId> = open.collect();
        self.established.adopt(adopted);
        self.roles.hand_over(PolicyName::Adaptive, PolicyName::Established);
    }

    /// The policy that acts for turns that open from now on.
    pub fn acting(&self) -> PolicyName {
        self.roles.acting()
    }

    /// The policy that acts for a turn.
    pub fn owner(&self, turn: TurnId) -> PolicyName {
        self.roles.owner(Some(turn))
    }

    /// Whether the candidate follows what production does.
    pub fn is_mirrored(&self) -> bool {
        self.established.flags().mirror_enabled
    }

    /// Whether production has a turn open: false means that nothing is lost by stopping now.
    pub fn is_busy(&self) -> bool {
        self.production_turns() > 0
    }

    /// Turns that production has open.
    pub fn production_turns(&self) -> usize {
        self.roles.all().filter(|(turn, owner)| self.is_open(*turn, *owner)).count()
    }

    /// The machine of a policy, if it is here.
    pub fn machine(&self, policy: PolicyName) -> Option<&Machine> {
        match policy {
            PolicyName::Established => Some(&self.established),
            PolicyName::Adaptive => self.adaptive.machine(),
        }
    }

    /// The flags in force.
    pub fn flags(&self) -> &antiphon_core::event::Flags {
        self.established.flags()
    }

    fn is_open(&self, turn: TurnId, policy: PolicyName) -> bool {
        self.machine(policy).is_some_and(|machine| machine.is_open(turn))
    }

    /// Whether the adaptive policy neither acts nor has a turn of production's to finish.
    fn has_no_role(&self) -> bool {
        let adaptive = PolicyName::Adaptive;
        self.roles.acting() != adaptive
            && !self.roles.owned_by(adaptive).any(|turn| self.is_open(turn, adaptive))
    }

    fn has_not_started(&self) -> bool {
        self.established.has_not_started()
    }

    /// A candidate that comes in late starts from what the established policy's machine knows, without its open turns.
    fn seat_candidate(&mut self) {
        if self.adaptive == Seat::Empty {
            self.adaptive = Seat::Here(Box::new(self.established.successor(PolicyName::Adaptive)));
        }
    }

    fn clear_seat(&mut self) {
        if !self.always_both && self.adaptive != Seat::OutOfService {
            self.adaptive = Seat::Empty;
        }
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
