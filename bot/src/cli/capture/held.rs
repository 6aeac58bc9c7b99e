//! A clock for recordings that are taken in faster than they were spoken.
use std::sync::atomic::{AtomicU64, Ordering};

use antiphon_core::time::{Clock, FastClock, Timestamp};

/// Runs fast, and never ahead of what was read: a machine or a disk that does not keep up makes the recording take longer,
/// and nothing of it late.
#[derive(Debug)]
pub(super) struct HeldClock {
    fast: FastClock,
    until: AtomicU64,
}

impl HeldClock {
    /// Stands still until something was read.
    pub(super) fn new(speed: u32) -> Self {
        let fast = FastClock::new(speed);
        Self { until: AtomicU64::new(fast.now().0), fast }
    }

    /// What sounded until then was read.
    pub(super) fn release(&self, until: Timestamp) {
        self.until.fetch_max(until.0, Ordering::SeqCst);
    }

    /// How far it would be by itself.
    pub(super) fn unheld(&self) -> Timestamp {
        self.fast.now()
    }
}

impl Clock for HeldClock {
    fn now(&self) -> Timestamp {
        self.fast.now().min(Timestamp(self.until.load(Ordering::SeqCst)))
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn it_never_runs_ahead_of_what_was_read() {
        let clock = HeldClock::new(16);
        let began = clock.now();
        while clock.unheld() <= began.after(Duration::from_millis(20)) {
            assert_eq!(clock.now(), began);
        }
        clock.release(began.after(Duration::from_millis(20)));
        assert_eq!(clock.now(), began.after(Duration::from_millis(20)));
        clock.release(began);
        assert_eq!(clock.now(), began.after(Duration::from_millis(20)), "it never runs backwards");
    }
}
