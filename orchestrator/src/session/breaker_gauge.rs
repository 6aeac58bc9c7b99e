//! How many running sessions have the breaker around their adaptive lane in which state.
use metrics::gauge;

/// The gauge, by state.
const BREAKERS: &str = "antiphon_adaptive_breakers";

/// One session's part of the gauge. A gauge that sessions set by themselves would show the last one's word for all.
#[derive(Debug)]
pub(super) struct BreakerGauge {
    state: &'static str,
}

impl Default for BreakerGauge {
    /// Closed, as breakers begin.
    fn default() -> Self {
        gauge!(BREAKERS, "state" => "closed").increment(1.0);
        Self { state: "closed" }
    }
}

impl BreakerGauge {
    /// It is in this state now.
    pub(super) fn moved(&mut self, state: &'static str) {
        gauge!(BREAKERS, "state" => self.state).decrement(1.0);
        gauge!(BREAKERS, "state" => state).increment(1.0);
        self.state = state;
    }
}

impl Drop for BreakerGauge {
    /// The session ended, in whatever way.
    fn drop(&mut self) {
        gauge!(BREAKERS, "state" => self.state).decrement(1.0);
    }
}
