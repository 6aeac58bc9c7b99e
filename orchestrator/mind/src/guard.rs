//! The guard: the one place that says whether the adaptive policy may act. Pure, with time passed in.
//!
//! The session reports to it the flags, the adaptive lane's health and how long its steps took; whenever
//! [`Guard::review`] gives a change, that goes to both lanes as [`Input::PolicyChosen`] and takes effect with the next
//! turn.
use std::time::Duration;

use antiphon_core::event::{Flags, Input, PolicyName};
use antiphon_core::time::Timestamp;
use serde::{Deserialize, Serialize};

use antiphon_core::breaker::{Breaker, BreakerSettings, BreakerState, BreakerTrip};

/// When the guard takes the word from the adaptive policy.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct GuardSettings {
    /// A decision that took longer than this counts as failed.
    pub step_budget_ms: u32,
    /// Consecutive failed health checks that make it unhealthy.
    pub health_failures: u32,
    /// The breaker around its decisions.
    pub breaker: BreakerSettings,
}

impl Default for GuardSettings {
    fn default() -> Self {
        Self {
            step_budget_ms: 400,
            health_failures: 3,
            breaker: BreakerSettings { failures: 3, slow_ms: 0, reset_ms: 60_000 },
        }
    }
}

/// Why the adaptive policy acts, or does not.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "reason", rename_all = "snake_case")]
pub enum Reason {
    /// It may: the flag is on and nothing speaks against it.
    Clear,
    /// `orchestrator.adaptive_enabled` is off.
    FlagOff,
    /// Its health checks fail.
    Unhealthy {
        /// How many in a row.
        failures: u32,
        /// What the last one said.
        last: String,
    },
    /// Its machine failed, and is of no use for the rest of the session.
    OutOfService { why: String },
    /// The breaker around its decisions is open.
    BreakerOpen {
        /// Since when.
        since: Timestamp,
    },
    /// Its last decision took too long; it acts again once one was in time.
    OverBudget {
        /// How long, in milliseconds.
        took_ms: u64,
        /// How long it may take.
        budget_ms: u32,
    },
}

impl std::fmt::Display for Reason {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Reason::Clear => f.write_str("the flag is on, the adaptive lane is healthy and in time"),
            Reason::FlagOff => f.write_str("orchestrator.adaptive_enabled is off"),
            Reason::Unhealthy { failures, last } => {
                write!(f, "{failures} health checks of the adaptive lane failed in a row, the last: {last}")
            }
            Reason::OutOfService { why } => {
                write!(f, "the adaptive lane is out of service for this session: {why}")
            }
            Reason::BreakerOpen { since } => write!(f, "the adaptive lane's breaker is open since {since}"),
            Reason::OverBudget { took_ms, budget_ms } => {
                write!(f, "the adaptive lane's last decision took {took_ms} ms, its budget is {budget_ms}")
            }
        }
    }
}

/// The guard's word.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Verdict {
    /// Who may act.
    pub policy: PolicyName,
    pub reason: Reason,
}

/// The guard of one session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Guard {
    settings: GuardSettings,
    breaker: Breaker,
    health_failures: u32,
    last_health: String,
    /// How long the last decision took, if that was too long.
    over_budget: Option<u64>,
    /// Why its machine is of no use any more, if it failed.
    out_of_service: Option<String>,
    /// What was last given out.
    given: Option<Verdict>,
}

impl Guard {
    /// A guard that has seen nothing yet.
    pub fn new(settings: GuardSettings) -> Self {
        Self {
            breaker: Breaker::new(settings.breaker),
            settings,
            health_failures: 0,
            last_health: String::new(),
            over_budget: None,
            out_of_service: None,
            given: None,
        }
    }

    /// Its settings.
    pub fn settings(&self) -> &GuardSettings {
        &self.settings
    }

    /// Whether the adaptive policy may act now. Asks, changes nothing.
    pub fn verdict(&self, at: Timestamp, flags: &Flags) -> Verdict {
        let reason = self.reason(at, flags);
        let policy = if reason == Reason::Clear { PolicyName::Adaptive } else { PolicyName::Established };
        Verdict { policy, reason }
    }

    fn reason(&self, at: Timestamp, flags: &Flags) -> Reason {
        if !flags.adaptive_enabled {
            return Reason::FlagOff;
        }
        if let Some(why) = &self.out_of_service {
            return Reason::OutOfService { why: why.clone() };
        }
        if self.health_failures >= self.settings.health_failures.max(1) {
            return Reason::Unhealthy { failures: self.health_failures, last: self.last_health.clone() };
        }
        if !self.breaker.is_closed() && !self.breaker.would_allow(at) {
            let (BreakerState::Open { since } | BreakerState::HalfOpen { since }) = self.breaker.state()
            else {
                return Reason::Clear;
            };
            return Reason::BreakerOpen { since };
        }
        if let Some(took_ms) = self.over_budget {
            return Reason::OverBudget { took_ms, budget_ms: self.settings.step_budget_ms };
        }
        Reason::Clear
    }

    /// The input for both lanes, if the choice of policy differs from the last one given out. The first review
    /// always gives one, so that every recorded session says who acts and why.
    pub fn review(&mut self, at: Timestamp, flags: &Flags) -> Option<Input> {
        let verdict = self.verdict(at, flags);
        if self.given.as_ref().is_some_and(|given| given.policy == verdict.policy) {
            return None;
        }
        let input = Input::PolicyChosen { policy: verdict.policy, reason: verdict.reason.to_string() };
        self.given = Some(verdict);
        Some(input)
    }

    /// The adaptive machine made a step (acting or not: in the sandbox it proves itself too).
    pub fn stepped(&mut self, at: Timestamp, took: Duration) -> Option<BreakerTrip> {
        let budget_ms = self.settings.step_budget_ms;
        let took_ms = u64::try_from(took.as_millis()).unwrap_or(u64::MAX);
        let (_, tried) = if self.breaker.is_closed() { (true, None) } else { self.breaker.allows(at) };
        let trip = if took_ms > u64::from(budget_ms) {
            self.over_budget = Some(took_ms);
            self.breaker.failed(at, &format!("a decision took {took_ms} ms of {budget_ms}"))
        } else {
            self.over_budget = None;
            self.breaker.succeeded(at, took)
        };
        trip.or(tried)
    }

    /// Its machine failed: it acts no more in this session.
    pub fn out_of_service(&mut self, why: &str) {
        self.out_of_service = Some(why.chars().take(300).collect());
    }

    /// A health check of the adaptive lane came back.
    pub fn health(&mut self, result: Result<(), String>) {
        match result {
            Ok(()) => self.health_failures = 0,
            Err(why) => {
                self.health_failures = self.health_failures.saturating_add(1);
                self.last_health = why.chars().take(300).collect();
            }
        }
    }

    /// The breaker's state, to be shared.
    pub fn breaker(&self) -> BreakerState {
        self.breaker.state()
    }

    /// Takes over the state of the breaker that another process shared.
    pub fn adopt_breaker(&mut self, state: BreakerState) {
        self.breaker.adopt(state);
    }

    /// Forgets every fault, by hand.
    pub fn reset(&mut self, at: Timestamp) -> Option<BreakerTrip> {
        self.health_failures = 0;
        self.over_budget = None;
        self.breaker.reset(at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> Timestamp {
        Timestamp::from_millis(seconds * 1000)
    }
    fn on() -> Flags {
        Flags { adaptive_enabled: true, ..Flags::default() }
    }
    const SLOW: Duration = Duration::from_millis(401);
    const QUICK: Duration = Duration::from_micros(90);

    fn reason(guard: &Guard, seconds: u64) -> Reason {
        guard.verdict(at(seconds), &on()).reason
    }

    #[test]
    fn the_first_review_reports_always_later_ones_only_changes() {
        let mut guard = Guard::new(GuardSettings::default());
        let off = Flags::default();
        assert_eq!(
            guard.review(at(0), &off),
            Some(Input::PolicyChosen {
                policy: PolicyName::Established,
                reason: "orchestrator.adaptive_enabled is off".into()
            })
        );
        assert_eq!(guard.review(at(1), &off), None);
        assert!(matches!(
            guard.review(at(2), &on()),
            Some(Input::PolicyChosen { policy: PolicyName::Adaptive, .. })
        ));
        assert_eq!(guard.review(at(3), &on()), None);
    }

    #[test]
    fn one_step_over_budget_demotes_it_until_one_in_time() {
        let mut guard = Guard::new(GuardSettings::default());
        guard.stepped(at(1), SLOW);
        assert_eq!(reason(&guard, 1), Reason::OverBudget { took_ms: 401, budget_ms: 400 });
        guard.stepped(at(2), Duration::from_millis(400));
        assert_eq!(reason(&guard, 2), Reason::Clear);
    }

    #[test]
    fn three_steps_over_budget_open_the_breaker_for_a_minute() {
        let mut guard = Guard::new(GuardSettings::default());
        assert_eq!(guard.stepped(at(1), SLOW), None);
        assert_eq!(guard.stepped(at(2), SLOW), None);
        assert_eq!(guard.stepped(at(3), SLOW).unwrap().to.as_str(), "open");
        guard.stepped(at(4), QUICK);
        assert_eq!(reason(&guard, 62), Reason::BreakerOpen { since: at(3) });
        // The step after that time is the one that is tried.
        assert_eq!(guard.stepped(at(63), QUICK).unwrap().to.as_str(), "closed");
        assert_eq!(reason(&guard, 63), Reason::Clear);
    }

    #[test]
    fn three_failed_checks_make_it_unhealthy_one_good_healthy() {
        let mut guard = Guard::new(GuardSettings::default());
        guard.health(Err("no language model answers".into()));
        guard.health(Err("no language model answers".into()));
        assert_eq!(reason(&guard, 0), Reason::Clear);
        guard.health(Err("no language model answers".into()));
        assert!(matches!(reason(&guard, 0), Reason::Unhealthy { failures: 3, .. }));
        guard.health(Ok(()));
        assert_eq!(reason(&guard, 0), Reason::Clear);
    }

    #[test]
    fn a_shared_breaker_and_a_reset_by_hand_are_heeded() {
        let mut guard = Guard::new(GuardSettings::default());
        guard.adopt_breaker(BreakerState::Open { since: at(100) });
        assert_eq!(reason(&guard, 110), Reason::BreakerOpen { since: at(100) });
        assert!(guard.reset(at(111)).is_some());
        assert_eq!(reason(&guard, 111), Reason::Clear);
    }
}
