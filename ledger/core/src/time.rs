//! Time as an input. Nothing in the decision machine reads a clock: the caller says when each thing happened.
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Microseconds since 1970-01-01T00:00:00Z.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default, Serialize, Deserialize, JsonSchema,
)]
#[serde(transparent)]
pub struct Timestamp(pub u64);

impl Timestamp {
    /// From milliseconds since 1970.
    pub const fn from_millis(ms: u64) -> Self {
        Self(ms.saturating_mul(1000))
    }

    /// Milliseconds since 1970, rounded down.
    pub const fn as_millis(self) -> u64 {
        self.0 / 1000
    }

    /// How long ago `earlier` was; zero when it lies ahead.
    pub const fn since(self, earlier: Timestamp) -> Duration {
        Duration::from_micros(self.0.saturating_sub(earlier.0))
    }

    /// Milliseconds since `earlier`, rounded down; zero when it lies ahead.
    pub const fn millis_since(self, earlier: Timestamp) -> u64 {
        self.0.saturating_sub(earlier.0) / 1000
    }

    /// The instant `by` later.
    #[must_use]
    pub fn after(self, by: Duration) -> Self {
        Self(self.0.saturating_add(u64::try_from(by.as_micros()).unwrap_or(u64::MAX)))
    }

    /// The instant `by` earlier, not before 1970.
    #[must_use]
    pub fn before(self, by: Duration) -> Self {
        Self(self.0.saturating_sub(u64::try_from(by.as_micros()).unwrap_or(u64::MAX)))
    }
}

impl fmt::Display for Timestamp {
    /// RFC 3339, UTC, with milliseconds.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match i64::try_from(self.0).ok().and_then(|us| jiff::Timestamp::from_microsecond(us).ok()) {
            Some(at) => write!(f, "{at:.3}"),
            None => write!(f, "{}us", self.0),
        }
    }
}

/// Where the time comes from.
pub trait Clock: Send + Sync + fmt::Debug {
    /// The time now. Never runs backwards within one clock.
    fn now(&self) -> Timestamp;
}

/// Wall-clock time taken once, then carried on by the monotonic clock, so that it never jumps when the system's
/// clock is set.
#[derive(Debug, Clone)]
pub struct WallClock {
    started: Instant,
    at_start: Timestamp,
}

impl Default for WallClock {
    fn default() -> Self {
        Self { started: Instant::now(), at_start: host_time() }
    }
}

/// The machine's wall clock as it stands: it may be set, forwards and backwards. For moments that another process is to
/// compare with its own: a [`WallClock`] that began before the clock was set, or before the machine slept, agrees with no
/// other.
pub fn host_time() -> Timestamp {
    Timestamp(0).after(SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default())
}

impl Clock for WallClock {
    fn now(&self) -> Timestamp {
        self.at_start.after(self.started.elapsed())
    }
}

/// A wall clock that runs faster than the wall's: for taking in recordings quicker than they were spoken.
#[derive(Debug, Clone)]
pub struct FastClock {
    wall: WallClock,
    began: Timestamp,
    speed: u32,
}

impl FastClock {
    /// Starts now, and runs `speed` times as fast (at least 1).
    pub fn new(speed: u32) -> Self {
        let wall = WallClock::default();
        Self { began: wall.now(), wall, speed: speed.max(1) }
    }
}

impl Clock for FastClock {
    fn now(&self) -> Timestamp {
        self.began.after(self.wall.now().since(self.began) * self.speed)
    }
}

/// A clock that stands still until it is set: for replay and for tests.
#[derive(Debug, Clone, Default)]
pub struct ManualClock(Arc<AtomicU64>);

impl ManualClock {
    /// A clock that shows `at`.
    pub fn at(at: Timestamp) -> Self {
        Self(Arc::new(AtomicU64::new(at.0)))
    }

    /// Moves to `at`, unless that lies behind.
    pub fn advance_to(&self, at: Timestamp) {
        self.0.fetch_max(at.0, Ordering::SeqCst);
    }

    /// Moves on by `by`.
    pub fn advance(&self, by: Duration) {
        self.advance_to(self.now().after(by));
    }
}

impl Clock for ManualClock {
    fn now(&self) -> Timestamp {
        Timestamp(self.0.load(Ordering::SeqCst))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_timestamp_prints_as_rfc_3339() {
        assert_eq!(Timestamp::from_millis(1_700_000_000_123).to_string(), "2023-11-14T22:13:20.123Z");
    }

    #[test]
    fn a_manual_clock_never_runs_backwards() {
        let clock = ManualClock::at(Timestamp(50));
        clock.advance_to(Timestamp(10));
        assert_eq!(clock.now(), Timestamp(50));
        clock.advance(Duration::from_micros(5));
        assert_eq!(clock.now(), Timestamp(55));
    }
}
