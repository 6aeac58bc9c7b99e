//! Whether a session's chain covers what a recovered bundle has kept of it: only then is its head the bundle's proof.
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};

use antiphon_core::chain::{Break, ChainedRow, Proof, Verifier};
use antiphon_core::event::Input;
use antiphon_core::ids::{Lane, SessionId};
use antiphon_core::record::Body;
use bundle::recover::Decided;
use bundle::{BundleError, JsonLines};
use store::LedgerStore;
use store::StoreError;

/// Rows read at a time.
const PAGE: u32 = 1_000;

/// Why a recovered bundle gets no proof.
#[derive(Debug, thiserror::Error)]
pub enum NoProof {
    /// Nothing.
    #[error("the ledger has no row of session {0}")]
    Unknown(SessionId),
    /// It does not answer.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The bundle cannot be read.
    #[error(transparent)]
    Bundle(#[from] BundleError),
    /// The chain does not hold.
    #[error("the session's chain in the ledger is broken: {0}")]
    Broken(#[from] Break),
    /// Rows come later.
    #[error(
        "{rows} rows of the session wait in {} for the ledger: start the bot with that data folder, then recover again",
        spool.display()
    )]
    Waiting {
        /// How many.
        rows: u64,
        spool: PathBuf,
    },
    /// It goes on, or its end was not written.
    #[error("the session's end is not in the ledger: it may go on; when it has ended, recover again")]
    Open,
    /// The bundle knows more.
    #[error("the ledger ends before the bundle: {what} {n} is not in it")]
    Behind {
        /// Of which kind.
        what: &'static str,
        /// The line of the first that is missing.
        n: u64,
    },
}

/// The proof for a recovered bundle: the chain holds, nothing of it is still to come, and every input and action that the
/// bundle kept is in it, in the same order. `spool` is where rows may wait.
pub async fn proof_of(
    store: &dyn LedgerStore,
    decided: &Decided<'_>,
    spool: Option<&Path>,
) -> Result<Proof, NoProof> {
    let session = decided.session();
    let Some(noted) = store.proof(session).await? else {
        return Err(NoProof::Unknown(session));
    };
    if let Some(spool) = spool {
        let rows = waiting(spool, session, noted.rows);
        if rows > 0 {
            return Err(NoProof::Waiting { rows, spool: spool.to_path_buf() });
        }
    }
    let mut verifier = Verifier::new(session);
    let mut inputs = Expected::new("input", decided.inputs()?)?;
    let mut production = Expected::new("production's action", decided.actions(Lane::Production)?)?;
    let mut sandbox = Expected::new("the sandbox's action", decided.actions(Lane::Sandbox)?)?;
    let mut ended = false;
    loop {
        let page = store.read(session, verifier.proof().rows, PAGE).await?;
        if page.is_empty() {
            break;
        }
        for row in &page {
            verifier.check(row)?;
            let body = row.body();
            ended |= matches!(&body, Some(Body::Input { input: Input::SessionEnded { .. } }));
            match (row.kind.as_str(), row.lane) {
                ("input", None) => inputs.row(|line| {
                    line.at == row.at
                        && is_same(
                            row,
                            &body,
                            |body| matches!(body, Body::Input { input } if *input == line.input),
                        )
                })?,
                ("action", Some(lane)) => {
                    let expected = if lane == Lane::Production { &mut production } else { &mut sandbox };
                    expected.row(|line| {
                        line.at == row.at
                            && is_same(row, &body, |body| {
                                matches!(body, Body::Action { action, policy, .. } if *action == line.action && *policy == line.policy)
                            })
                    })?;
                }
                _ => {}
            }
        }
    }
    if let Some(missing) = inputs.missing().or(production.missing()).or(sandbox.missing()) {
        return Err(missing);
    }
    if !decided.over() && !ended {
        return Err(NoProof::Open);
    }
    Ok(verifier.finish(Some(noted))?)
}

/// Content that was erased says nothing; that the row is there says enough.
fn is_same(row: &ChainedRow, body: &Option<Body>, same: impl FnOnce(&Body) -> bool) -> bool {
    row.content.is_none() || body.as_ref().is_some_and(same)
}

/// Lines of the bundle that are to be found, in order.
struct Expected<T> {
    what: &'static str,
    lines: JsonLines<T>,
    next: Option<T>,
}

impl<T: serde::de::DeserializeOwned> Expected<T> {
    fn new(what: &'static str, mut lines: JsonLines<T>) -> Result<Self, BundleError> {
        let next = lines.next().transpose()?;
        Ok(Self { what, lines, next })
    }

    fn row(&mut self, same: impl FnOnce(&T) -> bool) -> Result<(), BundleError> {
        if self.next.as_ref().is_some_and(same) {
            self.next = self.lines.next().transpose()?;
        }
        Ok(())
    }

    fn missing(&self) -> Option<NoProof> {
        self.next.as_ref().map(|_| NoProof::Behind { what: self.what, n: self.lines.line() })
    }
}

/// Rows of the session in the spool that the store does not have. A spool that cannot be read holds none.
fn waiting(spool: &Path, session: SessionId, stored: u64) -> u64 {
    let Ok(file) = std::fs::File::open(spool) else { return 0 };
    BufReader::new(file)
        .lines()
        .map_while(Result::ok)
        .filter_map(|line| serde_json::from_str::<ChainedRow>(&line).ok())
        .filter(|row| row.session == session && row.seq >= stored)
        .count() as u64
}
