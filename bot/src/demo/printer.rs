//! Progress lines for the person who watches.
use std::time::Instant;

use crate::output::progress;

/// Prints to the standard error, each line with the time since the start.
#[derive(Debug, Clone)]
pub(super) struct Printer {
    began: Instant,
}

impl Printer {
    pub(super) fn new(began: Instant) -> Self {
        Self { began }
    }

    pub(super) fn happened(&self, what: impl AsRef<str>) {
        progress(format!("{:6.1} s  {}", self.seconds(), what.as_ref()));
    }

    /// A line that is spoken.
    pub(super) fn says(&self, who: &str, what: &str) {
        self.happened(format!("{who:>9}: {what}"));
    }

    /// A line without the time.
    pub(super) fn line(&self, text: impl AsRef<str>) {
        progress(text);
    }

    /// Seconds since the start.
    pub(super) fn seconds(&self) -> f64 {
        self.began.elapsed().as_secs_f64()
    }
}
