//! A running simulation, and stopping it.
use std::ops::Deref;

use super::Handle;

/// A running simulation. Dropping it stops it; [`Sim::shutdown`] also waits until it has stopped. What can be done to
/// it is in [`Handle`].
#[derive(Debug)]
pub struct Sim {
    handle: Handle,
}

impl Sim {
    pub(super) fn new(handle: Handle) -> Self {
        Self { handle }
    }

    /// A handle for other tasks. It does not keep the simulation running.
    pub fn handle(&self) -> Handle {
        self.handle.clone()
    }

    /// Stops everything and waits until it has stopped.
    pub async fn shutdown(self) {
        self.handle.hub.cancel.cancel();
        self.handle.hub.tasks.close();
        self.handle.hub.tasks.wait().await;
    }
}

impl Deref for Sim {
    type Target = Handle;

    fn deref(&self) -> &Handle {
        &self.handle
    }
}

impl Drop for Sim {
    fn drop(&mut self) {
        self.handle.hub.cancel.cancel();
    }
}
