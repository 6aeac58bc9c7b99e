//! How a session's rows ended.
use antiphon_core::chain::Proof;

/// How a session's recording ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Finished {
    /// Rows and head, for the bundle.
    pub proof: Proof,
    /// Rows of any session that still wait in the spool; 0 when everything is in the store.
    pub pending: u64,
    /// Records of this session that were dropped because the queue was full.
    pub dropped: u64,
}
