//! The rate limiter in plain Rust: what the script in Redis has to agree with.
use std::time::Duration;

use super::decision::Window;
use super::quota::{Quota, Subject};

/// One window that slides: an amount taken at a time counts until the window has passed over it.
#[derive(Clone, Debug, Default)]
pub struct Model {
    /// When, how much, and by which number it can be corrected.
    taken: Vec<(u64, u64, u64)>,
    next: u64,
}

impl Model {
    /// Forgets what lies outside of the window at this time.
    fn slide(&mut self, quota: Quota, now_ms: u64) {
        self.taken.retain(|(at, ..)| at + quota.window_ms() > now_ms);
    }

    fn used(&self) -> u64 {
        self.taken.iter().map(|(_, amount, _)| amount).sum()
    }

    /// The state of the window for a request of this much.
    pub fn look(&mut self, subject: Subject, quota: Quota, wanted: u64, now_ms: u64) -> Window {
        self.slide(quota, now_ms);
        let used = self.used();
        let retry_after = if used + wanted <= quota.limit {
            Some(Duration::ZERO)
        } else if wanted > quota.limit {
            None
        } else {
            let mut freed = 0;
            self.taken.iter().find_map(|(at, amount, _)| {
                freed += amount;
                (used - freed + wanted <= quota.limit)
                    .then(|| Duration::from_millis(at + quota.window_ms() - now_ms))
            })
        };
        Window {
            subject,
            limit: quota.limit,
            remaining: quota.limit.saturating_sub(used),
            reset_after: self.reset_after(quota, now_ms),
            retry_after,
        }
    }

    /// Takes this much; gives the number by which it can be corrected.
    pub fn take(&mut self, amount: u64, now_ms: u64) -> u64 {
        self.next += 1;
        if amount > 0 {
            self.taken.push((now_ms, amount, self.next));
        }
        self.next
    }

    /// Corrects what was taken under this number, if it still is that much and still counts.
    pub fn correct(&mut self, number: u64, taken: u64, really: u64) {
        for (_, amount, known) in &mut self.taken {
            if *known == number && *amount == taken {
                *amount = really;
            }
        }
        self.taken.retain(|(_, amount, _)| *amount > 0);
    }

    /// When the whole window is free again.
    #[must_use]
    pub fn reset_after(&self, quota: Quota, now_ms: u64) -> Duration {
        self.taken
            .last()
            .map_or(Duration::ZERO, |(at, ..)| Duration::from_millis(at + quota.window_ms() - now_ms))
    }
}
