//! Verifying a session's chain where it is stored.
use serde::{Deserialize, Serialize};

use super::drops::dropped_by;
use super::error::StoreError;
use super::traits::LedgerStore;
use antiphon_core::chain::{Break, Proof, Verifier};
use antiphon_core::ids::SessionId;

/// Rows read at a time.
const PAGE: u32 = 1_000;

/// What verifying found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Verified {
    pub session: SessionId,
    /// Rows that hold.
    pub rows: u64,
    /// Rows whose content was erased.
    pub erased: u64,
    /// Records that found no room: rows of the chain say how many.
    #[serde(default)]
    pub dropped: u64,
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
    let (mut broken, mut dropped) = (None, 0);
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
            // Most rows are something else: their bodies need not be parsed.
            if row.kind == "audit" {
                dropped += row.body().as_ref().and_then(dropped_by).unwrap_or(0);
            }
        }
    }
    let (rows, erased) = (verifier.proof().rows, verifier.erased());
    // A session that no note knows but an anchor does was deleted as a whole.
    let compare = anchor.or(noted);
    let broken = broken.or_else(|| verifier.finish(compare).err());
    Ok(Verified { session, rows, erased, dropped, broken, anchored: anchor.is_some() })
}

/// Verifies every session, the latest first. `each` gets what was found, how many sessions were verified so far, and how
/// many there are.
pub async fn verify_all(
    store: &dyn LedgerStore,
    mut each: impl FnMut(Verified, u64, u64),
) -> Result<(), StoreError> {
    let total = store.session_count().await?;
    let (mut done, mut last) = (0, None);
    loop {
        let page = store.sessions(None, last.as_ref(), PAGE).await?;
        for entry in &page {
            let verified = verify_session(store, entry.session, None).await?;
            done += 1;
            each(verified, done, total.max(done));
        }
        match page.into_iter().next_back() {
            Some(entry) => last = Some(entry),
            None => return Ok(()),
        }
    }
}
