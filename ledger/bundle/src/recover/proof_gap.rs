//! What a recovered bundle's ledger proof must cover.
use std::path::Path;

use crate::format::error::Result;
use crate::format::json::JsonLines;
use crate::format::lines::{ActionLine, InputLine};
use crate::format::manifest::{INPUTS, actions_file};
use antiphon_core::ids::{Lane, SessionId};

/// A recording's decisions as they are kept: what its ledger must have, too, to prove them.
#[derive(Debug, Clone, Copy)]
pub struct Decided<'a> {
    dir: &'a Path,
    session: SessionId,
    over: bool,
}

impl<'a> Decided<'a> {
    pub(super) fn new(dir: &'a Path, session: SessionId, over: bool) -> Self {
        Self { dir, session, over }
    }

    pub fn session(&self) -> SessionId {
        self.session
    }

    /// Whether the session is known to be over. It may go on when the recording does not: on a disk that is full.
    pub fn over(&self) -> bool {
        self.over
    }

    /// The inputs.
    pub fn inputs(&self) -> Result<JsonLines<InputLine>> {
        JsonLines::open(&self.dir.join(INPUTS), INPUTS)
    }

    /// A lane's actions.
    pub fn actions(&self, lane: Lane) -> Result<JsonLines<ActionLine>> {
        let name = actions_file(lane);
        JsonLines::open(&self.dir.join(name), name)
    }
}
