//! The breaker's states and what moves it between them.
use std::time::Duration;

use crate::time::Timestamp;
use serde::{Deserialize, Serialize};

/// When a breaker trips and when it tries again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct BreakerSettings {
    /// Consecutive failures (slow calls are failures) that open it.
    pub failures: u32,
    /// A call that took longer than this counts as failed; 0 for never.
    pub slow_ms: u32,
    /// How long it stays open before one call is tried.
    pub reset_ms: u32,
}

impl Default for BreakerSettings {
    /// For providers: 5 consecutive failures, 30 seconds.
    fn default() -> Self {
        Self { failures: 5, slow_ms: 0, reset_ms: 30_000 }
    }
}

impl BreakerSettings {
    fn reset(&self) -> Duration {
        Duration::from_millis(u64::from(self.reset_ms))
    }
}

/// Where a breaker stands. Serialises to what is shared through Redis.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "state", rename_all = "snake_case")]
pub enum BreakerState {
    /// Calls go through.
    Closed {
        /// Failures since the last success.
        failures: u32,
    },
    /// Calls are refused.
    Open {
        /// Since when.
        since: Timestamp,
    },
    /// One call was let through to see.
    HalfOpen { since: Timestamp },
}

impl BreakerState {
    /// The name used in records and metrics.
    pub fn as_str(&self) -> &'static str {
        match self {
            BreakerState::Closed { .. } => "closed",
            BreakerState::Open { .. } => "open",
            BreakerState::HalfOpen { .. } => "half_open",
        }
    }

    /// For a gauge: 0 closed, 1 half-open, 2 open.
    pub fn gauge(&self) -> f64 {
        match self {
            BreakerState::Closed { .. } => 0.0,
            BreakerState::HalfOpen { .. } => 1.0,
            BreakerState::Open { .. } => 2.0,
        }
    }
}

/// A change between closed, open and half-open: a ledger row.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BreakerTrip {
    pub at: Timestamp,
    /// From what.
    pub from: BreakerState,
    /// To what.
    pub to: BreakerState,
    #[serde(rename = "because")]
    pub reason: String,
}

/// The breaker.
///
/// Ask [`Breaker::allows`] before each call and report how it went; every report and every question gives the trip
/// that it caused, if any.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Breaker {
    settings: BreakerSettings,
    state: BreakerState,
}

impl Breaker {
    /// A closed one.
    pub fn new(settings: BreakerSettings) -> Self {
        Self { settings, state: BreakerState::Closed { failures: 0 } }
    }

    /// One that carries on from a shared state.
    pub fn restored(settings: BreakerSettings, state: BreakerState) -> Self {
        Self { settings, state }
    }

    /// Where it stands.
    pub fn state(&self) -> BreakerState {
        self.state
    }

    /// Takes over a state that somebody else shared.
    pub fn adopt(&mut self, state: BreakerState) {
        self.state = state;
    }

    /// Whether calls go through now, without taking the one call that a half-open breaker lets through.
    pub fn is_closed(&self) -> bool {
        matches!(self.state, BreakerState::Closed { .. })
    }

    /// Whether a call made at `at` would be let through, without taking it.
    pub fn would_allow(&self, at: Timestamp) -> bool {
        match self.state {
            BreakerState::Closed { .. } => true,
            BreakerState::Open { since } | BreakerState::HalfOpen { since } => {
                at >= since.after(self.settings.reset())
            }
        }
    }

    /// Whether the call may be made. An open breaker lets one through when its time has passed and is half-open until
    /// that one is reported; should it never be, the next is let through after as long again.
    pub fn allows(&mut self, at: Timestamp) -> (bool, Option<BreakerTrip>) {
        if !self.would_allow(at) {
            return (false, None);
        }
        match self.state {
            BreakerState::Closed { .. } => (true, None),
            BreakerState::HalfOpen { .. } => {
                self.state = BreakerState::HalfOpen { since: at };
                (true, None)
            }
            BreakerState::Open { .. } => {
                let reason = format!("{} ms are over: one call is tried", self.settings.reset_ms);
                (true, self.go(at, BreakerState::HalfOpen { since: at }, reason))
            }
        }
    }

    /// A call succeeded, after `took`. Counts as failed when that was too slow.
    pub fn succeeded(&mut self, at: Timestamp, took: Duration) -> Option<BreakerTrip> {
        let slow = self.settings.slow_ms;
        if slow > 0 && took > Duration::from_millis(u64::from(slow)) {
            return self.failed(at, &format!("took {} ms, more than {slow}", took.as_millis()));
        }
        match self.state {
            BreakerState::Closed { .. } => {
                self.state = BreakerState::Closed { failures: 0 };
                None
            }
            // A call that was under way when it opened: no proof that it is well now, but no reason to doubt either.
            BreakerState::Open { .. } => None,
            BreakerState::HalfOpen { .. } => {
                self.go(at, BreakerState::Closed { failures: 0 }, "the tried call succeeded".into())
            }
        }
    }

    /// A call failed.
    pub fn failed(&mut self, at: Timestamp, why: &str) -> Option<BreakerTrip> {
        match self.state {
            BreakerState::Closed { failures } => {
                let failures = failures.saturating_add(1);
                if failures < self.settings.failures.max(1) {
                    self.state = BreakerState::Closed { failures };
                    return None;
                }
                let reason = format!("{failures} consecutive failures, the last: {why}");
                self.go(at, BreakerState::Open { since: at }, reason)
            }
            BreakerState::Open { .. } => None,
            BreakerState::HalfOpen { .. } => {
                self.go(at, BreakerState::Open { since: at }, format!("the tried call failed: {why}"))
            }
        }
    }

    /// Closes it by hand.
    pub fn reset(&mut self, at: Timestamp) -> Option<BreakerTrip> {
        if self.is_closed() {
            self.state = BreakerState::Closed { failures: 0 };
            return None;
        }
        self.go(at, BreakerState::Closed { failures: 0 }, "reset by hand".into())
    }

    fn go(&mut self, at: Timestamp, to: BreakerState, reason: String) -> Option<BreakerTrip> {
        let from = std::mem::replace(&mut self.state, to);
        Some(BreakerTrip { at, from, to, reason })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const QUICK: Duration = Duration::from_millis(10);

    fn at(seconds: u64) -> Timestamp {
        Timestamp::from_millis(seconds * 1000)
    }

    fn opened() -> Breaker {
        let mut breaker = Breaker::new(BreakerSettings::default());
        for n in 0..4 {
            assert_eq!(breaker.failed(at(n), "refused"), None);
        }
        let trip = breaker.failed(at(4), "refused").unwrap();
        assert_eq!((trip.from.as_str(), trip.to.as_str()), ("closed", "open"));
        assert_eq!(trip.reason, "5 consecutive failures, the last: refused");
        breaker
    }

    #[test]
    fn five_consecutive_failures_open_it_and_success_resets_the_count() {
        let mut breaker = Breaker::new(BreakerSettings::default());
        for n in 0..20 {
            assert_eq!(
                if n % 5 == 4 { breaker.succeeded(at(n), QUICK) } else { breaker.failed(at(n), "x") },
                None
            );
        }
        assert!(breaker.is_closed());
        opened();
    }

    #[test]
    fn after_its_time_one_call_through_decides() {
        let mut breaker = opened();
        assert_eq!(breaker.allows(at(33)), (false, None));
        let (allowed, trip) = breaker.allows(at(34));
        assert!(allowed);
        assert_eq!(trip.unwrap().to.as_str(), "half_open");
        assert_eq!(breaker.allows(at(35)), (false, None), "only one call is tried");
        assert_eq!(breaker.clone().succeeded(at(36), QUICK).unwrap().to.as_str(), "closed");
        assert_eq!(breaker.failed(at(36), "still down").unwrap().to.as_str(), "open");
        assert!(!breaker.would_allow(at(65)));
        assert!(breaker.would_allow(at(66)));
    }

    #[test]
    fn an_unreported_call_does_not_keep_it_half_open() {
        let mut breaker = opened();
        assert!(breaker.allows(at(34)).0);
        assert!(!breaker.allows(at(63)).0);
        assert!(breaker.allows(at(64)).0);
    }

    #[test]
    fn slow_calls_count_as_failures() {
        let mut breaker = Breaker::new(BreakerSettings { failures: 2, slow_ms: 100, reset_ms: 1000 });
        assert_eq!(breaker.succeeded(at(1), Duration::from_millis(101)), None);
        let trip = breaker.succeeded(at(2), Duration::from_millis(250)).unwrap();
        assert_eq!(trip.reason, "2 consecutive failures, the last: took 250 ms, more than 100");
    }

    #[test]
    fn it_is_reset_by_hand_and_serialises_as_json() {
        let mut breaker = opened();
        let json = serde_json::to_string(&breaker.state()).unwrap();
        assert_eq!(json, r#"{"state":"open","since":4000000}"#);
        let mut elsewhere =
            Breaker::restored(BreakerSettings::default(), serde_json::from_str(&json).unwrap());
        assert!(!elsewhere.would_allow(at(10)));
        assert_eq!(elsewhere.reset(at(10)).unwrap().reason, "reset by hand");
        assert!(elsewhere.allows(at(10)).0);
        assert!(breaker.reset(at(11)).is_some());
        assert_eq!(breaker.reset(at(12)), None);
    }

    proptest! {
        /// Whatever happens, an open breaker refuses until its time has passed, and never lets two calls through at once.
        #[test]
        fn an_open_breaker_refuses_until_its_time_is_over(ops in proptest::collection::vec((0u8..3, 0u64..20), 0..200)) {
            let settings = BreakerSettings { failures: 3, slow_ms: 0, reset_ms: 30_000 };
            let mut breaker = Breaker::new(settings);
            let (mut now, mut opened_at, mut last_allowed) = (0u64, None::<u64>, None::<u64>);
            for (op, wait) in ops {
                now += wait;
                let trip = match op {
                    0 => {
                        let was_closed = breaker.is_closed();
                        let (allowed, trip) = breaker.allows(at(now));
                        if allowed && !was_closed {
                            prop_assert!(opened_at.is_some_and(|since| now >= since + 30));
                            prop_assert!(last_allowed.is_none_or(|then| now >= then + 30));
                            last_allowed = Some(now);
                        }
                        trip
                    }
                    1 => breaker.failed(at(now), "x"),
                    _ => breaker.succeeded(at(now), QUICK),
                };
                match trip.map(|t| t.to) {
                    Some(BreakerState::Open { .. }) => (opened_at, last_allowed) = (Some(now), None),
                    Some(BreakerState::Closed { .. }) => (opened_at, last_allowed) = (None, None),
                    _ => {}
                }
            }
        }
    }
}
