//! A circuit breaker: stops asking what keeps failing, and tries again after a while. Pure, with time passed in.
mod circuit;

pub use circuit::{Breaker, BreakerSettings, BreakerState, BreakerTrip};
