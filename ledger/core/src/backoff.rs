//! How long to wait before the next attempt: doubled with each failure up to a bound, with jitter, so that many clients that
//! lost the same server do not come back in step.
//!
//! Pure: chance is passed in.
//!
//! ```
//! use std::time::Duration;
//! use antiphon_core::backoff::Backoff;
//!
//! const RETRY_BACKOFF: Backoff = Backoff::new(Duration::from_millis(50), Duration::from_secs(2));
//! let mut backoff = RETRY_BACKOFF;
//! assert_eq!(backoff.next(1.0), Duration::from_millis(50));
//! assert_eq!(backoff.next(1.0), Duration::from_millis(100));
//! backoff.reset();
//! assert_eq!(backoff.next(0.0), Duration::from_millis(25));
//! ```
use std::time::Duration;

/// Waits between attempts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Backoff {
    first: Duration,
    max: Duration,
    failures: u32,
}

impl Backoff {
    /// Waits from `first`, doubled up to `max`.
    pub const fn new(first: Duration, max: Duration) -> Self {
        Self { first, max, failures: 0 }
    }

    /// The wait after so many failures before this one, without jitter.
    pub fn step(&self, failures: u32) -> Duration {
        let doubled = 1_u32.checked_shl(failures).map(|factor| self.first.saturating_mul(factor));
        doubled.unwrap_or(self.max).min(self.max)
    }

    /// The next wait, for a number drawn evenly from 0 to 1: from half of the step to the whole of it, so that no attempt
    /// follows at once.
    pub fn next(&mut self, drawn: f64) -> Duration {
        let step = self.step(self.failures);
        self.failures = self.failures.saturating_add(1);
        step.mul_f64(0.5 + drawn.clamp(0.0, 1.0) / 2.0)
    }

    /// An attempt succeeded: the next wait is the first one again.
    pub fn reset(&mut self) {
        self.failures = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: fn(u64) -> Duration = Duration::from_millis;

    #[test]
    fn waits_double_up_to_the_bound_until_success() {
        let mut backoff = Backoff::new(MS(20), MS(100));
        let waits: Vec<Duration> = (0..5).map(|_| backoff.next(1.0)).collect();
        assert_eq!(waits, [MS(20), MS(40), MS(80), MS(100), MS(100)]);
        assert_eq!(backoff.next(0.0), MS(50));
        backoff.reset();
        assert_eq!(backoff.next(1.0), MS(20));
    }

    #[test]
    fn no_number_of_failures_and_no_chance_breaks_the_bounds() {
        let backoff = Backoff::new(MS(20), MS(100));
        for failures in [0, 1, 31, 32, 33, u32::MAX] {
            assert!((MS(20)..=MS(100)).contains(&backoff.step(failures)), "{failures}");
        }
        let mut worn = Backoff { failures: u32::MAX, ..backoff };
        for drawn in [-1.0, 0.0, 2.0, f64::INFINITY] {
            assert!((MS(50)..=MS(100)).contains(&worn.next(drawn)), "{drawn}");
        }
        let mut long = Backoff::new(Duration::MAX, Duration::MAX);
        assert!(long.step(5) == Duration::MAX && long.next(0.0) > Duration::ZERO);
    }
}
