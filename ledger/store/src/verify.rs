//! Verifying a session's chain where it is stored.
use serde::{Deserialize, Serialize};

use super::error::StoreError;
use super::traits::LedgerStore;
use antiphon_core::chain::{Break, Proof, Verifier};
use antiphon_core::ids::SessionId;

/// Rows read at a time.
const PAGE: u32 = 1_000;

/// What verifying found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Verified {
    /// The session.
    pub session: SessionId,
    /// Rows that hold.
    pub rows: u64,
    /// Rows whose content was erased.
    pub erased: u64,
    /// The first broken row, if any.
    pub broken: Option<Break>,
    /// Whether the head was compared with one kept outside the database, without which a chain that was rewritten as
    /// a whole is not found.
    pub anchored: bool,
}

impl Verified {
    /// Whether nothing is broken.
    pub fn holds(&self) -> bool {
        self.broken.is_none()
    }
}

/// Reads a session's rows and checks the chain, page by page. `anchor` is the proof from a bundle or another place outside
/// the database; without one, the store's own note of how far the session goes is compared.
pub async fn verify_session(
    store: &dyn LedgerStore,
    session: SessionId,
    anchor: Option<Proof>,
) -> Result<Verified, StoreError> {
    let noted = store.proof(session).await?;
    let mut verifier = Verifier::new(session);
    let mut broken = None;
    'pages: loop {
        let page = store.read(session, verifier.proof().rows, PAGE).await?;
        if page.is_empty() {
            break;
        }
        for row in &page {
            if let Err(found) = verifier.check(row) {
                broken = Some(found);
                break 'pages;
            }
        }
    }
    let (rows, erased) = (verifier.proof().rows, verifier.erased());
    // A session that no note knows but an anchor does was deleted as a whole.
    let compare = anchor.or(noted);
    let broken = broken.or_else(|| verifier.finish(compare).err());
    Ok(Verified { session, rows, erased, broken, anchored: anchor.is_some() })
}
