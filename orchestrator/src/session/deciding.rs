//! What decides in a session: both lanes, the guard, and the candidate's thread.
use std::time::Duration;

use antiphon_core::breaker::BreakerTrip;
use antiphon_core::event::{Action, Flags, Input, PolicyName};
use antiphon_core::time::{Clock, Timestamp};
use mind::guard::{Guard, GuardSettings};
use mind::lanes::{Decided, LaneActions, Lanes};
use tokio::sync::mpsc;

use super::breaker_gauge::BreakerGauge;
use super::candidate::{Candidate, Report, guard};

/// Production's part of a step.
#[derive(Debug)]
pub(super) struct Stepped {
    /// The number of the input, from 0.
    pub(super) step: u64,
    pub(super) lanes: LaneActions,
    /// The candidate has yet to be fed this input.
    pub(super) awaits_candidate: bool,
    /// How long the adaptive policy's machine took, if it ran here.
    pub(super) adaptive: Option<Duration>,
    /// Why the adaptive policy's machine is of no use any more, if it failed here.
    pub(super) failed: Option<String>,
}

/// A step of the candidate.
#[derive(Debug)]
pub(super) struct Rehearsed {
    pub(super) step: u64,
    pub(super) sandbox: Vec<Decided>,
    pub(super) took: Duration,
}

/// What decides. Production's machines run here; a candidate that has no part in production runs on its own thread.
#[derive(Debug)]
pub(super) struct Deciding {
    lanes: Lanes,
    guard: Guard,
    gauge: BreakerGauge,
    candidate: Option<Candidate>,
    reports: mpsc::Sender<Report>,
    steps: u64,
}

impl Deciding {
    pub(super) fn new(lanes: Lanes, settings: GuardSettings, reports: mpsc::Sender<Report>) -> Self {
        let (guard, gauge) = (Guard::new(settings), BreakerGauge::default());
        Self { lanes, guard, gauge, candidate: None, reports, steps: 0 }
    }

    pub(super) fn acting(&self) -> PolicyName {
        self.lanes.acting()
    }

    pub(super) fn flags(&self) -> Flags {
        *self.lanes.flags()
    }

    /// Inputs so far.
    pub(super) fn steps(&self) -> u64 {
        self.steps
    }

    /// How long a step of the candidate may take.
    pub(super) fn step_budget(&self) -> Duration {
        Duration::from_millis(self.guard.settings().step_budget_ms.into())
    }

    /// Feeds an input to the machines that are here.
    pub(super) fn step(&mut self, at: Timestamp, input: &Input, clock: &dyn Clock) -> Stepped {
        let step = self.steps;
        self.steps += 1;
        self.lanes.admit(input);
        let awaits_candidate = self.lanes.is_candidate_lent();
        if !awaits_candidate {
            // The mirror was switched off, or the candidate stopped: its thread ends with what it was fed.
            self.candidate = None;
        }
        let mut lanes = LaneActions::default();
        let begun = clock.now();
        let established = self.lanes.step_machine(PolicyName::Established, at, input);
        let between = clock.now();
        let here = self.lanes.machine(PolicyName::Adaptive).is_some();
        let adaptive = guard(|| self.lanes.step_machine(PolicyName::Adaptive, at, input));
        let adaptive_took = clock.now().since(between);
        lanes.times.set(PolicyName::Established, micros(between.since(begun)));
        lanes.times.set(PolicyName::Adaptive, micros(adaptive_took));
        self.lanes.assign(PolicyName::Established, established, &mut lanes);
        let failed = match adaptive {
            Ok(actions) => {
                self.lanes.assign(PolicyName::Adaptive, actions, &mut lanes);
                None
            }
            Err(why) => Some(why),
        };
        self.lanes.retire();
        let adaptive = here.then_some(adaptive_took);
        Stepped { step, lanes, awaits_candidate, adaptive, failed }
    }

    /// Feeds an input to the candidate's thread, once production's actions are performed. The error says why it can
    /// take none.
    pub(super) fn rehearse(&mut self, step: u64, at: Timestamp, input: &Input) -> Result<(), String> {
        match &mut self.candidate {
            Some(candidate) => candidate.feed(step, at, input),
            None => Err("it has no thread".to_owned()),
        }
    }

    /// Gives the candidate's machine to a thread of its own when it has no part in production.
    pub(super) fn lend_candidate(&mut self, at: Timestamp, flags: &Flags) {
        let wanted = self.guard.verdict(at, flags).policy == PolicyName::Adaptive;
        if self.candidate.is_some() || wanted || !flags.mirror_enabled {
            return;
        }
        let Some(machine) = self.lanes.lend_candidate() else { return };
        match Candidate::start(machine, self.reports.clone()) {
            Ok(candidate) => self.candidate = Some(candidate),
            // The next input finds it without a thread and puts it out of service.
            Err(error) => tracing::error!(%error, "no thread for the sandbox lane"),
        }
    }

    /// What a step of the candidate wants. While its machine is lent, all of it is the sandbox's.
    pub(super) fn rehearsed(step: u64, actions: Vec<Action>, took: Duration) -> Rehearsed {
        let policy = PolicyName::Adaptive;
        let sandbox = actions.into_iter().map(|action| Decided { policy, action }).collect();
        Rehearsed { step, sandbox, took }
    }

    /// Takes the candidate's machine back and feeds it what it missed. Gives those steps, and why it is of no use if it
    /// failed in one of them.
    pub(super) fn candidate_returned(
        &mut self,
        machine: mind::machine::Machine,
    ) -> (Vec<Rehearsed>, Option<String>) {
        let backlog = self.candidate.take().map(Candidate::into_backlog).unwrap_or_default();
        if !self.lanes.is_candidate_lent() {
            return (Vec::new(), None);
        }
        let mut machine = machine;
        let mut steps = Vec::with_capacity(backlog.len());
        for (step, at, input) in backlog {
            let begun = std::time::Instant::now();
            match super::candidate::guarded(&mut machine, at, &input) {
                Ok(actions) => steps.push(Self::rehearsed(step, actions, begun.elapsed())),
                Err(why) => return (steps, Some(why)),
            }
        }
        self.lanes.return_candidate(machine);
        (steps, None)
    }

    /// Whether the candidate's step takes too long.
    pub(super) fn is_candidate_stalled(&mut self) -> Option<Duration> {
        let budget = self.step_budget();
        self.candidate.as_mut()?.is_stalled(budget)
    }

    /// The candidate is of no use any more. A thread that hangs is left behind.
    pub(super) fn stop_candidate(&mut self, why: &str) {
        self.candidate = None;
        self.guard.out_of_service(why);
    }

    /// The adaptive policy's machine made a step.
    pub(super) fn timed(&mut self, at: Timestamp, took: Duration) -> Option<BreakerTrip> {
        let trip = self.guard.stepped(at, took)?;
        self.gauge.moved(trip.to.as_str());
        Some(trip)
    }

    /// Asks the guard which policy is to act. Before the adaptive one may, its machine must be here.
    pub(super) fn review(&mut self, at: Timestamp) -> Result<Option<Input>, String> {
        let flags = self.flags();
        if self.guard.verdict(at, &flags).policy == PolicyName::Adaptive && self.lanes.is_candidate_lent() {
            return match &mut self.candidate {
                Some(candidate) => candidate.recall().map(|()| None),
                None => Err("it has no thread".to_owned()),
            };
        }
        Ok(self.guard.review(at, &flags))
    }
}

fn micros(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
}
