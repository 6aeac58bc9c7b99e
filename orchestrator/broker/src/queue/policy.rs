//! Retry policy for failed jobs: pure, with randomness passed in.
use std::time::Duration;

use antiphon_core::backoff::Backoff;

use super::job::Outcome;

/// When a job is tried again, and when it is given up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RetryPolicy {
    /// Attempts in all.
    pub attempts: u32,
    /// The first wait. Doubles with each attempt (exponential backoff).
    pub first_wait: Duration,
    /// The longest wait.
    pub max_wait: Duration,
}

impl Default for RetryPolicy {
    /// A conversation does not wait: three attempts within a second and a half.
    fn default() -> Self {
        Self { attempts: 3, first_wait: Duration::from_millis(200), max_wait: Duration::from_secs(2) }
    }
}

/// What to do with an attempt's outcome.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Next {
    /// Acknowledge it.
    Acknowledge,
    /// Try again after a while, as this attempt.
    Retry {
        /// How long to wait.
        after: Duration,
        /// Which attempt that will be.
        attempt: u32,
    },
    /// Make it a dead letter.
    DeadLetter(String),
}

impl RetryPolicy {
    /// Decides. `chance` is drawn evenly from 0 to 1: full jitter keeps jobs that failed together from coming back
    /// together (<https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/>).
    pub fn next(&self, attempt: u32, outcome: Outcome, chance: f64) -> Next {
        match outcome {
            Outcome::Done => Next::Acknowledge,
            Outcome::Dead(reason) => Next::DeadLetter(reason),
            Outcome::Retry(reason) if attempt >= self.attempts => {
                Next::DeadLetter(format!("{reason} (attempt {attempt} of {})", self.attempts))
            }
            Outcome::Retry(_) => {
                let longest = Backoff::new(self.first_wait, self.max_wait).step(attempt.saturating_sub(1));
                Next::Retry { after: longest.mul_f64(chance.clamp(0.0, 1.0)), attempt: attempt + 1 }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_job_is_retried_then_dead_lettered_with_its_reason() {
        let policy = RetryPolicy { attempts: 3, ..RetryPolicy::default() };
        let retry = |attempt| policy.next(attempt, Outcome::Retry("busy".into()), 1.0);
        assert_eq!(retry(1), Next::Retry { after: Duration::from_millis(200), attempt: 2 });
        assert_eq!(retry(2), Next::Retry { after: Duration::from_millis(400), attempt: 3 });
        assert_eq!(retry(3), Next::DeadLetter("busy (attempt 3 of 3)".into()));
        assert_eq!(
            policy.next(1, Outcome::Dead("nonsense".into()), 0.5),
            Next::DeadLetter("nonsense".into())
        );
        assert_eq!(policy.next(9, Outcome::Done, 0.5), Next::Acknowledge);
    }

    proptest! {
        #[test]
        fn no_wait_is_longer_than_the_longest(attempt in 1u32..1000, chance in -1.0f64..2.0) {
            let policy = RetryPolicy { attempts: 2000, ..RetryPolicy::default() };
            let Next::Retry { after, .. } = policy.next(attempt, Outcome::Retry(String::new()), chance) else {
                panic!("it may be tried again");
            };
            prop_assert!(after <= policy.max_wait);
        }
    }
}
