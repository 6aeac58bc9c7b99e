//! The hub: what everything shares, and the ways to reach connected clients.
use std::ops::Deref;

use super::core::Core;
use crate::gateway::Sessions;
use crate::voice::VoiceServer;

/// One simulation, as its tasks share it.
#[derive(Debug)]
pub(crate) struct Hub {
    core: Core,
    pub(crate) gateway: Sessions,
    pub(crate) voice: VoiceServer,
}

impl Hub {
    pub(crate) fn new(core: Core, voice: VoiceServer) -> Self {
        Self { core, gateway: Sessions::default(), voice }
    }
}

impl Deref for Hub {
    type Target = Core;

    fn deref(&self) -> &Core {
        &self.core
    }
}
