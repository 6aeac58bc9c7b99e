//! What all parts of one simulation share.
use std::sync::{Mutex, MutexGuard, PoisonError};

use jiff::Timestamp;

use crate::faults::Faults;
use crate::trace::EventLog;
use crate::world::World;

/// The shared heart: state, event log and faults, and the ways to reach connected clients.
#[derive(Debug)]
pub(crate) struct Hub {
    world: Mutex<World>,
    pub(crate) events: EventLog,
    pub(crate) faults: Faults,
    /// `host:port` of the voice gateway.
    pub(crate) voice_endpoint: String,
}

impl Hub {
    pub(crate) fn new(world: World, seed: u64, voice_endpoint: String) -> Self {
        Self { world: Mutex::new(world), events: EventLog::new(), faults: Faults::new(seed), voice_endpoint }
    }

    /// The state, locked. Never held across an await.
    pub(crate) fn world(&self) -> MutexGuard<'_, World> {
        self.world.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn now(&self) -> Timestamp {
        Timestamp::now()
    }
}

/// A secret that nobody guesses, of 32 hex digits.
pub(crate) fn secret() -> String {
    format!("{:032x}", rand::random::<u128>())
}
