//! How an embedded server is configured.

use std::sync::Arc;

use crate::clock::Clock;
use crate::limits::Limits;

/// How an embedded server is configured.
#[derive(Clone, Debug, Default)]
pub struct EmbeddedConfig {
    /// TCP port on the loopback address to listen on in addition to the socket; 0 takes a free one.
    pub port: Option<u16>,
    /// A password that clients must give.
    pub password: Option<String>,
    /// Bounds.
    pub limits: Limits,
    /// The clock; the wall clock when there is none.
    pub clock: Option<Arc<dyn Clock>>,
    /// Seed of what is random in it; drawn when there is none.
    pub seed: Option<u64>,
}
