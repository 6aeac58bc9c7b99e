//! Records that found the queue full, counted per session until the chain says so.
use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use antiphon_core::ids::SessionId;

/// Records dropped per session since the chain last said so.
pub(super) type Dropped = Arc<Mutex<HashMap<SessionId, Drops>>>;

#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Drops {
    pub(super) untold: u64,
    pub(super) total: u64,
}
