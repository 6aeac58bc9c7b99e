//! What must hold for the demo to count as passed.
use serde::Serialize;

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct Check {
    /// What must hold.
    pub(super) what: &'static str,
    /// Whether it did.
    pub(super) held: bool,
    /// What was found.
    pub(super) found: String,
}

impl Check {
    pub(super) fn new(what: &'static str, held: bool, found: impl Into<String>) -> Self {
        Self { what, held, found: found.into() }
    }
}
