//! The version of Redis whose behaviour is followed.

/// As INFO and HELLO report it.
pub(crate) const REDIS_VERSION: &str = "7.0.15";
