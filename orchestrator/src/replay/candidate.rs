//! Another policy over what people did in a recorded session.
use std::collections::BTreeSet;

use antiphon_core::event::{Action, Input, PolicyName};
use antiphon_core::ids::TurnId;
use antiphon_core::time::Timestamp;
use bundle::InputLine;
use jiff::tz::TimeZone;
use parity::diff::Provenance;

use super::Tape;
use super::effects::Effects;
use mind::machine::Machine;

/// Inputs that may follow from one recorded input, before the candidate is taken to run away.
const MAX_CONSEQUENCES: usize = 100_000;

/// Who is tried, and where its clock hangs.
#[derive(Debug, Clone)]
pub struct CandidateSettings {
    /// The policy.
    pub policy: PolicyName,
    /// The time zone in which the offline responder says the time.
    pub zone: TimeZone,
}

/// Something that happened to the candidate, and what it wanted then.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    pub at: Timestamp,
    /// What happened: recorded, or a consequence of what the candidate wanted before.
    pub input: Input,
    /// Where it comes from, if it is a result.
    pub provenance: Option<Provenance>,
    /// What it wanted.
    pub actions: Vec<Action>,
}

/// A candidate at work on a recorded session.
///
/// What people said is as it was, though they said it to production: how they would have reacted to the candidate
/// nobody knows. What the candidate itself causes is played out by [`Effects`], the same at every run.
#[derive(Debug)]
pub struct Candidate {
    machine: Machine,
    effects: Effects,
}

impl Candidate {
    /// A fresh one. `tape` holds the recorded replies; an empty one has every reply written by the offline responder.
    pub fn new(settings: CandidateSettings, tape: Tape) -> Self {
        Self { machine: Machine::new(settings.policy), effects: Effects::new(settings.zone, tape) }
    }

    /// Feeds the next recorded input; gives every step up to and including it.
    pub fn feed(&mut self, line: &InputLine) -> Vec<Step> {
        let mut steps = Vec::new();
        while steps.len() < MAX_CONSEQUENCES
            && let Some((at, input, provenance)) = self.effects.next_until(line.at)
        {
            steps.push(self.step(at, input, provenance));
        }
        if let Some((input, provenance)) = self.effects.admit(&line.input) {
            steps.push(self.step(line.at, input, provenance));
        }
        steps
    }

    fn step(&mut self, at: Timestamp, input: Input, provenance: Option<Provenance>) -> Step {
        let actions = self.machine.step(at, &input);
        for action in &actions {
            self.effects.want(at, action);
        }
        Step { at, input, provenance, actions }
    }

    /// The policy that it follows.
    pub fn policy(&self) -> PolicyName {
        self.machine.policy()
    }

    /// Turns whose reply was written by the offline responder in place of the provider that it chose.
    pub fn stand_ins(&self) -> &BTreeSet<TurnId> {
        self.effects.stand_ins()
    }
}
