//! Where the server's time comes from.
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// A source of time.
pub trait Clock: Send + Sync + fmt::Debug {
    /// Microseconds since 1970-01-01T00:00:00Z. Never runs backwards within one clock.
    fn micros(&self) -> u64;
}

/// Wall-clock time taken once, then carried on by the monotonic clock: it never jumps when the system's clock is set.
#[derive(Debug, Clone)]
pub struct WallClock {
    started: Instant,
    at_start: u64,
}

impl Default for WallClock {
    fn default() -> Self {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Self { started: Instant::now(), at_start: micros(since) }
    }
}

impl Clock for WallClock {
    fn micros(&self) -> u64 {
        self.at_start.saturating_add(micros(self.started.elapsed()))
    }
}

/// A clock that stands still until it is moved: for tests. After moving it, call
/// [`EmbeddedServer::wake`](crate::EmbeddedServer::wake), or use
/// [`EmbeddedServer::fast_forward`](crate::EmbeddedServer::fast_forward) instead of a manual clock.
#[derive(Debug, Clone, Default)]
pub struct ManualClock(Arc<AtomicU64>);

impl ManualClock {
    /// A clock that shows `millis` milliseconds since 1970.
    pub fn at_millis(millis: u64) -> Self {
        Self(Arc::new(AtomicU64::new(millis.saturating_mul(1000))))
    }

    /// Moves on by `by`.
    pub fn advance(&self, by: Duration) {
        self.0.fetch_add(micros(by), Ordering::SeqCst);
    }
}

impl Clock for ManualClock {
    fn micros(&self) -> u64 {
        self.0.load(Ordering::SeqCst)
    }
}

/// A clock and how far a test has moved the server ahead of it.
#[derive(Debug, Clone)]
pub(crate) struct ShiftedClock {
    clock: Arc<dyn Clock>,
    ahead: Arc<AtomicU64>,
}

impl ShiftedClock {
    pub(crate) fn new(clock: Arc<dyn Clock>) -> Self {
        Self { clock, ahead: Arc::default() }
    }

    pub(crate) fn micros(&self) -> u64 {
        self.clock.micros().saturating_add(self.ahead.load(Ordering::SeqCst))
    }

    pub(crate) fn advance(&self, by: Duration) {
        self.ahead.fetch_add(micros(by), Ordering::SeqCst);
    }
}

fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}
